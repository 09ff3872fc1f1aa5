"""The daemon when nothing happens: CPU, memory, and how long it takes to start.

The whole practice runs: the simulated table with its noise, a broker, and no page open.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from droptable.demo.programs import running_program
from tests.bench.figures import Figure, absolute, percentile
from tests.bench.stage import Daemon, running_daemon
from tests.brokers import Mosquitto

NAMES = ("idle_cpu", "idle_memory", "start_to_ready")
CPU_BAR, MEMORY_BAR, START_BAR = 3.0, 90.0, 1.5
WATCHED_S, WATCHED_QUICK_S = 20.0, 1.0
SETTLED_S = 2.0
"""The board's parameters are written, the broker greeted."""
STARTS, STARTS_QUICK = 5, 1


async def measure(quick: bool) -> list[Figure]:
    """Start it some times, then watch the last one."""
    starts_s = []
    async with _practice() as practice:
        for _ in range((STARTS_QUICK if quick else STARTS) - 1):
            async with practice.daemon() as daemon:
                starts_s.append(daemon.start_s)
        async with practice.daemon() as daemon:
            starts_s.append(daemon.start_s)
            await asyncio.sleep(0.5 if quick else SETTLED_S)
            cpu, beside = await _watched(
                daemon.pid, practice.simulator, WATCHED_QUICK_S if quick else WATCHED_S
            )
            memory_mb = _memory_mb(daemon.pid)
    note = f"the simulator beside it took {beside:.2f} %"
    return [
        absolute(NAMES[0], "%", value=cpu, bar=CPU_BAR, note=note),
        absolute(NAMES[1], "MB", value=memory_mb, bar=MEMORY_BAR),
        absolute(
            *(NAMES[2], "s"),
            value=percentile(starts_s, 50),
            bar=START_BAR,
            note=f"median of {len(starts_s)}, slowest {max(starts_s):.2f} s",
        ),
    ]


class _Practice:
    """A broker and a table that wait for a daemon."""

    def __init__(self, link: str, simulator: int, broker: Mosquitto, directory: Path) -> None:
        self.simulator = simulator
        self._link = link
        self._broker = broker
        self._directory = directory

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        async with running_daemon(self._link, self._broker.port, self._directory) as daemon:
            yield daemon


@asynccontextmanager
async def _practice() -> AsyncIterator[_Practice]:
    async with AsyncExitStack() as parts:
        directory = Path(parts.enter_context(TemporaryDirectory(prefix="droptable-bench-")))
        broker = parts.enter_context(Mosquitto(directory))
        link = f"unix:{directory / 'board'}"
        command = (sys.executable, "-m", "firmware_sim", "serve", "--json", "--link", link)
        simulator = await parts.enter_async_context(
            running_program(command, directory / "simulator.log")
        )
        assert simulator.stdout is not None
        # It says where it serves once it does.
        await simulator.stdout.readline()
        yield _Practice(link, simulator.pid, broker, directory)


async def _watched(pid: int, other: int, seconds: float) -> tuple[float, float]:
    """Percent of one core that each of two processes takes."""
    cpu_s, other_s, began_s = _cpu_s(pid), _cpu_s(other), time.perf_counter()
    await asyncio.sleep(seconds)
    lasted_s = time.perf_counter() - began_s
    return (_cpu_s(pid) - cpu_s) / lasted_s * 100, (_cpu_s(other) - other_s) / lasted_s * 100


def _cpu_s(pid: int) -> float:
    """What all threads of a process have run so far, to the nanosecond as the scheduler has it."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _memory_mb(pid: int) -> float:
    """Resident, shared pages included."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
