"""From the drop edge on the board to an MQTT subscriber, beside the least that this could take.

The board and the subscriber are in this process, so that one clock sees both ends; the daemon and
the broker are processes of their own. The floor does here, one after the other, what cannot be left
out: one insert that is on the disk, and one QoS 1 publication by bare paho.
"""

import asyncio
import random
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.figures import Figure, against_floor, percentile
from tests.bench.stage import TOPICS, set_stage
from tests.brokers import LOOPBACK

NAMES = ("drop_edge_to_subscriber_p50",)
BAR = 1.5
SAMPLES, SAMPLES_QUICK = 300, 10
WARM_UP = 5
ARRIVE_MAX_S = 5.0
PAUSE_S = (0.03, 0.06)
"""At random, so that no sample keeps step with the daemon's own times."""

DROPS = f"{TOPICS}/event/drop"
FLOOR = "bench/floor"


async def measure(quick: bool) -> list[Figure]:
    """Both in turn, to one subscriber."""
    samples = SAMPLES_QUICK if quick else SAMPLES
    dice = random.Random(1)
    floor_ms, whole_ms = [], []
    async with set_stage() as stage:
        with ExitStack() as parts:
            subscriber = parts.enter_context(_Subscriber(stage.broker.port).listening())
            first = subscriber.next()
            stage.board.drop()
            event = (await _arrived(first))[1]
            bare = parts.enter_context(_bare(stage.directory / "floor.sqlite3", stage.broker.port))
            for _ in range(WARM_UP + samples):
                await asyncio.sleep(dice.uniform(*PAUSE_S))
                arriving = subscriber.next()
                began_ns = time.perf_counter_ns()
                bare.insert_and_publish(event)
                floor_ms.append(((await _arrived(arriving))[0] - began_ns) / 1e6)
                await asyncio.sleep(dice.uniform(*PAUSE_S))
                arriving = subscriber.next()
                began_ns = stage.board.drop()
                whole_ms.append(((await _arrived(arriving))[0] - began_ns) / 1e6)
    value, floor = percentile(whole_ms[WARM_UP:], 50), percentile(floor_ms[WARM_UP:], 50)
    p99 = percentile(whole_ms[WARM_UP:], 99), percentile(floor_ms[WARM_UP:], 99)
    note = f"p99 {p99[0]:.1f} beside {p99[1]:.1f} ms"
    return [against_floor(NAMES[0], "ms", value=value, floor=floor, bar=BAR, note=note)]


async def _arrived(arriving: "asyncio.Future[tuple[int, bytes]]") -> tuple[int, bytes]:
    async with asyncio.timeout(ARRIVE_MAX_S):
        return await arriving


class _Subscriber:
    """Bare paho on the loop; notes when a message came."""

    def __init__(self, port: int) -> None:
        self._client = _connected(port, "bench-subscriber")
        self._client.on_message = self._on_message
        self._arriving: asyncio.Future[tuple[int, bytes]] | None = None

    @contextmanager
    def listening(self) -> Iterator["_Subscriber"]:
        with _on_loop(self._client):
            self._client.subscribe([(DROPS, 1), (FLOOR, 1)])
            yield self

    def next(self) -> "asyncio.Future[tuple[int, bytes]]":
        self._arriving = asyncio.get_running_loop().create_future()
        return self._arriving

    def _on_message(self, _client: paho.Client, _nothing: None, message: paho.MQTTMessage) -> None:
        arrived_ns = time.perf_counter_ns()
        if self._arriving is not None and not self._arriving.done():
            self._arriving.set_result((arrived_ns, message.payload))


class _Bare:
    """A table of one column, and a client."""

    def __init__(self, connection: sqlite3.Connection, client: paho.Client) -> None:
        self._connection = connection
        self._client = client

    def insert_and_publish(self, event: bytes) -> None:
        # Outside a transaction each statement is one, and is on the disk when it returns.
        self._connection.execute("INSERT INTO events (event) VALUES (?)", (event.decode(),))
        self._client.publish(FLOOR, event, qos=1)


@contextmanager
def _bare(path: Path, port: int) -> Iterator[_Bare]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, event TEXT NOT NULL)")
        client = _connected(port, "bench-publisher")
        with _on_loop(client):
            yield _Bare(connection, client)


def _connected(port: int, name: str) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, name)
    client.connect(LOOPBACK, port, keepalive=3600)
    while not client.is_connected():
        client.loop(0.1)
    opened = client.socket()
    assert opened is not None
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


@contextmanager
def _on_loop(client: paho.Client) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    opened = client.socket()
    assert opened is not None
    loop.add_reader(opened, client.loop_read)
    try:
        yield
    finally:
        loop.remove_reader(opened)
        client.disconnect()
