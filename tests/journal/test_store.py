"""The file itself: its schema, its refusals, and that it cannot be changed by accident."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from droptable.errors import DroptableError
from droptable.journal import store
from droptable.journal.event import Event
from droptable.journal.journal import Journal

Ten = tuple[Path, list[Event]]


def _connect(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path / store.FILE_NAME, isolation_level=None))


def test_the_file_says_what_it_is(ten: Ten) -> None:
    with _connect(ten[0]) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(store.MIGRATIONS),)
        assert connection.execute("PRAGMA application_id").fetchone() == (store.APPLICATION_ID,)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET kind = 'pedal'", "DELETE FROM events", "DELETE FROM events WHERE seq = 10"],
)
def test_the_database_itself_refuses_to_change_an_event(ten: Ten, statement: str) -> None:
    with _connect(ten[0]) as connection, pytest.raises(sqlite3.IntegrityError, match="never"):
        connection.execute(statement)


async def test_a_newer_schema_is_refused_and_named(ten: Ten, noon: Callable[[], datetime]) -> None:
    path, _ = ten
    with _connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(store.MIGRATIONS) + 1}")
    before = (path / store.FILE_NAME).read_bytes()
    with pytest.raises(DroptableError, match="newer program") as refused:
        await Journal.open(path, table="t1", utc=noon)
    assert refused.value.problem.code == "JOURNAL_BROKEN"
    assert (path / store.FILE_NAME).read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE songs (name TEXT)"],
        ["CREATE TABLE songs (name TEXT)", "PRAGMA user_version = 1"],
        ["PRAGMA user_version = 1"],
        ["PRAGMA application_id = 5"],
    ],
)
async def test_another_programs_database_is_left_alone(
    tmp_path: Path, noon: Callable[[], datetime], statements: list[str]
) -> None:
    with _connect(tmp_path) as connection:
        for statement in statements:
            connection.execute(statement)
    before = (tmp_path / store.FILE_NAME).read_bytes()
    with pytest.raises(DroptableError, match="not a journal"):
        await Journal.open(tmp_path, table="t1", utc=noon)
    assert (tmp_path / store.FILE_NAME).read_bytes() == before


async def test_an_older_schema_is_brought_up_to_date_in_one_piece(
    ten: Ten, noon: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, events = ten
    before = len(store.MIGRATIONS)
    good = (*store.MIGRATIONS, ("CREATE TABLE notes (text TEXT) STRICT",))
    bad = (*good, ("CREATE TABLE more (text TEXT) STRICT", "CREATE TABLE more (text TEXT) STRICT"))
    monkeypatch.setattr(store, "MIGRATIONS", bad)
    with pytest.raises(DroptableError, match="already exists"):
        await Journal.open(path, table="t1", utc=noon)
    with _connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (before,)

    monkeypatch.setattr(store, "MIGRATIONS", good)
    journal = await Journal.open(path, table="t1", utc=noon)
    assert await journal.read(0, 10) == events
    await journal.close()
    with _connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (before + 1,)
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)


@pytest.mark.parametrize("count", [1, store.ROWS_PER_STATEMENT, 3 * store.ROWS_PER_STATEMENT + 5])
def test_rows_are_inserted_all_or_none(tmp_path: Path, count: int) -> None:
    with closing(store.open_for_writing(tmp_path / store.FILE_NAME)) as connection:
        rows: list[store.Row] = [
            (seq, "pedal", None, None, None, "{}") for seq in range(1, count + 1)
        ]
        with pytest.raises(sqlite3.IntegrityError):
            store.insert(connection, [*rows, rows[-1]])
        assert not connection.in_transaction
        assert list(store.read_raw(connection)) == []
        store.insert(connection, rows)
        assert [row[0] for row in store.read_raw(connection)] == list(range(1, count + 1))
