"""What the result codes and the kinds of events say, for the tables of `docs/board.md`."""

from droptable.board.model import Code, Kind

CODE_TEXT: dict[Code, str] = {
    Code.OK: "accepted and begun",
    Code.NO_SESSION: "the session is dead",
    Code.UNKNOWN: "no such verb, section or key",
    Code.UNSUPPORTED: "not for that section, or a feature that the board has not",
    Code.OUT_OF_RANGE: "ttl_ms, arg or value outside its bounds",
    Code.EXPIRED: "older than its ttl_ms, or before the third BEAT",
    Code.STOPPED: "stop is latched; for RESET_STOP: its cause is still there",
    Code.FAULTED: "a section is in FAULT, or its cause is still there",
    Code.WRONG_PHASE: "not in this phase, or not in the expected one",
    Code.MAINTENANCE_ONLY: "only in maintenance mode",
    Code.NO_LEASE: "nobody has the lease",
    Code.NOT_HELD: "nobody holds a control",
    Code.OTHER_ARMED: "another section is armed",
    Code.BUSY: "another section moves, or there is no room for events",
    Code.NO_POWER: "supply or air is low",
    Code.PARAMS_INCOMPLETE: "a parameter was never set",
    Code.IMPLAUSIBLE: "the switches do not agree",
}

KIND_TEXT: dict[Kind, str] = {
    Kind.BOOTED: "the board has started",
    Kind.LINK_LOST: "dead-man",
    Kind.LINK_UP: "a session was opened",
    Kind.COCKED: "up and secured, after COCKING",
    Kind.ARMED: "the pin is withdrawn",
    Kind.DISARMED: "the arming ended without a thrust",
    Kind.DROP: "a fall; board_us is its raw up edge",
    Kind.LOCKED: "down and secured; after a drop the time counts from the raw down edge",
    Kind.STOPPED: "stop was latched",
    Kind.STOP_RESET: "stop was taken back",
    Kind.FAULT: "a section went to FAULT",
    Kind.FAULT_CLEARED: "CLEAR_FAULT",
    Kind.ESTOP_OPEN: "the e-stop chain opened",
    Kind.ESTOP_CLOSED: "the e-stop chain closed",
    Kind.PEDAL: "the pedal changed",
    Kind.HALTED: "a motion was let go halfway",
    Kind.MAINTENANCE: "maintenance mode was entered or left",
    Kind.EVENTS_LOST: "events that found no place since the last one of these",
}
TABLE_KINDS = frozenset(
    {
        Kind.BOOTED,
        Kind.LINK_LOST,
        Kind.LINK_UP,
        Kind.STOPPED,
        Kind.STOP_RESET,
        Kind.ESTOP_OPEN,
        Kind.ESTOP_CLOSED,
        Kind.PEDAL,
        Kind.MAINTENANCE,
        Kind.EVENTS_LOST,
    }
)
"""Events of the table: their section is 255."""
