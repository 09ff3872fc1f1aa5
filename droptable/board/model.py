"""The board's vocabulary: what its pins say, what it is asked, what it answers. No behaviour.

These are the words of `controller.py`, the numbers those of the board link. The core has words of
its own on purpose: the two halves of the safety argument share no limit and no table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Protocol

TABLE = 0xFF
"""The section number that means the whole table."""

ANY_PHASE = 0xFF
"""The `expect` of a host that has no belief about the phase."""


class Phase(IntEnum):
    """Where a section is in its life; UNKNOWN at boot."""

    UNKNOWN = 0
    LOCKED = 1
    COCKING = 2
    COCKED = 3
    ARMED = 4
    DROPPING = 5
    DROPPED = 6
    LOWERING = 7
    HALTED = 8
    FAULT = 9
    SECURING = 10


class Verb(IntEnum):
    """What a COMMAND asks for. None of them releases a section."""

    COCK = 1
    ARM = 2
    DISARM = 3
    LOCK = 4
    HOME = 5
    CLEAR_FAULT = 6
    TARE = 7
    MAINTENANCE = 8
    RESET_STOP = 9


class Code(IntEnum):
    """What a RESULT says."""

    OK = 0
    WRONG_PHASE = 1
    BUSY = 2
    EXPIRED = 3
    NO_LEASE = 4
    OTHER_ARMED = 5
    STOPPED = 6
    FAULTED = 7
    OUT_OF_RANGE = 8
    UNKNOWN = 9
    UNSUPPORTED = 10
    PARAMS_INCOMPLETE = 11
    NOT_HELD = 12
    IMPLAUSIBLE = 13
    NO_SESSION = 14
    MAINTENANCE_ONLY = 15
    NO_POWER = 16


class Fault(IntEnum):
    """Why a section is in FAULT."""

    NONE = 0
    COCK_TIMEOUT = 1
    LOWER_TIMEOUT = 2
    DROP_TIMEOUT = 3
    PIN_STUCK_IN = 4
    PIN_STUCK_OUT = 5
    SWITCHES_IMPLAUSIBLE = 6
    UNCOMMANDED_DROP = 7
    MOVED_WITHOUT_COMMAND = 8
    LOAD_CELL = 9
    OVERLOAD = 10
    SUPPLY = 11
    AIR = 12
    TENSION = 13
    DUTY = 14
    SELF_TEST = 15
    PARAMS = 16


class Kind(IntEnum):
    """What an EVENT tells."""

    BOOTED = 1
    LINK_LOST = 2
    LINK_UP = 3
    COCKED = 4
    ARMED = 5
    DISARMED = 6
    DROP = 7
    LOCKED = 8
    STOPPED = 9
    STOP_RESET = 10
    FAULT = 11
    FAULT_CLEARED = 12
    ESTOP_OPEN = 13
    ESTOP_CLOSED = 14
    PEDAL = 15
    HALTED = 16
    MAINTENANCE = 17
    EVENTS_LOST = 18


class Disarmed(IntEnum):
    """Why a section is no longer armed: `a` of a DISARMED event."""

    COMMAND = 1
    WINDOW_OVER = 2
    LEASE_LOST = 3
    SESSION_LOST = 4
    STOP = 5
    ESTOP = 6
    FAULT = 7


class StopSource(IntEnum):
    """Who stopped the table: `a` of a STOPPED event."""

    FRAME = 1
    ESTOP = 2
    BUTTON = 3


class Feature(IntFlag):
    """What a board has."""

    LOAD_CELLS = 1 << 0
    TENSION_DRIVE = 1 << 1
    AIR_SENSOR = 1 << 2
    SUPPLY_SENSOR = 1 << 3
    PEDAL = 1 << 4
    TRACES = 1 << 5
    SIMULATOR = 1 << 6
    TARING = 1 << 7


NOTHING = Feature(0)
"""What every board has."""


class Flag(IntFlag):
    """The flags of a STATUS."""

    ESTOP_OPEN = 1 << 0
    STOP_LATCHED = 1 << 1
    SESSION_ALIVE = 1 << 2
    LEASE_LIVE = 1 << 3
    HOLD_PRESSED = 1 << 4
    SUPPLY_LOW = 1 << 5
    AIR_LOW = 1 << 6
    MAINTENANCE = 1 << 7
    EVENTS_HALF_FULL = 1 << 8
    PARAMS_INCOMPLETE = 1 << 9


# What the pins say and do


@dataclass(frozen=True, slots=True)
class SectionInputs:
    """One section's sensors, raw: no debouncing, no zero, no span."""

    up: bool
    """The up switch is closed."""
    down: bool
    """The down switch is closed."""
    pin: bool
    """The pin-engaged switch is closed: the pin is in its hole."""
    load_raw: int | None
    """The newest sample of the load cell in counts; None when the converter calls it invalid."""
    load_us: int
    """When that sample was taken, on the board's clock."""
    tension_steps: int
    """Where the tension actuator measures itself to be."""
    outputs_read_back: bool = False
    """Some output of the section reads back as driven; looked at in the self-test only."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the board senses at one moment."""

    sections: tuple[SectionInputs, SectionInputs, SectionInputs]
    estop_open: bool = False
    pedal_down: bool = False
    stop_button: bool = False
    supply_mv: int = 24_000
    air_kpa: int = 600


@dataclass(frozen=True, slots=True)
class SectionOutputs:
    """What the board drives at one section; all off is the safe condition at every height."""

    lift: bool = False
    pin_withdrawn: bool = False
    lowering: bool = False
    tension_steps: int = 0
    """Where the tension actuator is told to go; it holds by itself without power."""

    @property
    def driven(self) -> bool:
        """Whether any coil of the section has power."""
        return self.lift or self.pin_withdrawn or self.lowering


Outputs = tuple[SectionOutputs, SectionOutputs, SectionOutputs]


class LoadHistory(Protocol):
    """The recent samples of the load cells, kept by whoever owns the converters."""

    def window(
        self, section: int, from_us: int, to_us: int, step_us: int, /
    ) -> Sequence[int | None]:
        """Raw counts of `section` at from_us, from_us + step_us and so on, up to but not at to_us.

        A sample that does not exist (too old, in the future, invalid) is None. Whoever keeps the
        history reaches back at least one second.
        """


# What the board is asked


@dataclass(frozen=True, slots=True)
class Opened:
    """A host opened a session; whatever the last one was allowed is over."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The dead-man: the host of the session has been silent for too long."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The host is alive and says whether it holds a lease and someone holds the control."""

    lease: bool
    hold: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A verb for a section; numbers as they came, for the board judges them itself."""

    cmd_id: int
    verb: int
    section: int
    expect: int
    ttl_ms: int
    age_ms: int
    """How old the frame is by the session's estimate of the host's clock."""
    arg: int


@dataclass(frozen=True, slots=True)
class ParamSet:
    """Set a parameter."""

    cmd_id: int
    section: int
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class ParamGet:
    """Ask for a parameter."""

    cmd_id: int
    section: int
    key: int


@dataclass(frozen=True, slots=True)
class EventAck:
    """All events up to and including this one are durable at the host."""

    boot_id: int
    event_seq: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop, now. `answer` is false when the frame carried another session than the live one."""

    cmd_id: int
    answer: bool


@dataclass(frozen=True, slots=True)
class TraceGet:
    """Ask for a piece of the load trace of a drop."""

    boot_id: int
    event_seq: int
    index: int


Ask = Opened | Lost | Beat | Command | ParamSet | ParamGet | EventAck | Stop | TraceGet


# What the board answers


@dataclass(frozen=True, slots=True)
class Result:
    """How an ask was taken; `phase` is that of its section, 0 for the table."""

    cmd_id: int
    code: Code
    phase: int


@dataclass(frozen=True, slots=True)
class Param:
    """The value of a parameter that is now in force."""

    cmd_id: int
    section: int
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class SectionStatus:
    """One section's part of a STATUS."""

    phase: int
    fault: int
    inputs: int
    outputs: int
    load_dn: int
    tension_dn: int


@dataclass(frozen=True, slots=True)
class Status:
    """All that the board believes at `board_us`."""

    board_us: int
    flags: int
    supply_mv: int
    air_kpa: int
    sections: tuple[SectionStatus, SectionStatus, SectionStatus]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, numbered from 1 within a boot."""

    event_seq: int
    board_us: int
    kind: Kind
    section: int
    a: int = 0
    b: int = 0
    c: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """A piece of the load trace of a drop; a sample that does not exist is -32768."""

    boot_id: int
    event_seq: int
    total: int
    index: int
    samples: tuple[int, ...]


Answer = Result | Param | Status | Event | Trace
