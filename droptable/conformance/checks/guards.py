"""Section 4: what stands against each verb, guard by guard."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    EVENT_PLACES_FOR_ARM,
    TABLE,
    Code,
    Fault,
    Feature,
    Flag,
    Kind,
    Phase,
    Switch,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import EventAck, Stop

TRIES = 4
"""How often what has to be quick is tried."""


# Lease and hold


@check("4 COCK, LOCK, ARM")
async def no_lease(bench: Bench) -> None:
    """Without a lease COCK, ARM and LOCK are NO_LEASE; nothing moves."""
    bench.host.say(lease=False, hold=True)
    await bench.refused(Code.NO_LEASE, Verb.COCK, 0)
    await bench.refused(Code.NO_LEASE, Verb.MAINTENANCE, TABLE, 1)
    await bench.cock(0)
    bench.host.say(lease=False, hold=True)
    await bench.refused(Code.NO_LEASE, Verb.ARM, 0, 1000)
    await bench.refused(Code.NO_LEASE, Verb.LOCK, 0)
    await _nothing_driven(bench, 0, Phase.COCKED)


@check("4 COCK, LOCK")
async def not_held(bench: Bench) -> None:
    """Without a hold COCK and LOCK are NOT_HELD; nothing moves."""
    await bench.refused(Code.NOT_HELD, Verb.COCK, 0)
    await _nothing_driven(bench, 0, Phase.LOCKED)
    await bench.halt(0)
    await bench.refused(Code.NOT_HELD, Verb.COCK, 0)
    await bench.refused(Code.NOT_HELD, Verb.LOCK, 0)
    bench.host.say(lease=False)
    await bench.refused(Code.NO_LEASE, Verb.LOCK, 0)
    await _nothing_driven(bench, 0, Phase.HALTED)


async def _nothing_driven(bench: Bench, section: int, phase: Phase) -> None:
    part = (await bench.fresh_status()).sections[section]
    expect((part.phase, part.outputs) == (phase, 0), f"{phase.name}, nothing driven", part)


# Stop


@check("4 COCK, LOCK, ARM")
async def stopped(bench: Bench) -> None:
    """Under stop COCK, ARM and LOCK are STOPPED, and HOME is not."""
    await bench.cock(0)
    bench.host.say(hold=True)
    bench.host.send(Stop(bench.next_id()))
    await bench.flag(Flag.STOP_LATCHED, on=True)
    await bench.refused(Code.STOPPED, Verb.ARM, 0, 1000)
    await bench.refused(Code.STOPPED, Verb.LOCK, 0)
    await bench.refused(Code.STOPPED, Verb.COCK, 1)
    await bench.refused(Code.WRONG_PHASE, Verb.HOME, 1)
    await _nothing_driven(bench, 0, Phase.COCKED)


@check("4 RESET_STOP")
async def reset_stop_guards(bench: Bench) -> None:
    """RESET_STOP needs a lease and no hold; without a stop it is OK."""
    await bench.accepted(Verb.RESET_STOP)
    expect(not bench.events(Kind.STOP_RESET), "no STOP_RESET without a stop")
    bench.host.send(Stop(bench.next_id()))
    await bench.flag(Flag.STOP_LATCHED, on=True)
    bench.host.say(hold=True)
    await bench.refused(Code.BUSY, Verb.RESET_STOP)
    bench.host.say(lease=False)
    await bench.refused(Code.NO_LEASE, Verb.RESET_STOP)
    await bench.flag(Flag.STOP_LATCHED, on=True)
    await bench.stop_reset()
    await bench.event(Kind.STOP_RESET)


@check("4 RESET_STOP", hands=True)
async def reset_stop_under_estop(bench: Bench) -> None:
    """While the e-stop is open RESET_STOP is STOPPED."""
    await bench.hands.estop(opened=True)
    await bench.flag(Flag.ESTOP_OPEN, on=True)
    bench.host.say(lease=False, hold=True)
    await bench.refused(Code.STOPPED, Verb.RESET_STOP)
    await bench.hands.estop(opened=False)
    await bench.flag(Flag.ESTOP_OPEN, on=False, within_us=200_000)
    await bench.refused(Code.NO_LEASE, Verb.RESET_STOP)
    await bench.stop_reset()


# Other sections


@check("4 COCK, LOCK, ARM")
async def other_sections(bench: Bench) -> None:
    """While another is ARMED: OTHER_ARMED; while another moves: BUSY."""
    await bench.cock(1)
    await bench.arm(0)
    bench.host.say(hold=True)
    await bench.refused(Code.OTHER_ARMED, Verb.COCK, 2)
    await bench.refused(Code.OTHER_ARMED, Verb.ARM, 1, 1000)
    await bench.refused(Code.OTHER_ARMED, Verb.LOCK, 1)
    await bench.refused(Code.OTHER_ARMED, Verb.MAINTENANCE, TABLE, 1)
    bench.host.say(hold=False)
    await bench.refused(Code.NOT_HELD, Verb.COCK, 2)
    bench.host.say(hold=True)
    await bench.accepted(Verb.DISARM, 0)
    await _busy(bench, moving=0, phase=Phase.SECURING)
    await bench.phase(0, Phase.COCKED, within_us=500_000)
    await bench.accepted(Verb.LOCK, 0)
    await _busy(bench, moving=0, phase=Phase.LOWERING)


async def _busy(bench: Bench, *, moving: int, phase: Phase) -> None:
    """While `moving` is on its way, section 1 (COCKED) and 2 (LOCKED) must wait."""
    await bench.phase(moving, phase)
    orders = (
        bench.order(Verb.COCK, 2),
        bench.order(Verb.ARM, 1, 1000),
        bench.order(Verb.LOCK, 1),
        bench.order(Verb.MAINTENANCE, TABLE, 1),
    )
    await bench.refused_all((Code.BUSY, order) for order in orders)


@check("4 COCK, ARM", faults=("up-stuck-closed",))
async def another_in_fault(bench: Bench) -> None:
    """With a section in FAULT, COCK and ARM are FAULTED for all, LOCK for that one only."""
    await bench.cock(1)
    await bench.fail(0)
    bench.host.say(lease=False, hold=False)
    await bench.refused(Code.FAULTED, Verb.COCK, 2)
    await bench.refused(Code.FAULTED, Verb.ARM, 1, 1000)
    await bench.refused(Code.NO_LEASE, Verb.LOCK, 1)
    await bench.refused(Code.FAULTED, Verb.LOCK, 0)
    await bench.refused(Code.NO_LEASE, Verb.CLEAR_FAULT, 0)
    bench.host.send(Stop(bench.next_id()))
    await bench.flag(Flag.STOP_LATCHED, on=True)
    await bench.refused(Code.STOPPED, Verb.COCK, 2)
    await bench.phase(0, Phase.FAULT)
    await bench.stop_reset()
    await bench.lock(1)


# What ARM needs besides


@check("4 ARM")
async def arm_window(bench: Bench) -> None:
    """arg is a window from 1 ms to the lesser of its two limits, else OUT_OF_RANGE."""
    for row, coil in ((2_000, 3_000), (3_000, 2_000)):
        await bench.set(0, arm_window_max_ms=row)
        await bench.set(TABLE, coil_on_max_ms=coil)
        for window_ms in (0, -1, 2_001, 2**31 - 1, -(2**31)):
            await bench.refused(Code.OUT_OF_RANGE, Verb.ARM, 0, window_ms)
        await bench.refused(Code.WRONG_PHASE, Verb.ARM, 0, 2_000)
        await bench.refused(Code.WRONG_PHASE, Verb.ARM, 0, 1)


@check("4 ARM")
async def arm_without_event_places(bench: Bench) -> None:
    """With fewer than 8 free event places ARM is BUSY, with 8 it is not."""
    await bench.cock(0)
    await bench.tension_reached(0)
    await bench.fill_events()
    await bench.refused(Code.BUSY, Verb.ARM, 0, 1_000)
    first = bench.events()[0].event_seq
    # The EVENTS_LOST that tells of the dropped ones takes the first place that is free.
    bench.host.send(EventAck(bench.welcome.boot_id, first + EVENT_PLACES_FOR_ARM - 1))
    await bench.event(Kind.EVENTS_LOST)
    await bench.refused(Code.BUSY, Verb.ARM, 0, 1_000)
    bench.host.send(EventAck(bench.welcome.boot_id, first + EVENT_PLACES_FOR_ARM))
    await bench.accepted(Verb.ARM, 0, 1_000)


@check("4 ARM", faults=("up-stuck-open",))
async def arm_implausible(bench: Bench) -> None:
    """ARM with switches that do not agree is IMPLAUSIBLE."""
    code = Code.FAULTED
    for _ in range(TRIES):
        await bench.rest()
        await bench.cock(0)
        # A COCKED section without its up switch is in FAULT after 10 ms: this has to be quick.
        await bench.hands.fault("up-stuck-open", 0)
        code = Code((await bench.ask(bench.order(Verb.ARM, 0, 1000))).code)
        await bench.hands.fault("up-stuck-open", 0, on=False)
        if code is not Code.FAULTED:
            break
    expect(code is Code.IMPLAUSIBLE, "IMPLAUSIBLE", code)


@check("4 HOME", faults=("up-stuck-closed", "pin-switch-stuck-open"))
async def home_implausible(bench: Bench) -> None:
    """HOME is IMPLAUSIBLE for switches that fit no phase, and before they have settled."""
    await bench.forget_where(0)
    await bench.hands.fault("pin-switch-stuck-open", 0)
    await bench.status(lambda s: not s.sections[0].inputs & Switch.PIN, "the pin switch open")
    await bench.refused(Code.IMPLAUSIBLE, Verb.HOME, 0)
    await bench.set(0, settle_ms=100)
    await bench.hands.fault("pin-switch-stuck-open", 0, on=False)
    await bench.refused(Code.IMPLAUSIBLE, Verb.HOME, 0)
    await bench.phase(0, Phase.UNKNOWN)


@check("4 CLEAR_FAULT", faults=("up-stuck-closed",))
async def cause_not_gone(bench: Bench) -> None:
    """While its cause is there, CLEAR_FAULT is FAULTED."""
    await bench.hands.fault("up-stuck-closed", 0)
    await bench.faulted(0, Fault.SWITCHES_IMPLAUSIBLE)
    bench.host.say(lease=False)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)
    bench.host.say(lease=True)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 0)
    await bench.hands.fault("up-stuck-closed", 0, on=False)
    await bench.status(lambda s: not s.sections[0].inputs & Switch.UP, "the up switch open")
    await bench.accepted(Verb.CLEAR_FAULT, 0)
    await bench.phase(0, Phase.UNKNOWN)
    event = await bench.event(Kind.FAULT_CLEARED, 0)
    expect(event.a == Fault.SWITCHES_IMPLAUSIBLE, "FAULT_CLEARED with the fault's code", event.a)


# Power


@check("4 COCK, ARM", hands=True, features=Feature.SUPPLY_SENSOR)
async def low_supply(bench: Bench) -> None:
    """With a low supply COCK and ARM are NO_POWER; LOCK is not."""
    await bench.cock(0)
    await bench.hands.supply(bench.value(TABLE, "supply_min_mv") - 500)
    await bench.flag(Flag.SUPPLY_LOW, on=True)
    bench.host.say(hold=True)
    await bench.refused(Code.NO_POWER, Verb.COCK, 1)
    await bench.refused(Code.NO_POWER, Verb.ARM, 0, 1000)
    bench.host.say(hold=False)
    await bench.refused(Code.NOT_HELD, Verb.COCK, 1)


@check("4 COCK, ARM", hands=True, features=Feature.AIR_SENSOR)
async def low_air(bench: Bench) -> None:
    """With low air COCK and ARM are NO_POWER; LOCK is carried out."""
    await bench.cock(0)
    await bench.hands.air(max(0, bench.value(TABLE, "air_min_kpa") - 50))
    await bench.flag(Flag.AIR_LOW, on=True, within_us=3_000_000)
    bench.host.say(hold=True)
    await bench.refused(Code.NO_POWER, Verb.COCK, 1)
    await bench.refused(Code.NO_POWER, Verb.ARM, 0, 1000)
    await bench.lock(0)
