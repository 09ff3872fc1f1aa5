"""The consumer of the documentation keeps each event once, whatever is killed."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from droptable.mqtt.topics import Topics
from tests.brokers import Mosquitto
from tests.mqtt.conftest import Station
from tests.mqtt.doubles import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "consume-events.md"
LINES_MAX = 40


def _program(directory: Path) -> Path:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    lines = [line for line in blocks[0].splitlines() if line.strip()]
    assert len(lines) < LINES_MAX
    path = directory / "consume.py"
    path.write_text(blocks[0])
    return path


@contextmanager
def _consumer(program: Path, port: int, database: Path) -> Iterator["subprocess.Popen[bytes]"]:
    base = Topics("s1", TABLE).base
    process = subprocess.Popen([sys.executable, str(program), str(port), base, str(database)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def _kept(database: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT seq, event FROM events ORDER BY seq").fetchall()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_each_event_is_kept_once_whatever_is_killed(
    broker: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    program, database = _program(tmp_path), tmp_path / "events.db"
    station = Station(broker.port, sink=True, protocol=protocol)
    async with station.running():
        # Nobody listens yet: the broker acknowledges, and has nobody to give it to.
        station.journal.commit(300)
        for round_ends in (400, 500, 600):
            with _consumer(program, broker.port, database):
                station.journal.commit(100)
                if round_ends == 500:
                    broker.kill()
                    broker.start()
                await _until(lambda ends=round_ends: station.cursor.seq > ends - 60)
        with _consumer(program, broker.port, database):
            station.journal.commit(1)
            await _until(lambda: station.cursor.seq == 601)
    kept = _kept(database)
    assert [seq for seq, _ in kept] == list(range(1, 602))
    assert [event for _, event in kept] == [event.canonical() for event in station.journal.events]
    assert station.cursor.steps == sorted(set(station.cursor.steps))
