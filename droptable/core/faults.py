"""The board's faults as a person needs them: code, sentence, remedy.

A number that is not here came from a newer board and is treated like the gravest.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaultText:
    """What a fault of a section means and what to do."""

    code: str
    text: str
    remedy: str


FAULTS: dict[int, FaultText] = {
    1: FaultText(
        "COCK_TIMEOUT",
        "The section did not reach the top in time.",
        "Check the air, and that nothing blocks it.",
    ),
    2: FaultText(
        "LOWER_TIMEOUT",
        "The section did not reach the bottom in time.",
        "Check the valve, and that nothing is beneath it.",
    ),
    3: FaultText(
        "DROP_TIMEOUT",
        "The section was released and did not reach the bottom in time.",
        "Look beneath it; check the down switch.",
    ),
    4: FaultText(
        "PIN_STUCK_IN",
        "The pin did not withdraw. The section is locked and safe.",
        "Check the air and the pin's coil.",
    ),
    5: FaultText(
        "PIN_STUCK_OUT",
        "The pin is not in. The section is held by its tension alone.",
        "Take the patient off the table; check the pin.",
    ),
    6: FaultText(
        "SWITCHES_IMPLAUSIBLE",
        "The up and the down switch are closed together.",
        "Check both switches and their wires.",
    ),
    7: FaultText(
        "UNCOMMANDED_DROP",
        "The section fell without being armed.",
        "Take the patient off the table; check pin and tension.",
    ),
    8: FaultText(
        "MOVED_WITHOUT_COMMAND",
        "The section left the bottom although it was locked.",
        "Check the lift valve and the pin.",
    ),
    9: FaultText(
        "LOAD_CELL",
        "The load cell gives no valid value.",
        "Check the cell and its cable.",
    ),
    10: FaultText(
        "OVERLOAD",
        "More presses on the section than it may carry.",
        "Take the load off the section.",
    ),
    11: FaultText("SUPPLY", "The supply voltage was low under load.", "Check the power supply."),
    12: FaultText("AIR", "The air pressure was low under load.", "Check the compressor."),
    13: FaultText(
        "TENSION",
        "The tension is not what was set.",
        "Set it again; check the tension drive.",
    ),
    14: FaultText("DUTY", "A coil was driven for too long.", "Let it cool; then clear the fault."),
    15: FaultText(
        "SELF_TEST",
        "The section did not pass the board's self-test.",
        "Check its outputs and switches, then restart the board.",
    ),
    16: FaultText(
        "PARAMS",
        "The board's stored parameters are damaged.",
        "Wait until they are written again, then clear the fault.",
    ),
}


def fault_text(number: int) -> FaultText:
    """What is known about a fault."""
    unknown = FaultText(
        f"FAULT_{number}",
        "The board reports a fault that this program does not know.",
        "Take the patient off the table; install the daemon that belongs to the firmware.",
    )
    return FAULTS.get(number, unknown)
