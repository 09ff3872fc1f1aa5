"""Proof that a journal is whole: gapless from its horizon, every hash right, every link of the chain.

Reads only, streams, and works beside a running daemon. It never repairs: a journal that does not
verify is evidence and stays as it is. What it cannot see by itself is a tail that was cut off
cleanly; for that it takes a head that somebody else remembers.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from droptable.journal import store
from droptable.journal.event import GENESIS, Event, Head, event_from
from droptable.journal.store import StoredRow

GIVEN_UP = "journal_pruned"
"""The kind of the event that announces each move of the horizon."""

RECENT = 256
"""How many events are checked whenever a journal is opened; takes some milliseconds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found. `first_bad_seq` and `why` name the first thing that is wrong.

    `events` are those that are there and good, `head` is that of the good part. Damage outside the
    events has a `why` without a seq.
    """

    events: int
    head: Head
    first_bad_seq: int | None = None
    why: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.why is None


class _BrokenError(Exception):
    """The first event that cannot be believed."""

    def __init__(self, seq: int, why: str) -> None:
        self.seq = seq
        self.why = why


def verify(path: Path, known: Head | None = None) -> Verdict:
    """Check the whole journal at `path` (a state directory or the file), and that `known` is in it.

    Raises FileNotFoundError when there is no journal, DroptableError JOURNAL_BROKEN when the file
    is none at all.
    """
    with closing(store.open_for_reading(store.file_in(path))) as connection:
        # One snapshot, so that a daemon that goes on appending does not disturb.
        connection.execute("BEGIN")
        return _verdict(connection, known)


def head(path: Path) -> Head:
    """The newest event's place in the chain, unverified; raises as `verify` does."""
    with closing(store.open_for_reading(store.file_in(path))) as connection:
        return store.read_head(connection)


def stored_events(path: Path) -> Iterator[Event]:
    """All events of the journal at `path` in order, unverified; raises as `verify` does."""
    with closing(store.open_for_reading(store.file_in(path))) as connection:
        connection.execute("BEGIN")
        for row in store.read_raw(connection):
            yield event_from(row[5])


def check_recent(connection: sqlite3.Connection) -> Head:
    """The head, after a look at the newest events; ValueError says what is wrong with them."""
    newest = store.read_horizon(connection)
    epoch = newest.epoch
    rows = store.read_last(connection, RECENT)
    if rows and rows[0][0] > newest.seq + 1:
        # How the window begins can be believed only if the event before it exists and agrees.
        before = store.read_one(connection, rows[0][0] - 1)
        if before is None:
            raise ValueError(f"event {rows[0][0] - 1} is missing")
        newest = Head(epoch, before.seq, before.hash)
    try:
        for event in _believed(rows, newest):
            newest = Head(epoch, event.seq, event.hash)
    except _BrokenError as broken:
        raise ValueError(f"event {broken.seq}: {broken.why}") from broken
    return newest


def _verdict(connection: sqlite3.Connection, known: Head | None) -> Verdict:
    horizon = newest = Head("", 0, GENESIS)
    given_up = 0
    at_known: Head | None = None
    try:
        horizon = newest = store.read_horizon(connection)
        for event in _believed(store.read_raw(connection), horizon):
            newest = Head(newest.epoch, event.seq, event.hash)
            if known is not None and event.seq == known.seq:
                at_known = newest
            if event.kind == GIVEN_UP:
                given_up = max(given_up, _through(event))
        if horizon.seq > given_up:
            why = f"no event tells that all up to {horizon.seq} were given up: they were cut off"
            return Verdict(newest.seq - horizon.seq, newest, horizon.seq, why)
        _check_file(connection)
    except _BrokenError as broken:
        return Verdict(newest.seq - horizon.seq, newest, broken.seq, broken.why)
    except _DamagedError as damaged:
        return Verdict(newest.seq - horizon.seq, newest, None, str(damaged))
    except (sqlite3.Error, TypeError) as error:
        return Verdict(
            newest.seq - horizon.seq, newest, newest.seq + 1, f"the file cannot be read: {error}"
        )
    if known is not None and known.seq == horizon.seq:
        at_known = horizon
    return _against_known(newest, known, at_known, horizon)


def _believed(rows: Iterable[StoredRow], before: Head) -> Iterator[Event]:
    """The events in `rows`, each as long as it continues what comes before; then _BrokenError."""
    seq, prev = before.seq, before.hash
    for row in rows:
        seq += 1
        if row[0] != seq:
            raise _BrokenError(seq, f"it is missing; the next event there is has number {row[0]}")
        try:
            event = event_from(row[5])
            why = _what_is_wrong(row, event, before.epoch, prev)
        except ValueError as error:
            raise _BrokenError(seq, f"it is not an event: {error}") from error
        if why is not None:
            raise _BrokenError(seq, why)
        prev = event.hash
        yield event


def _what_is_wrong(row: StoredRow, event: Event, epoch: str, prev: str) -> str | None:
    if event.computed_hash() != event.hash:
        return "its content does not give its hash: it was changed"
    if event.prev != prev:
        return "it does not continue the event before it: one of them was replaced"
    if event.epoch != epoch:
        return f"it belongs to another journal, {event.epoch}"
    if event.canonical() != row[5]:
        return "it is not spelled canonically"
    if row[:5] != _columns(event):
        return "its row is filed under other values than the event has"
    return None


def _columns(event: Event) -> tuple[int, bytes, bytes | None, int | None, int | None]:
    board = event.board
    section = None if event.section is None else event.section.encode()
    numbers = (None, None) if board is None else (board.boot_id, board.event_seq)
    return (event.seq, event.kind.encode(), section, *numbers)


class _DamagedError(Exception):
    """The events are right, but what SQLite keeps about them is not."""


def _check_file(connection: sqlite3.Connection) -> None:
    """Indexes and pages: a damaged index would hide that a board's event is already here."""
    try:
        finding = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        finding = str(error)
    if finding != "ok":
        raise _DamagedError(f"every event is right, but the file is damaged: {finding}")


def _through(event: Event) -> int:
    """Up to where events were given up, as `event` announced it."""
    through = event.data.get("through_seq")
    return through if isinstance(through, int) else 0


def _against_known(newest: Head, known: Head | None, found: Head | None, horizon: Head) -> Verdict:
    """The verdict on a journal that is right in itself, beside what somebody else remembers."""
    count = newest.seq - horizon.seq
    if known is None:
        return Verdict(count, newest)
    if known.epoch != newest.epoch:
        why = f"the known head is of journal {known.epoch}, this is {newest.epoch}"
        return Verdict(count, newest, None, why)
    if known.seq > newest.seq:
        why = f"the journal ends before {known.seq}, which is known: its end was cut off"
        return Verdict(count, newest, newest.seq + 1, why)
    # Of what was given up nothing can be said any more.
    if known.seq >= horizon.seq and (found is None or known.hash != found.hash):
        why = f"event {known.seq} is known by another hash: the journal was rewritten up to there"
        return Verdict(count, newest, max(known.seq, 1), why)
    return Verdict(count, newest)
