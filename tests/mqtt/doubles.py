"""The rooms beside MQTT, in memory: a journal of real events, a table whose state can be set."""

import asyncio
from collections.abc import AsyncIterator, Callable

from droptable.daemon.snapshot import (
    LeaseShown,
    LinkShown,
    ReadyShown,
    ReasonShown,
    SectionShown,
    SectionsShown,
    Snapshot,
    StopShown,
    TensionShown,
)
from droptable.journal.event import GENESIS, Draft, Event, Unsealed
from droptable.mqtt.ports import RecordedEvent

TABLE = "t1"


class MemoryJournal:
    """Commits at once, on the caller's turn of the loop."""

    def __init__(self, epoch: str = "e" * 32) -> None:
        self.epoch = epoch
        self.events: list[Event] = []
        self.reads = 0
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._listeners: list[Callable[[RecordedEvent], None]] = []

    @property
    def head_seq(self) -> int:
        return len(self.events)

    @property
    def head_hash(self) -> str:
        return self.events[-1].hash if self.events else GENESIS

    def on_commit(self, listener: Callable[[RecordedEvent], None]) -> None:
        self._listeners.append(listener)

    async def read(self, after: int, limit: int) -> list[Event]:
        self.reads += 1
        page = self.events[after : after + limit]
        # As from a thread: the loop goes on meanwhile.
        await asyncio.sleep(0)
        await self.may_read.wait()
        return page

    def commit(self, count: int = 1, kind: str = "cocked") -> None:
        for _ in range(count):
            draft = Draft(kind, "pelvic", "local", {"note": "größer"})
            unsealed = Unsealed(
                draft,
                table=TABLE,
                epoch=self.epoch,
                time="2026-01-01T00:00:00.000000Z",
                quality="synced",
            )
            event, _spelled = unsealed.seal(self.head_seq + 1, self.head_hash)
            self.events.append(event)
            for listener in self._listeners:
                listener(event)


class MemoryCursor:
    """Notes every step, so that a test sees their order."""

    def __init__(self, seq: int = 0) -> None:
        self.seq = seq
        self.steps: list[int] = []

    def advance(self, seq: int) -> None:
        self.seq = seq
        self.steps.append(seq)


class SettableTable:
    """Shows whatever a test sets."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._shown = snapshot(state_seq=1)
        self.readers = 0

    def show(self, shown: Snapshot) -> None:
        self._shown = shown
        self._changed.set()

    def snapshot(self) -> Snapshot:
        return self._shown

    async def changes(self) -> AsyncIterator[Snapshot]:
        self.readers += 1
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                yield self._shown
        finally:
            self.readers -= 1


def snapshot(*, state_seq: int, holder: str | None = None) -> Snapshot:
    reasons = ()
    if holder is not None:
        reasons = (
            ReasonShown(
                code="LEASE_ELSEWHERE",
                text=f"{holder} moves the table.",
                remedy=f"Ask {holder} to let go.",
                doc="docs/reasons.md#lease_elsewhere",
            ),
        )
    section = SectionShown(
        phase="LOCKED",
        fault=None,
        height="down",
        load_n=0.0,
        tension=TensionShown(set_n=None, measured_n=None, confirmed=False),
        armed_until_ms=None,
        last_drop=None,
        ready=ReadyShown(cock=reasons, arm=reasons, lock=()),
    )
    return Snapshot(
        table=TABLE,
        boot="b",
        state_seq=state_seq,
        age_ms=10,
        link=LinkShown(
            state="live",
            problem=None,
            board="SIM",
            firmware="1",
            simulator=True,
            round_trip_ms=1.0,
        ),
        stop=StopShown(latched=False, unconfirmed=False, estop_open=False),
        lease=LeaseShown(holder=holder, expires_ms=None if holder is None else 1000),
        journal="ok",
        sections=SectionsShown(thoracic=section, lumbar=section, pelvic=section),
    )
