"""What the board's events are called in the journal, and what their numbers mean there. Pure.

An event that is not in the table, or at a place that a table of three sections has not, came from a
newer board: it is recorded as it came.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from droptable.core.events import BoardEventHeard
from droptable.core.faults import fault_of
from droptable.core.limits import TABLE
from droptable.core.model import SectionState
from droptable.sections import Section

Data = Mapping[str, str | int | float | bool | None]

ARMED = 5
DISARMED = 6
DROP = 7

RESET_CAUSES = ("unknown", "power-on", "brown-out", "watchdog", "external", "software")
DISARM_CAUSES = (
    "unknown",
    "command",
    "window over",
    "lease lost",
    "session lost",
    "stop",
    "e-stop",
    "fault",
)
STOP_SOURCES = ("unknown", "frame", "e-stop", "local button")


@dataclass(frozen=True, slots=True)
class BoardKind:
    """An event of the board in the journal's words."""

    name: str
    data: Callable[[BoardEventHeard], Data] = lambda _heard: {}


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else f"number {number}"


def _duration(heard: BoardEventHeard) -> Data:
    return {"duration_ms": heard.a / 1000}


KINDS: dict[int, BoardKind] = {
    1: BoardKind("board_booted", lambda heard: {"reset_cause": _named(RESET_CAUSES, heard.a)}),
    2: BoardKind("board_link_lost"),
    3: BoardKind("board_link_up"),
    4: BoardKind("cocked", _duration),
    ARMED: BoardKind("armed", lambda heard: {"window_ms": heard.a}),
    DISARMED: BoardKind("disarmed", lambda heard: {"cause": _named(DISARM_CAUSES, heard.a)}),
    DROP: BoardKind("drop"),
    8: BoardKind("locked", _duration),
    9: BoardKind("stopped", lambda heard: {"source": _named(STOP_SOURCES, heard.a)}),
    10: BoardKind("stop_reset"),
    11: BoardKind("fault", lambda heard: {"code": fault_of(heard.a).code}),
    12: BoardKind("fault_cleared", lambda heard: {"code": fault_of(heard.a).code}),
    13: BoardKind("estop_open"),
    14: BoardKind("estop_closed"),
    15: BoardKind("pedal", lambda heard: {"down": bool(heard.a)}),
    16: BoardKind("halted"),
    17: BoardKind("maintenance", lambda heard: {"active": bool(heard.a)}),
    18: BoardKind("events_lost", lambda heard: {"count": heard.a}),
}

_UNKNOWN = BoardKind(
    "unknown_event",
    lambda heard: {
        "number": heard.kind,
        "section_number": heard.section,
        "a": heard.a,
        "b": heard.b,
        "c": heard.c,
    },
)


def section_of(heard: BoardEventHeard) -> Section | None:
    """The section of an event; None for the table, and for a place that is not known."""
    return Section(heard.section) if heard.section in tuple(Section) else None


def told(
    heard: BoardEventHeard, section: SectionState | None, calibration_id: str | None = None
) -> tuple[str, Data]:
    """The kind and data of an event in the journal. `section`: what was known when it was heard."""
    kind = _kind(heard)
    particulars = kind.data(heard)
    if kind is KINDS[DROP] and section is not None:
        particulars = _drop(heard, section, calibration_id)
    return kind.name, {**particulars, "board_us": heard.board_us}


def _kind(heard: BoardEventHeard) -> BoardKind:
    placed = section_of(heard) is not None or (heard.section == TABLE and heard.kind != DROP)
    return KINDS.get(heard.kind, _UNKNOWN) if placed else _UNKNOWN


def _drop(heard: BoardEventHeard, section: SectionState, calibration_id: str | None) -> Data:
    """What the journal says of a drop, and None for what was not measured.

    `fall_ms` is None when the board saw no up edge. `armed_ms` is the time from arming to the up
    edge, by the board's clock; None when it was not armed any more as it fell, or when the arming
    was not heard, as after a restart of the daemon.
    """
    armed_us = section.armed_board_us
    return {
        "fall_ms": heard.a / 1000 if heard.a else None,
        "peak_n": heard.b / 10,
        "release_n": heard.c / 10,
        "tension_n": None if section.tension_dn is None else section.tension_dn / 10,
        "armed_ms": None if armed_us is None else (heard.board_us - armed_us) / 1000,
        "calibration_id": calibration_id,
    }
