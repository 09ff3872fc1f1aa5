"""Every fault of the registry does what its sentence says to a real board, and ends when it is cleared."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from droptable.board.model import Code, Fault, Flag, Kind, Phase
from droptable.link.frames import encode
from droptable.link.messages import Beat, Boot, Event, EventAck, Status
from droptable.sections import Section
from firmware_sim.board_faults import LostAcks
from firmware_sim.faults import FAULTS, Scope, wanted
from firmware_sim.faults import Fault as SomeFault
from tests.firmware_sim.board_bench import ARM, CLEAR_FAULT, COCK, LOCK, PELVIC, Bench


def wait(_bench: Bench) -> None:
    """Nobody does anything."""


def cock(bench: Bench) -> None:
    bench.move(COCK)


def lock(bench: Bench) -> None:
    bench.move(LOCK)


def arm(bench: Bench) -> None:
    bench.arm()


@dataclass(frozen=True)
class Case:
    """With `name` set in `phase`, `then` is done and leads to `fault`."""

    name: str
    phase: Phase
    then: Callable[[Bench], None]
    fault: Fault
    value: float | None = None

    def __str__(self) -> str:
        return f"{self.name}-{self.phase.name}-{self.then.__name__}"


LOCKED, COCKED, ARMED = Phase.LOCKED, Phase.COCKED, Phase.ARMED

CASES = (
    Case("up-stuck-closed", LOCKED, wait, Fault.SWITCHES_IMPLAUSIBLE),
    Case("up-stuck-open", LOCKED, cock, Fault.COCK_TIMEOUT),
    Case("up-stuck-open", COCKED, wait, Fault.UNCOMMANDED_DROP),
    Case("up-stuck-open", ARMED, wait, Fault.DROP_TIMEOUT),
    Case("up-wire-broken", COCKED, wait, Fault.UNCOMMANDED_DROP),
    Case("down-stuck-closed", COCKED, wait, Fault.SWITCHES_IMPLAUSIBLE),
    Case("down-stuck-closed", LOCKED, cock, Fault.SWITCHES_IMPLAUSIBLE),
    Case("down-stuck-open", LOCKED, wait, Fault.MOVED_WITHOUT_COMMAND),
    Case("down-stuck-open", COCKED, lock, Fault.LOWER_TIMEOUT),
    Case("down-wire-broken", LOCKED, wait, Fault.MOVED_WITHOUT_COMMAND),
    Case("pin-switch-stuck-closed", LOCKED, cock, Fault.PIN_STUCK_IN),
    Case("pin-switch-stuck-closed", COCKED, arm, Fault.PIN_STUCK_IN),
    Case("pin-switch-stuck-open", LOCKED, wait, Fault.PIN_STUCK_OUT),
    Case("pin-switch-wire-broken", COCKED, wait, Fault.PIN_STUCK_OUT),
    Case("lift-wire-broken", LOCKED, cock, Fault.COCK_TIMEOUT),
    Case("valve-wire-broken", COCKED, lock, Fault.LOWER_TIMEOUT),
    Case("pin-wire-broken", COCKED, arm, Fault.PIN_STUCK_IN),
    Case("pin-stuck-in", LOCKED, cock, Fault.PIN_STUCK_IN),
    Case("pin-stuck-in", COCKED, arm, Fault.PIN_STUCK_IN),
    Case("pin-stuck-out", LOCKED, cock, Fault.PIN_STUCK_OUT),
    Case("pin-slow", LOCKED, cock, Fault.PIN_STUCK_OUT),
    Case("lift-valve-stuck", COCKED, lock, Fault.LOWER_TIMEOUT),
    # So fast that the pin does not find its hole again when the board has given up.
    Case("leak", ARMED, wait, Fault.DROP_TIMEOUT, 10_000),
    Case("leak", LOCKED, cock, Fault.COCK_TIMEOUT, 150_000),
    Case("tension-slip", ARMED, wait, Fault.TENSION),
    Case("tension-slip", LOCKED, wait, Fault.TENSION),
    Case("cell-wire-broken", LOCKED, wait, Fault.LOAD_CELL),
    Case("cell-frozen", COCKED, wait, Fault.LOAD_CELL),
    Case("cell-drift", LOCKED, wait, Fault.OVERLOAD, 500),
    Case("cell-saturated", LOCKED, wait, Fault.OVERLOAD),
)


def bench_in(phase: Phase) -> Bench:
    bench = Bench()
    if phase is not LOCKED:
        bench.move(COCK)
    if phase is ARMED:
        bench.arm()
    assert bench.phase is phase
    return bench


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_board_finds_it_and_the_table_is_well_again_once_it_is_cleared(case: Case) -> None:
    bench = bench_in(case.phase)
    bench.set_fault(case.name, case.value)
    case.then(bench)
    bench.until(lambda: bench.phase is Phase.FAULT)
    assert bench.fault is case.fault
    assert not any(outputs.driven for outputs in bench.board.outputs)
    bench.clear_fault(case.name)
    assert bench.table.faults == ()
    # A tension that slipped is driven back first.
    bench.live(3_000)
    bench.mend()
    bench.drop_once()
    bench.mend()
    bench.move(LOCK)
    assert bench.phase is LOCKED


@pytest.mark.parametrize("low", [("supply-low", Fault.SUPPLY), ("air-low", Fault.AIR)], ids=str)
def test_what_sags_while_the_lift_drives_is_found_and_what_is_low_before_is_refused(
    low: tuple[str, Fault],
) -> None:
    name, fault = low
    bench = Bench()
    bench.live(60, hold=True)
    assert bench.command(COCK) == Code.OK
    bench.live(50, hold=True)
    bench.set_fault(name)
    bench.until(lambda: bench.phase is Phase.FAULT, hold=True)
    assert bench.fault is fault
    bench.command(CLEAR_FAULT)
    assert bench.result == Code.FAULTED
    bench.clear_fault(name)
    bench.mend()
    bench.drop_once()
    bench.set_fault(name)
    bench.live(60, hold=True)
    assert bench.command(COCK) == Code.NO_POWER
    bench.clear_fault(name)
    bench.mend()


def test_supplies_show_what_they_have_sagged_to_and_never_rise_by_it() -> None:
    bench = Bench()
    bench.set_fault("supply-low", 11_000)
    bench.set_fault("air-low", 900)
    bench.live(50)
    assert (bench.host.status.supply_mv, bench.host.status.air_kpa) == (11_000, 600)
    bench.set_fault("air-low", 250)
    bench.live(50)
    assert bench.host.status.air_kpa == 250
    assert [fault.value for fault in bench.table.faults] == [11_000, 250]


def test_a_drifting_cell_wanders_at_its_rate_and_is_true_again_once_it_is_cleared() -> None:
    bench = Bench()
    before_dn = bench.host.status.sections[PELVIC].load_dn
    bench.set_fault("cell-drift", 50)
    bench.live(2_000)
    gone_dn = bench.host.status.sections[PELVIC].load_dn - before_dn
    assert gone_dn == pytest.approx(1_000, abs=150)
    bench.clear_fault("cell-drift")
    bench.live(50)
    assert bench.host.status.sections[PELVIC].load_dn == pytest.approx(before_dn, abs=150)


def test_what_a_sick_cell_read_stays_read() -> None:
    """Whoever looks back sees what there was then, after the fault is cleared as well."""
    bench = Bench()
    began_us = bench.now_us
    for name in ("cell-wire-broken", "cell-frozen"):
        bench.live(100)
        bench.set_fault(name)
        bench.live(100)
        sick = bench.table.inputs().sections[PELVIC]
        bench.clear_fault(name)
        # The next sample is sound, not this one.
        assert bench.table.inputs().sections[PELVIC] == sick
    assert sick.load_us == began_us + 300_000
    assert [sick.load_raw] == bench.table.window(PELVIC, sick.load_us, sick.load_us + 1, 1)
    bench.live(100)
    window = bench.table.window(PELVIC, began_us, bench.now_us, 1_000)
    there = [raw is not None for raw in window]
    assert there == [*[True] * 101, *[False] * 100, *[True] * 100, *[False] * 100, *[True] * 99]


def test_bouncing_switches_delay_the_board_and_lose_no_drop() -> None:
    bench = bench_in(COCKED)
    bench.set_fault("switches-bounce", 30)
    began_us = bench.now_us
    bench.drop_once()
    edges = [change for change in bench.table.history(began_us) if change.section is PELVIC]
    ups = {change.us for change in edges}
    assert len(ups) > 15
    bench.clear_fault("switches-bounce")
    bench.mend()
    bench.drop_once()


def test_a_slow_pin_is_slow_both_ways() -> None:
    bench = bench_in(COCKED)
    bench.set_fault("pin-slow", 100)
    bench.arm()
    assert bench.table.truth(PELVIC).pin_position == pytest.approx(0.5, abs=0.01)
    bench.live(100)
    assert bench.table.truth(PELVIC).pin_position == 0


def test_a_pin_without_its_spring_holds_until_it_is_withdrawn() -> None:
    bench = Bench()
    bench.set_fault("pin-stuck-out")
    bench.live(1_000)
    assert bench.phase is LOCKED
    assert bench.table.truth(PELVIC).pin_in


def test_a_stuck_lift_raises_a_section_again_that_has_fallen() -> None:
    bench = bench_in(ARMED)
    bench.set_fault("lift-valve-stuck")
    bench.thrust()
    bench.until(lambda: bench.phase is Phase.FAULT)
    # It leaves the bottom before a debounced switch can say that it was there.
    assert bench.fault is Fault.DROP_TIMEOUT
    assert len(bench.table.drops) == 1
    bench.live(500)
    assert bench.table.truth(PELVIC).height_um == 19_000


def test_a_tension_that_slips_lets_the_section_go_below_its_load() -> None:
    bench = bench_in(ARMED)
    bench.touch(lambda table: table.patient((0, 0, 250)))
    bench.set_fault("tension-slip", 500)
    bench.until(lambda: bench.phase is LOCKED)
    assert len(bench.events(Kind.DROP)) == 1


# Of the board itself


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_a_brown_out_strikes_once_when_the_phase_is_entered_and_leaves_everything_off(
    phase: Phase,
) -> None:
    bench = bench_in(LOCKED if phase in WAY_UP else COCKED)
    bench.set_fault("brown-out", phase)
    bench.live(100)
    assert boots(bench) == []
    LEADS_TO[phase](bench)
    bench.until(lambda: bool(boots(bench)))
    boot = boots(bench)[-1]
    assert (boot.boot_id, boot.reset_cause) == (6, 2)
    assert bench.board.faults == ()
    assert not any(outputs.driven for outputs in bench.board.outputs)
    bench.live(1_000)
    assert bench.host.of(Boot)[-1] == boot
    seen = len(bench.host.of(Status))
    bench.connect()
    bench.live(1_500)
    assert bench.host.of(Status)[seen].board_us < 2_600_000
    assert bench.phase is Phase.UNKNOWN
    bench.mend()
    bench.drop_once()


def test_what_a_board_was_about_to_say_goes_down_with_it() -> None:
    bench = bench_in(COCKED)
    bench.set_fault("brown-out", Phase.DROPPED)
    drop(bench)
    assert len(bench.table.drops) == 1
    assert len(boots(bench)) >= 1
    assert bench.events(Kind.DROP) == []


def boots(bench: Bench) -> list[Boot]:
    """The boots after the first."""
    return [boot for boot in bench.host.of(Boot) if boot.boot_id != 5]


def begin_to_cock(bench: Bench) -> None:
    bench.live(60, hold=True)
    bench.command(COCK)
    bench.live(500, hold=True)


def cock_and_let_go(bench: Bench) -> None:
    bench.live(60, hold=True)
    bench.command(COCK)
    bench.live(100, hold=True)
    bench.live(100)


def begin_to_lock(bench: Bench) -> None:
    bench.live(60, hold=True)
    bench.command(LOCK)
    bench.live(500, hold=True)


def begin_to_arm(bench: Bench) -> None:
    bench.command(ARM, arg=15_000)


def drop(bench: Bench) -> None:
    begin_to_arm(bench)
    bench.live(100)
    bench.thrust()
    bench.live(1_000)


def break_the_up_switch(bench: Bench) -> None:
    bench.set_fault("up-stuck-open")
    bench.live(50)
    bench.clear_fault("up-stuck-open")


def break_the_up_switch_and_clear(bench: Bench) -> None:
    break_the_up_switch(bench)
    bench.command(CLEAR_FAULT)


WAY_UP = (Phase.COCKING, Phase.COCKED, Phase.SECURING, Phase.HALTED)
LEADS_TO: dict[Phase, Callable[[Bench], None]] = {
    Phase.UNKNOWN: break_the_up_switch_and_clear,
    Phase.LOCKED: begin_to_lock,
    Phase.COCKING: begin_to_cock,
    Phase.COCKED: begin_to_cock,
    Phase.ARMED: begin_to_arm,
    Phase.DROPPING: drop,
    Phase.DROPPED: drop,
    Phase.LOWERING: begin_to_lock,
    Phase.HALTED: cock_and_let_go,
    Phase.FAULT: break_the_up_switch,
    Phase.SECURING: begin_to_cock,
}


def test_a_brown_out_that_is_cleared_in_time_does_not_strike() -> None:
    bench = Bench()
    bench.set_fault("brown-out", Phase.COCKING)
    bench.clear_fault("brown-out")
    bench.move(COCK)
    assert bench.phase is COCKED
    assert boots(bench) == []


@pytest.mark.parametrize("percent", [2, -2])
def test_a_boards_clock_that_is_off_is_off_in_all_that_it_times(percent: int) -> None:
    bench = bench_in(ARMED)
    bench.set_fault("clock-rate", percent)
    before, began_us = bench.host.status, bench.now_us
    bench.live(3_000)
    gone_us = bench.host.status.board_us - before.board_us
    assert gone_us == pytest.approx((bench.now_us - began_us) * (1 + percent / 100), abs=20_000)
    bench.thrust()
    bench.until(lambda: bench.phase is LOCKED)
    (drop,) = bench.events(Kind.DROP)
    (fell,) = bench.table.drops
    assert drop.a == pytest.approx(fell.fall_us * (1 + percent / 100), abs=2)
    # 2 % of a session's life is more than any age allows, and does no harm.
    bench.live(20_000)
    assert bench.host.status.flags & Flag.SESSION_ALIVE
    bench.clear_fault("clock-rate")
    bench.mend()
    bench.drop_once()


def test_a_full_event_buffer_forbids_arming_until_acknowledgements_arrive_again() -> None:
    bench = bench_in(COCKED)
    acknowledge(bench)
    bench.set_fault("event-buffer-full")
    for _ in range(60):
        bench.live(50)
        acknowledge(bench)
    assert bench.host.status.flags & Flag.EVENTS_HALF_FULL
    assert len(bench.events(Kind.PEDAL)) >= 50
    assert not bench.table.inputs().pedal_down
    assert bench.command(ARM, arg=15_000) == Code.BUSY
    bench.clear_fault("event-buffer-full")
    acknowledge(bench)
    bench.live(600)
    acknowledge(bench)
    bench.live(100)
    assert not bench.host.status.flags & Flag.EVENTS_HALF_FULL
    (lost,) = bench.events(Kind.EVENTS_LOST)
    assert lost.a > 0
    bench.drop_once()


def test_a_pedal_flutters_no_longer_than_its_fault() -> None:
    bench = Bench()
    bench.set_fault("event-buffer-full")
    bench.live(300)
    told = len(bench.events(Kind.PEDAL))
    assert told > 10
    bench.clear_fault("event-buffer-full")
    bench.live(1_000)
    assert len(bench.events(Kind.PEDAL)) <= told + 1
    assert not bench.table.inputs().pedal_down


def acknowledge(bench: Bench) -> None:
    """All events that the host has, without a gap."""
    seqs = {m.event_seq for m in bench.host.of(Event)}
    newest = next(seq for seq in range(1, len(seqs) + 2) if seq not in seqs) - 1
    bench.host.say(bench.now_us, EventAck(5, newest))


def test_an_acknowledgement_that_comes_in_pieces_gets_lost_and_nothing_else_does() -> None:
    ack, beat = encode(1, 7, EventAck(5, 1)), encode(2, 7, Beat(0, 0))
    for size in (1, 3, 1_000):
        wire = LostAcks()
        sent = b"\xff" + beat + ack + beat + ack
        arrived = b"".join(wire.passes(sent[at : at + size]) for at in range(0, len(sent), size))
        assert arrived == b"\xff" + beat + beat


# The registry


def test_no_fault_is_without_a_test() -> None:
    tested = {case.name for case in CASES} | {"supply-low", "air-low", "switches-bounce"}
    assert tested == {name for name, fault in FAULTS.items() if fault.scope is not Scope.BOARD}
    assert {name for name, fault in FAULTS.items() if fault.scope is Scope.BOARD} == {
        "brown-out",
        "clock-rate",
        "event-buffer-full",
    }


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_each_says_in_a_sentence_what_it_does_and_takes_its_own_bounds(fault: SomeFault) -> None:
    assert fault.text[0].isupper()
    assert fault.text.endswith(".")
    section = PELVIC if fault.scope is Scope.SECTION else None
    if fault.value is None:
        assert wanted(fault.name, section, None).value == 0
        with pytest.raises(ValueError, match=f"{fault.name} takes no value"):
            wanted(fault.name, section, 1.0)
        return
    assert wanted(fault.name, section, None).value == fault.value.default
    for value in (fault.value.low, fault.value.high):
        assert wanted(fault.name, section, value).value == value
    for value in (fault.value.low - 1, fault.value.high + 1):
        with pytest.raises(ValueError, match=f"{fault.name} takes .* {fault.value.unit}, not"):
            wanted(fault.name, section, value)


def test_what_cannot_be_is_refused_with_what_can() -> None:
    with pytest.raises(ValueError, match="no fault 'rust'; the faults are up-stuck-closed, "):
        wanted("rust", None, None)
    with pytest.raises(ValueError, match="one section, name it: thoracic, lumbar, pelvic"):
        wanted("leak", None, None)
    with pytest.raises(ValueError, match="the whole table: name no section"):
        wanted("air-low", PELVIC, None)
    with pytest.raises(ValueError, match="the whole board: name no section"):
        wanted("clock-rate", Section.LUMBAR, None)
    with pytest.raises(ValueError, match="whole numbers from 0 to 10 phase, not 2.5"):
        wanted("brown-out", None, 2.5)


def test_a_fault_of_one_section_is_none_of_another() -> None:
    bench = Bench()
    bench.set_fault("pin-switch-stuck-open")
    sections = bench.table.inputs().sections
    assert [section.pin for section in sections] == [True, True, False]


def test_a_fault_that_is_set_again_is_as_bad_as_the_last() -> None:
    bench = Bench()
    bench.set_fault("leak", 1_000)
    bench.set_fault("leak", 3_000)
    (fault,) = bench.table.faults
    assert fault.value == 3_000
    bench.clear_fault("leak")
    bench.clear_fault("leak")
    assert bench.table.faults == ()


def test_a_fault_of_the_table_is_none_of_the_boards() -> None:
    bench = Bench()
    with pytest.raises(TypeError, match="leak is a fault of the table"):
        bench.board.set_fault(wanted("leak", PELVIC, None))
