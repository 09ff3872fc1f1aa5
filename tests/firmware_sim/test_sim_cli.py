"""`droptable-sim` as a person types it: what it says, and its exit codes."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from tests.brokers import LOOPBACK, free_port
from tests.system.house import Program, simulator


def typed(*words: str, **environment: str) -> tuple[int, str]:
    """Exit code and everything that was said."""
    result = CliRunner().invoke(app, list(words), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


async def test_the_hand(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim:
        at = {"DROPTABLE_SIM_CONTROL": sim.control}
        for words in (
            ("patient", "set"),
            ("patient", "set", "--pelvic-n", "180"),
            ("pedal", "down"),
            ("pedal", "up"),
            ("thrust", "pelvic", "--peak-n", "400", "--rise-ms", "120"),
            ("estop", "open"),
            ("estop", "close"),
            ("patient", "clear"),
        ):
            assert await asyncio.to_thread(typed, *words, **at) == (0, "")
        await sim.end()
        assert "Traceback" not in sim.said


async def test_the_hand_says_what_it_cannot_do(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim:
        thrust = ("--control", sim.control, "--peak-n", "400", "--rise-ms", "120")
        code, said = await asyncio.to_thread(typed, "thrust", "cervical", *thrust)
        assert code == 3
        assert said.startswith("droptable-sim: the simulator refused: ")
        assert "'thoracic', 'lumbar' or 'pelvic'" in said
        code, said = await asyncio.to_thread(typed, "pedal", "sideways", "--control", sim.control)
        assert (code, said) == (2, "droptable-sim: say down or up, not 'sideways'\n")


def test_without_a_simulator_it_says_how_to_start_one() -> None:
    code, said = typed("estop", "open", "--control", f"{LOOPBACK}:{free_port()}")
    assert code == 4
    assert "droptable-sim serve --link LINK --control HOST:PORT" in said


def test_without_an_address_it_asks_for_one() -> None:
    code, said = typed("estop", "open", DROPTABLE_SIM_CONTROL="")
    assert code == 2
    assert "--control" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--link", "serial:/dev/ttyS0"), "write pty:PATH, tcp:HOST:PORT or unix:PATH"),
        (("--link", "unix:/dev/null/board"), "cannot serve unix:/dev/null/board: "),
        (("--link", "unix:board", "--control", "x"), "is not HOST:PORT"),
        (("--link", "unix:board", "--hw-id", "X"), "eight ASCII characters"),
    ],
)
def test_what_cannot_be_served_is_a_matter_of_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = typed("serve", *options)
    assert code == 2
    assert says in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_served_until_it_is_told_to_end(tmp_path: Path, how: signal.Signals) -> None:
    link = f"unix:{tmp_path}/board"
    program = Program(tmp_path / "sim.log", "firmware_sim", "serve", "--link", link)
    try:
        await program.start()
        assert await program.line() == f"{link}\n"
        os.kill(program.pid, how)
        assert await program.ended() == 0
    finally:
        await program.kill()
    assert program.said == ""
    assert not (tmp_path / "board").exists()


async def test_announced_for_programs(tmp_path: Path) -> None:
    async with simulator(tmp_path, f"tcp:{LOOPBACK}:0") as sim:
        assert sim.link.startswith(f"tcp:{LOOPBACK}:")
        assert json.loads(json.dumps(await sim.truth()))["pin_in"] is True
