"""From a STOP by HTTP to the STOP frame at the board, at rest and under load.

The client and the board are in this process. The floor is the answer of the same server to the
least that it can be asked, plus one way over a Unix socket to another process, each measured in
turn with the STOPs while the daemon is otherwise idle. Under load eight clients of another process
ask for the state without a pause, and the broker hangs.
"""

import asyncio
import random
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from droptable.link.frames import encode
from droptable.link.messages import Stop
from tests.bench.figures import Figure, against_floor, percentile
from tests.bench.link import peer
from tests.bench.raw_echo import RawEcho
from tests.bench.raw_http import RawHttp
from tests.bench.stage import Stage, set_stage

NAMES = ("stop_http_to_frame_p99", "stop_http_to_frame_loaded_p99")
BAR, BAR_LOADED = 2.0, 3.0
SAMPLES, SAMPLES_QUICK = 1000, 20
WARM_UP = 20
CLIENTS = 8
HEARD_MAX_S = 5.0
PAUSE_S = (0.002, 0.012)
"""At random, so that no STOP keeps step with the board's STATUS."""


@dataclass
class Samples:
    """Milliseconds."""

    stop_ms: list[float] = field(default_factory=list)
    floor_ms: list[float] = field(default_factory=list)


async def measure(quick: bool) -> list[Figure]:
    """At rest, then under load."""
    samples = SAMPLES_QUICK if quick else SAMPLES
    async with set_stage() as stage:
        with _one_way() as echo, RawHttp(stage.daemon.port) as http:
            rest = await _sample(stage, http, echo, samples)
            stage.broker.pause()
            try:
                async with _load(stage.daemon.port) as told:
                    loaded = await _sample(stage, http, echo, samples)
            finally:
                stage.broker.resume()
    floor_ms = percentile(rest.floor_ms, 99)
    value, value_loaded = percentile(rest.stop_ms, 99), percentile(loaded.stop_ms, 99)
    beside = percentile(loaded.floor_ms, 99)
    note = f"p50 {_p50(rest.stop_ms)} beside {_p50(rest.floor_ms)} ms"
    note_loaded = (
        f"p50 {_p50(loaded.stop_ms)} ms; the floor under the same load has p99 {beside:.2f} ms "
        f"({value_loaded / beside:.2f} x); {told[0] / told[1]:.0f} requests/s"
    )
    return [
        against_floor(NAMES[0], "ms", value=value, floor=floor_ms, bar=BAR, note=note),
        against_floor(
            NAMES[1], "ms", value=value_loaded, floor=floor_ms, bar=BAR_LOADED, note=note_loaded
        ),
    ]


async def _sample(stage: Stage, http: RawHttp, echo: RawEcho, count: int) -> Samples:
    """STOP and its floor in turn."""
    dice = random.Random(2)
    loop = asyncio.get_running_loop()
    stop, nothing = http.request("POST", "/api/v1/stop"), http.request("GET", "/healthz")
    frame = encode(7, 0xDEC0DE, Stop(1))
    samples = Samples()
    for turn in range(WARM_UP + count):
        await asyncio.sleep(dice.uniform(*PAUSE_S))
        began_ns = time.perf_counter_ns()
        await http.send(nothing)
        answered_ns = time.perf_counter_ns()
        await echo.send(frame)
        floor_ns = answered_ns - began_ns + (time.perf_counter_ns() - answered_ns) / 2
        await asyncio.sleep(dice.uniform(*PAUSE_S))
        heard = stage.board.stop_heard = loop.create_future()
        began_ns = time.perf_counter_ns()
        answered = http.send(stop)
        async with asyncio.timeout(HEARD_MAX_S):
            stop_ns = await heard - began_ns
            await answered
        if turn >= WARM_UP:
            samples.floor_ms.append(floor_ns / 1e6)
            samples.stop_ms.append(stop_ns / 1e6)
    return samples


def _p50(samples: list[float]) -> str:
    return f"{percentile(samples, 50):.2f}"


@contextmanager
def _one_way() -> Iterator[RawEcho]:
    """A Unix socket to another process that echoes; one way is half of there and back."""
    ours, theirs = socket.socketpair()
    spare, unused = socket.socketpair()
    with ours, theirs, spare, unused, peer(theirs.fileno(), unused.fileno()):
        echo = RawEcho(ours.fileno())
        try:
            yield echo
        finally:
            echo.close()


@asynccontextmanager
async def _load(port: int) -> AsyncIterator[list[float]]:
    """Eight clients that do not pause; afterwards how many answers they had, in how many seconds."""
    told: list[float] = []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load", str(port), str(CLIENTS)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    began_s = time.perf_counter()
    try:
        yield told
    finally:
        process.stdin.close()
        told.append(float(await process.stdout.readline() or 0))
        told.append(time.perf_counter() - began_s)
        await process.wait()
