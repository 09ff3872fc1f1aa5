"""Section 4: STOP, the e-stop and the local button: from every phase to a safe one, and latched."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    SECTIONS,
    Disarmed,
    Flag,
    Kind,
    Phase,
    StopSource,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import Status, Stop


async def _stop(bench: Bench) -> Status:
    bench.host.send(Stop(bench.next_id()))
    status = await bench.flag(Flag.STOP_LATCHED, on=True)
    driven = [part.outputs for part in status.sections if part.outputs]
    expect(not driven, "nothing driven under stop", driven)
    return status


async def _stopped_by(bench: Bench, source: StopSource) -> None:
    told = [event.a for event in bench.events(Kind.STOPPED)]
    expect(told == [source], f"one STOPPED, source {source.name}", told)


@check("4 STOP")
async def stop_at_rest(bench: Bench) -> None:
    """LOCKED and COCKED stay under STOP while their switches agree; STOPPED once."""
    await bench.cock(1)
    await _stop(bench)
    await _stop(bench)
    status = await _stop(bench)
    phases = [Phase(part.phase) for part in status.sections]
    expect(phases == [Phase.LOCKED, Phase.COCKED, Phase.LOCKED], "all as they were", phases)
    await bench.event(Kind.STOPPED)
    await bench.time()
    await _stopped_by(bench, StopSource.FRAME)
    bench.host.say(hold=True)
    bench.host.say(hold=False)
    await bench.stop_reset()
    phases = [Phase(bench.section(at).phase) for at in SECTIONS]
    expect(phases == [Phase.LOCKED, Phase.COCKED, Phase.LOCKED], "nothing moved by it", phases)
    await bench.event(Kind.STOP_RESET)


@check("4 STOP")
async def stop_on_the_way(bench: Bench) -> None:
    """STOP takes COCKING, LOWERING and HALTED to UNKNOWN with nothing driven."""
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    status = await _stop(bench)
    expect(status.sections[0].phase == Phase.UNKNOWN, "UNKNOWN from COCKING", status)
    await bench.rest()
    await bench.cock(0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await bench.midway(0)
    status = await _stop(bench)
    expect(status.sections[0].phase == Phase.UNKNOWN, "UNKNOWN from LOWERING", status)
    await bench.stop_reset()
    await bench.accepted(Verb.HOME, 0)
    await bench.phase(0, Phase.HALTED)
    status = await _stop(bench)
    expect(status.sections[0].phase == Phase.UNKNOWN, "UNKNOWN from HALTED", status)
    expect(status.sections[1].phase == Phase.LOCKED, "the others as they were", status)


@check("4 STOP")
async def stop_in_armed(bench: Bench) -> None:
    """STOP takes ARMED to SECURING and on to COCKED; DISARMED says so."""
    await bench.arm(0)
    status = await _stop(bench)
    expect(status.sections[0].phase == Phase.SECURING, "SECURING from ARMED", status)
    again = await _stop(bench)
    expect(again.sections[0].phase == Phase.SECURING, "SECURING goes on", again)
    event = await bench.event(Kind.DISARMED, 0)
    expect(event.a == Disarmed.STOP, "DISARMED by stop", event.a)
    await bench.phase(0, Phase.COCKED, within_us=500_000)


@check("4 STOP", faults=("up-stuck-closed",))
async def stop_in_fault(bench: Bench) -> None:
    """STOP does not clear a FAULT, nor does RESET_STOP."""
    await bench.fail(0)
    status = await _stop(bench)
    expect(status.sections[0].phase == Phase.FAULT, "FAULT under STOP", status)
    await bench.stop_reset()
    await bench.phase(0, Phase.FAULT)
    await bench.accepted(Verb.CLEAR_FAULT, 0)


@check("4 STOP", hands=True)
async def stop_in_dropped(bench: Bench) -> None:
    """While DROPPED goes on under STOP, it ends LOCKED."""
    await bench.arm(0)
    mark = bench.mark()
    await bench.thrust(0)
    await bench.phase(0, Phase.DROPPED, within_us=1_500_000, since=mark)
    status = await _stop(bench)
    goes_on = status.sections[0].phase in (Phase.DROPPED, Phase.LOCKED)
    expect(goes_on, "DROPPED goes on to LOCKED", status)
    await bench.phase(0, Phase.LOCKED, within_us=500_000)


@check("4 STOP", faults=("down-stuck-open",))
async def stop_with_switches_that_disagree(bench: Bench) -> None:
    # The fault that follows has 10 ms; STOP has to be there before.
    """STOP takes LOCKED to UNKNOWN when its switches do not agree."""
    await bench.hands.fault("down-stuck-open", 0)
    bench.host.send(Stop(bench.next_id()))
    status = await bench.flag(Flag.STOP_LATCHED, on=True)
    phase = status.sections[0].phase
    late = phase == Phase.FAULT and bench.slack.worst_us > 0
    expect(phase == Phase.UNKNOWN or late, "UNKNOWN, not LOCKED without its switch", status)


@check("4 e-stop", hands=True)
async def estop(bench: Bench) -> None:
    """An open e-stop stops at once, is told, and stays latched once closed."""
    await bench.arm(0)
    await bench.hands.estop(opened=True)
    status = await bench.flag(Flag.ESTOP_OPEN, on=True)
    expect(bool(status.flags & Flag.STOP_LATCHED), "stop latched with the e-stop", status)
    expect(status.sections[0].phase == Phase.SECURING, "SECURING from ARMED", status)
    expect(not status.sections[0].outputs, "nothing driven", status)
    event = await bench.event(Kind.DISARMED, 0)
    expect(event.a == Disarmed.ESTOP, "DISARMED by the e-stop", event.a)
    opened = await bench.event(Kind.ESTOP_OPEN)
    stopped = await bench.event(Kind.STOPPED)
    expect(stopped.a == StopSource.ESTOP, "STOPPED by the e-stop", stopped.a)
    await bench.hands.estop(opened=False)
    status = await bench.flag(Flag.ESTOP_OPEN, on=False, within_us=200_000)
    expect(bool(status.flags & Flag.STOP_LATCHED), "stop still latched", status)
    closed = await bench.event(Kind.ESTOP_CLOSED)
    expect(closed.event_seq > opened.event_seq, "ESTOP_CLOSED after ESTOP_OPEN")
    await bench.phase(0, Phase.COCKED, within_us=500_000)
    await bench.stop_reset()


@check("4 e-stop", hands=True)
async def estop_on_the_way(bench: Bench) -> None:
    """An open e-stop takes COCKING to UNKNOWN."""
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    await bench.hands.estop(opened=True)
    status = await bench.flag(Flag.STOP_LATCHED, on=True)
    expect(status.sections[0].phase == Phase.UNKNOWN, "UNKNOWN from COCKING", status)
    expect(not status.sections[0].outputs, "nothing driven", status)


@check("4 STOPPED", hands=True)
async def local_button(bench: Bench) -> None:
    """A local stop button, where there is one, stops like STOP."""
    await bench.arm(0)
    await bench.hands.button(True)
    status = await bench.flag(Flag.STOP_LATCHED, on=True)
    expect(not status.sections[0].outputs, "nothing driven", status)
    stopped = await bench.event(Kind.STOPPED)
    expect(stopped.a == StopSource.BUTTON, "STOPPED by the local button", stopped.a)
    await bench.hands.button(False)
    await bench.phase(0, Phase.COCKED, within_us=500_000)
