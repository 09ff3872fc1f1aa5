"""A broker of the demo's own: Debian's mosquitto, else the one from PyPI, on loopback alone.

For a demo and for looking around: it asks for no password and keeps nothing beyond its own end. A
table in a practice has a broker that somebody administers.
"""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from droptable.daemon.child import end, start
from droptable.daemon.clock import SystemClock
from droptable.errors import DroptableError

LOOPBACK = "127.0.0.1"
START_MAX_S = 10.0
END_MAX_S = 5.0
"""After this a broker that does not end on SIGTERM is killed."""

ASK_EVERY_US = 20_000

FREE_PORT_TRIES = 3
"""Between finding a free port and the broker's taking it, another program may."""

# Debian puts daemons where only root's PATH looks.
_PROGRAM_PATH = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """Where the broker listens, and which versions of MQTT can be used with it."""

    host: str
    port: int
    protocol: Literal["3.1.1", "5"]
    program: Literal["mosquitto", "iotcore"]
    pid: int
    process: asyncio.subprocess.Process = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Program:
    """How a broker is started: its command, and the newest version of MQTT that it speaks."""

    name: Literal["mosquitto", "iotcore"]
    protocol: Literal["3.1.1", "5"]
    command: tuple[str, ...]


@asynccontextmanager
async def running_broker(directory: Path, port: int = 0) -> AsyncIterator[RunningBroker]:
    """A broker that accepts connections on loopback; it has ended when this is left.

    Its configuration and log lie in `directory`. Port 0 means any free one. Raises DroptableError:
    NO_BROKER when none is installed, BROKER_UNREACHABLE when it does not start.
    """
    process, broker = await _started(directory, port)
    try:
        yield broker
    finally:
        await end(process, END_MAX_S)


async def _started(directory: Path, port: int) -> tuple[asyncio.subprocess.Process, RunningBroker]:
    for tries_left in reversed(range(FREE_PORT_TRIES if port == 0 else 1)):
        chosen = port or _free_port()
        program = _installed(directory, chosen)
        if program is None:
            raise DroptableError("NO_BROKER", "neither mosquitto nor iotcore was found")
        try:
            return await _started_on(directory, program, chosen)
        except DroptableError:
            if tries_left == 0:
                raise
    raise AssertionError("the last try returns or raises")


def _installed(directory: Path, port: int) -> _Program | None:
    """The broker to start, its configuration written; mosquitto if there is a choice."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PROGRAM_PATH)
    if mosquitto is not None:
        config = directory / "mosquitto.conf"
        config.write_text(_mosquitto_config(port))
        return _Program("mosquitto", "5", (mosquitto, "-c", str(config)))
    if find_spec("iotcore") is not None:
        own = (sys.executable, "-m", "droptable.demo.pip_broker", "--port", str(port))
        return _Program("iotcore", "3.1.1", own)
    return None


def _mosquitto_config(port: int) -> str:
    """The least that a demo needs, and a longer queue than the 1000 after which mosquitto drops."""
    return f"""\
# Written anew at each start of the demo.
listener {port} {LOOPBACK}
allow_anonymous true
persistence false
max_queued_messages 10000
log_dest stderr
log_type error
log_type warning
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _check_free(port: int) -> None:
    """Whoever answers on a taken port would be mistaken for our broker."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise _not_started(f"no broker can listen on {LOOPBACK}:{port}: {why}") from None


async def _started_on(
    directory: Path, program: _Program, port: int
) -> tuple[asyncio.subprocess.Process, RunningBroker]:
    _check_free(port)
    log_path = directory / "broker.log"
    with log_path.open("wb") as log:
        # A pipe that closes with us, for the broker from PyPI where there is no leash.
        process = await start(
            program.command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        await _until_it_accepts(process, port, log_path)
    except BaseException:
        await end(process, END_MAX_S)
        raise
    return process, RunningBroker(
        LOOPBACK, port, program.protocol, program.name, process.pid, process
    )


async def _until_it_accepts(process: asyncio.subprocess.Process, port: int, log_path: Path) -> None:
    clock = SystemClock()
    try:
        async with asyncio.timeout(START_MAX_S):
            while process.returncode is None and not await _accepts(port):
                await clock.sleep_until_us(clock.monotonic_us() + ASK_EVERY_US)
    except TimeoutError:
        raise _not_started(f"the broker did not listen in {START_MAX_S:g} s") from None
    if process.returncode is not None:
        last = _last_words(log_path) or f"exit code {process.returncode}"
        raise _not_started(f"the broker on {LOOPBACK}:{port} ended at once: {last}")


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _not_started(detail: str) -> DroptableError:
    return DroptableError("BROKER_UNREACHABLE", detail)
