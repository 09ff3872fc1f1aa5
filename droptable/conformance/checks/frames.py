"""Section 1: what counts as a frame, and that nothing is done for one that does not."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from cobs import cobs
from google_crc32c import value as crc32c

from droptable.conformance.bench import Bench
from droptable.conformance.contract import STALE_MS, TABLE, Code, Flag, Verb
from droptable.conformance.model import check, expect
from droptable.link.frames import CRC, HEADER, encode
from droptable.link.messages import Beat, Command, Message, Param, Result, Status, Welcome

DRIFT_PERCENT = 6


def _bait(bench: Bench) -> Command:
    """A COMMAND that would be carried out, show in the flags, and move nothing."""
    return bench.order(Verb.MAINTENANCE, TABLE, 1)


def _whole(kind: int, seq: int, session: int, payload: bytes) -> bytes:
    """A frame of these parts, its CRC right, whatever its parts are."""
    body = HEADER.pack(kind, seq, session) + payload
    return bytes(cobs.encode(body + CRC.pack(crc32c(body)))) + b"\0"


async def _discarded(
    bench: Bench,
    made: Callable[[], Sequence[bytes]],
    reason: str,
    *,
    at_least: bool = False,
) -> None:
    """Each piece must be counted once as discarded, and nothing must come of it.

    They are made when they are sent, so that nothing is wrong with them but what has to be.
    """
    before = await bench.time()
    mark = bench.mark()
    pieces = made()
    bench.host.send_bytes(b"".join(pieces), f"{len(pieces)} frames to be discarded: {reason}")
    after = await bench.time()
    counted = (after.discarded - before.discarded) % 65_536
    wanted = f"{len(pieces)} frames counted as discarded ({reason}) in TIME_REPLY"
    expect(counted == len(pieces) or (at_least and counted > len(pieces)), wanted, counted)
    counted_lost = (after.lost - before.lost) % 65_536
    expect(counted_lost == 0, "no frame counted as lost in TIME_REPLY", counted_lost)
    await _nothing_came(bench, mark)


async def _nothing_came(bench: Bench, mark: int) -> None:
    status = await bench.fresh_status()
    answers = [h.message for h in bench.host.heard[mark:] if isinstance(h.message, Result | Param)]
    expect(not answers, "no answer to a discarded frame", answers)
    expect(not status.flags & Flag.MAINTENANCE, "nothing done for a discarded frame", status.flags)
    expect(bool(status.flags & Flag.LEASE_LIVE), "the session as it was", status.flags)


@check("1 Bytes")
async def frames_in_any_pieces(bench: Bench) -> None:
    """A frame that comes byte by byte, or many in one piece, is acted on."""
    order = _bait(bench)
    mark = bench.mark()
    for byte in bench.host.frame(order):
        bench.host.send_bytes(bytes((byte,)))
    result = await bench.result(order.cmd_id, since=mark)
    expect(result.code == Code.OK, "a frame sent byte by byte taken", result)
    orders = [bench.order(Verb.MAINTENANCE, TABLE, at % 2) for at in range(8)]
    mark = bench.mark()
    bench.host.send(*orders)
    for each in orders:
        result = await bench.result(each.cmd_id, since=mark)
        expect(result.code == Code.OK, "each of eight frames in one piece taken", result)


@check("1 Bytes")
async def empty_frames(bench: Bench) -> None:
    """Empty frames are dropped in silence."""
    before = await bench.time()
    bench.host.send_bytes(b"\0" * 40, "40 empty frames")
    after = await bench.time()
    expect(before.discarded == after.discarded, "empty frames not counted", after.discarded)


@check("1 Bytes")
async def discard_cobs(bench: Bench) -> None:
    """What is no COBS is discarded and counted."""
    await _discarded(bench, lambda: [b"\x09\x01\x02\x03\0", b"\xff\x01\0"], "cobs")


@check("1 Bytes")
async def discard_length(bench: Bench) -> None:
    """Frames shorter than 11 or longer than 64 bytes are discarded and counted once."""
    short = cobs.encode(b"\x07" * 10) + b"\0"
    one_too_long = cobs.encode(b"\x07" * 65) + b"\0"
    endless = b"\x11" * 700 + b"\0"
    await _discarded(bench, lambda: [short, one_too_long, endless], "length")


@check("1 Bytes")
async def discard_crc(bench: Bench) -> None:
    """A frame with any one bit flipped is discarded, counted, and moves no counter."""
    order = _bait(bench)
    bits = 8 * (len(bench.host.frame(order, seq=0)) - 1)
    # A bit that makes a zero makes two frames of one.
    for first in range(0, bits, 32):
        some = range(first, min(first + 32, bits))
        await _discarded(bench, partial(_flipped, bench, order, some), "crc", at_least=True)
    result = await bench.ask(_bait(bench))
    expect(result.code == Code.OK, "the whole frame taken after all the broken ones", result)


def _flipped(bench: Bench, order: Command, bits: Iterable[int]) -> list[bytes]:
    """The frame that would be next, once for each of the bits that is flipped."""
    whole = bench.host.frame(order, seq=bench.host.seq)
    spoiled = [bytearray(whole) for _ in bits]
    for frame, bit in zip(spoiled, bits, strict=True):
        frame[min(bit // 8, len(frame) - 2)] ^= 1 << bit % 8
    return [bytes(frame) for frame in spoiled]


@check("1 Bytes")
async def discard_type(bench: Bench) -> None:
    """Types that no host sends are discarded and counted."""
    host = bench.host
    payload = _bait(bench).payload()
    kinds = (0x00, 0x0A, 0x7F, Status.TYPE, 0xFF)
    await _discarded(
        bench, lambda: [_whole(kind, host.seq, host.session, payload) for kind in kinds], "type"
    )


@check("1 Bytes")
async def discard_payload_length(bench: Bench) -> None:
    """A payload that is longer or shorter than its type says is discarded."""
    host = bench.host
    payload = _bait(bench).payload()
    wrong = (payload[:-1], payload + b"\0", b"", payload * 2)
    await _discarded(
        bench,
        lambda: [_whole(Command.TYPE, host.seq, host.session, part) for part in wrong],
        "payload length",
    )


@check("1 Bytes")
async def discard_session(bench: Bench) -> None:
    """Frames of another session, or of none, are discarded and counted."""
    other = bench.host.session ^ 0x5A5A5A5A or 1
    await _discarded(
        bench,
        lambda: [encode(bench.host.seq, session, _bait(bench)) for session in (other, 0)],
        "session",
    )


@check("1 sequence")
async def discard_sequence(bench: Bench) -> None:
    """A repeated, a late, and a frame from 32768 ahead on are discarded."""
    host = bench.host
    # How far each is ahead of the last that was accepted.
    ahead = (0, -1, -2, -1_000, -32_767, 32_768)
    await _discarded(
        bench,
        lambda: [host.frame(_bait(bench), seq=(host.seq - 1 + n) % 65_536) for n in ahead],
        "sequence",
    )


@check("1 sequence")
async def lost_frames(bench: Bench) -> None:
    """Skipped frames are counted as lost, and the frame after them is acted on."""
    host = bench.host
    before = await bench.time()
    for skipped in (1, 6, 300, 32_766):
        # BEATs take numbers too; the next frame is this one.
        host.seq = (host.seq + skipped) % 65_536
        await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    after = await bench.time()
    lost = (after.lost - before.lost) % 65_536
    expect(lost == 33_073, "33073 frames counted as lost in TIME_REPLY", lost)
    expect(after.discarded == before.discarded, "none counted as discarded", after.discarded)


@check("1 stale")
async def discard_stale(bench: Bench) -> None:
    """A COMMAND older than 150 ms is discarded; its seq counts as accepted."""
    host = bench.host
    taken: list[int] = []

    def old() -> list[bytes]:
        taken.append(host.seq)
        return [host.frame(bench.order(Verb.MAINTENANCE, TABLE, 1, age_ms=STALE_MS + 60))]

    await _discarded(bench, old, "stale")
    await _discarded(
        bench, lambda: [host.frame(_bait(bench), seq=taken[0])], "the seq of a stale frame"
    )


@check("1 stale")
async def discard_stale_beat(bench: Bench) -> None:
    """A BEAT older than 150 ms is discarded: neither lease nor hold come of it."""
    host = bench.host
    mark = bench.mark()
    await _discarded(
        bench,
        lambda: [host.frame(Beat(Beat.LEASE | Beat.HOLD, (host.now_ms - STALE_MS - 60) % 2**32))],
        "stale",
    )
    held = [
        h
        for h in host.heard[mark:]
        if isinstance(h.message, Status) and h.message.flags & Flag.HOLD_PRESSED
    ]
    expect(not held, "no hold by a stale BEAT", held)


@check("1 Age")
async def age_of_any_clock(bench: Bench) -> None:
    """Only how much a frame's clock lags behind the others' counts, through its overflow."""
    host = bench.host
    host.stop_beating()
    await bench.open(beats=0)
    shift_ms = 2**32 - host.now_ms - 20

    def now_ms(age_ms: int = 0) -> int:
        return (host.now_ms + shift_ms - age_ms) % 2**32

    for _ in range(3):
        host.send(Beat(Beat.LEASE, now_ms()))
    await host.pause(30_000)
    mark = bench.mark()
    orders: list[Message] = []
    for age_ms in (0, STALE_MS + 60, 0):
        order = bench.order(Verb.MAINTENANCE, TABLE, 1)
        orders.append(
            Command(order.cmd_id, order.verb, TABLE, 0xFF, order.ttl_ms, now_ms(age_ms), 1)
        )
    host.send(*orders)
    await bench.time()
    answered = [h.message.cmd_id for h in host.heard[mark:] if isinstance(h.message, Result)]
    wanted = [order.cmd_id for order in (orders[0], orders[2]) if isinstance(order, Command)]
    expect(answered == wanted, "the two young ones answered, the old one not", answered)


@check("1 Age")
async def age_forgets_after_two_seconds(bench: Bench) -> None:
    """Two clocks that drift apart make no frame old: the offset is that of the last 2 s."""
    host = bench.host
    await bench.open(beats=0)
    began_us = host.clock.monotonic_us()
    began_ms = host.now_ms
    # In 2 s it falls behind by less than 150 ms, in the whole of the time by more.
    while (gone_us := host.clock.monotonic_us() - began_us) < 3_300_000:
        slow_ms = gone_us * (100 - DRIFT_PERCENT) // 100_000
        host.send(Beat(Beat.LEASE, (began_ms + slow_ms) % 2**32))
        await host.pause(40_000)
    status = await bench.fresh_status()
    alive = Flag.SESSION_ALIVE | Flag.LEASE_LIVE
    expect(status.flags & alive == alive, "the session alive, with its lease", status.flags)


@check("1 HELLO")
async def hello_sets_the_sequence(bench: Bench) -> None:
    """HELLO may carry any seq; the next frames go on from it, through its overflow."""
    host = bench.host
    host.stop_beating()
    mark = bench.mark()
    host.new_session()
    host.seq = 65_530
    host.hello()
    await bench.hear(Welcome, lambda _: True, "WELCOME", since=mark)
    before = await bench.time()
    for _ in range(12):
        await bench.time()
    after = await bench.time()
    told = (after.discarded - before.discarded, after.lost - before.lost)
    expect(told == (0, 0), "no frame discarded or lost", told)
