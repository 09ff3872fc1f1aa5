"""The messages of the board link as frozen values, and how each lies in a payload. No I/O, no policy.

A message knows its own bytes and nothing else: whether it may be acted on is for `session.py` and
for the two ends. Integers are kept as they came, little-endian on the wire; what a phase, a verb or
a code means is for whoever reads it, so that a newer peer's numbers pass through unharmed.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from struct import Struct
from typing import Any, ClassVar, Self

PROTO_MAJOR = 1
PROTO_MINOR = 0

MAX_PAYLOAD_BYTES = 53
"""So that a decoded frame is at most 64 bytes, where CRC-32C keeps Hamming distance 6."""

MAX_TRACE_SAMPLES = 18
"""What fits behind the 15 bytes of a TRACE's header."""

NO_SAMPLE = -32768
"""In a TRACE: a sample that does not exist."""


class PayloadLengthError(ValueError):
    """A payload is not exactly as long as its type says."""


class TextLevel(IntEnum):
    """How grave a TEXT is."""

    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4


class Message:
    """What all messages share: `TYPE`, and bytes both ways by `LAYOUT`, field by field.

    A subclass is a frozen dataclass whose fields stand in the order of the wire.
    """

    __slots__ = ()
    TYPE: ClassVar[int]
    LAYOUT: ClassVar[Struct]

    def payload(self) -> bytes:
        """The message's bytes. Raises `struct.error` for a value that its field cannot hold."""
        return self.LAYOUT.pack(*_values(self))

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The message in `payload`; PayloadLengthError when it is too short or too long."""
        _require_length(len(payload) == cls.LAYOUT.size)
        return cls(*cls.LAYOUT.unpack(payload))


def _require_length(fits: bool) -> None:
    if not fits:
        raise PayloadLengthError


_GETTERS: dict[type[Message], Callable[[Message], Any]] = {}


def _values(message: Message) -> tuple[Any, ...]:
    """The fields of `message` in order; the getter of each type is made once, for speed."""
    getter = _GETTERS.get(type(message))
    if getter is None:
        names = [field.name for field in fields(message)]  # type: ignore[arg-type]
        getter = _GETTERS[type(message)] = attrgetter(*names)
    values = getter(message)
    return values if isinstance(values, tuple) else (values,)


# Host to board


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """The host opens a session under the id in the frame's header."""

    TYPE: ClassVar[int] = 0x01
    LAYOUT: ClassVar[Struct] = Struct("<BB")
    proto_major: int = PROTO_MAJOR
    proto_minor: int = PROTO_MINOR


@dataclass(frozen=True, slots=True)
class Beat(Message):
    """The host lives; `flags` bit 0 lease live, bit 1 hold pressed."""

    TYPE: ClassVar[int] = 0x02
    LAYOUT: ClassVar[Struct] = Struct("<BI")
    LEASE: ClassVar[int] = 1
    HOLD: ClassVar[int] = 2
    flags: int
    host_ms: int


@dataclass(frozen=True, slots=True)
class Command(Message):
    """The host asks for a verb; the board answers RESULT, whatever it decides."""

    TYPE: ClassVar[int] = 0x03
    LAYOUT: ClassVar[Struct] = Struct("<HBBBHIi")
    cmd_id: int
    verb: int
    section: int
    expect: int
    ttl_ms: int
    host_ms: int
    arg: int = 0


@dataclass(frozen=True, slots=True)
class ParamSet(Message):
    """The host sets a parameter."""

    TYPE: ClassVar[int] = 0x04
    LAYOUT: ClassVar[Struct] = Struct("<HBBi")
    cmd_id: int
    section: int
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class ParamGet(Message):
    """The host asks for a parameter."""

    TYPE: ClassVar[int] = 0x05
    LAYOUT: ClassVar[Struct] = Struct("<HBB")
    cmd_id: int
    section: int
    key: int


@dataclass(frozen=True, slots=True)
class EventAck(Message):
    """All events up to `event_seq` of this boot are durable at the host."""

    TYPE: ClassVar[int] = 0x06
    LAYOUT: ClassVar[Struct] = Struct("<II")
    boot_id: int
    event_seq: int


@dataclass(frozen=True, slots=True)
class Stop(Message):
    """Stop the table. Acted on under any session and any seq."""

    TYPE: ClassVar[int] = 0x07
    LAYOUT: ClassVar[Struct] = Struct("<H")
    cmd_id: int


@dataclass(frozen=True, slots=True)
class Time(Message):
    """The host asks for the board's clock."""

    TYPE: ClassVar[int] = 0x08
    LAYOUT: ClassVar[Struct] = Struct("<Q")
    host_us: int


@dataclass(frozen=True, slots=True)
class TraceGet(Message):
    """The host asks for a piece of a drop's load trace."""

    TYPE: ClassVar[int] = 0x09
    LAYOUT: ClassVar[Struct] = Struct("<IIH")
    boot_id: int
    event_seq: int
    index: int


# Board to host


@dataclass(frozen=True, slots=True)
class Boot(Message):
    """The board has no live session and wants one."""

    TYPE: ClassVar[int] = 0x80
    LAYOUT: ClassVar[Struct] = Struct("<BBIB")
    proto_major: int
    proto_minor: int
    boot_id: int
    reset_cause: int


@dataclass(frozen=True, slots=True)
class Welcome(Message):
    """The board's answer to HELLO: who it is, and what it keeps."""

    TYPE: ClassVar[int] = 0x81
    LAYOUT: ClassVar[Struct] = Struct("<BBBBB8sHIBBIII")
    proto_major: int
    proto_minor: int
    fw_major: int
    fw_minor: int
    fw_patch: int
    hw_id: str
    """Eight ASCII characters; bytes that are not ASCII arrive as '?'."""
    features: int
    boot_id: int
    reset_cause: int
    sections: int
    params_crc: int
    first_event_seq: int
    next_event_seq: int

    def payload(self) -> bytes:
        values = list(_values(self))
        values[5] = self.hw_id.encode("ascii", "replace")
        return self.LAYOUT.pack(*values)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        _require_length(len(payload) == cls.LAYOUT.size)
        values = list(cls.LAYOUT.unpack(payload))
        ascii_id = values[5].decode("ascii", "replace").replace("\ufffd", "?")
        values[5] = ascii_id.rstrip("\0 ")
        return cls(*values)


@dataclass(frozen=True, slots=True)
class SectionStatus:
    """One section's eight bytes of a STATUS."""

    phase: int
    fault: int
    inputs: int
    outputs: int
    load_dn: int
    tension_dn: int


@dataclass(frozen=True, slots=True)
class Status(Message):
    """All that the board believes, every 20 ms and at each change."""

    TYPE: ClassVar[int] = 0x82
    LAYOUT: ClassVar[Struct] = Struct("<QHHH" + "BBBBhH" * 3)
    board_us: int
    flags: int
    supply_mv: int
    air_kpa: int
    thoracic: SectionStatus
    lumbar: SectionStatus
    pelvic: SectionStatus

    @property
    def sections(self) -> tuple[SectionStatus, SectionStatus, SectionStatus]:
        """The three sections in the table's order."""
        return self.thoracic, self.lumbar, self.pelvic

    def payload(self) -> bytes:
        packed: list[int] = [self.board_us, self.flags, self.supply_mv, self.air_kpa]
        for part in self.sections:
            packed += (
                part.phase,
                part.fault,
                part.inputs,
                part.outputs,
                part.load_dn,
                part.tension_dn,
            )
        return self.LAYOUT.pack(*packed)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        _require_length(len(payload) == cls.LAYOUT.size)
        values = cls.LAYOUT.unpack(payload)
        board_us, flags, supply_mv, air_kpa = values[:4]
        thoracic, lumbar, pelvic = (SectionStatus(*values[at : at + 6]) for at in (4, 10, 16))
        return cls(board_us, flags, supply_mv, air_kpa, thoracic, lumbar, pelvic)


@dataclass(frozen=True, slots=True)
class Result(Message):
    """How the board took a COMMAND, PARAM_SET, PARAM_GET or STOP."""

    TYPE: ClassVar[int] = 0x83
    LAYOUT: ClassVar[Struct] = Struct("<HBB")
    cmd_id: int
    code: int
    phase: int


@dataclass(frozen=True, slots=True)
class Param(Message):
    """The value of a parameter that is in force."""

    TYPE: ClassVar[int] = 0x84
    LAYOUT: ClassVar[Struct] = Struct("<HBBi")
    cmd_id: int
    section: int
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class Event(Message):
    """Something that happened at the table, numbered within a boot of the board."""

    TYPE: ClassVar[int] = 0x85
    LAYOUT: ClassVar[Struct] = Struct("<IIQBBIii")
    boot_id: int
    event_seq: int
    board_us: int
    kind: int
    section: int
    a: int
    b: int
    c: int


@dataclass(frozen=True, slots=True)
class TimeReply(Message):
    """The board's clock, and what its receiver has discarded and lost since boot, modulo 65536."""

    TYPE: ClassVar[int] = 0x86
    LAYOUT: ClassVar[Struct] = Struct("<QQHH")
    host_us: int
    board_us: int
    discarded: int
    lost: int


@dataclass(frozen=True, slots=True)
class Text(Message):
    """A line for a person's log. UTF-8; bytes that are not are replaced, never refused."""

    TYPE: ClassVar[int] = 0x87
    level: int
    text: str

    def payload(self) -> bytes:
        """The message's bytes; a longer text is cut at a character to what a payload holds."""
        room = self.text.encode()[: MAX_PAYLOAD_BYTES - 1]
        return bytes((self.level,)) + room.decode(errors="ignore").encode()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        _require_length(len(payload) >= 1)
        return cls(payload[0], payload[1:].decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Trace(Message):
    """A piece of a drop's load trace."""

    TYPE: ClassVar[int] = 0x88
    LAYOUT: ClassVar[Struct] = Struct("<IIHHHB")
    boot_id: int
    event_seq: int
    dt_us: int
    total: int
    index: int
    samples: tuple[int, ...]
    """Loads in 0.1 N, at most MAX_TRACE_SAMPLES of them; NO_SAMPLE where there is none."""

    def payload(self) -> bytes:
        """The message's bytes; PayloadLengthError for more samples than one TRACE may hold."""
        count = len(self.samples)
        _require_length(count <= MAX_TRACE_SAMPLES)
        header = self.LAYOUT.pack(
            self.boot_id, self.event_seq, self.dt_us, self.total, self.index, count
        )
        return header + Struct(f"<{count}h").pack(*self.samples)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        size = cls.LAYOUT.size
        _require_length(len(payload) >= size)
        boot_id, event_seq, dt_us, total, index, count = cls.LAYOUT.unpack_from(payload)
        _require_length(count <= MAX_TRACE_SAMPLES and len(payload) == size + 2 * count)
        samples = Struct(f"<{count}h").unpack_from(payload, size)
        return cls(boot_id, event_seq, dt_us, total, index, samples)


HostMessage = Hello | Beat | Command | ParamSet | ParamGet | EventAck | Stop | Time | TraceGet
BoardMessage = Boot | Welcome | Status | Result | Param | Event | TimeReply | Text | Trace

FROM_HOST: dict[int, type[Message]] = {
    kind.TYPE: kind
    for kind in (Hello, Beat, Command, ParamSet, ParamGet, EventAck, Stop, Time, TraceGet)
}
FROM_BOARD: dict[int, type[Message]] = {
    kind.TYPE: kind
    for kind in (Boot, Welcome, Status, Result, Param, Event, TimeReply, Text, Trace)
}
EVERY_MESSAGE = FROM_HOST | FROM_BOARD
