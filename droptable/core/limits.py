"""The core's own numbers, each with its reason. The board has others; neither knows the other's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from droptable.sections import Section

STATUS_STALE_US = 150_000
"""A STATUS comes every 20 ms; after this long without one, nothing is known."""

SESSION_SETTLE_US = 160_000
"""A board takes no COMMAND before its host's third BEAT; BEATs are 50 ms apart."""

ROUND_TRIP_MAX_US = 100_000
"""A constant delay does not show in the age of a frame; from this one on nobody moves the table."""

LEASE_US = 5_000_000
LEASE_MOVING_US = 2_000_000
"""Shorter while a section is armed or moving, so that a lost holder is noticed in that time."""

COMMAND_TTL_MS = 250
"""A command that took longer than this to arrive belongs to another moment."""

RESULT_WAIT_US = 300_000
"""The board answers within 5 ms; after this long the answer will not come, and nothing is re-sent."""

STOP_RESEND_US = 50_000
"""How often STOP is sent again until a STATUS shows it."""

PARAM_WAIT_US = 200_000
"""How long the answer about a parameter is waited for before it is asked for again."""

PARAM_TRIES_MAX = 10
"""A board that is heard and does not answer this many times will not answer."""

WRITE_ROUNDS_MAX = 3
"""A board that forgets what it was told this often is not told again until it was restarted."""

HOLD_MARGIN_US = 500_000
"""How much longer than the board's own time-out a hold without a finger may last."""

HOLD_BEGIN_US = RESULT_WAIT_US
"""A motion that is not seen to begin within the time for a RESULT has not begun."""

FINGER_GAP_US = 250_000
"""A page tells of a finger every 100 ms; after two that are missing there is no finger."""

ARM_HELD_MIN_US = 900_000
ARM_HELD_MAX_US = 3_000_000
"""From press to commit: shorter is a brush with a sleeve, longer a hand that rests there."""

RUN_AFTER_US = 500_000
"""How long a control is held before anything moves, so that a touch moves nothing."""

SERIES_PAUSE_US = 500_000
"""How long a section rests before a series goes on with it: time to let go."""

SERIES_TENSION_OFF_DN = 300
"""How far the tension may be from what a preset means: someone who breathes moves the load by less."""

TAKE_OVER_US = 10_000_000
"""How long the holder of the lease is asked before it goes to who asks for it."""

TAKE_OVER_PAUSE_US = 30_000_000
"""How long who was turned down does not ask again: each asking makes the table safe."""

CLOSING_STOP_AFTER_US = 300_000
"""How long the daemon, ending, waits for a table to come to rest before it sends STOP."""

TENSION_RETRY_US = 1_000_000
"""How long a board that did not take a tension back has before it is told again."""

TENSION_TRIES_MAX = 5
"""A board that does not take it this many times will not; a person sets it then."""

ARM_RATE_US = 60_000_000
"""Arms are counted over this long."""

COIL_WINDOW_US = 120_000_000
"""The share of time that a pin's coil is driven is counted over this long: a solenoid of the size
of a lock's warms up within minutes, not seconds."""

COIL_SPANS_MAX = 64
"""How many spans of driving are told apart; the oldest are joined, which counts their gap too."""

EVENT_BACKLOG_MAX = 16
"""More of the board's events than this that are not on disk: the journal does not keep up. A board
keeps 64 and needs 8 free places to arm."""

LOOP_LATE_MAX_US = 100_000
"""A BEAT is due every 50 ms and the board waits 150 ms for it: from here on a loop that is late ends
what it moves."""

FINDINGS_MAX = 16
"""How many causes are kept; a table that has more of them has one that matters, the first."""

TENSION_TOLERANCE_KEY = 14
TENSION_SET_KEY = 11
SECTION_KEYS = range(1, 16)
TABLE_KEYS = range(16, 19)
TABLE = 255
"""The parameters of the board link: which are for each section and which for the table."""

OPTIONAL_KEYS = frozenset({*range(8, 15), 16, 17})
"""Those that a board without load cells, tension drive, supply or air sensor does not have."""


@dataclass(frozen=True, slots=True)
class SectionLimits:
    """What the configuration allows for one section."""

    cock_timeout_ms: int
    lower_timeout_ms: int
    tension_min_dn: int
    tension_max_dn: int

    @property
    def tension_middle_dn(self) -> int:
        """What a board that was never told a tension is given."""
        return (self.tension_min_dn + self.tension_max_dn) // 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the configuration allows at most before arming is refused; the defaults are its own."""

    tension_over_load_max_dn: int = 3_000
    unloaded_below_dn: int = 300
    patient_timeout_us: int = 60_000_000
    arms_per_minute_max: int = 20
    coil_duty_max_percent: int = 50
    disk_free_min_mb: int = 200


@dataclass(frozen=True, slots=True)
class Preset:
    """A series that the practice has a name for."""

    section: Section
    drops: int
    window_us: int
    tension_offset_dn: int
    """How much more than what lies on the section holds it."""
    text: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says, as far as decisions depend on it."""

    window_ms: int
    sections: tuple[SectionLimits, SectionLimits, SectionLimits]
    board_params: Mapping[tuple[int, int], int]
    """(section, key) to value: all but the tensions, which belong to the patient."""
    params_crc: Callable[[Mapping[tuple[int, int], int]], int]
    """The CRC by which two ends compare their parameters; handed in, as it is the link's."""
    hw_id: str | None = None
    allow_cli_motion: bool = False
    bounds: Bounds = Bounds()
    presets: Mapping[str, Preset] = field(default_factory=dict)
