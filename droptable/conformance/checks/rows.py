"""Section 4: the rows of the transition table that a host, a hold and time lead through."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    SECTIONS,
    Disarmed,
    Fault,
    Feature,
    Flag,
    Kind,
    Output,
    Phase,
    Switch,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import SectionStatus, Status, Stop


def _told(bench: Bench, section: int) -> list[SectionStatus]:
    """The section by each STATUS of this check."""
    return [h.message.sections[section] for h in bench.host.heard if isinstance(h.message, Status)]


def _phases(bench: Bench, section: int) -> list[Phase]:
    """The phases that it went through."""
    told = [Phase(part.phase) for part in _told(bench, section)]
    return [phase for at, phase in enumerate(told) if at == 0 or told[at - 1] != phase]


def _never_lift_with_the_pin_in(bench: Bench, section: int) -> None:
    """Lift and valve are driven only once the pin switch is open."""
    wrong = [
        part
        for part in _told(bench, section)
        if part.outputs & (Output.LIFT | Output.LOWERING)
        and (part.inputs & Switch.PIN or not part.outputs & Output.PIN_WITHDRAWN)
    ]
    expect(not wrong, "lift and valve only with the pin withdrawn and seen to be out", wrong)


def _nothing_driven_in(bench: Bench, section: int, *phases: Phase) -> None:
    wrong = [part for part in _told(bench, section) if part.phase in phases and part.outputs]
    expect(not wrong, "no output in " + ", ".join(phase.name for phase in phases), wrong)


@check("4 COCK to COCKED")
async def cocking(bench: Bench) -> None:
    """LOCKED goes through COCKING and SECURING to COCKED, pin first."""
    for section in SECTIONS:
        await bench.cock(section)
        way = [Phase.LOCKED, Phase.COCKING, Phase.SECURING, Phase.COCKED]
        expect(_phases(bench, section) == way, "LOCKED, COCKING, SECURING, COCKED", way)
        _never_lift_with_the_pin_in(bench, section)
        _nothing_driven_in(bench, section, Phase.SECURING, Phase.COCKED)
        driven = [part.outputs for part in _told(bench, section) if part.phase == Phase.COCKING]
        both = Output.LIFT | Output.PIN_WITHDRAWN
        expect(both in driven, "lift and pin driven in COCKING", driven)
        event = await bench.event(Kind.COCKED, section)
        expect(0 < event.a <= 8_000_000, "COCKED with the duration since its COMMAND", event.a)
        part = bench.section(section)
        inputs = part.inputs & (Switch.UP | Switch.DOWN | Switch.PIN)
        expect(inputs == Switch.UP | Switch.PIN, "up and pin closed in COCKED", part)


@check("4 LOCK to LOCKED")
async def lowering(bench: Bench) -> None:
    """COCKED goes through LOWERING and SECURING to LOCKED, pin first."""
    await bench.cock(0)
    await bench.lock(0)
    way = [Phase.COCKED, Phase.LOWERING, Phase.SECURING, Phase.LOCKED]
    gone = _phases(bench, 0)
    expect(gone[-4:] == way, "COCKED, LOWERING, SECURING, LOCKED", gone)
    _never_lift_with_the_pin_in(bench, 0)
    _nothing_driven_in(bench, 0, Phase.SECURING, Phase.LOCKED)
    driven = [part.outputs for part in _told(bench, 0) if part.phase == Phase.LOWERING]
    both = Output.LOWERING | Output.PIN_WITHDRAWN
    expect(both in driven, "valve and pin driven in LOWERING", driven)
    event = await bench.event(Kind.LOCKED, 0)
    expect(0 < event.a <= 12_000_000, "LOCKED with the duration since its COMMAND", event.a)


@check("4 HALTED")
async def hold_released(bench: Bench) -> None:
    """A hold that is released halts; from HALTED COCK and LOCK go on."""
    await bench.halt(0)
    await bench.event(Kind.HALTED, 0)
    _nothing_driven_in(bench, 0, Phase.HALTED)
    await bench.cock(0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await bench.midway(0)
    bench.host.say(hold=False)
    await bench.phase(0, Phase.HALTED)
    _nothing_driven_in(bench, 0, Phase.HALTED)
    await bench.lock(0)


@check("4 HALTED")
async def lease_lost_on_the_way(bench: Bench) -> None:
    """A lease that is lost halts COCKING and LOWERING, though the hold goes on."""
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    bench.host.say(lease=False)
    await bench.phase(0, Phase.HALTED)
    await bench.cock(0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await bench.midway(0)
    bench.host.say(lease=False)
    await bench.phase(0, Phase.HALTED)
    _nothing_driven_in(bench, 0, Phase.HALTED)


@check("4 HALTED, 2.4")
async def session_lost_on_the_way(bench: Bench) -> None:
    """A session that is lost halts COCKING and LOWERING."""
    for verb in (Verb.COCK, Verb.LOCK):
        bench.host.say(lease=True, hold=True)
        await bench.accepted(verb, 0)
        await bench.fall_silent()
        await bench.phase(0, Phase.HALTED)
        _nothing_driven_in(bench, 0, Phase.HALTED)
        await bench.open()
        await bench.cock(0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await bench.midway(0)
    await bench.open()
    await bench.phase(0, Phase.HALTED)
    _nothing_driven_in(bench, 0, Phase.HALTED)


@check("4 ARMED")
async def arm_and_disarm(bench: Bench) -> None:
    """ARM withdraws the pin and nothing else; DISARM secures it again."""
    await bench.arm(0, 1234)
    event = await bench.event(Kind.ARMED, 0)
    expect(event.a == 1234, "ARMED with its window in ms", event.a)
    driven = {part.outputs for part in _told(bench, 0) if part.phase == Phase.ARMED}
    expect(driven == {Output.PIN_WITHDRAWN}, "the pin and nothing else driven in ARMED", driven)
    await bench.accepted(Verb.DISARM, 0)
    await bench.phase(0, Phase.COCKED, within_us=500_000)
    expect(Phase.SECURING in _phases(bench, 0), "SECURING before COCKED", _phases(bench, 0))
    _nothing_driven_in(bench, 0, Phase.SECURING, Phase.COCKED)
    await _disarmed(bench, Disarmed.COMMAND)
    told = len(bench.events(Kind.COCKED))
    expect(told == 1, "one COCKED event: it belongs to COCKING", told)


async def _disarmed(bench: Bench, why: Disarmed) -> None:
    event = await bench.event(Kind.DISARMED, 0)
    expect(event.a == why, f"DISARMED with reason {why.name}", event.a)


@check("4 ARMED")
async def window_over(bench: Bench) -> None:
    """The window counts from the COMMAND; when it is over the section is secured."""
    window_ms = 120
    await bench.cock(0)
    await bench.tension_reached(0)
    await bench.accepted(Verb.ARM, 0, window_ms)
    await bench.phase(0, Phase.SECURING, within_us=window_ms * 1_000)
    await _disarmed(bench, Disarmed.WINDOW_OVER)
    armed, over = await bench.event(Kind.ARMED, 0), await bench.event(Kind.DISARMED, 0)
    took_us = over.board_us - armed.board_us
    wanted = abs(took_us - window_ms * 1_000) <= 2_000 + bench.slack.worst_us
    expect(wanted, f"armed for {window_ms} ms", f"{took_us} µs")


@check("4 ARMED")
async def lease_lost_in_armed(bench: Bench) -> None:
    """A lost lease disarms; the hold has no part in it."""
    await bench.arm(0)
    bench.host.say(hold=True)
    bench.host.say(hold=False)
    await bench.fresh_status()
    await bench.phase(0, Phase.ARMED)
    bench.host.say(lease=False)
    await bench.phase(0, Phase.SECURING)
    await _disarmed(bench, Disarmed.LEASE_LOST)


@check("4 ARMED, 2.4")
async def session_lost_in_armed(bench: Bench) -> None:
    """A lost session disarms."""
    await bench.arm(0)
    await bench.fall_silent()
    await bench.phase(0, Phase.COCKED, within_us=500_000)
    await _disarmed(bench, Disarmed.SESSION_LOST)
    _nothing_driven_in(bench, 0, Phase.SECURING, Phase.COCKED)


@check("4 HOME")
async def home(bench: Bench) -> None:
    """HOME without a lease finds LOCKED, COCKED and HALTED by the switches."""
    await bench.cock(1)
    await bench.halt(0)
    bench.host.send(Stop(bench.next_id()))
    await bench.phase(0, Phase.UNKNOWN)
    await bench.phase(1, Phase.COCKED)
    bench.host.say(lease=False)
    await bench.accepted(Verb.HOME, 0)
    await bench.phase(0, Phase.HALTED)
    await bench.flag(Flag.STOP_LATCHED, on=True)


@check("4 HOME", faults=("up-stuck-closed", "down-stuck-closed"))
async def home_at_the_ends(bench: Bench) -> None:
    """HOME at the bottom finds LOCKED, at the top COCKED."""
    await bench.forget_where(0)
    await bench.host.pause(bench.value(0, "settle_ms") * 1_000)
    await bench.accepted(Verb.HOME, 0)
    await bench.phase(0, Phase.LOCKED)
    await bench.cock(0)
    await bench.hands.fault("down-stuck-closed", 0)
    await bench.faulted(0, Fault.SWITCHES_IMPLAUSIBLE)
    await bench.hands.fault("down-stuck-closed", 0, on=False)
    await bench.status(lambda s: not s.sections[0].inputs & Switch.DOWN, "the down switch open")
    await bench.accepted(Verb.CLEAR_FAULT, 0)
    await bench.host.pause(bench.value(0, "settle_ms") * 1_000)
    await bench.accepted(Verb.HOME, 0)
    await bench.phase(0, Phase.COCKED)


@check("4 Rules", hands=True, features=Feature.PEDAL)
async def pedal(bench: Bench) -> None:
    """The pedal counts as hold, is told in events, and halts when it is let go."""
    await bench.hands.pedal(True)
    await bench.flag(Flag.HOLD_PRESSED, on=True, within_us=100_000)
    down = await bench.event(Kind.PEDAL)
    expect(down.a == 1, "PEDAL with a 1", down.a)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    await bench.phase(0, Phase.COCKING)
    await bench.hands.pedal(False)
    await bench.phase(0, Phase.HALTED)
    up = await bench.event(Kind.PEDAL, after=down.event_seq)
    expect(up.a == 0, "PEDAL with a 0", up.a)
