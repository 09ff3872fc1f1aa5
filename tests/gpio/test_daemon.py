"""The daemon with link = "gpio": it starts the board's own process, and lives and dies with it safely."""

import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from droptable.cli.doctor import gpio_check
from droptable.daemon import gpio_board
from droptable.daemon.config import load
from droptable.errors import DroptableError
from firmware_sim.mock_pi import MockPi
from tests.system.house import CONFIG, ROOT, Daemon, alive, run, until

PINS = ROOT / "config" / "gpio.toml"

# The one thing that is not as at a table: the program under the board's law stands on a bench.
LAUNCHER = """
import sys
from pathlib import Path
from droptable.daemon import gpio_board
gpio_board.PROGRAM = "firmware_sim.gpio_rig"
gpio_board.DEVICES = Path(sys.argv.pop(1))
from droptable.cli.main import main
main()
"""


def on_pins(folder: Path) -> Path:
    """The shipped pins, for a table that is calibrated."""
    pins = PINS.read_text()
    gpio = pins[pins.index("\n[gpio]\n") : pins.index("# Keys here are for all three")]
    demo = (
        CONFIG.read_text()
        .replace('link = "sim"', 'link = "gpio"')
        .replace("SIM00001", MockPi.hw_id)
    )
    assert tomllib.loads(demo)["board"]["link"] == "gpio"
    file = folder / "gpio.toml"
    file.write_text(demo + "\n" + gpio)
    return file


class PinDaemon(Daemon):
    """`droptable run` on a machine that has a GPIO chip, as far as anyone can see."""

    def __init__(self, directory: Path) -> None:
        self.devices = directory / "dev"
        self.devices.mkdir()
        for name in ("gpiochip0", "spidev0.0"):
            (self.devices / name).touch()
        super().__init__(directory, "gpio", DROPTABLE__ALLOW_CLI_MOTION="true")
        command = list(self._command)
        command[command.index(str(CONFIG))] = str(on_pins(directory))
        script = directory / "launcher.py"
        script.write_text(LAUNCHER)
        # `-m` runs a module; this one is found where the launcher lies.
        self._environment["PYTHONPATH"] = f"{directory}:{ROOT}"
        self._command = ("launcher", str(self.devices), *command[1:])

    @property
    def board(self) -> psutil.Process:
        """The board's process, the only one of its kind among the daemon's children."""
        (board,) = (
            child
            for child in psutil.Process(self.pid).children()
            if "firmware_sim.gpio_rig" in child.cmdline()
        )
        return board


@asynccontextmanager
async def pin_daemon(directory: Path) -> AsyncIterator[PinDaemon]:
    running = PinDaemon(directory)
    try:
        await running.start()
        yield running
    finally:
        await running.leave()


async def test_it_starts_the_boards_process_and_moves_the_table_by_it(tmp_path: Path) -> None:
    async with pin_daemon(tmp_path) as table:
        await table.live()
        # The rig's hand has no port here; the section moves without one.
        await table.take_control()
        await table.do("POST", "/sections/pelvic/home")
        await table.until_phase("LOCKED")
        # Without a drive a person sets the tension at the mechanism, and says what it is.
        await table.do("PUT", "/sections/pelvic/tension", {"newton": 300.0})
        await table.until(lambda s: not s["sections"]["pelvic"]["ready"]["cock"])
        await table.do("POST", "/sections/pelvic/cock")
        await table.until_phase("COCKED")
        arguments = table.board.cmdline()
        setup = json.loads(arguments[arguments.index("--setup") + 1])
        assert setup["pins"]["pelvic"]["lift"] == 20
        assert setup["real_time"] == {
            "priority": 50,
            "cpu": None,
            "lock_memory": True,
            "freeze_collector": True,
        }
        assert arguments[arguments.index("--store") + 1].startswith(str(table.state_dir))
        # What the machine granted or refused is in the daemon's log, from the board itself.
        assert '"the board says"' in table.said
        assert (table.state_dir / gpio_board.STORE).exists()


async def test_a_board_process_that_is_killed_is_a_restarted_board(tmp_path: Path) -> None:
    async with pin_daemon(tmp_path) as table:
        await table.live()
        first = table.board
        first.kill()
        await table.until(lambda s: s["sections"]["pelvic"]["phase"] == "UNKNOWN")
        await until(lambda: "BOARD_PROGRAM: firmware_sim.gpio_rig ended with -9" in table.said)
        await table.live()
        assert table.board.pid != first.pid


async def test_a_daemon_that_is_killed_takes_the_board_with_it_coils_off(tmp_path: Path) -> None:
    async with pin_daemon(tmp_path) as table:
        await table.live()
        board = table.board.pid
        await table.kill()
        await until(lambda: not alive(board))
        assert '\\"pelvic\\": []' in table.said


async def test_the_daemons_end_is_the_boards(tmp_path: Path) -> None:
    async with pin_daemon(tmp_path) as table:
        await table.live()
        board = table.board.pid
        assert await table.end() == 0
        assert not alive(board)
        assert '\\"pelvic\\": []' in table.said


# A machine that has no pins


async def test_without_a_chip_the_daemon_does_not_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = ("run", "--config", str(PINS), "--state-dir", str(state), "--http", "127.0.0.1:0")
    program = await run(tmp_path, "droptable", *command)
    assert program.process.returncode == 3
    assert "BOARD_NO_GPIO: there is no /dev/gpiochip0." in program.said
    assert "install `droptable[gpio]`" in program.said
    assert not state.exists()


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gpio_board, "DEVICES", tmp_path)
    return tmp_path


def lacks(**changes: object) -> str | None:
    keys = load(PINS, {}).gpio
    assert keys is not None
    return gpio_board.missing(keys.model_copy(update=changes))


def test_what_a_machine_lacks_is_named(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacks() == f"there is no {devices / 'gpiochip0'}"
    (devices / "gpiochip0").touch()
    assert str(lacks()).startswith(f"there is no {devices / 'spidev0.0'} for the load cells")
    assert lacks(load_cells="none") is None
    (devices / "spidev0.0").touch()
    assert lacks() is None
    assert lacks(chip=4) == f"there is no {devices / 'gpiochip4'}"
    monkeypatch.setattr(gpio_board, "LIBRARIES", ("gpiozero", "nopins", "nowires"))
    assert lacks() == "Python has no nopins and no nowires"


def test_a_chip_that_this_user_may_not_open_is_named(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (devices / "gpiochip0").touch()
    monkeypatch.setattr(gpio_board.os, "access", lambda *_: False)
    assert lacks() == f"{devices / 'gpiochip0'} may not be opened by this user"


def test_the_doctor_says_what_is_missing_and_what_to_do(devices: Path) -> None:
    config = load(PINS, {})
    check = gpio_check(config)
    assert not check.ok
    assert "gpiochip0" in check.finding
    assert "droptable[gpio]" in check.remedy
    for name in ("gpiochip0", "spidev0.0"):
        (devices / name).touch()
    assert gpio_check(config).ok


def test_a_program_is_only_given_where_there_are_pins(devices: Path, tmp_path: Path) -> None:
    with pytest.raises(DroptableError, match="BOARD_NO_GPIO"):
        gpio_board.program(load(PINS, {}), tmp_path)
    with pytest.raises(DroptableError, match=r"without \[gpio\]"):
        gpio_board.program(load(None, {}, {"board.link": "sim"}), tmp_path)
