"""What the gateway answers to whoever asks it for something. Values only, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from droptable.daemon.snapshot import ReasonShown

LegSide = Literal["left", "right", "neither"]
"""Which leg was found to be the shorter one."""


@dataclass(frozen=True, slots=True)
class Done:
    """It was allowed and carried out, or begun; `detail` says what there is to say about it."""

    detail: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not allowed, and nothing was changed; every reason, gravest first, never none."""

    reasons: tuple[ReasonShown, ...]

    def __post_init__(self) -> None:
        """A refusal without a reason would leave a person with nothing to do."""
        if not self.reasons:
            raise ValueError("a refusal needs at least one reason")


Outcome = Done | Refused


@dataclass(frozen=True, slots=True)
class Felt:
    """What came of a finger: it was pressed, what it is for has begun, or it is over."""

    intent: int | None
    """Its number; None when the press was refused and there is none."""
    begun: bool = False
    over: str | None = None
    """A code of `core/overs.py`."""
    text: str = ""
    """The sentence of that code."""
    reasons: tuple[ReasonShown, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted for monitoring and is not part of the table's state."""

    journal_head_seq: int
    """The highest number in the journal; 0 while it is empty."""
    drops: tuple[int, int, int]
    """Drops recorded since the daemon started, in the table's order."""
