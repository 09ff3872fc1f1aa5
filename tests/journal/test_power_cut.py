"""The power goes after any write and any sync: what was promised is there, and nothing else is."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from droptable.journal import store
from droptable.journal.event import Draft, Event
from droptable.journal.journal import Journal
from droptable.journal.small_files import read_small, write_atomically
from droptable.journal.verify import check_recent, stored_events, verify
from tests.journal.power_cut import Cut, Promise, Recorder, Sync, Write, images

BATCHES = (1, 3, 20)
"""How many drops wait together, session by session: one commit, or few."""


async def _recorded(
    directory: Path, utc: Callable[[], datetime], a_drop: Callable[..., Draft]
) -> tuple[Recorder, list[Event]]:
    """A journal that is made, written to, closed and opened again, with everything that it did."""
    events: list[Event] = []
    with Recorder(directory) as recorder:
        for count in BATCHES:
            journal = await Journal.open(directory, table="t1", utc=utc)
            drops = [a_drop(len(events) + number) for number in range(1, count + 1)]
            for waiting in [journal.append(drop) for drop in drops]:
                events.append(await waiting)
                recorder.promise(len(events))
            await journal.close()
    return recorder, events


async def test_after_a_cut_at_any_write_or_sync_the_journal_has_what_it_promised(
    tmp_path: Path, noon: Callable[[], datetime], a_drop: Callable[..., Draft]
) -> None:
    (tmp_path / "lived").mkdir()
    recorder, events = await _recorded(tmp_path / "lived", noon, a_drop)
    cuts = list(images(recorder.operations, Random(1)))
    _all_open(tmp_path, cuts, events)
    assert len(cuts) > 200


def _all_open(tmp_path: Path, cuts: list[Cut], events: list[Event]) -> None:
    for number, cut in enumerate(cuts):
        found = tmp_path / str(number)
        found.mkdir()
        cut.lay_out(found)
        _opens_with_what_was_promised(found, cut, events)


def _opens_with_what_was_promised(found: Path, cut: Cut, events: list[Event]) -> None:
    where = f"after {cut.operations} operations, {cut.how}"
    connection = store.open_for_writing(store.file_in(found))
    try:
        head = check_recent(connection)
    finally:
        store.close_writing(connection)
    verdict = verify(found)
    assert verdict.ok, f"{where}: {verdict.why}"
    assert head.seq >= cut.promised, f"{where}: {cut.promised} were promised, {head.seq} are there"
    if head.seq:
        assert list(stored_events(found)) == events[: head.seq], where


async def test_the_recorder_sees_what_the_journal_does(
    tmp_path: Path, noon: Callable[[], datetime], a_drop: Callable[..., Draft]
) -> None:
    """Otherwise the test above would prove nothing: with everything on the disk, the disk is it."""
    recorder, events = await _recorded(tmp_path, noon, a_drop)
    *_, last = [cut for cut in images(recorder.operations, Random(1)) if cut.how == "all"]
    assert last.files[store.FILE_NAME] == (tmp_path / store.FILE_NAME).read_bytes()
    assert last.promised == len(events) == sum(BATCHES)
    kinds = {type(operation) for operation in recorder.operations}
    assert {Write, Sync, Promise} <= kinds


async def test_a_journal_that_does_not_sync_would_be_found(
    tmp_path: Path, noon: Callable[[], datetime], a_drop: Callable[..., Draft]
) -> None:
    (tmp_path / "lived").mkdir()
    recorder, events = await _recorded(tmp_path / "lived", noon, a_drop)
    careless = [each for each in recorder.operations if not isinstance(each, Sync)]
    cuts = [cut for cut in images(careless, Random(1)) if cut.how == "synced only"]
    with pytest.raises(AssertionError, match="were promised"):
        _all_open(tmp_path, cuts, events)


def test_after_a_cut_a_small_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    contents = [b"first", b"second, longer", b"3"]
    with Recorder(tmp_path) as recorder:
        for number, content in enumerate(contents, 1):
            write_atomically(tmp_path / "small", content)
            recorder.promise(number)
    seen = set()
    for number, cut in enumerate(images(recorder.operations, Random(2))):
        found = tmp_path / f"cut{number}"
        found.mkdir()
        cut.lay_out(found)
        content = read_small(found / "small")
        at = 0 if content is None else contents.index(content) + 1
        assert at in (cut.promised, cut.promised + 1), f"{cut.operations}, {cut.how}: {content!r}"
        seen.add(at)
    assert seen == {0, 1, 2, 3}
