"""One connection: what ends it, and that a broker which speaks nonsense costs nothing else."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from droptable.daemon.clock import SystemClock
from droptable.mqtt.client import (
    MAX_INCOMING_BYTES,
    Connection,
    Incoming,
    Will,
    broker_connection,
)
from droptable.mqtt.problems import BrokerProblem, PublicationRefused
from tests.brokers import Mosquitto, free_port
from tests.mqtt.conftest import quick_settings
from tests.mqtt.observer import WAIT_MAX_S, observer, until

CONNACK = b"\x20\x02\x00\x00"
CONNACK_V5 = b"\x20\x03\x00\x00\x00"

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(
    port: int, received: list[Incoming] | None = None, **changes: Any
) -> AsyncIterator[Connection]:
    """A connection that is kept alive, as the publisher keeps it."""
    inbox: list[Incoming] = [] if received is None else received
    will = Will("gone", b"offline")
    settings = quick_settings(port, **changes)
    async with broker_connection(settings, SystemClock(), will, inbox.append) as connection:
        alive = asyncio.create_task(connection.keep_alive())
        try:
            yield connection
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)


@asynccontextmanager
async def false_broker(speak: Speak) -> AsyncIterator[int]:
    """Takes connections on loopback, reads CONNECT, then says what it is told to."""
    spoken: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        spoken.add(task)
        try:
            await reader.read(1024)
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Cancelled is how it ends; on 3.11 the server's own callback would complain of it.
            return
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in spoken:
            task.cancel()
        await asyncio.gather(*spoken, return_exceptions=True)
        await server.wait_closed()


def publish_packet(
    topic: str, payload: bytes, *, claimed: int | None = None, qos: int = 0
) -> bytes:
    mid = b"\x00\x07" if qos else b""
    body = struct.pack("!H", len(topic)) + topic.encode() + mid + payload
    left = len(body) if claimed is None else claimed
    length = bytearray()
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([0x30 | qos << 1]) + bytes(length) + body


async def test_a_closed_port_says_so() -> None:
    with pytest.raises(BrokerProblem, match=r"BROKER_UNREACHABLE: .*connection refused"):
        async with connected(free_port()):
            pass


async def test_a_host_without_an_address_says_so() -> None:
    with pytest.raises(BrokerProblem, match=r"BROKER_UNREACHABLE: no-such-host\.invalid:1883: "):
        async with connected(1883, host="no-such-host.invalid"):
            pass


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def speak(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with false_broker(speak) as port:
        with pytest.raises(BrokerProblem, match=r"does not answer in 0\.1 s"):
            async with connected(port, connect_timeout_s=0.1):
                pass


async def test_a_server_that_closes_at_once_is_seen_at_once() -> None:
    async def speak(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        return

    async with false_broker(speak) as port, asyncio.timeout(5):
        with pytest.raises(BrokerProblem, match="closed the connection instead of accepting it"):
            async with connected(port, connect_timeout_s=30.0):
                pass


async def test_a_lost_connection_fails_what_waits_at_once(protocol: str) -> None:
    """Not when the publish timeout passes."""
    cut = asyncio.Event()

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK if protocol == "3.1.1" else CONNACK_V5)
        await cut.wait()

    async with (
        false_broker(speak) as port,
        asyncio.timeout(5),
        connected(port, protocol=protocol, publish_timeout_s=30.0) as connection,
    ):
        answers = [connection.publish("t", b"", qos=1) for _ in range(3)]
        cut.set()
        for answer in answers:
            with pytest.raises(BrokerProblem, match="was lost"):
                await answer
        with pytest.raises(BrokerProblem, match="was lost"):
            await connection.until_gone()
        with pytest.raises(BrokerProblem, match="was lost"):
            await connection.publish("t", b"", qos=0)
        with pytest.raises(BrokerProblem, match="was lost"):
            await connection.subscribe(["t"])


async def test_a_broker_that_acknowledges_nothing_is_gone(protocol: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK if protocol == "3.1.1" else CONNACK_V5)
        await reader.read()

    async with (
        false_broker(speak) as port,
        asyncio.timeout(5),
        connected(port, protocol=protocol, publish_timeout_s=0.2) as connection,
    ):
        with pytest.raises(BrokerProblem, match=r"acknowledged nothing in 0\.2 s"):
            await connection.publish("t", b"", qos=1)


async def test_a_slow_broker_that_goes_on_acknowledging_is_not_gone() -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK)
        for mid in range(1, 9):
            await asyncio.sleep(0.05)
            writer.write(b"\x40\x02" + struct.pack("!H", mid))
        await asyncio.Event().wait()

    # Eight answers take longer than the timeout, each for itself does not.
    async with (
        false_broker(speak) as port,
        asyncio.timeout(WAIT_MAX_S),
        connected(port, protocol="3.1.1", publish_timeout_s=0.3) as connection,
    ):
        await asyncio.gather(*(connection.publish("t", b"", qos=1) for _ in range(8)))
        assert connection.problem is None


async def test_an_error_in_an_acknowledgement_of_mqtt_5_is_a_refusal(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto(acl="topic readwrite #\ntopic deny secret\n")
    async with connected(broker.port, protocol="5") as connection:
        with pytest.raises(PublicationRefused, match="secret: Not authorized"):
            await connection.publish("secret", b"x", qos=1)
        await connection.publish("open", b"x", qos=1)
        assert connection.problem is None


async def test_a_refused_subscription_is_named(protocol: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK if protocol == "3.1.1" else CONNACK_V5)
        await reader.read(1024)
        properties = b"" if protocol == "3.1.1" else b"\x00"
        codes = b"\x01\x80"
        length = bytes([2 + len(properties) + len(codes)])
        writer.write(b"\x90" + length + b"\x00\x01" + properties + codes)
        await reader.read()

    async with false_broker(speak) as port, connected(port, protocol=protocol) as connection:
        with pytest.raises(PublicationRefused, match="no subscription to second: "):
            await connection.subscribe(["first", "second"])
        assert connection.problem is None


async def test_no_more_is_in_flight_than_the_broker_allows() -> None:
    """A broker may end a connection that exceeds its Receive Maximum."""
    allowed = 2
    in_flight_most = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal in_flight_most
        writer.write(b"\x20\x06\x00\x00\x03\x21" + struct.pack("!H", allowed))
        while True:
            # MQTT 5, QoS 1, topic "t", no properties, one byte: 9 bytes, the id after five of them.
            unanswered = [(await reader.readexactly(9))[5:7]]
            while reader._buffer:
                unanswered.append((await reader.readexactly(9))[5:7])
            in_flight_most = max(in_flight_most, len(unanswered))
            for mid in unanswered:
                writer.write(b"\x40\x02" + mid)

    async with false_broker(speak) as port, asyncio.timeout(5), connected(port) as connection:
        await asyncio.gather(*(connection.publish("t", b"x", qos=1) for _ in range(10)))
        assert in_flight_most == allowed
        connection.leave()


async def test_a_topic_that_is_no_text_ends_the_connection(protocol: str) -> None:
    properties = b"" if protocol == "3.1.1" else b"\x00"

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK if protocol == "3.1.1" else CONNACK_V5)
        writer.write(b"\x30" + bytes([4 + len(properties)]) + b"\x00\x02\xff\xfe" + properties)
        await asyncio.Event().wait()

    async with false_broker(speak) as port, connected(port, protocol=protocol) as connection:
        with pytest.raises(BrokerProblem, match="does not speak MQTT"):
            await connection.until_gone()


async def test_of_a_packet_that_is_too_long_only_the_beginning_is_kept(protocol: str) -> None:
    rest = b"x" * 3_000_000
    properties = b"" if protocol == "3.1.1" else b"\x00"

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK if protocol == "3.1.1" else CONNACK_V5)
        writer.write(publish_packet("long", properties + rest))
        writer.write(publish_packet("short", properties + b"here"))
        await asyncio.Event().wait()

    received: list[Incoming] = []
    async with false_broker(speak) as port, connected(port, received, protocol=protocol):
        await until(lambda: len(received) == 2)
    assert [message.topic for message in received] == ["long", "short"]
    assert MAX_INCOMING_BYTES - 100 < len(received[0].payload) <= MAX_INCOMING_BYTES
    assert received[1].payload == b"here"


async def test_qos_2_which_nobody_asked_for_ends_the_connection() -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONNACK + publish_packet("t", b"kept until PUBREL", qos=2))
        await asyncio.Event().wait()

    async with false_broker(speak) as port, connected(port, protocol="3.1.1") as connection:
        with pytest.raises(BrokerProblem, match="QoS 2"):
            await connection.until_gone()


@pytest.mark.parametrize("seed", range(60))
async def test_bytes_that_are_not_mqtt_end_the_connection_and_nothing_else(
    protocol: str, seed: int
) -> None:
    """Random packets with a plausible first byte and length, so that every parser is reached."""
    dice = random.Random(seed)
    kinds = [0x20, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0]

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if seed % 2:
            writer.write(CONNACK if protocol == "3.1.1" else CONNACK_V5)
        for _ in range(200):
            body = dice.randbytes(dice.randrange(12))
            writer.write(bytes([dice.choice(kinds), len(body)]) + body)
        await writer.drain()

    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    async with false_broker(speak) as port, asyncio.timeout(5):
        with pytest.raises(BrokerProblem):
            async with connected(port, protocol=protocol) as connection:
                await connection.until_gone()
    assert troubles == []


async def test_leaving_takes_the_will_back_and_abandoning_does_not(
    broker: Mosquitto, protocol: str
) -> None:
    async with observer(broker.port, "gone") as seen:
        async with connected(broker.port, protocol=protocol) as connection:
            connection.leave()
        async with connected(broker.port, protocol=protocol):
            pass
        await until(lambda: bool(seen.messages))
        async with connected(broker.port, protocol=protocol) as connection:
            await connection.publish("gone", b"last", qos=1)
        await until(lambda: len(seen.messages) == 3)
        said = [bytes(message.payload) for message in seen.messages]
        assert said == [b"offline", b"last", b"offline"]
