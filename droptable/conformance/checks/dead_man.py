"""Section 2: a host that falls silent leaves a safe table, which still tells and answers."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    BOOT_EVERY_US,
    STATUS_EVERY_US,
    TABLE,
    Code,
    Flag,
    Kind,
    Verb,
    required,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import (
    Beat,
    Boot,
    EventAck,
    Param,
    ParamGet,
    ParamSet,
    Status,
    Trace,
    TraceGet,
)


@check("2.4")
async def dead_man(bench: Bench) -> None:
    """Without a BEAT for 150 ms the session dies: no lease, no maintenance, LINK_LOST."""
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    await bench.fall_silent()
    status = await bench.fresh_status()
    gone = Flag.LEASE_LIVE | Flag.HOLD_PRESSED | Flag.MAINTENANCE | Flag.SESSION_ALIVE
    expect(not status.flags & gone, "flags 2, 3, 4 and 7 clear", status.flags)
    await bench.event(Kind.LINK_LOST)
    mark = bench.mark()
    bench.host.send(bench.order(Verb.HOME, 0))
    bench.host.beat()
    await bench.time()
    alive = [
        h
        for h in bench.host.heard[mark:]
        if isinstance(h.message, Status) and h.message.flags & Flag.SESSION_ALIVE
    ]
    expect(not alive, "a dead session not to live again by a BEAT", alive)


@check("2.4")
async def dead_session_is_told(bench: Bench) -> None:
    """A dead session still gets STATUS under its id, and BOOT every 500 ms."""
    await bench.fall_silent()
    mark = bench.mark()
    first = await bench.hear(Boot, lambda _: True, "BOOT", within_us=BOOT_EVERY_US, since=mark)
    mark = bench.mark()
    second = await bench.hear(Boot, lambda _: True, "BOOT", within_us=BOOT_EVERY_US, since=mark)
    took_us = second.at_us - first.at_us
    slack_us = bench.slack.worst_us + 1_000
    expect(abs(took_us - BOOT_EVERY_US) <= slack_us, "500 ms from BOOT to BOOT", took_us)
    expect(first.session == 0, "BOOT under session 0", first.session)
    told = first.message
    right = isinstance(told, Boot) and told.boot_id == bench.welcome.boot_id
    expect(right, f"BOOT with boot_id {bench.welcome.boot_id:08x}", told)
    between = [
        h
        for h in bench.host.heard[mark:]
        if isinstance(h.message, Status) and h.session == bench.host.session
    ]
    fewest = BOOT_EVERY_US // STATUS_EVERY_US // 2
    expect(len(between) >= fewest, "STATUS every 20 ms under the dead id", len(between))


@check("2.4, 3")
async def dead_session_is_served(bench: Bench) -> None:
    """A dead session's COMMAND and PARAM_SET are NO_SESSION; questions are answered."""
    known = bench.order(Verb.MAINTENANCE, TABLE, 2)
    remembered = await bench.ask(known)
    section, row = next(iter(required(bench.features)))
    value = bench.values[section, row.key]
    await bench.fall_silent()
    mark = bench.mark()
    host = bench.host
    new = bench.order(99, 7)
    write = ParamSet(bench.next_id(), section, row.key, value)
    read = ParamGet(bench.next_id(), section, row.key)
    again_known = bench.order(Verb.MAINTENANCE, TABLE, 2, cmd_id=known.cmd_id)
    host.send(new, write, read, again_known, TraceGet(bench.welcome.boot_id, 2**31, 0))
    for cmd_id, what in ((new.cmd_id, "COMMAND"), (write.cmd_id, "PARAM_SET")):
        result = await bench.result(cmd_id, since=mark)
        expect(result.code == Code.NO_SESSION, f"NO_SESSION for a {what}", result)
    await bench.hear(Param, lambda m: m.cmd_id == read.cmd_id, "PARAM for PARAM_GET", since=mark)
    again = await bench.result(known.cmd_id, since=mark)
    expect(again.code == remembered.code, "the remembered RESULT before NO_SESSION", again)
    await bench.hear(Trace, lambda m: m.total == 0, "TRACE with total 0", since=mark)
    await bench.time()
    await _ack_is_served(bench)


async def _ack_is_served(bench: Bench) -> None:
    lost = await bench.event(Kind.LINK_LOST)
    bench.host.send(EventAck(bench.welcome.boot_id, lost.event_seq))
    await bench.time()
    told = await bench.open()
    expect(
        told.first_event_seq > lost.event_seq,
        "EVENT_ACK of the dead session taken",
        told.first_event_seq,
    )


@check("1, 2.4")
async def discarded_beats_feed_no_dead_man(bench: Bench) -> None:
    """Discarded BEATs keep no session alive."""
    host = bench.host
    host.stop_beating()
    last_us = host.beat()
    session, mark = host.session, bench.mark()
    step_us = 30_000
    while not any(_is_dead(h.message) for h in host.heard[mark:]):
        waited_us = host.clock.monotonic_us() - last_us
        most_us = 160_000 + step_us + bench.slack.patience_us
        expect(waited_us <= most_us, "the session dead 160 ms after its last valid BEAT", waited_us)
        spoiled = bytearray(host.frame(_beat(bench), seq=host.seq))
        spoiled[-2] ^= 0xFF if spoiled[-2] != 0xFF else 0x7F
        other = host.frame(_beat(bench), session=session ^ 1, seq=host.seq)
        repeated = host.frame(_beat(bench), seq=(host.seq - 1) % 65_536)
        host.send_bytes(bytes(spoiled) + other + repeated, "BEATs to be discarded")
        await host.pause(step_us)


def _is_dead(message: object) -> bool:
    return isinstance(message, Status) and not message.flags & Flag.SESSION_ALIVE


def _beat(bench: Bench) -> Beat:
    return Beat(Beat.LEASE, bench.host.now_ms)
