"""Old events are given up when nobody needs them any more, and the rest proves itself all the same."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from droptable.daemon.clock import SystemClock
from droptable.errors import DroptableError
from droptable.journal import retention, store
from droptable.journal.event import Draft, Event, Head
from droptable.journal.journal import Journal
from droptable.journal.retention import Retention
from droptable.journal.verify import stored_events, verify

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 100
KEEP = timedelta(days=30)


class Past:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def few_board_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BOARD_EVENTS_KEPT", 5)
    monkeypatch.setattr(retention, "STEP", 7)


@pytest.fixture
async def hundred(tmp_path: Path, a_drop: Callable[..., Draft]) -> tuple[Path, list[Event]]:
    """A closed journal with a drop a day, for a hundred days."""
    clock = Past()
    journal = await Journal.open(tmp_path, table="t1", utc=clock)
    waiting = []
    for day in range(1, DAYS + 1):
        clock.now = BEGAN + timedelta(days=day)
        waiting.append(journal.append(a_drop(day)))
    events = [await each for each in waiting]
    await journal.close()
    return tmp_path, events


Hundred = tuple[Path, list[Event]]


async def _look(path: Path, *, days: float, taken_over: int = DAYS) -> tuple[Journal, int]:
    """Open the journal and look `days` after its beginning."""
    clock = Past()
    clock.now = BEGAN + timedelta(days=days)
    journal = await Journal.open(path, table="t1", utc=clock)
    keeper = Retention(journal, SystemClock(), keep=KEEP, taken_over=lambda: taken_over)
    try:
        return journal, await keeper.look(clock.now)
    except BaseException:
        await journal.close()
        raise


@pytest.mark.usefixtures("few_board_events")
@pytest.mark.parametrize(
    ("days", "taken_over", "last"),
    [
        (30, DAYS, 0),
        (31, DAYS, 0),
        (31.5, DAYS, 1),
        (60.5, DAYS, 30),
        (60.5, 12, 12),
        (60.5, 0, 0),
        (1_000, DAYS, 95),
        (1_000, 96, 95),
        (1_000, 94, 94),
    ],
)
async def test_what_is_old_and_taken_over_is_given_up_and_nothing_else(
    hundred: Hundred, days: float, taken_over: int, last: int
) -> None:
    path, events = hundred
    journal, count = await _look(path, days=days, taken_over=taken_over)
    assert count == last
    left = await journal.read(0, 1000)
    await journal.close()
    assert left[: DAYS - last] == events[last:]
    assert [each.kind for each in left[DAYS - last :]] == (["journal_pruned"] if last else [])
    verdict = verify(path)
    assert verdict.ok, verdict.why
    assert verdict.events == len(left)


@pytest.mark.usefixtures("few_board_events")
async def test_the_chain_goes_on_through_every_opening(
    hundred: Hundred, a_drop: Callable[..., Draft]
) -> None:
    path, events = hundred
    for days, last in ((50.5, 20), (50.6, 0), (70.5, 20)):
        journal, count = await _look(path, days=days)
        assert count == last
        await journal.close()
    journal, _ = await _look(path, days=70.6)
    again = await journal.append(a_drop(DAYS))
    new = await journal.append(a_drop(DAYS + 1))
    await journal.close()
    assert again == events[-1]
    assert new.seq == DAYS + 3
    assert [each.seq for each in stored_events(path)] == list(range(41, DAYS + 4))
    assert verify(path, Head(new.epoch, new.seq, new.hash)).ok


@pytest.mark.usefixtures("few_board_events")
async def test_a_beginning_that_was_cut_off_is_not_taken_for_one_that_was_given_up(
    hundred: Hundred,
) -> None:
    path, _ = hundred
    with closing(store.open_for_writing(path / store.FILE_NAME)) as connection:
        store.give_up(connection, 20)
    verdict = verify(path)
    assert verdict.first_bad_seq == 20
    assert "cut off" in (verdict.why or "")


@pytest.mark.usefixtures("few_board_events")
async def test_more_cut_off_than_was_announced_is_found(hundred: Hundred) -> None:
    path, _ = hundred
    journal, _ = await _look(path, days=50.5)
    await journal.close()
    with closing(store.open_for_writing(path / store.FILE_NAME)) as connection:
        store.give_up(connection, 21)
    assert not verify(path).ok


@pytest.mark.usefixtures("few_board_events")
async def test_what_somebody_remembers_of_before_the_horizon(hundred: Hundred) -> None:
    path, events = hundred
    journal, last = await _look(path, days=50.5)
    await journal.close()
    at = events[last - 1]
    assert verify(path, Head(at.epoch, at.seq, at.hash)).ok
    assert not verify(path, Head(at.epoch, at.seq, "0" * 64)).ok
    assert verify(path, Head(at.epoch, at.seq - 1, "0" * 64)).ok


@pytest.mark.usefixtures("few_board_events")
async def test_a_cut_between_announcing_and_giving_up_is_made_good_the_next_time(
    hundred: Hundred, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = hundred

    async def no_more(_self: Journal, _through: int) -> None:
        raise DroptableError("STATE_UNWRITABLE", "the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(Journal, "give_up", no_more)
        with pytest.raises(DroptableError, match="the disk is gone"):
            await _look(path, days=50.5)
    assert verify(path).ok
    journal, count = await _look(path, days=50.5)
    await journal.close()
    assert count == 20
    assert verify(path).ok


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE seq = 21",
        "UPDATE horizon SET seq = 19",
        "UPDATE horizon SET seq = 20",
        "UPDATE horizon SET seq = 1000",
        "DELETE FROM horizon",
    ],
)
@pytest.mark.usefixtures("few_board_events")
async def test_the_database_itself_refuses_all_else(hundred: Hundred, statement: str) -> None:
    path, _ = hundred
    journal, _ = await _look(path, days=50.5)
    await journal.close()
    refused = pytest.raises(sqlite3.IntegrityError, match="never")
    with closing(sqlite3.connect(path / store.FILE_NAME)) as connection, refused:
        connection.execute(statement)


async def test_the_newest_event_is_never_given_up(hundred: Hundred) -> None:
    path, _ = hundred
    journal = await Journal.open(path, table="t1", utc=Past())
    with pytest.raises(DroptableError, match="not old"):
        await journal.give_up(DAYS)
    await journal.close()
    with pytest.raises(DroptableError, match="closed"):
        await journal.give_up(1)
    assert verify(path).events == DAYS


async def test_a_thousand_of_the_boards_events_stay_whatever_their_age(
    tmp_path: Path, a_drop: Callable[..., Draft]
) -> None:
    clock = Past()
    journal = await Journal.open(tmp_path, table="t1", utc=clock)
    waiting = [journal.append(a_drop(number)) for number in range(1, 1_102)]
    for each in waiting:
        await each
    keeper = Retention(journal, clock=SystemClock(), keep=KEEP, taken_over=lambda: 1_101)
    assert await keeper.look(BEGAN + timedelta(days=400)) == 101
    known = await journal.append(a_drop(102))
    assert known.seq == 102
    await journal.close()


async def test_events_that_wait_while_others_are_given_up_are_recorded_in_order(
    hundred: Hundred, a_drop: Callable[..., Draft]
) -> None:
    path, _ = hundred
    journal = await Journal.open(path, table="t1", utc=Past())
    first = journal.append(a_drop(201))
    given_up = journal.give_up(50)
    waiting = [first, *(journal.append(a_drop(202 + number)) for number in range(20))]
    await given_up
    assert [(await each).seq for each in waiting] == list(range(DAYS + 1, DAYS + 22))
    await journal.close()
    assert next(each.seq for each in stored_events(path)) == 51


def test_a_journal_of_the_first_version_keeps_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / store.FILE_NAME
    with monkeypatch.context() as older:
        older.setattr(store, "MIGRATIONS", store.MIGRATIONS[:1])
        with closing(store.open_for_writing(path)) as connection:
            epoch = store.read_epoch(connection)
    with closing(store.open_for_reading(path)) as reader:
        assert store.read_horizon(reader) == Head(epoch, 0, "0" * 64)
    with closing(store.open_for_writing(path)) as connection:
        assert store.read_horizon(connection) == Head(epoch, 0, "0" * 64)
