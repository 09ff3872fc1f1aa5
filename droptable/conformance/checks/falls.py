"""Section 4: a drop is timed to its end and told once, whatever else happens meanwhile."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    NO_SAMPLE,
    TABLE,
    TRACE_EDGE,
    TRACE_TOTAL,
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
from droptable.conformance.hands import fall_from_arming, fall_from_the_top
from droptable.conformance.model import check, expect
from droptable.link.messages import Event, Status, Stop, Trace, TraceGet

QUICK_FALL_US = 150_000
FALL_US = 500_000
THRUST_US = 1_000_000


def _one_drop(bench: Bench, section: int = 0) -> Event:
    drops = [event for event in bench.events(Kind.DROP) if event.section == section]
    expect(len(drops) == 1, "one DROP for one fall", drops)
    return drops[0]


@check("4 ARMED to LOCKED", hands=True)
async def drop(bench: Bench) -> None:
    """A thrust leads through DROPPING and DROPPED to LOCKED."""
    told = await bench.drop(0)
    phases = [
        Phase(h.message.sections[0].phase)
        for h in bench.host.heard
        if isinstance(h.message, Status)
    ]
    way = [phase for at, phase in enumerate(phases) if at == 0 or phases[at - 1] != phase]
    wanted = [Phase.ARMED, Phase.DROPPING, Phase.DROPPED, Phase.LOCKED]
    expect(way[-4:] == wanted, "ARMED, DROPPING, DROPPED, LOCKED", way)
    driven = {
        h.message.sections[0].outputs
        for h in bench.host.heard
        if isinstance(h.message, Status) and h.message.sections[0].phase == Phase.DROPPING
    }
    expect(driven == {Output.PIN_WITHDRAWN}, "the pin withdrawn in DROPPING", driven)
    expect(0 < told.a <= FALL_US, "DROP with the duration of the fall", told.a)
    locked = await bench.event(Kind.LOCKED, 0)
    expect(0 < locked.a <= FALL_US, "LOCKED with the time since the down edge", locked.a)
    expect(not bench.events(Kind.DISARMED), "no DISARMED: the fall has ended the arming")
    if Feature.LOAD_CELLS in bench.features:
        expect(told.b >= told.c > 0, "peak_load_dn, and load_dn at the up edge below it", told)


@check("4 DROP", hands=True)
async def drop_is_timed_at_its_edges(bench: Bench) -> None:
    """DROP's time and duration are those of the raw edges."""
    began_us = await bench.hands.now_us()
    told = await bench.drop(0)
    left_us, landed_us = fall_from_arming(await bench.hands.history(began_us), section=0)
    wrong_us = abs(told.a - (landed_us - left_us))
    most_us = 2 * bench.edge_limit.at_most_us
    expect(wrong_us <= most_us, f"fall_us {landed_us - left_us} within {most_us} µs", told.a)


@check("4 DROPPING", hands=True)
async def stop_during_a_fall(bench: Bench) -> None:
    """STOP during a fall: it is timed to its end, the pin goes in."""
    await _falling(bench)
    bench.host.send(Stop(bench.next_id()))
    status = await bench.flag(Flag.STOP_LATCHED, on=True)
    expect(status.sections[0].phase == Phase.DROPPING, "DROPPING under STOP", status)
    expect(not status.sections[0].outputs, "nothing driven under STOP", status)
    await bench.event(Kind.DROP, 0, within_us=FALL_US)
    await bench.phase(0, Phase.LOCKED, within_us=FALL_US)
    _one_drop(bench)
    await bench.flag(Flag.STOP_LATCHED, on=True)


@check("4 DROPPING", hands=True)
async def estop_during_a_fall(bench: Bench) -> None:
    """An e-stop during a fall: it is timed to its end."""
    await _falling(bench)
    await bench.hands.estop(opened=True)
    status = await bench.flag(Flag.STOP_LATCHED, on=True)
    expect(not status.sections[0].outputs, "nothing driven under e-stop", status)
    await bench.event(Kind.DROP, 0, within_us=FALL_US)
    await bench.phase(0, Phase.LOCKED, within_us=FALL_US)
    _one_drop(bench)


@check("4 DROPPING", hands=True)
async def host_lost_during_a_fall(bench: Bench) -> None:
    """A lease or a session lost during a fall: it is timed to its end."""
    await _falling(bench)
    bench.host.say(lease=False)
    status = await bench.flag(Flag.LEASE_LIVE, on=False)
    expect(not status.sections[0].outputs, "nothing driven without a lease", status)
    await bench.event(Kind.DROP, 0, within_us=FALL_US)
    await bench.phase(0, Phase.LOCKED, within_us=FALL_US)
    _one_drop(bench)
    last = bench.events(Kind.DROP)[-1].event_seq
    bench.host.say(lease=True)
    await _falling(bench)
    await bench.open()
    await bench.event(Kind.DROP, 0, after=last, within_us=FALL_US)
    await bench.phase(0, Phase.LOCKED, within_us=FALL_US)


async def _falling(bench: Bench) -> None:
    await bench.arm(0)
    mark = bench.mark()
    await bench.thrust(0)
    await bench.phase(0, Phase.DROPPING, within_us=THRUST_US, since=mark)


@check("4 SECURING", faults=("pin-stuck-out",))
async def fall_while_securing(bench: Bench) -> None:
    """A section that breaks away while it is SECURING from ARMED is DROPPING, and its DROP told."""
    await bench.set(0, pin_timeout_ms=300, settle_ms=100)
    await bench.arm(0)
    await bench.hands.fault("pin-stuck-out", 0)
    mark = bench.mark()
    await bench.thrust(0)
    await bench.accepted(Verb.DISARM, 0)
    await bench.phase(0, Phase.SECURING, since=mark)
    status = await bench.phase(0, Phase.DROPPING, within_us=THRUST_US, since=mark)
    expect(not status.sections[0].outputs, "nothing driven in this DROPPING", status)
    await bench.event(Kind.DROP, 0, within_us=FALL_US)
    await bench.hands.fault("pin-stuck-out", 0, on=False)
    await bench.phase(0, Phase.LOCKED, within_us=FALL_US, since=mark)
    _one_drop(bench)


@check("4 any fault", faults=("pin-stuck-out",), features=Feature.SUPPLY_SENSOR)
async def fall_after_a_fault(bench: Bench) -> None:
    """A fall that follows a FAULT in ARMED is still timed and told; the first cause is kept."""
    await bench.arm(0)
    await bench.hands.fault("pin-stuck-out", 0)
    await bench.hands.supply(bench.value(TABLE, "supply_min_mv") - 1_000)
    await bench.faulted(0, Fault.SUPPLY, within_us=200_000)
    await bench.thrust(0)
    await bench.event(Kind.DROP, 0, within_us=THRUST_US)
    part = (await bench.fresh_status()).sections[0]
    expect((part.phase, part.fault) == (Phase.FAULT, Fault.SUPPLY), "FAULT SUPPLY kept", part)
    _one_drop(bench)
    disarmed = await bench.event(Kind.DISARMED, 0)
    expect(disarmed.a == Disarmed.FAULT, "DISARMED by a fault", disarmed.a)


@check("4 COCKING, LOWERING", faults=("down-stuck-closed",))
async def fall_while_cocking(bench: Bench) -> None:
    """In COCKING a down switch that closes again is a fall: DROP, a = 0, then UNCOMMANDED_DROP."""
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    await bench.hands.fault("down-stuck-closed", 0)
    await bench.faulted(0, Fault.UNCOMMANDED_DROP, within_us=100_000)
    told = _one_drop(bench)
    expect(told.a == 0, "DROP with a = 0, for there was no up edge", told.a)
    _before_its_fault(bench, told)


@check("4 COCKING, LOWERING", faults=("down-stuck-closed",))
async def fall_while_lowering(bench: Bench) -> None:
    """In LOWERING up opens and down closes within 150 ms: DROP, then UNCOMMANDED_DROP."""
    await bench.cock(0)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await bench.status(
        lambda s: not s.sections[0].inputs & Switch.UP, "the top left", within_us=500_000
    )
    await bench.hands.fault("down-stuck-closed", 0)
    await bench.faulted(0, Fault.UNCOMMANDED_DROP, within_us=100_000)
    told = _one_drop(bench)
    expect(0 < told.a <= QUICK_FALL_US, "DROP with the time from edge to edge", told.a)
    _before_its_fault(bench, told)


@check("4 COCKING, LOWERING", faults=("pin-stuck-out",))
async def thrust_while_cocking(bench: Bench) -> None:
    """A thrust at the end of COCKING makes it fall: DROP with its time, then UNCOMMANDED_DROP."""
    # The lift takes it up again at once, so it lies at the bottom for some milliseconds only.
    await bench.set(0, settle_ms=100)
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    status = await bench.status(
        lambda s: bool(s.sections[0].inputs & Switch.UP), "the top reached", within_us=5_000_000
    )
    expect(status.sections[0].phase == Phase.COCKING, "COCKING until settle_ms is over", status)
    await bench.hands.fault("pin-stuck-out", 0)
    thrust_us = await bench.shove(0)
    await bench.faulted(0, Fault.UNCOMMANDED_DROP, within_us=THRUST_US)
    told = _one_drop(bench)
    left_us, landed_us = fall_from_the_top(await bench.hands.history(thrust_us), section=0)
    wrong_us = abs(told.a - (landed_us - left_us))
    most_us = 2 * bench.edge_limit.at_most_us
    expect(wrong_us <= most_us, f"fall_us {landed_us - left_us} within {most_us} µs", told.a)
    _before_its_fault(bench, told)
    await _let_down(bench)


async def _let_down(bench: Bench) -> None:
    """Bring it down before the pin may enter: just above the bottom, no command leads out of that."""
    await bench.accepted(Verb.CLEAR_FAULT, 0)
    await bench.hands_away()
    if not (await bench.fresh_status()).sections[0].inputs & Switch.DOWN:
        await bench.accepted(Verb.HOME, 0)
        await bench.phase(0, Phase.HALTED)
        await bench.accepted(Verb.LOCK, 0)
        await bench.status(
            lambda s: bool(s.sections[0].inputs & Switch.DOWN), "the bottom", within_us=5_000_000
        )
    await bench.hands.fault("pin-stuck-out", 0, on=False)


def _before_its_fault(bench: Bench, drop: Event) -> None:
    (fault,) = bench.events(Kind.FAULT)
    expect(drop.event_seq < fault.event_seq, "DROP before FAULT", (drop, fault))


@check("4 SECURING", faults=("pin-stuck-out",))
async def fall_after_cocking(bench: Bench) -> None:
    """A section that breaks away while it is SECURING from COCKING is DROPPING."""
    await bench.set(0, pin_timeout_ms=300, settle_ms=100)
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await bench.midway(0)
    await bench.hands.fault("pin-stuck-out", 0)
    mark = bench.mark()
    await bench.phase(0, Phase.SECURING, within_us=5_000_000, since=mark)
    await bench.thrust(0)
    await bench.phase(0, Phase.DROPPING, within_us=THRUST_US, since=mark)
    await bench.event(Kind.DROP, 0, within_us=FALL_US)
    await bench.hands.fault("pin-stuck-out", 0, on=False)
    await bench.phase(0, Phase.LOCKED, within_us=FALL_US, since=mark)
    _one_drop(bench)


# Traces


@check("4 Traces", hands=True, features=Feature.TRACES | Feature.LOAD_CELLS)
async def traces(bench: Bench) -> None:
    """TRACE_GET gives the load around a drop, piece by piece, for the last two drops."""
    drops = [await bench.drop(0) for _ in range(2)]
    await bench.host.pause(TRACE_EDGE * 1_000)
    for told in drops:
        samples = await _trace(bench, told)
        there = [sample for sample in samples if sample != NO_SAMPLE]
        expect(bool(there), "samples that exist")
        end = TRACE_EDGE + told.a // 1_000 + 1
        peak = max(samples[TRACE_EDGE - 200 : end + 1])
        slop = 30 + abs(told.b) // 20
        expect(abs(peak - told.b) <= slop, f"the peak {told.b} of its DROP in the trace", peak)
    past = await _piece(bench, drops[0], TRACE_TOTAL)
    expect(not past.samples, "no samples past the end", past)


async def _trace(bench: Bench, drop: Event) -> list[int]:
    samples: list[int] = []
    while len(samples) < TRACE_TOTAL:
        piece = await _piece(bench, drop, len(samples))
        expect(piece.total == TRACE_TOTAL, f"total {TRACE_TOTAL}", piece)
        expect(piece.dt_us == 1_000, "dt_us 1000", piece)
        expect(bool(piece.samples), "samples up to the last", piece)
        samples += piece.samples
    expect(len(samples) == TRACE_TOTAL, f"{TRACE_TOTAL} samples", len(samples))
    return samples


async def _piece(bench: Bench, drop: Event, index: int) -> Trace:
    mark = bench.mark()
    bench.host.send(TraceGet(drop.boot_id, drop.event_seq, index))
    heard = await bench.hear(
        Trace,
        lambda t: (t.event_seq, t.index) == (drop.event_seq, index),
        f"TRACE from index {index}",
        since=mark,
    )
    assert isinstance(heard.message, Trace)  # noqa: S101 - as it was looked for
    return heard.message


@check("4 Traces")
async def no_trace(bench: Bench) -> None:
    """TRACE_GET of an event that is no drop here is answered with total 0."""
    boot_id = bench.welcome.boot_id
    for asked in ((boot_id, 2**32 - 1), (boot_id ^ 1, 1)):
        mark = bench.mark()
        bench.host.send(TraceGet(*asked, 0))
        heard = await bench.hear(
            Trace, lambda t, asked=asked: (t.boot_id, t.event_seq) == asked, "TRACE", since=mark
        )
        piece = heard.message
        empty = isinstance(piece, Trace) and (piece.total, piece.samples) == (0, ())
        expect(empty, "total 0 and no samples", piece)
