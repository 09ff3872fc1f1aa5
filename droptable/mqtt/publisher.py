"""The table at the broker: its events, its state and its journal's head, for as long as it runs.

A broker that is slow, full, hostile or gone costs nobody but this coroutine: nothing here is
awaited by the rest of the daemon, and all that waits is bounded. It commands nothing but STOP.

What is owed to the broker is owed by the journal: after each reconnect the events go out from the
first one above the cursor, which is the last PUBACK, or what a sink said is durable with it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

from droptable.daemon.clock import Clock
from droptable.daemon.snapshot import Snapshot
from droptable.errors import DroptableError
from droptable.mqtt.backoff import Backoff
from droptable.mqtt.client import Connection, Will, broker_connection
from droptable.mqtt.discovery import discovery_payload, discovery_topic
from droptable.mqtt.event_stream import EventStream
from droptable.mqtt.inbox import Inbox, Range
from droptable.mqtt.payloads import OFFLINE, ONLINE, head_payload, state_payload
from droptable.mqtt.ports import CursorPort, JournalPort, RecordedEvent, StateSource
from droptable.mqtt.problems import BrokerProblem, Findings, PublicationRefused, Standing
from droptable.mqtt.settings import MqttSettings
from droptable.mqtt.topics import Topics

HEAD_EVERY_S = 30.0
HEAD_PAUSE_US = 20_000
"""The head lets the event pass that moved it, and a burst of events moves it once."""

STATE_PAUSE_US = 200_000
"""At most 5 snapshots a second."""

REPLAY_BATCH = 3
"""Events of a replay without a PUBACK; the rest of client.MAX_IN_FLIGHT is for what is new."""

FAREWELL_S = 0.5
"""How long the end waits for the broker to take `offline`; after that the last will says it."""


class Publisher:
    """`run` is one coroutine to be supervised; everything else may be called at any time."""

    def __init__(
        self,
        journal: JournalPort,
        settings: MqttSettings,
        clock: Clock,
        state_source: StateSource,
        *,
        stop: Callable[[str], None],
        cursor: CursorPort,
    ) -> None:
        self.findings = Findings()
        self._journal = journal
        self._settings = settings
        self._clock = clock
        self._state_source = state_source
        self._cursor = cursor
        self._topics = Topics(settings.site, settings.table)
        self._standing = Standing()
        self._inbox = Inbox(self._topics, journal, self.findings, stop, self._sink_has)
        self._head_moved = asyncio.Event()
        self._stream: EventStream | None = None
        journal.on_commit(self._on_commit)

    @property
    def problem(self) -> DroptableError | None:
        """What is wrong with the broker; None while all is well or nothing was tried yet."""
        return self._standing.problem

    async def run(self) -> NoReturn:
        """Stay connected, for ever. Cancelled, it says `offline` and is gone within a second."""
        backoff = self._backoff()
        while True:
            began_us = self._clock.monotonic_us()
            try:
                await self._serve_one_connection()
            except* BrokerProblem as lost:
                self._standing.lost(_first_of(lost))
            # Only a connection that lasted proves that the trouble is over: two daemons with one
            # name would otherwise throw each other out without a pause.
            if self._clock.monotonic_us() - began_us > self._settings.retry_most_ms * 1000:
                backoff.reset()
            await backoff.pause()

    async def _serve_one_connection(self) -> None:
        will = Will(self._topics.availability, OFFLINE)
        async with broker_connection(
            self._settings, self._clock, will, self._inbox.receive
        ) as connection:
            try:
                async with asyncio.TaskGroup() as lanes:
                    lanes.create_task(connection.until_gone())
                    lanes.create_task(connection.keep_alive())
                    await self._greet(connection)
                    self._stream = self._new_stream(connection)
                    lanes.create_task(self._stream.run())
                    lanes.create_task(self._publish_state(connection))
                    lanes.create_task(self._publish_head(connection))
                    lanes.create_task(self._serve_replays(connection))
            finally:
                self._stream = None
                await self._say_goodbye(connection)

    async def _greet(self, connection: Connection) -> None:
        """Listen first: STOP must work before anyone is told that the table is there."""
        await self._allowed("subscriptions", connection.subscribe(self._topics.subscribed))
        online = connection.publish(self._topics.availability, ONLINE, qos=1, retain=True)
        await self._allowed("availability", online)
        if self._settings.home_assistant is not None:
            topic, device = discovery_topic(self._settings), discovery_payload(self._settings)
            told = connection.publish(topic, device, qos=1, retain=True)
            await self._allowed("home assistant", told)
        self._standing.connected()

    async def _say_goodbye(self, connection: Connection) -> None:
        """Say `offline`; what is not said in time is left to the last will."""
        if connection.problem is not None:
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await connection.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
        except (BrokerProblem, TimeoutError):
            return
        connection.leave()

    async def _allowed(self, concern: str, answer: Awaitable[None]) -> None:
        """Wait for an answer; a refusal is noted and not raised, because the rest still works."""
        try:
            await answer
        except PublicationRefused as refusal:
            self._standing.note(concern, refusal)
        else:
            self._standing.note(concern, None)

    # --- events ----------------------------------------------------------------------------------

    def _on_commit(self, event: RecordedEvent) -> None:
        if self._stream is not None:
            self._stream.committed(event)
        self._head_moved.set()

    def _new_stream(self, connection: Connection) -> EventStream:
        return EventStream(
            self._journal,
            self._topics,
            connection,
            self._backoff(),
            # A cursor beyond the journal belongs to another one; nothing may be left out for it.
            after=self._cursor.seq if self._cursor.seq <= self._journal.head_seq else 0,
            acked=self._broker_has,
            refused=lambda refusal: self._standing.note("events", refusal),
        )

    def _broker_has(self, seq: int) -> None:
        if not self._settings.sink:
            self._cursor.advance(seq)

    def _sink_has(self, seq: int) -> None:
        if not self._settings.sink or seq <= self._cursor.seq:
            return
        self._cursor.advance(seq)
        if self._stream is not None:
            self._stream.skip_to(seq + 1)

    # --- the other lanes -------------------------------------------------------------------------

    async def _publish_state(self, connection: Connection) -> None:
        """The snapshot at once, then the newest after each change, at most 5 a second."""
        shown = await self._show(connection, self._state_source.snapshot(), None)
        changes = self._state_source.changes()
        try:
            async for snapshot in changes:
                shown = await self._show(connection, snapshot, shown)
        finally:
            # Otherwise its end would be left to the garbage collector.
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()

    async def _show(self, connection: Connection, snapshot: Snapshot, shown: int | None) -> int:
        """Publish `snapshot` unless `shown` is its number; returns its number."""
        if snapshot.state_seq != shown:
            # Awaited until it is written: behind a slow broker at most one snapshot waits.
            payload = state_payload(snapshot)
            await connection.publish(self._topics.state, payload, qos=0, retain=True)
            await self._clock.sleep_until_us(self._clock.monotonic_us() + STATE_PAUSE_US)
        return snapshot.state_seq

    async def _publish_head(self, connection: Connection) -> NoReturn:
        """The head at once, after each change, and every 30 s; one without an answer at a time."""
        while True:
            self._head_moved.clear()
            journal = self._journal
            head = head_payload(journal.epoch, journal.head_seq, journal.head_hash)
            published = connection.publish(self._topics.head, head, qos=1, retain=True)
            await self._allowed("head", published)
            with suppress(TimeoutError):
                async with asyncio.timeout(HEAD_EVERY_S):
                    await self._head_moved.wait()
            await self._clock.sleep_until_us(self._clock.monotonic_us() + HEAD_PAUSE_US)

    async def _serve_replays(self, connection: Connection) -> NoReturn:
        """What a sink asked for again, beside the new events and slower than they."""
        inbox = self._inbox
        while True:
            inbox.replay_asked.clear()
            while inbox.replays:
                if not await self._replay_some(connection, inbox.replays[0]):
                    inbox.replays.popleft()
            await inbox.replay_asked.wait()

    async def _replay_some(self, connection: Connection, wanted: Range) -> bool:
        """Send the next few of `wanted`; False when it is done or refused."""
        limit = min(REPLAY_BATCH, wanted.last - wanted.first + 1)
        events = await self._journal.read(wanted.first - 1, limit)
        published = [
            connection.publish(self._topics.event(event.kind), event.canonical(), qos=1)
            for event in events
        ]
        for event, answer in zip(events, published, strict=True):
            try:
                await answer
            except PublicationRefused:
                self.findings.found("replay refused", self._topics.replay)
                return False
            wanted.first = event.seq + 1
        return bool(events) and wanted.first <= wanted.last

    def _backoff(self) -> Backoff:
        return Backoff(self._clock, self._settings.retry_first_ms, self._settings.retry_most_ms)


def _first_of(group: BaseExceptionGroup[BrokerProblem]) -> BrokerProblem:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
