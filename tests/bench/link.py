"""COMMAND to RESULT over a pty: the host's whole link stack, beside an echo of the same bytes."""

import asyncio
import os
import subprocess
import sys
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

from droptable.daemon.clock import SystemClock
from droptable.daemon.connection import Connection
from droptable.link.frames import encode
from droptable.link.host_session import News, Received, Welcomed
from droptable.link.messages import Command, Result
from droptable.link.session import clock_ms
from droptable.link.transport import SerialAddress, open_stream
from tests.bench.figures import Figure, against_floor, percentile
from tests.bench.raw_echo import RawEcho

NAMES = ("link_command_to_result_p50",)
BAR = 2.0
SAMPLES, SAMPLES_QUICK = 6000, 300
WARM_UP = 200


async def measure(quick: bool) -> list[Figure]:
    """Both in turn, over two ptys whose other ends one process serves."""
    samples = SAMPLES_QUICK if quick else SAMPLES
    floor_us, stack_us = [], []
    async with AsyncExitStack() as parts:
        echo_pty = parts.enter_context(_pty())
        link_pty = parts.enter_context(_pty())
        parts.enter_context(peer(echo_pty[0], link_pty[0]))
        echo = RawEcho(echo_pty[1])
        parts.callback(echo.close)
        commander = await parts.enter_async_context(_commander(os.ttyname(link_pty[1])))
        same_bytes = encode(7, 0xDEC0DE, commander.command(1))
        for turn in range(WARM_UP + samples):
            began_ns = time.perf_counter_ns()
            await echo.send(same_bytes)
            between_ns = time.perf_counter_ns()
            await commander.ask(turn % 0xFFFF + 1)
            ended_ns = time.perf_counter_ns()
            floor_us.append((between_ns - began_ns) / 1000)
            stack_us.append((ended_ns - between_ns) / 1000)
    value, floor = percentile(stack_us[WARM_UP:], 50), percentile(floor_us[WARM_UP:], 50)
    p99 = f"p99 {percentile(stack_us[WARM_UP:], 99):.0f} beside {percentile(floor_us[WARM_UP:], 99):.0f} µs"
    return [against_floor(NAMES[0], "us", value=value, floor=floor, bar=BAR, note=p99)]


class _Commander:
    """The `Connection` as the runner has it, whose listener only waits for one RESULT."""

    def __init__(self, path: str) -> None:
        self._clock = SystemClock()
        opener = partial(open_stream, SerialAddress(path))
        self._connection = Connection(opener, self._clock, self)
        self._answer: asyncio.Future[None] | None = None
        self._cmd_id = 0
        self.welcomed = asyncio.Event()

    async def run(self) -> None:
        await self._connection.run()

    def command(self, cmd_id: int) -> Command:
        return Command(cmd_id, 3, 2, 0xFF, 500, clock_ms(self._clock.monotonic_us()))

    def ask(self, cmd_id: int) -> "asyncio.Future[None]":
        self._answer = asyncio.get_running_loop().create_future()
        self._cmd_id = cmd_id
        self._connection.send(self.command(cmd_id))
        self._connection.flush()
        return self._answer

    # `connection.Listener`

    def stream_opened(self) -> None:
        pass

    def settled(self) -> None:
        pass

    def trouble(self, code: str, detail: str, *, refused: bool) -> None:
        if self._answer is not None:
            self._answer.set_exception(RuntimeError(f"{code}: {detail}"))

    def news(self, news: News) -> None:
        match news:
            case Welcomed():
                self.welcomed.set()
            case Received(message=Result(cmd_id=cmd_id)):
                assert self._answer is not None
                assert cmd_id == self._cmd_id
                self._answer.set_result(None)
            case _:
                pass


@asynccontextmanager
async def _commander(path: str) -> AsyncIterator[_Commander]:
    commander = _Commander(path)
    running = asyncio.create_task(commander.run())
    try:
        async with asyncio.timeout(5):
            await commander.welcomed.wait()
        yield commander
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextmanager
def _pty() -> Iterator[tuple[int, int]]:
    """The board's end and the host's, raw."""
    theirs, ours = os.openpty()
    try:
        tty.setraw(ours)
        yield theirs, ours
    finally:
        os.close(theirs)
        os.close(ours)


@contextmanager
def peer(echo: int, link: int) -> Iterator[None]:
    """The process at the other ends; it ends with its stdin."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.peer", str(echo), str(link)],
        stdin=subprocess.PIPE,
        pass_fds=sorted({echo, link}),
    ) as process:
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(5)
