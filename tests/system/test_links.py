"""The daemon as a program against the simulator as a program, on each of the three links."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.brokers import LOOPBACK, free_port
from tests.system.house import alive, daemon, simulator, until


def link_of(kind: str, directory: Path) -> str:
    return {
        "unix": f"unix:{directory / 'board'}",
        "tcp": f"tcp:{LOOPBACK}:{free_port()}",
        "pty": f"pty:{directory / 'tty'}",
    }[kind]


@pytest.mark.parametrize("kind", ["unix", "tcp", "pty"])
async def test_one_drop(tmp_path: Path, kind: str) -> None:
    async with (
        simulator(tmp_path, link_of(kind, tmp_path)) as sim,
        daemon(tmp_path, sim.host_link) as table,
    ):
        await table.armed(sim)
        drop = await table.dropped(sim)
        assert drop["section"] == "pelvic"
        assert 30 <= drop["data"]["fall_ms"] <= 95
        assert (await sim.truth())["drops"] == 1
        assert (await table.state())["link"]["simulator"] is True
        assert await table.end() == 0
        assert "Traceback" not in table.said


@pytest.mark.parametrize("kind", ["unix", "tcp", "pty"])
async def test_a_board_that_vanishes_and_returns(tmp_path: Path, kind: str) -> None:
    link = link_of(kind, tmp_path)
    async with simulator(tmp_path, link) as sim, daemon(tmp_path, sim.host_link) as table:
        await table.cocked(sim)
        assert await sim.end() == 0
        problem = await table.until_problem("LINK_")
        state = await table.state()
        assert {section["phase"] for section in state["sections"].values()} == {"UNKNOWN"}
        problem = await table.until_problem("LINK_UNREACHABLE")
        assert "No board can be reached" in problem
        assert "Check the cable" in problem
        assert any("LINK_VANISHED" in warning for warning in table.warnings)
        ready = await table.api.get("/readyz")
        assert ready.status_code == 503
        assert (await table.refused("cock"))[0]["code"] == "LINK_DOWN"

        async with simulator(tmp_path, link) as again:
            await table.live()
            assert (await table.state())["link"]["problem"] is None
            assert len(await table.events("board_restarted")) == 1
            # It starts anew, where the simulated table starts: nothing is resumed.
            assert (await table.section())["phase"] == "UNKNOWN"
            assert (await again.truth())["height_um"] == 0
        assert "Traceback" not in table.said


@pytest.mark.serial
async def test_a_daemon_that_is_frozen_while_armed_costs_the_arming(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link) as table:
        await table.armed(sim)
        assert not (await sim.truth())["pin_in"]
        await table.let_go()
        table.process.send_signal(signal.SIGSTOP)
        try:
            frozen_us = (await sim.truth())["now_us"]
            while not (truth := await sim.truth())["pin_in"]:
                await asyncio.sleep(0)
            # 160 ms to outputs off, 25 ms for the simulated pin's spring, the rest for looking.
            assert truth["now_us"] - frozen_us <= 250_000
            await sim.thrust()
            assert (await sim.passes(500_000))["drops"] == 0
        finally:
            table.process.send_signal(signal.SIGCONT)
        await table.live()
        assert (await table.section())["phase"] == "COCKED"
        assert (await sim.truth())["pin_in"]
        assert await table.events("drop") == []
        lost = await table.events("disarmed")
        assert lost[-1]["data"]["cause"] in ("lease lost", "session lost")


async def test_the_simulator_as_a_child_of_the_daemon(tmp_path: Path) -> None:
    # A state directory whose path no socket could have.
    state = tmp_path / ("s" * 100)
    async with daemon(tmp_path, "sim", state=state) as table:
        await table.live()
        assert (await table.state())["link"]["simulator"] is True
        (child,) = children(table.pid)
        assert await table.end() == 0
        assert not alive(child)
    assert "Traceback" not in table.said


async def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    async with daemon(tmp_path, "sim") as table:
        await table.live()
        (child,) = children(table.pid)
        os.kill(child, signal.SIGKILL)
        await until(lambda: any("BOARD_PROGRAM" in warning for warning in table.warnings))
        await table.until(lambda s: s["link"]["state"] != "live")
        await table.live()
        assert children(table.pid) != [child]


async def test_a_child_does_not_outlive_a_daemon_that_was_killed(tmp_path: Path) -> None:
    # Whoever is killed cannot clear up.
    async with daemon(tmp_path, "sim", TMPDIR=str(tmp_path)) as table:
        await table.live()
        (child,) = children(table.pid)
        await table.kill()
        await until(lambda: not alive(child), within_s=5)


async def test_a_child_that_hangs_does_not_keep_the_daemon(tmp_path: Path) -> None:
    async with daemon(tmp_path, "sim") as table:
        await table.live()
        (child,) = children(table.pid)
        os.kill(child, signal.SIGSTOP)
        assert await table.end() == 0
        assert not alive(child)


def children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in told.split()]
