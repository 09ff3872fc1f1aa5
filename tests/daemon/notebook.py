"""A journal in memory whose commits take virtual time and can be made to fail; sealed as the real one.

It stands in where virtual time has no threads for the real one, which tests/journal and
tests/system use.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from droptable.daemon.clock import Clock
from droptable.journal.event import GENESIS, Draft, Event, Unsealed, rfc3339
from droptable.journal.journal import JournalUnwritable

COMMIT_US = 3_000


class Notebook:
    """See `journal/journal.py`; here are the parts of it that runner and gateway use."""

    def __init__(self, clock: Clock) -> None:
        self.events: list[Event] = []
        self.failing = False
        self.problem: str | None = None
        self.asked: list[Draft] = []
        """Every draft that was to be recorded, the refused ones included."""
        self._clock = clock
        self._waiting: deque[tuple[Draft, asyncio.Future[Event]]] = deque()

    @property
    def head_seq(self) -> int:
        return len(self.events)

    @property
    def writable(self) -> bool:
        return self.problem is None

    def append(self, draft: Draft) -> "asyncio.Future[Event]":
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self.asked.append(draft)
        self._waiting.append((draft, future))
        self._clock.call_at_us(self._clock.monotonic_us() + COMMIT_US, self._settle_next)
        return future

    async def read(
        self, after: int, limit: int, *, kind: str | None = None, section: str | None = None
    ) -> list[Event]:
        wanted: Callable[[Event], bool] = lambda e: (  # noqa: E731
            kind in (None, e.kind) and section in (None, e.section)
        )
        return [event for event in self.events[after:] if wanted(event)][:limit]

    async def get(self, seq: int) -> Event | None:
        return self.events[seq - 1] if 0 < seq <= len(self.events) else None

    def kinds(self, section: str | None = None) -> list[str]:
        """The kinds in order, of one section or of all."""
        return [e.kind for e in self.events if section in (None, e.section)]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def _settle_next(self) -> None:
        draft, future = self._waiting.popleft()
        if self.failing:
            self.problem = "journal.db: disk full"
            future.set_exception(JournalUnwritable(self.problem))
            return
        self.problem = None
        known = next((e for e in self.events if draft.board and e.board == draft.board), None)
        future.set_result(known or self._seal(draft))

    def _seal(self, draft: Draft) -> Event:
        unsealed = Unsealed(
            draft, table="t1", epoch="e", time=rfc3339(self._clock.utc()), quality="unsynced"
        )
        prev = self.events[-1].hash if self.events else GENESIS
        event, _ = unsealed.seal(len(self.events) + 1, prev)
        self.events.append(event)
        return event
