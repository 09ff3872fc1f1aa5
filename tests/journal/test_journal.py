"""What the daemon relies on: order, durability, exactly one event each, and nothing left behind."""

import asyncio
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from droptable.errors import DroptableError
from droptable.journal import journal as journal_module
from droptable.journal import store
from droptable.journal.backup import back_up
from droptable.journal.event import GENESIS, BoardRef, Draft, Event
from droptable.journal.journal import READ_MAX, Journal, JournalUnwritable
from droptable.journal.verify import verify

MakeDraft = Callable[..., Draft]
Utc = Callable[[], datetime]


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_the_first_event_is_1_and_follows_the_genesis(
    journal: Journal, a_drop: MakeDraft
) -> None:
    assert (journal.head_seq, journal.head_hash) == (0, GENESIS)
    event = await journal.append(a_drop(1))
    assert (event.seq, event.prev, event.table, event.epoch) == (1, GENESIS, "t1", journal.epoch)
    assert event.time == "2026-03-01T12:00:00.000250Z"
    assert (journal.head_seq, journal.head_hash) == (1, event.hash)


async def test_the_order_of_the_calls_is_the_order_of_the_numbers(
    journal: Journal, a_drop: MakeDraft
) -> None:
    futures = [journal.append(a_drop(number)) for number in range(1, 1001)]
    events = await asyncio.gather(*futures)
    assert [event.seq for event in events] == list(range(1, 1001))
    assert [event.data["event_seq"] for event in events] == list(range(1, 1001))
    for before, after in itertools.pairwise(events):
        assert after.prev == before.hash


async def test_fifty_producers_leave_one_gapless_chain(tmp_path: Path, noon: Utc) -> None:
    journal = await Journal.open(tmp_path, table="t1", utc=noon)

    async def produce(producer: int) -> list[int]:
        actor = f"p{producer}"
        return [
            (await journal.append(Draft("pedal", None, actor, {"n": n}))).seq for n in range(20)
        ]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(produce(producer)) for producer in range(50)]
    await journal.close()
    numbers = [task.result() for task in tasks]
    assert all(own == sorted(own) for own in numbers)
    assert sorted(number for own in numbers for number in own) == list(range(1, 1001))
    verdict = verify(tmp_path)
    assert verdict.ok
    assert verdict.events == 1000


async def test_what_is_acknowledged_is_in_the_file_for_another_connection(
    journal: Journal, tmp_path: Path, a_drop: MakeDraft
) -> None:
    event = await journal.append(a_drop(1))
    connection = sqlite3.connect(tmp_path / store.FILE_NAME)
    try:
        rows = connection.execute("SELECT seq, kind, section, event FROM events").fetchall()
    finally:
        connection.close()
    assert rows == [(1, "drop", "pelvic", event.canonical().decode())]


async def test_the_file_is_written_ahead_and_synced_at_every_commit(journal: Journal) -> None:
    pragma = journal._connection.execute
    assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
    assert pragma("PRAGMA synchronous").fetchone() == (2,)  # FULL


async def test_listeners_hear_each_event_once_in_order(journal: Journal, a_drop: MakeDraft) -> None:
    first: list[int] = []
    second: list[int] = []
    journal.on_commit(lambda event: first.append(event.seq))
    journal.on_commit(lambda event: second.append(event.seq))
    for number in (1, 2, 2, 3, 1):
        await journal.append(a_drop(number))
    futures = [journal.append(a_drop(number)) for number in (4, 4, 5, 2)]
    await asyncio.gather(*futures)
    assert first == second == [1, 2, 3, 4, 5]


async def test_a_listener_that_fails_stops_nobody(journal: Journal, a_drop: MakeDraft) -> None:
    heard: list[int] = []
    reported: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail(event: Event) -> None:
        raise RuntimeError(f"no {event.seq}")

    journal.on_commit(fail)
    journal.on_commit(lambda event: heard.append(event.seq))
    await journal.append(a_drop(1))
    await journal.append(a_drop(2))
    assert heard == [1, 2]
    assert [str(error) for error in reported] == ["no 1", "no 2"]


async def test_listeners_run_on_the_loop(journal: Journal, a_drop: MakeDraft) -> None:
    threads: list[threading.Thread] = []
    journal.on_commit(lambda _: threads.append(threading.current_thread()))
    await journal.append(a_drop(1))
    assert threads == [threading.current_thread()]


async def test_a_repeated_board_event_gives_the_recorded_one(
    tmp_path: Path, noon: Utc, a_drop: MakeDraft
) -> None:
    journal = await Journal.open(tmp_path, table="t1", utc=noon)
    once = [await journal.append(a_drop(number)) for number in (1, 2, 3)]
    other = Draft("drop", "lumbar", "board", {"fall_ms": 99}, BoardRef(77, 2))
    assert await journal.append(other) == once[1]
    elsewhere = await journal.append(a_drop(2, boot_id=78))
    assert elsewhere.seq == 4
    assert await journal.append(a_drop(1)) == once[0]
    await journal.close()

    journal = await Journal.open(tmp_path, table="t1", utc=noon)
    assert await journal.append(a_drop(3)) == once[2]
    assert await journal.append(a_drop(2, boot_id=78)) == elsewhere
    assert (await journal.append(a_drop(4))).seq == 5
    await journal.close()


async def test_a_board_event_twice_in_one_batch_is_recorded_once(
    journal: Journal, a_drop: MakeDraft
) -> None:
    futures = [journal.append(a_drop(number)) for number in (1, 2, 1, 2, 3)]
    events = await asyncio.gather(*futures)
    assert [event.seq for event in events] == [1, 2, 1, 2, 3]


async def test_a_board_event_that_comes_late_is_still_recorded(
    journal: Journal, a_drop: MakeDraft
) -> None:
    events = [await journal.append(a_drop(number)) for number in (1, 5, 3, 3)]
    assert [event.data["event_seq"] for event in events] == [1, 5, 3, 3]
    assert [event.seq for event in events] == [1, 2, 3, 3]


async def test_the_newest_board_number_is_known_per_boot(
    journal: Journal, a_drop: MakeDraft
) -> None:
    assert await journal.newest_board_seq(77) == 0
    for number in (1, 2, 3):
        await journal.append(a_drop(number))
    await journal.append(a_drop(9, boot_id=78))
    assert await journal.newest_board_seq(77) == 3
    assert await journal.newest_board_seq(78) == 9


async def test_reading_filters_pages_and_ends(journal: Journal, a_drop: MakeDraft) -> None:
    drops = [await journal.append(a_drop(number)) for number in (1, 2, 3)]
    lumbar = await journal.append(a_drop(4, section="lumbar"))
    pedal = await journal.append(Draft("pedal", None, "board", {"down": True}))
    assert await journal.read(0, 2) == drops[:2]
    assert await journal.read(2, 10) == [drops[2], lumbar, pedal]
    assert await journal.read(0, 10, kind="pedal") == [pedal]
    assert await journal.read(0, 10, section="lumbar") == [lumbar]
    assert await journal.read(1, 1, kind="drop", section="pelvic") == [drops[1]]
    assert await journal.read(5, 10) == []
    assert await journal.get(4) == lumbar
    assert await journal.get(6) is None
    assert await journal.get(0) is None


@pytest.mark.parametrize("limit", [0, -1, READ_MAX + 1])
async def test_a_reading_without_bound_is_refused(journal: Journal, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        await journal.read(0, limit)


async def test_many_readings_at_once_take_turns(journal: Journal, a_drop: MakeDraft) -> None:
    await asyncio.gather(*[journal.append(a_drop(number)) for number in range(1, 101)])
    pages = await asyncio.gather(*[journal.read(after, 10) for after in range(90)])
    assert [page[0].seq for page in pages] == list(range(1, 91))
    readers = [thread for thread in threading.enumerate() if "journal-reader" in thread.name]
    assert len(readers) <= 2


async def test_nothing_can_be_written_through_a_reading(journal: Journal) -> None:
    for statement in ("INSERT INTO journal (epoch) VALUES ('x')", "PRAGMA user_version = 9"):

        def write(connection: sqlite3.Connection, statement: str = statement) -> None:
            connection.execute(statement)

        with pytest.raises(DroptableError, match="readonly"):
            await journal._readers.ask(write)


async def test_time_quality_is_asked_at_each_append(tmp_path: Path, noon: Utc) -> None:
    answers = iter(["synced", "unsynced"])
    journal = await Journal.open(tmp_path, table="t1", utc=noon, time_quality=lambda: next(answers))
    events = [await journal.append(Draft("pedal", None, "board", {})) for _ in range(2)]
    await journal.close()
    assert [event.time_quality for event in events] == ["synced", "unsynced"]


async def test_a_clock_that_nobody_asked_about_is_called_unsynced(journal: Journal) -> None:
    assert (await journal.append(Draft("pedal", None, "a", {}))).time_quality == "unsynced"


async def test_the_time_is_that_of_the_append_not_of_the_commit(tmp_path: Path) -> None:
    moments = iter(datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in range(60))
    journal = await Journal.open(tmp_path, table="t1", utc=lambda: next(moments))
    futures = [journal.append(Draft("pedal", None, "a", {})) for _ in range(3)]
    assert next(moments).second == 3
    assert [(await future).time[17:19] for future in futures] == ["00", "01", "02"]
    await journal.close()


async def test_the_epoch_is_random_and_stays(tmp_path: Path, noon: Utc) -> None:
    epochs = []
    for name in ("a", "a", "b"):
        journal = await Journal.open(tmp_path / name, table="t1", utc=noon)
        epochs.append(journal.epoch)
        await journal.close()
    assert epochs[0] == epochs[1] != epochs[2]
    assert all(len(bytes.fromhex(epoch)) == 16 and epoch.islower() for epoch in epochs)


async def test_a_bad_draft_takes_no_number(journal: Journal, a_drop: MakeDraft) -> None:
    with pytest.raises(ValueError, match="kind"):
        journal.append(Draft("dropp", None, "a", {}))
    assert (await journal.append(a_drop(1))).seq == 1


async def test_giving_up_waiting_does_not_take_the_event_back(
    journal: Journal, a_drop: MakeDraft
) -> None:
    future = journal.append(a_drop(1))
    future.cancel()
    assert (await journal.append(a_drop(2))).seq == 2
    assert [event.seq for event in await journal.read(0, 10)] == [1, 2]


async def test_what_waits_is_bounded_and_a_full_queue_is_seen(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "WAITING_MAX", 10)
    futures = [journal.append(Draft("pedal", None, "a", {"n": n})) for n in range(11)]
    assert not journal.writable
    with pytest.raises(JournalUnwritable, match="10 events wait"):
        await futures[10]
    assert [(await future).seq for future in futures[:10]] == list(range(1, 11))
    assert journal.writable
    assert (await journal.append(Draft("pedal", None, "a", {}))).seq == 11


async def test_close_records_what_waits_and_leaves_nothing_behind(
    tmp_path: Path, noon: Utc, a_drop: MakeDraft
) -> None:
    descriptors = set(_names(Path("/proc/self/fd")))
    threads = set(threading.enumerate())
    journal = await Journal.open(tmp_path, table="t1", utc=noon)
    futures = [journal.append(a_drop(number)) for number in range(1, 601)]
    reading = asyncio.ensure_future(journal.read(0, 10))
    await asyncio.sleep(0)
    await journal.close()
    assert [future.result().seq for future in futures] == list(range(1, 601))
    await reading
    assert set(threading.enumerate()) == threads
    assert set(_names(Path("/proc/self/fd"))) == descriptors
    assert _names(tmp_path) == [store.FILE_NAME, "lock"]


async def test_after_close_nothing_is_taken(journal: Journal, a_drop: MakeDraft) -> None:
    await journal.append(a_drop(1))
    await journal.close()
    await journal.close()
    assert not journal.writable
    with pytest.raises(JournalUnwritable, match="closed"):
        await journal.append(a_drop(2))


async def test_a_close_that_nobody_waits_for_still_ends_in_good_order(
    tmp_path: Path, noon: Utc, a_drop: MakeDraft
) -> None:
    journal = await Journal.open(tmp_path, table="t1", utc=noon)
    future = journal.append(a_drop(1))
    closing = asyncio.ensure_future(journal.close())
    await asyncio.sleep(0)
    closing.cancel()
    await journal.close()
    assert future.result().seq == 1
    await (await Journal.open(tmp_path, table="t1", utc=noon)).close()


async def test_a_second_opener_is_refused_and_told_who_holds_it(
    journal: Journal, tmp_path: Path, noon: Utc, a_drop: MakeDraft
) -> None:
    with pytest.raises(DroptableError, match=rf"process {os.getpid()}") as refused:
        await Journal.open(tmp_path, table="t1", utc=noon)
    assert refused.value.problem.code == "STATE_LOCKED"
    assert (await journal.append(a_drop(1))).seq == 1


async def test_another_process_is_refused_too(journal: Journal, tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from droptable.errors import DroptableError\n"
        "from droptable.journal.journal import Journal\n"
        "try:\n    asyncio.run(Journal.open(Path(sys.argv[1]), table='t', utc=datetime.now))\n"
        "except DroptableError as error:\n    print(error)\n"
    )
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("STATE_LOCKED: ")
    assert f"process {os.getpid()}" in run.stdout


async def test_a_refused_opening_leaves_the_lock_free(tmp_path: Path, noon: Utc) -> None:
    (tmp_path / store.FILE_NAME).write_bytes(b"this is not a database, whatever its name says")
    for _ in range(2):
        with pytest.raises(DroptableError) as refused:
            await Journal.open(tmp_path, table="t1", utc=noon)
        assert refused.value.problem.code == "JOURNAL_BROKEN"


async def test_a_state_directory_is_made_closed_to_others(tmp_path: Path, noon: Utc) -> None:
    journal = await Journal.open(tmp_path / "a" / "b", table="t1", utc=noon)
    await journal.close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


async def test_a_state_directory_that_cannot_be_is_reported(tmp_path: Path, noon: Utc) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DroptableError) as refused:
            await Journal.open(path, table="t1", utc=noon)
        assert refused.value.problem.code == "STATE_UNWRITABLE"


async def test_a_broken_tail_is_found_at_opening(ten: tuple[Path, list[Event]], noon: Utc) -> None:
    path, events = ten
    with sqlite3.connect(path / store.FILE_NAME) as connection:
        connection.execute("DROP TRIGGER events_never_change")
        forged = events[6].canonical().replace(b"45.2", b"45.3").decode()
        connection.execute("UPDATE events SET event = ? WHERE seq = 7", (forged,))
    connection.close()
    with pytest.raises(DroptableError, match="event 7: its content") as refused:
        await Journal.open(path, table="t1", utc=noon)
    assert refused.value.problem.code == "JOURNAL_BROKEN"


async def test_a_removed_file_is_noticed_at_the_next_append(
    journal: Journal, tmp_path: Path, a_drop: MakeDraft
) -> None:
    await journal.append(a_drop(1))
    (tmp_path / store.FILE_NAME).rename(tmp_path / "away")
    with pytest.raises(JournalUnwritable):
        await journal.append(a_drop(2))
    assert not journal.writable
    (tmp_path / "away").rename(tmp_path / store.FILE_NAME)
    assert (await journal.append(a_drop(2))).seq == 2
    assert journal.writable


async def test_a_backup_beside_a_writer_is_one_moment_of_the_journal(
    journal: Journal, tmp_path: Path, a_drop: Callable[..., Draft]
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    written = 0
    for number in range(5):
        waiting = [journal.append(a_drop(written + each)) for each in range(1, 41)]
        verdict = await asyncio.to_thread(back_up, tmp_path, copies / str(number))
        written += len([await each for each in waiting])
        assert verdict.ok, verdict.why
        assert written - 40 <= verdict.events <= written
    assert sorted(file.name for file in copies.iterdir()) == ["0", "1", "2", "3", "4"]
