"""A bench for the GPIO board: the process of the Pi, whole, over mock pins and the simulated table.

`python -m firmware_sim.gpio_rig --link unix:PATH --control HOST:PORT`. gpiozero's MockFactory stands
in for the coils' pins and `mock_pi.py` for the rest of the machine and the table, the relay that the
watchdog holds included; the code between them is the one that runs on a Raspberry Pi. A reset ends
its loop and starts it again on the same table; only the host's connection stays open, as that to a
board at the end of a cable does.
"""

import argparse
import asyncio
import json
import select
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from droptable.board.process import (
    ENDED,
    Place,
    Setup,
    live,
    log,
    parse_place,
    parse_setup,
    until_told,
)
from droptable.board.realtime import RealTime, ask_for
from droptable.link.transport import parse_tcp
from firmware_sim.control import ControlPort
from firmware_sim.deeds import RESET_CAUSES, Deed, Reset, carry_out
from firmware_sim.mock_pi import REFERENCE, MockPi
from firmware_sim.serve import Announce

SWITCH_INTERVAL_S = 0.000_2
"""The table and the board share one interpreter here, and neither may keep the other waiting."""

ORDINARY = RealTime(priority=0, cpu=None, lock_memory=False, freeze_collector=True)


class Bench:
    """The thread in which the table lives and hands reach it, beside the board's own."""

    def __init__(self, table: MockPi, control: str | None, real_time: RealTime) -> None:
        self._table = table
        # What it may be interrupted in, the board waits for: they share one interpreter.
        self._real_time = replace(real_time, lock_memory=False, freeze_collector=False)
        self._control_at = None if control is None else parse_tcp(control)
        self.control: str | None = None
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._problem: OSError | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="table", daemon=True)

    def start(self) -> None:
        """Returns when hands can reach the table. Raises OSError for a port that cannot be had."""
        self._thread.start()
        self._up.wait()
        if self._problem is not None:
            self._thread.join()
            raise self._problem

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    def _run(self) -> None:
        ask_for(self._real_time)
        try:
            self._loop.run_until_complete(self._live())
        finally:
            self._loop.close()

    def _act(self, deed: Deed) -> dict[str, Any]:
        if not isinstance(deed, Reset):
            return self._table.touch(partial(carry_out, deed))
        self._table.reset(RESET_CAUSES[deed.cause])
        return {"now_us": self._table.touch(lambda mechanics: mechanics.now_us)}

    async def _live(self) -> None:
        port = ControlPort(self._act)
        try:
            if self._control_at is not None:
                self.control = await port.open(self._control_at.host, self._control_at.port)
        except OSError as error:
            self._problem = error
            return
        finally:
            self._up.set()
        over = asyncio.create_task(self._over.wait())
        while not over.done():
            await asyncio.wait({over}, timeout=max(0.000_2, self._table.wait_us() / 1e6))
        await port.close()


def main(arguments: Sequence[str]) -> int:
    """Run the program until SIGTERM; its end tells which coils' pins were left high."""
    parser = argparse.ArgumentParser(prog="firmware_sim.gpio_rig")
    parser.add_argument("--link", required=True, help="unix:PATH")
    parser.add_argument("--control", help="HOST:PORT; port 0: any free one")
    parser.add_argument("--store", help="file for the parameters; without, they are forgotten")
    parser.add_argument("--setup", help="pins and wishes, JSON; without, the reference wiring")
    parser.add_argument("--seed", type=int, default=0, help="decides noise and bounce")
    parser.add_argument("--json", action="store_true", help="announce in one line of JSON")
    given = parser.parse_args(arguments)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with TemporaryDirectory(prefix="gpio-rig-") as folder:
        try:
            store = given.store or str(Path(folder) / "params")
            setup = parse_setup(given.setup) if given.setup else Setup(REFERENCE, ORDINARY)
            place = parse_place(given.link, store)
            table = MockPi(setup.pins, seed=given.seed)
            bench = Bench(table, given.control, setup.real_time)
            bench.start()
        except (ValueError, OSError) as error:
            log("error", str(error))
            return 2
        return _run(setup, place, table, bench, as_json=given.json)


def _run(setup: Setup, place: Place, table: MockPi, bench: Bench, *, as_json: bool) -> int:
    tell = Announce(as_json=as_json)
    try:
        code = _lives(setup, place, table, lambda: tell(str(place.address), bench.control))
    finally:
        bench.close()
        table.close()
    log("info", "the bench ended", coils=json.dumps(table.coils))
    return code


def _lives(setup: Setup, place: Place, table: MockPi, announce: Callable[[], None]) -> int:
    """One life of the board after the other, each until it is reset, to the end of the program."""
    with until_told() as told_fd, select.epoll() as either:
        either.register(told_fd, select.EPOLLIN)
        either.register(table.reset_fd, select.EPOLLIN)
        while True:
            code = live(setup, lambda: table, place, end_fd=either.fileno(), announce=announce)
            if code != ENDED or not table.was_reset():
                break
            announce = _told_already
    if code == ENDED:
        log("info", "the board's program ended")
    return code


def _told_already() -> None:
    """Hosts know where it is."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
