"""A practice in virtual time: gateway, runner and connection as the daemon has them, a simulated table
at the other end of a wire in memory, and the practitioner who uses both.

`in_virtual_time` makes a test of a scene that is played in it, once for each seed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from droptable.core.events import CalibrationChanged, DiskLooked, LoopLooked
from droptable.core.model import Phase
from droptable.daemon.calibrations import calibrations_of
from droptable.daemon.config import load
from droptable.daemon.gateway import Gateway
from droptable.daemon.outcome import Done, Outcome, Refused
from droptable.daemon.runner import Runner
from droptable.daemon.snapshot import SectionShown, Snapshot
from droptable.daemon.supervisor import settings_of
from droptable.sections import Section
from firmware_sim.mechanics import Mechanics, SectionTruth
from firmware_sim.simulated_board import SimulatedBoard
from firmware_sim.virtual import VirtualClock, run_virtual
from tests.daemon.notebook import Notebook
from tests.daemon.wire import Wire

ROOT = Path(__file__).parents[2]
SEEDS = (0, 1)
LOOK_US = 1_000
WAIT_MAX_S = 10.0

PATIENT_N = (250.0, 150.0, 200.0)
TENSION_N = 320.0
PELVIC = Section.PELVIC


def feel_well(runner: Runner, calibrations: CalibrationChanged) -> None:
    """The machine beneath is sound, as `senses.py` would tell it."""
    for sensed in (calibrations, DiskLooked(10_000), LoopLooked(0)):
        runner.sense(sensed)


class Practice:
    """One table, its daemon's shell, and a practitioner called `dr`."""

    def __init__(self, seed: int) -> None:
        self.clock = VirtualClock(seed)
        self.board = SimulatedBoard(Mechanics(seed=seed), boot_id=self.clock.random_u32())
        self.wire = Wire(self.board, self.clock)
        self.journal = Notebook(self.clock)
        config = load(ROOT / "config" / "demo.toml", {})
        self.runner = Runner(
            settings_of(config), open_stream=self.wire.open, journal=self.journal, clock=self.clock
        )
        feel_well(self.runner, calibrations_of(config, self.now_us, self.clock.utc()))
        self.gateway = Gateway(self.runner, self.journal, self.clock, table="t1")
        self._tasks = [asyncio.create_task(self.runner.run(), name="runner")]
        self._holding: asyncio.Task[None] | None = None

    async def end(self) -> None:
        self.let_go()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.wire.close()
        broken = [r for r in results if not isinstance(r, asyncio.CancelledError | None)]
        assert broken == []

    @property
    def broke(self) -> BaseException | None:
        """With what the runner ended, if it did."""
        running = self._tasks[0]
        return running.exception() if running.done() else None

    def forget_what_broke(self) -> None:
        """It was meant to."""
        del self._tasks[0]
        asyncio.get_running_loop().unseen.clear()  # type: ignore[attr-defined]

    # Looking

    @property
    def now_us(self) -> int:
        return self.clock.monotonic_us()

    @property
    def shown(self) -> Snapshot:
        return self.gateway.snapshot()

    def section(self, at: Section = PELVIC) -> SectionShown:
        shown = self.shown.sections
        return (shown.thoracic, shown.lumbar, shown.pelvic)[at]

    def truth(self, at: Section = PELVIC) -> SectionTruth:
        """What the section really does now."""
        self.wire.catch_up()
        return self.board.mechanics.truth(at)

    def driven(self) -> bool:
        """Whether the board drives any output now."""
        self.wire.catch_up()
        return any(section.driven for section in self.board.outputs)

    async def until(self, holds: Callable[[], bool], *, within_s: float = WAIT_MAX_S) -> int:
        """Look every millisecond until `holds`; how long it took, in µs."""
        began_us = self.now_us
        async with asyncio.timeout(within_s):
            while not holds():
                await self.passes(LOOK_US)
        return self.now_us - began_us

    async def passes(self, us: int) -> None:
        """Let time pass."""
        await self.clock.sleep_until_us(self.now_us + us)

    async def in_phase(self, phase: Phase, at: Section = PELVIC) -> int:
        return await self.until(lambda: self.section(at).phase == phase.name)

    async def live(self) -> None:
        """The board is known and nothing of the link is against motion."""
        waits = {"PARAMS_DIFFER", "PARAMS_INCOMPLETE", "SESSION_NEW", "LINK_STALE", "LINK_DOWN"}
        await self.until(lambda: not waits & set(self.against("cock")))

    def against(self, verb: str, at: Section = PELVIC) -> list[str]:
        """The codes of all that is against an action, for whoever has the lease."""
        return [reason.code for reason in getattr(self.section(at).ready, verb)]

    # Doing

    async def act(self, verb: str, at: Section = PELVIC) -> None:
        """Something that is not refused."""
        assert await self.gateway.act(verb, at, "dr") == Done()

    async def take_control(self) -> None:
        """Take the lease and keep it, as the page does."""
        assert await self.gateway.take_lease("dr") == Done()
        self._holding = asyncio.create_task(self._hold(), name="practitioner")
        self._tasks.append(self._holding)

    def let_go(self) -> None:
        """The tablet is gone: nobody renews the lease any more."""
        if self._holding is not None:
            self._holding.cancel()

    async def _hold(self) -> None:
        while True:
            await self.passes(500_000)
            await self.gateway.take_lease("dr")

    async def homed(self, at: Section = PELVIC) -> None:
        """The board is known, a patient lies there, the section is LOCKED with its tension."""
        await self.live()
        self.hand(lambda table: table.patient(PATIENT_N))
        await self.take_control()
        await self.act("home", at)
        await self.in_phase(Phase.LOCKED, at)
        await self.tension_set(at)

    async def tension_set(self, at: Section = PELVIC) -> None:
        """This patient's tension, and it has come to be."""
        assert await self.gateway.set_tension(at, TENSION_N, "dr") == Done()
        await self.until(lambda: abs((self.section(at).tension.measured_n or 0) - TENSION_N) < 5)

    async def cocked(self, at: Section = PELVIC) -> None:
        await self.homed(at)
        await self.until(lambda: not self.against("cock", at))
        await self.act("cock", at)
        await self.in_phase(Phase.COCKED, at)
        await self.until(lambda: not self.against("arm", at))

    async def armed(self, at: Section = PELVIC) -> None:
        await self.cocked(at)
        await self.act("arm", at)
        await self.in_phase(Phase.ARMED, at)
        await self.until(lambda: self.truth(at).pin_position == 0)

    def hand(self, do: Callable[[Mechanics], None]) -> None:
        """Someone does something to the table."""
        self.wire.catch_up()
        do(self.board.mechanics)
        self.wire.send(self.board.touched())
        self.wire.catch_up()

    def thrust(self, peak_n: float = 400.0, at: Section = PELVIC) -> None:
        self.hand(lambda table: table.thrust(at, peak_n=peak_n, rise_ms=120.0, preload_n=60.0))

    async def thrust_is_over(self) -> None:
        await self.passes(800_000)


def codes(outcome: Outcome) -> list[str]:
    """Why something was refused."""
    assert isinstance(outcome, Refused)
    return [reason.code for reason in outcome.reasons]


Scene = Callable[[Practice], Coroutine[Any, Any, None]]


def in_virtual_time(scene: Scene) -> Callable[[int], None]:
    """A test that plays `scene`, with the loop's turns shuffled by each of the seeds."""

    def test(seed: int) -> None:
        run_virtual(_play(scene, seed), seed=seed, limit_s=900)

    test.__name__, test.__doc__ = scene.__name__, scene.__doc__  # type: ignore[attr-defined]
    marked: Callable[[int], None] = pytest.mark.parametrize("seed", SEEDS)(test)
    return marked


async def _play(scene: Scene, seed: int) -> None:
    practice = Practice(seed)
    try:
        await scene(practice)
    finally:
        await practice.end()
