"""The board on this machine's own pins, as the program that the daemon starts for link = "gpio".

It knows the program's command line and what a machine must have for it, and touches no pin.
"""

import json
import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from droptable.daemon.config import Config
from droptable.daemon.config_model import GpioKeys
from droptable.errors import DroptableError

PROGRAM = "droptable.board.process"
STORE = "gpio-board-params.json"
LIBRARIES = ("gpiozero", "gpiod", "lgpio")
DEVICES = Path("/dev")


def missing(keys: GpioKeys) -> str | None:
    """What this machine lacks to drive pins; None when there is nothing to be said against it."""
    absent = [name for name in LIBRARIES if find_spec(name) is None]
    if absent:
        return f"Python has no {' and no '.join(absent)}"
    chip = DEVICES / f"gpiochip{keys.chip}"
    if not chip.exists():
        return f"there is no {chip}"
    if not os.access(chip, os.R_OK | os.W_OK):
        return f"{chip} may not be opened by this user"
    if keys.load_cells == "mcp3208" and not (DEVICES / "spidev0.0").exists():
        return f"there is no {DEVICES / 'spidev0.0'} for the load cells; dtparam=spi=on makes it"
    return None


def program(config: Config, state_dir: Path) -> tuple[str, ...]:
    """The Python module to run, and all its options but the link.

    DroptableError BOARD_NO_GPIO when it could not run here.
    """
    keys = config.gpio
    why_not = "[board] link is gpio without [gpio]" if keys is None else missing(keys)
    if keys is None or why_not is not None:
        raise DroptableError("BOARD_NO_GPIO", why_not or "")
    setup = {
        "pins": asdict(keys.pin_plan()),
        "real_time": {
            "priority": keys.realtime_priority,
            "cpu": keys.cpu,
            "lock_memory": keys.lock_memory,
            "freeze_collector": keys.freeze_collector,
        },
    }
    return (PROGRAM, "--store", str(state_dir / STORE), "--setup", json.dumps(setup))
