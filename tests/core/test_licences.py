"""The lease and the hold: whose they are, how long they last, and that none outlives its end."""

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import (
    HOLD_BEGIN_US,
    HOLD_MARGIN_US,
    LEASE_MOVING_US,
    LEASE_US,
    ROUND_TRIP_MAX_US,
)
from droptable.core.model import ACTIVE, HELD_PHASES, Phase, Verb
from droptable.core.step import beat_flags
from tests.core.bench import ANN, BOB, LIMITS, LUMBAR, MS, PAGE, THORACIC, Bench, settings

RESTING = sorted(set(Phase) - ACTIVE)


def answer_renewals(bench: Bench, us: int) -> None:
    """Time passes, and the holder's socket renews the lease."""
    for _ in range(us // 500_000):
        bench.heard_for(500_000)
        bench.ask(ev.TakeLease())
    bench.heard_for(us % 500_000)


# The lease


@pytest.mark.parametrize("phase", Phase)
def test_the_lease_ends_on_the_microsecond_shorter_while_something_is_armed_or_moves(
    phase: Phase,
) -> None:
    bench = Bench().ready(Phase.LOCKED, phase)
    taken_us = bench.now_us
    ttl_us = LEASE_MOVING_US if phase in ACTIVE else LEASE_US
    bench.heard_for(ttl_us - 1)
    assert bench.state.lease is not None
    # What moves without a hold is none that the daemon knows of: the board is told of no lease.
    assert bench.beat == (phase not in HELD_PHASES, False)
    bench.later(1)
    assert bench.now_us == taken_us + ttl_us
    assert bench.state.lease is None
    assert bench.recorded() == ["lease_ended"]
    assert bench.one(do.Record).data == {"cause": "expired"}
    assert bench.beat == (False, False)


def test_a_lease_that_is_too_old_for_a_moving_section_ends_as_soon_as_one_moves() -> None:
    bench = Bench().ready()
    bench.heard_for(LEASE_MOVING_US)
    assert bench.state.lease is not None
    bench.phase(THORACIC, Phase.DROPPING)
    assert bench.state.lease is None
    assert bench.found(do.SetBeat) == [do.SetBeat(lease=False, hold=False)]


@pytest.mark.parametrize(
    "action",
    [
        ev.TakeLease(),
        ev.ResetStop(),
        ev.SetTension(LUMBAR, 1500),
        ev.Do(Verb.COCK, THORACIC),
    ],
    ids=str,
)
@pytest.mark.parametrize("client", [None, PAGE])
def test_what_the_holder_asks_for_renews_a_lease_that_no_socket_keeps(
    client: int | None, action: ev.Action
) -> None:
    bench = Bench().ready()
    if client is not None:
        bench.ask(ev.TakeLease(client))
    until_us = bench.state.lease_until_us
    bench.heard_for(1000 * MS)
    assert not bench.ask(action)
    renewed = bench.state.lease_until_us == bench.now_us + LEASE_US
    assert renewed == (client is None)
    assert renewed or bench.state.lease_until_us == until_us


@pytest.mark.parametrize(
    "action",
    [
        ev.Do(Verb.HOME, THORACIC),
        ev.Do(Verb.DISARM, LUMBAR),
        ev.Do(Verb.ARM, LUMBAR),
        ev.SetTension(LUMBAR, 1),
        ev.AnswerTakeOver(give=False),
        ev.StartSeries("s", "none"),
    ],
    ids=str,
)
def test_what_is_refused_renews_nothing(action: ev.Action) -> None:
    bench = Bench().ready()
    until_us = bench.state.lease_until_us
    bench.heard_for(1000 * MS)
    assert bench.refused(action)
    assert bench.state.lease_until_us == until_us


# The end of a lease is seen before the next one counts


def armed_by_ann() -> Bench:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    return bench


@pytest.mark.parametrize("taken", [ev.TakeLease(), ev.TakeOverLease()], ids=str)
def test_what_was_armed_is_not_handed_on_in_the_step_that_notices_the_end(
    taken: ev.Action,
) -> None:
    bench = armed_by_ann()
    bench.heard_for(LEASE_MOVING_US - 1)
    bench.now_us += 1
    assert bench.ask(taken, BOB) == ()
    assert bench.recorded() == ["lease_ended", "lease_taken"]
    assert bench.beat == (False, False)
    assert bench.one(do.SetBeat) == do.SetBeat(lease=False, hold=False)


def test_a_lease_that_is_taken_again_counts_when_the_board_has_lost_the_last_one() -> None:
    bench = armed_by_ann()
    bench.status(lease_live=True)
    bench.ask(ev.ReleaseLease())
    assert bench.ask(ev.TakeLease(), BOB) == ()
    assert bench.beat == (False, False)
    bench.heard_for(200 * MS)
    assert bench.beat == (False, False), "the BEAT that says so may be lost"
    bench.phases[THORACIC] = Phase.SECURING
    bench.status(lease_live=False)
    assert bench.beat == (False, False)
    bench.phases[THORACIC] = Phase.COCKED
    bench.status(lease_live=True)
    assert bench.beat == (False, False)
    assert "BUSY" in bench.refused(ev.Do(Verb.LOCK, THORACIC), BOB)
    bench.status(lease_live=False)
    assert bench.beat == (True, False)
    bench.sent(ev.Do(Verb.LOCK, THORACIC), BOB)


def test_an_arm_that_is_on_its_way_is_not_handed_on_either() -> None:
    bench = Bench().ready(Phase.COCKED)
    sent = bench.sent(ev.Do(Verb.ARM, THORACIC))
    bench.ask(ev.ReleaseLease())
    bench.ask(ev.TakeLease(), BOB)
    bench.status()
    assert bench.beat == (False, False), "this STATUS may be older than the ARM"
    bench.result(sent.cmd_id)
    assert bench.beat == (False, False)
    bench.status()
    assert bench.beat == (True, False)


def test_what_others_ask_for_renews_nothing() -> None:
    bench = Bench().ready()
    until_us = bench.state.lease_until_us
    bench.heard_for(1000 * MS)
    bench.ask(ev.TakeLease(), BOB)
    bench.ask(ev.Do(Verb.COCK, THORACIC), BOB)
    bench.ask(ev.ReleaseLease(), BOB)
    assert bench.state.lease_until_us == until_us


def test_a_request_that_comes_as_the_lease_ends_finds_none() -> None:
    bench = Bench().ready()
    bench.heard_for(LEASE_US - 1)
    bench.now_us += 1
    assert bench.refused(ev.Do(Verb.COCK, THORACIC)) == ["LEASE_NONE"]


def test_one_person_has_the_lease() -> None:
    bench = Bench().ready()
    assert bench.recorded() == ["lease_taken"]
    assert bench.refused(ev.TakeLease(), BOB) == ["LEASE_HELD"]
    assert bench.refused(ev.ReleaseLease(), BOB) == ["LEASE_HELD"]
    assert bench.ask(ev.TakeLease(), ANN) == ()
    assert bench.recorded() == []
    assert bench.ask(ev.ReleaseLease(), ANN) == ()
    assert bench.recorded() == ["lease_ended"]
    assert bench.ask(ev.ReleaseLease(), ANN) == ()
    assert bench.recorded() == []
    assert bench.ask(ev.TakeLease(), BOB) == ()


def test_the_end_of_the_lease_takes_it_out_of_the_beats_so_that_the_board_disarms() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    assert bench.beat == (True, False)
    bench.ask(ev.ReleaseLease())
    assert bench.beat == (False, False)


def test_a_tension_is_confirmed_for_as_long_as_the_lease() -> None:
    bench = Bench().ready()
    bench.ask(ev.SetTension(LUMBAR, 1000))
    bench.answer_params()
    assert bench.state.sections[LUMBAR].tension_confirmed
    bench.ask(ev.ReleaseLease())
    assert not bench.state.sections[LUMBAR].tension_confirmed


def test_the_lease_is_not_in_the_beats_while_the_link_is_slow() -> None:
    bench = Bench().ready()
    bench.take(ev.RoundTrip(ROUND_TRIP_MAX_US))
    assert bench.beat == (False, False)
    bench.take(ev.RoundTrip(ROUND_TRIP_MAX_US - 1))
    assert bench.beat == (True, False)


def test_a_foreign_board_is_never_given_a_lease() -> None:
    bench = Bench(settings("OTHER001"))
    bench.open()
    bench.status()
    assert bench.ask(ev.TakeLease()) == ()
    assert bench.beat == (False, False)


def test_a_journal_that_cannot_be_written_makes_the_table_safe() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    bench.take(ev.JournalHealth(failed=True))
    assert bench.beat == (False, False)
    assert bench.one(do.Record).data == {"cause": "journal failed"}
    # It can be brought down all the same.
    bench.phase(THORACIC, Phase.COCKED)
    assert bench.ask(ev.TakeLease()) == ()
    bench.take(ev.JournalHealth(failed=True))
    assert bench.state.lease is not None
    assert bench.refused(ev.Do(Verb.ARM, THORACIC)) == ["JOURNAL_FAILED", "TENSION_UNCONFIRMED"]
    bench.sent(ev.Do(Verb.LOCK, THORACIC))


# The hold


MOTIONS = [
    (Verb.COCK, Phase.LOCKED, Phase.COCKING, LIMITS.cock_timeout_ms),
    (Verb.LOCK, Phase.COCKED, Phase.LOWERING, LIMITS.lower_timeout_ms),
]


@pytest.mark.parametrize(("verb", "rest", "moving", "longest_ms"), MOTIONS)
def test_a_hold_lasts_until_its_motion_has_ended(
    verb: Verb, rest: Phase, moving: Phase, longest_ms: int
) -> None:
    bench = Bench().ready(rest)
    sent = bench.sent(ev.Do(verb, THORACIC))
    assert bench.beat == (True, True)
    bench.status()
    assert bench.beat == (True, True), "the board has not begun yet"
    bench.result(sent.cmd_id)
    bench.phase(THORACIC, moving)
    answer_renewals(bench, longest_ms * MS)
    assert bench.beat == (True, True)
    bench.phase(THORACIC, Phase.SECURING)
    assert bench.beat == (True, False)
    bench.phase(THORACIC, moving)
    assert bench.beat == (False, False), "a hold never begins again"


@pytest.mark.parametrize(("verb", "rest", "moving", "longest_ms"), MOTIONS)
def test_a_hold_does_not_outlast_the_board_s_own_time_out_by_much(
    verb: Verb, rest: Phase, moving: Phase, longest_ms: int
) -> None:
    bench = Bench().ready(rest)
    sent = bench.sent(ev.Do(verb, THORACIC))
    bench.result(sent.cmd_id)
    bench.phase(THORACIC, moving)
    longest_us = longest_ms * MS + HOLD_MARGIN_US
    answer_renewals(bench, longest_us - 1)
    assert bench.beat == (True, True)
    bench.later(1)
    assert bench.beat == (False, False)
    bench.phase(THORACIC, Phase.HALTED)
    assert bench.beat == (True, False)


def test_a_hold_whose_motion_does_not_begin_ends() -> None:
    bench = Bench().ready()
    sent = bench.sent(ev.Do(Verb.COCK, THORACIC))
    bench.result(sent.cmd_id)
    bench.heard_for(HOLD_BEGIN_US - 1)
    assert bench.beat == (True, True)
    bench.later(1)
    assert bench.beat == (True, False)


def test_a_hold_ends_when_the_board_refuses_its_command_and_not_another() -> None:
    bench = Bench().ready(Phase.LOCKED, Phase.ARMED)
    bench.phases[LUMBAR] = Phase.LOCKED
    bench.status()
    sent = bench.sent(ev.Do(Verb.COCK, THORACIC))
    bench.phase(LUMBAR, Phase.ARMED)
    disarm = bench.sent(ev.Do(Verb.DISARM, LUMBAR))
    bench.result(disarm.cmd_id, 1)
    assert bench.beat == (True, True)
    bench.result(sent.cmd_id, 12)
    assert bench.beat == (True, False)


@pytest.mark.parametrize(
    "end",
    [
        ev.WentStale(),
        ev.SessionOver(),
        ev.StreamOpened(),
        ev.LinkTrouble("LINK_VANISHED", "gone"),
        ev.RoundTrip(ROUND_TRIP_MAX_US),
        ev.StopAsked("page"),
        ev.JournalHealth(failed=True),
        ev.Closing(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_whatever_is_lost_the_hold_ends_and_stays_ended(end: ev.Event) -> None:
    bench = Bench().ready()
    sent = bench.sent(ev.Do(Verb.COCK, THORACIC))
    bench.result(sent.cmd_id)
    bench.phase(THORACIC, Phase.COCKING)
    bench.take(end)
    assert beat_flags(bench.state)[1] is False
    bench.take(ev.RoundTrip(1 * MS))
    bench.status()
    bench.heard_for(1000 * MS)
    assert all(not beat.hold for beat in bench.found(do.SetBeat))
    assert len(bench.ever(do.SendCommand)) == 1


@pytest.mark.parametrize("flag", ["stopped"])
def test_a_stop_at_the_table_ends_a_hold_that_has_not_begun(flag: str) -> None:
    bench = Bench().ready()
    bench.sent(ev.Do(Verb.COCK, THORACIC))
    bench.status(**{flag: True})
    assert bench.beat == (True, False)
