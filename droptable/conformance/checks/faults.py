"""Section 4: each fault is raised when it has to be, with nothing driven, and told once."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    TABLE,
    Code,
    Disarmed,
    Fault,
    Feature,
    Kind,
    Output,
    Phase,
    Switch,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import Result, SectionStatus, Status

TENSION_DRIVE_US = 5_000_000


@check("4 fault 1", faults=("up-stuck-open",))
async def cock_timeout(bench: Bench) -> None:
    """COCKING without the up switch is COCK_TIMEOUT."""
    await bench.set(0, cock_timeout_ms=400)
    await bench.hands.fault("up-stuck-open", 0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.faulted(0, Fault.COCK_TIMEOUT, within_us=400_000)
    await _took_us(bench, 400_000)


async def _took_us(bench: Bench, wanted_us: int) -> None:
    """From the COMMAND, which was answered at once, to the FAULT by the board's clock."""
    fault = await bench.event(Kind.FAULT, 0)
    offset_us = (await bench.time()).board_us - bench.host.clock.monotonic_us()
    results = [h for h in bench.host.heard if isinstance(h.message, Result)]
    began_us = results[-1].at_us + offset_us
    slop_us = 3_000 + bench.slack.worst_us
    took_us = fault.board_us - began_us
    expect(abs(took_us - wanted_us) <= slop_us, f"FAULT after {wanted_us} µs", took_us)


@check("4 fault 2", faults=("down-stuck-open",))
async def lower_timeout(bench: Bench) -> None:
    """LOWERING without the down switch is LOWER_TIMEOUT."""
    await bench.set(0, lower_timeout_ms=400)
    await bench.cock(0)
    await bench.hands.fault("down-stuck-open", 0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await bench.faulted(0, Fault.LOWER_TIMEOUT, within_us=400_000)
    await _took_us(bench, 400_000)


@check("4 fault 3", faults=("down-stuck-open",))
async def drop_timeout(bench: Bench) -> None:
    """DROPPING without the down switch is DROP_TIMEOUT, and the fall is told when it ends."""
    await bench.set(0, drop_timeout_ms=150)
    await bench.arm(0)
    await bench.hands.fault("down-stuck-open", 0)
    await bench.thrust(0)
    await bench.faulted(0, Fault.DROP_TIMEOUT, within_us=1_500_000)


@check("4 fault 4", faults=("pin-stuck-in",))
async def pin_stuck_in(bench: Bench) -> None:
    """A pin that is driven and stays in is PIN_STUCK_IN."""
    await bench.set(0, pin_timeout_ms=100)
    await bench.hands.fault("pin-stuck-in", 0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.faulted(0, Fault.PIN_STUCK_IN, within_us=100_000)
    await _took_us(bench, 100_000)
    lifted = [part for part in _parts(bench) if part.outputs & Output.LIFT]
    expect(not lifted, "no lift against a pin that is in", lifted)


def _parts(bench: Bench) -> list[SectionStatus]:
    return [h.message.sections[0] for h in bench.host.heard if isinstance(h.message, Status)]


@check("4 fault 4", faults=("pin-stuck-in",))
async def pin_stuck_in_when_armed(bench: Bench) -> None:
    """In ARMED it is PIN_STUCK_IN too, and disarms."""
    await bench.set(0, pin_timeout_ms=100)
    await bench.cock(0)
    await bench.tension_reached(0)
    await bench.hands.fault("pin-stuck-in", 0)
    await bench.accepted(Verb.ARM, 0, 1_000)
    await bench.faulted(0, Fault.PIN_STUCK_IN, within_us=100_000)
    event = await bench.event(Kind.DISARMED, 0)
    expect(event.a == Disarmed.FAULT, "DISARMED by a fault", event.a)


@check("4 fault 5", faults=("pin-stuck-out",))
async def pin_stuck_out(bench: Bench) -> None:
    """SECURING without the pin is PIN_STUCK_OUT."""
    await bench.arm(0)
    await bench.hands.fault("pin-stuck-out", 0)
    await bench.accepted(Verb.DISARM, 0)
    within_ms = bench.value(0, "pin_timeout_ms") + bench.value(0, "settle_ms")
    await bench.faulted(0, Fault.PIN_STUCK_OUT, within_us=within_ms * 1_000)
    await _took_us(bench, within_ms * 1_000)


@check("4 fault 5", faults=("pin-switch-stuck-open",))
async def pin_lost_at_rest(bench: Bench) -> None:
    """LOCKED or COCKED with the pin switch open for 10 ms is PIN_STUCK_OUT."""
    await _blinks(bench, "pin-switch-stuck-open", Fault.PIN_STUCK_OUT)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)
    await bench.hands.fault("pin-switch-stuck-open", 0, on=False)
    await bench.rest()
    await bench.cock(0)
    await _blinks(bench, "pin-switch-stuck-open", Fault.PIN_STUCK_OUT)


async def _blinks(bench: Bench, name: str, fault: Fault) -> None:
    """A contact that is wrong: for 10 ms, by the clocks of hands and board, and not before."""
    before = max((event.event_seq for event in bench.events()), default=0)
    broken_us = await bench.hands.fault(name, 0)
    status = await bench.phase(0, Phase.FAULT)
    part = status.sections[0]
    expect((part.fault, part.outputs) == (fault, 0), f"FAULT {fault.name}, nothing driven", part)
    event = await bench.event(Kind.FAULT, 0, after=before)
    early_us, late_us = await bench.clocks_apart()
    least_us = event.board_us - broken_us - late_us
    most_us = event.board_us - broken_us - early_us
    slop_us = 2_000 + bench.slack.worst_us
    kept = most_us >= 10_000 - 1_000 and least_us <= 10_000 + slop_us
    expect(kept, f"{fault.name} after 10 ms", f"{least_us} to {most_us} µs")


@check("4 fault 6", faults=("up-stuck-closed",))
async def switches_implausible(bench: Bench) -> None:
    """Up and down closed together for 10 ms is SWITCHES_IMPLAUSIBLE."""
    await _blinks(bench, "up-stuck-closed", Fault.SWITCHES_IMPLAUSIBLE)


@check("4 fault 7", faults=("up-stuck-open",))
async def top_lost(bench: Bench) -> None:
    """COCKED with the up switch open for 10 ms is UNCOMMANDED_DROP."""
    await bench.cock(0)
    await _blinks(bench, "up-stuck-open", Fault.UNCOMMANDED_DROP)


@check("4 fault 8", faults=("down-stuck-open",))
async def bottom_lost(bench: Bench) -> None:
    """LOCKED with the down switch open for 10 ms is MOVED_WITHOUT_COMMAND."""
    await _blinks(bench, "down-stuck-open", Fault.MOVED_WITHOUT_COMMAND)


@check("4 fault 9", faults=("cell-wire-broken",), features=Feature.LOAD_CELLS)
async def load_cell_invalid(bench: Bench) -> None:
    """A load cell that is invalid for 200 ms is LOAD_CELL, until it is valid again."""
    await _cell_fails(bench, "cell-wire-broken")


@check("4 fault 9", faults=("cell-frozen",), features=Feature.LOAD_CELLS)
async def load_cell_silent(bench: Bench) -> None:
    """A load cell without a new sample for 200 ms is LOAD_CELL, until there is one."""
    await _cell_fails(bench, "cell-frozen")


async def _cell_fails(bench: Bench, name: str) -> None:
    await bench.hands.fault(name, 0)
    status = await bench.faulted(0, Fault.LOAD_CELL, within_us=200_000)
    part = status.sections[0]
    expect(not part.inputs & Switch.LOAD_VALID, "load cell valid clear", part)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)
    await bench.hands.fault(name, 0, on=False)
    await bench.status(lambda s: bool(s.sections[0].inputs & Switch.LOAD_VALID), "the cell valid")
    await bench.accepted(Verb.CLEAR_FAULT, 0)


@check("4 fault 10", hands=True, features=Feature.LOAD_CELLS)
async def overload(bench: Bench) -> None:
    """A load above load_max_dn for 50 ms is OVERLOAD, in LOCKED and in COCKED."""
    await bench.set(0, load_max_dn=1_000)
    await bench.hands.patient(0, 200.0)
    # If the check before ended with a thrust, the second after it is not over.
    await bench.faulted(0, Fault.OVERLOAD, within_us=1_100_000)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)


@check("4 fault 10", hands=True, features=Feature.LOAD_CELLS)
async def no_overload_by_a_thrust(bench: Bench) -> None:
    """In ARMED, DROPPING and the second after, a load is what a thrust makes it."""
    await bench.set(0, load_max_dn=1_000)
    await bench.drop(0)
    await bench.host.pause(200_000)
    await bench.phase(0, Phase.LOCKED)
    expect(not bench.events(Kind.FAULT), "no FAULT by a thrust", bench.events(Kind.FAULT))


@check("4 fault 11", hands=True, features=Feature.SUPPLY_SENSOR)
async def supply(bench: Bench) -> None:
    """A supply below its minimum for 100 ms while an output is driven is SUPPLY."""
    low_mv = bench.value(TABLE, "supply_min_mv") - 1_000
    await bench.arm(0)
    await bench.hands.supply(low_mv)
    await bench.faulted(0, Fault.SUPPLY, within_us=200_000)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)
    await bench.phase(1, Phase.LOCKED)


@check("4 fault 12", faults=("up-stuck-open",), features=Feature.AIR_SENSOR)
async def air(bench: Bench) -> None:
    """Air below its minimum for 100 ms while the lift is driven is AIR."""
    low_kpa = max(0, bench.value(TABLE, "air_min_kpa") - 100)
    await bench.set(0, cock_timeout_ms=5_000)
    await bench.hands.fault("up-stuck-open", 0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    await bench.hands.air(low_kpa)
    await bench.faulted(0, Fault.AIR, within_us=3_000_000)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)


@check("4 fault 13", faults=("tension-slip",), features=Feature.TENSION_DRIVE)
async def tension_in_armed(bench: Bench) -> None:
    """A tension off by more than its tolerance for 200 ms in ARMED is TENSION."""
    await bench.arm(0)
    await bench.hands.fault("tension-slip", 0, 400.0)
    await bench.faulted(0, Fault.TENSION, within_us=2_000_000)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)
    event = await bench.event(Kind.DISARMED, 0)
    expect(event.a == Disarmed.FAULT, "DISARMED by a fault", event.a)


@check("4 fault 13", faults=("tension-slip",), features=Feature.TENSION_DRIVE)
async def tension_at_rest(bench: Bench) -> None:
    """From 5 s after tension_set_dn was written a tension that is off is TENSION, and not before."""
    await bench.set(0, tension_set_dn=bench.value(0, "tension_set_dn"))
    began_us = (await bench.time()).board_us
    await bench.hands.fault("tension-slip", 0, 400.0)
    await bench.faulted(0, Fault.TENSION, within_us=TENSION_DRIVE_US)
    took_us = (await bench.event(Kind.FAULT, 0)).board_us - began_us
    slop_us = 5_000 + bench.slack.worst_us
    expect(abs(took_us - TENSION_DRIVE_US) <= slop_us, "FAULT 5 s after it was written", took_us)


@check("4 fault 14", faults=("up-stuck-open",))
async def duty(bench: Bench) -> None:
    """A coil driven longer than coil_on_max_ms is DUTY."""
    await bench.set(TABLE, coil_on_max_ms=1_000)
    await bench.set(0, cock_timeout_ms=5_000)
    await bench.hands.fault("up-stuck-open", 0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.faulted(0, Fault.DUTY, within_us=1_000_000)
    await _took_us(bench, 1_000_000)


@check("4 any fault", faults=("up-stuck-closed", "pin-switch-stuck-open"))
async def first_cause_kept(bench: Bench) -> None:
    """The first cause is kept, whatever comes after; the other sections go on."""
    await bench.cock(1)
    await bench.hands.fault("up-stuck-closed", 0)
    await bench.faulted(0, Fault.SWITCHES_IMPLAUSIBLE)
    await bench.hands.fault("pin-switch-stuck-open", 0)
    await bench.host.pause(50_000)
    part = (await bench.fresh_status()).sections[0]
    expect(part.fault == Fault.SWITCHES_IMPLAUSIBLE, "the first cause", part)
    told = len(bench.events(Kind.FAULT))
    expect(told == 1, "one FAULT event", told)
    await bench.phase(1, Phase.COCKED)
