"""The registry of event kinds: what the journal may record, and the sentence people are shown.

A kind, once released, keeps its name and its meaning: journals outlive programs. Reading accepts
kinds that are not in here (a newer program wrote them); appending does not.
"""

from collections.abc import Mapping
from types import MappingProxyType

EVENT_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "daemon_started": "The daemon started; what the table does from here on is recorded.",
        "daemon_stopped": "The daemon ended in good order.",
        "link_up": "A session with the board was opened, or the board is heard in it again.",
        "link_down": "The board cannot be heard; every section is UNKNOWN until it can.",
        "board_restarted": "The board carries another boot number than before; nothing is kept.",
        "board_booted": "The board started.",
        "board_link_lost": "The board heard no host for too long and made the table safe.",
        "board_link_up": "The board heard a host again.",
        "cocked": "A section was raised and is held by its tension and its pin.",
        "armed": "The pin of a section was withdrawn: a thrust makes it fall.",
        "disarmed": "A section that was armed is not any more; its pin is engaged.",
        "drop": "A section fell.",
        "locked": "A section is down and its pin engaged.",
        "stopped": "The table was stopped and stays so until the stop is reset.",
        "stop_reset": "Someone reset the stop.",
        "fault": "A section is in FAULT and cannot be moved until that is cleared.",
        "fault_cleared": "Someone cleared the fault of a section.",
        "estop_open": "The e-stop chain opened: no coil has power.",
        "estop_closed": "The e-stop chain closed; the stop stays until it is reset.",
        "pedal": "The pedal was pressed or let go.",
        "halted": "A motion ended before its switch was reached; the section rests where it is.",
        "maintenance": "Maintenance mode began or ended.",
        "events_lost": "The board's buffer was full and some of its events are gone.",
        "lease_taken": "Someone took the control of the table.",
        "lease_ended": "The control of the table ended; nothing stays armed.",
        "take_over_asked": "Someone asked the holder for the control; the table was made safe.",
        "take_over_ended": "Who asked for the control got it or did not.",
        "series_started": "A series of drops may be held on; nothing moved by that.",
        "series_ended": "No more drops follow in the series.",
        "leg_length": "A leg length was noted with a series; of whom, is not known.",
        "tension_set": "Someone set the tension of a section.",
        "stop_requested": "Someone asked for STOP through the daemon.",
        "unknown_event": "The board told something that this program does not know.",
        "invariant_broken": "The program found itself or the board in a state that must not be, and stopped.",
        "tension_fell_back": "Nobody answers for a section's tension: it went to the middle.",
        "finding": "The program found something wrong; what it did about it is in its data.",
        "clock_stepped": "The clock on the wall was set; the order of events is that of their numbers.",
        "journal_pruned": "Old events, which a sink or the broker has, were given up.",
        "params_written": "The board was given its parameters and confirmed them.",
    }
)

DROP_FIELDS = ("fall_ms", "peak_n", "release_n", "tension_n", "armed_ms", "calibration_id")
"""What the data of a drop tells about the adjustment, beside where the board counted it."""
