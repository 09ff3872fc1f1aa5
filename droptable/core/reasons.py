"""The registry of refusals: every code with its sentence and what to do about it.

`readiness.py` finds which of them apply. The sentences are for a person beside the table; a `{}` is
filled with what is particular.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why something is refused."""

    code: str
    text: str
    remedy: str


_REASONS: dict[str, tuple[str, str]] = {
    "CLOSING": ("The daemon is ending.", "Wait until it has started again."),
    "LINK_DOWN": (
        "There is no session with the board, so nothing is known about the table.",
        "Look at the table, check the board's power and cable; the daemon keeps trying.",
    ),
    "LINK_STALE": (
        "The board has not been heard for a moment, so nothing is known about the table.",
        "Look at the table; wait, or check the cable.",
    ),
    "BOARD_FOREIGN": (
        "Another board than the configured one is connected: {}.",
        "Connect the right board, or correct `[board] hw_id`.",
    ),
    "SESSION_NEW": (
        "The session with the board has only just begun.",
        "Try again in a moment.",
    ),
    "LINK_SLOW": (
        "The board takes {} ms to answer; a command might come too late.",
        "Check the link to the board; try again when it is quicker.",
    ),
    "STOP_UNCONFIRMED": (
        "STOP was sent and the board has not confirmed it.",
        "Look at the table; use the red button if anything moves.",
    ),
    "STOP_LATCHED": (
        "The table is stopped.",
        "Remove the cause, then reset the stop: `droptable reset`.",
    ),
    "ESTOP_OPEN": ("The e-stop chain is open.", "Release the red button, then reset the stop."),
    "JOURNAL_FAILED": (
        "The journal cannot be written, so a drop could be lost.",
        "Check the free space and the state directory; the daemon keeps trying.",
    ),
    "FAULT": ("The {} section is in FAULT: {}.", "Remove its cause, then clear the fault."),
    "NOT_IN_FAULT": ("The {} section has no fault to clear.", "Nothing needs to be done."),
    "NOT_ARMED": ("The {} section is not armed.", "Nothing needs to be done."),
    "NOT_UNKNOWN": ("Where the {} section is, is known: {}.", "Nothing needs to be done."),
    "PHASE": ("The {} section is {}; that does not allow to {}.", "{} first."),
    "SENSORS_DISAGREE": (
        "The {} section's switches do not agree with its state.",
        "Look at the section; have its switches checked.",
    ),
    "PARAMS_DIFFER": (
        "The board's parameters are not those of the configuration.",
        "Wait while they are written; if this stays, lock every section or restart the board.",
    ),
    "PARAMS_INCOMPLETE": (
        "The board lacks parameters that it needs.",
        "Complete the configuration of the sections, calibration included.",
    ),
    "TENSION_RANGE": (
        "{} N is not a tension that this section may have.",
        "Choose one from {} N to {} N.",
    ),
    "MAINTENANCE": (
        "The table is in maintenance mode.",
        "Leave maintenance mode.",
    ),
    "LEASE_NONE": ("Nobody has the control of the table.", "Take the control first."),
    "LEASE_HELD": ("{} has the control of the table.", "Ask them to give it back."),
    "CLI_MOTION": (
        "This table is a real one, and only a finger on the tablet may move it.",
        "Use the tablet, or set `allow_cli_motion = true`.",
    ),
    "OTHER_ARMED": ("The {} section is armed.", "Drop or disarm it first."),
    "OTHER_MOVING": ("The {} section is moving.", "Wait until it rests."),
    "BUSY": ("The board is still carrying out what was asked before.", "Try again in a moment."),
    "SUPPLY_LOW": ("The board's supply voltage is low.", "Check the power supply."),
    "AIR_LOW": ("The air pressure is low.", "Check the compressor and the hose."),
    "HELD": ("A control is still held.", "Let go of the pedal and of the page first."),
    "BOARD_SILENT": (
        "The board did not answer; whether it began is seen in its state.",
        "Look at the table and at its state before you try again.",
    ),
    "BOARD_REFUSED": ("The board refused: {}.", "Look at the table and at its state."),
}

CODES = frozenset(_REASONS)

OK = 0
"""The RESULT of what was accepted and begun."""

BOARD_CODES: dict[int, str] = {
    1: "the section is in another phase",
    2: "it is busy",
    3: "the command came too late",
    4: "it sees no lease",
    5: "another section is armed",
    6: "it is stopped",
    7: "a section is in FAULT",
    8: "a value is out of range",
    9: "it does not know the command",
    10: "it cannot do that",
    11: "it lacks parameters",
    12: "nobody holds the control",
    13: "the switches do not agree",
    14: "there is no session",
    15: "only in maintenance mode",
    16: "supply or air is low",
}


def reason(code: str, *particulars: object, remedy: tuple[object, ...] = ()) -> Reason:
    """The reason of the registry, its sentences filled in."""
    text, todo = _REASONS[code]
    return Reason(code, text.format(*particulars), todo.format(*remedy))


def board_refused(code: int) -> Reason:
    """What a RESULT other than OK means, for a person."""
    return reason("BOARD_REFUSED", BOARD_CODES.get(code, f"code {code}, which is not known"))
