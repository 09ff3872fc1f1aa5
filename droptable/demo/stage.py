"""Sets the demo's stage: a broker, a simulated board and the daemon, three programs on loopback.

The daemon is told nothing that it would not be told in a practice; that it is ready it says as it
does to systemd.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from droptable.daemon.config import Config
from droptable.daemon.tokens import local_token
from droptable.demo.broker import RunningBroker, running_broker
from droptable.demo.programs import last_words, running_program
from droptable.errors import DroptableError

START_MAX_S = 15.0
SERVING = "STATUS=Serving "


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where things are to be; port 0 is any free one."""

    state_dir: Path
    config_file: Path
    config: Config
    http: str
    mqtt_port: int
    control: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is reached."""

    page: str
    token: str
    broker: RunningBroker
    control: str
    state_dir: Path
    topics: str
    """The base of the table's MQTT topics."""
    daemon: asyncio.subprocess.Process
    simulator: asyncio.subprocess.Process

    async def until_one_ends(self) -> str:
        """Wait until a program ends by itself, which none should; its name and last words."""
        waits = {
            asyncio.create_task(process.wait()): name
            for name, process in (
                ("daemon", self.daemon),
                ("simulator", self.simulator),
                ("broker", self.broker.process),
            )
        }
        try:
            ended, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            name = waits[ended.pop()]
            return f"{name}: {last_words(self.state_dir / f'{name}.log')}"
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


@asynccontextmanager
async def set_stage(wanted: Wanted) -> AsyncIterator[Stage]:
    """The stage, all of it ready; struck again when this is left. DroptableError if it cannot be."""
    _make_writable(wanted.state_dir)
    async with AsyncExitStack() as parts:
        # The paths of sockets are short by nature, those of state directories need not be.
        sockets = Path(parts.enter_context(TemporaryDirectory(prefix="droptable-")))
        link = f"unix:{sockets / 'board'}"
        broker = await parts.enter_async_context(running_broker(wanted.state_dir, wanted.mqtt_port))
        notices = parts.enter_context(_notice_socket(sockets / "notify"))
        simulator = await parts.enter_async_context(
            running_program(_simulator(wanted, link), _log_of(wanted, "simulator"))
        )
        daemon = await parts.enter_async_context(
            running_program(
                _daemon(wanted, broker, link),
                _log_of(wanted, "daemon"),
                {
                    "NOTIFY_SOCKET": str(sockets / "notify"),
                    "WATCHDOG_USEC": "",
                    # The broker from PyPI speaks the older version only.
                    "DROPTABLE__MQTT__PROTOCOL": broker.protocol,
                },
            )
        )
        control = await _ready("simulator", simulator, _announced(simulator), wanted)
        page = await _ready("daemon", daemon, _serving(notices), wanted)
        table = wanted.config.table
        yield Stage(
            page=page,
            token=local_token(wanted.state_dir),
            broker=broker,
            control=control,
            state_dir=wanted.state_dir,
            topics=f"droptable/v1/{table.site}/{table.name}",
            daemon=daemon,
            simulator=simulator,
        )


def _make_writable(directory: Path) -> None:
    """Make `directory` if it is not there; DroptableError if nothing can be kept in it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise DroptableError("STATE_UNWRITABLE", f"{directory}: {error.strerror}") from None


def _simulator(wanted: Wanted, link: str) -> tuple[str, ...]:
    params = str(wanted.state_dir / "simulator-params.json")
    serve = (sys.executable, "-m", "firmware_sim", "serve", "--json", "--params", params)
    return (*serve, "--link", link, "--control", wanted.control)


def _daemon(wanted: Wanted, broker: RunningBroker, link: str) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "droptable", "run", "--config", str(wanted.config_file)),
        *("--state-dir", str(wanted.state_dir), "--http", wanted.http, "--link", link),
        *("--mqtt", f"{broker.host}:{broker.port}"),
    )


def _log_of(wanted: Wanted, name: str) -> Path:
    return wanted.state_dir / f"{name}.log"


@contextmanager
def _notice_socket(path: Path) -> Iterator[socket.socket]:
    """Where the daemon says that it is ready, as to a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(path))
        notices.setblocking(False)
        yield notices


async def _announced(simulator: asyncio.subprocess.Process) -> str:
    """The control address that the simulator announces on its stdout."""
    line = b"" if simulator.stdout is None else await simulator.stdout.readline()
    return str(json.loads(line)["control"])


async def _serving(notices: socket.socket) -> str:
    """The page's address, once the daemon says that it is ready."""
    page = ""
    while True:
        said = (await asyncio.get_running_loop().sock_recv(notices, 4096)).decode()
        if said.startswith(SERVING):
            page = said.removeprefix(SERVING)
        if said == "READY=1":
            return page


async def _ready(
    name: str,
    process: asyncio.subprocess.Process,
    ready: Coroutine[None, None, str],
    wanted: Wanted,
) -> str:
    """What the program says when it is ready; DroptableError when it ends or takes too long."""
    saying, ending = asyncio.create_task(ready), asyncio.create_task(process.wait())
    try:
        await asyncio.wait(
            (saying, ending), timeout=START_MAX_S, return_when=asyncio.FIRST_COMPLETED
        )
        if saying.done() and saying.exception() is None:
            return saying.result()
    finally:
        for task in (saying, ending):
            task.cancel()
        await asyncio.gather(saying, ending, return_exceptions=True)
    raise DroptableError("DEMO_PROGRAM", f"{name}: {last_words(_log_of(wanted, name))}")
