"""The GPIO board as a program: `python -m droptable.board.process`, started by the daemon.

It puts the board's law on the pins of a Raspberry Pi and serves it on a unix socket, in the bytes
of every other board. It is a process of its own so that no load on the daemon delays a pin. Its
coils are off before the first byte is read, on any exception, on SIGTERM and Ctrl-C, and, since
whoever starts it puts it on a leash, when that one is gone. When it is killed outright it turns the
watchdog no more, and the relay in the supply of the coils opens: docs/wiring.md.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gpiod
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from droptable.board.converters import Hx711, LgpioBus, LgpioWires, Mcp3208
from droptable.board.door import Door
from droptable.board.endpoint import Identity
from droptable.board.keepsakes import ParamsWriter, read_params, reset_cause
from droptable.board.load_cells import Converter, LoadCells
from droptable.board.loop import BoardLoop, Parts
from droptable.board.model import Feature
from droptable.board.notices import Notices
from droptable.board.params import Params
from droptable.board.pin_plan import PinPlan, findings
from droptable.board.pins import InputLines, OutputPins, RequestLines
from droptable.board.realtime import Answer, RealTime, ask_for
from droptable.daemon.clock import SystemClock
from droptable.link.messages import TextLevel
from droptable.link.transport import UnixAddress, parse_link

FIRMWARE = (1, 0, 0)

SERIAL_NUMBER = Path("/proc/device-tree/serial-number")
"""The Pi's own, sixteen hex digits."""

ENDED, BROKE, USAGE = 0, 1, 2


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", strict=True))
class Setup:
    """All that a table's owner decides about the board; the daemon sends it as JSON."""

    pins: PinPlan
    real_time: RealTime


@dataclass(frozen=True, slots=True)
class Place:
    """Where the board is reached, and where it keeps things."""

    address: UnixAddress
    store: Path
    """Its parameters; beside them it notes which boot of the machine it was started in."""


class Machine(Protocol):
    """What the board runs on: a Raspberry Pi, or what stands in for one."""

    hw_id: str
    features: Feature
    """What it is, beside what is wired to it."""
    request_lines: RequestLines

    def pin_factory(self) -> Any:
        """gpiozero's, for the outputs."""

    def converter(self, plan: PinPlan, now_us: Callable[[], int]) -> Converter | None:
        """What reads the load cells of the plan, if it has any."""

    def door(self, address: UnixAddress) -> AbstractContextManager[Door]:
        """Where hosts connect. Raises OSError when another program serves there."""

    def reset_cause(self, note: Path) -> int:
        """Why the board starts; in `note` it may remember when it started last."""


class RaspberryPi:
    """The real one."""

    features = Feature(0)

    def __init__(self, chip: int) -> None:
        # It starts a thread and makes a pipe as soon as it is imported: not on a mock machine.
        from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415

        self._factory = LGPIOFactory(chip=chip)
        self.request_lines: RequestLines = gpiod.request_lines
        self.hw_id = hw_id_of(SERIAL_NUMBER)

    def pin_factory(self) -> Any:
        return self._factory

    def converter(self, plan: PinPlan, now_us: Callable[[], int]) -> Converter | None:
        match plan.load_cells:
            case "none":
                return None
            case "mcp3208":
                return Mcp3208(LgpioBus())
            case "hx711":
                return Hx711(LgpioWires(plan), now_us)

    def door(self, address: UnixAddress) -> AbstractContextManager[Door]:
        return closing(Door(address))

    def reset_cause(self, note: Path) -> int:
        return reset_cause(note)


def hw_id_of(serial_number: Path) -> str:
    """PI and the last six digits of the machine's serial number: the same on every start."""
    try:
        digits = serial_number.read_text(errors="replace").strip("\0\n ")
    except OSError:
        digits = ""
    return f"PI{digits[-6:].rjust(6, '0')}"


def serve(
    setup: Setup, machine: Machine, place: Place, *, end_fd: int, announce: Callable[[], None]
) -> None:
    """Be the board until `end_fd` can be read. `announce` is called once hosts can connect.

    Raises ValueError for a plan that must not be wired, OSError for pins, a bus or a socket that
    cannot be had, and whatever breaks the loop, with the coils off.
    """
    plan = setup.pins
    if wrong := findings(plan):
        raise ValueError("; ".join(f"{'.'.join(each.path)} {each.text}" for each in wrong))
    clock = SystemClock()
    with ExitStack() as undo:
        factory = machine.pin_factory()
        undo.callback(factory.close)
        # First of all: from here on nothing is driven that the law does not want.
        outputs = undo.enter_context(closing(OutputPins(plan, factory)))
        lines = undo.enter_context(closing(InputLines(plan, machine.request_lines)))
        converter = machine.converter(plan, clock.monotonic_us)
        if converter is not None:
            undo.callback(converter.close)
        cells = LoadCells(converter)
        door = undo.enter_context(machine.door(place.address))
        writer = undo.enter_context(closing(ParamsWriter(place.store)))
        stored = read_params(place.store)
        answers = ask_for(setup.real_time)
        for answer in answers:
            log("info" if answer.granted else "warning", answer.text)
        loop = BoardLoop(
            Parts(outputs, lines, cells, door, writer, Notices(_standing(answers))),
            Identity(
                machine.hw_id,
                FIRMWARE,
                machine.features | features_of(plan, cells),
                boot_id=clock.random_u32(),
                reset_cause=machine.reset_cause(place.store.with_name(f"{place.store.name}.boot")),
            ),
            None if stored is None else Params(stored),
            clock.monotonic_us,
            end_fd=end_fd,
        )
        announce()
        loop.run()


def features_of(plan: PinPlan, cells: LoadCells) -> Feature:
    """What this board has: no tension drive, no sensors of air and supply."""
    return cells.features | (Feature(0) if plan.pedal is None else Feature.PEDAL)


def _standing(answers: tuple[Answer, ...]) -> tuple[tuple[TextLevel, str], ...]:
    return tuple(
        (TextLevel.INFO if answer.granted else TextLevel.WARNING, answer.text) for answer in answers
    )


@contextmanager
def until_told() -> Iterator[int]:
    """A descriptor that can be read once SIGTERM or Ctrl-C came. For the main thread of a program.

    From then on both are heard here only: as its parent dies the kernel sends one SIGTERM for each
    thread of it, and the second must not cut the end short.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)


def log(level: str, event: str, **more: object) -> None:
    """One JSON line on stderr, before and after the loop only: a full pipe would stop it."""
    line = {"event": event, "level": level, "logger": "droptable.board", **more}
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201 - a log's way out


def run(
    setup: Setup, machine: Callable[[], Machine], place: Place, announce: Callable[[], None]
) -> int:
    """Serve until told to end; the exit code, with the reason on stderr if it is not 0."""
    with until_told() as end_fd:
        code = live(setup, machine, place, end_fd=end_fd, announce=announce)
    if code == ENDED:
        log("info", "the board's program ended")
    return code


def live(
    setup: Setup,
    machine: Callable[[], Machine],
    place: Place,
    *,
    end_fd: int,
    announce: Callable[[], None],
) -> int:
    """One life of the board, from boot to `end_fd`; what broke it is on stderr."""
    try:
        serve(setup, machine(), place, end_fd=end_fd, announce=announce)
    except Exception as error:  # noqa: BLE001 - whatever it is: coils off, told, ended
        log("error", f"the board's program broke: {error}", trace=traceback.format_exc())
        return BROKE
    return ENDED


def parse_setup(text: str) -> Setup:
    """The setup in `text`. ValueError says what is wrong with it."""
    try:
        return TypeAdapter(Setup).validate_json(text)
    except ValidationError as error:
        raise ValueError(f"--setup: {error}") from None


def parse_place(link: str, store: str) -> Place:
    """ValueError for a link that is no unix socket."""
    match parse_link(link):
        case UnixAddress() as address:
            return Place(address, Path(store))
        case _:
            raise ValueError(f"--link: {link!r} is not unix:PATH")


def main(arguments: Sequence[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="droptable.board.process")
    parser.add_argument("--link", required=True, help="unix:PATH")
    parser.add_argument("--store", required=True, help="file for the parameters")
    parser.add_argument("--setup", required=True, help="pins and wishes, JSON")
    given = parser.parse_args(arguments)
    try:
        setup, place = parse_setup(given.setup), parse_place(given.link, given.store)
    except ValueError as error:
        log("error", str(error))
        return USAGE
    # lgpio makes a pipe where it is imported, which is anywhere, and may be where nobody can write.
    os.environ.setdefault("LG_WD", str(place.store.parent))
    return run(setup, lambda: RaspberryPi(setup.pins.chip), place, announce=lambda: None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
