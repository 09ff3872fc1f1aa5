"""Verification names the first thing that is wrong, whatever it is, and never cries wolf."""

import hashlib
import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785

from droptable.errors import DroptableError
from droptable.journal import store
from droptable.journal.event import GENESIS, Draft, Event, Head
from droptable.journal.journal import Journal
from droptable.journal.verify import RECENT, Verdict, check_recent, head, stored_events, verify

Ten = tuple[Path, list[Event]]


@contextmanager
def _tampering(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path / store.FILE_NAME)) as connection, connection:
        for trigger in ("events_never_change", "events_never_vanish"):
            connection.execute(f"DROP TRIGGER {trigger}")
        yield connection


def _rewrite(connection: sqlite3.Connection, seq: int, text: str | bytes) -> None:
    connection.execute("UPDATE events SET event = CAST(? AS TEXT) WHERE seq = ?", (text, seq))


def _is_believed(path: Path) -> bool:
    try:
        return verify(path).ok
    except DroptableError:
        return False


def _rehashed(event: Event, **changed: object) -> Event:
    """The event as a forger would leave it: changed, and its own hash right again."""
    fields = {**event.to_json(), **changed}
    fields.pop("hash")
    own = hashlib.sha256(rfc8785.dumps(fields)).hexdigest()
    return Event(**fields, hash=own)


def test_a_whole_journal_verifies_and_names_its_head(ten: Ten) -> None:
    path, events = ten
    newest = Head(events[-1].epoch, 10, events[-1].hash)
    assert verify(path) == verify(path / store.FILE_NAME) == Verdict(10, newest)
    assert head(path) == newest
    assert list(stored_events(path)) == events
    for event in events:
        assert verify(path, Head(event.epoch, event.seq, event.hash)).ok


async def test_an_empty_journal_verifies(tmp_path: Path, journal: Journal) -> None:
    assert verify(tmp_path) == Verdict(0, Head(journal.epoch, 0, GENESIS))
    assert verify(tmp_path, Head(journal.epoch, 0, GENESIS)).ok


async def test_verification_runs_beside_a_writing_daemon(
    tmp_path: Path, journal: Journal, a_drop: Callable[..., Draft]
) -> None:
    event = await journal.append(a_drop(1))
    assert verify(tmp_path).head == Head(event.epoch, 1, event.hash)
    assert (await journal.append(a_drop(2))).seq == 2


def test_no_journal_is_not_a_broken_journal(tmp_path: Path) -> None:
    for ask in (verify, head, lambda path: list(stored_events(path))):
        with pytest.raises(FileNotFoundError):
            ask(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"nothing of a database " * 50])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store.FILE_NAME).write_bytes(content)
    with pytest.raises(DroptableError) as refused:
        verify(tmp_path)
    assert refused.value.problem.code == "JOURNAL_BROKEN"


@pytest.mark.parametrize("seq", [1, 5, 10])
def test_a_flipped_bit_in_an_event_is_named(ten: Ten, seq: int) -> None:
    path, events = ten
    file = path / store.FILE_NAME
    content = bytearray(file.read_bytes())
    place = content.index(events[seq - 1].canonical())
    length = len(events[seq - 1].canonical())
    for bit in random.Random(seq).sample(range(length * 8), 60):
        content[place + bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        verdict = verify(path)
        assert (verdict.events, verdict.first_bad_seq) == (seq - 1, seq)
        content[place + bit // 8] ^= 1 << bit % 8


def test_any_flipped_bit_of_the_file_is_found_or_harmless(ten: Ten) -> None:
    path, events = ten
    file = path / store.FILE_NAME
    content = bytearray(file.read_bytes())
    found = 0
    for bit in random.Random(11).sample(range(len(content) * 8), 400):
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        ok = _is_believed(path)
        found += not ok
        if ok:
            assert list(stored_events(path)) == events
        content[bit // 8] ^= 1 << bit % 8
    assert found > 20


def test_a_missing_event_is_named(ten: Ten) -> None:
    path, _ = ten
    with _tampering(path) as connection:
        connection.execute("DELETE FROM events WHERE seq IN (4, 7)")
    verdict = verify(path)
    assert (verdict.events, verdict.first_bad_seq) == (3, 4)
    assert "missing" in str(verdict.why)


def test_a_missing_beginning_is_named(ten: Ten) -> None:
    path, _ = ten
    with _tampering(path) as connection:
        connection.execute("DELETE FROM events WHERE seq = 1")
    assert verify(path).first_bad_seq == 1


def test_a_tail_that_was_cut_off_shows_beside_a_known_head(ten: Ten) -> None:
    path, events = ten
    known = head(path)
    with _tampering(path) as connection:
        connection.execute("DELETE FROM events WHERE seq > 8")
    assert verify(path).ok
    verdict = verify(path, known)
    assert (verdict.events, verdict.first_bad_seq) == (8, 9)
    assert "cut off" in str(verdict.why)
    assert verdict.head.hash == events[7].hash


def test_a_changed_event_with_a_right_hash_breaks_the_next_one(ten: Ten) -> None:
    path, events = ten
    forged = _rehashed(events[4], actor="someone")
    with _tampering(path) as connection:
        _rewrite(connection, 5, forged.canonical())
    verdict = verify(path)
    assert verdict.first_bad_seq == 6
    assert "does not continue" in str(verdict.why)


def test_a_journal_rewritten_to_its_end_shows_beside_a_known_head(ten: Ten) -> None:
    path, events = ten
    known = head(path)
    prev = events[4].prev
    with _tampering(path) as connection:
        for event in events[4:]:
            forged = _rehashed(event, prev=prev, actor="someone")
            _rewrite(connection, event.seq, forged.canonical())
            prev = forged.hash
    assert verify(path).ok
    verdict = verify(path, known)
    assert verdict.first_bad_seq == 10
    assert "rewritten" in str(verdict.why)


def test_another_journal_is_not_taken_for_this_one(ten: Ten) -> None:
    path, _ = ten
    verdict = verify(path, replace(head(path), epoch="f" * 32))
    assert not verdict.ok
    assert verdict.first_bad_seq is None


def test_an_event_of_another_journal_is_named(ten: Ten) -> None:
    path, events = ten
    with _tampering(path) as connection:
        _rewrite(connection, 10, _rehashed(events[9], epoch="f" * 32).canonical())
    verdict = verify(path)
    assert verdict.first_bad_seq == 10
    assert "another journal" in str(verdict.why)


def test_another_spelling_is_named(ten: Ten) -> None:
    path, events = ten
    with _tampering(path) as connection:
        _rewrite(connection, 3, json.dumps(events[2].to_json()))
    verdict = verify(path)
    assert verdict.first_bad_seq == 3
    assert "canonically" in str(verdict.why)


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff\xfe", b"[" * 5000, b"null"])
def test_what_is_no_event_at_all_is_named(ten: Ten, text: bytes) -> None:
    path, _ = ten
    with _tampering(path) as connection:
        _rewrite(connection, 2, text)
    assert verify(path).first_bad_seq == 2


@pytest.mark.parametrize(
    "change",
    ["kind = 'pedal'", "section = NULL", "boot_id = 1", "event_seq = NULL, boot_id = NULL"],
)
def test_a_row_filed_under_other_values_is_named(ten: Ten, change: str) -> None:
    path, _ = ten
    with _tampering(path) as connection:
        connection.execute(f"UPDATE events SET {change} WHERE seq = 9")
    verdict = verify(path)
    assert verdict.first_bad_seq == 9
    assert "filed" in str(verdict.why)


def test_damage_beside_the_events_is_found_and_told_apart(ten: Ten) -> None:
    path, _ = ten
    with _tampering(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'events_by_board'")
    verdict = verify(path)
    assert (verdict.ok, verdict.events, verdict.first_bad_seq) == (False, 10, None)
    assert "every event is right" in str(verdict.why)


def test_a_file_cut_in_the_middle_of_a_page_is_found(ten: Ten) -> None:
    path, _ = ten
    file = path / store.FILE_NAME
    file.write_bytes(file.read_bytes()[:-2000])
    assert not _is_believed(path)


async def test_opening_checks_the_newest_events_and_how_they_begin(
    tmp_path: Path, noon: Callable[..., object], a_drop: Callable[..., Draft]
) -> None:
    journal = await Journal.open(tmp_path, table="t1", utc=noon)  # type: ignore[arg-type]
    futures = [journal.append(a_drop(number)) for number in range(1, RECENT + 51)]
    for future in futures:
        newest = await future
    await journal.close()
    with closing(store.open_for_reading(tmp_path / store.FILE_NAME)) as connection:
        assert check_recent(connection) == Head(newest.epoch, RECENT + 50, newest.hash)

    with _tampering(tmp_path) as connection:
        connection.execute("DELETE FROM events WHERE seq = 50")
        with pytest.raises(ValueError, match="event 50 is missing"):
            check_recent(connection)
