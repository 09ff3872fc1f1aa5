"""`droptable demo`: one drop for a script, a whole system for a person, and nothing left of either."""

import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from droptable.cli.demo import _Places, _wanted
from droptable.demo.once import play_once
from droptable.demo.stage import set_stage
from tests.brokers import LOOPBACK
from tests.system.house import Program, run, until

STEPS = ("board is known", "section is COCKED", "section is ARMED", "drop back from the broker")


@pytest.fixture
def passing(tmp_path: Path) -> Path:
    """Where the demo puts what passes; also by what its processes are known."""
    directory = tmp_path / "passing"
    directory.mkdir()
    return directory


def processes_of(passing: Path) -> list[psutil.Process]:
    """Every process that has `passing` as its TMPDIR, whoever started it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(passing):
                found.append(process)
        except psutil.Error:
            continue
    return found


def left_in(directory: Path) -> list[Path]:
    """What lies there."""
    return list(directory.iterdir())


def named(passing: Path, part: str) -> psutil.Process:
    """The process of the demo whose command line has `part`."""
    (process,) = (p for p in processes_of(passing) if part in " ".join(p.cmdline()))
    return process


@pytest.fixture
async def demo(tmp_path: Path, passing: Path) -> AsyncIterator[Program]:
    """A demo that was not started yet; gone at the end, its programs too."""
    options = ("--json", "--http", f"{LOOPBACK}:0")
    program = Program(tmp_path / "demo.log", "droptable", "demo", *options, TMPDIR=str(passing))
    yield program
    if program.running:
        await program.end()
    await program.kill()
    await until(lambda: processes_of(passing) == [])


async def test_once_plays_one_drop_and_leaves_nothing(tmp_path: Path, passing: Path) -> None:
    program = await run(tmp_path, "droptable", "demo", "--once", TMPDIR=str(passing))
    assert program.process.returncode == 0, program.said
    (line,) = program.stdout.decode().splitlines()
    event = json.loads(line)
    assert (event["kind"], event["section"], event["v"]) == ("drop", "pelvic", 1)
    assert 30 <= event["data"]["fall_ms"] <= 95
    assert all(step in program.said for step in STEPS)
    seconds = [float(told.split()[0]) for told in program.said.splitlines() if " s  " in told]
    assert seconds == sorted(seconds)
    assert "Traceback" not in program.said
    assert processes_of(passing) == []
    assert left_in(passing) == []


async def test_once_keeps_its_state_where_it_is_told(tmp_path: Path, passing: Path) -> None:
    state = tmp_path / "kept"
    options = ("--once", "--state-dir", str(state))
    first = await run(tmp_path, "droptable", "demo", *options, TMPDIR=str(passing))
    # Without the memory of what the broker has, the old drop is published again, and first.
    (state / "broker-cursor.json").unlink()
    second = await run(tmp_path, "droptable", "demo", *options, TMPDIR=str(passing))
    assert (first.process.returncode, second.process.returncode) == (0, 0), second.said
    epochs = {json.loads(program.stdout)["epoch"] for program in (first, second)}
    assert len(epochs) == 1
    assert json.loads(second.stdout)["seq"] > json.loads(first.stdout)["seq"]
    assert left_in(passing) == []


@pytest.mark.timeout(90)
async def test_a_miss_names_the_step_and_the_reason(tmp_path: Path, passing: Path) -> None:
    program = Program(tmp_path / "demo.log", "droptable", "demo", "--once", TMPDIR=str(passing))
    try:
        await program.start()
        await until(lambda: "cocking" in program.said)
        named(passing, "firmware_sim").send_signal(signal.SIGSTOP)
        assert await program.ended(40) == 3
    finally:
        await program.kill()
    last = program.said.splitlines()[-1]
    assert last.startswith("DEMO_STEP: ")
    assert "not in 8 s" in last
    assert "LINK_" in last
    assert "Traceback" not in program.said
    assert program.stdout == b""
    assert processes_of(passing) == []
    # What went wrong can be read up.
    (kept,) = left_in(passing)
    assert f"The logs are kept in {kept}." in program.said
    assert (kept / "daemon.log").read_text()


async def test_a_daemon_that_dies_is_a_miss_too(tmp_path: Path, passing: Path) -> None:
    program = Program(tmp_path / "demo.log", "droptable", "demo", "--once", TMPDIR=str(passing))
    try:
        await program.start()
        await until(lambda: "homed" in program.said)
        named(passing, "droptable run").kill()
        assert await program.ended(40) == 3
    finally:
        await program.kill()
    assert program.said.splitlines()[-1].startswith("DEMO_STEP: ")
    assert "Traceback" not in program.said
    assert processes_of(passing) == []


async def test_a_broker_that_dies_is_a_miss_too(tmp_path: Path, passing: Path) -> None:
    program = Program(tmp_path / "demo.log", "droptable", "demo", "--once", TMPDIR=str(passing))
    try:
        await program.start()
        await until(lambda: "cocking" in program.said)
        named(passing, "mosquitto").kill()
        assert await program.ended(40) == 3
    finally:
        await program.kill()
    assert program.said.splitlines()[-1].startswith("DEMO_STEP: ")
    assert "broker" in program.said.splitlines()[-1]
    assert "Traceback" not in program.said
    assert processes_of(passing) == []


async def test_a_busy_port_is_named(tmp_path: Path, passing: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        at = f"{LOOPBACK}:{other.getsockname()[1]}"
        options = ("--once", "--http", at)
        program = await run(tmp_path, "droptable", "demo", *options, TMPDIR=str(passing))
    assert program.process.returncode == 3
    assert f"HTTP_BUSY: {at}: Address already in use" in program.said
    assert "--http" in program.said
    assert "Traceback" not in program.said
    assert program.stdout == b""
    assert processes_of(passing) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--http", "nowhere"), "nowhere"),
        (("--control", "127.0.0.1:x"), "127.0.0.1:x"),
        (("--mqtt", "192.0.2.1:1883"), "listens on 127.0.0.1 only"),
    ],
)
async def test_what_is_no_address_is_a_matter_of_usage(
    tmp_path: Path, passing: Path, options: tuple[str, ...], says: str
) -> None:
    program = await run(tmp_path, "droptable", "demo", "--once", *options, TMPDIR=str(passing))
    assert program.process.returncode == 2
    assert says in program.said
    assert "Traceback" not in program.said
    assert left_in(passing) == []


async def test_a_state_directory_that_cannot_be_written(tmp_path: Path, passing: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    options = ("--once", "--state-dir", str(tmp_path / "file" / "state"))
    program = await run(tmp_path, "droptable", "demo", *options, TMPDIR=str(passing))
    assert program.process.returncode == 3
    assert "STATE_UNWRITABLE: " in program.said
    assert "Traceback" not in program.said


async def test_with_json_it_tells_a_program_where_everything_is(
    demo: Program, passing: Path
) -> None:
    await demo.start()
    told = json.loads(await demo.line())
    assert told["schema"] == "demo/1"
    assert told.keys() >= {"page", "user", "pin", "token", "mqtt", "control", "state_dir"}
    headers = {"Authorization": f"Bearer {told['token']}"}
    async with httpx.AsyncClient(base_url=told["page"], headers=headers, trust_env=False) as api:
        page = await api.get("/")
        assert page.headers["content-type"].startswith("text/html")
        lease = await api.post("/api/v1/lease")
        assert lease.is_success
        shown = (await api.get("/api/v1/state")).json()
        assert shown["lease"]["holder"] == told["user"]
    assert left_in(Path(told["state_dir"]))
    assert await demo.end() == 0
    assert demo.stdout == b""
    assert "Traceback" not in demo.said
    assert processes_of(passing) == []
    assert left_in(passing) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_asked_to_end_twice_it_still_clears_up(
    demo: Program, passing: Path, how: signal.Signals
) -> None:
    await demo.start()
    await demo.line()
    running = len(processes_of(passing))
    demo.process.send_signal(how)
    # In the middle of clearing up.
    await until(lambda: len(processes_of(passing)) < running)
    demo.process.send_signal(how)
    assert await demo.ended() == 0
    assert processes_of(passing) == []
    assert left_in(passing) == []


async def test_its_programs_do_not_outlive_a_demo_that_was_killed(
    demo: Program, passing: Path
) -> None:
    await demo.start()
    await demo.line()
    assert len(processes_of(passing)) == 4
    broker = named(passing, "mosquitto")
    await demo.kill()
    if os.geteuid() == 0:
        # It gives up being root, and Linux takes such a program off its leash.
        await until(lambda: processes_of(passing) == [broker], within_s=5)
        broker.kill()
    await until(lambda: processes_of(passing) == [], within_s=5)


async def test_a_program_that_ends_by_itself_ends_the_demo_with_its_last_words(
    demo: Program, passing: Path
) -> None:
    await demo.start()
    await demo.line()
    os.kill(named(passing, "firmware_sim").pid, signal.SIGKILL)
    assert await demo.ended() == 3
    assert "DEMO_PROGRAM: simulator: " in demo.said
    assert "Traceback" not in demo.said
    assert processes_of(passing) == []


async def test_without_mosquitto_the_broker_of_pypi_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks 3.1.1 only, and the daemon has to be told."""
    monkeypatch.setattr("droptable.demo.broker.shutil.which", lambda *_, **__: None)
    places = _Places(tmp_path / "state", f"{LOOPBACK}:0", f"{LOOPBACK}:0", f"{LOOPBACK}:0")
    said: list[str] = []
    async with set_stage(_wanted(places)) as stage:
        assert stage.broker.program == "iotcore"
        drop = await play_once(stage, said.append)
    assert drop["kind"] == "drop"
    assert said[-1].endswith("drop back from the broker")
