"""The table as the daemon knows it: frozen values, no behaviour beyond looking things up.

What is not known is None, and what is not known is unsafe. Times are microseconds of the daemon's
monotonic clock unless a name says otherwise; forces are in decinewtons, as they arrive.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import Literal

from droptable.core.limits import LEASE_MOVING_US, LEASE_US, ROUND_TRIP_MAX_US, Settings
from droptable.sections import Section


class Phase(IntEnum):
    """What the board says about a section; UNKNOWN also whenever the board cannot be believed."""

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
    """What the board can be asked."""

    COCK = 1
    ARM = 2
    DISARM = 3
    LOCK = 4
    HOME = 5
    CLEAR_FAULT = 6
    RESET_STOP = 9

    @property
    def label(self) -> str:
        """The verb as programs and people write it."""
        return self.name.lower().replace("_", "-")


class Role(IntEnum):
    """What a person may do; each may do all that those before it may."""

    VIEWER = 0
    OPERATOR = 1
    TECHNICIAN = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """The role as programs and people write it."""
        return self.name.lower()


class Health(StrEnum):
    """How the link to the board is."""

    DOWN = "down"
    OPENING = "opening"
    LIVE = "live"
    STALE = "stale"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Board:
    """Who answered HELLO."""

    hw_id: str
    firmware: str
    boot_id: int
    simulator: bool
    first_event_seq: int
    params_crc: int
    load_cells: bool = True
    tension_drive: bool = True
    """Without one the tension is set at the mechanism, by hand."""


@dataclass(frozen=True, slots=True)
class Link:
    """The link to the board. `status_us` is when the newest STATUS came; None: not this session."""

    health: Health = Health.DOWN
    board: Board | None = None
    opened_us: int = 0
    status_us: int | None = None
    trouble: str | None = None
    """A code of `errors.PROBLEMS`, while there is no session."""
    trouble_detail: str = ""
    round_us: int | None = None
    """How long an exchange took; None: none was measured in this session yet."""

    @property
    def slow(self) -> bool:
        """Whether the board takes too long to answer for anyone to move the table."""
        return self.round_us is not None and self.round_us >= ROUND_TRIP_MAX_US


@dataclass(frozen=True, slots=True)
class Drop:
    """The last drop of a section, as the journal has it."""

    seq: int
    time: str
    fall_us: int
    peak_dn: int
    release_dn: int


@dataclass(frozen=True, slots=True)
class SectionState:
    """One section by the newest STATUS of this session, and what the daemon adds to it."""

    phase: Phase = Phase.UNKNOWN
    fault: int = 0
    up: bool = False
    down: bool = False
    pin_in: bool = False
    load_dn: int | None = None
    tension_dn: int | None = None
    armed_until_us: int | None = None
    armed_board_us: int | None = None
    """When it was armed, on the board's clock, as long as no event has told that it is not."""
    phase_number: int | None = None
    """A phase of a newer board that this program does not know; to it the section is UNKNOWN."""
    tension_confirmed: bool = False
    """Whoever has the lease answers for it: it is this patient's."""
    tension_left: bool = False
    """It is still the last patient's; the middle of the range is to be written over it."""
    tension_by_hand_dn: int | None = None
    """What a person says that it is, at a board that has no drive for it."""
    restarted: bool = False
    """The board restarted, and nobody has homed the section since."""
    last_drop: Drop | None = None
    series: str | None = None
    """The series in which it was armed, until it has fallen or is known not to have."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a STATUS says of the table; None while there is none that may be believed."""

    stopped: bool
    estop_open: bool
    supply_low: bool
    air_low: bool
    maintenance: bool
    lease_live: bool
    hold_pressed: bool
    params_incomplete: bool
    events_half_full: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """Who moves the table, and when they last said so."""

    holder: str
    renewed_us: int
    client: int | None = None
    """The socket that renews it, and the only one whose fingers count; None: no socket does."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Someone asks the holder for the lease; meanwhile it moves nothing."""

    actor: str
    client: int | None
    until_us: int


@dataclass(frozen=True, slots=True)
class TurnedDown:
    """Someone who asked for the lease and did not get it; until then they do not ask again."""

    actor: str
    until_us: int


class Control(StrEnum):
    """What a person can hold."""

    COCK = "cock"
    LOCK = "lock"
    ARM = "arm"
    SERIES = "series"


@dataclass(frozen=True, slots=True)
class Gesture:
    """A finger on a control, or a foot on the pedal; the only one at this table."""

    intent: int
    client: int | None
    """The socket that tells of the finger; None: it is the pedal, of which the board tells."""
    actor: str
    role: Role
    control: Control
    section: Section
    phase: Phase
    """The section's, when the control was pressed."""
    pressed_us: int
    heard_us: int
    tension_dn: int | None = None
    """What the section's tension was set to, when the control was pressed."""
    begun: bool = False
    """What it is for is on its way."""


@dataclass(frozen=True, slots=True)
class Finger:
    """Whom to tell what became of a gesture that is over."""

    client: int
    intent: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Someone's hold on a control: motion of one section lasts no longer than this."""

    cmd_id: int
    """The COMMAND that it is for."""
    section: Section
    moving: Phase
    longest_us: int
    """How long the motion may last, once it has begun."""
    until_us: int
    begun: bool = False
    """The board has said that the motion began; when it says that it ended, so does the hold."""
    intent: int | None = None
    """The gesture that it is part of; None: it was asked for without one."""
    pedal: bool = False
    """It is the pedal that is held: the board sees that by itself, and is not told it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A COMMAND whose RESULT is awaited."""

    cmd_id: int
    verb: Verb
    section: Section | None
    sent_us: int
    request: int | None
    """Who waits for the answer; None: nobody, or `finger`."""
    window_us: int = 0
    finger: Finger | None = None


@dataclass(frozen=True, slots=True)
class TensionPending:
    """A PARAM_SET of an operator whose PARAM is awaited."""

    cmd_id: int
    section: Section
    tension_dn: int
    sent_us: int
    request: int
    actor: str


@dataclass(frozen=True, slots=True)
class FallBack:
    """A PARAM_SET of the middle of the range, over the last patient's tension."""

    cmd_id: int
    section: Section
    tension_dn: int
    sent_us: int


@dataclass(frozen=True, slots=True)
class FallBackTries:
    """How often the board did not take it at each section, and when the next try may be."""

    failed: tuple[int, int, int] = (0, 0, 0)
    next_us: int = 0


@dataclass(frozen=True, slots=True)
class Patient:
    """Whether someone lies there, by the load cells; who it is, nobody asks."""

    unloaded_us: int | None = None
    """Since when nobody is known to; None while somebody is."""
    gone: bool = True
    """Nobody was for so long that the next one is another."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """By what forces are measured and set at a section, and how far it may be relied on."""

    id: str
    hw_id: str
    """The board that it was made with."""
    expires_us: int


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the daemon senses of the machine that it runs on; None is not known."""

    disk_free_mb: int | None = None
    late_us: int | None = None
    """How late its loop was, at worst, when it was last looked at."""


@dataclass(frozen=True, slots=True)
class Wear:
    """When a section's pin was driven, as the core counts it: from and until, the newest last."""

    spans: tuple[tuple[int, int], ...] = ()
    since_us: int | None = None
    """Since when it is driven now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that went wrong and has not been cleared; see `faults.py`."""

    code: str
    section: Section | None
    since_us: int


@dataclass(frozen=True, slots=True)
class StopWanted:
    """A STOP that no STATUS has confirmed yet; sent again, it is the same one."""

    cmd_id: int
    sent_us: int
    answered: bool = False
    """The board has acted on it, and nothing that is under way can take it back."""


@dataclass(frozen=True, slots=True)
class LegLength:
    """By how much one leg was found to be shorter. Of whom, nobody says."""

    shorter: Literal["left", "right", "neither"]
    by_um: int


@dataclass(frozen=True, slots=True)
class Series:
    """Drops of one section, one after the other, while someone holds a control; and its end."""

    id: str
    actor: str
    role: Role
    section: Section
    preset: str | None
    drops: int
    """How many it is for."""
    until_us: int
    rested_us: int
    """Since when the section has been in the phase that it is in."""
    done: int = 0
    before: LegLength | None = None
    after: LegLength | None = None
    ended: str | None = None
    """By what it ended; None while it runs."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None


class Provision(Enum):
    """How far board and configuration have been brought together, parameter by parameter."""

    UNPROVEN = "unproven"
    READING = "reading"
    WAITING = "waiting"
    """Something has to be written, and the sections are not in a phase in which the board takes it."""
    WRITING = "writing"
    PROVING = "proving"
    """All is written; the next session will show whether the board has kept it."""
    PROVEN = "proven"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Params:
    """What the board's parameters are known to be, by (section, key), and the work in progress."""

    stage: Provision = Provision.UNPROVEN
    values: Mapping[tuple[int, int], int] = field(default_factory=dict)
    hw_id: str = ""
    """The board whose they are."""
    known: bool = False
    """`values` is what this session's board has: its CRC fitted."""
    read: bool = False
    """All of `values` was read in this session."""
    unset: frozenset[tuple[int, int]] = frozenset()
    """What the board was never told."""
    unsupported: frozenset[tuple[int, int]] = frozenset()
    """What the board says that it does not have."""
    todo: tuple[tuple[int, int], ...] = ()
    """What is still to be read or written; the first is being asked about."""
    cmd_id: int | None = None
    asked_us: int = 0
    tries: int = 0
    """How often the first of `todo` was asked about."""
    rounds: int = 0
    """How often this start of the board was written to without being proven after it."""


@dataclass(frozen=True, slots=True)
class EventLog:
    """Which of the board's events are on their way into the journal, and which are there."""

    boot_id: int = 0
    next_seq: int = 1
    committed_seq: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """All that the daemon knows. The only way from one to the next is `step`."""

    settings: Settings
    link: Link = Link()
    table: Table | None = None
    sections: tuple[SectionState, SectionState, SectionState] = (
        SectionState(),
        SectionState(),
        SectionState(),
    )
    lease: Lease | None = None
    withdrawn: bool = False
    """A lease was taken back, and no STATUS has shown yet that the board knows: whoever has the next
    one is told to the board only then."""
    take_over: TakeOver | None = None
    turned_down: tuple[TurnedDown, ...] = ()
    gesture: Gesture | None = None
    hold: Hold | None = None
    series: Series | None = None
    """The one that runs, or the last one."""
    pending: tuple[Pending, ...] = ()
    tension_pending: TensionPending | None = None
    stop_wanted: StopWanted | None = None
    stopped_by: frozenset[str] = frozenset()
    """Whose STOP is in the journal; empty again when none is wanted and the table is not stopped."""
    params: Params = Params()
    events: EventLog = EventLog()
    journal_failed: bool = False
    faults: tuple[Standing, ...] = ()
    """What stands against the table, the first cause first."""
    patient: Patient = Patient()
    fall_back: FallBack | None = None
    fall_back_tries: FallBackTries = FallBackTries()
    calibrations: tuple[Calibration | None, Calibration | None, Calibration | None] = (
        None,
        None,
        None,
    )
    upkeep: Upkeep = Upkeep()
    arms_us: tuple[int, ...] = ()
    """When sections were armed, within the last minute."""
    wear: tuple[Wear, Wear, Wear] = (Wear(), Wear(), Wear())
    closing_us: int | None = None
    """Since when the daemon is ending."""
    next_cmd_id: int = 1
    next_intent: int = 1

    @property
    def closing(self) -> bool:
        """Whether the daemon is ending."""
        return self.closing_us is not None

    @property
    def believed(self) -> bool:
        """Whether the board is heard, so that what it says is true now."""
        return self.link.health is Health.LIVE

    @property
    def foreign(self) -> bool:
        """Whether the board that answers is not the configured one."""
        board, wanted = self.link.board, self.settings.hw_id
        return board is not None and wanted is not None and board.hw_id != wanted

    @property
    def active(self) -> bool:
        """Whether some section is armed or on its way."""
        return any(section.phase in ACTIVE for section in self.sections)

    @property
    def lease_until_us(self) -> int | None:
        """When the lease ends unless it is renewed; None without one."""
        if self.lease is None:
            return None
        return self.lease.renewed_us + (LEASE_MOVING_US if self.active else LEASE_US)


HELD_PHASES = frozenset({Phase.COCKING, Phase.LOWERING})
"""The phases that last no longer than someone holds a control."""

MOVING = frozenset({Phase.COCKING, Phase.LOWERING, Phase.DROPPING, Phase.DROPPED, Phase.SECURING})
"""The phases in which a section is, or may be, on its way."""

ACTIVE = MOVING | {Phase.ARMED}
"""The phases in which losing whoever moves the table must not go unnoticed for long."""
