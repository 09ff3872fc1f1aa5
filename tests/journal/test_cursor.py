"""A cursor only grows, survives a restart, and says when it had to begin again."""

import json
from pathlib import Path

import pytest

from droptable.journal.cursor import Cursor

EPOCH = "a" * 32


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_cursor_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "committed.json"
    cursor = Cursor.load(path, EPOCH)
    assert (cursor.seq, cursor.finding) == (0, None)
    cursor.advance(7)
    assert cursor.seq == 7
    await cursor.flush()
    again = Cursor.load(path, EPOCH)
    assert (again.seq, again.finding) == (7, None)


async def test_a_cursor_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "committed.json"
    cursor = Cursor.load(path, EPOCH)
    for seq in (3, 1, 9, 9, 2, 0, -5):
        cursor.advance(seq)
    assert cursor.seq == 9
    await cursor.flush()
    assert Cursor.load(path, EPOCH).seq == 9


async def test_many_advances_end_with_the_newest_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "committed.json"
    cursor = Cursor.load(path, EPOCH)
    for seq in range(1, 10_001):
        cursor.advance(seq)
    await cursor.flush()
    assert Cursor.load(path, EPOCH).seq == 10_000
    assert _names(tmp_path) == ["committed.json"]
    cursor.advance(10_001)
    await cursor.flush()
    assert Cursor.load(path, EPOCH).seq == 10_001


async def test_a_flush_with_nothing_to_write_writes_nothing(tmp_path: Path) -> None:
    cursor = Cursor.load(tmp_path / "committed.json", EPOCH)
    await cursor.flush()
    assert _names(tmp_path) == []


def test_a_cursor_of_another_journal_begins_again_without_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "committed.json"
    path.write_text(json.dumps({"epoch": "b" * 32, "seq": 70}))
    cursor = Cursor.load(path, EPOCH)
    assert (cursor.seq, cursor.finding) == (0, None)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"[]", b"7", b"\xff", b"x" * 100_000,
        b'{"epoch":"a"}', b'{"epoch":1,"seq":1}', b'{"epoch":"a","seq":"1"}',
        b'{"epoch":"a","seq":true}', b'{"epoch":"a","seq":-1}', b'{"epoch":"a","seq":1,"x":1}',
        b'{"epoch":"a","seq":1.5}',
    ],
)  # fmt: skip
async def test_a_cursor_that_cannot_be_read_begins_again_with_a_finding(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "committed.json"
    path.write_bytes(content)
    cursor = Cursor.load(path, "a")
    assert cursor.seq == 0
    assert "committed.json" in str(cursor.finding)
    cursor.advance(1)
    await cursor.flush()
    assert (Cursor.load(path, "a").seq, cursor.finding) == (1, None)


async def test_a_cursor_that_cannot_be_written_goes_on_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cursor = Cursor.load(tmp_path / "file" / "committed.json", EPOCH)
    cursor.advance(5)
    await cursor.flush()
    assert cursor.seq == 5
    assert "cannot be written" in str(cursor.finding)
