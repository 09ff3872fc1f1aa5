"""Virtual time: the same seed gives the same run, time costs nothing, and the real world is refused."""

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.daemon.clock import Clock
from firmware_sim.virtual import (
    EPOCH,
    OutOfTime,
    RealWorldRefused,
    Stuck,
    VirtualClock,
    VirtualLoop,
    run_virtual,
)

ROOT = Path(__file__).parent.parent.parent


async def race() -> list[int]:
    """Ten tasks that want to be first, five times over."""
    order = []

    async def run(number: int) -> None:
        for _ in range(5):
            order.append(number)
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(run(number))
    return order


async def aborted_group() -> list[int]:
    """Ten tasks that are cancelled together; asyncio keeps them in a set."""
    order = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append(number)

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ConnectionError

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(wait(number))
            group.create_task(fail())
    except* ConnectionError:
        pass
    return order


@given(seed=st.integers(0, 2**32))
def test_a_seed_replays_a_run(seed: int) -> None:
    assert run_virtual(race(), seed=seed) == run_virtual(race(), seed=seed)


def test_other_seeds_run_in_other_orders() -> None:
    assert len({tuple(run_virtual(race(), seed=seed)) for seed in range(20)}) == 20


def test_without_a_seed_the_order_is_asyncios() -> None:
    assert run_virtual(race(), seed=None) == list(range(10)) * 5


@pytest.mark.parametrize("program", ["race", "aborted_group"])
def test_a_seed_replays_a_run_in_another_process(program: str) -> None:
    """Not even the order of sets, which follows addresses and the seed of hashes, comes through."""
    code = (
        "from firmware_sim.virtual import run_virtual\n"
        f"from tests.firmware_sim.test_virtual import {program}\n"
        # Other addresses for what follows.
        "import sys; kept = [object() for _ in range(int(sys.argv[1]))]\n"
        f"print(run_virtual({program}(), seed=7))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code, seed],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "1234", "99999")
    }
    assert len(told) == 1


def test_tasks_without_a_name_are_called_the_same_in_every_run() -> None:
    async def program() -> list[str]:
        tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(3)]
        await asyncio.wait(tasks)
        return [task.get_name() for task in tasks]

    assert run_virtual(program()) == run_virtual(program())


def test_time_jumps_to_each_timer_and_stands_still_otherwise() -> None:
    async def program() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        for wait_s in (0.5, 86_400.0):
            await asyncio.sleep(wait_s)
            for _ in range(100):
                await asyncio.sleep(0)
            seen.append(loop.time())
        return seen

    assert run_virtual(program(), limit_s=100_000) == [0.0, 0.5, 86_400.5]


@given(waits_ms=st.lists(st.integers(-5, 1000), min_size=1, max_size=50))
def test_timers_fire_in_their_order_at_their_time(waits_ms: list[int]) -> None:
    fired = []

    async def program() -> None:
        loop = asyncio.get_running_loop()
        for wait_ms in waits_ms:
            loop.call_later(wait_ms / 1000, lambda due=wait_ms: fired.append((loop.time(), due)))
        await asyncio.sleep(2)

    run_virtual(program())
    assert sorted(due for _, due in fired) == sorted(waits_ms)
    assert all(at_s == max(0, due) / 1000 for at_s, due in fired)
    assert all(earlier <= later for (earlier, _), (later, _) in itertools.pairwise(fired))


def test_cancelled_timers_neither_fire_nor_pile_up() -> None:
    async def program() -> int:
        loop = asyncio.get_running_loop()
        loop.call_later(100, int)  # lives on, with the cancelled ones behind it
        for _ in range(10_000):
            async with asyncio.timeout(3000):
                await asyncio.sleep(0.001)
        return len(loop._timers)

    assert run_virtual(program()) < 200


def test_what_asyncio_offers_works() -> None:
    async def program() -> list[object]:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        opened, held = asyncio.Event(), asyncio.Lock()
        got: list[object] = []

        async def take() -> None:
            await opened.wait()
            async with held:
                got.extend([await queue.get() for _ in range(3)])

        async with asyncio.TaskGroup() as group:
            group.create_task(take())
            asyncio.get_running_loop().call_later(1, opened.set)
            for number in range(3):
                await queue.put(number)
        try:
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        except TimeoutError:
            got.append("timeout")
        return [*got, asyncio.get_running_loop().time()]

    assert run_virtual(program()) == [0, 1, 2, "timeout", 3.0]


def test_async_generators_are_closed_at_the_end() -> None:
    closed = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(1)
            closed.append(name)

    kept = numbers("kept")

    async def program() -> None:
        await anext(kept)
        async for _ in numbers("dropped"):
            break
        await asyncio.sleep(10)
        assert closed == ["dropped"]

    run_virtual(program())
    assert closed == ["dropped", "kept"]


def test_the_tasks_of_a_program_that_is_broken_off_are_cancelled_in_order_and_may_clean_up() -> (
    None
):
    cleaned = []

    async def stay(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            cleaned.append(number)

    async def program() -> None:
        tasks = [asyncio.create_task(stay(number)) for number in range(10)]
        await tasks[0]

    with pytest.raises(Stuck):
        run_virtual(program(), seed=None)
    assert cleaned == list(range(10))


def test_a_program_in_which_nothing_can_happen_is_stuck_and_says_who_waits() -> None:
    async def waits_forever() -> None:
        await asyncio.Event().wait()

    async def program() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_forever(), name="the one that waits")

    with pytest.raises(Stuck, match=r"the one that waits waits in .*waits_forever, line \d+"):
        run_virtual(program())


def test_a_program_that_spins_without_time_passing_is_stuck() -> None:
    async def program() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match="no time passed"):
        run_virtual(program())


def test_a_program_that_takes_too_long_is_ended_and_may_clean_up() -> None:
    cleaned = []

    async def program() -> None:
        try:
            for _ in itertools.count():
                await asyncio.sleep(0.25)
        finally:
            await asyncio.sleep(1)
            cleaned.append(True)

    with pytest.raises(OutOfTime, match="not done after 10 virtual seconds"):
        run_virtual(program(), limit_s=10)
    assert cleaned


def test_a_program_may_take_all_of_its_time() -> None:
    assert run_virtual(asyncio.sleep(10, "done"), limit_s=10) == "done"


def test_an_error_that_nobody_sees_fails_the_run() -> None:
    async def program() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    with pytest.raises(ExceptionGroup) as raised:
        run_virtual(program())
    assert raised.group_contains(ZeroDivisionError)


async def _ask(ask: Callable[[asyncio.AbstractEventLoop], object]) -> None:
    answer = ask(asyncio.get_running_loop())
    if asyncio.iscoroutine(answer):
        await answer


@pytest.mark.parametrize(
    "ask",
    [
        lambda loop: loop.run_in_executor(None, int),
        lambda _: asyncio.to_thread(int),
        lambda loop: loop.add_reader(0, int),
        lambda loop: loop.add_writer(0, int),
        lambda loop: loop.sock_recv(None, 1),
        lambda loop: loop.getaddrinfo("localhost", 80),
        lambda loop: loop.add_signal_handler(2, int),
        lambda _: asyncio.open_connection("localhost", 80),
        lambda _: asyncio.open_unix_connection("/nowhere"),
        lambda _: asyncio.start_server(int, "localhost", 0),
        lambda _: asyncio.create_subprocess_exec("true"),
    ],
)
def test_the_real_world_is_refused_by_name(
    ask: Callable[[asyncio.AbstractEventLoop], object],
) -> None:
    with pytest.raises(RealWorldRefused, match=r"^\w+: virtual time has no sockets, threads"):
        run_virtual(_ask(ask))


def test_another_thread_is_refused() -> None:
    refused = []

    async def program() -> None:
        loop = asyncio.get_running_loop()

        def call() -> None:
            try:
                loop.call_soon_threadsafe(int)
            except RealWorldRefused as refusal:
                refused.append(str(refusal))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        loop.call_soon_threadsafe(refused.append, "from its own thread it is not")
        await asyncio.sleep(0)

    run_virtual(program())
    assert refused[0].startswith("call_soon_threadsafe from another thread")
    assert refused[1:] == ["from its own thread it is not"]


def test_a_closed_loop_takes_nothing_more() -> None:
    loop = VirtualLoop()
    loop.close()
    for call in (lambda: loop.call_soon(int), lambda: loop.call_later(1, int), loop.run_forever):
        with pytest.raises(RuntimeError, match="closed"):
            call()


@given(at_us=st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_the_virtual_clock_wakes_at_the_very_microsecond(at_us: list[int]) -> None:
    clock: Clock = VirtualClock()

    async def program() -> None:
        for due_us in sorted(at_us):
            await clock.sleep_until_us(due_us)
            assert clock.monotonic_us() == due_us
            assert clock.utc() == EPOCH + timedelta(microseconds=due_us)

    run_virtual(program(), limit_s=10**7)


def test_the_virtual_dice_follow_their_seed() -> None:
    def rolled(seed: int) -> list[float]:
        clock = VirtualClock(seed)
        return [roll() for _ in range(100) for roll in (clock.random_u32, clock.random_float)]

    assert rolled(1) == rolled(1)
    assert rolled(1) != rolled(2)
    assert all(number >= 1 for number in rolled(3)[::2])
