"""What goes in and out over HTTP and the socket, beside the snapshot: shapes only.

Limits here are those of the format. Whether something is allowed is never decided here.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from droptable.daemon.outcome import LegSide
from droptable.daemon.snapshot import PresetShown, ReasonShown, SeriesShown

SectionName = Literal["thoracic", "lumbar", "pelvic"]
VerbName = Literal["cock", "arm", "disarm", "lock", "home", "clear-fault"]

SEQ_MAX = 2**53 - 1
"""The highest number that JSON carries exactly everywhere (RFC 8259, section 6)."""

TENSION_MAX_N = 1000.0
"""What the board link can carry: key 11, tension_set_dn, is 0 to 10000 decinewtons."""

SERIES_DROPS_MAX = 20
SERIES_WINDOW_MIN_S = 10.0
SERIES_WINDOW_MAX_S = 900.0
"""Those of a preset, see the configuration."""

LEG_LENGTH_MAX_MM = 60.0
"""More than that is not found by looking at the feet of someone who lies down."""

EVENTS_MAX = 1000
"""So many events at a time, that a slow reader of the journal keeps nobody waiting."""


class Asked(BaseModel):
    """What all requests share: strict, and nothing beside the named fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TensionAsked(Asked):
    """The force that shall hold a cocked section."""

    newton: float = Field(ge=0, le=TENSION_MAX_N, allow_inf_nan=False)


class EventsAsked(BaseModel):
    """Which events are wanted. A query is text, so numbers are read from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = Field(default=0, ge=0, le=SEQ_MAX, description="Only those above this number")
    kind: str | None = Field(default=None, pattern=r"^[a-z][a-z_]{0,39}$")
    section: SectionName | None = None
    limit: int = Field(default=100, ge=1, le=EVENTS_MAX)


class Answered(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True)


class DoneShown(Answered):
    """It was carried out, or begun."""

    done: dict[str, JsonValue]


class RefusedShown(Answered):
    """It was not allowed and nothing was changed: every reason, gravest first."""

    refused: tuple[ReasonShown, ...]


class StopSent(Answered):
    """The STOP is on its way to the board; `stop` of the state says when the board confirmed it."""

    stop_sent: Literal[True] = True


class EventsShown(Answered):
    """Events of the journal, in order."""

    events: list[dict[str, JsonValue]]


class Up(Answered):
    """The process is up."""

    up: Literal[True] = True
    boot: str


class Ready(Answered):
    """The link is up and the journal writable."""

    ready: Literal[True] = True


class PresetAsked(Asked):
    """The series of a preset."""

    preset: str = Field(min_length=1, max_length=32)


class OwnSeriesAsked(Asked):
    """A series that no preset is for."""

    section: SectionName
    drops: int = Field(ge=1, le=SERIES_DROPS_MAX)
    window_s: float = Field(ge=SERIES_WINDOW_MIN_S, le=SERIES_WINDOW_MAX_S, allow_inf_nan=False)


class LegLengthAsked(Asked):
    """By how much one leg was found to be shorter. Of whom, nobody says."""

    when: Literal["before", "after"]
    shorter: LegSide
    millimetres: float = Field(ge=0, le=LEG_LENGTH_MAX_MM, allow_inf_nan=False)


class TakeOverAnswered(Asked):
    """What the holder says to who asks for the lease."""

    give: bool


class SeriesNow(Answered):
    """The series that runs, or the last one, and what can be started."""

    series: SeriesShown | None
    presets: tuple[PresetShown, ...]


LeaseAsk = Literal["lease_take", "lease_release", "lease_take_over", "lease_give", "lease_keep"]


class StopMessage(Asked):
    """STOP, from the page."""

    type: Literal["stop"]


class LeaseMessage(Asked):
    """Take, renew or give back the lease; ask for another's, and answer who asks for one's own."""

    type: LeaseAsk


class PressMessage(Asked):
    """A finger came down on a control, on the picture of `state_seq`."""

    type: Literal["press"]
    action: Literal["cock", "lock", "arm", "series"]
    section: SectionName
    state_seq: int = Field(ge=0, le=SEQ_MAX)


class FingerMessage(Asked):
    """The finger is still there, went up, or did what says that it means it."""

    type: Literal["holding", "release", "commit"]
    intent: int = Field(ge=1, le=SEQ_MAX)


class PageMessage(Asked):
    """The page is still there, or nobody sees it any more."""

    type: Literal["alive", "hidden"]


AnyMessage = StopMessage | LeaseMessage | PressMessage | FingerMessage | PageMessage

MESSAGE: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])
