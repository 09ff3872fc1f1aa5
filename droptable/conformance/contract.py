"""The numbers of the board link that a board is held to, written down anew from the contract. Pure.

Nothing here comes from `droptable.board`: a number that were wrong there would otherwise be wrong
here too, and pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

TABLE = 0xFF
ANY_PHASE = 0xFF
SECTIONS = (0, 1, 2)

DEAD_MAN_US = 150_000
STATUS_EVERY_US = 20_000
BOOT_EVERY_US = 500_000
RESEND_EVERY_US = 500_000
RESENT_AT_ONCE = 8
EVENTS_KEPT = 64
COMMANDS_REMEMBERED = 16
STALE_MS = 150
TTL_MS = (60, 1000)
BEATS_BEFORE_COMMANDS = 3
EVENT_PLACES_FOR_ARM = 8
RAW_US = 10_000
"""What "for 10 ms" of the fault table means."""
TRACE_TOTAL = 512
TRACE_EDGE = 256
NO_SAMPLE = -32_768
TARE_US = 500_000


class Phase(IntEnum):
    """Section 4."""

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
    """Section 3."""

    COCK = 1
    ARM = 2
    DISARM = 3
    LOCK = 4
    HOME = 5
    CLEAR_FAULT = 6
    TARE = 7
    MAINTENANCE = 8
    RESET_STOP = 9


SECTION_VERBS = tuple(verb for verb in Verb if verb <= Verb.TARE)


class Code(IntEnum):
    """Section 3."""

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
    """Section 4."""

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
    """Section 4: the kinds of events."""

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
    """Why: `a` of DISARMED."""

    COMMAND = 1
    WINDOW_OVER = 2
    LEASE_LOST = 3
    SESSION_LOST = 4
    STOP = 5
    ESTOP = 6
    FAULT = 7


class StopSource(IntEnum):
    """Who: `a` of STOPPED."""

    FRAME = 1
    ESTOP = 2
    BUTTON = 3


class ResetCause(IntEnum):
    """`reset_cause` of BOOT, by the names that programs write."""

    UNKNOWN = 0
    POWER_ON = 1
    BROWN_OUT = 2
    WATCHDOG = 3
    EXTERNAL = 4
    SOFTWARE = 5

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


class Feature(IntFlag):
    """WELCOME's features."""

    LOAD_CELLS = 1 << 0
    TENSION_DRIVE = 1 << 1
    AIR_SENSOR = 1 << 2
    SUPPLY_SENSOR = 1 << 3
    PEDAL = 1 << 4
    TRACES = 1 << 5
    SIMULATOR = 1 << 6
    TARING = 1 << 7


NOTHING = Feature(0)


class Flag(IntFlag):
    """STATUS's flags."""

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


class Switch(IntFlag):
    """STATUS's inputs of a section."""

    UP = 1 << 0
    DOWN = 1 << 1
    PIN = 1 << 2
    LOAD_VALID = 1 << 3


class Output(IntFlag):
    """STATUS's outputs of a section."""

    LIFT = 1 << 0
    PIN_WITHDRAWN = 1 << 1
    LOWERING = 1 << 2


_I32 = (-(2**31), 2**31 - 1)


@dataclass(frozen=True, slots=True)
class ParamRow:
    """A row of section 5's table."""

    key: int
    name: str
    low: int
    high: int
    working: int
    """What the checks move the table with, where the board has no value of its own that must stay."""
    table: bool = False
    needs: Feature = NOTHING
    not_zero: bool = False
    calibration: bool = False
    """Belongs to this very board: kept if it is set, and asked of its builder if it is not."""

    @property
    def sections(self) -> tuple[int, ...]:
        return (TABLE,) if self.table else SECTIONS

    def refused(self) -> tuple[int, ...]:
        """Values just outside of the bounds, as far as the wire can say them."""
        outside = tuple(
            value for value in (self.low - 1, self.high + 1) if _I32[0] <= value <= _I32[1]
        )
        return (*outside, 0) if self.not_zero else outside


_CELLS, _DRIVE = Feature.LOAD_CELLS, Feature.TENSION_DRIVE

PARAM_ROWS = (
    ParamRow(1, "cock_timeout_ms", 200, 5_000, 3_000),
    ParamRow(2, "lower_timeout_ms", 200, 8_000, 4_000),
    ParamRow(3, "drop_timeout_ms", 60, 500, 300),
    ParamRow(4, "pin_timeout_ms", 20, 300, 150),
    ParamRow(5, "settle_ms", 10, 100, 10),
    ParamRow(6, "debounce_us", 0, 20_000, 7_000),
    ParamRow(7, "arm_window_max_ms", 1_000, 60_000, 10_000),
    ParamRow(8, "load_zero_raw", *_I32, 8_388, needs=_CELLS, calibration=True),
    ParamRow(9, "load_span_un", *_I32, 50_000, needs=_CELLS, not_zero=True, calibration=True),
    ParamRow(10, "load_max_dn", 1_000, 30_000, 20_000, needs=_CELLS),
    ParamRow(11, "tension_set_dn", 0, 10_000, 1_500, needs=_DRIVE),
    ParamRow(12, "tension_zero", *_I32, 200, needs=_DRIVE, calibration=True),
    ParamRow(13, "tension_span_un", *_I32, 250_000, needs=_DRIVE, not_zero=True, calibration=True),
    ParamRow(14, "tension_tolerance_dn", 10, 1_000, 200, needs=_DRIVE),
    ParamRow(15, "drop_height_um", 5_000, 60_000, 19_000, calibration=True),
    ParamRow(16, "supply_min_mv", 4_500, 30_000, 20_000, table=True, needs=Feature.SUPPLY_SENSOR),
    ParamRow(17, "air_min_kpa", 0, 1_000, 400, table=True, needs=Feature.AIR_SENSOR),
    ParamRow(18, "coil_on_max_ms", 1_000, 120_000, 60_000, table=True),
)
"""Section 5. The working values of a calibration are the simulator's own."""

ROW_OF = {row.name: row for row in PARAM_ROWS}


def required(features: int) -> Iterator[tuple[int, ParamRow]]:
    """Each (section, parameter) that a board with these features needs."""
    for row in PARAM_ROWS:
        if row.needs & ~features == 0:
            for section in row.sections:
                yield section, row


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A row of section 6's table."""

    name: str
    at_most_us: int
    at_the_table: bool = False
    """Cause and effect are both stamped there: no way and no host lies between, so no slack either."""


STOP_TO_OFF = TimeLimit("STOP received to outputs off", 5_000)
ESTOP_TO_OFF = TimeLimit("e-stop open to outputs off", 5_000, at_the_table=True)
LEASE_TO_OFF = TimeLimit("lease lost to outputs off", 5_000)
HOLD_TO_OFF_COCKING = TimeLimit("hold released in COCKING to outputs off", 5_000)
HOLD_TO_OFF_LOWERING = TimeLimit("hold released in LOWERING to outputs off", 5_000)
BEAT_TO_OFF = TimeLimit("last valid BEAT to outputs off", 160_000)
EDGE_ERROR = TimeLimit("error of the up edge's time stamp", 100, at_the_table=True)
EDGE_ERROR_GPIO = TimeLimit("error of the up edge's time stamp", 1_000, at_the_table=True)
GPIO_HW_ID = "PI"
"""How the hw_id of a GPIO board begins: its time stamps may be less exact."""
PHASE_TO_STATUS = TimeLimit("change of phase to STATUS", 2_000)
COMMAND_TO_RESULT = TimeLimit("COMMAND received to RESULT", 5_000)
