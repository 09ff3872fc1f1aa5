"""A gateway without a table: it notes what it is asked, answers what it is told to, and shows what
a test puts into it. The Protocol of `api/door.py`, nothing more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from pydantic import JsonValue

from droptable.daemon.outcome import Done, Felt, Figures, LegSide, Outcome, Refused
from droptable.daemon.snapshot import (
    DropShown,
    FaultShown,
    LeaseShown,
    LinkShown,
    PresetShown,
    ReadyShown,
    ReasonShown,
    SectionShown,
    SectionsShown,
    Snapshot,
    StopShown,
    TensionShown,
)
from droptable.sections import Section

NO_LEASE = ReasonShown(
    code="NO_LEASE",
    text="Nobody has control of the table.",
    remedy="Take control first.",
    doc="docs/reasons.md#no_lease",
)
OTHER_LEASE = ReasonShown(
    code="LEASE_HELD",
    text="Anna has control of the table.",
    remedy="Ask Anna to give it back.",
    doc="docs/reasons.md#lease_held",
)
NOT_COCKED = ReasonShown(
    code="WRONG_PHASE",
    text="The section is not cocked.",
    remedy="Cock it first.",
    doc="docs/reasons.md#wrong_phase",
)
NOT_CONFIRMED = ReasonShown(
    code="TENSION_UNCONFIRMED",
    text="The tension has not been set for this patient.",
    remedy="Set the tension.",
    doc="docs/reasons.md#tension_unconfirmed",
)
PIN_STUCK_IN = FaultShown(
    code="PIN_STUCK_IN",
    text="The pin did not withdraw in 120 ms. The section is locked and safe.",
    remedy="Check air and the pin coil, then clear.",
)


def section(phase: str = "LOCKED", **changed: Any) -> SectionShown:
    """A section as it is shown in `phase`, at rest with a patient on it."""
    arm = (NOT_COCKED,) if phase != "COCKED" else ()
    heights = {"COCKED": "up", "ARMED": "up", "UNKNOWN": "unknown", "HALTED": "between"}
    fields: dict[str, Any] = {
        "phase": phase,
        "fault": PIN_STUCK_IN if phase == "FAULT" else None,
        "height": heights.get(phase, "down"),
        "load_n": 182.4,
        "tension": TensionShown(set_n=260.0, measured_n=258.7, confirmed=True),
        "armed_until_ms": 8000 if phase == "ARMED" else None,
        "last_drop": None,
        "ready": ReadyShown(cock=(), arm=arm, lock=()),
    }
    return SectionShown(**(fields | changed))


def drop(seq: int = 41) -> DropShown:
    return DropShown(
        seq=seq, time="2024-05-06T07:08:09.123456Z", fall_ms=62.4, peak_n=418.0, release_n=263.1
    )


def snapshot(**changed: Any) -> Snapshot:
    """A quiet table with a live link and nobody in control."""
    fields: dict[str, Any] = {
        "table": "Room 2",
        "boot": "a1b2c3d4",
        "state_seq": 1,
        "age_ms": 12,
        "link": LinkShown(
            state="live",
            problem=None,
            board="SIM00001",
            firmware="1.0.0",
            simulator=True,
            round_trip_ms=0.4,
        ),
        "stop": StopShown(latched=False, unconfirmed=False, estop_open=False),
        "lease": LeaseShown(holder=None, expires_ms=None),
        "journal": "ok",
        "sections": SectionsShown(thoracic=section(), lumbar=section(), pelvic=section()),
    }
    return Snapshot(**(fields | changed))


class FakeHand:
    """Notes what a socket says of its fingers; a test tells it what comes of them."""

    def __init__(
        self,
        client: int,
        note: Callable[..., None],
        wake: Callable[[], None],
        tell: Callable[[Felt], None],
    ) -> None:
        self.client = client
        self.tell = tell
        self.gone = False
        self._note = note
        self._wake = wake

    def press(self, action: str, section: Section, state_seq: int) -> None:
        self._note("press", action, section, state_seq)

    def holding(self, intent: int) -> None:
        self._note("holding", intent)

    def release(self, intent: int) -> None:
        self._note("release", intent)

    def commit(self, intent: int) -> None:
        self._note("commit", intent)

    def alive(self) -> None:
        self._note("alive")

    def hidden(self) -> None:
        self._note("hidden")

    def lost(self) -> None:
        self.gone = True
        self._wake()


PRESET = PresetShown(
    name="three",
    text="Three drops",
    section="pelvic",
    drops=3,
    window_s=60.0,
    tension_offset_n=80.0,
    tension_n=262.4,
)


class FakeGateway:
    """Holds one snapshot and a list of what was asked."""

    def __init__(self) -> None:
        self._now = snapshot()
        self._news = asyncio.Event()
        self._over = False
        self.watchers = 0
        self.asked: list[tuple[Any, ...]] = []
        self.hands: list[FakeHand] = []
        self.answer: Outcome | Exception = Done()
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        self.journal: list[dict[str, JsonValue]] = []
        self.wrong: list[str] = []

    @property
    def boot(self) -> str:
        return self._now.boot

    # What a test does to the table

    def change(self, **changed: Any) -> Snapshot:
        """Show something else, and let everyone know."""
        seq = self._now.state_seq + 1
        self._now = self._now.model_copy(update={"state_seq": seq} | changed)
        self._tell()
        return self._now

    def put(self, **sections: SectionShown) -> Snapshot:
        """Change some sections."""
        return self.change(sections=self._now.sections.model_copy(update=sections))

    def end(self) -> None:
        """The daemon ends."""
        self._over = True
        self._tell()

    async def until_asked(self, *what: Any) -> None:
        """Wait until this has been asked."""
        await self.until(lambda: what in self.asked)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something that the gateway sees has happened."""
        async with asyncio.timeout(10):
            while not happened():
                await self._news.wait()

    # What the API does

    def snapshot(self) -> Snapshot:
        return self._now

    async def changes(self) -> AsyncIterator[Snapshot]:
        shown = self._now
        self.watchers += 1
        self._tell()
        try:
            while not self._over:
                if self._now is not shown:
                    shown = self._now
                    yield shown
                else:
                    await self._news.wait()
        finally:
            self.watchers -= 1
            self._tell()

    def stop(self, source: str) -> None:
        self._note("stop", source)

    async def act(self, verb: str, section: Section, actor: str) -> Outcome:
        return await self._answered("act", verb, section, actor)

    async def reset_stop(self, actor: str) -> Outcome:
        return await self._answered("reset_stop", actor)

    async def set_tension(self, section: Section, newton: float, actor: str) -> Outcome:
        return await self._answered("set_tension", section, newton, actor)

    async def take_lease(self, actor: str, client: int | None = None) -> Outcome:
        outcome = await self._answered("take_lease", actor)
        if isinstance(outcome, Done):
            self.change(lease=LeaseShown(holder=actor, expires_ms=5000))
        return outcome

    async def release_lease(self, actor: str) -> Outcome:
        outcome = await self._answered("release_lease", actor)
        if isinstance(outcome, Done):
            self.change(lease=LeaseShown(holder=None, expires_ms=None))
        return outcome

    async def take_over(self, actor: str, client: int | None = None) -> Outcome:
        return await self._answered("take_over", actor)

    async def answer_take_over(self, actor: str, *, give: bool) -> Outcome:
        return await self._answered("answer_take_over", actor, give)

    def presets(self) -> tuple[PresetShown, ...]:
        return (PRESET,)

    async def start_preset(self, name: str, actor: str) -> Outcome:
        return await self._answered("start_preset", name, actor)

    async def start_series(
        self, section: Section, drops: int, window_s: float, actor: str
    ) -> Outcome:
        return await self._answered("start_series", section, drops, window_s, actor)

    async def end_series(self, actor: str) -> Outcome:
        return await self._answered("end_series", actor)

    async def note_leg_length(
        self, actor: str, shorter: LegSide, millimetres: float, *, after: bool
    ) -> Outcome:
        return await self._answered("note_leg_length", actor, shorter, millimetres, after)

    def join(self, actor: str, tell: Callable[[Felt], None]) -> "FakeHand":
        hand = FakeHand(len(self.hands) + 1, self._note, self._tell, tell)
        self.hands.append(hand)
        return hand

    async def events(
        self, after: int, limit: int, kind: str | None, section: str | None
    ) -> list[dict[str, JsonValue]]:
        self._note("events", after, limit, kind, section)
        return self.journal[after : after + limit]

    async def event(self, seq: int) -> dict[str, JsonValue] | None:
        return self.journal[seq - 1] if seq <= len(self.journal) else None

    def readiness(self) -> dict[str, JsonValue]:
        return {"thoracic": {"cock": [NO_LEASE.model_dump()]}}

    def health(self) -> tuple[bool, list[str]]:
        return not self.wrong, self.wrong

    def figures(self) -> Figures:
        return Figures(journal_head_seq=41, drops=(3, 0, 7))

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        self._tell()

    def _tell(self) -> None:
        """Wake everyone who waits for news, once."""
        self._news.set()
        self._news = asyncio.Event()

    async def _answered(self, *what: Any) -> Outcome:
        self._note(*what)
        if self.before_answer is not None:
            await self.before_answer()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def refusing(*reasons: ReasonShown) -> Refused:
    return Refused(reasons or (OTHER_LEASE, NOT_CONFIRMED))
