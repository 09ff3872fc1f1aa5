"""What people ask for: each verb in each phase, how the board takes it, and that someone answers."""

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import COMMAND_TTL_MS, RESULT_WAIT_US, TENSION_SET_KEY
from droptable.core.model import Phase, Verb
from droptable.core.reasons import BOARD_CODES
from tests.core.bench import ANN, BOB, LUMBAR, MS, PELVIC, THORACIC, Bench

ALLOWED = {
    Verb.COCK: {Phase.LOCKED, Phase.HALTED},
    Verb.ARM: {Phase.COCKED},
    Verb.LOCK: {Phase.COCKED, Phase.HALTED},
    Verb.DISARM: {Phase.ARMED},
    Verb.HOME: {Phase.UNKNOWN},
    Verb.CLEAR_FAULT: {Phase.FAULT},
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("verb", ALLOWED)
def test_a_verb_goes_to_the_board_in_its_phases_and_in_no_other(verb: Verb, phase: Phase) -> None:
    bench = Bench().ready(Phase.LOCKED, phase, lease=None)
    if bench.state.lease is None:
        bench.ask(ev.TakeLease())
    bench.confirm()
    action = ev.Do(verb, LUMBAR)
    if phase not in ALLOWED[verb]:
        bench.refused(action)
        return
    sent = bench.sent(action)
    window_ms = bench.state.settings.window_ms if verb is Verb.ARM else 0
    expected = do.SendCommand(sent.cmd_id, verb, LUMBAR, int(phase), COMMAND_TTL_MS, window_ms)
    assert sent == expected
    bench.result(sent.cmd_id)
    assert bench.one(do.Answer).reasons == ()
    assert bench.ever(do.SendCommand) == [sent]


def test_a_stop_is_reset_at_the_table_whatever_its_phases() -> None:
    bench = Bench().ready(Phase.UNKNOWN)
    bench.status(stopped=True)
    sent = bench.sent(ev.ResetStop())
    assert sent == do.SendCommand(sent.cmd_id, Verb.RESET_STOP, None, None, COMMAND_TTL_MS)
    bench.result(sent.cmd_id)
    assert bench.one(do.Answer).reasons == ()


@pytest.mark.parametrize("code", [*BOARD_CODES, 17, 255])
def test_what_the_board_refuses_is_told_and_nothing_is_sent_again(code: int) -> None:
    bench = Bench().ready(Phase.COCKED)
    sent = bench.sent(ev.Do(Verb.ARM, THORACIC))
    bench.result(sent.cmd_id, code)
    (against,) = bench.one(do.Answer).reasons
    assert against.code == "BOARD_REFUSED"
    assert BOARD_CODES.get(code, f"code {code}") in against.text
    bench.heard_for(1000 * MS)
    assert bench.ever(do.SendCommand) == [sent]


def test_without_a_result_the_answer_is_that_the_board_is_silent() -> None:
    bench = Bench().ready(Phase.COCKED)
    sent = bench.sent(ev.Do(Verb.ARM, THORACIC))
    asked_us = bench.now_us
    bench.heard_for(RESULT_WAIT_US - 1)
    assert bench.found(do.Answer) == []
    bench.later(1)
    (against,) = bench.one(do.Answer).reasons
    assert (against.code, bench.now_us) == ("BOARD_SILENT", asked_us + RESULT_WAIT_US)
    bench.result(sent.cmd_id)
    assert bench.found(do.Answer) == []
    assert bench.ever(do.SendCommand) == [sent]


def test_a_late_result_after_a_stall_with_a_silent_board_answers_once() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.sent(ev.Do(Verb.ARM, THORACIC))
    # The loop stood still: the RESULT's time and the STATUS's time are over in the same step.
    bench.now_us += 2 * RESULT_WAIT_US
    bench.take(ev.TimePassed())
    assert [reason.code for reason in bench.one(do.Answer).reasons] == ["BOARD_SILENT"]


def test_a_result_that_nobody_waits_for_changes_nothing() -> None:
    bench = Bench().ready(Phase.COCKED)
    before = bench.state
    assert bench.result(4711, 3) == ()
    assert bench.state == before


def test_the_window_is_shown_while_armed_and_no_longer() -> None:
    bench = Bench().ready(Phase.COCKED)
    sent = bench.sent(ev.Do(Verb.ARM, THORACIC))
    until_us = bench.now_us + bench.state.settings.window_ms * MS
    bench.later(3 * MS)
    bench.result(sent.cmd_id)
    bench.phase(THORACIC, Phase.ARMED)
    assert bench.state.sections[THORACIC].armed_until_us == until_us
    bench.status()
    assert bench.state.sections[THORACIC].armed_until_us == until_us
    bench.phase(THORACIC, Phase.DROPPING)
    assert bench.state.sections[THORACIC].armed_until_us is None


def test_a_window_whose_result_came_after_the_fall_is_not_shown() -> None:
    bench = Bench().ready(Phase.COCKED)
    sent = bench.sent(ev.Do(Verb.ARM, THORACIC))
    bench.phase(THORACIC, Phase.DROPPING)
    bench.result(sent.cmd_id)
    assert bench.one(do.Answer).reasons == ()
    assert bench.state.sections[THORACIC].armed_until_us is None


def test_the_licences_are_in_a_beat_before_the_command_that_needs_them() -> None:
    bench = Bench().ready()
    bench.ask(ev.Do(Verb.COCK, THORACIC))
    kinds = [type(effect) for effect in bench.did]
    assert kinds == [do.SetBeat, do.SendCommand]
    assert bench.one(do.SetBeat) == do.SetBeat(lease=True, hold=True)


def test_one_thing_is_done_at_a_time() -> None:
    bench = Bench().ready(Phase.LOCKED, Phase.UNKNOWN)
    bench.sent(ev.Do(Verb.COCK, THORACIC))
    assert bench.refused(ev.Do(Verb.COCK, PELVIC)) == ["BUSY"]
    assert bench.refused(ev.Do(Verb.HOME, LUMBAR)) == ["BUSY"]


# Tension


def tension(bench: Bench, dn: int = 1234) -> do.SendParamSet:
    assert bench.ask(ev.SetTension(LUMBAR, dn)) is None
    return bench.one(do.SendParamSet)


def test_a_tension_is_set_when_the_board_says_so() -> None:
    bench = Bench().ready()
    sent = tension(bench)
    assert (sent.section, sent.key, sent.value) == (LUMBAR, TENSION_SET_KEY, 1234)
    bench.take(ev.ParamHeard(sent.cmd_id, LUMBAR, TENSION_SET_KEY, 1234))
    assert bench.one(do.Answer).reasons == ()
    assert bench.one(do.Record).data == {"tension_n": 123.4}
    assert bench.state.sections[LUMBAR].tension_confirmed
    assert bench.state.params.values[LUMBAR, TENSION_SET_KEY] == 1234


@pytest.mark.parametrize(
    ("dn", "allowed"), [(499, False), (500, True), (2500, True), (2501, False)]
)
def test_a_tension_has_the_range_of_its_section(dn: int, allowed: bool) -> None:
    bench = Bench().ready()
    if allowed:
        tension(bench, dn)
        return
    assert bench.refused(ev.SetTension(LUMBAR, dn)) == ["TENSION_RANGE"]
    assert bench.found(do.SendParamSet) == []


def test_what_is_wrong_with_the_table_comes_before_what_is_wrong_with_the_number() -> None:
    found = Bench().refused(ev.SetTension(LUMBAR, 1))
    assert (found[0], found[-1]) == ("LINK_DOWN", "TENSION_RANGE")


def test_a_second_tension_waits_for_the_first() -> None:
    bench = Bench().ready()
    first = tension(bench)
    assert bench.refused(ev.SetTension(THORACIC, 1000)) == ["BUSY"]
    bench.take(ev.ParamHeard(first.cmd_id, LUMBAR, TENSION_SET_KEY, 1234))
    assert bench.one(do.Answer).reasons == ()
    tension(bench, 1300)


def test_a_tension_that_the_board_refuses_stays_what_it_was() -> None:
    bench = Bench().ready()
    sent = tension(bench)
    bench.result(sent.cmd_id, 8)
    assert [reason.code for reason in bench.one(do.Answer).reasons] == ["BOARD_REFUSED"]
    assert bench.state.params.values[LUMBAR, TENSION_SET_KEY] == 1500
    assert not bench.state.sections[LUMBAR].tension_confirmed
    assert bench.recorded() == []


def test_a_tension_that_the_board_changed_is_refused_and_shown_as_it_is() -> None:
    bench = Bench().ready()
    sent = tension(bench)
    bench.take(ev.ParamHeard(sent.cmd_id, LUMBAR, TENSION_SET_KEY, 1200))
    assert [reason.code for reason in bench.one(do.Answer).reasons] == ["BOARD_REFUSED"]
    assert bench.state.params.values[LUMBAR, TENSION_SET_KEY] == 1200
    assert not bench.state.sections[LUMBAR].tension_confirmed


def test_a_tension_without_an_answer_is_not_known() -> None:
    bench = Bench().ready()
    tension(bench)
    bench.heard_for(RESULT_WAIT_US)
    assert [reason.code for reason in bench.one(do.Answer).reasons] == ["BOARD_SILENT"]
    assert (LUMBAR, TENSION_SET_KEY) not in bench.state.params.values
    assert len(bench.ever(do.SendParamSet)) == 1


def test_ok_is_no_answer_to_a_tension() -> None:
    bench = Bench().ready()
    sent = tension(bench)
    bench.result(sent.cmd_id, 0)
    assert bench.found(do.Answer) == []


def test_nobody_answers_for_a_tension_whose_asker_has_lost_the_lease() -> None:
    bench = Bench().ready()
    sent = tension(bench)
    bench.ask(ev.ReleaseLease())
    bench.take(ev.ParamHeard(sent.cmd_id, LUMBAR, TENSION_SET_KEY, 1234))
    assert bench.recorded() == ["tension_set"]
    assert not bench.state.sections[LUMBAR].tension_confirmed


# Numbers


def test_no_two_things_under_way_have_the_same_number_and_none_is_0() -> None:
    bench = Bench().ready(Phase.COCKED, Phase.UNKNOWN)
    object.__setattr__(bench.state, "next_cmd_id", 0xFFFF)
    last = bench.sent(ev.Do(Verb.ARM, THORACIC))
    assert last.cmd_id == 0xFFFF
    stop = bench.stop()
    bench.result(last.cmd_id, 6)
    first = tension(bench)
    assert [stop.cmd_id, first.cmd_id] == [1, 2]
    assert bench.state.next_cmd_id == 3


def test_only_the_holder_moves_the_table() -> None:
    bench = Bench().ready(Phase.COCKED)
    assert bench.refused(ev.Do(Verb.ARM, THORACIC), BOB) == ["LEASE_HELD"]
    bench.ask(ev.ReleaseLease(), ANN)
    assert bench.refused(ev.Do(Verb.ARM, THORACIC), ANN) == [
        "LEASE_NONE",
        "TENSION_UNCONFIRMED",
    ]


def test_anyone_may_disarm() -> None:
    bench = Bench().ready(Phase.ARMED)
    assert bench.sent(ev.Do(Verb.DISARM, THORACIC), BOB).verb is Verb.DISARM
