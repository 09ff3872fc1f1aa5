"""A table on which nothing is broken, and people who do whatever comes into their heads.

The real runner, core, link, board and mechanics in virtual time, over a wire that loses nothing. What
the core commands is held against what the board says to it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from droptable.board.model import Code
from droptable.board.params import SETTLE_MS
from droptable.board.state import State as BoardState
from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.model import Control, Phase, Role, State, Table, Verb
from droptable.core.step import at_rest
from droptable.daemon.calibrations import calibrations_of
from droptable.daemon.config import load
from droptable.daemon.runner import Runner
from droptable.daemon.supervisor import settings_of
from droptable.link.frames import Decoder
from droptable.link.messages import FROM_BOARD, Param, Result
from droptable.sections import Section, section_named
from firmware_sim.mechanics import Mechanics
from firmware_sim.simulated_board import SimulatedBoard
from firmware_sim.virtual import VirtualClock, run_virtual
from tests.daemon.notebook import Notebook
from tests.daemon.practice import feel_well
from tests.daemon.wire import Wire

CONFIG = Path(__file__).parents[2] / "config" / "demo.toml"
PEOPLE = ("ann", "ann", "ann", "bob")
LIES_STILL_US = 200_000
"""Whoever lies down is felt by then: until then nobody careful touches a control."""
LOADS_N = (
    None,
    (250.0, 150.0, 200.0),
    (250.0, 150.0, 200.0),
    (80.0, 40.0, 60.0),
    (450.0, 450.0, 450.0),
)
"""The last presses more than the tension that is set most often can hold."""
Known = tuple[Any, ...]
"""What a STATUS says that a command can be decided on."""


def known(sections: Any, table: Table | None) -> Known:
    """What the host believed."""
    told = tuple((s.phase, s.fault, s.up, s.down, s.pin_in) for s in sections)
    if table is None:
        return told
    lines = (table.stopped, table.estop_open, table.hold_pressed, table.params_incomplete)
    return (*told, lines)


@dataclass
class Report:
    """What came of one seed: what was sent, and what the board did not take."""

    sent: Counter[str] = field(default_factory=Counter)
    races: Counter[str] = field(default_factory=Counter)
    """Refused, as the table had changed after the STATUS that the command was decided on."""
    told: Counter[str] = field(default_factory=Counter)
    """Refused for what only the board knows."""
    refused: list[str] = field(default_factory=list)
    """Refused without that."""
    drops: int = 0
    unarmed: list[str] = field(default_factory=list)
    """What fell without having been armed, by the journal; and what the board calls that itself."""
    steps: int = 0


class WatchedWire(Wire):
    """Tells every message of the board before it is on its way."""

    told: Callable[[object], None] = staticmethod(lambda _: None)

    def __init__(self, board: SimulatedBoard, clock: VirtualClock) -> None:
        self._from_board = Decoder(FROM_BOARD)
        super().__init__(board, clock)

    def send(self, sent: bytes) -> None:
        for frame in self._from_board.feed(sent):
            self.told(frame.message)
        super().send(sent)


class FairTable:
    """One table and its people, from one seed. `rough`: they also do what nobody should."""

    def __init__(self, seed: int, *, rough: bool) -> None:
        self.report = Report()
        self._dice = Random(seed)
        self._rough = rough
        self._clock = VirtualClock(seed)
        self._mechanics = Mechanics(seed=seed)
        self._board = SimulatedBoard(self._mechanics, boot_id=7)
        self._wire = WatchedWire(self._board, self._clock)
        self._wire.told = self._board_says
        self._decided: dict[int, tuple[str, Known]] = {}
        self._request = 1_000_000
        self._lies_still_us = 0
        self._journal = Notebook(self._clock)
        config = load(CONFIG, {})
        self._runner = Runner(
            settings_of(config),
            open_stream=self._wire.open,
            journal=self._journal,
            clock=self._clock,
            witness=self._decides,
        )
        feel_well(self._runner, calibrations_of(config, 0, self._clock.utc()))

    async def live(self, duration_s: float) -> None:
        """Let people do things for so long, and wait until all is quiet."""
        running = asyncio.create_task(self._runner.run(), name="runner")
        until_us = round(duration_s * 1e6)
        try:
            while self._clock.monotonic_us() < until_us and not running.done():
                self._something()
                await self._pass(self._dice.choice((1, 5, 20, 50, 150, 400)) * 1_000)
            await self._pass(1_000_000)
        finally:
            running.cancel()
            (ended,) = await asyncio.gather(running, return_exceptions=True)
            self._wire.close()
        assert isinstance(ended, asyncio.CancelledError), ended
        self.report.drops = len(self._mechanics.drops)
        self.report.unarmed = [
            f"{event.kind} at the {event.section} section, {event.seq} in the journal"
            for event in self._journal.events
            if (event.kind == "drop" and event.data["armed_ms"] is None)
            or event.data.get("code") == "UNCOMMANDED_DROP"
        ]

    # What the core decides, and what the board says to it

    def _decides(
        self, before: State, event: ev.Event, _: int, outcome: tuple[do.Effect, ...] | Exception
    ) -> None:
        self.report.steps += 1
        if isinstance(outcome, Exception):
            return
        believed = known(before.sections, before.table)
        if isinstance(event, ev.StatusHeard):
            believed = known(event.sections, event.table)
        for effect in outcome:
            if isinstance(effect, do.SendCommand):
                at = "table" if effect.section is None else effect.section.label
                self._decides_on(effect.cmd_id, effect.verb.name, f" {at}", believed)
            elif isinstance(effect, do.SendParamSet):
                self._decides_on(effect.cmd_id, "PARAM_SET", f" {effect.key}", believed)

    def _decides_on(self, cmd_id: int, name: str, where: str, believed: Known) -> None:
        self.report.sent[name] += 1
        self._decided[cmd_id] = (name + where, believed)

    def _board_says(self, message: object) -> None:
        if isinstance(message, Result | Param):
            decided = self._decided.pop(message.cmd_id, None)
            if decided is not None and isinstance(message, Result) and message.code:
                self._is_refused(*decided, message.code)

    def _is_refused(self, name: str, believed: Known, code: int) -> None:
        board = self._board._endpoint.state
        if self._only_the_board_knows(board, name, code):
            self.report.told[f"{name.split(maxsplit=1)[0]} {code}"] += 1
            return
        true = (
            *((s.phase, s.fault, s.up.level, s.down.level, s.pin.level) for s in board.sections),
            (board.stopped, board.estop.active, board.hold, not board.params_complete),
        )
        changed = [
            f"{was} is {now}" for was, now in zip(believed, true, strict=False) if was != now
        ]
        if changed:
            self.report.races[f"{name.split(maxsplit=1)[0]} {code}"] += 1
        else:
            at_s = self._clock.monotonic_us() / 1e6
            self.report.refused.append(f"at {at_s:.6f} s: {name} with {code} in {true}")

    def _only_the_board_knows(self, board: BoardState, name: str, code: int) -> bool:
        """Refusals for what no STATUS says, so that no host can know it before it asks."""
        match name.split(), code:
            case ["CLEAR_FAULT", _], Code.FAULTED:
                # Whether the cause is gone: to ask is to look.
                return True
            case ["RESET_STOP", _], Code.STOPPED:
                # The local button has no bit of its own; it is still held down.
                return board.button.active
            case ["HOME", at], Code.IMPLAUSIBLE:
                # A STATUS tells what a switch says, and not that it has not said it for settle_ms.
                section = board.sections[section_named(at)]
                settle_us = board.params.get(section_named(at), SETTLE_MS) * 1_000
                switches = (section.up, section.down, section.pin)
                newest_us = max(switch.level_since_us for switch in switches)
                bounces = any(switch.burst_us is not None for switch in switches)
                return bounces or self._clock.monotonic_us() - newest_us < settle_us
        return False

    # What people do

    def _somebody_may_move(self) -> bool:
        """Nobody careful lies down, or gets up, while something moves or is about to."""
        state = self._runner.state
        return self._rough or (
            at_rest(state) and state.gesture is None and state.hold is None and not state.pending
        )

    def _something(self) -> None:
        dice, chance = self._dice, self._dice.random()
        armed = [at for at in Section if self._runner.state.sections[at].phase is Phase.ARMED]
        if not self._rough and self._clock.monotonic_us() < self._lies_still_us:
            return
        if armed and chance < 0.3:
            self._thrust(armed[0])
        elif chance < 0.02:
            if self._somebody_may_move():
                load_n = dice.choice(LOADS_N)
                self._hand(lambda table: table.patient(load_n))
                self._lies_still_us = self._clock.monotonic_us() + LIES_STILL_US
        elif self._rough and chance < 0.035:
            self._do_something_rough()
        elif chance < 0.35:
            self._touch()
        else:
            self._ask()

    def _do_something_rough(self) -> None:
        dice = self._dice
        does: Callable[[], object] = dice.choice(
            [
                lambda: self._thrust(Section(dice.randrange(3))),
                lambda: self._hand(lambda table: table.estop(True)),
                lambda: self._hand(lambda table: table.stop_button(True)),
                lambda: self._hand(lambda table: table.pedal(dice.random() < 0.5)),
                lambda: self._runner.stop("page"),
            ]
        )
        does()

    def _ask(self) -> None:
        dice, at = self._dice, Section(self._dice.randrange(3))
        action: ev.Action = dice.choice(
            [
                *[ev.TakeLease()] * 4,
                *[ev.Do(dice.choice((Verb.HOME, Verb.CLEAR_FAULT)), at)] * 4,
                *[ev.Do(dice.choice((Verb.COCK, Verb.ARM, Verb.LOCK)), at)] * 8,
                *[ev.SetTension(at, dice.randrange(1_000, 7_001))] * 2,
                *[ev.SetTension(at, 3_200)] * 3,
                ev.Do(Verb.DISARM, at),
                *[ev.ResetStop()] * 3,
                ev.ReleaseLease() if dice.random() < 0.2 else ev.TakeLease(),
            ]
        )
        if isinstance(action, ev.ResetStop):
            self._hand(lambda table: (table.estop(False), table.stop_button(False)))
            self._hand(lambda table: table.pedal(False))
        self._request += 1
        who = dice.choice(PEOPLE)
        self._runner._take(ev.Asked(self._request, who, action, Role.TECHNICIAN))

    def _touch(self) -> None:
        """A finger comes down, stays, goes up, or means it."""
        dice, gesture = self._dice, self._runner.state.gesture
        if gesture is None or gesture.client is None:
            at, control = Section(dice.randrange(3)), dice.choice(tuple(Control))
            press = ev.Pressed(1, dice.choice(PEOPLE), Role.TECHNICIAN, control, at, current=True)
            self._runner._take(press)
            return
        chance, intent = dice.random(), gesture.intent
        for kind, at_most in ((ev.Holding, 0.9), (ev.CommitAsked, 0.97), (ev.Released, 1.0)):
            if chance < at_most:
                self._runner._take(kind(gesture.client, intent))
                return

    def _thrust(self, at: Section) -> None:
        peak_n = self._dice.choice((300.0, 500.0, 800.0))
        self._hand(lambda table: table.thrust(at, peak_n=peak_n, rise_ms=120.0))

    def _hand(self, does: Callable[[Mechanics], object]) -> None:
        self._wire.catch_up()
        does(self._mechanics)
        self._wire.send(self._board.touched())
        self._wire.catch_up()

    async def _pass(self, us: int) -> None:
        """Let time pass; a finger that is down says so every 100 ms."""
        until_us = self._clock.monotonic_us() + us
        while (now_us := self._clock.monotonic_us()) < until_us:
            await self._clock.sleep_until_us(min(until_us, now_us + 100_000))
            gesture = self._runner.state.gesture
            if gesture is not None and gesture.client is not None and self._dice.random() < 0.98:
                self._runner._take(ev.Holding(gesture.client, gesture.intent))


def lived(seed: int, *, rough: bool, duration_s: float) -> Report:
    """What came of so much of a table's time."""

    async def live() -> Report:
        table = FairTable(seed, rough=rough)
        await table.live(duration_s)
        return table.report

    return run_virtual(live(), seed=seed, limit_s=duration_s + 60)
