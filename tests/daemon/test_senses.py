"""What the daemon feels of its machine is measured, told in time, and told again when it changes."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from droptable.core.events import CalibrationChanged, ClockStepped, DiskLooked, LoopLooked
from droptable.core.model import Calibration
from droptable.daemon.calibrations import calibrations_of
from droptable.daemon.config import load
from droptable.daemon.senses import LATE_US, LOOK_US, STEP_US, Sensed, Senses, free_mb_at
from firmware_sim.virtual import VirtualClock, run_virtual

CONFIG = Path(__file__).parents[2] / "config" / "demo.toml"
SECOND_US = 1_000_000
NOTHING = CalibrationChanged((None, None, None))


class Wall(VirtualClock):
    """A clock on the wall that somebody can set, and a loop that can be kept busy."""

    def __init__(self) -> None:
        super().__init__(0)
        self.set_by = timedelta()
        self.late_us = 0

    def utc(self) -> datetime:
        return super().utc() + self.set_by

    async def sleep_until_us(self, at_us: int) -> None:
        late_us, self.late_us = self.late_us, 0
        await super().sleep_until_us(at_us + late_us)


class Felt:
    """What was told, and the machine that it was told of."""

    def __init__(self) -> None:
        self.clock = Wall()
        self.told: list[Sensed] = []
        self.free_mb: int | None = 5_000
        self.senses = Senses(
            self, self.clock, free_mb=self.look_at_the_disk, calibrations=lambda: NOTHING
        )

    def sense(self, sensed: Sensed) -> None:
        self.told.append(sensed)

    async def look_at_the_disk(self) -> int | None:
        return self.free_mb

    async def passes(self, us: int) -> list[Sensed]:
        self.told.clear()
        await VirtualClock.sleep_until_us(self.clock, self.clock.monotonic_us() + us)
        return list(self.told)


def play(scene: Coroutine[Any, Any, None]) -> None:
    run_virtual(scene, seed=0, limit_s=120)


async def running(felt: Felt) -> "asyncio.Task[None]":
    task = asyncio.create_task(felt.senses.run())
    await felt.passes(LOOK_US + 1)
    return task


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_calibrations_and_the_disk_are_told_before_anything_can_be_asked() -> None:
    async def scene() -> None:
        felt = Felt()
        await felt.senses.look()
        assert felt.told == [NOTHING, DiskLooked(5_000)]

    play(scene())


def test_a_loop_at_rest_is_told_after_one_look_and_then_each_second() -> None:
    async def scene() -> None:
        felt = Felt()
        task = asyncio.create_task(felt.senses.run())
        assert await felt.passes(LOOK_US + 1) == [LoopLooked(0)]
        assert await felt.passes(3 * SECOND_US) == [LoopLooked(0)] * 3
        await ended(task)

    play(scene())


def test_a_loop_that_is_late_is_told_at_once_and_the_worst_of_the_second_at_its_end() -> None:
    async def scene() -> None:
        felt = Felt()
        task = await running(felt)
        felt.clock.late_us = 150_000
        # The look that is under way was not late; the next one is.
        told = await felt.passes(2 * LOOK_US + 150_000)
        assert told == [LoopLooked(150_000)]
        assert (await felt.passes(2 * SECOND_US))[:2] == [LoopLooked(150_000), LoopLooked(0)]
        await ended(task)

    play(scene())


@pytest.mark.parametrize(("late_us", "at_once"), [(LATE_US - 1, False), (LATE_US, True)])
def test_what_is_hardly_late_waits_for_the_second(late_us: int, at_once: bool) -> None:
    async def scene() -> None:
        felt = Felt()
        task = await running(felt)
        felt.clock.late_us = late_us
        assert bool(await felt.passes(2 * LOOK_US + late_us)) == at_once
        await ended(task)

    play(scene())


def test_the_disk_is_looked_at_every_five_seconds() -> None:
    async def scene() -> None:
        felt = Felt()
        task = await running(felt)
        felt.free_mb = None
        told = [each for each in await felt.passes(11 * SECOND_US) if isinstance(each, DiskLooked)]
        assert told == [DiskLooked(None)] * 2
        await ended(task)

    play(scene())


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_is_set_is_told_with_the_calibrations_anew(sign: int) -> None:
    async def scene() -> None:
        felt = Felt()
        task = await running(felt)
        felt.clock.set_by = sign * timedelta(microseconds=STEP_US)
        told = await felt.passes(2 * SECOND_US)
        assert [each for each in told if not isinstance(each, LoopLooked)] == [
            ClockStepped(sign * STEP_US // 1000),
            NOTHING,
        ]
        await ended(task)

    play(scene())


def test_a_clock_that_is_slewed_is_not_told() -> None:
    async def scene() -> None:
        felt = Felt()
        task = await running(felt)
        for _ in range(3):
            felt.clock.set_by += timedelta(microseconds=STEP_US // 2 - 1)
            told = await felt.passes(SECOND_US)
            assert all(isinstance(each, LoopLooked) for each in told)
        await ended(task)

    play(scene())


async def test_the_room_of_a_disk_is_told_in_megabytes_and_none_where_there_is_no_disk(
    tmp_path: Path,
) -> None:
    free_mb = await free_mb_at(tmp_path)
    assert free_mb is not None
    assert free_mb > 0
    assert await free_mb_at(tmp_path / "gone") is None


def test_a_calibration_ends_with_its_last_day() -> None:
    options = {
        f"sections.pelvic.calibration_{name}": value
        for name, value in (("id", "spring"), ("board", "DT000001"), ("expires", "2026-03-31"))
    }
    config = load(CONFIG, {}, options)
    utc = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
    found = calibrations_of(config, 7_000_000, utc).calibrations
    assert found[2] == Calibration("spring", "DT000001", expires_us=8_000_000)
    assert found[0] is not None
    assert found[0].id == "drawings"


def test_without_an_entry_a_section_is_not_calibrated() -> None:
    config = load(None, {}, {"board.link": "sim"})
    today = datetime.combine(date(2026, 1, 1), datetime.min.time(), UTC)
    assert calibrations_of(config, 0, today) == NOTHING
