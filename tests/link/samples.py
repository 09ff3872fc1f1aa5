"""Messages for the tests of the link: the golden vectors, one of each kind, and any that can be."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from droptable.link.frames import encode
from droptable.link.messages import (
    EVERY_MESSAGE,
    FROM_BOARD,
    FROM_HOST,
    MAX_PAYLOAD_BYTES,
    MAX_TRACE_SAMPLES,
    Boot,
    Message,
    SectionStatus,
    Status,
    Text,
    Trace,
    Welcome,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "link-vectors.json").read_text())

BY_NAME = {kind.__name__.upper(): kind for kind in EVERY_MESSAGE.values()}


@dataclass(frozen=True)
class Golden:
    """A golden frame: what it says and how it lies on the wire."""

    name: str
    seq: int
    session: int
    message: Message
    wire: bytes

    @property
    def types(self) -> dict[int, type[Message]]:
        """All messages that travel in this one's direction."""
        return FROM_HOST if type(self.message) in FROM_HOST.values() else FROM_BOARD


def _message(name: str, values: dict[str, Any]) -> Message:
    kind = BY_NAME[name.replace("_", "")]
    nested: dict[str, dict[str, int]] = {}
    flat: dict[str, Any] = {}
    for field, value in values.items():
        section, dot, part = field.partition(".")
        if dot:
            nested.setdefault(section, {})[part] = value
        else:
            flat[field] = value
    return kind(**flat, **{section: SectionStatus(**parts) for section, parts in nested.items()})


GOLDEN = [
    Golden(
        vector["name"],
        vector["seq"],
        vector["session"],
        _message(vector["name"], vector["fields"]),
        bytes.fromhex(vector["wire"]),
    )
    for vector in VECTORS["good"]
]

RESTING = SectionStatus(phase=1, fault=0, inputs=14, outputs=0, load_dn=0, tension_dn=2500)


def welcome(boot_id: int = 77, hw_id: str = "SIM00001", proto_major: int = 1) -> Welcome:
    """A WELCOME of a board that has just started."""
    return Welcome(proto_major, 0, 1, 2, 3, hw_id, 0xFF, boot_id, 1, 3, 0, 1, 1)


def boot(boot_id: int = 77, proto_major: int = 1) -> Boot:
    """A BOOT of the same board."""
    return Boot(proto_major, 0, boot_id, 1)


def status(board_us: int, *, alive: bool = True) -> Status:
    """A STATUS of a table at rest."""
    return Status(board_us, 4 if alive else 0, 24_000, 600, RESTING, RESTING, RESTING)


def raw_frame(kind: int, payload: bytes, seq: int = 0, session: int = 9) -> bytes:
    """A frame with a good CRC around whatever `kind` and `payload` are, as it goes on the wire."""

    class Anything(Message):
        TYPE = kind

        def payload(self) -> bytes:
            return payload

    return encode(seq, session, Anything())


def _unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


def _signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_BY_FORMAT = {
    "B": _unsigned(8),
    "H": _unsigned(16),
    "I": _unsigned(32),
    "Q": _unsigned(64),
    "h": _signed(16),
    "i": _signed(32),
}

_SECTION_STATUSES = st.builds(
    SectionStatus,
    *(_BY_FORMAT[letter] for letter in "BBBBhH"),
)

_HW_IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


def any_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Every message of `kind` that the wire can carry."""
    if kind is Status:
        head = [_BY_FORMAT[letter] for letter in "QHHH"]
        return st.builds(Status, *head, *([_SECTION_STATUSES] * 3))
    if kind is Welcome:
        letters = [_HW_IDS if letter == "s" else _BY_FORMAT[letter] for letter in "BBBBBsHIBBIII"]
        return st.builds(Welcome, *letters)
    if kind is Text:
        fitting = st.text(max_size=MAX_PAYLOAD_BYTES - 1).filter(
            lambda text: len(text.encode()) <= MAX_PAYLOAD_BYTES - 1
        )
        return st.builds(Text, _unsigned(8), fitting)
    if kind is Trace:
        samples = st.lists(_signed(16), max_size=MAX_TRACE_SAMPLES).map(tuple)
        return st.builds(Trace, *(_BY_FORMAT[letter] for letter in "IIHHH"), samples)
    return st.builds(kind, *(_BY_FORMAT[letter] for letter in kind.LAYOUT.format[1:]))


SEQS = _unsigned(16)
SESSIONS = _unsigned(32)
EVERY_KIND = list(EVERY_MESSAGE.values())
ANY_MESSAGE = st.sampled_from(EVERY_KIND).flatmap(any_of)


def chunks_of(data: st.DataObject, stream: bytes) -> list[bytes]:
    """`stream` in pieces of any size, none of them lost."""
    places = st.lists(st.integers(0, len(stream)), max_size=40)
    cuts = [0, *sorted(data.draw(places, label="cuts")), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(cuts)]
