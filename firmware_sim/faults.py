"""What can be wrong with the simulated table: one registry, read by the control port, the command
line, the documentation and the tests.

A fault of a section or of the table is a small change of a signal between plant and board, or of
the plant's own numbers; `harness.py` and `mechanics.py` make it. So whatever board stands at the end
of the wires meets it. The faults of a board are made by `board_faults.py`, as only a simulated board
can be had with them. No fault invents an event or a phase: the board finds out by itself, or not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from droptable.board.model import Phase, SectionInputs, SectionOutputs
from droptable.sections import Section
from firmware_sim.plant.load_cell import RAW_MAX, Reading
from firmware_sim.plant.settings import SectionSettings

# How a fault acts


@dataclass(frozen=True, slots=True)
class Senses:
    """The board reads other switches than there are."""

    change: Callable[[SectionInputs], SectionInputs]


@dataclass(frozen=True, slots=True)
class Drives:
    """The coils get another current than the board gives."""

    change: Callable[[SectionOutputs], SectionOutputs]


@dataclass(frozen=True, slots=True)
class Weighs:
    """The load cell's converter says something else than the force.

    `change` gets the sound reading, the one at which the fault began, and the counts that the
    fault's value makes of the time since.
    """

    change: Callable[[Reading, Reading, int], Reading]


@dataclass(frozen=True, slots=True)
class Wears:
    """A part is no longer what the settings say; `change` gets the fault's value."""

    change: Callable[[SectionSettings, float], SectionSettings]


@dataclass(frozen=True, slots=True)
class Sags:
    """What the table is supplied with is no higher than the fault's value."""

    line: "Line"


class Line(StrEnum):
    """What the table is supplied with."""

    SUPPLY = "supply"
    AIR = "air"


class OnBoard(StrEnum):
    """What only a simulated board can be had with."""

    BROWN_OUT = "brown-out"
    CLOCK_RATE = "clock-rate"
    EVENTS_FULL = "events-full"


Act = Senses | Drives | Weighs | Wears | Sags | OnBoard

# The registry


class Scope(StrEnum):
    """What has a fault."""

    SECTION = "section"
    TABLE = "table"
    BOARD = "board"


@dataclass(frozen=True, slots=True)
class Value:
    """The number that says how bad a fault is."""

    unit: str
    low: float
    high: float
    default: float
    whole: bool = False

    def takes(self, value: float) -> bool:
        """Whether `value` is within the bounds."""
        return self.low <= value <= self.high and (not self.whole or value == round(value))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can be wrong; `text` says in a sentence what then happens."""

    name: str
    text: str
    act: Act
    value: Value | None = None

    @property
    def scope(self) -> Scope:
        match self.act:
            case OnBoard():
                return Scope.BOARD
            case Sags():
                return Scope.TABLE
            case Senses() | Drives() | Weighs() | Wears():
                return Scope.SECTION


def _reads(**switches: bool) -> Senses:
    return Senses(lambda sensed: replace(sensed, **switches))


def _coil(**outputs: bool) -> Drives:
    return Drives(lambda driven: replace(driven, **outputs))


def _off(raw: int | None, counts: int) -> int | None:
    return None if raw is None else min(max(raw + counts, 0), RAW_MAX)


_REGISTRY = (
    Fault("up-stuck-closed", "The up switch stays closed.", _reads(up=True)),
    Fault("up-stuck-open", "The up switch stays open.", _reads(up=False)),
    Fault("up-wire-broken", "The up switch's wire is broken: it reads open.", _reads(up=False)),
    Fault("down-stuck-closed", "The down switch stays closed.", _reads(down=True)),
    Fault("down-stuck-open", "The down switch stays open.", _reads(down=False)),
    Fault(
        "down-wire-broken", "The down switch's wire is broken: it reads open.", _reads(down=False)
    ),
    Fault("pin-switch-stuck-closed", "The pin's switch stays closed.", _reads(pin=True)),
    Fault("pin-switch-stuck-open", "The pin's switch stays open.", _reads(pin=False)),
    Fault(
        "pin-switch-wire-broken",
        "The wire of the pin's switch is broken: it reads open.",
        _reads(pin=False),
    ),
    Fault(
        "switches-bounce",
        "The section's switches chatter for up to this long whenever they move.",
        Wears(lambda parts, ms: replace(parts, chatter_us=round(ms * 1_000))),
        Value("ms", 1, 100, 20),
    ),
    Fault("lift-wire-broken", "The lift valve gets no current.", _coil(lift=False)),
    Fault("valve-wire-broken", "The lowering valve gets no current.", _coil(lowering=False)),
    Fault("pin-wire-broken", "The pin's coil gets no current.", _coil(pin_withdrawn=False)),
    Fault("pin-stuck-in", "The pin cannot be withdrawn.", _coil(pin_withdrawn=False)),
    Fault(
        "pin-stuck-out",
        "The pin's spring is broken: once it is withdrawn, it does not come back.",
        Wears(lambda parts, _: replace(parts, pin_spring_broken=True)),
    ),
    Fault(
        "pin-slow",
        "The pin takes this long from one end of its way to the other.",
        Wears(lambda parts, ms: replace(parts, pin_travel_us=round(ms * 1_000))),
        Value("ms", 1, 2_000, 300),
    ),
    Fault(
        "lift-valve-stuck",
        "The lift valve stays open: the lift drives whatever it is told.",
        _coil(lift=True),
    ),
    Fault(
        "leak",
        "The section sinks by itself at this speed while no pin holds it.",
        Wears(lambda parts, um_s: replace(parts, leak_um_s=round(um_s))),
        Value("um/s", 1, 200_000, 2_000, whole=True),
    ),
    Fault(
        "tension-slip",
        "The tension actuator slips: it runs back at this rate, whatever it is told.",
        Wears(lambda parts, n_s: replace(parts, tension_slip_n_s=n_s)),
        Value("N/s", 0.1, 500, 20),
    ),
    Fault(
        "cell-wire-broken",
        "The load cell's wire is broken: its converter calls every sample invalid.",
        Weighs(lambda now, _began, _gone: replace(now, raw=None)),
    ),
    Fault(
        "cell-frozen",
        "The load cell's converter hangs: no new sample comes.",
        Weighs(lambda _now, began, _gone: began),
    ),
    Fault(
        "cell-drift",
        "The load cell's zero wanders at this rate.",
        Weighs(lambda now, _began, gone: replace(now, raw=_off(now.raw, gone))),
        Value("N/s", -500, 500, 20),
    ),
    Fault(
        "cell-saturated",
        "The load cell's converter shows its last count, whatever presses.",
        Weighs(lambda now, _began, _gone: replace(now, raw=RAW_MAX)),
    ),
    Fault(
        "supply-low",
        "The supply gives no more than this.",
        Sags(Line.SUPPLY),
        Value("mV", 0, 30_000, 10_000, whole=True),
    ),
    Fault(
        "air-low",
        "The air has no more pressure than this; the lift is as weak as that.",
        Sags(Line.AIR),
        Value("kPa", 0, 1_000, 200, whole=True),
    ),
    Fault(
        "brown-out",
        "The board resets once, when a section next enters the phase with this number.",
        OnBoard.BROWN_OUT,
        Value("phase", min(Phase), max(Phase), Phase.COCKING, whole=True),
    ),
    Fault(
        "clock-rate",
        "The board's clock runs fast by this, or slow where it is below 0.",
        OnBoard.CLOCK_RATE,
        Value("%", -2, 2, 2),
    ),
    Fault(
        "event-buffer-full",
        "Acknowledgements get lost on their way and the pedal flutters, until the board's "
        "event buffer is full; it stays full.",
        OnBoard.EVENTS_FULL,
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _REGISTRY}
"""Every fault by its name."""


@dataclass(frozen=True, slots=True)
class SetFault:
    """A fault that is there: where, and how bad."""

    fault: Fault
    section: Section | None
    value: float

    @property
    def where(self) -> tuple[str, Section | None]:
        """A section has a fault once, and so has the table."""
        return self.fault.name, self.section


def fault_named(name: str) -> Fault:
    """The fault of that name; ValueError lists the names that exist."""
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; the faults are {', '.join(FAULTS)}")
    return FAULTS[name]


def wanted(name: str, section: Section | None, value: float | None) -> SetFault:
    """The fault that is asked for; ValueError says what is allowed instead."""
    fault = fault_named(name)
    if fault.scope is Scope.SECTION and section is None:
        known = ", ".join(known.label for known in Section)
        raise ValueError(f"{name} is a fault of one section, name it: {known}")
    if fault.scope is not Scope.SECTION and section is not None:
        raise ValueError(f"{name} is a fault of the whole {fault.scope}: name no section")
    return SetFault(fault, section, _value_of(fault, value))


def _value_of(fault: Fault, value: float | None) -> float:
    allowed = fault.value
    if allowed is None:
        if value is not None:
            raise ValueError(f"{fault.name} takes no value")
        return 0.0
    if value is None:
        return allowed.default
    if not allowed.takes(value):
        whole = "whole numbers from " if allowed.whole else ""
        raise ValueError(
            f"{fault.name} takes {whole}{allowed.low:g} to {allowed.high:g} {allowed.unit}, "
            f"not {value:g}"
        )
    return value
