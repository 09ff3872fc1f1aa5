"""The rows of the transition table, each at its time: just before, and at it."""

from collections.abc import Callable

import pytest

from droptable.board.model import TABLE, Beat, Code, Disarmed, Fault, Kind, Phase, Verb
from droptable.board.rows import AFTER_STOP, BEGINS, ROWS, ROWS_OF
from tests.board.bench import (
    COCK_TIMEOUT_US,
    DEBOUNCE_US,
    MS,
    PELVIC,
    PIN_TIMEOUT_US,
    SECTIONS,
    SETTLE_US,
    Bench,
    S,
)

Undo = Callable[[Bench], object]
LOSSES: dict[str, Undo] = {
    "hold": lambda bench: bench.beat(hold=False),
    "lease": lambda bench: bench.beat(lease=False),
    "session": lambda bench: bench.lose(),
    "session, by another": lambda bench: bench.open(),
}


def at_its_time(bench: Bench, at_us: int, before: Phase, after: Phase) -> None:
    """The section is in `before` until a microsecond before `at_us`, and from then on in `after`."""
    bench.until(at_us - 1)
    assert bench.phase() is before
    bench.until(at_us)
    assert bench.phase() is after


def test_every_section_is_unknown_at_boot() -> None:
    bench = Bench()
    assert {bench.phase(at) for at in SECTIONS} == {Phase.UNKNOWN}
    assert bench.all_off


# COCKING


def test_the_lift_waits_for_the_pin_to_be_out() -> None:
    bench = Bench().to(Phase.LOCKED).cock(PELVIC)
    assert bench.drives() == "pin"
    bench.show(PELVIC, pin=False)
    assert bench.drives() == "pin"
    bench.wait(DEBOUNCE_US - 1)
    assert bench.drives() == "pin"
    bench.wait(1)
    assert bench.drives() == "lift pin"


def test_the_lift_stops_the_moment_the_pin_seems_to_be_in() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, pin=True)
    assert bench.drives() == "pin"
    bench.show(PELVIC, pin=False).wait(DEBOUNCE_US)
    assert bench.drives() == "lift pin"


def test_the_top_counts_once_the_up_switch_has_settled() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(300 * MS)
    bench.show(PELVIC, up=True)
    at_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    at_its_time(bench, at_us, Phase.COCKING, Phase.SECURING)
    assert bench.all_off


def test_a_bounce_at_the_top_starts_the_settling_again() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(300 * MS)
    bench.show(PELVIC, up=True).wait(3 * MS).show(PELVIC, up=False).wait(MS)
    bench.show(PELVIC, up=True)
    at_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    at_its_time(bench, at_us, Phase.COCKING, Phase.SECURING)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("pin_is_out", [False, True])
def test_cocking_halts_when_it_is_let_go(loss: str, pin_is_out: bool) -> None:
    bench = Bench().to(Phase.COCKING)
    if pin_is_out:
        bench.pin_out(PELVIC).show(PELVIC, down=False)
    LOSSES[loss](bench)
    assert bench.phase() is Phase.HALTED
    assert bench.all_off
    assert bench.event(Kind.HALTED).section == PELVIC


def test_nothing_resumes_when_the_hold_returns() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).beat(hold=False).beat(hold=True).wait(S)
    assert bench.phase() is Phase.HALTED
    assert bench.all_off


def test_a_hold_released_and_pressed_within_one_read_was_released() -> None:
    bench = Bench().to(Phase.COCKING)
    bench.tick(Beat(True, False), Beat(True, True))
    assert bench.phase() is Phase.HALTED


def test_a_lease_lost_and_regained_within_one_read_was_lost() -> None:
    bench = Bench().to(Phase.ARMED)
    bench.tick(Beat(False, True), Beat(True, True))
    assert bench.phase() is Phase.SECURING


def test_the_pedal_holds_in_place_of_the_tablet() -> None:
    bench = Bench().to(Phase.LOCKED).beat(hold=False).line(pedal_down=True).wait(10 * MS)
    bench.cock(PELVIC).beat(hold=False).wait(20 * MS)
    assert bench.phase() is Phase.COCKING
    bench.line(pedal_down=False)
    assert bench.phase() is Phase.HALTED


# SECURING


def test_cocked_counts_once_the_pin_has_settled_and_tells_its_duration() -> None:
    bench = Bench().to(Phase.LOCKED)
    began_us = bench.now_us
    bench.cock(PELVIC).rise(PELVIC).show(PELVIC, pin=True)
    at_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    at_its_time(bench, at_us, Phase.SECURING, Phase.COCKED)
    event = bench.event(Kind.COCKED)
    assert (event.section, event.a) == (PELVIC, at_us - began_us)
    assert bench.all_off


def test_after_an_arming_it_is_cocked_again_without_being_told_so() -> None:
    bench = Bench().to(Phase.ARMED)
    bench.ask(Verb.DISARM, PELVIC)
    bench.secure(PELVIC)
    assert bench.phase() is Phase.COCKED
    assert len(bench.events(Kind.COCKED)) == 1


def test_the_way_down_ends_locked_and_tells_its_duration() -> None:
    bench = Bench().to(Phase.COCKED)
    began_us = bench.now_us
    bench.lock(PELVIC).pin_out(PELVIC).show(PELVIC, up=False).wait(S).show(PELVIC, down=True)
    at_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    at_its_time(bench, at_us, Phase.LOWERING, Phase.SECURING)
    assert bench.all_off
    bench.show(PELVIC, pin=True)
    at_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    at_its_time(bench, at_us, Phase.SECURING, Phase.LOCKED)
    event = bench.event(Kind.LOCKED)
    assert (event.section, event.a) == (PELVIC, at_us - began_us)
    assert Kind.DROP not in bench.told()


@pytest.mark.parametrize("phase", [Phase.COCKING, Phase.ARMED])
def test_a_section_that_breaks_away_while_it_is_secured_falls(phase: Phase) -> None:
    bench = Bench().to(phase)
    if phase is Phase.COCKING:
        bench.rise(PELVIC)
    else:
        bench.ask(Verb.DISARM, PELVIC)
    assert bench.phase() is Phase.SECURING
    bench.show(PELVIC, up=False)
    at_its_time(bench, bench.now_us + DEBOUNCE_US, Phase.SECURING, Phase.DROPPING)
    assert bench.all_off
    bench.land(PELVIC)
    assert bench.phase() is Phase.DROPPED
    assert bench.event(Kind.DROP).a == DEBOUNCE_US + 40 * MS


def test_a_pin_that_goes_in_between_the_ends_secures_nothing() -> None:
    bench = Bench().to(Phase.COCKED).lock(PELVIC).pin_out(PELVIC).show(PELVIC, up=False).wait(S)
    bench.show(PELVIC, down=True).wait(DEBOUNCE_US + SETTLE_US).show(PELVIC, down=False)
    bench.secure(PELVIC)
    assert bench.phase() is Phase.SECURING
    bench.wait(PIN_TIMEOUT_US)
    assert bench.fault() is Fault.PIN_STUCK_OUT


@pytest.mark.parametrize(("end", "other"), [("up", "down"), ("down", "up")])
def test_a_section_at_both_ends_is_secured_at_neither(end: str, other: str) -> None:
    bench = Bench().to(Phase.SECURING)
    if end == "down":
        bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(S)
        bench.show(PELVIC, down=True).wait(DEBOUNCE_US + SETTLE_US)
    secured_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    bench.show(PELVIC, pin=True).until(secured_us - 8 * MS).show(PELVIC, **{other: True})
    bench.until(secured_us)
    assert bench.phase() is Phase.SECURING
    bench.wait(2 * MS)
    assert bench.fault() is Fault.SWITCHES_IMPLAUSIBLE


# ARMED


def test_the_window_counts_from_the_command() -> None:
    bench = Bench().to(Phase.COCKED)
    began_us = bench.now_us
    bench.arm(PELVIC, window_ms=700)
    at_its_time(bench, began_us + 700 * MS, Phase.ARMED, Phase.SECURING)
    assert bench.event(Kind.DISARMED).a == Disarmed.WINDOW_OVER
    assert bench.all_off


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        ("lease", Disarmed.LEASE_LOST),
        ("session", Disarmed.SESSION_LOST),
        ("session, by another", Disarmed.SESSION_LOST),
    ],
)
def test_an_arming_ends_with_what_allowed_it(loss: str, why: Disarmed) -> None:
    bench = Bench().to(Phase.ARMED)
    LOSSES[loss](bench)
    assert bench.phase() is Phase.SECURING
    assert bench.all_off
    assert [event.a for event in bench.events(Kind.DISARMED)] == [why]


def test_an_arming_needs_no_hold() -> None:
    bench = Bench().to(Phase.ARMED).beat(hold=False).wait(S)
    assert bench.phase() is Phase.ARMED
    assert bench.drives() == "pin"


def test_a_thrust_makes_it_fall_with_the_pin_withdrawn() -> None:
    bench = Bench().to(Phase.ARMED).show(PELVIC, up=False)
    at_its_time(bench, bench.now_us + DEBOUNCE_US, Phase.ARMED, Phase.DROPPING)
    assert bench.drives() == "pin"


def test_a_breakaway_in_the_last_moment_of_the_window_is_a_breakaway() -> None:
    bench = Bench().to(Phase.COCKED)
    began_us = bench.now_us
    bench.arm(PELVIC, window_ms=700).until(began_us + 700 * MS - DEBOUNCE_US)
    bench.show(PELVIC, up=False).wait(DEBOUNCE_US)
    assert bench.phase() is Phase.DROPPING
    assert bench.drives() == "pin"


# DROPPING, DROPPED


@pytest.mark.parametrize("loss", ["lease", "session", "session, by another"])
def test_a_fall_goes_on_without_the_host_but_its_pin_is_let_go_for_good(loss: str) -> None:
    bench = Bench().to(Phase.DROPPING)
    LOSSES[loss](bench)
    assert bench.phase() is Phase.DROPPING
    assert bench.all_off
    bench.open().wait(MS)
    assert bench.all_off, "nothing is withdrawn again on return"
    bench.land(PELVIC)
    assert len(bench.events(Kind.DROP)) == 1
    bench.secure(PELVIC)
    assert bench.phase() is Phase.LOCKED


def test_the_bottom_ends_the_fall() -> None:
    bench = Bench().to(Phase.DROPPING).wait(40 * MS).show(PELVIC, down=True)
    at_its_time(bench, bench.now_us + DEBOUNCE_US, Phase.DROPPING, Phase.DROPPED)
    assert bench.all_off


def test_a_dropped_section_is_locked_once_its_pin_has_settled() -> None:
    bench = Bench().to(Phase.DROPPED)
    landed_us = bench.now_us - DEBOUNCE_US
    bench.wait(20 * MS).show(PELVIC, pin=True)
    at_us = bench.now_us + DEBOUNCE_US + SETTLE_US
    at_its_time(bench, at_us, Phase.DROPPED, Phase.LOCKED)
    assert bench.event(Kind.LOCKED).a == at_us - landed_us, "from the raw down edge"


def test_the_same_section_is_cocked_and_dropped_three_times() -> None:
    bench = Bench().to(Phase.LOCKED)
    for _ in range(3):
        bench.cock(PELVIC).rise(PELVIC).secure(PELVIC).arm(PELVIC)
        bench.break_away(PELVIC).land(PELVIC).secure(PELVIC)
    told = [kind for kind in bench.told() if kind not in (Kind.BOOTED, Kind.LINK_UP)]
    assert told == [Kind.COCKED, Kind.ARMED, Kind.DROP, Kind.LOCKED] * 3
    assert bench.phase() is Phase.LOCKED


# LOWERING, HALTED


def test_the_valve_waits_for_the_pin_to_be_out() -> None:
    bench = Bench().to(Phase.LOWERING)
    assert bench.drives() == "pin"
    bench.pin_out(PELVIC)
    assert bench.drives() == "pin valve"
    bench.show(PELVIC, pin=True)
    assert bench.drives() == "pin"


@pytest.mark.parametrize("loss", LOSSES)
def test_lowering_halts_when_it_is_let_go(loss: str) -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(300 * MS)
    LOSSES[loss](bench)
    assert bench.phase() is Phase.HALTED
    assert bench.all_off
    assert bench.event(Kind.HALTED).section == PELVIC


@pytest.mark.parametrize(
    ("verb", "phase"), [(Verb.COCK, Phase.COCKING), (Verb.LOCK, Phase.LOWERING)]
)
def test_a_halted_section_goes_on_either_way(verb: Verb, phase: Phase) -> None:
    bench = Bench().to(Phase.HALTED)
    assert bench.ask(verb, PELVIC) is Code.OK
    assert bench.phase() is phase


def test_the_way_up_may_begin_again_and_its_time_too() -> None:
    bench = Bench().to(Phase.HALTED).wait(10 * S)
    began_us = bench.now_us
    bench.cock(PELVIC)
    at_its_time(bench, began_us + COCK_TIMEOUT_US, Phase.COCKING, Phase.FAULT)


# Time


def test_a_board_wakes_by_itself_for_everything_that_time_alone_decides() -> None:
    """Each wait is longer than it has to be, and ends at no moment at which a STATUS is due."""
    bench = Bench().to(Phase.LOCKED).cock(PELVIC).pin_out(PELVIC).show(PELVIC, down=False)
    closed_us = bench.wait(203 * MS).show(PELVIC, up=True).now_us
    bench.wait(100 * MS)
    assert bench.section().entered_us == closed_us + DEBOUNCE_US + SETTLE_US
    closed_us = bench.wait(MS).show(PELVIC, pin=True).now_us
    bench.wait(100 * MS)
    assert bench.event(Kind.COCKED).board_us == closed_us + DEBOUNCE_US + SETTLE_US
    armed_us = bench.now_us
    bench.arm(PELVIC, window_ms=333).wait(S)
    assert bench.event(Kind.DISARMED).board_us == armed_us + 333 * MS
    fault = bench.event(Kind.FAULT)
    assert fault.board_us == armed_us + 333 * MS + PIN_TIMEOUT_US + SETTLE_US


# The tables themselves


def test_every_row_leads_on_or_changes_what_made_it_apply() -> None:
    for row in ROWS:
        assert row.to is not row.phase or row.drop or row.phase is Phase.DROPPING
        assert (row.to is Phase.FAULT) is (row.fault is not Fault.NONE) or row.phase is Phase.FAULT
        assert (row.disarmed is None) or (row.phase, row.to) == (Phase.ARMED, Phase.SECURING)
        assert row.on
    assert sum(map(len, ROWS_OF.values())) == len(ROWS)


def test_only_a_verb_or_a_thrust_sets_a_section_in_motion() -> None:
    moved = {row.to for row in ROWS} | set(AFTER_STOP.values())
    for phase in (Phase.COCKING, Phase.ARMED, Phase.LOWERING):
        assert phase not in (moved - {row.phase for row in ROWS if row.phase is row.to})
    assert BEGINS.keys() == {Verb.COCK, Verb.ARM, Verb.LOCK, Verb.CLEAR_FAULT}
    assert Phase.DROPPING not in BEGINS.values(), "no verb releases a section"


def test_a_verb_of_the_table_moves_no_section() -> None:
    bench = Bench().to(Phase.COCKED).beat(hold=False)
    before = bench.state.sections
    bench.ask(Verb.MAINTENANCE, TABLE, 1)
    bench.ask(Verb.RESET_STOP, TABLE)
    assert bench.state.sections == before
