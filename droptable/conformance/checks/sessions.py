"""Section 2: who is heard, and what opening a session does and does not do."""

from itertools import pairwise

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    BOOT_EVERY_US,
    STATUS_EVERY_US,
    TABLE,
    Disarmed,
    Flag,
    Kind,
    Phase,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.frames import encode
from droptable.link.messages import (
    PROTO_MAJOR,
    PROTO_MINOR,
    Hello,
    Result,
    Status,
    Stop,
    Welcome,
)
from droptable.link.params import params_crc

_HW_ID_CHARACTERS = 8
SECTIONS_OF_A_TABLE = 3


@check("2.2, 3")
async def welcome(bench: Bench) -> None:
    """HELLO is answered with a WELCOME, seq 0, that says who the board is."""
    told = await bench.open()
    first = next(
        h
        for h in bench.host.heard
        if h.session == bench.host.session and isinstance(h.message, Welcome)
    )
    expect(first.seq == 0, "WELCOME with seq 0", first.seq)
    expect(told.proto_major == PROTO_MAJOR, f"proto_major {PROTO_MAJOR}", told.proto_major)
    wanted = SECTIONS_OF_A_TABLE
    expect(told.sections == wanted, f"sections {wanted}", told.sections)
    expect(told.boot_id != 0, "a boot_id", told.boot_id)
    name = told.hw_id
    expect(0 < len(name) <= _HW_ID_CHARACTERS and name.isprintable(), "hw_id in ASCII", name)
    crc = params_crc(bench.values)
    expect(told.params_crc == crc, f"params_crc {crc:08x}, over all that are set", told.params_crc)
    expect(
        1 <= told.first_event_seq <= told.next_event_seq,
        "first_event_seq, and next_event_seq not below it",
        (told.first_event_seq, told.next_event_seq),
    )


@check("2.2")
async def new_session(bench: Bench) -> None:
    """A new session moves nothing, forgets the old one's lease, and records LINK_UP."""
    bench.host.say(lease=True, hold=True)
    await bench.flag(Flag.HOLD_PRESSED, on=True)
    mark = bench.mark()
    await bench.open(beats=0)
    heard = await bench.host.until(
        lambda h: isinstance(h.message, Status) and h.session == bench.host.session,
        "STATUS in the new session",
        within_us=STATUS_EVERY_US + bench.slack.patience_us,
        since=mark,
    )
    status = heard.message
    assert isinstance(status, Status)  # noqa: S101 - as it was looked for
    lease = status.flags & (Flag.LEASE_LIVE | Flag.HOLD_PRESSED)
    expect(not lease, "no lease and no hold before a BEAT of the new session", status.flags)
    expect(bool(status.flags & Flag.SESSION_ALIVE), "SESSION_ALIVE", status.flags)
    expect(all(part.phase == Phase.LOCKED for part in status.sections), "no phase changed")
    await bench.event(Kind.LINK_UP)


@check("2.2, 4")
async def new_session_disarms(bench: Bench) -> None:
    """A new session disarms, and DISARMED says why."""
    await bench.arm(0)
    await bench.open()
    event = await bench.event(Kind.DISARMED, 0)
    expect(event.a == Disarmed.SESSION_LOST, "reason session lost", event.a)
    await bench.phase(0, Phase.COCKED, within_us=500_000)


@check("2.2")
async def hello_again(bench: Bench) -> None:
    """A repeated HELLO is answered with WELCOME and does nothing else."""
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    mark = bench.mark()
    before = await bench.time()
    bench.host.send_bytes(encode(0, bench.host.session, Hello()), "HELLO again")
    again = await bench.hear(Welcome, lambda _: True, "WELCOME", since=mark)
    expect(again.seq != 0, "WELCOME with the next seq of the session", again.seq)
    after = await bench.time()
    status = await bench.fresh_status()
    expect(bool(status.flags & Flag.MAINTENANCE), "the session as it was", status.flags)
    expect(before.discarded == after.discarded, "no frame discarded", after.discarded)
    expect(not bench.events(Kind.LINK_UP), "no LINK_UP", bench.events())


@check("2.2")
async def dead_ids(bench: Bench) -> None:
    """HELLO with the id of a dead session, or with id 0, is discarded."""
    dead = [bench.host.session]
    for _ in range(2):
        await bench.open()
        dead.append(bench.host.session)
    live = dead.pop()
    before = await bench.time()
    mark = bench.mark()
    for session in (*dead, 0):
        bench.host.send_bytes(encode(0, session, Hello()), f"HELLO under {session:08x}")
    after = await bench.time()
    counted = (after.discarded - before.discarded) % 65_536
    expect(counted == len(dead) + 1, f"{len(dead) + 1} frames counted as discarded", counted)
    answers = [h for h in bench.host.heard[mark:] if isinstance(h.message, Welcome)]
    expect(not answers, "no WELCOME for them", answers)
    expect(bench.host.session == live, "the session goes on")


@check("2.3")
async def other_version(bench: Bench) -> None:
    """Another proto_major is answered with WELCOME under its id; the session goes on."""
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    refused = bench.host.session ^ 0x0F0F0F0F or 1
    mark = bench.mark()
    hello = Hello(PROTO_MAJOR + 1, 0)
    bench.host.send_bytes(encode(0, refused, hello), f"HELLO of version 2 under {refused:08x}")
    heard = await bench.hear(Welcome, lambda _: True, "WELCOME of its own version", since=mark)
    expect(heard.session == refused, f"WELCOME under {refused:08x}", f"{heard.session:08x}")
    told = heard.message
    expect(
        isinstance(told, Welcome) and (told.proto_major, told.proto_minor) >= (1, PROTO_MINOR),
        "the board's own version",
        told,
    )
    status = await bench.fresh_status()
    expect(bool(status.flags & Flag.MAINTENANCE), "the session before goes on", status.flags)


@check("3 STATUS")
async def status_every_20_ms(bench: Bench) -> None:
    """STATUS comes every 20 ms with a board_us that rises."""
    mark = bench.mark()
    await bench.host.pause(15 * STATUS_EVERY_US)
    times = [h.message.board_us for h in bench.host.heard[mark:] if isinstance(h.message, Status)]
    gaps = [late - early for early, late in pairwise(times)]
    expect(len(gaps) >= 10, "15 STATUS in 300 ms", len(times))
    most_us = STATUS_EVERY_US + 1_000 + bench.slack.worst_us
    typical = sorted(gaps)[len(gaps) // 2]
    expect(max(gaps) <= most_us, "at most 20 ms from STATUS to STATUS", gaps)
    expect(
        typical <= STATUS_EVERY_US + 1_000 + bench.slack.median_us, "20 ms in the median", typical
    )


@check("3 TIME")
async def time_of_the_board(bench: Bench) -> None:
    """TIME is answered with its host_us, and board_us is the board's clock."""
    first = await bench.time()
    began_us = bench.host.clock.monotonic_us()
    await bench.host.pause(100_000)
    second = await bench.time()
    took_us = bench.host.clock.monotonic_us() - began_us
    told_us = second.board_us - first.board_us
    # A clock may be 2 % off; the way there and back is not the board's.
    most_us = took_us // 50 + 1_000 + bench.slack.worst_us
    expect(abs(told_us - took_us) <= most_us, f"about {took_us} µs on the board's clock", told_us)


@check("2, 3 STOP")
async def stop_in_every_session_state(bench: Bench) -> None:
    """STOP acts with any session and any seq; only the live id gets a RESULT."""
    host = bench.host
    dead = host.session
    await bench.open()
    live = host.session
    # The id, and whether it gets a RESULT.
    for session, seq, answered in (
        (0, 0, False),
        (dead, 9, False),
        (live ^ 0x01010101 or 1, 1, False),
        (live, 40_000, True),
        (live, (host.seq - 1) % 65_536, True),
    ):
        await _stop_acts(bench, session, seq, answered=answered)
    await bench.fall_silent()
    await _stop_acts(bench, live, 5, answered=False, reset=False)
    await bench.open()
    await bench.stop_reset()


async def _stop_acts(
    bench: Bench, session: int, seq: int, *, answered: bool, reset: bool = True
) -> None:
    before = await bench.time()
    mark = bench.mark()
    stop = Stop(bench.next_id())
    bench.host.send_bytes(encode(seq, session, stop), f"STOP under {session:08x}, seq {seq}")
    await bench.flag(Flag.STOP_LATCHED, on=True)
    after = await bench.time()
    expect(after.discarded == before.discarded, "STOP not discarded", after.discarded)
    results = [
        h.message
        for h in bench.host.heard[mark:]
        if isinstance(h.message, Result) and h.message.cmd_id == stop.cmd_id
    ]
    wanted = "a RESULT" if answered else "no RESULT"
    expect(bool(results) is answered, f"{wanted} for a STOP under this id", results)
    if reset:
        await bench.stop_reset()


@check("1")
async def reconnect(bench: Bench) -> None:
    """A new connection replaces the old one, and events go on where they were."""
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    told = await bench.event(Kind.MAINTENANCE)
    bench.host.disconnect()
    await bench.host.connect()
    mark = bench.mark()
    await bench.open()
    expect(bench.welcome.first_event_seq <= told.event_seq, "what was not acknowledged kept")
    again = await bench.hear(
        type(told),
        lambda e: e.event_seq == told.event_seq,
        "the event again on the new connection",
        within_us=BOOT_EVERY_US,
        since=mark,
    )
    expect(again.message == told, "the event word for word as before", again.message)
