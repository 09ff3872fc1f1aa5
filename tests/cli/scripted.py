"""A daemon for the command line to talk to: the real API on a real socket over a scripted table.

The table moves on by one step each time it is looked at, so that no test has to wait for it.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from droptable.daemon.outcome import Done, Outcome
from droptable.daemon.snapshot import LeaseShown, SectionShown, Snapshot, StopShown
from droptable.journal.event import GENESIS, Draft, Unsealed, rfc3339
from droptable.sections import Section
from tests.api.fake import FakeGateway
from tests.api.served import served

LATCHED = StopShown(latched=True, unconfirmed=False, estop_open=False)


class ScriptedTable(FakeGateway):
    """Answers per question, and a course of sections that begins when something is carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Outcome | Exception] = {}
        self.course: deque[dict[str, Any]] = deque()
        self.begins_on = ""
        self.lease_renewals_until_lost: int | None = None

    def will(
        self, verb: str, *steps: SectionShown | dict[str, Any], section: str = "pelvic"
    ) -> None:
        """After `verb` each look shows the next step: a section, or a change of the whole table."""
        self.begins_on = verb
        self.course = deque(
            {"sections": {section: step}} if isinstance(step, SectionShown) else step
            for step in steps
        )

    def hold_lease(self, holder: str) -> None:
        self.change(lease=LeaseShown(holder=holder, expires_ms=5000))

    def verbs(self) -> list[str]:
        """What was asked of sections, in order."""
        return [asked[1] for asked in self.asked if asked[0] == "act"]

    def snapshot(self) -> Snapshot:
        if self.course and any(self.begins_on in asked for asked in self.asked):
            step = dict(self.course.popleft())
            sections = step.pop("sections", {})
            self.change(sections=self._now.sections.model_copy(update=sections), **step)
        return super().snapshot()

    def stop(self, source: str) -> None:
        super().stop(source)
        if self.answers.get("stop") is None:
            self.change(stop=LATCHED)

    async def take_lease(self, actor: str) -> Outcome:
        if self.lease_renewals_until_lost is not None:
            self.lease_renewals_until_lost -= 1
            if self.lease_renewals_until_lost < 0:
                return self.answers["lost"]  # type: ignore[return-value]
        return await super().take_lease(actor)

    async def events(
        self, after: int, limit: int, kind: str | None, section: str | None
    ) -> list[dict[str, JsonValue]]:
        found = [
            event
            for event in self.journal[after:]
            if kind in (None, event["kind"]) and section in (None, event["section"])
        ]
        return found[:limit]

    async def changes(self) -> AsyncIterator[Snapshot]:
        # Whoever watches sees the table change once.
        asyncio.get_running_loop().call_soon(lambda: self.change(stop=LATCHED))
        async for snapshot in super().changes():
            yield snapshot

    async def _answered(self, *what: Any) -> Outcome:
        self._note(*what)
        key = what[1] if what[0] == "act" else what[0]
        answer = self.answers.get(key, Done())
        if isinstance(answer, Exception):
            raise answer
        return answer


def recorded(*kinds: str) -> list[dict[str, JsonValue]]:
    """A journal of these kinds, chained as a real one."""
    events: list[dict[str, JsonValue]] = []
    prev, time = GENESIS, rfc3339(datetime(2026, 3, 1, 12, tzinfo=UTC))
    for seq, kind in enumerate(kinds, start=1):
        section = Section.PELVIC.label if kind == "drop" else None
        draft = Draft(kind, section, "board", {"number": seq})
        event, text = Unsealed(draft, table="t", epoch="e", time=time, quality="synced").seal(
            seq, prev
        )
        prev = event.hash
        events.append(json.loads(text))
    return events


class RunningDaemon:
    """Where it answers, and a way to reach into its loop."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, table: ScriptedTable) -> None:
        self.url = url
        self.table = table
        self._loop = loop

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until the table has seen something."""
        asyncio.run_coroutine_threadsafe(self.table.until(happened), self._loop).result(15)


@contextmanager
def running(table: ScriptedTable, **settings: Any) -> Iterator[RunningDaemon]:
    """The daemon, in a thread of its own as long as the block lasts."""
    started: deque[RunningDaemon] = deque()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with served(table, **settings) as server:
            started.append(RunningDaemon(server.http, asyncio.get_running_loop(), table))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="daemon")
    thread.start()
    try:
        assert ready.wait(15), "the daemon did not start"
        yield started[0]
    finally:
        if started:
            started[0]._loop.call_soon_threadsafe(over.set)
        thread.join(15)
