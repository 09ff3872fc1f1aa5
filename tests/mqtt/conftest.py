"""A broker for each test that asks for one, and a publisher over the doubles."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from droptable.daemon.clock import SystemClock
from droptable.mqtt.publisher import Publisher
from droptable.mqtt.settings import MqttSettings
from tests.brokers import Mosquitto
from tests.mqtt.doubles import TABLE, MemoryCursor, MemoryJournal, SettableTable

CANCEL_MAX_S = 1.0


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers; all have ended when the test has."""
    started: list[Mosquitto] = []

    def start(**options: Any) -> Mosquitto:
        directory = tmp_path / f"broker{len(started)}"
        directory.mkdir()
        started.append(Mosquitto(directory, **options))
        started[-1].start()
        return started[-1]

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto()


@pytest.fixture(params=["3.1.1", "5"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def quick_settings(port: int, **changes: Any) -> MqttSettings:
    """As in a practice, but with times that a test can wait for."""
    return MqttSettings(
        **(
            {
                "site": "s1",
                "table": TABLE,
                "port": port,
                "connect_timeout_s": 2.0,
                "publish_timeout_s": 2.0,
                "retry_first_ms": 20,
                "retry_most_ms": 100,
            }
            | changes
        )
    )


class Station:
    """A publisher and everything around it that a test looks at."""

    def __init__(self, port: int, *, after: int = 0, **changes: Any) -> None:
        self.journal = MemoryJournal()
        self.cursor = MemoryCursor(after)
        self.table = SettableTable()
        self.stops: list[str] = []
        self.publisher = Publisher(
            self.journal,
            quick_settings(port, **changes),
            SystemClock(),
            self.table,
            stop=self.stops.append,
            cursor=self.cursor,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Station"]:
        """The publisher runs inside, and is cancelled, within a second, on the way out."""
        run = asyncio.create_task(self.publisher.run())
        try:
            yield self
        finally:
            run.cancel()
            async with asyncio.timeout(CANCEL_MAX_S):
                outcome = await asyncio.gather(run, return_exceptions=True)
        assert isinstance(outcome[0], asyncio.CancelledError), outcome

    @property
    def code(self) -> str | None:
        problem = self.publisher.problem
        return None if problem is None else problem.problem.code
