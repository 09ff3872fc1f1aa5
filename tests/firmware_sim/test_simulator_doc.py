"""docs/simulator.md: its table is the registry, its examples run."""

import asyncio
import json
import re
import shlex
from pathlib import Path

import pytest

from droptable.board.model import Fault as BoardFault
from droptable.link.frames import Decoder
from droptable.link.messages import FROM_BOARD, Boot
from firmware_sim.control import ask
from firmware_sim.deeds import Deed
from firmware_sim.faults import FAULTS, Fault
from firmware_sim.history import CHANGES_KEPT
from firmware_sim.plant.thrust import PRESETS
from firmware_sim.simulated_board import FLUTTERS
from tests.firmware_sim.test_faults import CASES
from tests.firmware_sim.test_sim_cli import typed
from tests.system.house import simulator

DOC = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
FOUND = {"supply-low": [BoardFault.SUPPLY], "air-low": [BoardFault.AIR]}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)


def row(fault: Fault) -> str:
    value = fault.value
    bounds = (
        ""
        if value is None
        else f"{value.low:g} to {value.high:g} {value.unit}, else {value.default:g}"
    )
    found = FOUND.get(fault.name) or [case.fault for case in CASES if case.name == fault.name]
    names = ", ".join(f"{name}" for name in dict.fromkeys(one.name for one in found))
    return f"| `{fault.name}` | {fault.scope} | {fault.text} | {bounds} | {names} |"


def test_the_table_of_faults_is_the_registry() -> None:
    told = [line for line in DOC.splitlines() if line.startswith("| `")]
    assert told == [row(fault) for fault in FAULTS.values()]


def test_the_numbers_are_those_of_the_code() -> None:
    words = " ".join(DOC.split())
    impulse, recoil = PRESETS["impulse"], PRESETS["toggle-recoil"]
    for number in (
        f"is {impulse.peak_n:g} N in {impulse.rise_ms:g} ms after a preload of",
        f"after a preload of {impulse.preload_n:g} N",
        f"`toggle-recoil` {recoil.peak_n:g} N in {recoil.rise_ms:g} ms after {recoil.preload_n:g} N",
        f"the newest {CHANGES_KEPT}",
        f"moves {FLUTTERS} times",
    ):
        assert number in words


async def test_the_commands_run(tmp_path: Path) -> None:
    serve, hand = blocks("sh")
    assert serve.startswith("droptable-sim serve --link tcp:")
    async with simulator(tmp_path) as sim:
        at = {"DROPTABLE_SIM_CONTROL": sim.control}
        ran = []
        for line in hand.splitlines()[1:]:
            program, *words = shlex.split(line)
            assert program == "droptable-sim"
            code, said = await asyncio.to_thread(typed, *words, **at)
            assert code == 0, f"{line}: {said}"
            ran.append(words[0])
    assert {"patient", "thrust", "pedal", "hand", "button", "estop", "fault", "reset"} == set(ran)


async def test_each_deed_is_told_and_is_done(tmp_path: Path) -> None:
    (deeds,) = blocks("json")
    done = [json.loads(line) for line in deeds.splitlines()]
    async with simulator(tmp_path) as sim:
        for deed in done:
            assert "now_us" in await ask(sim.control, deed)
    union = Deed.__origin__.__args__  # type: ignore[attr-defined]
    every = {model.model_fields["do"].annotation.__args__[0] for model in union}
    assert {deed["do"] for deed in done} == every


def test_the_python_runs() -> None:
    (source,) = blocks("python")
    names: dict[str, bytes] = {}
    exec(source, names)
    boots = [frame.message for frame in Decoder(FROM_BOARD).feed(names["sent"])]
    assert sum(isinstance(message, Boot) for message in boots) == pytest.approx(3)
