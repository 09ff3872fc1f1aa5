"""Everything that can happen to the daemon, as frozen values. What follows is decided in `step.py`."""

from dataclasses import dataclass

from droptable.core.model import Board, SectionState, Table, Verb
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


# People


@dataclass(frozen=True, slots=True)
class TakeLease:
    """Take the lease, or renew it."""


@dataclass(frozen=True, slots=True)
class ReleaseLease:
    """Give the lease back."""


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


Action = TakeLease | ReleaseLease | Do | SetTension | ResetStop


@dataclass(frozen=True, slots=True)
class Asked:
    """`actor` asks for something and waits for the Answer to `request`."""

    request: int
    actor: str
    action: Action


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

Event = LinkNews | BoardNews | JournalNews | Asked | StopAsked | TimePassed | Closing
