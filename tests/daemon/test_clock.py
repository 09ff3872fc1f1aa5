"""The clock of the machine keeps the promises that the daemon rests on."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from droptable.daemon.clock import Clock, SystemClock


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


def test_monotonic_time_is_the_machines_in_whole_microseconds(clock: Clock) -> None:
    before_us = time.monotonic_ns() // 1000
    now_us = clock.monotonic_us()
    assert before_us <= now_us <= time.monotonic_ns() // 1000


def test_the_wall_clock_says_utc_and_knows_that_it_does(clock: Clock) -> None:
    before = datetime.now(UTC)
    now = clock.utc()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


@pytest.mark.serial
@pytest.mark.parametrize("wait_us", [1, 999, 1_000, 20_001])
async def test_a_sleep_never_ends_early(clock: Clock, wait_us: int) -> None:
    due_us = clock.monotonic_us() + wait_us
    await clock.sleep_until_us(due_us)
    assert clock.monotonic_us() >= due_us


async def test_a_sleep_does_not_end_early_on_a_loop_that_fires_its_timers_early(
    clock: Clock,
) -> None:
    # A loop that wakes fires what is due within its clock's resolution, which here is coarse.
    loop = asyncio.get_running_loop()
    loop._clock_resolution = 0.02
    loop.call_later(0.015, int)
    due_us = clock.monotonic_us() + 30_000
    await clock.sleep_until_us(due_us)
    assert clock.monotonic_us() >= due_us


async def test_a_sleep_until_a_past_moment_lets_the_others_take_their_turn(clock: Clock) -> None:
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, "another's")
    await clock.sleep_until_us(clock.monotonic_us() - 1_000_000)
    assert turns == ["another's"]


async def test_a_sleep_can_be_cancelled(clock: Clock) -> None:
    asleep = asyncio.create_task(clock.sleep_until_us(clock.monotonic_us() + 3_600_000_000))
    await asyncio.sleep(0)
    asleep.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asleep


def test_session_numbers_fit_the_link_are_never_none_and_do_not_repeat(clock: Clock) -> None:
    rolled = [clock.random_u32() for _ in range(1000)]
    assert all(1 <= number <= 0xFFFF_FFFF for number in rolled)
    # Two equal ones among a thousand: once in ten thousand runs. Three: a broken die.
    assert len(set(rolled)) >= 998


def test_the_lowest_roll_is_a_session_number_all_the_same() -> None:
    class Low(random.SystemRandom):
        def getrandbits(self, k: int) -> int:
            return 0

    clock = SystemClock()
    clock._dice = Low()
    assert clock.random_u32() == 1


def test_a_random_share_is_at_least_nothing_and_less_than_all(clock: Clock) -> None:
    rolled = [clock.random_float() for _ in range(1000)]
    assert all(0 <= share < 1 for share in rolled)
    assert len(set(rolled)) > 1
