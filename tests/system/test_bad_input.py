"""Whatever is wrong outside the table is told in a sentence with its remedy, and costs nothing."""

import socket
from pathlib import Path
from typing import Any

import pytest

from droptable.errors import PROBLEMS
from tests.brokers import LOOPBACK, Mosquitto, free_port
from tests.system.boards import Meddler, board_at, noisy, of_version_2, silent
from tests.system.house import CONFIG, Daemon, daemon, run, simulator, until
from tests.system.test_never_lost import drops_at


def check_unknown(state: dict[str, Any]) -> None:
    """Nothing is claimed about the table."""
    for section in state["sections"].values():
        assert (section["phase"], section["height"], section["load_n"]) == (
            "UNKNOWN",
            "unknown",
            None,
        )
        assert section["ready"]["cock"]
        assert section["ready"]["arm"]
    assert state["stop"]["latched"] is None


def check_sentence(problem: str, code: str, detail: str) -> None:
    """Code, what happened here, what it means, what to do."""
    known = PROBLEMS[code]
    assert problem.startswith(f"{code}: ")
    assert detail in problem
    assert problem.endswith(f"{known.meaning} {known.remedy}")


# On the link


@pytest.mark.parametrize(
    ("board", "code", "detail"),
    [
        (noisy, "LINK_GARBAGE", "frames were not frames of a board"),
        (silent, "LINK_SILENT", "no answer to HELLO"),
        (of_version_2, "LINK_VERSION", "the board speaks version 2, this daemon version 1"),
    ],
)
async def test_what_is_no_board_of_ours(tmp_path: Path, board: Any, code: str, detail: str) -> None:
    async with board_at(board) as link, daemon(tmp_path, link) as table:
        check_sentence(await table.until_problem(code), code, detail)
        check_unknown(await table.state())
        codes = [reason["code"] for reason in await table.refused("cock")]
        expected = ["LINK_VERSION", "LINK_DOWN"] if code == "LINK_VERSION" else ["LINK_DOWN"]
        assert codes[: len(expected)] == expected
        assert (await table.api.post("/stop")).status_code == 200
        assert any(code in warning for warning in table.warnings)
        assert await table.end() == 0
        assert "Traceback" not in table.said


async def test_garbage_between_the_frames_of_a_live_link(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim:
        meddler = Meddler(sim.link.removeprefix("unix:"))
        async with board_at(meddler.serve) as link, daemon(tmp_path, link) as table:
            await table.armed(sim)
            for noise in (b"\x55\xaa\x00", b"\xff" * 300 + b"\x00", b"\x01\x00", b"\x03ab\x00"):
                meddler.add(noise)
            await sim.passes(500_000)
            state = await table.state()
            assert (state["link"]["state"], state["link"]["problem"]) == ("live", None)
            assert state["sections"]["pelvic"]["phase"] == "ARMED"
            assert await table.dropped(sim)


async def test_a_second_board_on_the_link(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim:
        meddler = Meddler(sim.link.removeprefix("unix:"))
        async with board_at(meddler.serve) as link, daemon(tmp_path, link) as table:
            await table.armed(sim)
            meddler.second_board()
            problem = await table.until_problem("LINK_SECOND_BOARD")
            check_sentence(problem, "LINK_SECOND_BOARD", "SIM00001 and OTHER001 both answered")
            check_unknown(await table.state())
            assert (await table.refused("arm"))[0]["code"] == "LINK_DOWN"
            # The real one made itself safe, and nothing falls.
            assert (await sim.passes(300_000))["pin_in"]
            await sim.thrust()
            assert (await sim.passes(500_000))["drops"] == 0
            # When only one is left, it is found again; the section is where it was.
            await table.live()
            assert (await table.section())["phase"] == "COCKED"


async def test_no_board_at_all(tmp_path: Path) -> None:
    async with daemon(tmp_path, f"serial:{tmp_path / 'ttyUSB7'}") as table:
        problem = await table.until_problem("LINK_UNREACHABLE")
        check_sentence(
            problem, "LINK_UNREACHABLE", "no such port; look whether the board is plugged"
        )
        check_unknown(await table.state())


# What cannot even start


@pytest.mark.parametrize(
    ("options", "code", "exit_code"),
    [
        (("--link", "gpio"), "CONFIG_INVALID", 2),
        (("--link", "unix:" + "x" * 200), "CONFIG_INVALID", 2),
        (("--link", "tcp:127.0.0.1:0"), "CONFIG_INVALID", 2),
        (("--link", "tcp:127.0.0.1:99999"), "CONFIG_INVALID", 2),
        (("--link", "carrier-pigeon"), "CONFIG_INVALID", 2),
        (("--link", "sim", "--http", "192.0.2.1:80"), "CONFIG_INVALID", 2),
    ],
)
async def test_what_cannot_be_started(
    tmp_path: Path, options: tuple[str, ...], code: str, exit_code: int
) -> None:
    state = tmp_path / "state"
    command = ("run", "--config", str(CONFIG), "--state-dir", str(state), "--http", "127.0.0.1:0")
    program = await run(tmp_path, "droptable", *command, *options)
    assert program.process.returncode == exit_code
    assert f"{code}: " in program.said
    assert PROBLEMS[code].remedy in program.said
    assert "Traceback" not in program.said
    assert not state.exists()


async def test_a_busy_port_is_told_before_anything_else_was_started(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        refused = Daemon(tmp_path, "sim", http=f"{LOOPBACK}:{port}")
        try:
            await refused.launch()
            assert await refused.ended() == 3
        finally:
            await refused.leave()
    known = PROBLEMS["HTTP_BUSY"]
    assert f"HTTP_BUSY: {LOOPBACK}:{port}: Address already in use. {known.meaning}" in refused.said
    assert known.remedy in refused.said
    assert "Traceback" not in refused.said
    assert not refused.state_dir.exists()


async def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    refused = Daemon(tmp_path, "sim", state=tmp_path / "file" / "state")
    try:
        await refused.launch()
        assert await refused.ended() == 3
    finally:
        await refused.leave()
    assert "STATE_UNWRITABLE: " in refused.said
    assert PROBLEMS["STATE_UNWRITABLE"].remedy in refused.said
    assert "Traceback" not in refused.said


# The broker


class OpenBroker(Mosquitto):
    """A broker that takes everyone, at a port of the caller's choice."""

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(directory)
        config = self._config.read_text().replace(f"listener {self.port} ", f"listener {port} ")
        self._private("mosquitto.conf", config)
        self.port = port


def told_of_the_broker(table: Daemon) -> str:
    return "\n".join(line for line in table.said.splitlines() if "broker_problem" in line)


async def test_a_broker_that_refuses_costs_the_table_nothing(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"someone": "else"}) as strict:
        async with (
            simulator(tmp_path) as sim,
            daemon(tmp_path, sim.link, mqtt=strict.port) as table,
        ):
            await until(lambda: "BROKER_REFUSED" in told_of_the_broker(table))
            assert PROBLEMS["BROKER_REFUSED"].remedy.split("`")[0] in told_of_the_broker(table)
            await table.armed(sim)
            drop = await table.dropped(sim)
            strict.stop()
            (tmp_path / "open").mkdir()
            with OpenBroker(tmp_path / "open", strict.port):
                async with drops_at(strict.port) as heard:
                    await until(lambda: heard)
                    assert heard == [drop]
            assert "Traceback" not in table.said


async def test_a_broker_that_is_not_there_costs_the_table_nothing(tmp_path: Path) -> None:
    port = free_port()
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link, mqtt=port) as table:
        await until(lambda: "BROKER_UNREACHABLE" in told_of_the_broker(table))
        assert "the daemon keeps trying" in told_of_the_broker(table)
        await table.armed(sim)
        assert await table.dropped(sim)
        assert (await table.api.get("/readyz")).status_code == 200
        assert await table.end() == 0
        assert "Traceback" not in table.said
