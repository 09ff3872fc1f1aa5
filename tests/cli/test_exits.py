"""Exit codes and the program as a whole, in part as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from droptable import __version__
from droptable.cli.exits import ExitCode
from tests.cli.conftest import Command
from tests.cli.scripted import RunningDaemon, ScriptedTable

PROGRAM = (sys.executable, "-m", "droptable")


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is bound, so that nobody else takes it, and where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("watch",),
        ("cock", "pelvic"),
        ("lease", "show"),
        ("events", "list"),
        ("stop",),
        ("reset",),
    ],
)
def test_without_a_daemon_it_is_code_4_with_what_to_do(
    droptable: Command, nobody: str, arguments: tuple[str, ...]
) -> None:
    told = droptable(*arguments, "--url", nobody)
    assert told.code == ExitCode.NO_DAEMON
    assert told.out == ""
    assert "droptable run" in told.err


def test_a_stop_that_reaches_nobody_says_so(droptable: Command, nobody: str) -> None:
    assert "STOP WAS NOT DELIVERED" in droptable("stop", "--url", nobody).err


def test_what_is_not_droptable_is_no_daemon(droptable: Command, daemon: RunningDaemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(10)
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        process = subprocess.Popen(
            [*PROGRAM, "status", "--url", url], stderr=subprocess.PIPE, text=True
        )
        connection, _ = other.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.NO_DAEMON
    assert "is not droptable" in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("cock",),
        ("cock", "cervical"),
        ("watch", "--count", "0"),
        ("status", "--url", "nonsense"),
        ("status", "--url", "ftp://127.0.0.1"),
        ("status", "--url", "http://127.0.0.1:99999"),
        ("journal", "verify", "/nonexistent"),
        ("run", "--mqtt", "broker"),
        ("run", "--config", "/nonexistent.toml"),
        ("run",),
    ],
)
def test_what_cannot_be_meant_is_usage(droptable: Command, arguments: tuple[str, ...]) -> None:
    assert droptable(*arguments).code == ExitCode.USAGE


def test_a_mistake_of_the_daemon_is_a_bug(
    droptable: Command, daemon: RunningDaemon, table: ScriptedTable, recwarn: object
) -> None:
    table.answers["release_lease"] = RuntimeError("a bug")
    told = droptable("lease", "release")
    assert told.code == ExitCode.BUG
    assert "INTERNAL" in told.err


def test_run_tells_every_finding_on_a_line(droptable: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[board]\nlink = "sim"\nbaud = 1\nspeed = 2\n')
    told = droptable("run", "--config", str(file))
    assert told.code == ExitCode.USAGE
    findings = [line for line in told.err.splitlines() if line.startswith(f"  {file}:")]
    assert len(findings) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_gives_the_lease_back(
    daemon: RunningDaemon, table: ScriptedTable, number: signal.Signals
) -> None:
    with program("lease", "take") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "local\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    assert table.asked[-1] == ("release_lease", "local")


def test_an_interrupted_motion_gives_the_lease_back(
    daemon: RunningDaemon, table: ScriptedTable
) -> None:
    with program("cock", "pelvic") as process:
        daemon.until(lambda: "cock" in table.verbs())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED
    assert table.asked[-1] == ("release_lease", "local")


def test_a_reader_that_has_enough_is_no_error(daemon: RunningDaemon) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [*PROGRAM, "status"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (ExitCode.DONE, "")


def test_the_program_of_its_own_shows_the_state(daemon: RunningDaemon) -> None:
    with program("status", "--json") as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (ExitCode.DONE, "")
    assert out.startswith('{"schema": "state/1"')


def test_help_tells_every_exit_code_and_loads_nothing_heavy() -> None:
    heavy = ("httpx", "fastapi", "websockets", "sqlite3", "structlog")
    source = (
        "import sys; from droptable.cli.main import exit_code; exit_code(['config', '--help']);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert process.stdout.endswith("[]\n")


def test_help_and_version(droptable: Command) -> None:
    told = droptable("--help")
    assert told.code == ExitCode.DONE
    for code in ExitCode:
        assert str(int(code)) in told.out
    assert droptable("--version").out == f"droptable {__version__}\n"


def test_the_codes_are_those_that_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "BUG": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "NO_DAEMON": 4,
        "TIMEOUT": 5,
        "LEASE_HELD": 6,
        "CALIBRATION": 7,
        "FOUND_PROBLEM": 8,
        "INTERRUPTED": 130,
    }
