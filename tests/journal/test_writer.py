"""What the writing thread does when the disk lies, and when the thread itself has a bug."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from droptable.journal import store
from droptable.journal.event import Draft
from droptable.journal.journal import Journal, JournalUnwritable
from droptable.journal.verify import verify
from droptable.journal.writer import Chain

MakeDraft = Callable[..., Draft]


async def test_an_event_that_was_called_lost_but_is_there_is_told_once(
    journal: Journal, tmp_path: Path, a_drop: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    journal.on_commit(lambda event: heard.append(event.seq))
    await journal.append(a_drop(1))
    true_insert = store.insert

    def lying(connection: sqlite3.Connection, rows: Sequence[store.Row]) -> None:
        true_insert(connection, rows)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store, "insert", lying)
    with pytest.raises(JournalUnwritable, match="I/O"):
        await journal.append(a_drop(2))
    assert heard == [1]
    monkeypatch.setattr(store, "insert", true_insert)
    assert (await journal.append(a_drop(2))).seq == 2
    assert (await journal.append(a_drop(3))).seq == 3
    assert heard == [1, 2, 3]
    assert verify(tmp_path).events == 3


async def test_each_draft_of_a_failed_batch_is_told(
    journal: Journal, a_drop: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(connection: sqlite3.Connection, rows: Sequence[store.Row]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    true_insert = store.insert
    monkeypatch.setattr(store, "insert", refusing)
    futures = [journal.append(a_drop(number)) for number in range(1, 6)]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(outcome, JournalUnwritable) for outcome in outcomes)
    assert len({id(outcome) for outcome in outcomes}) == 5
    assert (journal.writable, journal.head_seq) == (False, 0)
    assert "full" in str(journal.problem)
    monkeypatch.setattr(store, "insert", true_insert)
    assert [(await journal.append(a_drop(number))).seq for number in (1, 2)] == [1, 2]
    assert journal.writable


async def test_a_file_that_was_swapped_below_is_not_continued(
    journal: Journal, tmp_path: Path, a_drop: MakeDraft
) -> None:
    await journal.append(a_drop(1))
    file = tmp_path / store.FILE_NAME
    copy = tmp_path / "copy"
    copy.write_bytes(file.read_bytes())
    copy.replace(file)
    with pytest.raises(JournalUnwritable, match="replaced"):
        await journal.append(a_drop(2))


async def test_a_bug_in_the_thread_is_loud_and_leaves_nobody_waiting(
    tmp_path: Path,
    noon: Callable[[], datetime],
    a_drop: MakeDraft,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = await Journal.open(tmp_path, table="t1", utc=noon)
    await journal.append(a_drop(1))
    raised: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))

    def buggy(self: Chain, batch: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(Chain, "_seal", buggy)
    futures = [journal.append(a_drop(number)) for number in (2, 3)]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(outcome, JournalUnwritable) for outcome in outcomes)
    with pytest.raises(JournalUnwritable):
        await journal.append(a_drop(4))
    assert not journal.writable
    await journal.close()
    assert [str(error) for error in raised] == ["a bug"]
    monkeypatch.undo()
    again = await Journal.open(tmp_path, table="t1", utc=noon)
    assert (await again.append(a_drop(2))).seq == 2
    await again.close()


def test_a_loop_that_ended_without_closing_does_not_lose_what_was_asked(
    tmp_path: Path, noon: Callable[[], datetime], a_drop: MakeDraft
) -> None:
    async def careless() -> Journal:
        journal = await Journal.open(tmp_path, table="t1", utc=noon)
        await journal.append(a_drop(1))
        journal.append(a_drop(2)).cancel()
        return journal

    journal = asyncio.run(careless())
    journal._writer.finish()
    journal._writer.join()
    assert verify(tmp_path).events == 2
