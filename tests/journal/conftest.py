"""What the tests of the journal share: a clock that stands where it is told, and an open journal."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from droptable.journal.event import BoardRef, Draft, Event
from droptable.journal.journal import Journal

NOON = datetime(2026, 3, 1, 12, 0, 0, 250, UTC)


def _noon() -> datetime:
    return NOON


def _a_drop(number: int, *, boot_id: int = 77, section: str = "pelvic") -> Draft:
    fields = {"fall_ms": 45.2, "peak_n": 512.0, "release_n": 301.5, "calibration_id": None}
    return Draft("drop", section, "board", fields, BoardRef(boot_id, number))


@pytest.fixture
def noon() -> Callable[[], datetime]:
    return _noon


@pytest.fixture
def a_drop() -> Callable[..., Draft]:
    return _a_drop


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path, table="t1", utc=_noon)
    yield opened
    await opened.close()


@pytest.fixture
async def ten(tmp_path: Path) -> tuple[Path, list[Event]]:
    """A closed journal of ten drops, and its events."""
    opened = await Journal.open(tmp_path, table="t1", utc=_noon)
    events = [await opened.append(_a_drop(number)) for number in range(1, 11)]
    await opened.close()
    return tmp_path, events
