"""The real daemon in a process of its own, with a scripted board in ours and a real broker."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from droptable.demo.programs import last_words, running_program
from tests.bench.raw_http import RawHttp
from tests.bench.scripted_board import ScriptedBoard
from tests.brokers import LOOPBACK, Mosquitto

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "demo.toml"
TOPICS = "droptable/v1/demo/table-1"
START_MAX_S = 15.0


@dataclass(frozen=True)
class Daemon:
    """A daemon that is ready; `start_s` is from the start of its process until it said so."""

    pid: int
    port: int
    start_s: float


@dataclass(frozen=True)
class Stage:
    """All that a bench of the whole daemon needs."""

    daemon: Daemon
    board: ScriptedBoard
    broker: Mosquitto
    directory: Path


@asynccontextmanager
async def running_daemon(link: str, mqtt_port: int, state_dir: Path) -> AsyncIterator[Daemon]:
    """The daemon over the board at `link`, until this is left; `state_dir` is there already."""
    log = state_dir / "daemon.log"
    command = (
        *(sys.executable, "-m", "droptable", "run", "--config", str(CONFIG)),
        *("--state-dir", str(state_dir), "--http", f"{LOOPBACK}:0", "--link", link),
        *("--mqtt", f"{LOOPBACK}:{mqtt_port}"),
    )
    # Named by nothing in the file system, so that it is gone with its last descriptor.
    name = f"droptable-bench-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(f"\0{name}")
        notices.setblocking(False)
        began_s = time.perf_counter()
        environment = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": ""}
        async with running_program(command, log, environment) as process:
            try:
                async with asyncio.timeout(START_MAX_S):
                    port = await _port_when_ready(notices)
            except TimeoutError:
                raise RuntimeError(f"the daemon does not start: {last_words(log)}") from None
            yield Daemon(process.pid, port, time.perf_counter() - began_s)


async def _port_when_ready(notices: socket.socket) -> int:
    """Where the daemon serves, once it says that it is ready, as it does to systemd."""
    port = 0
    while True:
        said = (await asyncio.get_running_loop().sock_recv(notices, 4096)).decode()
        if said.startswith("STATUS=Serving "):
            port = int(said.rstrip("/").rpartition(":")[2])
        if said == "READY=1":
            return port


@asynccontextmanager
async def set_stage() -> AsyncIterator[Stage]:
    """Everything, with the board's parameters written and its link live."""
    async with AsyncExitStack() as parts:
        directory = Path(parts.enter_context(TemporaryDirectory(prefix="droptable-bench-")))
        broker = parts.enter_context(Mosquitto(directory))
        board = ScriptedBoard()
        link = await parts.enter_async_context(board.served(directory / "board"))
        daemon = await parts.enter_async_context(running_daemon(link, broker.port, directory))
        with RawHttp(daemon.port) as http:
            await until(lambda: _is_ready(http), "the board's parameters are written")
        yield Stage(daemon, board, broker, directory)


async def _is_ready(http: RawHttp) -> bool:
    state = await http.json("GET", "/api/v1/state")
    against = {reason["code"] for reason in state["sections"]["pelvic"]["ready"]["cock"]}
    return state["link"]["state"] == "live" and not against & {"PARAMS_DIFFER", "SESSION_NEW"}


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Look until it holds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_MAX_S):
            while not await holds():
                await asyncio.sleep(0.02)
            return
    raise RuntimeError(f"not within {START_MAX_S:g} s: {what}")
