"""The registry of refusals: every code with its sentence and what to do about it.

`readiness.py` finds which of them apply. The sentences are for a person beside the table; a `{}` is
filled with what is particular. `docs/reasons.md` is written from here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why something is refused."""

    code: str
    text: str
    remedy: str

    @property
    def doc(self) -> str:
        """Where it is documented, from the root of the repository."""
        return doc_of(self.code)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code says to a person, what to do about it, and why it stands in the way."""

    text: str
    remedy: str
    why: str


ENTRIES: dict[str, Entry] = {
    "CLOSING": Entry(
        "The daemon is ending.",
        "Wait until it has started again.",
        "An ending daemon takes its licences back; what began now would be broken off.",
    ),
    "LINK_VERSION": Entry(
        "The board speaks another version of the board link.",
        "Install the firmware and the daemon of the same release.",
        "Two versions of the link may mean different things by the same bytes.",
    ),
    "LINK_DOWN": Entry(
        "There is no session with the board, so nothing is known about the table.",
        "Look at the table, check the board's power and cable; the daemon keeps trying.",
        "Unknown is unsafe: without a session no last good value is shown or acted on.",
    ),
    "LINK_STALE": Entry(
        "The board has not been heard for a moment, so nothing is known about the table.",
        "Look at the table; wait, or check the cable.",
        "A STATUS comes every 20 ms; after 150 ms without one nothing that was known counts.",
    ),
    "BOARD_FOREIGN": Entry(
        "Another board than the configured one is connected: {}.",
        "Connect the right board, or correct `[board] hw_id`.",
        "Calibration, limits and wiring are those of one board.",
    ),
    "BOARD_RESTARTED": Entry(
        "The board restarted, and nobody has looked at the {} section since.",
        "Look at the table, then press HOME at it, or `droptable home {}`.",
        "A restart in the middle of something leaves the table anywhere; somebody has to "
        "look. It is not the same as a new session, which passes by itself.",
    ),
    "SESSION_NEW": Entry(
        "The session with the board has only just begun.",
        "Try again in a moment.",
        "A board takes no command before its host's third BEAT, and how late commands "
        "arrive is not known before the first exchange.",
    ),
    "LINK_SLOW": Entry(
        "The board takes {} ms to answer; a command might come too late.",
        "Check the link to the board; try again when it is quicker.",
        "A constant delay does not show in the age of a frame; from 100 ms on nobody "
        "moves the table.",
    ),
    "LATCHED": Entry(
        "The table is latched, by {}.",
        "{} It is cleared {}.",
        "What was found makes the whole table doubtful, not one section alone.",
    ),
    "STOP_UNCONFIRMED": Entry(
        "STOP was sent and the board has not confirmed it.",
        "Look at the table; use the red button if anything moves.",
        "A STOP counts as done when the board says so, not when it was sent.",
    ),
    "STOP_LATCHED": Entry(
        "The table is stopped.",
        "Remove the cause, then press Reset STOP, or `droptable reset`.",
        "A stop stays until a person takes it back.",
    ),
    "CAUSE_STANDS": Entry(
        "What stopped the table still stands: {}.",
        "{} It is cleared {}.",
        "A stop is reset when its cause is gone, not before.",
    ),
    "ESTOP_OPEN": Entry(
        "The e-stop chain is open.",
        "Release the red button, then press Reset STOP, or `droptable reset`.",
        "No coil has power, and somebody pressed the button for a reason.",
    ),
    "JOURNAL_FAILED": Entry(
        "The journal cannot be written, so a drop could be lost.",
        "Check the free space and the state directory; the daemon keeps trying.",
        "No drop may be lost; what cannot be recorded is not begun.",
    ),
    "DISK_NEARLY_FULL": Entry(
        "The disk of the state directory has only {} MB left; the least is {} MB.",
        "Make room, or export the journal and start a new one.",
        "A journal that fills its disk in the middle of a series fails then; this is told before.",
    ),
    "DISK_UNKNOWN": Entry(
        "How much room the disk of the state directory has cannot be told.",
        "Check the state directory and its mount; the daemon keeps looking.",
        "Room that cannot be seen cannot be counted on.",
    ),
    "EVENT_BACKLOG": Entry(
        "Too much that happened is not recorded yet.",
        "Wait; if this stays, check the disk of the state directory.",
        "The board keeps 64 events; one that finds no place is lost.",
    ),
    "LOOP_LATE": Entry(
        "The daemon is too slow: it was {} ms late within the last second.",
        "Wait; if this stays, end what else keeps this machine busy.",
        "The board lets everything go when a BEAT is 150 ms late; a daemon near that "
        "should begin nothing.",
    ),
    "LOOP_UNKNOWN": Entry(
        "The daemon does not know yet whether it keeps time.",
        "Try again in a moment; if this stays, restart the daemon.",
        "The daemon looks at its own loop ten times a second; one that has not yet does "
        "not know itself.",
    ),
    "FAULT": Entry(
        "The {} section is in FAULT: {}.",
        "Remove its cause, then press CLEAR FAULT, or `droptable clear-fault`.",
        "The board found the section, or one beside it, not as it should be.",
    ),
    "FAULT_NEEDS_TECHNICIAN": Entry(
        "{} is for a technician to clear.",
        "Have the table examined; a technician clears it then.",
        "Its cause is not seen from beside the table; clearing it in a hurry would repeat it.",
    ),
    "FAULT_NEEDS_RESTART": Entry(
        "{} ends with a restart of the board alone.",
        "Have the table examined, then restart the board.",
        "Only what the board does at its start shows that the cause is gone.",
    ),
    "NOT_IN_FAULT": Entry(
        "The {} section has no fault to clear.",
        "Nothing needs to be done.",
        "There is nothing to clear.",
    ),
    "NOT_ARMED": Entry(
        "The {} section is not armed.",
        "Nothing needs to be done.",
        "There is nothing to disarm.",
    ),
    "NOT_UNKNOWN": Entry(
        "Where the {} section is, is known: {}.",
        "Nothing needs to be done.",
        "Homing looks where a section is; that is known.",
    ),
    "PHASE": Entry(
        "The {} section {} ({}), so it cannot be {} now.",
        "{}.",
        "Each action begins in the phases that the board's own table has for it.",
    ),
    "SENSORS_DISAGREE": Entry(
        "The {} section's switches do not agree with its state.",
        "Look at the section; have its switches checked.",
        "A pin is in when its switch says so, and a section is where its switches say; if "
        "they contradict its state, one of them is wrong.",
    ),
    "PARAMS_DIFFER": Entry(
        "The board's parameters are not those of the configuration.",
        "Wait while they are written; if this stays, lock every section or restart the board.",
        "Board and configuration must hold the same limits, proven by a checksum.",
    ),
    "PARAMS_INCOMPLETE": Entry(
        "The board lacks parameters that it needs.",
        "Complete the configuration of the sections, calibration included.",
        "A board that lacks a limit has none.",
    ),
    "CALIBRATION_MISSING": Entry(
        "The {} section is not calibrated.",
        "Calibrate it, or enter its calibration in `[sections.{}]`.",
        "Without a calibration a force is a guess.",
    ),
    "CALIBRATION_EXPIRED": Entry(
        "The calibration {} of the {} section has expired.",
        "Calibrate the section.",
        "Load cells and drives drift; a calibration is good for its time.",
    ),
    "CALIBRATION_FOREIGN": Entry(
        "The calibration {} of the {} section belongs to the board {}.",
        "Calibrate the section with the board that is connected, {}.",
        "A calibration holds for the cells and the drive that it was made with.",
    ),
    "LOAD_UNKNOWN": Entry(
        "What presses on the {} section is not known.",
        "Check its load cell and the cable.",
        "Without the load nobody can tell whether the tension holds it. Whoever lies on it when it "
        "is up gets off where it is: its pin holds it.",
    ),
    "TENSION_RANGE": Entry(
        "{} N is not a tension that this section may have.",
        "Choose one from {} N to {} N.",
        "The range is what the section's mechanism is built for.",
    ),
    "TENSION_LEFT": Entry(
        "The {} section has the last patient's tension.",
        "Set this patient's; left alone it falls back to {} N when the section is down.",
        "A tension that was set for somebody else looks right and is not; it falls back to the "
        "middle of the range, and not under somebody who lies there raised.",
    ),
    "TENSION_UNCONFIRMED": Entry(
        "Nobody has set the {} section's tension for this patient.",
        "Press Confirm, or set another, while you have the control.",
        "Whoever arms a section answers for its tension, for this patient: that ends with "
        "the lease, and when the table was empty for a while.",
    ),
    "TENSION_OFF": Entry(
        "The {} section's tension is {} N and not the {} N that were set.",
        "Wait until it is reached; if it is not, set it again and check the drive.",
        "With another tension than the one that was set the section falls too soon, or not at all.",
    ),
    "TENSION_UNKNOWN": Entry(
        "What the {} section's tension is set to is not known.",
        "Set it.",
        "A tension that nobody knows may not hold who lies there once the pin is out. It is not "
        "known when the board's answer was lost, or when it is set by hand and nobody has said to "
        "what.",
    ),
    "TENSION_LOW": Entry(
        "A tension of {} N does not hold the {} section: {} N press on it.",
        "Set more than {} N first.",
        "A tension that does not exceed the load lets the section fall as soon as the pin "
        "is out, without any thrust: at the top of its way up, when it is armed, and when it is "
        "to be lowered.",
    ),
    "TENSION_HIGH": Entry(
        "A tension of {} N is too much for the {} section: {} N press on it.",
        "Set at most {} N.",
        "So much more than the load takes a thrust that hurts, or the section does not fall.",
    ),
    "NOBODY_LIES": Entry(
        "Nobody lies on the {} section, and its tension of {} N is meant for somebody.",
        "Let the patient lie down; to try it without one, set at most {} N.",
        "What is too much is so much more than the load, and there is none.",
    ),
    "MAINTENANCE": Entry(
        "The table is in maintenance mode.",
        "Leave maintenance mode.",
        "Somebody works at the table.",
    ),
    "ROLE": Entry(
        "A {} may look at the table and stop it, no more.",
        "Have an operator do it.",
        "Who only looks cannot move the table.",
    ),
    "LEASE_NONE": Entry(
        "Nobody has the control of the table.",
        "Press Take control first, or `droptable lease take`.",
        "One person moves the table, and everybody sees who.",
    ),
    "LEASE_HELD": Entry(
        "{} has the control of the table.",
        "Ask them to give it back.",
        "One person moves the table, and everybody sees who.",
    ),
    "LEASE_ELSEWHERE": Entry(
        "You have the control of the table at another page.",
        "Take it at this page, or go on at the other.",
        "Fingers count where the control was taken, so that a page left open moves nothing.",
    ),
    "TAKE_OVER": Entry(
        "{} asks for the control of the table.",
        "Wait until it is decided who has it; its holder may give or keep it.",
        "While two people want the control, nobody uses it.",
    ),
    "TAKE_OVER_PAUSE": Entry(
        "The control was asked for a moment ago, and not given.",
        "Speak with whoever has it; ask again in {} s.",
        "Each time that it is asked for the table is made safe; nobody is to interrupt again and "
        "again. STOP can be had at any time.",
    ),
    "PAGE_GONE": Entry(
        "The page that asks is not there any more.",
        "Ask again from a page that is open.",
        "A control that is given to nobody moves nothing and hinders everybody.",
    ),
    "TAKE_OVER_NONE": Entry(
        "Nobody asks you for the control of the table.",
        "Nothing needs to be done.",
        "There is nothing to answer.",
    ),
    "GESTURE_BUSY": Entry(
        "{} has a finger or a foot on a control already.",
        "One control at a time: let go of the other first.",
        "Two controls that are held could mean two motions.",
    ),
    "PICTURE_OLD": Entry(
        "The {} section changed after what you saw of it.",
        "Look at it as it is now, and press again.",
        "A press means what the finger saw, and that is over.",
    ),
    "SERIES_NONE": Entry(
        "There is no such series.",
        "Start one first.",
        "There is nothing to go on with.",
    ),
    "SERIES_RUNNING": Entry(
        "A series is running already.",
        "End it first.",
        "One series at a time, so that every drop belongs to one.",
    ),
    "SERIES_LOAD": Entry(
        "What lies on the {} section is not known, so neither is the tension of the preset.",
        "Have the load cell checked, or start a series without a preset.",
        "A preset's tension is so much more than the load.",
    ),
    "SERIES_TENSION": Entry(
        "The preset means {} N with what lies on the section now; another tension is set.",
        "Set {} N, or start a series without a preset.",
        "A series by a preset has the preset's tension, or its name would mislead.",
    ),
    "PRESET_UNKNOWN": Entry(
        "There is no preset {}.",
        "Choose one of the configuration's.",
        "Nothing is made up from a name.",
    ),
    "LEG_TIME": Entry(
        "A leg length is kept before the first drop of a series, or after its end.",
        "Note it then.",
        "In between it would compare nothing.",
    ),
    "CLI_MOTION": Entry(
        "This table is a real one, and only a finger on the tablet may move it.",
        "Use the tablet, or set `allow_cli_motion = true`.",
        "A real table is moved under a finger that somebody watches.",
    ),
    "OTHER_ARMED": Entry(
        "The {} section is armed.",
        "Drop or disarm it first.",
        "One section at a time is armed.",
    ),
    "OTHER_MOVING": Entry(
        "The {} section is moving.",
        "Wait until it rests.",
        "One section at a time moves.",
    ),
    "BUSY": Entry(
        "The board is still carrying out what was asked before.",
        "Try again in a moment.",
        "Nothing is queued: what was asked before is carried out first.",
    ),
    "SUPPLY_LOW": Entry(
        "The board's supply voltage is low.",
        "Check the power supply.",
        "A coil that drops out half-way leaves a section between its places.",
    ),
    "AIR_LOW": Entry(
        "The air pressure is low.",
        "Check the compressor and the hose.",
        "A lift without air stops half-way.",
    ),
    "COIL_DUTY": Entry(
        "The pin's coil of the {} section was driven for {} s of the last {} s.",
        "Let it cool for about {} s.",
        "A coil that is driven again and again warms up although each time is short.",
    ),
    "ARM_RATE": Entry(
        "Sections were armed {} times within the last minute.",
        "Wait a moment.",
        "Nobody adjusts so often; something else asks.",
    ),
    "HELD": Entry(
        "A control is still held.",
        "Let go of the pedal and of the page first.",
        "A stop that is reset under a held control could let a motion begin.",
    ),
    "BOARD_SILENT": Entry(
        "The board did not answer; whether it began is seen in its state.",
        "Look at the table and at its state before you try again.",
        "The board answers within 5 ms; after 300 ms no answer comes, and nothing is sent twice.",
    ),
    "BOARD_REFUSED": Entry(
        "The board refused: {}.",
        "Look at the table and at its state.",
        "The board judges by a law of its own, and has the last word.",
    ),
}

CODES = frozenset(ENTRIES)

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
    entry = ENTRIES[code]
    return Reason(code, entry.text.format(*particulars), entry.remedy.format(*remedy))


def doc_of(code: str) -> str:
    """Where a code is documented, from the root of the repository."""
    return f"docs/reasons.md#{code.lower()}"


def board_refused(code: int) -> Reason:
    """What a RESULT other than OK means, for a person."""
    return reason("BOARD_REFUSED", BOARD_CODES.get(code, f"code {code}, which is not known"))
