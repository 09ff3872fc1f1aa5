"""The pins themselves: coils and the watchdog by gpiozero, contacts by gpiod with kernel time stamps.

Nothing is decided here. gpiozero drives the outputs, all of them active high: a pin that it claims,
or that nobody drives, is low, and low is off. gpiod reads the inputs, since its events carry the
time at which the kernel saw the edge and a number that shows when one was missed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value
from gpiozero import DigitalOutputDevice
from gpiozero.pins import Factory

from droptable.board.model import Outputs
from droptable.board.pin_plan import SECTION_INPUTS, SECTION_OUTPUTS, TABLE_INPUTS, PinPlan

EVENT_BUFFER = 1_024
"""The most that the kernel keeps for one request: a bounce of every contact at once, many times."""

EDGES_A_READ = 16
"""What one turn of the loop takes, so that a line that howls cannot keep STOP from being heard."""


class OutputPins:
    """Nine coils and the watchdog. All are off from the moment it exists, and after `close`."""

    def __init__(self, plan: PinPlan, factory: Factory) -> None:
        with ExitStack() as undo:

            def claimed(pin: int) -> DigitalOutputDevice:
                return undo.enter_context(DigitalOutputDevice(pin, pin_factory=factory))

            self._coils = tuple(
                tuple(claimed(getattr(section, name)) for name in SECTION_OUTPUTS)
                for section in plan.sections
            )
            self._watchdog = claimed(plan.watchdog)
            self._undo = undo.pop_all()
        self._driven = [[False] * len(coils) for coils in self._coils]
        self._beat = False

    def drive(self, outputs: Outputs) -> None:
        """Have the coils be what `outputs` say; a coil that changes nothing is not touched."""
        for coils, driven, wanted in zip(self._coils, self._driven, outputs, strict=True):
            told = (wanted.lift, wanted.pin_withdrawn, wanted.lowering)
            for at, on in enumerate(told):
                if on is not driven[at]:
                    coils[at].value = on
                    driven[at] = on

    def beat(self) -> None:
        """Turn the watchdog's level over: the relay holds only while this goes on."""
        self._beat = not self._beat
        self._watchdog.value = self._beat

    def wrongly_driven(self) -> tuple[bool, bool, bool]:
        """For each section, whether one of its coils reads back as driven that is told to be off."""
        thoracic, lumbar, pelvic = (
            any(coil.value and not on for coil, on in zip(coils, driven, strict=True))
            for coils, driven in zip(self._coils, self._driven, strict=True)
        )
        return thoracic, lumbar, pelvic

    def safe(self) -> None:
        """Every coil off, whatever the others say to it. Never raises."""
        for coils, driven in zip(self._coils, self._driven, strict=True):
            for at, coil in enumerate(coils):
                driven[at] = False
                # A pin that cannot be written must not keep the next one from being.
                with suppress(Exception):
                    coil.off()

    def close(self) -> None:
        """All off, and the pins let go; the resistors of the wiring hold them low from then on."""
        self.safe()
        self._undo.close()


@dataclass(frozen=True, slots=True)
class LineEdge:
    """A line was seen to change; `at_us` is the kernel's CLOCK_MONOTONIC, or None: just now."""

    line: int
    active: bool
    at_us: int | None


class Request(Protocol):
    """What is used of gpiod's LineRequest."""

    @property
    def fd(self) -> int: ...
    def get_values(self) -> list[Value]: ...
    def wait_edge_events(self, timeout: float) -> bool: ...
    def read_edge_events(self, max_events: int) -> list[gpiod.EdgeEvent]: ...
    def release(self) -> None: ...


RequestLines = Callable[..., Any]
"""`gpiod.request_lines`, or one that gives a `Request` as it does."""


class InputLines:
    """The contacts, each active while it is closed, numbered in the order of `line_names`.

    `lost` counts the edges that the kernel saw and nobody else did.
    """

    def __init__(self, plan: PinPlan, request_lines: RequestLines) -> None:
        self.names = tuple(name for name, _ in _lines(plan))
        offsets = [pin for _, pin in _lines(plan)]
        self._line_of = {offset: line for line, offset in enumerate(offsets)}
        self._request = _requested(f"/dev/gpiochip{plan.chip}", offsets, request_lines)
        self.fd = self._request.fd
        self.lost = 0
        self._seqno = [0] * len(offsets)
        self.active = [value is Value.ACTIVE for value in self._request.get_values()]

    def read(self) -> list[LineEdge]:
        """The edges since the last call, oldest first; after a gap, what the lines say now as well.

        The kernel asks a line for its level some time after the interrupt, so that a bounce may end
        where it began: an edge to the level that a line already has hides one away from it.
        """
        events: list[gpiod.EdgeEvent] = []
        while len(events) < EDGES_A_READ and self._request.wait_edge_events(0):
            events += self._request.read_edge_events(EDGES_A_READ - len(events))
        lost_before = self.lost
        edges: list[LineEdge] = []
        for event in sorted(events, key=lambda event: event.timestamp_ns):
            line = self._line_of[event.line_offset]
            self._count(line, event.line_seqno)
            active = event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE
            at_us = event.timestamp_ns // 1_000
            if active is self.active[line]:
                edges.append(LineEdge(line, not active, at_us))
            edges.append(LineEdge(line, active, at_us))
            self.active[line] = active
        if self.lost > lost_before:
            edges += self._seen_anew()
        return edges

    def close(self) -> None:
        self._request.release()

    def _count(self, line: int, seqno: int) -> None:
        """The kernel numbers the edges of each line from 1, those that it had to drop included."""
        self.lost += max(0, seqno - self._seqno[line] - 1)
        self._seqno[line] = max(seqno, self._seqno[line])

    def _seen_anew(self) -> Iterator[LineEdge]:
        for line, value in enumerate(self._request.get_values()):
            active = value is Value.ACTIVE
            if active is not self.active[line]:
                self.active[line] = active
                yield LineEdge(line, active, None)


def _requested(chip: str, offsets: list[int], request_lines: RequestLines) -> Request:
    """The lines as inputs, pulled up, each edge stamped and none debounced. Raises OSError."""
    settings = gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=Bias.PULL_UP,
        active_low=True,
        event_clock=Clock.MONOTONIC,
    )
    try:
        request: Request = request_lines(
            chip,
            consumer="droptable",
            config={tuple(offsets): settings},
            event_buffer_size=EVENT_BUFFER,
        )
    except OSError as error:
        # gpiod does not say which chip it was.
        raise OSError(error.errno, error.strerror, chip) from None
    return request


def _lines(plan: PinPlan) -> Iterator[tuple[str, int]]:
    """Each contact with its name and its pin: three of every section, then those of the table."""
    for number, section in enumerate(plan.sections):
        for name in SECTION_INPUTS:
            yield f"{number}.{name}", getattr(section, name)
    for name in TABLE_INPUTS:
        if (pin := getattr(plan, name)) is not None:
            yield name, pin
