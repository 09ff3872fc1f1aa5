"""Appends to the journal by fifty producers, beside bare sqlite3.

Two floors. The plain one takes rows that lie ready in a list, in batches as large as those that the
journal made, on the thread that measures: no producers, no queue, no canonical JSON, no hashes. The
other one has the same fifty producers on a loop, handing ready rows to a plain writer thread: what
is left above it is the journal's own work. Both use the journal's own tables and indexes.
"""

import asyncio
import queue
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from droptable.journal import store
from droptable.journal.event import BoardRef, Draft
from droptable.journal.journal import Journal
from droptable.journal.store import Row
from droptable.journal.writer import Settled, Waiting
from tests.bench.figures import Figure, against_floor

NAMES = ("journal_append_50_producers", "journal_append_beside_producers")
BAR = 1.3
PRODUCERS = 50
EACH, EACH_QUICK = 40, 4
ROUNDS, ROUNDS_QUICK = 15, 2
BOOT_ID = 7


async def measure(quick: bool) -> list[Figure]:
    """In each round the journal, then the same rows in the same batches by both floors."""
    each = EACH_QUICK if quick else EACH
    rounds = ROUNDS_QUICK if quick else ROUNDS
    events = PRODUCERS * each
    journal_us, plain_us, produced_us = [], [], []
    with TemporaryDirectory(prefix="droptable-bench-") as place:
        directory = Path(place)
        folders = [directory / name for name in ("journal", "plain", "produced")]
        for folder in folders:
            folder.mkdir()
        journal = await Journal.open(folders[0], table="bench", utc=lambda: datetime.now(UTC))
        sizes = _watched_batches(journal)
        with (
            closing(store.open_for_writing(store.file_in(folders[1]))) as plain,
            closing(store.open_for_writing(store.file_in(folders[2]))) as produced,
        ):
            # The first round of each finds its files small and its code cold.
            for turn in range(1 + rounds):
                sizes.clear()
                journal_us.append(await _timed_journal(journal, turn, each) / events)
                rows = await _rows(journal, events)
                plain_us.append(_timed_plain(plain, rows, sizes) / events)
                produced_us.append(await _timed_produced(produced, rows) / events)
        await journal.close()
    value = statistics.median(journal_us[1:])
    note = f"batches of {statistics.mean(sizes):.0f}; {1e6 / value:.0f} events/s"
    beside = "the floor has the same producers and hands ready rows to a plain thread"
    return [
        against_floor(
            *(NAMES[0], "us"),
            value=value,
            floor=statistics.median(plain_us[1:]),
            bar=BAR,
            note=note,
        ),
        against_floor(
            *(NAMES[1], "us"),
            value=value,
            floor=statistics.median(produced_us[1:]),
            bar=BAR,
            note=beside,
        ),
    ]


def _watched_batches(journal: Journal) -> list[int]:
    """The sizes of the batches that the journal makes, as it makes them."""
    sizes: list[int] = []
    chain = journal._writer._chain
    commit = chain.commit

    def watched(batch: Sequence[Waiting]) -> Settled:
        sizes.append(len(batch))
        return commit(batch)

    chain.commit = watched  # type: ignore[method-assign]
    return sizes


def _draft(number: int) -> Draft:
    data = {
        "fall_ms": 48.2,
        "peak_n": 412.0,
        "release_n": 317.6,
        "tension_n": 320,
        "armed_ms": 3146.3,
        "calibration_id": None,
        "board_us": 1_000 * number,
    }
    return Draft("drop", "pelvic", "board", data, BoardRef(BOOT_ID, number))


async def _timed_journal(journal: Journal, turn: int, each: int) -> float:
    first = turn * PRODUCERS * each

    async def produce(producer: int) -> None:
        for number in range(each):
            await journal.append(_draft(first + number * PRODUCERS + producer + 1))

    return await _timed(produce)


async def _rows(journal: Journal, count: int) -> list[Row]:
    """What the journal has just recorded, as rows that lie ready."""
    rows: list[Row] = []
    while len(rows) < count:
        after = journal.head_seq - count + len(rows)
        for event in await journal.read(after, min(count - len(rows), 1000)):
            board = event.board
            assert board is not None
            at = (event.seq, event.kind, event.section, board.boot_id, board.event_seq)
            rows.append((*at, event.canonical().decode()))
    return rows


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT INTO events (seq, kind, section, boot_id, event_seq, event) VALUES (?,?,?,?,?,?)",
        rows,
    )
    connection.execute("COMMIT")


def _timed_plain(connection: sqlite3.Connection, rows: list[Row], sizes: list[int]) -> float:
    began_ns = time.perf_counter_ns()
    start = 0
    for size in sizes:
        _insert(connection, rows[start : start + size])
        start += size
    return (time.perf_counter_ns() - began_ns) / 1000


async def _timed_produced(connection: sqlite3.Connection, rows: list[Row]) -> float:
    loop = asyncio.get_running_loop()
    waiting: queue.SimpleQueue[tuple[Row, asyncio.Future[None]] | None] = queue.SimpleQueue()

    async def produce(producer: int) -> None:
        for row in rows[producer::PRODUCERS]:
            written: asyncio.Future[None] = loop.create_future()
            waiting.put((row, written))
            await written

    writer = threading.Thread(target=_write_all, args=(connection, waiting, loop))
    writer.start()
    try:
        return await _timed(produce)
    finally:
        waiting.put(None)
        writer.join()


def _write_all(
    connection: sqlite3.Connection,
    waiting: "queue.SimpleQueue[tuple[Row, asyncio.Future[None]] | None]",
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A plain writer: what waits goes into one transaction, then all of them are told."""
    while (first := waiting.get()) is not None:
        batch = [first]
        while not waiting.empty() and (another := waiting.get()) is not None:
            batch.append(another)
        # The order in which they wait is that of a round of producers, not of their numbers.
        _insert(connection, sorted(row for row, _ in batch))
        loop.call_soon_threadsafe(_tell, [written for _, written in batch])


def _tell(batch: Sequence["asyncio.Future[None]"]) -> None:
    for written in batch:
        written.set_result(None)


async def _timed(produce: Callable[[int], object]) -> float:
    """Microseconds until all producers have ended."""
    began_ns = time.perf_counter_ns()
    async with asyncio.TaskGroup() as producers:
        for producer in range(PRODUCERS):
            producers.create_task(produce(producer))  # type: ignore[arg-type]
    return (time.perf_counter_ns() - began_ns) / 1000
