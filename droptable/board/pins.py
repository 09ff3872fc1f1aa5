"""The pins themselves: coils and the watchdog by gpiozero, contacts by gpiod with kernel time stamps.

Nothing is decided here. gpiozero drives the outputs, all of them active high: a pin is low, and low
is off, from when it is claimed until it is driven, and again when it is let go. After a kill nobody
lets go: a pin may then keep its last level, until the watchdog's relay falls. gpiod reads the inputs,
since its events carry the time at which the kernel saw the edge and a number that shows when one was
missed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple, Protocol

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value
from gpiozero import DigitalOutputDevice
from gpiozero.pins import Factory

from droptable.board.model import Outputs
from droptable.board.pin_plan import SECTION_INPUTS, SECTION_OUTPUTS, TABLE_INPUTS, PinPlan

EVENT_BUFFER = 1_024
"""The most that the kernel keeps for one request: a bounce of every contact at once, many times."""

EDGES_A_READ = 256
"""What one turn of the loop takes of a request; a full one is read in four turns."""

EDGES_WHOLE = 16
"""So many edges of one read are all shown: more than the bounce of two contacts. To show one takes the
law some 50 µs, so that of more each line's first and last two must do."""


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


class LineEdge(NamedTuple):
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


@dataclass(frozen=True, slots=True)
class Seen:
    """What one read found, oldest first."""

    urgent: list[LineEdge]
    """Of the table's lines, to be acted on before all else; only while more than was read waits."""
    edges: list[LineEdge]
    until_us: int | None
    """Up to when the sections' contacts are known; None: up to now, nothing waits."""


class InputLines:
    """The contacts, each active while it is closed, numbered in the order of `names`.

    E-stop, stop button and pedal have a request of their own, which is read first: what a section's
    contact does, however fast, leaves no edge in front of theirs.
    """

    def __init__(self, plan: PinPlan, request_lines: RequestLines) -> None:
        sections, table = tuple(_section_lines(plan)), tuple(_table_lines(plan))
        self.names = tuple(name for name, _ in (*sections, *table))
        with ExitStack() as undo:

            def requested(first: int, lines: tuple[tuple[str, int], ...]) -> _Queue:
                chip, offsets = f"/dev/gpiochip{plan.chip}", [pin for _, pin in lines]
                queue = _Queue(_requested(chip, offsets, request_lines), first, offsets)
                undo.callback(queue.request.release)
                return queue

            self._sections = requested(0, sections)
            self._table = requested(len(sections), table)
            self._undo = undo.pop_all()
        self.fds = (self._table.request.fd, self._sections.request.fd)

    @property
    def active(self) -> list[bool]:
        """Which lines are active, as far as their edges were read."""
        return self._sections.active + self._table.active

    @property
    def lost(self) -> int:
        """The edges that the kernel saw and nobody else did."""
        return self._sections.lost + self._table.lost

    def read(self) -> Seen:
        """The edges since the last call; after a gap, what the lines say now as well.

        Of a line that howls only the first edge and the last two are shown: the time of the event,
        and that it was not steady until then.
        """
        urgent, _ = self._table.read(newest=True)
        contacts, until_us = self._sections.read()
        if until_us is not None:
            return Seen(thinned(urgent), thinned(contacts), until_us)
        return Seen([], thinned(sorted(urgent + contacts, key=_when)), None)

    def close(self) -> None:
        self._undo.close()


class _Queue:
    """One request of lines, numbered from `first` on, and what its edges have told."""

    def __init__(self, request: Request, first: int, offsets: list[int]) -> None:
        self.request = request
        self.lost = 0
        self.active = [value is Value.ACTIVE for value in request.get_values()]
        self._first = first
        self._at_of = {offset: at for at, offset in enumerate(offsets)}
        self._seqno = [0] * len(offsets)

    def read(self, *, newest: bool = False) -> tuple[list[LineEdge], int | None]:
        """Edges, oldest first, and the time of the last if more may wait; then, for the `newest`,
        what the lines say now is among them.

        The kernel asks a line for its level some time after the interrupt, so that a bounce may end
        where it began: an edge to the level that a line already has hides one away from it.
        """
        events: list[gpiod.EdgeEvent] = []
        while len(events) < EDGES_A_READ and self.request.wait_edge_events(0):
            events += self.request.read_edge_events(EDGES_A_READ - len(events))
        lost_before = self.lost
        edges: list[LineEdge] = []
        rising = gpiod.EdgeEvent.Type.RISING_EDGE
        for event in sorted(events, key=lambda event: event.timestamp_ns):
            at = self._at_of[event.line_offset]
            self._count(at, event.line_seqno)
            active = event.event_type is rising
            at_us = event.timestamp_ns // 1_000
            if active is self.active[at]:
                edges.append(LineEdge(self._first + at, not active, at_us))
            edges.append(LineEdge(self._first + at, active, at_us))
            self.active[at] = active
        until_us = edges[-1].at_us if len(events) == EDGES_A_READ else None
        if self.lost > lost_before or (newest and until_us is not None):
            edges += self._seen_anew()
        return edges, until_us

    def _count(self, at: int, seqno: int) -> None:
        """The kernel numbers the edges of each line from 1, those that it had to drop included."""
        self.lost += max(0, seqno - self._seqno[at] - 1)
        self._seqno[at] = max(seqno, self._seqno[at])

    def _seen_anew(self) -> Iterator[LineEdge]:
        for at, value in enumerate(self.request.get_values()):
            active = value is Value.ACTIVE
            if active is not self.active[at]:
                self.active[at] = active
                yield LineEdge(self._first + at, active, None)


def thinned(edges: list[LineEdge]) -> list[LineEdge]:
    """All of them if they are few, else of each line the first and the last two."""
    if len(edges) <= EDGES_WHOLE:
        return edges
    places: dict[int, list[int]] = {}
    for at, edge in enumerate(edges):
        places.setdefault(edge.line, []).append(at)
    kept = {at for found in places.values() for at in (found[0], *found[-2:])}
    return [edges[at] for at in sorted(kept)]


def _when(edge: LineEdge) -> float:
    return inf if edge.at_us is None else edge.at_us


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


def _section_lines(plan: PinPlan) -> Iterator[tuple[str, int]]:
    """The contacts of each section, with name and pin."""
    for number, section in enumerate(plan.sections):
        for name in SECTION_INPUTS:
            yield f"{number}.{name}", getattr(section, name)


def _table_lines(plan: PinPlan) -> Iterator[tuple[str, int]]:
    """Those of the table that are wired."""
    for name in TABLE_INPUTS:
        if (pin := getattr(plan, name)) is not None:
            yield name, pin
