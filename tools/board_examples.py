"""The example frames of `docs/board.md`: values of our own, encoded by the code that everybody runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from cobs import cobs
from google_crc32c import value as crc32c

from droptable.board.model import Feature, Flag, Kind, Phase, Verb
from droptable.cli.frame_text import frame_name
from droptable.link.frames import CRC, DELIMITER, HEADER, encode
from droptable.link.messages import (
    Beat,
    Boot,
    Command,
    Event,
    EventAck,
    Hello,
    Message,
    Param,
    ParamGet,
    ParamSet,
    Result,
    SectionStatus,
    Status,
    Stop,
    Text,
    Time,
    TimeReply,
    Trace,
    TraceGet,
    Welcome,
)
from droptable.link.params import TABLE_SECTION, Key, params_crc

SESSION = 0x1D0C5A7E
BOOT_ID = 0xB00710C4

PARAMS: dict[tuple[int, int], int] = {
    (0, Key.COCK_TIMEOUT_MS): 1500,
    (2, Key.LOAD_SPAN_UN): -4200,
    (TABLE_SECTION, Key.COIL_ON_MAX_MS): 20_000,
}
"""A few parameters, for the check value of their CRC."""


@dataclass(frozen=True, slots=True)
class Example:
    """One frame and what it says; a `seq` of the host's or of the board's own count."""

    text: str
    seq: int
    session: int
    message: Message


_FEATURES = Feature.LOAD_CELLS | Feature.SUPPLY_SENSOR | Feature.PEDAL
_LOCKED = SectionStatus(Phase.LOCKED, 0, 0b1110, 0, 118, 0)
_UNKNOWN = SectionStatus(Phase.UNKNOWN, 0, 0b1110, 0, -3, 0)
_FLAGS = Flag.SESSION_ALIVE | Flag.LEASE_LIVE

EXAMPLES = (
    Example("board: I have started, power-on", 0, 0, Boot(1, 0, BOOT_ID, 1)),
    Example("host: open a session", 0, SESSION, Hello(1, 0)),
    Example(
        "board: it is open",
        0,
        SESSION,
        Welcome(1, 0, 0, 9, 1, "TBL-0042", _FEATURES, BOOT_ID, 1, 3, params_crc(PARAMS), 1, 3),
    ),
    Example(
        "board: the pelvic section is locked, the others unknown; 321 ms after the start",
        1,
        SESSION,
        Status(321_456, _FLAGS, 24_120, 0, _UNKNOWN, _UNKNOWN, _LOCKED),
    ),
    Example("host: alive, with a lease", 1, SESSION, Beat(1, 70_001)),
    Example(
        "host: HOME the lumbar section, whatever its phase",
        5,
        SESSION,
        Command(41, Verb.HOME, 1, 0xFF, 300, 70_204),
    ),
    Example("board: done, it is LOCKED", 9, SESSION, Result(41, 0, Phase.LOCKED)),
    Example(
        "host: ARM the pelvic section, which I believe COCKED, for 8 s",
        9,
        SESSION,
        Command(42, Verb.ARM, 2, Phase.COCKED, 300, 91_833, 8000),
    ),
    Example("host: STOP, from a host that has no session", 0, 0, Stop(43)),
    Example("host: the pelvic drop height is 19 mm", 11, SESSION, ParamSet(44, 2, 15, 19_000)),
    Example("board: it is in force", 14, SESSION, Param(44, 2, 15, 19_000)),
    Example("host: what is the supply's minimum?", 12, SESSION, ParamGet(45, 0xFF, 16)),
    Example(
        "board: the pelvic section fell in 49.2 ms, peak 512.0 N, 318.5 N at release",
        20,
        SESSION,
        Event(BOOT_ID, 7, 95_120_331, Kind.DROP, 2, 49_210, 5120, 3185),
    ),
    Example("host: all up to event 7 is on disk", 15, SESSION, EventAck(BOOT_ID, 7)),
    Example("host: what is your time?", 16, SESSION, Time(91_900_417)),
    Example("board: this", 22, SESSION, TimeReply(91_900_417, 95_187_002, 0, 0)),
    Example("host: the trace of event 7, from sample 250", 17, SESSION, TraceGet(BOOT_ID, 7, 250)),
    Example(
        "board: three samples of it, the last one missing",
        23,
        SESSION,
        Trace(BOOT_ID, 7, 1000, 512, 250, (3011, 3102, -32_768)),
    ),
    Example("board: a line for the log", 24, SESSION, Text(2, "EEPROM 61 % worn")),
)


def body_of(example: Example) -> bytes:
    """The frame before COBS, without its CRC."""
    head = HEADER.pack(example.message.TYPE, example.seq, example.session)
    return head + example.message.payload()


def _sealed(body: bytes) -> bytes:
    return body + CRC.pack(crc32c(body))


def _wired(decoded: bytes) -> bytes:
    return bytes(cobs.encode(decoded)) + DELIMITER


def good_lines() -> Iterator[str]:
    """Each example as a note, the bytes before COBS, and the bytes on the wire."""
    for example in EXAMPLES:
        body = body_of(example)
        decoded = _sealed(body)
        yield f"# {frame_name(type(example.message))}, {example.text}"
        yield f"#   {body.hex(' ')}  crc {decoded[len(body) :].hex(' ')}"
        yield encode(example.seq, example.session, example.message).hex(" ")
        yield ""


def bad_frames() -> Iterator[tuple[str, str, bytes]]:
    """The reason for which a receiver discards a piece, what is wrong with it, and its bytes."""
    beat = body_of(EXAMPLES[4])
    good = _wired(_sealed(beat))
    flipped = bytearray(_sealed(beat))
    flipped[7] ^= 2
    yield "cobs", "a code byte points past the end", b"\x09" + good[1:4] + DELIMITER
    yield "length", "shorter than 11 bytes", _wired(_sealed(beat[:6]))
    yield "crc", "the BEAT above with one bit of its flags flipped", _wired(bytes(flipped))
    yield "type", "0x3c is nobody's", _wired(_sealed(b"\x3c" + beat[1:]))
    yield "length", "a BEAT with a byte too many", _wired(_sealed(beat + b"\x00"))
    yield "length", "more than 65 bytes without a zero", b"\x01" * 70 + DELIMITER


def bad_lines() -> Iterator[str]:
    """Each bad frame as a note and its bytes."""
    for reason, text, wire in bad_frames():
        yield f"# {reason}: {text}"
        yield wire.hex(" ")
        yield ""
