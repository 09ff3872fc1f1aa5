"""Everything that the core can ask the shell to do, as frozen values. The shell does it, in order."""

from collections.abc import Mapping
from dataclasses import dataclass

from droptable.core.events import BoardEventHeard
from droptable.core.model import Verb
from droptable.core.overs import Over
from droptable.core.reasons import Reason
from droptable.sections import Section


@dataclass(frozen=True, slots=True)
class SendStop:
    """Send STOP, before everything that waits to be sent."""

    cmd_id: int


@dataclass(frozen=True, slots=True)
class SetBeat:
    """What every BEAT says from now on; the next one goes out at once."""

    lease: bool
    hold: bool


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Send a COMMAND, once. `expect` is the phase that it was decided on; None for the table."""

    cmd_id: int
    verb: Verb
    section: Section | None
    expect: int | None
    ttl_ms: int
    arg: int = 0


@dataclass(frozen=True, slots=True)
class SendParamGet:
    """Ask for a parameter."""

    cmd_id: int
    section: int
    key: int


@dataclass(frozen=True, slots=True)
class SendParamSet:
    """Set a parameter."""

    cmd_id: int
    section: int
    key: int
    value: int


@dataclass(frozen=True, slots=True)
class SendEventAck:
    """The board may forget its events up to this one."""

    boot_id: int
    event_seq: int


@dataclass(frozen=True, slots=True)
class ReopenSession:
    """Open a new session, so that the board says its params_crc again."""


@dataclass(frozen=True, slots=True)
class Record:
    """Append to the journal. With `heard`, the board is told once it is on disk."""

    kind: str
    section: Section | None
    actor: str
    data: Mapping[str, str | int | float | bool | None]
    heard: BoardEventHeard | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell who asked; without reasons it was done."""

    request: int
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a socket what became of a finger; `over` once the gesture is no more."""

    client: int
    intent: int | None
    """None: the press was refused, and no gesture came of it."""
    over: Over | None = None
    begun: bool = False
    """What the gesture is for is on its way."""
    reasons: tuple[Reason, ...] = ()


Effect = (
    SendStop
    | SetBeat
    | SendCommand
    | SendParamGet
    | SendParamSet
    | SendEventAck
    | ReopenSession
    | Record
    | Answer
    | Tell
)
