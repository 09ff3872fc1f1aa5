"""One connection to the MQTT broker, known to be gone at once when it is gone.

It never reconnects, keeps nothing beyond its own end, and does not decide what is published.

paho does the protocol, this file everything around it, on the loop and on no thread:

- The TCP connection is made here, so that it can be cancelled; paho is handed a socket that is
  connected already.
- `publish` and `subscribe` write before they return and give a future. It resolves with the
  broker's answer, and fails when the connection ends, when the broker stops answering, or when the
  answer is a refusal, which MQTT 5 puts into an acknowledgement that looks like success.
- What arrives is handed over at once, without a queue that a flood could fill in front of a STOP;
  of a packet that is too long only the beginning is kept.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeAlias

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from droptable.daemon.clock import Clock
from droptable.mqtt.problems import BrokerProblem, PublicationRefused, refused, unreachable
from droptable.mqtt.settings import MqttSettings

MAX_INCOMING_BYTES = 65_536
"""What is kept of one incoming packet; a sink's longest message has about a hundred bytes."""

MAX_READ_BYTES = 65_536
"""What is taken from the socket at a time, however long the broker says that a packet is."""

MAX_IN_FLIGHT = 20
"""Publications without an answer, unless the broker allows fewer: mosquitto's own default, which
it enforces."""

TICK_MAX_US = 1_000_000
"""How often silence is looked for; paho counts the keepalive in whole seconds."""

# Refusals that are not about us: the broker is going, full, or we were too late.
_PASSING = frozenset({0x88, 0x89, 0x8B, 0x8D})
"""Server unavailable, server busy, server shutting down, keep alive timeout."""

# What paho's parser can raise for bytes that are not MQTT.
_UNPARSABLE = (ValueError, LookupError, TypeError, AttributeError, struct.error, OSError,
               MQTTException)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker; `retained` only when it lay there before we subscribed."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the connection breaks."""

    topic: str
    payload: bytes


Receive: TypeAlias = Callable[[Incoming], None]
"""Called on the loop for each message; must neither raise nor block."""


@asynccontextmanager
async def broker_connection(
    settings: MqttSettings, clock: Clock, will: Will, receive: Receive
) -> "AsyncIterator[Connection]":
    """A connection that the broker accepted; on the way out nothing of it is left.

    Raises BrokerProblem. Unless `Connection.leave` was called, the broker publishes the will.
    """
    ready = await _tcp_connection(settings)
    connection = Connection(settings, clock, ready, will, receive)
    try:
        await connection.accepted()
        yield connection
    finally:
        connection.abandon()


class Connection:
    """See `broker_connection`, which makes it."""

    def __init__(
        self,
        settings: MqttSettings,
        clock: Clock,
        ready: socket.socket,
        will: Will,
        receive: Receive,
    ) -> None:
        self.problem: BrokerProblem | None = None
        self._settings = settings
        self._clock = clock
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._connack: asyncio.Future[None] = self._loop.create_future()
        self._publishing: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._subscribing: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._answered_us = clock.monotonic_us()
        self._wire = _Wire(settings, ready)
        self._wire.will_set(will.topic, will.payload, qos=1, retain=True)
        self._wire.on_connect = self._on_connect
        self._wire.on_disconnect = self._on_disconnect
        self._wire.on_publish = self._on_publish
        self._wire.on_subscribe = self._on_subscribe
        self._wire.on_message = self._on_message
        self._wire.on_socket_open = self._on_socket_open
        self._wire.on_socket_close = self._on_socket_close
        self._wire.on_socket_register_write = self._on_socket_register_write
        self._wire.on_socket_unregister_write = self._on_socket_unregister_write

    async def accepted(self) -> None:
        """Say CONNECT and wait for CONNACK; BrokerProblem when it refuses, closes or is silent."""
        settings = self._settings
        self._wire.connect(settings.host, settings.port, settings.keepalive_s)
        self._write()
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await self._connack
        except TimeoutError:
            raise unreachable(
                f"{settings.address} takes connections and does not answer in "
                f"{settings.connect_timeout_s:g} s"
            ) from None

    def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool = False
    ) -> "asyncio.Future[None]":
        """Written before this returns, if the socket takes it.

        The future resolves with the PUBACK (QoS 0: when written). It fails with PublicationRefused,
        or with the BrokerProblem that ended the connection.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if self.problem is not None:
            return _failed(future, self.problem)
        self._begin_waiting()
        message = self._wire.publish(topic, payload, qos, retain)
        if message.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return _failed(
                future, self._end(unreachable(f"the connection to {self._address} was lost"))
            )
        self._publishing[message.mid] = (topic, future)
        self._write()
        return future

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Listen to `topics` with QoS 1; PublicationRefused names those that were refused."""
        if self.problem is not None:
            raise self.problem
        self._begin_waiting()
        future: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        result, mid = self._wire.subscribe([(topic, 1) for topic in topics])
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise self._end(unreachable(f"the connection to {self._address} was lost"))
        self._subscribing[mid] = future
        self._write()
        codes = await future
        refusals = [
            f"{topic}: {code}"
            for topic, code in zip(topics, codes, strict=False)
            if code.is_failure
        ]
        if refusals:
            raise PublicationRefused("no subscription to " + ", ".join(refusals))

    async def until_gone(self) -> NoReturn:
        """Wait for the end, then raise the BrokerProblem that says why."""
        await self._gone.wait()
        raise self.problem or unreachable(f"the connection to {self._address} was closed")

    async def keep_alive(self) -> NoReturn:
        """Ping an idle broker; end the connection when it does not answer in time."""
        timeout_us = round(self._settings.publish_timeout_s * 1e6)
        tick_us = min(TICK_MAX_US, timeout_us // 4)
        while True:
            await self._clock.sleep_until_us(self._clock.monotonic_us() + tick_us)
            self._wire.loop_misc()
            silent_us = self._clock.monotonic_us() - self._answered_us
            if self._is_waiting and silent_us > timeout_us:
                self._end(
                    unreachable(
                        f"{self._address} acknowledged nothing in "
                        f"{self._settings.publish_timeout_s:g} s"
                    )
                )

    def leave(self) -> None:
        """Say DISCONNECT, so that the broker drops the will, and close."""
        if self.problem is None:
            self._wire.disconnect()
            self._write()

    def abandon(self) -> None:
        """Close without a word, if it is not closed yet. Never from a callback of paho's."""
        self._end(unreachable(f"the connection to {self._address} was closed"))
        self._wire.abandon()

    # --- how it ends -----------------------------------------------------------------------------

    @property
    def _address(self) -> str:
        return self._settings.address

    def _end(self, problem: BrokerProblem) -> BrokerProblem:
        """The first reason counts; whoever waits for an answer is told. Returns that reason.

        The socket is left to `abandon`: paho holds a lock in its callbacks that closing takes too.
        """
        if self.problem is not None:
            return self.problem
        self.problem = problem
        for _, future in self._publishing.values():
            _failed(future, problem)
        for subscription in self._subscribing.values():
            _failed(subscription, problem)
        _failed(self._connack, problem)
        self._publishing.clear()
        self._subscribing.clear()
        self._gone.set()
        return problem

    @property
    def _is_waiting(self) -> bool:
        return bool(self._publishing or self._subscribing)

    def _begin_waiting(self) -> None:
        # Silence counts from the first question that is open, not from the last answer.
        if not self._is_waiting:
            self._answered_us = self._clock.monotonic_us()

    # --- what paho calls, always on the loop -----------------------------------------------------

    def _on_connect(
        self, _client: paho.Client, _userdata: Any, _flags: paho.ConnectFlags, code: ReasonCode,
        properties: Properties | None,
    ) -> None:  # fmt: skip
        if code.is_failure:
            problem = unreachable if code.value in _PASSING else refused
            self._end(problem(f"{self._address} answers: {code}"))
        elif not self._connack.done():
            self._wire.allow_in_flight(getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
            self._connack.set_result(None)

    def _on_disconnect(
        self, _client: paho.Client, _userdata: Any, flags: paho.DisconnectFlags, code: ReasonCode,
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        if not self._connack.done():
            detail = f"{self._address} closed the connection instead of accepting it"
            self._end(unreachable(f"{detail} ({code})"))
        elif flags.is_disconnect_packet_from_server:
            problem = refused if code.is_failure and code.value not in _PASSING else unreachable
            self._end(problem(f"{self._address} ended the connection: {code}"))
        else:
            self._end(unreachable(f"the connection to {self._address} was lost ({code})"))

    def _on_publish(
        self, _client: paho.Client, _userdata: Any, mid: int, code: ReasonCode,
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        self._answered_us = self._clock.monotonic_us()
        topic, future = self._publishing.pop(mid, ("", None))
        if future is None or future.done():
            return
        if code.is_failure:
            _failed(future, PublicationRefused(f"{topic}: {code}"))
        else:
            future.set_result(None)

    def _on_subscribe(
        self, _client: paho.Client, _userdata: Any, mid: int, codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        self._answered_us = self._clock.monotonic_us()
        future = self._subscribing.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(codes)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._receive(Incoming(message.topic, bytes(message.payload), message.retain))

    # --- the socket on the loop ------------------------------------------------------------------

    def _on_socket_open(
        self, _client: paho.Client, _userdata: Any, opened: "paho.SocketLike"
    ) -> None:
        self._loop.add_reader(opened.fileno(), self._read)

    def _on_socket_close(
        self, _client: paho.Client, _userdata: Any, closed: "paho.SocketLike"
    ) -> None:
        self._loop.remove_reader(closed.fileno())

    def _on_socket_register_write(
        self, _client: paho.Client, _userdata: Any, blocked: "paho.SocketLike"
    ) -> None:
        self._loop.add_writer(blocked.fileno(), self._write)

    def _on_socket_unregister_write(
        self, _client: paho.Client, _userdata: Any, flowing: "paho.SocketLike"
    ) -> None:
        self._loop.remove_writer(flowing.fileno())

    def _read(self) -> None:
        try:
            self._wire.loop_read()
        except _UNPARSABLE as error:
            self._end(unreachable(f"{self._address} does not speak MQTT ({type(error).__name__})"))
        if self._wire.was_sent_qos2:
            self._end(unreachable(f"{self._address} sends QoS 2, which nobody subscribed to"))

    def _write(self) -> None:
        self._wire.loop_write()


class _Wire(paho.Client):
    """paho's protocol machine over a socket that is connected already, with its memory bounded."""

    def __init__(self, settings: MqttSettings, ready: socket.socket) -> None:
        versions = {"3.1.1": paho.MQTTv311, "5": paho.MQTTv5}
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=versions[settings.protocol],
            reconnect_on_failure=False,
        )
        self._ready = ready
        self.max_inflight_messages = MAX_IN_FLIGHT
        if settings.username is not None:
            password = settings.password
            self.username_pw_set(
                settings.username, None if password is None else password.get_secret_value()
            )

    @property
    def was_sent_qos2(self) -> bool:
        """Such messages are kept until a second one follows: memory that the broker decides on."""
        return len(self._in_messages) > 0

    def allow_in_flight(self, broker_allows: int) -> None:
        """What is above waits inside paho, in order; to be called before anything is published."""
        self._max_inflight_messages = min(MAX_IN_FLIGHT, broker_allows)

    def abandon(self) -> None:
        """Close the socket if it is open; the callbacks take it off the loop."""
        self._sock_close()
        self._ready.close()

    def _create_socket(self) -> "paho.SocketLike":
        return self._ready

    def _sock_recv(self, bufsize: int) -> bytes:
        packet = self._in_packet["packet"]
        too_long = self._in_packet["to_process"] > MAX_INCOMING_BYTES
        if too_long and not isinstance(packet, _Beginning):
            self._in_packet["packet"] = _Beginning(packet)
        return super()._sock_recv(min(bufsize, MAX_READ_BYTES))


class _Beginning(bytearray):
    """Keeps the first MAX_INCOMING_BYTES that are added, and lets the others pass by."""

    # Only paho's reader adds to it, and always in place, so `+` need not do the same.
    def __iadd__(self, more: Any) -> Self:  # type: ignore[misc]
        room = MAX_INCOMING_BYTES - len(self)
        if room > 0:
            self.extend(more[:room])
        return self


def _failed(future: "asyncio.Future[Any]", problem: BrokerProblem) -> "asyncio.Future[Any]":
    if not future.done():
        future.set_exception(problem)
        # Whoever stopped waiting has a reason; asyncio need not complain.
        future.exception()
    return future


async def _tcp_connection(settings: MqttSettings) -> socket.socket:
    """A connected socket, of the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    trouble = "it has no address"
    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            for family, kind, protocol, _, address in await loop.getaddrinfo(
                settings.host, settings.port, type=socket.SOCK_STREAM
            ):
                try:
                    return await _connected(family, kind, protocol, address)
                except OSError as error:
                    trouble = _said_by_system(error)
    except TimeoutError:
        trouble = f"no connection in {settings.connect_timeout_s:g} s"
    except socket.gaierror as error:
        trouble = error.strerror or "its name cannot be resolved"
    raise unreachable(f"{settings.address}: {trouble}")


async def _connected(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    ready = socket.socket(family, kind, protocol)
    try:
        ready.setblocking(False)
        # Otherwise a drop may wait for the acknowledgement of the packet before it.
        ready.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(ready, address)
    except BaseException:
        ready.close()
        raise
    return ready


def _said_by_system(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
