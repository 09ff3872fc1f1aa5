"""The table as people and programs are shown it: the one document behind `/state`, `/ws` and MQTT.

Models only; `snapshot.py` never decides anything. All times in it are durations counted from the
moment it was made, so that no two clocks have to agree.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verb = Literal["cock", "arm", "lock"]


class Shown(BaseModel):
    """What all parts of the snapshot share: frozen, and nothing beside the named fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReasonShown(Shown):
    """One reason why an action is refused."""

    code: str = Field(description="Stable name, such as LINK_STALE")
    text: str = Field(description="One sentence for a person")
    remedy: str = Field(description="What to do about it")
    doc: str = Field(description="Where it is documented, from the root of the repository")


class TensionShown(Shown):
    """The force that holds a cocked section."""

    set_n: float | None = Field(description="What the board was told, newtons; null: not known")
    measured_n: float | None = Field(description="What the actuator measures, newtons")
    confirmed: bool = Field(
        description="Someone set it since the daemon started or the lease ended"
    )


class DropShown(Shown):
    """The last drop of a section."""

    seq: int = Field(description="Its number in the journal")
    time: str = Field(description="RFC 3339 UTC")
    fall_ms: float | None = Field(
        description="From the raw up edge to the raw down edge; null: no up edge was seen"
    )
    peak_n: float = Field(
        description="Highest load from 200 ms before the up edge to the down edge"
    )
    release_n: float = Field(description="Load at the up edge")


class FaultShown(Shown):
    """Why a section is in FAULT."""

    code: str
    text: str
    remedy: str


class StandingShown(Shown):
    """Something that went wrong and has not been cleared."""

    code: str
    section: str | None = Field(description="The section that it is about; null: the whole table")
    text: str
    remedy: str
    cleared: str = Field(description="Who or what ends it")


class ReadyShown(Shown):
    """For each action every reason why it is refused now; empty means it is allowed."""

    cock: tuple[ReasonShown, ...]
    arm: tuple[ReasonShown, ...]
    lock: tuple[ReasonShown, ...]


class SectionShown(Shown):
    """One section. While the link is stale its phase is UNKNOWN and its readings are null."""

    phase: str = Field(
        description="UNKNOWN, LOCKED, COCKING, COCKED, ARMED, DROPPING, DROPPED, "
        "LOWERING, HALTED, FAULT or SECURING"
    )
    fault: FaultShown | None
    height: Literal["up", "down", "between", "unknown"] = Field(description="By its switches")
    load_n: float | None = Field(description="All that presses on the section, newtons")
    tension: TensionShown
    armed_until_ms: int | None = Field(description="Milliseconds left of the window while ARMED")
    last_drop: DropShown | None
    ready: ReadyShown


class LinkShown(Shown):
    """The link to the board."""

    state: Literal["down", "opening", "live", "stale", "refused"]
    problem: str | None = Field(description="What is wrong and what to do, for a person")
    board: str | None = Field(description="The board's hw_id")
    firmware: str | None
    simulator: bool
    round_trip_ms: float | None


class StopShown(Shown):
    """STOP and the e-stop chain."""

    latched: bool | None = Field(description="As the board says; null while that is not known")
    unconfirmed: bool = Field(description="A STOP was sent and no STATUS has shown it yet")
    estop_open: bool | None


class TakeOverShown(Shown):
    """Someone asks the holder for the lease; meanwhile nothing can be moved."""

    by: str
    expires_ms: int = Field(description="Milliseconds left for the holder to answer")


class LeaseShown(Shown):
    """Who moves the table."""

    holder: str | None
    expires_ms: int | None = Field(description="Milliseconds left")
    take_over: TakeOverShown | None = None


class GestureShown(Shown):
    """A finger on a control, or a foot on the pedal: the only one at the table."""

    by: str
    means: Literal["page", "pedal"]
    action: Literal["cock", "lock", "arm", "series"]
    section: str
    held_ms: int
    begun: bool = Field(description="What it is for is on its way")


class LegLengthShown(Shown):
    """By how much one leg was found to be shorter."""

    shorter: Literal["left", "right", "neither"]
    millimetres: float


class SeriesShown(Shown):
    """The series of drops that runs, or the last one."""

    id: str = Field(description="As in the journal")
    by: str
    section: str
    preset: str | None
    drops: int = Field(description="How many it is for")
    done: int = Field(description="How many there were")
    left_ms: int = Field(description="Milliseconds left of its window; 0 once it has ended")
    ended: str | None = Field(description="By what it ended; null while it runs")
    before: LegLengthShown | None
    after: LegLengthShown | None


class PresetShown(Shown):
    """A series that the practice has a name for."""

    name: str
    text: str
    section: str
    drops: int
    window_s: float
    tension_offset_n: float
    tension_n: float | None = Field(
        description="What it means with what lies on the section now, for a person to set; "
        "null: that is not known"
    )


class SectionsShown(Shown):
    """The three sections, in the table's order."""

    thoracic: SectionShown
    lumbar: SectionShown
    pelvic: SectionShown


class Snapshot(Shown):
    """The whole table. `state_seq` grows with every change; a new `boot` means another daemon."""

    schema_: Literal["state/1"] = Field(default="state/1", alias="schema")
    table: str
    boot: str = Field(description="Random id of this run of the daemon")
    state_seq: int
    age_ms: int | None = Field(description="Age of the newest board status; null: there is none")
    link: LinkShown
    stop: StopShown
    lease: LeaseShown
    journal: Literal["ok", "failed"]
    faults: tuple[StandingShown, ...] = Field(
        default=(), description="What stands against the table, the first cause first"
    )
    gesture: GestureShown | None = None
    series: SeriesShown | None = None
    sections: SectionsShown
