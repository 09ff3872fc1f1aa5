"""What can go wrong at the table, as data: what the daemon does about it, who may clear it, and words
for a person. Pure; `findings.py` acts by it.

The board puts a section in FAULT by a law of its own, and makes that section safe. What stands here
is for the rest of the table: whether it may go on beside such a section. A number that is not here
came from a newer board and is treated like the gravest, since nobody here can know what it means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Action(IntEnum):
    """What the daemon does when it is found, the mildest first; each does what those before it do."""

    INFORM = 0
    DISARM = 1
    STOP = 2
    LATCH = 3

    @property
    def label(self) -> str:
        """What it means, for the documents."""
        return _ACTIONS[self]


class Clearing(IntEnum):
    """Who or what ends it, the easiest first."""

    ITSELF = 0
    OPERATOR = 1
    TECHNICIAN = 2
    RESTART = 3

    @property
    def label(self) -> str:
        """As it reads after `cleared`."""
        return _CLEARINGS[self]


_ACTIONS = {
    Action.INFORM: "inform: it is told and recorded",
    Action.DISARM: "disarm: what is armed or moves, ends",
    Action.STOP: "stop: the whole table is stopped, and stays so until it is cleared",
    Action.LATCH: "latch: the whole table is stopped, and nothing is raised or armed until it is cleared",
}
_CLEARINGS = {
    Clearing.ITSELF: "by itself, when its cause is gone",
    Clearing.OPERATOR: "by an operator",
    Clearing.TECHNICIAN: "by a technician",
    Clearing.RESTART: "by a restart of the board",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the registry. `why` is the reason for its action and its clearing rule."""

    code: str
    action: Action
    clearing: Clearing
    why: str
    text: str
    remedy: str


FAULTS: Mapping[int, Fault] = {
    1: Fault(
        "COCK_TIMEOUT",
        Action.DISARM,
        Clearing.OPERATOR,
        "The section holds its height without power; air that is short for one is short for all.",
        "The section did not reach the top in time.",
        "Check the air, and that nothing blocks it; if it fell, look at tension and load.",
    ),
    2: Fault(
        "LOWER_TIMEOUT",
        Action.DISARM,
        Clearing.OPERATOR,
        "The section holds its height without power; something may be beneath it.",
        "The section did not reach the bottom in time.",
        "Check the valve, and that nothing is beneath it.",
    ),
    3: Fault(
        "DROP_TIMEOUT",
        Action.STOP,
        Clearing.OPERATOR,
        "A section that was released and has not arrived may lie on somebody.",
        "The section was released and did not reach the bottom in time.",
        "Look beneath it; check the down switch.",
    ),
    4: Fault(
        "PIN_STUCK_IN",
        Action.DISARM,
        Clearing.OPERATOR,
        "The section is locked, which is safe.",
        "The pin did not withdraw. The section is locked and safe.",
        "Check the air and the pin's coil.",
    ),
    5: Fault(
        "PIN_STUCK_OUT",
        Action.LATCH,
        Clearing.TECHNICIAN,
        "The one part that keeps a section from falling has failed; trying it again proves nothing.",
        "The pin is not in. The section is held by its tension alone.",
        "Take the patient off the table; check the pin.",
    ),
    6: Fault(
        "SWITCHES_IMPLAUSIBLE",
        Action.STOP,
        Clearing.OPERATOR,
        "Nobody knows where the section is; the board does not clear it while they contradict.",
        "The up and the down switch are closed together.",
        "Check both switches and their wires.",
    ),
    7: Fault(
        "UNCOMMANDED_DROP",
        Action.LATCH,
        Clearing.TECHNICIAN,
        "The worst that this table can do; why it happened is not seen from beside it.",
        "The section fell without being armed.",
        "Take the patient off the table; check pin and tension.",
    ),
    8: Fault(
        "MOVED_WITHOUT_COMMAND",
        Action.LATCH,
        Clearing.TECHNICIAN,
        "A welded driver or a stuck valve moves a section against everybody's will.",
        "The section left the bottom although it was locked.",
        "Check the lift valve and the pin.",
    ),
    9: Fault(
        "LOAD_CELL",
        Action.DISARM,
        Clearing.OPERATOR,
        "Without the load nobody can tell whether a tension suits; nothing moves by it.",
        "The load cell gives no valid value.",
        "Check the cell and its cable.",
    ),
    10: Fault(
        "OVERLOAD",
        Action.DISARM,
        Clearing.OPERATOR,
        "Somebody sits where they should lie; the others need not be armed meanwhile.",
        "More presses on the section than it may carry.",
        "Take the load off the section.",
    ),
    11: Fault(
        "SUPPLY",
        Action.DISARM,
        Clearing.OPERATOR,
        "The supply is that of all sections; without it the pins lock.",
        "The supply voltage was low under load.",
        "Check the power supply.",
    ),
    12: Fault(
        "AIR",
        Action.DISARM,
        Clearing.OPERATOR,
        "The air is that of all sections; without it they hold their height.",
        "The air pressure was low under load.",
        "Check the compressor.",
    ),
    13: Fault(
        "TENSION",
        Action.DISARM,
        Clearing.OPERATOR,
        "The pin holds the section; with another tension it would fall too soon or not at all.",
        "The tension is not what was set.",
        "Set it again; check the tension drive.",
    ),
    14: Fault(
        "DUTY",
        Action.STOP,
        Clearing.OPERATOR,
        "Its window should have ended long before: the board that times it is not to be trusted on.",
        "A coil was driven for too long.",
        "Let it cool; then clear the fault.",
    ),
    15: Fault(
        "SELF_TEST",
        Action.LATCH,
        Clearing.RESTART,
        "An output may be driven that should not be; only another self-test can show that it is not.",
        "The section did not pass the board's self-test.",
        "Check its outputs and switches, then restart the board.",
    ),
    16: Fault(
        "PARAMS",
        Action.DISARM,
        Clearing.OPERATOR,
        "The daemon writes and proves them anew before anything may move.",
        "The board's stored parameters are damaged.",
        "Wait until they are written again, then clear the fault.",
    ),
}
"""What a board says of a section in FAULT, by its number on the link."""

TWO_ARMED = "TWO_ARMED"
PHASE_NOT_KNOWN = "PHASE_NOT_KNOWN"
LINK_VERSION = "LINK_VERSION"
BOARD_FOREIGN = "BOARD_FOREIGN"
BOARD_RESTARTED = "BOARD_RESTARTED"

FINDINGS: Mapping[str, Fault] = {
    fault.code: fault
    for fault in (
        Fault(
            TWO_ARMED,
            Action.LATCH,
            Clearing.RESTART,
            "No sound board arms two sections, so nothing that this one says can be relied on.",
            "The board says that two sections are armed.",
            "Take the patient off the table; have the board examined, then restart it.",
        ),
        Fault(
            PHASE_NOT_KNOWN,
            Action.LATCH,
            Clearing.RESTART,
            "Nobody here can know what a phase of a newer board means, or what moves in it.",
            "The board reports a phase that this program does not know.",
            "Take the patient off the table; install the daemon that belongs to the firmware.",
        ),
        Fault(
            BOARD_RESTARTED,
            Action.DISARM,
            Clearing.OPERATOR,
            "The board has let everything go; homing is the look that somebody has to take.",
            "The board restarted; nothing of before is resumed.",
            "Look at the table, then home every section.",
        ),
        Fault(
            BOARD_FOREIGN,
            Action.DISARM,
            Clearing.ITSELF,
            "What is not the configured board is told nothing and moved by nobody.",
            "Another board than the configured one is connected.",
            "Connect the right board, or correct `[board] hw_id`.",
        ),
        Fault(
            LINK_VERSION,
            Action.DISARM,
            Clearing.ITSELF,
            "There is no session with such a board, and without one it moves nothing.",
            "The board speaks another version of the board link.",
            "Install the firmware and the daemon of the same release.",
        ),
    )
}
"""What the daemon finds by itself, by its code."""


def fault_of(number: int) -> Fault:
    """What is known about a number of the board."""
    return FAULTS.get(number) or fault_named(f"FAULT_{number}")


def fault_named(code: str) -> Fault:
    """What is known about a code; one that is not here is a newer board's, and the gravest."""
    return _BY_CODE.get(code) or Fault(
        code,
        Action.LATCH,
        Clearing.RESTART,
        "Nobody here can know what a fault of a newer board means.",
        "The board reports a fault that this program does not know.",
        "Take the patient off the table; install the daemon that belongs to the firmware.",
    )


_BY_CODE = {**FINDINGS, **{fault.code: fault for fault in FAULTS.values()}}
