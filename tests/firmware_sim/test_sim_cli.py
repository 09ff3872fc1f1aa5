"""`droptable-sim` as a person types it: what it says, and its exit codes."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.faults import FAULTS
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
            ("thrust", "lumbar", "--preset", "toggle-recoil"),
            ("thrust", "lumbar", "--preset", "impulse", "--peak-n", "550"),
            ("button", "down"),
            ("button", "up"),
            ("hand", "set", "pelvic", "--height-mm", "6"),
            ("hand", "clear", "pelvic"),
            ("reset",),
            ("reset", "--cause", "brown-out"),
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


async def test_faults_are_listed_set_and_cleared(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim:
        at = {"DROPTABLE_SIM_CONTROL": sim.control}

        async def said(*words: str) -> tuple[int, str]:
            return await asyncio.to_thread(typed, "fault", *words, **at)

        code, listed = await said("list")
        assert code == 0
        lines = listed.splitlines()
        assert [line.split()[0] for line in lines[:-1]] == list(FAULTS)
        assert lines[-1] == "set: none"
        assert "(1 to 200000 um/s; 2000 unless told)" in listed
        for words in (
            ("set", "leak", "pelvic", "--value", "3000"),
            ("set", "pin-stuck-in", "lumbar"),
            ("set", "brown-out", "--value", "dropping"),
            ("set", "clock-rate", "--value", "-1.5"),
        ):
            assert await said(*words) == (0, "")
        _, listed = await said("list")
        there = "pin-stuck-in lumbar; leak pelvic 3000; brown-out 5; clock-rate -1.5"
        assert listed.splitlines()[-1] == f"set: {there}"
        assert await said("clear", "leak", "pelvic") == (0, "")
        code, listed = await said("list", "--json")
        told = json.loads(listed)
        assert (code, told["schema"]) == (0, "sim-faults/1")
        assert [fault["name"] for fault in told["set"]] == [
            "pin-stuck-in",
            "brown-out",
            "clock-rate",
        ]
        assert await said("clear") == (0, "")
        assert json.loads((await said("list", "--json"))[1])["set"] == []


async def test_a_fault_that_cannot_be_is_told_with_what_can(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim:
        at = {"DROPTABLE_SIM_CONTROL": sim.control}
        for words, code, says in (
            (("fault", "set", "rust"), 3, "no fault 'rust'; the faults are up-stuck-closed"),
            (("fault", "set", "leak"), 3, "name it: thoracic, lumbar, pelvic"),
            (("fault", "set", "leak", "pelvic", "--value", "fast"), 2, "--value is a number"),
            (("fault", "set", "leak", "pelvic", "--value", "dropping"), 2, "--value is a number"),
            (("fault", "set", "leak", "pelvic", "--value", "0"), 3, "1 to 200000 um/s"),
            (("fault", "clear", "rust"), 3, "no fault 'rust'"),
            (("hand", "set", "pelvic", "--height-mm", "40"), 3, "gap is 19 mm high"),
            (("reset", "--cause", "boredom"), 3, "'power-on', 'brown-out'"),
            (("thrust", "pelvic", "--preset", "shove"), 3, "'impulse' or 'toggle-recoil'"),
            (("thrust", "pelvic", "--peak-n", "400"), 2, "--rise-ms, or a --preset"),
            (("button", "sideways"), 2, "say down or up"),
        ):
            told_code, told = await asyncio.to_thread(typed, *words, **at)
            assert (told_code, says in told) == (code, True), told
        told = (await asyncio.to_thread(typed, "fault", "list", **at))[1]
        assert told.endswith("set: none\n")


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
