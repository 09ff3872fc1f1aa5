"""The journal's file: one SQLite database, its schema, and the few statements that touch it.

It stores what it is given and judges little: numbering and chaining are `writer.py`'s, proving is
`verify.py`'s. There is exactly one writing connection; every other one is query-only. Nothing is
ever changed, and nothing deleted but from the beginning, up to a *horizon* that only moves up; the
database itself refuses all else.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias
from urllib.parse import quote

from droptable.errors import DroptableError
from droptable.journal.event import GENESIS, BoardRef, Event, Head, event_from
from droptable.journal.lock import sync_directory

FILE_NAME = "journal.sqlite3"

# "drpt": what `file` and other programs can tell a journal by.
APPLICATION_ID = 0x64727074

# The `event` of a row is the truth; the other columns repeat what is searched for.
_VERSION_1 = (
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        section TEXT,
        boot_id INTEGER,
        event_seq INTEGER,
        event TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX events_by_kind ON events (kind)",
    """CREATE UNIQUE INDEX events_by_board ON events (boot_id, event_seq)
        WHERE boot_id IS NOT NULL""",
    """CREATE TRIGGER events_never_change BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'an event never changes'); END""",
    """CREATE TRIGGER events_never_vanish BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END""",
    "CREATE TABLE journal (epoch TEXT NOT NULL) STRICT",
    "INSERT INTO journal (epoch) VALUES (lower(hex(randomblob(16))))",
    f"PRAGMA application_id = {APPLICATION_ID}",
)

# The last event that was given up, from which the chain goes on; 0 and GENESIS while there is all.
_VERSION_2 = (
    "CREATE TABLE horizon (seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT",
    "INSERT INTO horizon (seq, hash) VALUES (0, printf('%.64d', 0))",
    """CREATE TRIGGER horizon_moves_up BEFORE UPDATE ON horizon
        WHEN NEW.seq <= OLD.seq OR NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
        BEGIN SELECT RAISE(ABORT, 'the horizon never goes back'); END""",
    """CREATE TRIGGER horizon_stays BEFORE DELETE ON horizon
        BEGIN SELECT RAISE(ABORT, 'the horizon is never deleted'); END""",
    "DROP TRIGGER events_never_vanish",
    """CREATE TRIGGER events_never_vanish BEFORE DELETE ON events
        WHEN OLD.seq > (SELECT seq FROM horizon)
        BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2)
"""What leads from each schema version to the next; a file's version is its `user_version`."""

_WITH_HORIZON = 2

Row: TypeAlias = tuple[int, str, str | None, int | None, int | None, str]
"""seq, kind, section, boot_id, event_seq, the canonical event."""

StoredRow: TypeAlias = tuple[int, bytes, bytes | None, int | None, int | None, bytes]
"""A row as it lies in the file."""

# One statement for many rows: each step of a statement gives up and takes back the interpreter's
# lock, which a busy loop thread makes expensive.
ROWS_PER_STATEMENT = 16
_ROW = "(?,?,?,?,?,?)"
_INSERT = "INSERT INTO events (seq, kind, section, boot_id, event_seq, event) VALUES "
_INSERT_MANY = _INSERT + ",".join([_ROW] * ROWS_PER_STATEMENT)

# As bytes, for what was damaged may not be text any more.
_RAW = """SELECT seq, CAST(kind AS BLOB), CAST(section AS BLOB), boot_id, event_seq,
    CAST(event AS BLOB) FROM events"""


def file_in(path: Path) -> Path:
    """The journal that `path` names: the file itself, or the state directory that it lies in."""
    return path / FILE_NAME if path.is_dir() else path


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one writing connection; creates the file and brings its schema up to date.

    Raises DroptableError STATE_UNWRITABLE, or JOURNAL_BROKEN when the file is not a journal or
    comes from a newer program. The connection may be handed to one other thread.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise DroptableError("STATE_UNWRITABLE", f"{path}: {error}") from error
    try:
        _prepare(connection)
        sync_directory(path.parent)
    except sqlite3.OperationalError as error:
        connection.close()
        raise DroptableError("STATE_UNWRITABLE", f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DroptableError("JOURNAL_BROKEN", f"{path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise sqlite3.OperationalError("the file system does not carry a write-ahead log")
    connection.execute("PRAGMA synchronous = FULL")
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    for step in MIGRATIONS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    """The schema version; 0 for a file that is empty. Refuses what this program cannot know."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if version > len(MIGRATIONS):
        raise DroptableError(
            "JOURNAL_BROKEN",
            f"the file has schema version {version}, this program knows up to {len(MIGRATIONS)}; "
            "use the newer program",
        )
    if (version == 0) != (tables == 0) or owner != (APPLICATION_ID if version else 0):
        raise DroptableError("JOURNAL_BROKEN", "the file is a database, but not a journal")
    return version


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A query-only connection to a journal that exists.

    Raises FileNotFoundError when it does not, DroptableError JOURNAL_BROKEN when it is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no journal at {path}")
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _checked(uri)
    except sqlite3.OperationalError as error:
        if path.with_name(path.name + "-wal").exists():
            raise DroptableError("JOURNAL_BROKEN", f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DroptableError("JOURNAL_BROKEN", f"{path}: {error}") from error
    # Closed in good order, on a medium that cannot be written: there is nothing to share.
    try:
        return _checked(uri + "&immutable=1")
    except sqlite3.DatabaseError as error:
        raise DroptableError("JOURNAL_BROKEN", f"{path}: {error}") from error


def _checked(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        if _version(connection) == 0:
            _refuse_empty()
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_empty() -> NoReturn:
    raise DroptableError("JOURNAL_BROKEN", "the file is empty")


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """All of `rows` or, when sqlite3.Error is raised, none; durable when it returns."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            if len(part) == ROWS_PER_STATEMENT:
                connection.execute(_INSERT_MANY, [value for row in part for value in row])
            else:
                connection.executemany(_INSERT + _ROW, part)
        connection.execute("COMMIT")
    except sqlite3.Error:
        # SQLite ends some failed transactions by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def give_up(connection: sqlite3.Connection, through: int) -> None:
    """Delete all events up to and with `through`, durably; sqlite3.Error: none was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            """UPDATE horizon SET seq = ?1,
                hash = (SELECT json_extract(event, '$.hash') FROM events WHERE seq = ?1)""",
            (through,),
        )
        connection.execute("DELETE FROM events WHERE seq <= ?", (through,))
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def newest_older(connection: sqlite3.Connection, than: str, most: int) -> int:
    """The end of the events at the beginning that all have a time before `than`, at most `most`.

    0 when there is none. Times are compared as texts, which for RFC 3339 in UTC is their order.
    """
    first_young = connection.execute(
        """SELECT seq FROM events WHERE seq <= ? AND json_extract(event, '$.time') >= ?
            ORDER BY seq LIMIT 1""",
        (most, than),
    ).fetchone()
    last = most if first_young is None else int(first_young[0]) - 1
    there = connection.execute("SELECT 1 FROM events WHERE seq = ?", (last,)).fetchone()
    return last if there else 0


def nth_newest_of_board(connection: sqlite3.Connection, count: int) -> int:
    """The seq before the `count` newest events of boards; 0 when there are no more than that."""
    row = connection.execute(
        "SELECT seq FROM events WHERE boot_id IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?",
        (count,),
    ).fetchone()
    return int(row[0]) if row else 0


def read_epoch(connection: sqlite3.Connection) -> str:
    """The random id of this journal."""
    return str(connection.execute("SELECT epoch FROM journal").fetchone()[0])


def read_horizon(connection: sqlite3.Connection) -> Head:
    """Where the chain begins: the last event that was given up, at 0 while there are all."""
    epoch = read_epoch(connection)
    # Another process may look at a file that was not brought up to date yet.
    if _version(connection) < _WITH_HORIZON:
        return Head(epoch, 0, GENESIS)
    seq, own = connection.execute("SELECT seq, hash FROM horizon").fetchone()
    return Head(epoch, int(seq), str(own))


def read_head(connection: sqlite3.Connection) -> Head:
    """The newest event's place in the chain."""
    row = connection.execute("SELECT event FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None:
        return read_horizon(connection)
    event = event_from(row[0])
    return Head(event.epoch, event.seq, event.hash)


def read_after(
    connection: sqlite3.Connection, after: int, limit: int, *, kind: str | None, section: str | None
) -> list[Event]:
    """Up to `limit` events with a higher seq than `after`, in order."""
    values: list[int | str] = [after]
    statement = "SELECT event FROM events WHERE seq > ?"
    for column, wanted in (("kind", kind), ("section", section)):
        if wanted is not None:
            statement += f" AND {column} = ?"
            values.append(wanted)
    rows = connection.execute(f"{statement} ORDER BY seq LIMIT ?", (*values, limit))
    return [event_from(text) for (text,) in rows]


def read_last(connection: sqlite3.Connection, count: int) -> list[StoredRow]:
    """The newest `count` rows in order, as they lie there."""
    rows = connection.execute(f"{_RAW} ORDER BY seq DESC LIMIT ?", (count,)).fetchall()
    return rows[::-1]


def read_raw(connection: sqlite3.Connection) -> Iterator[StoredRow]:
    """All rows in order, as they lie there; sqlite3.Error where the file cannot be read on."""
    yield from connection.execute(f"{_RAW} ORDER BY seq")


def read_one(connection: sqlite3.Connection, seq: int) -> Event | None:
    """The event with this number."""
    row = connection.execute("SELECT event FROM events WHERE seq = ?", (seq,)).fetchone()
    return event_from(row[0]) if row else None


def read_board_event(connection: sqlite3.Connection, board: BoardRef) -> Event | None:
    """The event that records this one of the board's."""
    row = connection.execute(
        "SELECT event FROM events WHERE boot_id = ? AND event_seq = ?",
        (board.boot_id, board.event_seq),
    ).fetchone()
    return event_from(row[0]) if row else None


def read_newest_board_seq(connection: sqlite3.Connection, boot_id: int) -> int:
    """The highest of the board's numbers within this boot; 0 when there is none."""
    row = connection.execute(
        "SELECT max(event_seq) FROM events WHERE boot_id = ?", (boot_id,)
    ).fetchone()
    return int(row[0] or 0)


def close_writing(connection: sqlite3.Connection) -> None:
    """Fold the log into the file and let go of it; with the last connection the log is removed."""
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        # A full disk or a busy reader: the log stays, is durable, and is folded in another time.
        pass
    finally:
        connection.close()
