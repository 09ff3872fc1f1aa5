"""What the board's events are called in the journal, and what their numbers mean there. Pure.

A kind that is not in the table came from a newer board: it is recorded as it came.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from droptable.core.events import BoardEventHeard
from droptable.core.faults import fault_text
from droptable.core.model import SectionState

Data = Mapping[str, str | int | float | bool | None]

DROP = 7
ARMED = 5

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
    6: BoardKind("disarmed", lambda heard: {"cause": _named(DISARM_CAUSES, heard.a)}),
    DROP: BoardKind("drop"),
    8: BoardKind("locked", _duration),
    9: BoardKind("stopped", lambda heard: {"source": _named(STOP_SOURCES, heard.a)}),
    10: BoardKind("stop_reset"),
    11: BoardKind("fault", lambda heard: {"code": fault_text(heard.a).code}),
    12: BoardKind("fault_cleared", lambda heard: {"code": fault_text(heard.a).code}),
    13: BoardKind("estop_open"),
    14: BoardKind("estop_closed"),
    15: BoardKind("pedal", lambda heard: {"down": bool(heard.a)}),
    16: BoardKind("halted"),
    17: BoardKind("maintenance", lambda heard: {"active": bool(heard.a)}),
    18: BoardKind("events_lost", lambda heard: {"count": heard.a}),
}

_UNKNOWN = BoardKind(
    "unknown_event",
    lambda heard: {"number": heard.kind, "a": heard.a, "b": heard.b, "c": heard.c},
)


def board_kind(heard: BoardEventHeard) -> BoardKind:
    """What an event of the board is in the journal."""
    return KINDS.get(heard.kind, _UNKNOWN)


def drop_data(heard: BoardEventHeard, section: SectionState) -> Data:
    """What the journal says of a drop. `section` is what was known of it when the drop was heard.

    `armed_ms` is the time from arming to the up edge, by the board's clock; None when the arming
    was not heard, as after a restart of the daemon.
    """
    armed_us = section.armed_board_us
    return {
        "fall_ms": heard.a / 1000,
        "peak_n": heard.b / 10,
        "release_n": heard.c / 10,
        "tension_n": None if section.tension_dn is None else section.tension_dn / 10,
        "armed_ms": None if armed_us is None else (heard.board_us - armed_us) / 1000,
        "calibration_id": None,
    }
