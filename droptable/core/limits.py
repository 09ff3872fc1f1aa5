"""The core's own numbers, each with its reason. The board has others; neither knows the other's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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

CLOSING_STOP_AFTER_US = 300_000
"""How long the daemon, ending, waits for a table to come to rest before it sends STOP."""

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
