"""STOP: at once, again and again until the board has it, and never taken for done too early."""

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import CLOSING_STOP_AFTER_US, STOP_RESEND_US
from droptable.core.model import ACTIVE, Phase, Verb
from droptable.core.step import at_rest
from tests.core.bench import BOB, LUMBAR, MS, THORACIC, Bench, S


def wanted(bench: Bench) -> bool:
    return bench.state.stop_wanted is not None


def confirm(bench: Bench, sent: do.SendStop) -> None:
    bench.result(sent.cmd_id)
    bench.status(stopped=True)


@pytest.mark.parametrize("phase", Phase)
def test_stop_goes_out_first_in_every_phase_without_a_lease_and_is_recorded(phase: Phase) -> None:
    bench = Bench().ready(phase, lease=None)
    bench.take(ev.StopAsked("mqtt"))
    assert isinstance(bench.did[0], do.SendStop)
    record = bench.one(do.Record)
    assert (record.kind, record.actor) == ("stop_requested", "mqtt")


def test_stop_goes_before_what_became_due_in_the_same_step() -> None:
    bench = Bench().ready()
    bench.sent(ev.Do(Verb.COCK, THORACIC))
    bench.now_us += 10 * S
    bench.take(ev.StopAsked("page"))
    assert isinstance(bench.did[0], do.SendStop)
    assert "lease_ended" in bench.recorded()


def test_stop_is_sent_again_every_50_ms_as_the_same_until_the_board_has_it() -> None:
    bench = Bench().ready()
    first = bench.stop()
    bench.heard_for(STOP_RESEND_US - 1)
    assert bench.found(do.SendStop) == []
    bench.later(1)
    assert bench.found(do.SendStop) == [first]
    bench.heard_for(10 * STOP_RESEND_US)
    assert bench.found(do.SendStop) == [first] * 10
    confirm(bench, first)
    assert not wanted(bench)
    bench.heard_for(10 * STOP_RESEND_US)
    assert bench.found(do.SendStop) == []


def test_the_journal_has_a_stop_once_from_each_source_until_it_is_over() -> None:
    bench = Bench().ready()
    for source in ("http", "page", "http", "http", "page"):
        bench.stop(source)
        assert isinstance(bench.did[0], do.SendStop), "it is sent each time"
    last = bench.stop("http")
    confirm(bench, last)
    bench.stop("http")
    told = [each.actor for each in bench.ever(do.Record) if each.kind == "stop_requested"]
    assert told == ["http", "page"]
    confirm(bench, bench.stop("page"))
    bench.status(stopped=False)
    bench.stop("http")
    assert bench.recorded() == ["stop_requested"]


def test_a_stop_that_was_latched_before_confirms_no_new_one() -> None:
    bench = Bench().ready()
    bench.status(stopped=True)
    sent = bench.stop()
    bench.status()
    assert wanted(bench), "this STATUS may be older than the STOP"
    confirm(bench, sent)
    assert not wanted(bench)


def test_an_answer_without_a_latch_confirms_nothing() -> None:
    bench = Bench().ready()
    sent = bench.stop()
    bench.result(sent.cmd_id)
    bench.status()
    assert wanted(bench)
    bench.status(stopped=True)
    assert not wanted(bench)


def test_an_answer_to_an_earlier_stop_confirms_no_later_one() -> None:
    bench = Bench().ready()
    first, second = bench.stop(), bench.stop()
    assert first.cmd_id != second.cmd_id
    confirm(bench, first)
    assert wanted(bench)
    confirm(bench, second)
    assert not wanted(bench)


def test_a_stop_that_the_board_does_not_take_is_not_confirmed() -> None:
    bench = Bench().ready()
    sent = bench.stop()
    bench.result(sent.cmd_id, 9)
    bench.status(stopped=True)
    assert wanted(bench)


def test_a_reset_under_way_cannot_take_back_a_stop() -> None:
    bench = Bench().ready()
    bench.status(stopped=True)
    reset = bench.sent(ev.ResetStop())
    # It overtakes the reset on its way out, and the board takes the reset after it.
    sent = bench.stop()
    confirm(bench, sent)
    assert wanted(bench)
    bench.result(reset.cmd_id)
    bench.status(stopped=False)
    bench.heard_for(STOP_RESEND_US)
    assert bench.found(do.SendStop) == [sent]
    confirm(bench, sent)
    assert not wanted(bench)


def test_a_stop_is_not_reset_before_it_is_confirmed() -> None:
    bench = Bench().ready()
    sent = bench.stop()
    assert bench.refused(ev.ResetStop()) == ["STOP_UNCONFIRMED"]
    confirm(bench, sent)
    assert bench.sent(ev.ResetStop()).verb is Verb.RESET_STOP


def test_a_stop_without_a_link_is_sent_as_soon_as_there_is_a_stream() -> None:
    bench = Bench()
    sent = bench.stop()
    bench.later(1 * S + 1)
    bench.take(ev.StreamOpened())
    assert bench.found(do.SendStop) == [sent]
    bench.open()
    confirm(bench, sent)
    assert not wanted(bench)


def test_what_a_lost_board_said_of_a_stop_is_not_true_of_the_one_that_comes_back() -> None:
    bench = Bench().ready()
    sent = bench.stop()
    bench.result(sent.cmd_id)
    bench.take(ev.SessionOver())
    bench.open()
    bench.status(stopped=True)
    assert wanted(bench)
    confirm(bench, sent)
    assert not wanted(bench)


def test_nothing_moves_while_a_stop_is_not_confirmed() -> None:
    bench = Bench().ready()
    bench.stop()
    assert bench.refused(ev.Do(Verb.COCK, THORACIC)) == ["STOP_UNCONFIRMED"]


def test_anyone_stops_and_the_lease_stays_with_its_holder() -> None:
    bench = Bench().ready()
    bench.stop(BOB)
    assert bench.state.lease is not None


# The end of the daemon


def test_the_end_takes_the_lease_and_stops_a_table_that_does_not_come_to_rest() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    bench.take(ev.Closing())
    assert bench.beat == (False, False)
    assert bench.recorded() == ["lease_ended"]
    bench.heard_for(CLOSING_STOP_AFTER_US - 1)
    assert bench.found(do.SendStop) == []
    bench.later(1)
    (sent,) = bench.found(do.SendStop)
    assert bench.recorded() == ["stop_requested"]
    confirm(bench, sent)
    # A fall goes on under STOP; a table that is stopped is not stopped again.
    bench.phase(THORACIC, Phase.DROPPING)
    bench.heard_for(1 * S)
    assert bench.found(do.SendStop) == []


def test_a_table_that_comes_to_rest_is_not_stopped() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    bench.take(ev.Closing())
    bench.heard_for(100 * MS)
    bench.phase(THORACIC, Phase.COCKED)
    bench.heard_for(1 * S)
    assert bench.ever(do.SendStop) == []


def test_asked_twice_the_end_does_not_begin_again() -> None:
    bench = Bench().ready(Phase.DROPPING)
    bench.take(ev.Closing())
    bench.heard_for(CLOSING_STOP_AFTER_US - 1)
    bench.take(ev.Closing())
    bench.later(1)
    assert len(bench.found(do.SendStop)) == 1


def test_a_table_of_which_nothing_is_known_is_stopped_at_the_end() -> None:
    bench = Bench()
    bench.take(ev.Closing())
    bench.later(CLOSING_STOP_AFTER_US)
    assert len(bench.found(do.SendStop)) == 1


def test_an_ending_daemon_gives_no_lease_and_moves_nothing() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.take(ev.Closing())
    assert bench.refused(ev.TakeLease()) == ["CLOSING"]
    assert bench.refused(ev.Do(Verb.LOCK, THORACIC)) == ["LEASE_NONE", "CLOSING"]


def test_an_ending_daemon_still_disarms() -> None:
    bench = Bench().ready(Phase.LOCKED, Phase.ARMED)
    bench.take(ev.Closing())
    assert bench.sent(ev.Do(Verb.DISARM, LUMBAR)).verb is Verb.DISARM


@pytest.mark.parametrize("phase", Phase)
def test_a_table_is_at_rest_only_as_long_as_it_is_known_to_be(phase: Phase) -> None:
    bench = Bench().ready(Phase.LOCKED, phase)
    assert at_rest(bench.state) == (phase not in ACTIVE)
    bench.take(ev.WentStale())
    assert not at_rest(bench.state)
