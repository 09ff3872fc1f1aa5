"""The journal's events to the broker, in order, over one connection.

It never skips an event on its own judgement and never holds more than a page of them. Delivery is
at least once: what was not acknowledged is sent again, from there on, by the next stream.

An event goes out in the call that announces its commit, when nothing older waits. Otherwise the
pump reads the journal page by page until it has caught up.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from droptable.mqtt.backoff import Backoff
from droptable.mqtt.client import Connection
from droptable.mqtt.ports import JournalPort, RecordedEvent
from droptable.mqtt.problems import PublicationRefused
from droptable.mqtt.topics import Topics

WINDOW = 16
"""Events without a PUBACK; with the other publications it stays within client.MAX_IN_FLIGHT."""

PAGE = 128
"""Events read from the journal at a time while catching up."""


class EventStream:
    """Events above `after`; `acked` is told each seq in order, `refused` each change of mind."""

    def __init__(
        self,
        journal: JournalPort,
        topics: Topics,
        connection: Connection,
        backoff: Backoff,
        *,
        after: int,
        acked: Callable[[int], None],
        refused: Callable[[PublicationRefused | None], None],
    ) -> None:
        self._journal = journal
        self._topics = topics
        self._connection = connection
        self._backoff = backoff
        self._acked = acked
        self._refused = refused
        self._next_seq = after + 1
        self._head_seq = journal.head_seq
        self._page: deque[RecordedEvent] = deque()
        self._in_flight: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._caught_up = False
        self._window = WINDOW
        self._was_refused = False

    def committed(self, event: RecordedEvent) -> None:
        """The journal has one more event: send it now, or wake the pump."""
        self._head_seq = event.seq
        if self._caught_up and event.seq == self._next_seq and self._has_room:
            self._send(event)
        else:
            self._wake.set()

    def skip_to(self, seq: int) -> None:
        """A sink has everything below `seq`."""
        if seq > self._next_seq:
            self._next_seq = seq
            self._page.clear()

    async def run(self) -> NoReturn:
        """Send what there is, for ever; ends by cancellation with the connection."""
        while True:
            self._wake.clear()
            if self._was_refused:
                await self._backoff.pause()
                self._was_refused = False
            if self._has_room and self._next_seq <= self._head_seq:
                await self._send_more()
            else:
                self._caught_up = self._next_seq > self._head_seq
                await self._wake.wait()
                self._caught_up = False

    @property
    def _has_room(self) -> bool:
        return len(self._in_flight) < self._window

    async def _send_more(self) -> None:
        if not self._page:
            after = self._next_seq - 1
            page = await self._journal.read(after, PAGE)
            # While the journal was read, a refusal or a sink may have moved the place.
            if self._next_seq != after + 1:
                return
            self._page.extend(page)
            if not page:
                self._head_seq = after
        while self._page and self._has_room:
            self._send(self._page.popleft())

    def _send(self, event: RecordedEvent) -> None:
        topic = self._topics.event(event.kind)
        future = self._connection.publish(topic, event.canonical(), qos=1)
        self._in_flight.append((event.seq, future))
        self._next_seq = event.seq + 1
        future.add_done_callback(self._settle)

    def _settle(self, _answered: "asyncio.Future[None]") -> None:
        """Take the answers in order; from the first refusal on, all is sent again."""
        while self._in_flight and self._in_flight[0][1].done():
            seq, future = self._in_flight.popleft()
            # The connection ended, and this stream with it.
            if future.cancelled():
                return
            problem = future.exception()
            if isinstance(problem, PublicationRefused):
                self._send_again_from(seq, problem)
                return
            if problem is not None:
                return
            self._acked(seq)
            self._window = WINDOW
            self._backoff.reset()
            self._refused(None)
        if self._next_seq <= self._head_seq:
            self._wake.set()

    def _send_again_from(self, seq: int, problem: PublicationRefused) -> None:
        self._in_flight.clear()
        self._page.clear()
        self._next_seq = seq
        # One at a time until one is taken: else those behind it could overtake it when the refusal
        # is lifted.
        self._window = 1
        self._was_refused = True
        self._refused(problem)
        self._wake.set()
