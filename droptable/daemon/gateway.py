"""The one door to the table for HTTP, WebSocket and MQTT: it shows the state and passes on wishes.

It decides nothing: refusals come from the core. Whoever watches gets the newest snapshot when there
is one to get, so a slow reader costs nobody anything. `stop` waits for nothing at all.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast

from pydantic import JsonValue

from droptable.core import events as ev
from droptable.core.limits import TENSION_SET_KEY
from droptable.core.model import Health, LegLength, Phase, State, Verb
from droptable.daemon.clock import Clock
from droptable.daemon.hand import Hand
from droptable.daemon.outcome import Done, Felt, Figures, LegSide, Outcome, Refused
from droptable.daemon.runner import Runner
from droptable.daemon.shown import presets_shown, ready_shown, reasons_shown, snapshot_of
from droptable.daemon.snapshot import PresetShown, Snapshot
from droptable.errors import PROBLEMS
from droptable.journal.journal import Journal
from droptable.sections import Section

READINGS_EVERY_US = 100_000
"""Loads and tensions change with every STATUS; people are told of those alone 10 times a second."""

SNAPSHOT_SHARED_US = 5_000
"""While the state is the same, those who ask within this get one snapshot: it is most of the work
of an answer, and its ages may be that much too old."""

VERBS: Mapping[str, Verb] = {
    "cock": Verb.COCK,
    "arm": Verb.ARM,
    "disarm": Verb.DISARM,
    "lock": Verb.LOCK,
    "home": Verb.HOME,
    "clear-fault": Verb.CLEAR_FAULT,
}


class Gateway:
    """See `api/door.py` for the contract. `boot` names this run of the daemon."""

    def __init__(self, runner: Runner, journal: Journal, clock: Clock, *, table: str) -> None:
        self.boot = f"{clock.random_u32():08x}{clock.random_u32():08x}"
        self._runner = runner
        self._journal = journal
        self._clock = clock
        self._table = table
        self._state_seq = 1
        self._shown_us = 0
        self._drops = [0, 0, 0]
        self._changed_seq = [1, 1, 1]
        self._watching: set[asyncio.Event] = set()
        self._snapshot: Snapshot | None = None
        self._snapshot_of: State | None = None
        self._snapshot_us = 0
        self._closed = False
        runner.watch(self._on_step)

    # Looking

    def snapshot(self) -> Snapshot:
        """The whole table as it is now."""
        state, now_us = self._runner.state, self._clock.monotonic_us()
        unchanged = self._snapshot_of is state and now_us - self._snapshot_us < SNAPSHOT_SHARED_US
        if self._snapshot is None or self._snapshot.state_seq != self._state_seq or not unchanged:
            self._snapshot_of, self._snapshot_us = state, now_us
            self._snapshot = snapshot_of(
                state, now_us, table=self._table, boot=self.boot, state_seq=self._state_seq
            )
        return self._snapshot

    def changes(self) -> AsyncIterator[Snapshot]:
        """Each change from now on; a slow reader skips to the newest. Ends with `close`."""
        changed = asyncio.Event()
        self._watching.add(changed)
        return self._changes(changed)

    async def _changes(self, changed: asyncio.Event) -> AsyncIterator[Snapshot]:
        try:
            while True:
                await changed.wait()
                if self._closed:
                    return
                changed.clear()
                yield self._newest()
        finally:
            self._watching.discard(changed)

    def _newest(self) -> Snapshot:
        """One snapshot serves all who watch the same change."""
        if self._snapshot is None or self._snapshot.state_seq != self._state_seq:
            return self.snapshot()
        return self._snapshot

    def _on_step(self, before: State, after: State) -> None:
        for section in Section:
            if after.sections[section].last_drop != before.sections[section].last_drop:
                self._drops[section] += 1
        now_us = self._clock.monotonic_us()
        recent = now_us - self._shown_us < READINGS_EVERY_US
        if recent and _told_at_once(before) == _told_at_once(after):
            return
        self._shown_us = now_us
        self._state_seq += 1
        for section in Section:
            if _meant_by_a_press(before, section) != _meant_by_a_press(after, section):
                self._changed_seq[section] = self._state_seq
        for changed in self._watching:
            changed.set()

    def readiness(self) -> dict[str, JsonValue]:
        """For each section and action every reason why it is refused now."""
        state, now_us = self._runner.state, self._clock.monotonic_us()
        sections = {
            at.label: ready_shown(state, at, now_us).model_dump(mode="json") for at in Section
        }
        return {"schema": "readiness/1", "sections": cast("JsonValue", sections)}

    def health(self) -> tuple[bool, list[str]]:
        """Whether the link is up and the journal writable; if not, what is wrong."""
        state, wrong = self._runner.state, []
        if state.link.health is not Health.LIVE:
            problem = PROBLEMS[state.link.trouble or "LINK_UNREACHABLE"]
            wrong.append(f"{problem.code}: {problem.meaning} {problem.remedy}")
        if state.journal_failed or not self._journal.writable:
            problem = PROBLEMS["STATE_UNWRITABLE"]
            why = self._journal.problem or "not all that happened is recorded yet"
            wrong.append(f"{problem.code}: {why}. {problem.remedy}")
        return not wrong, wrong

    def figures(self) -> Figures:
        """What monitoring counts."""
        thoracic, lumbar, pelvic = self._drops
        return Figures(self._journal.head_seq, (thoracic, lumbar, pelvic))

    async def events(
        self, after: int, limit: int, kind: str | None, section: str | None
    ) -> list[dict[str, JsonValue]]:
        """At most `limit` events of the journal above `after`, in order."""
        found = await self._journal.read(after, limit, kind=kind, section=section)
        return [event.to_json() for event in found]

    async def event(self, seq: int) -> dict[str, JsonValue] | None:
        """One event of the journal; None when there is none of that number."""
        event = await self._journal.get(seq)
        return None if event is None else event.to_json()

    # Wishes

    def stop(self, source: str) -> None:
        """Stop the table, now: never refuses, never waits."""
        self._runner.stop(source)

    async def act(self, verb: str, section: Section, actor: str) -> Outcome:
        """Carry out a verb at a section; done when the board has begun it."""
        return await self._ask(actor, ev.Do(VERBS[verb], section))

    async def reset_stop(self, actor: str) -> Outcome:
        """Take back a latched stop; nothing moves by it."""
        return await self._ask(actor, ev.ResetStop())

    async def set_tension(self, section: Section, newton: float, actor: str) -> Outcome:
        """Set the force that holds a cocked section, newtons, to the next 0.1 N."""
        return await self._ask(actor, ev.SetTension(section, round(newton * 10)))

    async def take_lease(self, actor: str, client: int | None = None) -> Outcome:
        """Take the lease, or renew it; `client` renews it from then on by what it says."""
        return await self._ask(actor, ev.TakeLease(client))

    async def take_over(self, actor: str, client: int | None = None) -> Outcome:
        """Ask for a lease that someone else has: the table is made safe, and they are asked."""
        return await self._ask(actor, ev.TakeOverLease(client))

    async def answer_take_over(self, actor: str, *, give: bool) -> Outcome:
        """Give the lease to who asks for it, or keep it."""
        return await self._ask(actor, ev.AnswerTakeOver(give))

    async def release_lease(self, actor: str) -> Outcome:
        """Give the lease back."""
        return await self._ask(actor, ev.ReleaseLease())

    def presets(self) -> tuple[PresetShown, ...]:
        """Every preset, with the tension that it means for whoever lies there."""
        return presets_shown(self._runner.state)

    async def start_preset(self, name: str, actor: str) -> Outcome:
        """Let the series of a preset run; nothing moves until someone holds a control."""
        return await self._ask(actor, ev.StartSeries(self._series_id(), name))

    async def start_series(
        self, section: Section, drops: int, window_s: float, actor: str
    ) -> Outcome:
        """Let a series run that no preset is for."""
        window_us = round(window_s * 1_000_000)
        wanted = ev.StartOwnSeries(self._series_id(), section, drops, window_us)
        return await self._ask(actor, wanted)

    async def end_series(self, actor: str) -> Outcome:
        """Let the series end."""
        return await self._ask(actor, ev.EndSeries())

    async def note_leg_length(
        self, actor: str, shorter: LegSide, millimetres: float, *, after: bool
    ) -> Outcome:
        """Keep with the series by how much one leg was found to be shorter, before or after it."""
        found = LegLength(shorter, round(millimetres * 1000))
        return await self._ask(actor, ev.NoteLegLength(after, found))

    def _series_id(self) -> str:
        return f"{self._clock.random_u32():08x}"

    # Fingers

    def join(self, actor: str, tell: Callable[[Felt], None]) -> Hand:
        """A hand for a socket, by which it says what it feels; `tell` hears what comes of it."""
        return Hand(self._runner, self._is_current, actor, tell)

    def _is_current(self, state_seq: int, section: Section) -> bool:
        """Whether the section has not changed since the snapshot of this number."""
        return self._changed_seq[section] <= state_seq <= self._state_seq

    async def _ask(self, actor: str, action: ev.Action) -> Outcome:
        against = await self._runner.ask(actor, action)
        return Refused(reasons_shown(against)) if against else Done()

    def close(self) -> None:
        """Let everyone who watches go."""
        self._closed = True
        for changed in self._watching:
            changed.set()


def _meant_by_a_press(state: State, at: Section) -> tuple[object, ...]:
    """What a person looks at before a press; all of it is among what is told at once."""
    section = state.sections[at]
    tension_dn = state.params.values.get((int(at), TENSION_SET_KEY))
    return section.phase, section.fault, section.last_drop, tension_dn


def _told_at_once(state: State) -> tuple[object, ...]:
    """What a person must not be told late; what is left out are readings."""
    sections = tuple(
        (s.phase, s.fault, s.up, s.down, s.pin_in, s.armed_until_us, s.last_drop)
        for s in state.sections
    )
    armed = any(s.phase is Phase.ARMED for s in state.sections)
    return (
        sections,
        armed,
        state.link.health,
        state.link.trouble,
        state.table,
        state.lease is None or state.lease.holder,
        state.take_over,
        state.gesture is None or (state.gesture.intent, state.gesture.begun),
        state.series,
        state.stop_wanted is None,
        state.journal_failed,
        state.faults,
        state.upkeep.disk_free_mb,
        state.params.stage,
        state.params.values,
        bool(state.pending),
        state.hold is None,
        state.closing,
    )
