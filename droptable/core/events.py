"""Everything that can happen to the daemon, as frozen values. What follows is decided in `step.py`."""

from dataclasses import dataclass

from droptable.core.model import (
    Board,
    Calibration,
    Control,
    LegLength,
    Role,
    SectionState,
    Table,
    Verb,
)
from droptable.sections import Section

# The link


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """There is a stream to a board; a session is being asked for."""


@dataclass(frozen=True, slots=True)
class LinkTrouble:
    """There is no session; `code` is one of `errors.PROBLEMS`.

    `refused`: a board is there, and it is none that may be used.
    """

    code: str
    detail: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The board answered HELLO."""

    board: Board
    restarted: bool


@dataclass(frozen=True, slots=True)
class SessionOver:
    """The session ended; another is being asked for."""


@dataclass(frozen=True, slots=True)
class WentStale:
    """No STATUS came for too long."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """How long an exchange with the board took, or has taken so far."""

    round_us: int


# The board


@dataclass(frozen=True, slots=True)
class StatusHeard:
    """A STATUS. Of the sections only what the board says is looked at."""

    table: Table
    sections: tuple[SectionState, SectionState, SectionState]


@dataclass(frozen=True, slots=True)
class BoardEventHeard:
    """An event of the board, by its numbers; it may have come before."""

    boot_id: int
    event_seq: int
    board_us: int
    kind: int
    section: int
    a: int
    b: int
    c: int


@dataclass(frozen=True, slots=True)
class ResultHeard:
    """How the board took a command."""

    cmd_id: int
    code: int


@dataclass(frozen=True, slots=True)
class ParamHeard:
    """The value of a parameter that is in force."""

    cmd_id: int
    section: int
    key: int
    value: int


# The journal


@dataclass(frozen=True, slots=True)
class Committed:
    """A board's event is on disk. `seq` and `time` are those of the journal."""

    heard: BoardEventHeard
    seq: int
    time: str


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """A board's event could not be recorded; the board still has it."""

    boot_id: int
    event_seq: int


@dataclass(frozen=True, slots=True)
class JournalHealth:
    """Whether the journal can be written."""

    failed: bool


# The daemon's own body


@dataclass(frozen=True, slots=True)
class DiskLooked:
    """How much room the state directory has; None when it cannot be told."""

    free_mb: int | None


@dataclass(frozen=True, slots=True)
class LoopLooked:
    """How late the daemon's loop was, at worst, since this was last told."""

    late_us: int


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set. Nothing is ordered by it; it is recorded so that others see it."""

    step_ms: int


@dataclass(frozen=True, slots=True)
class CalibrationChanged:
    """By what each section is calibrated from now on; None: it is not."""

    calibrations: tuple[Calibration | None, Calibration | None, Calibration | None]


# People


@dataclass(frozen=True, slots=True)
class TakeLease:
    """Take the lease, or renew it; `client` is the socket that renews it from then on."""

    client: int | None = None


@dataclass(frozen=True, slots=True)
class ReleaseLease:
    """Give the lease back."""


@dataclass(frozen=True, slots=True)
class TakeOverLease:
    """Take the lease from whoever has it: the table is made safe, and they are asked."""

    client: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerTakeOver:
    """The holder gives the lease to whoever asks for it, or keeps it."""

    give: bool


@dataclass(frozen=True, slots=True)
class Do:
    """Carry out a verb at a section, without a finger to watch."""

    verb: Verb
    section: Section


@dataclass(frozen=True, slots=True)
class SetTension:
    """Set the force that holds a cocked section."""

    section: Section
    tension_dn: int


@dataclass(frozen=True, slots=True)
class ResetStop:
    """Take back a latched stop."""


@dataclass(frozen=True, slots=True)
class StartSeries:
    """Let a series run, as its preset says; it moves nothing until someone holds a control."""

    id: str
    preset: str


@dataclass(frozen=True, slots=True)
class StartOwnSeries:
    """Let a series run that no preset is for."""

    id: str
    section: Section
    drops: int
    window_us: int


@dataclass(frozen=True, slots=True)
class EndSeries:
    """Let the series end."""


@dataclass(frozen=True, slots=True)
class NoteLegLength:
    """Keep a leg length with the series: from before its first drop, or from after its end."""

    after: bool
    found: LegLength


SeriesAction = StartSeries | StartOwnSeries | EndSeries | NoteLegLength
LeaseAction = TakeLease | ReleaseLease | TakeOverLease | AnswerTakeOver
Action = LeaseAction | Do | SetTension | ResetStop | SeriesAction


@dataclass(frozen=True, slots=True)
class Asked:
    """`actor` asks for something and waits for the Answer to `request`."""

    request: int
    actor: str
    action: Action
    role: Role = Role.VIEWER


# Fingers, and the sockets that tell of them. `client` is the number of a socket.


@dataclass(frozen=True, slots=True)
class Pressed:
    """A finger came down on a control. `current`: the section had not changed since the picture
    of it that the finger saw.
    """

    client: int
    actor: str
    role: Role
    control: Control
    section: Section
    current: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """The finger is still there."""

    client: int
    intent: int


@dataclass(frozen=True, slots=True)
class Released:
    """The finger went up."""

    client: int
    intent: int


@dataclass(frozen=True, slots=True)
class CommitAsked:
    """The finger did what says that it means it."""

    client: int
    intent: int


@dataclass(frozen=True, slots=True)
class Alive:
    """The page is still there."""

    client: int


@dataclass(frozen=True, slots=True)
class Hidden:
    """Nobody sees the page any more."""

    client: int


@dataclass(frozen=True, slots=True)
class ClientLost:
    """The socket is gone."""

    client: int


Touch = Pressed | Holding | Released | CommitAsked | Alive | Hidden | ClientLost


@dataclass(frozen=True, slots=True)
class StopAsked:
    """STOP, from whoever and wherever."""

    source: str


# The daemon itself


@dataclass(frozen=True, slots=True)
class TimePassed:
    """It is later; whatever is due happens."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The daemon ends: no lease, no motion, and STOP if the table does not come to rest."""


LinkNews = StreamOpened | LinkTrouble | SessionOpened | SessionOver | WentStale | RoundTrip
BoardNews = StatusHeard | BoardEventHeard | ResultHeard | ParamHeard
JournalNews = Committed | CommitFailed | JournalHealth
UpkeepNews = DiskLooked | LoopLooked | ClockStepped | CalibrationChanged

People = Asked | Touch | StopAsked

Event = LinkNews | BoardNews | JournalNews | UpkeepNews | People | TimePassed | Closing
