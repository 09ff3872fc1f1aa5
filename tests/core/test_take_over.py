"""Who asks for another's lease makes the table safe first, and gets it only when nobody says no."""

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import LEASE_US
from droptable.core.model import Control, Phase, Role, Verb
from tests.core.bench import ANN, BOB, LUMBAR, MS, OTHER_PAGE, PAGE, THORACIC, Bench, S

EVA = "eva"


def asked(bench: Bench) -> None:
    assert bench.ask(ev.TakeOverLease(OTHER_PAGE), BOB) == ()


def kept_alive(bench: Bench, us: int) -> tuple[do.Effect, ...]:
    """Time passes, and the holder's page is there."""
    until_us, did = bench.now_us + us, []
    while bench.now_us < until_us:
        did += bench.heard_for(min(500 * MS, until_us - bench.now_us))
        did += bench.take(ev.Alive(PAGE))
    bench.did = tuple(did)
    return bench.did


def held(*phases: Phase) -> Bench:
    bench = Bench().ready(*phases)
    bench.ask(ev.TakeLease(PAGE))
    return bench


def causes(bench: Bench) -> list[object]:
    return [record.data["cause"] for record in bench.found(do.Record) if "cause" in record.data]


def test_a_take_over_disarms_before_anyone_is_asked() -> None:
    bench = held(Phase.COCKED)
    bench.arm()
    asked(bench)
    assert bench.beat == (False, False)
    assert bench.recorded() == ["take_over_asked"]
    record = bench.one(do.Record)
    assert (record.actor, record.data) == (BOB, {"holder": ANN})
    assert bench.state.lease is not None
    assert bench.state.lease.holder == ANN


def test_a_take_over_ends_a_hold_that_no_finger_has() -> None:
    bench = held(Phase.LOCKED)
    bench.sent(ev.Do(Verb.COCK, THORACIC))
    asked(bench)
    assert bench.beat == (False, False)
    assert bench.state.hold is None


@pytest.mark.parametrize("actor", [ANN, BOB])
def test_nobody_moves_the_table_while_it_is_not_decided_whose_it_is(actor: str) -> None:
    bench = held(Phase.COCKED, Phase.ARMED)
    asked(bench)
    assert "TAKE_OVER" in bench.refused(ev.Do(Verb.LOCK, THORACIC), actor)
    assert "TAKE_OVER" in bench.refused(ev.ResetStop(), actor)
    told = bench.press(Control.ARM, actor=actor)
    assert "TAKE_OVER" in [reason.code for reason in told.reasons]
    bench.sent(ev.Do(Verb.DISARM, LUMBAR), actor)


def test_a_holder_who_says_nothing_has_10_s() -> None:
    bench = held()
    asked(bench)
    kept_alive(bench, 10 * S - 1)
    assert bench.state.lease is not None
    assert bench.state.lease.holder == ANN
    bench.later(1)
    assert bench.recorded() == ["take_over_ended", "lease_ended", "lease_taken"]
    assert causes(bench) == ["no answer", "taken over"]
    lease = bench.state.lease
    assert (lease.holder, lease.client, lease.renewed_us) == (BOB, OTHER_PAGE, bench.now_us)
    assert bench.beat == (False, False)
    bench.status()
    assert bench.beat == (True, False)


def test_a_holder_may_give_it_at_once() -> None:
    bench = held()
    asked(bench)
    assert bench.ask(ev.AnswerTakeOver(give=True)) == ()
    assert causes(bench) == ["given", "taken over"]
    assert bench.state.lease is not None
    assert bench.state.lease.holder == BOB


def test_a_holder_may_keep_it_and_nothing_goes_on_by_itself() -> None:
    bench = held(Phase.COCKED)
    bench.arm()
    asked(bench)
    bench.phase(THORACIC, Phase.COCKED)
    assert bench.ask(ev.AnswerTakeOver(give=False)) == ()
    assert causes(bench) == ["kept"]
    assert bench.one(do.Record).actor == ANN
    assert bench.state.take_over is None
    assert bench.beat == (True, False)
    kept_alive(bench, 11 * S)
    assert bench.state.lease is not None
    assert bench.state.lease.holder == ANN
    assert [command.verb for command in bench.ever(do.SendCommand)] == [Verb.ARM]


def test_a_lease_that_is_kept_at_once_is_not_that_of_what_was_armed() -> None:
    bench = held(Phase.COCKED)
    bench.arm()
    asked(bench)
    bench.ask(ev.AnswerTakeOver(give=False))
    bench.status()
    assert bench.beat == (False, False)
    bench.phase(THORACIC, Phase.COCKED)
    assert bench.beat == (True, False)


@pytest.mark.parametrize("end", [ev.AnswerTakeOver(give=False), ev.ClientLost(OTHER_PAGE)], ids=str)
def test_who_was_turned_down_does_not_ask_again_at_once(
    end: ev.AnswerTakeOver | ev.ClientLost,
) -> None:
    bench = held()
    asked(bench)
    bench.ask(end) if isinstance(end, ev.AnswerTakeOver) else bench.take(end)
    against = bench.ask(ev.TakeOverLease(OTHER_PAGE), BOB)
    assert against is not None
    assert [reason.code for reason in against] == ["TAKE_OVER_PAUSE"]
    assert against[0].remedy.endswith("ask again in 30 s.")
    assert bench.recorded() == []
    kept_alive(bench, 30 * S - 1)
    assert bench.refused(ev.TakeOverLease(OTHER_PAGE), BOB) == ["TAKE_OVER_PAUSE"]
    kept_alive(bench, 1)
    asked(bench)
    assert bench.state.take_over is not None


def test_who_was_turned_down_may_take_a_lease_that_nobody_has_and_others_may_ask() -> None:
    bench = held()
    asked(bench)
    bench.ask(ev.AnswerTakeOver(give=False))
    assert bench.ask(ev.TakeOverLease(7), EVA) == ()
    bench.ask(ev.AnswerTakeOver(give=False))
    assert {each.actor for each in bench.state.turned_down} == {BOB, EVA}
    bench.ask(ev.ReleaseLease())
    asked(bench)
    assert bench.state.lease is not None
    assert bench.state.lease.holder == BOB


def test_no_tension_is_set_while_it_is_not_decided_whose_the_lease_is() -> None:
    bench = held()
    asked(bench)
    assert "TAKE_OVER" in bench.refused(ev.SetTension(LUMBAR, 1500))


def test_nobody_answers_for_a_tension_after_a_take_over() -> None:
    bench = held()
    bench.ask(ev.SetTension(LUMBAR, 1000))
    bench.answer_params()
    assert bench.state.sections[LUMBAR].tension_confirmed
    asked(bench)
    bench.ask(ev.AnswerTakeOver(give=True))
    assert not bench.state.sections[LUMBAR].tension_confirmed


@pytest.mark.parametrize("actor", [BOB, EVA])
def test_only_the_holder_answers(actor: str) -> None:
    bench = held()
    asked(bench)
    assert bench.refused(ev.AnswerTakeOver(give=True), actor) == ["TAKE_OVER_NONE"]
    assert bench.state.take_over is not None


def test_there_is_nothing_to_answer_when_nobody_asks() -> None:
    assert held().refused(ev.AnswerTakeOver(give=True)) == ["TAKE_OVER_NONE"]


def test_one_asks_at_a_time_and_asking_again_asks_no_longer() -> None:
    bench = held()
    asked(bench)
    until_us = bench.state.take_over and bench.state.take_over.until_us
    kept_alive(bench, 1 * S)
    assert bench.refused(ev.TakeOverLease(7), EVA) == ["TAKE_OVER"]
    asked(bench)
    assert bench.state.take_over is not None
    assert bench.state.take_over.until_us == until_us
    assert bench.recorded() == []


def test_a_holder_who_goes_has_given_it() -> None:
    for end in (ev.ReleaseLease(), None):
        bench = held()
        asked(bench)
        if end is None:
            bench.heard_for(LEASE_US)
        else:
            bench.ask(end)
        assert "holder gone" in causes(bench)
        assert bench.state.lease is not None
        assert bench.state.lease.holder == BOB


def test_who_asks_and_goes_gets_nothing() -> None:
    bench = held()
    asked(bench)
    bench.take(ev.ClientLost(OTHER_PAGE))
    assert causes(bench) == ["asker gone"]
    kept_alive(bench, 11 * S)
    assert bench.state.lease is not None
    assert bench.state.lease.holder == ANN


def test_a_lease_that_nobody_has_is_taken_and_one_s_own_is_kept() -> None:
    bench = Bench().ready(lease=None)
    asked(bench)
    assert bench.recorded() == ["lease_taken"]
    asked(bench)
    assert bench.recorded() == []
    assert bench.state.take_over is None


def test_who_may_only_look_takes_nothing_over() -> None:
    bench = held()
    bench.asked.append(1)
    bench.take(ev.Asked(1, BOB, ev.TakeOverLease(), Role.VIEWER))
    assert [reason.code for reason in bench.one(do.Answer).reasons] == ["ROLE"]
    assert bench.state.take_over is None
    assert bench.beat == (True, False)


def test_an_ending_daemon_gives_no_lease_to_who_asks() -> None:
    bench = held()
    asked(bench)
    bench.take(ev.Closing())
    assert causes(bench) == ["daemon ends", "daemon ends"]
    assert bench.state.lease is None
    assert bench.refused(ev.TakeOverLease(), BOB) == ["CLOSING"]
