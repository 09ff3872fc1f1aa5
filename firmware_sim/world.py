"""The daemon's runner and a simulated table in one process and in virtual time, from one seed.

First a safety phase: a practitioner works, a hand in the wrong moment thrusts, the red button is
pushed, and the wire is sick. Then a liveness phase without faults, in which the table must become
usable again. After every step of the board, what it drives is checked against what must never be,
and at the end the journal against what physically happened. The same seed gives the same trace.

What is real: the core, the runner, the gateway, both ends of the link, the board's law, the
mechanics. Journal and broker are not part of it yet: a list stands in for the disk.
"""

import asyncio
import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random
from typing import cast

from droptable.board.invariants import InvariantBrokenError
from droptable.board.model import Phase
from droptable.core.events import CalibrationChanged, DiskLooked, LoopLooked
from droptable.core.limits import SectionLimits, Settings
from droptable.core.model import Calibration
from droptable.daemon.connection import Stream
from droptable.daemon.gateway import Gateway
from droptable.daemon.outcome import Outcome, Refused
from droptable.daemon.roles import HOUSEKEEPER
from droptable.daemon.runner import Runner
from droptable.daemon.snapshot import SectionShown
from droptable.journal.event import Draft, Event
from droptable.link.params import TABLE_SECTION, Key, params_crc
from droptable.sections import Section
from firmware_sim.mechanics import Mechanics, PhysicalDrop
from firmware_sim.serve import ServedBoard
from firmware_sim.simulated_board import SimulatedBoard
from firmware_sim.virtual import VirtualClock, run_virtual
from firmware_sim.wire import HEALTHY, SICK, Wire

USABLE_WITHIN_S = 60.0
"""How long after the last fault the table may take to be cocked again, virtual seconds."""

EDGE_ERROR_US = 100
"""How far the time of a drop may be off, by the board link's table of times."""

LAST_KEPT = 50

PRACTITIONER = HOUSEKEEPER
"""Alone in the practice, and so the one who clears what is for a technician, too."""

SECTION_PARAMS: dict[Key, int] = {
    Key.COCK_TIMEOUT_MS: 2_000,
    Key.LOWER_TIMEOUT_MS: 4_000,
    Key.DROP_TIMEOUT_MS: 300,
    Key.PIN_TIMEOUT_MS: 150,
    Key.SETTLE_MS: 50,
    Key.DEBOUNCE_US: 8_000,
    Key.ARM_WINDOW_MAX_MS: 20_000,
    Key.LOAD_ZERO_RAW: 8_388,
    Key.LOAD_SPAN_UN: 50_000,
    Key.LOAD_MAX_DN: 20_000,
    Key.TENSION_ZERO: 200,
    Key.TENSION_SPAN_UN: 250_000,
    Key.TENSION_TOLERANCE_DN: 200,
    Key.DROP_HEIGHT_UM: 19_000,
}
CALIBRATION = Calibration("drawings", "SIM00001", expires_us=10**15)
CALIBRATED = CalibrationChanged((CALIBRATION, CALIBRATION, CALIBRATION))
"""The simulated table is as its drawings say."""

TABLE_PARAMS: dict[Key, int] = {
    Key.SUPPLY_MIN_MV: 20_000,
    Key.AIR_MIN_KPA: 400,
    Key.COIL_ON_MAX_MS: 30_000,
}


@dataclass(frozen=True, slots=True)
class WorldReport:
    """What one seed gave. `violations` is empty in a program without bugs."""

    seed: int
    trace_hash: str
    virtual_s: float
    events: int
    drops: int
    faults: dict[str, int]
    violations: tuple[str, ...]
    last: tuple[str, ...]
    """The last things that happened before the first violation, for a person."""


def run_world(seed: int, hours: float) -> WorldReport:
    """Live through `hours` of a table's time, from one seed."""
    limit_s = hours * 3600 + USABLE_WITHIN_S + 60
    world = World(seed)
    try:
        run_virtual(world.live(hours * 3600), seed=seed, limit_s=limit_s)
    except* InvariantBrokenError:
        # Told when it broke; what comes after is the life of a table with a dead board.
        pass
    return world.report()


class MemoryJournal:
    """A journal without a disk: a commit is there at the loop's next turn."""

    def __init__(self, told: Callable[[Event], None]) -> None:
        self.events: list[Event] = []
        self.head_seq = 0
        self.writable = True
        self.problem: str | None = None
        self._told = told
        self._by_board: dict[tuple[int, int], Event] = {}

    def append(self, draft: Draft) -> "asyncio.Future[Event]":
        """Record `draft`; a board's event that is there already gives what is there."""
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        ref = None if draft.board is None else (draft.board.boot_id, draft.board.event_seq)
        event = None if ref is None else self._by_board.get(ref)
        if event is None:
            event = self._recorded(draft)
            if ref is not None:
                self._by_board[ref] = event
        future.set_result(event)
        return future

    def _recorded(self, draft: Draft) -> Event:
        self.head_seq += 1
        event = Event(
            *(1, "world", "world", self.head_seq, "", "unsynced", draft.kind, draft.section),
            *(draft.actor, dict(draft.data), "", ""),
        )
        self.events.append(event)
        self._told(event)
        return event


class WatchedBoard(SimulatedBoard):
    """A simulated board that is looked at after every step; `found` is told what must never be."""

    found: Callable[[str], None]

    def _step(self, at_us: int, received: bytes) -> bytes:
        try:
            sent = super()._step(at_us, received)
        except InvariantBrokenError as broken:
            self.found(f"the board: {broken}")
            raise
        for sentence in self._broken():
            self.found(sentence)
        return sent

    def _broken(self) -> list[str]:
        board = self._endpoint.state
        driven = [section.outputs for section in board.sections]
        claims = {
            "two pins are withdrawn": sum(each.pin_withdrawn for each in driven) > 1,
            "something is driven under STOP": board.stopped and any(o.driven for o in driven),
            "something is driven without a live host and its lease": (
                not (board.host_live and board.lease) and any(o.driven for o in driven)
            ),
            "a lift or a valve is driven with its pin in": any(
                (section.outputs.lift or section.outputs.lowering) and section.pin.level
                for section in board.sections
            ),
            "a section is raised or lowered without a hold": not board.hold
            and any(each.lift or each.lowering for each in driven),
        }
        return [sentence for sentence, is_broken in claims.items() if is_broken]

    def phase(self, section: Section) -> Phase:
        """Where the board's law has the section."""
        return self._endpoint.state.sections[section].phase


class World:
    """One table's world."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._dice = Random(seed)
        self._clock = VirtualClock(seed)
        self._last: deque[str] = deque(maxlen=LAST_KEPT)
        self._last_at_violation: tuple[str, ...] = ()
        self._violations: list[str] = []
        self._trace = hashlib.sha256()
        self._faults: Counter[str] = Counter()
        self._wires: list[Wire] = []
        self._settings = SICK
        self._virtual_s = 0.0
        self._journal = MemoryJournal(self._note)

    async def live(self, duration_s: float) -> None:
        """Both phases, and the reckoning."""
        mechanics = Mechanics(seed=self._seed)
        board = WatchedBoard(mechanics, boot_id=1 + self._seed % 1000)
        board.found = self._violated
        self._board, self._served = board, ServedBoard(board, self._clock, None)
        runner = Runner(
            settings(), open_stream=self._open_stream, journal=self._journal, clock=self._clock
        )
        for sensed in (CALIBRATED, DiskLooked(10_000), LoopLooked(0)):
            runner.sense(sensed)
        # A stand-in with what a gateway asks of a journal while nobody reads it.
        self._gateway = Gateway(runner, self._journal, self._clock, table="world")  # type: ignore[arg-type]
        connected = asyncio.create_task(runner.run(), name="runner")
        try:
            await self._trouble(duration_s)
            await self._recovery()
        finally:
            connected.cancel()
            await asyncio.gather(connected, return_exceptions=True)
            self._served.close()
        self._virtual_s = self._clock.monotonic_us() / 1e6
        self._reckon(mechanics.drops)

    def report(self) -> WorldReport:
        """What came of it."""
        faults = sum((wire.faults for wire in self._wires), self._faults)
        return WorldReport(
            seed=self._seed,
            trace_hash=self._trace.hexdigest(),
            virtual_s=self._virtual_s,
            events=len(self._journal.events),
            drops=sum(event.kind == "drop" for event in self._journal.events),
            faults=dict(sorted(faults.items())),
            violations=tuple(self._violations),
            last=self._last_at_violation,
        )

    # The wire

    async def _open_stream(
        self, *, on_bytes: Callable[[bytes], None], on_closed: Callable[[str], None]
    ) -> Stream:
        wire = Wire(self._clock, self._dice, self._settings)
        self._wires.append(wire)
        wire.host.on_bytes, wire.host.on_closed = on_bytes, on_closed
        wire.board.on_bytes, wire.board.on_closed = self._served.heard, self._served.lost
        self._served.connected(wire.board)
        return wire.host

    # The people

    async def _trouble(self, duration_s: float) -> None:
        """Work, with everything going wrong that may."""
        until_us = round(duration_s * 1e6)
        while self._clock.monotonic_us() < until_us:
            section = self._dice.choice(tuple(Section))
            await self._do_something(section)
            await self._pause(self._dice.randrange(50, 3_000))
        self._settings = HEALTHY
        for wire in self._wires:
            wire.settings = HEALTHY

    async def _do_something(self, section: Section) -> None:
        chance = self._dice.random()
        if chance < 0.03:
            await self._push_the_red_button()
        elif chance < 0.05:
            self._fault("stop")
            self._gateway.stop("world")
        elif chance < 0.1:
            self._fault("stray thrust")
            self._thrust(section, self._dice.choice((150.0, 900.0)))
        elif chance < 0.15:
            load_n = self._dice.choice((None, (250.0, 150.0, 200.0), (80.0, 40.0, 60.0)))
            self._touch(lambda table: table.patient(load_n))
        else:
            await self._work(section)

    async def _work(self, section: Section) -> None:
        """One step onward in the life of a section, as far as the table lets."""
        await self._take_control()
        match self._seen(section):
            case "UNKNOWN":
                await self._gateway.act("home", section, PRACTITIONER)
            case "FAULT":
                await self._clear(section)
            case "LOCKED" | "HALTED":
                await self._cock(section)
            case "COCKED" if self._dice.random() < 0.2:
                await self._until_still("lock", section)
            case "COCKED":
                await self._arm_and_thrust(section)
            case _:
                pass

    async def _take_control(self) -> None:
        """Take the lease, and a latched stop back; what is refused is tried again next time."""
        await self._gateway.take_lease(PRACTITIONER)
        if not self._gateway.snapshot().stop.latched:
            return
        # What stopped the table has to be cleared before the stop is taken back.
        for section in Section:
            if self._seen(section) == "FAULT":
                await self._clear(section)
        await self._gateway.reset_stop(PRACTITIONER)

    async def _clear(self, section: Section) -> None:
        """Set the tension anew, as a STOP leaves the actuator where it was; then clear."""
        await self._set_tension(section)
        await self._pause(2_000)
        await self._gateway.take_lease(PRACTITIONER)
        await self._gateway.act("clear-fault", section, PRACTITIONER)

    async def _cock(self, section: Section) -> None:
        await self._set_tension(section)
        await self._pause(2_000)
        await self._gateway.take_lease(PRACTITIONER)
        await self._until_still("cock", section)

    async def _until_still(self, verb: str, section: Section) -> None:
        """Begin a motion and keep the lease until it has ended, or forget to."""
        outcome = await self._gateway.act(verb, section, PRACTITIONER)
        if isinstance(outcome, Refused) or self._dice.random() < 0.05:
            return
        await self._keep_lease(while_in=("COCKING", "LOWERING", "SECURING"), section=section)

    async def _set_tension(self, section: Section) -> None:
        """What suits whoever lies there now: 80 to 150 N above the load."""
        load_n = self._shown(section).load_n or 0.0
        tension_n = max(100.0, load_n + self._dice.choice((80.0, 150.0)))
        await self._gateway.set_tension(section, tension_n, PRACTITIONER)

    async def _arm_and_thrust(self, section: Section) -> None:
        # Whoever lay down since, or the end of a lease, makes another tension necessary.
        against = {reason.code for reason in self._shown(section).ready.arm}
        if against & {"TENSION_LEFT", "TENSION_UNCONFIRMED", "TENSION_LOW", "TENSION_HIGH"}:
            await self._set_tension(section)
            await self._pause(2_000)
            await self._take_control()
        outcome: Outcome = await self._gateway.act("arm", section, PRACTITIONER)
        if isinstance(outcome, Refused):
            return
        await self._pause(self._dice.randrange(0, 1_500))
        if self._dice.random() < 0.8:
            self._thrust(section, self._dice.choice((300.0, 500.0, 800.0)))
        if self._dice.random() < 0.9:
            waiting = ("ARMED", "DROPPING", "DROPPED", "SECURING")
            await self._keep_lease(while_in=waiting, section=section)

    async def _keep_lease(self, *, while_in: tuple[str, ...], section: Section) -> None:
        for _ in range(100):
            await self._gateway.take_lease(PRACTITIONER)
            await self._pause(250)
            if self._seen(section) not in while_in:
                return

    async def _push_the_red_button(self) -> None:
        self._fault("e-stop")
        self._touch(lambda table: table.estop(True))
        await self._pause(self._dice.randrange(20, 2_000))
        self._touch(lambda table: table.estop(False))
        await self._pause(100)

    def _thrust(self, section: Section, peak_n: float) -> None:
        rise_ms = float(self._dice.randrange(80, 171))
        self._touch(lambda table: table.thrust(section, peak_n=peak_n, rise_ms=rise_ms))

    def _touch(self, hand: Callable[[Mechanics], None]) -> None:
        """Do something to the table, at the table's own present."""
        self._served.touch(hand)

    def _seen(self, section: Section) -> str:
        return self._shown(section).phase

    def _shown(self, section: Section) -> SectionShown:
        shown = self._gateway.snapshot().sections
        return (shown.thoracic, shown.lumbar, shown.pelvic)[section]

    async def _pause(self, pause_ms: int) -> None:
        await self._clock.sleep_until_us(self._clock.monotonic_us() + pause_ms * 1000)

    # The reckoning

    async def _recovery(self) -> None:
        """Without faults everything must become usable again: each section cocked, then locked."""
        self._touch(lambda table: table.estop(False))
        self._touch(lambda table: table.patient(None))
        began_us = self._clock.monotonic_us()
        for section in Section:
            usable = False
            while not usable and self._clock.monotonic_us() - began_us < USABLE_WITHIN_S * 1e6:
                if self._seen(section) == "COCKED":
                    await self._take_control()
                    await self._gateway.act("lock", section, PRACTITIONER)
                    await self._keep_lease(while_in=("LOWERING", "SECURING"), section=section)
                    usable = self._seen(section) == "LOCKED"
                else:
                    await self._work(section)
                await self._pause(300)
            if not usable:
                self._violated(f"the {section.label} section did not become usable again")
        # What the board still has must come over: it re-sends every 500 ms.
        await self._pause(5_000)

    def _reckon(self, happened: tuple[PhysicalDrop, ...]) -> None:
        """Each physical drop is in the journal exactly once, and nothing else is."""
        recorded = [
            (event.section, cast("int", event.data["board_us"]))
            for event in self._journal.events
            if event.kind == "drop"
        ]
        for drop in happened:
            near = [
                found
                for found in recorded
                if found[0] == drop.section.label
                and abs(found[1] - drop.up_edge_us) <= EDGE_ERROR_US
            ]
            if len(near) != 1:
                label, at_us = drop.section.label, drop.up_edge_us
                self._violated(f"the {label} drop at {at_us} us is {len(near)} times recorded")
        if len(recorded) > len(happened):
            self._violated(f"{len(recorded)} drops are recorded, {len(happened)} happened")

    def _violated(self, sentence: str) -> None:
        at_s = self._clock.monotonic_us() / 1e6
        if not self._violations:
            self._last_at_violation = tuple(self._last)
        if len(self._violations) < LAST_KEPT:
            self._violations.append(f"at {at_s:.6f} s: {sentence}")

    def _fault(self, kind: str) -> None:
        self._faults[kind] += 1
        self._tell(f"hand: {kind}")

    def _note(self, event: Event) -> None:
        self._tell(f"{event.kind} {event.section or ''} {json.dumps(dict(event.data))}")

    def _tell(self, line: str) -> None:
        told = f"{self._clock.monotonic_us() / 1e6:.6f} {line}"
        self._trace.update(told.encode())
        self._last.append(told)


def settings() -> Settings:
    """The configuration of the world's daemon."""
    params = {
        (int(section), int(key)): value
        for section in Section
        for key, value in SECTION_PARAMS.items()
    } | {(TABLE_SECTION, int(key)): value for key, value in TABLE_PARAMS.items()}
    limits = SectionLimits(2_000, 4_000, tension_min_dn=1_000, tension_max_dn=7_000)
    return Settings(
        window_ms=5_000,
        sections=(limits, limits, limits),
        board_params=params,
        params_crc=params_crc,
    )


def document(reports: list[WorldReport], wall_s: float) -> dict[str, object]:
    """What `world --json` prints: one trace hash over all seeds, the sums, and each seed."""
    digest = hashlib.sha256("".join(report.trace_hash for report in reports).encode())
    faults = sum((Counter(report.faults) for report in reports), Counter[str]())
    return {
        "schema": "world/1",
        "trace_hash": digest.hexdigest(),
        "virtual_s": round(sum(report.virtual_s for report in reports), 3),
        "wall_s": round(wall_s, 3),
        "events": sum(report.events for report in reports),
        "faults": dict(sorted(faults.items())),
        "violations": [
            {"seed": report.seed, "what": what} for report in reports for what in report.violations
        ],
        "seeds": [asdict(report) for report in reports],
    }
