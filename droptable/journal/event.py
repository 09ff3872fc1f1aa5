"""What the journal records: an event, how it is numbered, chained and spelled.

Nothing here reads a clock or touches a disk. The hash of an event is the SHA-256 over its
canonical JSON without `hash`, and `prev` is the hash of the one before, so that whoever knows the
newest hash can prove all of the past.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from droptable.journal.canonical import JsonValue, canonical_json, canonical_text
from droptable.journal.kinds import EVENT_KINDS
from droptable.sections import Section

EVENT_VERSION = 1
"""`v` of every event; it changes when the meaning of a field does."""

GENESIS = "0" * 64
"""`prev` of the first event."""

TEXT_MAX = 200
"""The longest name of a table or an actor, in characters."""

DATA_MAX = 16_384
"""The longest canonical `data`, in characters; a drop has about 200."""

TimeQuality: TypeAlias = Literal["synced", "unsynced"]

_SECTION_LABELS = frozenset(section.label for section in Section)


@dataclass(frozen=True, slots=True)
class BoardRef:
    """Which of the board's events this is; the board numbers them from 1 within each boot."""

    boot_id: int
    event_seq: int


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of a journal; `seq` is 0 and `hash` is GENESIS while there is none."""

    epoch: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Draft:
    """Something to be recorded, before it has a number.

    The numbers of `board` become part of `data`, as `boot_id` and `event_seq`.
    """

    kind: str
    section: str | None
    actor: str
    data: Mapping[str, JsonValue]
    board: BoardRef | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the journal, final. `section` is a label in lower case, None for the table."""

    v: int
    table: str
    epoch: str
    seq: int
    time: str
    time_quality: str
    kind: str
    section: str | None
    actor: str
    data: Mapping[str, JsonValue]
    prev: str
    hash: str

    @property
    def board(self) -> BoardRef | None:
        """Which of the board's events this records, if any."""
        return board_ref(self.data)

    def to_json(self) -> dict[str, Any]:
        """The event as a plain object, all fields by their names."""
        return {name: getattr(self, name) for name in FIELDS}

    def canonical(self) -> bytes:
        """The event in its one spelling, exactly as it stands in the journal and goes out."""
        before, after = _around_hash(_pieces_of(self), self.seq, self.prev)
        return f'{before},"hash":{canonical_text(self.hash)}{after}'.encode()

    def computed_hash(self) -> str:
        """The hash that this event must carry."""
        before, after = _around_hash(_pieces_of(self), self.seq, self.prev)
        return _sha256(before + after)


FIELDS = tuple(field.name for field in dataclasses.fields(Event))


def event_from(text: bytes | str) -> Event:
    """The event that `text` spells; ValueError when it is none. Says nothing about its hash."""
    try:
        fields = json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    if not isinstance(fields, dict) or fields.keys() != set(FIELDS):
        raise ValueError("it does not have exactly the fields of an event")
    event = Event(**fields)
    texts = (event.table, event.epoch, event.time, event.time_quality, event.kind, event.actor,
             event.prev, event.hash, event.section or "")  # fmt: skip
    whole = type(event.v) is int and type(event.seq) is int
    if not (whole and type(event.data) is dict and all(type(text) is str for text in texts)):
        raise ValueError("a field of it has the wrong type")
    return event


def board_ref(data: Mapping[str, JsonValue]) -> BoardRef | None:
    """The board's numbers in the data of an event; None unless it has both."""
    boot_id, event_seq = data.get("boot_id"), data.get("event_seq")
    if isinstance(boot_id, int) and isinstance(event_seq, int):
        return BoardRef(boot_id, event_seq)
    return None


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds and Z; ValueError for a time without a zone."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a time without a zone cannot be recorded")
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


# An event is spelled before it has its number: what is known early is kept as the pieces between
# which the rest belongs, so that the thread that writes has little to do but hash.

_Pieces: TypeAlias = tuple[str, str, str, str]


def _pieces(
    draft: Draft, data: str, *, v: int, table: str, epoch: str, time: str, quality: str
) -> _Pieces:
    """The canonical event in four pieces; between them go the hash, `prev` and `seq`."""
    section = "null" if draft.section is None else canonical_text(draft.section)
    clock = f'"time":{canonical_text(time)},"time_quality":{canonical_text(quality)}'
    return (
        f'{{"actor":{canonical_text(draft.actor)},"data":{data},"epoch":{canonical_text(epoch)}',
        f',"kind":{canonical_text(draft.kind)},"prev":',
        f',"section":{section},"seq":',
        f',"table":{canonical_text(table)},{clock},"v":{v}}}',
    )


def _pieces_of(event: Event) -> _Pieces:
    draft = Draft(event.kind, event.section, event.actor, event.data)
    return _pieces(
        draft,
        canonical_json(event.data),
        v=event.v,
        table=event.table,
        epoch=event.epoch,
        time=event.time,
        quality=event.time_quality,
    )


def _around_hash(pieces: _Pieces, seq: int, prev: str) -> tuple[str, str]:
    before, kind, section, rest = pieces
    return before, f"{kind}{canonical_text(prev)}{section}{seq}{rest}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Unsealed:
    """A draft with everything but its place in the chain.

    Raises ValueError when the draft cannot be recorded: an unknown kind or section, data without a
    canonical form, anything too long. That is a bug of the caller, never of the table.
    """

    __slots__ = ("_data", "_epoch", "_pieces", "_quality", "_table", "_time", "draft")

    def __init__(self, draft: Draft, *, table: str, epoch: str, time: str, quality: str) -> None:
        _check_names(draft, table)
        data = dict(draft.data)
        _place_board(draft.board, data)
        spelled = canonical_json(data)
        if len(spelled) > DATA_MAX:
            raise ValueError(f"the data of {draft.kind} has {len(spelled)} characters, "
                             f"more than {DATA_MAX}")  # fmt: skip
        self.draft = draft
        self._data = data
        self._table, self._epoch, self._time, self._quality = table, epoch, time, quality
        self._pieces = _pieces(
            draft, spelled, v=EVENT_VERSION, table=table, epoch=epoch, time=time, quality=quality
        )

    def seal(self, seq: int, prev: str) -> tuple[Event, str]:
        """The event at its place in the chain, and its canonical spelling."""
        before, after = _around_hash(self._pieces, seq, prev)
        own = _sha256(before + after)
        draft = self.draft
        event = Event(
            EVENT_VERSION, self._table, self._epoch, seq, self._time, self._quality,
            draft.kind, draft.section, draft.actor, self._data, prev, own,
        )  # fmt: skip
        return event, f'{before},"hash":"{own}"{after}'


def _check_names(draft: Draft, table: str) -> None:
    if draft.kind not in EVENT_KINDS:
        raise ValueError(f"no event kind {draft.kind!r}; the kinds are in journal/kinds.py")
    if draft.section is not None and draft.section not in _SECTION_LABELS:
        raise ValueError(f"no section {draft.section!r}")
    if not 0 < len(draft.actor) <= TEXT_MAX:
        raise ValueError(f"an actor's name has 1 to {TEXT_MAX} characters")
    if not 0 < len(table) <= TEXT_MAX:
        raise ValueError(f"a table's name has 1 to {TEXT_MAX} characters")


def _place_board(board: BoardRef | None, data: dict[str, JsonValue]) -> None:
    """Put the board's numbers into `data`, where alone an event carries them."""
    if board is None:
        if board_ref(data) is not None:
            raise ValueError("boot_id and event_seq in the data, but the draft has no board")
        return
    numbers = {"boot_id": board.boot_id, "event_seq": board.event_seq}
    for name, number in numbers.items():
        if data.setdefault(name, number) != number:
            raise ValueError(f"the data says {name} {data[name]}, the draft {number}")
