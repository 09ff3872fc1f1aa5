"""What can be done to the simulated table, each deed as a line of JSON has it, and how it is done.

A deed reaches the table and what is broken about it, and of the board only its power and its clock:
whatever is done here could be done to a real table with hands, feet and pliers.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from droptable.sections import Section, section_named
from firmware_sim.faults import FAULTS, Fault, Scope, SetFault, wanted
from firmware_sim.history import Change
from firmware_sim.mechanics import Mechanics
from firmware_sim.plant.thrust import MANUAL, PRESETS, ThrustShape

Load = Annotated[float, Field(ge=0, le=3_000)]
SectionName = Literal["thoracic", "lumbar", "pelvic"]


class _Deed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Thrust(_Deed):
    """A practitioner thrusts: like the preset, but for what is said otherwise."""

    do: Literal["thrust"]
    section: SectionName
    preset: Literal["impulse", "toggle-recoil"] | None = None
    peak_n: float | None = Field(None, gt=0, le=3_000)
    rise_ms: float | None = Field(None, gt=0, le=2_000)
    preload_n: float | None = Field(None, ge=0, le=500)

    def shape(self) -> ThrustShape:
        """What the hands do. ValueError when that is not said."""
        if self.preset is None and (self.peak_n is None or self.rise_ms is None):
            raise ValueError(f"say peak_n and rise_ms, or a preset: {', '.join(PRESETS)}")
        said = self.model_dump(include={"peak_n", "rise_ms", "preload_n"}, exclude_none=True)
        return replace(MANUAL if self.preset is None else PRESETS[self.preset], **said)


class Patient(_Deed):
    """A patient lies down with these loads on the sections, newtons; null: gets off."""

    do: Literal["patient"]
    load_n: tuple[Load, Load, Load] | None = Field(strict=False)


class Pedal(_Deed):
    """Someone steps on the pedal, or off."""

    do: Literal["pedal"]
    down: bool


class EStop(_Deed):
    """The red button is pushed, or released."""

    do: Literal["estop"]
    open: bool


class Supply(_Deed):
    """The supply voltage changes."""

    do: Literal["supply"]
    mv: int = Field(ge=0, le=65_535)


class Air(_Deed):
    """The air pressure changes."""

    do: Literal["air"]
    kpa: int = Field(ge=0, le=65_535)


class Button(_Deed):
    """The local stop button is pressed, or let go."""

    do: Literal["button"]
    down: bool


class Hand(_Deed):
    """A hand is in the gap of a section at this height above its stop; null: it is out again."""

    do: Literal["hand"]
    section: SectionName
    height_mm: float | None = Field(gt=0, le=60)


class Truth(_Deed):
    """What the sections really do."""

    do: Literal["truth"]


class Changes(_Deed):
    """When coils and switches changed, after a moment."""

    do: Literal["history"]
    after_us: int = -1


class Faults(_Deed):
    """What can be wrong, and what is."""

    do: Literal["faults"]


class SomeFault(_Deed):
    """Something is wrong from now on, or no longer."""

    do: Literal["fault"]
    name: str
    section: SectionName | None = None
    value: float | None = Field(None, allow_inf_nan=False)
    on: bool = True


class NoFault(_Deed):
    """All that was wrong is mended."""

    do: Literal["fault_clear"]


RESET_CAUSES = {"power-on": 1, "brown-out": 2, "watchdog": 3, "external": 4, "software": 5}
"""By the numbers of the board link."""


class Reset(_Deed):
    """The board restarts; the table stays as it stands."""

    do: Literal["reset"]
    cause: Literal["power-on", "brown-out", "watchdog", "external", "software"] = "external"


Deed = Annotated[
    Thrust
    | Patient
    | Pedal
    | EStop
    | Button
    | Hand
    | Supply
    | Air
    | Truth
    | Changes
    | Faults
    | SomeFault
    | NoFault
    | Reset,
    Field(discriminator="do"),
]
DEEDS: TypeAdapter[Deed] = TypeAdapter(Deed)


class Board(Protocol):
    """A board that can be reset, and had with faults of its own."""

    @property
    def faults(self) -> tuple[SetFault, ...]:
        """The faults that it has."""

    def set_fault(self, fault: SetFault) -> None:
        """Have it with this fault from now on."""

    def clear_fault(self, fault: SetFault) -> None:
        """It no longer has it."""

    def restart(self, cause: int) -> None:
        """Let it lose all but its parameters, and begin anew."""


def carry_out(deed: Deed, mechanics: Mechanics, board: Board | None = None) -> dict[str, Any]:
    """Do it to the table at its present moment; what there is to say about it, and that moment.

    Without a `board` whatever needs one is refused. Raises ValueError with the reason; nothing is
    changed then.
    """
    return {"now_us": mechanics.now_us, **_done(deed, mechanics, board)}


def _done(deed: Deed, mechanics: Mechanics, board: Board | None) -> dict[str, Any]:
    match deed:
        case Truth():
            return _truth(mechanics)
        case Changes(after_us=after_us):
            return {"entries": [_entry(change) for change in mechanics.history(after_us)]}
        case Faults():
            return _faults(mechanics, board)
        case SomeFault():
            _break(deed, mechanics, board)
        case NoFault():
            _mend_all(mechanics, board)
        case Reset(cause=cause):
            _needed(board).restart(RESET_CAUSES[cause])
        case _:
            _touch(deed, mechanics)
    return {}


def _touch(
    deed: Thrust | Patient | Pedal | EStop | Button | Hand | Supply | Air, mechanics: Mechanics
) -> None:
    match deed:
        case Thrust():
            mechanics.thrust_like(section_named(deed.section), deed.shape())
        case Patient(load_n=load_n):
            mechanics.patient(load_n)
        case Pedal(down=down):
            mechanics.pedal(down)
        case EStop(open=opened):
            mechanics.estop(opened)
        case Button(down=down):
            mechanics.stop_button(down)
        case Hand(section=section, height_mm=height_mm):
            height_um = None if height_mm is None else round(height_mm * 1_000)
            mechanics.hand(section_named(section), height_um)
        case Supply(mv=mv):
            mechanics.supply(mv)
        case Air(kpa=kpa):
            mechanics.air(kpa)


def _truth(mechanics: Mechanics) -> dict[str, Any]:
    sensed = mechanics.inputs()
    return {
        "sections": {section.label: _section_truth(mechanics, section) for section in Section},
        "estop_open": sensed.estop_open,
        "pedal_down": sensed.pedal_down,
        "button_down": sensed.stop_button,
        "supply_mv": sensed.supply_mv,
        "air_kpa": sensed.air_kpa,
    }


def _section_truth(mechanics: Mechanics, section: Section) -> dict[str, Any]:
    truth, driven = mechanics.truth(section), mechanics.driven[section]
    return {
        "height_um": truth.height_um,
        "velocity_um_s": truth.velocity_um_s,
        "pin_in": truth.pin_in,
        "falling": truth.falling,
        "load_n": truth.load_n,
        "breakaway_n": truth.breakaway_n,
        "drops": truth.drops,
        "outputs": {
            "lift": driven.lift,
            "pin_withdrawn": driven.pin_withdrawn,
            "lowering": driven.lowering,
        },
    }


def _entry(change: Change) -> dict[str, Any]:
    return {"us": change.us, "section": change.section.label, **change.signals._asdict()}


def _faults(mechanics: Mechanics, board: Board | None) -> dict[str, Any]:
    known = [fault for fault in FAULTS.values() if board or fault.scope is not Scope.BOARD]
    there = mechanics.faults if board is None else (*mechanics.faults, *board.faults)
    return {"known": [_described(fault) for fault in known], "set": [_told(one) for one in there]}


def _described(fault: Fault) -> dict[str, Any]:
    value = fault.value
    bounds = value and {
        "unit": value.unit,
        "low": value.low,
        "high": value.high,
        "default": value.default,
    }
    return {"name": fault.name, "text": fault.text, "scope": fault.scope, "value": bounds}


def _told(fault: SetFault) -> dict[str, Any]:
    section = None if fault.section is None else fault.section.label
    value = None if fault.fault.value is None else fault.value
    return {"name": fault.fault.name, "section": section, "value": value}


def _break(deed: SomeFault, mechanics: Mechanics, board: Board | None) -> None:
    section = None if deed.section is None else section_named(deed.section)
    fault = wanted(deed.name, section, deed.value)
    where = _needed(board) if fault.fault.scope is Scope.BOARD else mechanics
    if deed.on:
        where.set_fault(fault)
    else:
        where.clear_fault(fault)


def _mend_all(mechanics: Mechanics, board: Board | None) -> None:
    for fault in mechanics.faults:
        mechanics.clear_fault(fault)
    if board is not None:
        for fault in board.faults:
            board.clear_fault(fault)


def _needed(board: Board | None) -> Board:
    if board is None:
        raise ValueError("only a simulated board can be had with that; this one is a real program")
    return board
