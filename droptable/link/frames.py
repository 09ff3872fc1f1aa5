"""From a stream of bytes to frames and back, counting whatever has to be thrown away. No I/O.

A frame is `type u8, seq u16, session u32, payload, CRC-32C u32`, COBS-encoded, ended by one zero
byte. The decoder never raises and never holds more than one frame's worth of bytes: noise, a wrong
speed or a hostile peer costs it a counter. Every discarded frame is counted under exactly one
reason, the first that applies in the order of `Discard`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

from cobs import cobs
from google_crc32c import value as crc32c

from droptable.link.messages import Message, PayloadLengthError

HEADER = Struct("<BHI")
CRC = Struct("<I")

MIN_FRAME_BYTES = HEADER.size + CRC.size
MAX_FRAME_BYTES = 64
MAX_ENCODED_BYTES = MAX_FRAME_BYTES + 1
"""COBS adds one byte to anything shorter than 255."""

DELIMITER = b"\0"


class Discard(StrEnum):
    """Why a frame was not acted on, in the order in which the reasons are tested."""

    COBS = "cobs"
    LENGTH = "length"
    CRC = "crc"
    TYPE = "type"
    SESSION = "session"
    SEQUENCE = "sequence"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that is whole: its CRC is right and its payload fits its type."""

    seq: int
    session: int
    message: Message


def encode(seq: int, session: int, message: Message) -> bytes:
    """The bytes of one frame as they go on the wire, the ending zero included."""
    body = HEADER.pack(message.TYPE, seq, session) + message.payload()
    return bytes(cobs.encode(body + CRC.pack(crc32c(body)))) + DELIMITER


class Decoder:
    """Finds the frames of one direction in a stream that arrives in pieces of any size.

    `types` are the messages that may come from the peer; any other type is discarded as `type`.
    `discards` counts since the decoder was made.
    """

    def __init__(self, types: Mapping[int, type[Message]]) -> None:
        self.discards: Counter[Discard] = Counter()
        self._types = types
        self._partial = bytearray()
        self._overlong = False

    def feed(self, received: bytes) -> list[Frame]:
        """The frames that `received` completes, in order."""
        frames = []
        *ended, rest = received.split(DELIMITER)
        for piece in ended:
            self._keep(piece)
            if self._partial and (frame := self._decode(bytes(self._partial))):
                frames.append(frame)
            self._partial.clear()
            self._overlong = False
        self._keep(rest)
        return frames

    def _keep(self, piece: bytes) -> None:
        """Add `piece` to the frame under way, or begin to skip once it cannot be a frame."""
        if self._overlong:
            return
        if len(self._partial) + len(piece) > MAX_ENCODED_BYTES:
            self.discards[Discard.LENGTH] += 1
            self._overlong = True
            self._partial.clear()
        else:
            self._partial += piece

    def _decode(self, encoded: bytes) -> Frame | None:
        """The frame in `encoded`; None when it had to be discarded, which is then counted."""
        frame = read(encoded, self._types)
        if isinstance(frame, Discard):
            self.discards[frame] += 1
            return None
        return frame


def read(encoded: bytes, types: Mapping[int, type[Message]]) -> Frame | Discard:
    """The frame that lies in `encoded`, its zero left out, or why there is none among `types`."""
    try:
        body = cobs.decode(encoded)
    except cobs.DecodeError:
        return Discard.COBS
    if not MIN_FRAME_BYTES <= len(body) <= MAX_FRAME_BYTES:
        return Discard.LENGTH
    content = body[: -CRC.size]
    if crc32c(content) != CRC.unpack_from(body, len(content))[0]:
        return Discard.CRC
    kind, seq, session = HEADER.unpack_from(content)
    if (message_type := types.get(kind)) is None:
        return Discard.TYPE
    try:
        return Frame(seq, session, message_type.parse(content[HEADER.size :]))
    except PayloadLengthError:
        return Discard.LENGTH
