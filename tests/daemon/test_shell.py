"""The daemon's shell joined to a simulated table: one drop, and everything that must not be one."""

import asyncio

import pytest

from droptable.core import invariants
from droptable.core.events import LoopLooked
from droptable.core.limits import LOOP_LATE_MAX_US
from droptable.core.model import Phase
from droptable.daemon import runner as runner_module
from droptable.daemon.clock import Clock
from droptable.daemon.outcome import Done
from droptable.daemon.runner import JOURNAL_SLOW_US, RECORDING_MAX
from droptable.journal.event import Draft, Event
from droptable.journal.journal import JournalUnwritable
from droptable.link.messages import Beat, Command, EventAck, Stop
from droptable.sections import Section
from tests.daemon.notebook import Notebook
from tests.daemon.practice import PELVIC, TENSION_N, Practice, codes, in_virtual_time

SECOND_US = 1_000_000


@in_virtual_time
async def test_one_drop_from_finger_to_journal(practice: Practice) -> None:
    await practice.armed()
    practice.thrust()
    await practice.in_phase(Phase.LOCKED)
    await practice.until(lambda: practice.section().last_drop is not None)

    (fall,) = practice.board.mechanics.drops
    (drop,) = practice.journal.of("drop")
    shown = practice.section().last_drop
    assert fall.section is PELVIC
    assert drop.section == "pelvic"
    assert drop.data["fall_ms"] == pytest.approx(fall.fall_us / 1000, abs=0.1)
    assert drop.data["board_us"] == pytest.approx(fall.up_edge_us, abs=100)
    assert drop.data["peak_n"] == pytest.approx(fall.peak_n, abs=15)
    assert drop.data["tension_n"] == pytest.approx(TENSION_N, abs=1)
    assert 0 < float(str(drop.data["armed_ms"])) < 1000
    assert shown is not None
    assert (shown.seq, shown.time, shown.fall_ms) == (drop.seq, drop.time, drop.data["fall_ms"])
    await practice.until(lambda: "locked" in practice.journal.kinds())
    assert practice.journal.kinds("pelvic") == ["tension_set", "cocked", "armed", "drop", "locked"]
    assert practice.gateway.figures().drops == (0, 0, 1)


@in_virtual_time
async def test_a_series_of_three_drops_is_three_in_the_journal(practice: Practice) -> None:
    await practice.homed()
    for _ in range(3):
        await practice.until(lambda: not practice.against("cock"))
        await practice.act("cock")
        await practice.in_phase(Phase.COCKED)
        await practice.until(lambda: not practice.against("arm"))
        await practice.act("arm")
        await practice.in_phase(Phase.ARMED)
        practice.thrust()
        await practice.in_phase(Phase.LOCKED)
        await practice.thrust_is_over()
    assert practice.truth().drops == 3
    assert len(practice.journal.of("drop")) == 3


@in_virtual_time
async def test_a_thrust_below_the_tension_does_not_drop_and_one_above_does(
    practice: Practice,
) -> None:
    await practice.armed()
    # 200 N rest there already, 320 N hold.
    practice.thrust(90.0)
    await practice.thrust_is_over()
    assert practice.section().phase == "ARMED"
    assert practice.board.mechanics.drops == ()
    practice.thrust(150.0)
    await practice.in_phase(Phase.LOCKED)
    assert len(practice.board.mechanics.drops) == 1


@in_virtual_time
async def test_a_thrust_at_a_section_that_is_not_armed_drops_nothing(practice: Practice) -> None:
    await practice.homed()
    practice.thrust(600.0)
    await practice.thrust_is_over()
    assert practice.section().phase == "LOCKED"
    await practice.until(lambda: not practice.against("cock"))
    await practice.act("cock")
    await practice.in_phase(Phase.COCKED)
    practice.thrust(600.0)
    await practice.thrust_is_over()
    assert practice.section().phase == "COCKED"
    assert practice.board.mechanics.drops == ()
    assert practice.journal.of("drop") == []


@in_virtual_time
async def test_only_the_armed_section_drops(practice: Practice) -> None:
    await practice.homed(Section.LUMBAR)
    await practice.until(lambda: not practice.against("cock", Section.LUMBAR))
    await practice.act("cock", Section.LUMBAR)
    await practice.in_phase(Phase.COCKED, Section.LUMBAR)
    await practice.act("home")
    await practice.in_phase(Phase.LOCKED)
    await practice.until(lambda: not practice.against("cock"))
    await practice.act("cock")
    await practice.in_phase(Phase.COCKED)
    await practice.tension_set()
    await practice.until(lambda: not practice.against("arm"))
    await practice.act("arm")
    await practice.in_phase(Phase.ARMED)
    assert codes(await practice.gateway.act("arm", Section.LUMBAR, "dr")) == ["OTHER_ARMED"]
    practice.thrust(600.0, Section.LUMBAR)
    await practice.thrust_is_over()
    assert practice.board.mechanics.drops == ()
    assert practice.section().phase == "ARMED"


@in_virtual_time
async def test_the_window_ends_without_a_thrust_and_the_pin_goes_in(practice: Practice) -> None:
    await practice.armed()
    # The pin took its time to go out since the window began.
    window_us = await practice.until(lambda: not practice.driven(), within_s=20)
    assert 14.8 * SECOND_US < window_us <= 15 * SECOND_US
    await practice.in_phase(Phase.COCKED)
    assert practice.truth().pin_in
    assert practice.journal.of("disarmed")[0].data["cause"] == "window over"


@in_virtual_time
async def test_nothing_moves_for_whoever_does_not_have_the_control(practice: Practice) -> None:
    await practice.cocked()
    for verb in ("arm", "lock"):
        assert codes(await practice.gateway.act(verb, PELVIC, "someone")) == ["LEASE_HELD"]
    assert codes(await practice.gateway.take_lease("someone")) == ["LEASE_HELD"]
    assert codes(await practice.gateway.set_tension(PELVIC, 300.0, "someone")) == ["LEASE_HELD"]
    sent = practice.wire.messages(Command)
    await practice.passes(SECOND_US)
    assert practice.wire.messages(Command) == sent
    assert practice.section().phase == "COCKED"


@in_virtual_time
async def test_a_refusal_names_every_reason(practice: Practice) -> None:
    await practice.live()
    practice.hand(lambda table: table.estop(True))
    await practice.until(lambda: practice.shown.stop.estop_open is True)
    outcome = await practice.gateway.act("cock", PELVIC, "dr")
    assert codes(outcome) == ["STOP_LATCHED", "ESTOP_OPEN", "PHASE", "LEASE_NONE", "TENSION_OFF"]


# The lease


@in_virtual_time
async def test_a_lease_that_expires_while_armed_disarms(practice: Practice) -> None:
    await practice.armed()
    practice.let_go()
    await practice.until(lambda: practice.shown.lease.holder is None, within_s=2.1)
    ended_us = practice.now_us
    await practice.until(lambda: practice.truth().pin_in)
    assert practice.now_us - ended_us <= 160_000
    await practice.in_phase(Phase.COCKED)
    assert practice.journal.of("lease_ended")[0].data["cause"] == "expired"
    assert practice.journal.of("disarmed")[0].data["cause"] == "lease lost"
    practice.thrust(600.0)
    await practice.thrust_is_over()
    assert practice.board.mechanics.drops == ()


@in_virtual_time
async def test_a_lease_that_is_given_back_while_cocking_halts(practice: Practice) -> None:
    await practice.homed()
    await practice.until(lambda: not practice.against("cock"))
    await practice.act("cock")
    await practice.until(lambda: practice.truth().height_um > 5_000)
    practice.let_go()
    assert await practice.gateway.release_lease("dr") == Done()
    await practice.in_phase(Phase.HALTED)
    height_um = practice.truth().height_um
    await practice.passes(SECOND_US)
    assert practice.truth().height_um == height_um


@in_virtual_time
async def test_a_renewed_lease_lasts(practice: Practice) -> None:
    await practice.homed()
    await practice.passes(60 * SECOND_US)
    assert practice.shown.lease.holder == "dr"
    assert len(practice.journal.of("lease_taken")) == 1


# STOP


@in_virtual_time
async def test_stop_while_cocking_ends_the_motion_at_once(practice: Practice) -> None:
    await practice.homed()
    await practice.until(lambda: not practice.against("cock"))
    await practice.act("cock")
    await practice.until(lambda: practice.truth().height_um > 5_000)
    practice.gateway.stop("page")
    took_us = await practice.until(lambda: not practice.driven())
    assert took_us <= 5_000 + 1_000
    height_um = practice.truth().height_um
    await practice.until(lambda: practice.shown.stop.latched is True)
    await practice.passes(SECOND_US)
    assert practice.truth().height_um == height_um
    assert practice.shown.stop.unconfirmed is False
    assert practice.journal.of("stop_requested")[0].actor == "page"
    assert "STOP_LATCHED" in codes(await practice.gateway.act("cock", PELVIC, "dr"))
    # To reset it moves nothing.
    assert await practice.gateway.reset_stop("dr") == Done()
    await practice.until(lambda: practice.shown.stop.latched is False)
    await practice.passes(SECOND_US)
    assert practice.truth().height_um == height_um


@in_virtual_time
async def test_stop_is_sent_before_what_waits_and_until_it_is_confirmed(
    practice: Practice,
) -> None:
    await practice.armed()
    practice.wire.muted = True
    practice.gateway.stop("page")
    await practice.passes(60_000)
    assert practice.shown.stop.unconfirmed
    practice.wire.muted = False
    await practice.until(lambda: practice.shown.stop.latched is True)
    assert not practice.shown.stop.unconfirmed
    assert not practice.driven()


@in_virtual_time
async def test_the_red_button_stops_without_the_daemon(practice: Practice) -> None:
    await practice.armed()
    practice.hand(lambda table: table.estop(True))
    await practice.until(lambda: not practice.driven(), within_s=0.02)
    await practice.until(lambda: practice.shown.stop.estop_open is True)
    await practice.until(lambda: "estop_open" in practice.journal.kinds())
    practice.thrust(600.0)
    await practice.thrust_is_over()
    assert practice.board.mechanics.drops == ()


# The end of the daemon


@in_virtual_time
async def test_closing_while_armed_makes_safe(practice: Practice) -> None:
    await practice.armed()
    assert await practice.runner.close(1.0)
    assert practice.truth().pin_in
    assert practice.section().phase == "COCKED"
    assert practice.journal.of("lease_ended")[0].data["cause"] == "daemon ends"


@in_virtual_time
async def test_closing_while_cocking_makes_safe(practice: Practice) -> None:
    await practice.homed()
    await practice.until(lambda: not practice.against("cock"))
    await practice.act("cock")
    await practice.until(lambda: practice.truth().height_um > 5_000)
    assert await practice.runner.close(1.0)
    assert not practice.driven()
    assert practice.section().phase == "HALTED"
    assert "CLOSING" in codes(await practice.gateway.take_lease("dr"))


@in_virtual_time
async def test_closing_without_a_board_claims_nothing_and_does_not_wait_for_ever(
    practice: Practice,
) -> None:
    practice.wire.pull()
    began_us = practice.now_us
    assert not await practice.runner.close(1.0)
    assert practice.now_us - began_us <= SECOND_US


@in_virtual_time
async def test_closing_says_so_when_the_table_does_not_come_to_rest(practice: Practice) -> None:
    await practice.armed()
    # The board hears nothing any more, and by its STATUS it is armed for as long as a dead-man is.
    practice.wire.muted = True
    assert not await practice.runner.close(0.1)


# What the board tells


@in_virtual_time
async def test_each_event_is_recorded_once_however_often_it_is_sent(practice: Practice) -> None:
    await practice.armed()
    practice.journal.failing = True
    practice.thrust()
    await practice.until(lambda: practice.truth().drops == 1)
    await practice.passes(5 * SECOND_US)
    assert practice.journal.of("drop") == []
    tries = [draft for draft in practice.journal.asked if draft.kind == "drop"]
    assert len(tries) >= 5
    assert practice.section().last_drop is None
    assert not practice.gateway.health()[0]
    acknowledged = max(message.event_seq for _, message in practice.wire.messages(EventAck))
    assert acknowledged < tries[0].board.event_seq

    practice.journal.failing = False
    await practice.until(lambda: practice.section().last_drop is not None)
    await practice.passes(3 * SECOND_US)
    assert len(practice.journal.of("drop")) == 1
    assert practice.gateway.figures().drops == (0, 0, 1)
    refs = [event.board for event in practice.journal.events if event.board is not None]
    assert len(refs) == len(set(refs))
    acknowledged = max(message.event_seq for _, message in practice.wire.messages(EventAck))
    assert acknowledged == max(ref.event_seq for ref in refs)


@in_virtual_time
async def test_a_drop_outlives_a_reset_of_the_board_while_the_journal_fails(
    practice: Practice,
) -> None:
    """The daemon has heard it, the board has forgotten it, and the disk was full meanwhile."""
    await practice.armed()
    practice.journal.failing = True
    practice.thrust()
    await practice.until(lambda: practice.truth().drops == 1)
    await practice.passes(SECOND_US // 5)
    practice.wire.catch_up()
    practice.wire.send(practice.board.reset(3, boot_id=77))
    await practice.passes(2 * SECOND_US)
    assert practice.journal.of("drop") == []

    practice.journal.failing = False
    await practice.until(lambda: bool(practice.journal.of("drop")))
    await practice.passes(3 * SECOND_US)
    (drop,) = practice.journal.of("drop")
    assert drop.data["boot_id"] != 77
    assert practice.gateway.figures().drops == (0, 0, 1)
    refs = [event.board for event in practice.journal.events if event.board is not None]
    assert len(refs) == len(set(refs))


@in_virtual_time
async def test_an_event_whose_acknowledgement_is_lost_comes_again_and_is_recorded_once(
    practice: Practice,
) -> None:
    await practice.armed()
    practice.thrust()
    await practice.until(lambda: practice.truth().drops == 1)
    # The host falls silent for a moment: events come, acknowledgements do not arrive.
    practice.wire.muted = True
    await practice.passes(130_000)
    practice.wire.muted = False
    await practice.until(lambda: practice.section().last_drop is not None)
    await practice.passes(2 * SECOND_US)
    assert len(practice.journal.of("drop")) == 1
    assert len(practice.journal.of("armed")) == 1


# The journal


@in_virtual_time
async def test_while_the_journal_fails_nothing_is_armed_and_then_it_is_again(
    practice: Practice,
) -> None:
    await practice.cocked()
    practice.journal.failing = True
    practice.runner.record("daemon_started", {})
    await practice.until(lambda: practice.shown.journal == "failed")
    assert "JOURNAL_FAILED" in practice.against("arm")
    assert "JOURNAL_FAILED" in practice.against("cock", Section.LUMBAR)
    assert "JOURNAL_FAILED" in codes(await practice.gateway.act("arm", PELVIC, "dr"))
    healthy, wrong = practice.gateway.health()
    assert not healthy
    assert wrong[0].startswith("STATE_UNWRITABLE: journal.db: disk full.")
    # What makes it safer is still done.
    assert "JOURNAL_FAILED" not in practice.against("lock")

    practice.journal.failing = False
    await practice.until(lambda: practice.shown.journal == "ok", within_s=1.5)
    assert practice.gateway.health() == (True, [])
    await practice.until(lambda: len(practice.journal.of("daemon_started")) == 1, within_s=1.5)
    # The lease ended with the journal, and whoever takes it again answers for the tension anew.
    await practice.until(lambda: practice.shown.lease.holder == "dr", within_s=1.5)
    await practice.tension_set()
    await practice.until(lambda: not practice.against("arm"), within_s=1.5)
    await practice.act("arm")
    await practice.in_phase(Phase.ARMED)


@in_virtual_time
async def test_a_journal_that_fails_while_armed_makes_the_table_safe(practice: Practice) -> None:
    await practice.armed()
    practice.journal.failing = True
    practice.runner.record("daemon_started", {})
    await practice.until(lambda: practice.truth().pin_in, within_s=0.2)
    await practice.in_phase(Phase.COCKED)
    practice.journal.failing = False
    await practice.until(lambda: "lease_ended" in practice.journal.kinds())
    assert practice.journal.of("lease_ended")[0].data["cause"] == "journal failed"


@in_virtual_time
async def test_records_that_wait_for_the_journal_keep_their_order(practice: Practice) -> None:
    await practice.live()
    practice.journal.failing = True
    for number in range(5):
        practice.runner.record("daemon_started", {"number": number})
    await practice.passes(3 * SECOND_US)
    practice.journal.failing = False
    await practice.until(lambda: len(practice.journal.of("daemon_started")) == 5)
    assert [e.data["number"] for e in practice.journal.of("daemon_started")] == [0, 1, 2, 3, 4]


# What must not be


@in_virtual_time
async def test_a_broken_invariant_stops_the_table_is_recorded_and_ends_the_daemon(
    practice: Practice,
) -> None:
    await practice.armed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invariants, "broken", lambda _: ("two and two are five",))
        # Noticed in a callback, where an exception would end nothing by itself.
        await practice.until(lambda: practice.broke is not None, within_s=0.2)
    assert isinstance(practice.broke, invariants.InvariantBrokenError)
    await practice.until(lambda: practice.truth().pin_in, within_s=0.2)
    assert practice.wire.messages(Stop)
    (broken,) = practice.journal.of("invariant_broken")
    assert broken.data["what"] == "two and two are five"
    practice.forget_what_broke()


# What breaks


@in_virtual_time
async def test_a_step_that_raises_stops_the_table_before_it_is_raised(practice: Practice) -> None:
    await practice.armed()
    practice.let_go()
    stops = len(practice.wire.messages(Stop))

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner_module, "step", broken)
        with pytest.raises(RuntimeError, match="a bug"):
            practice.runner.stop("page")
        await practice.until(lambda: not practice.driven(), within_s=0.01)
        assert len(practice.wire.messages(Stop)) > stops
        await practice.passes(200_000)
    beats = [beat for _, beat in practice.wire.messages(Beat)]
    assert beats[-1].flags == 0
    assert isinstance(practice.broke, RuntimeError)
    practice.forget_what_broke()


@in_virtual_time
async def test_a_deed_that_raises_stops_the_table_too(practice: Practice) -> None:
    await practice.armed()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(practice.runner, "_do_answer", broken)
        with pytest.raises(RuntimeError, match="a bug"):
            await practice.gateway.take_lease("dr")
    await practice.until(lambda: not practice.driven(), within_s=0.01)
    await practice.passes(200_000)
    # Whatever steps are taken until the daemon has ended, no BEAT lets anything go on.
    assert practice.wire.messages(Beat)[-1][1].flags == 0
    practice.forget_what_broke()


class Hanging(Notebook):
    """A disk that answers to nothing that was asked since it hangs, and refuses what comes later."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.hung: list[asyncio.Future[Event]] | None = None
        self.refusing = False

    def append(self, draft: Draft) -> "asyncio.Future[Event]":
        if self.hung is None:
            return super().append(draft)
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        if self.refusing:
            future.set_exception(JournalUnwritable("too much waits"))
        else:
            self.hung.append(future)
        return future


def hang(practice: Practice) -> Hanging:
    journal = Hanging(practice.clock)
    journal.hung = []
    practice.runner._journal = journal
    return journal


@in_virtual_time
async def test_a_journal_that_does_not_answer_fails_within_a_second(practice: Practice) -> None:
    await practice.armed()
    hang(practice)
    practice.runner.record("daemon_started", {})
    began_us = practice.now_us
    await practice.until(lambda: practice.runner.state.journal_failed, within_s=1.1)
    assert practice.now_us - began_us >= JOURNAL_SLOW_US
    await practice.until(lambda: not practice.driven(), within_s=0.1)
    assert "JOURNAL_FAILED" in practice.against("arm")


@in_virtual_time
async def test_what_is_refused_is_told_although_something_older_hangs(practice: Practice) -> None:
    await practice.live()
    journal = hang(practice)
    practice.runner.record("daemon_started", {})
    journal.refusing = True
    practice.runner.record("daemon_started", {})
    await practice.passes(1_000)
    assert practice.runner.state.journal_failed


@in_virtual_time
async def test_no_more_than_so_many_records_wait_for_a_journal_that_hangs(
    practice: Practice,
) -> None:
    await practice.live()
    hang(practice)
    for _ in range(RECORDING_MAX + 500):
        practice.runner.record("daemon_started", {})
    assert len(practice.runner._recording) == RECORDING_MAX
    assert practice.runner.state.journal_failed
    await practice.passes(3_000_000)
    assert len(practice.runner._recording) == RECORDING_MAX


@in_virtual_time
async def test_a_lease_is_not_given_to_a_page_that_has_left(practice: Practice) -> None:
    await practice.live()
    hand = practice.gateway.join("dr", lambda _: None)
    hand.lost()
    assert codes(await practice.gateway.take_lease("dr", hand.client)) == ["PAGE_GONE"]
    assert codes(await practice.gateway.take_over("dr", hand.client)) == ["PAGE_GONE"]
    assert practice.shown.lease.holder is None


@in_virtual_time
async def test_a_loop_that_is_late_ends_what_it_moves(practice: Practice) -> None:
    await practice.homed()
    await practice.until(lambda: not practice.against("cock"))
    await practice.act("cock")
    await practice.until(lambda: practice.truth().height_um > 5_000)
    practice.runner.sense(LoopLooked(LOOP_LATE_MAX_US - 1))
    assert practice.runner.state.hold is not None
    practice.runner.sense(LoopLooked(LOOP_LATE_MAX_US))
    assert practice.runner.state.hold is None
    await practice.until(lambda: not practice.driven(), within_s=0.06)
    await practice.in_phase(Phase.HALTED)


@in_virtual_time
async def test_a_table_that_was_just_switched_on_gives_every_reason_against_arming(
    practice: Practice,
) -> None:
    await practice.live()
    outcome = await practice.gateway.act("arm", PELVIC, "dr")
    assert codes(outcome) == [
        *("PHASE", "LEASE_NONE", "TENSION_UNCONFIRMED", "TENSION_OFF", "NOBODY_LIES")
    ]


@in_virtual_time
async def test_a_lease_that_goes_on_in_the_same_moment_disarms_although_a_beat_is_lost(
    practice: Practice,
) -> None:
    await practice.armed()
    practice.let_go()
    practice.wire.muted = True
    assert await practice.gateway.release_lease("dr") == Done()
    assert await practice.gateway.take_lease("eva") == Done()
    practice.wire.muted = False
    await practice.until(lambda: not practice.driven(), within_s=0.16)
    await practice.in_phase(Phase.COCKED)
    await practice.until(lambda: not practice.runner.state.withdrawn, within_s=0.3)
    assert practice.shown.lease.holder == "eva"
    assert [event.data["cause"] for event in practice.journal.of("disarmed")] == ["lease lost"]
