"""What a check is, and what can come of one. No I/O."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

from droptable.conformance.contract import NOTHING, Feature, TimeLimit

if TYPE_CHECKING:
    from droptable.conformance.bench import Bench

Run = Callable[["Bench"], Awaitable[None]]


class Verdict(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NEEDS_HANDS = "needs hands"
    """Somebody has to thrust, push buttons or break wires for it, and nobody is there."""
    DOES_NOT_APPLY = "does not apply"
    """The board has not what it is about, and need not have it."""


class Stage(Enum):
    """When a check runs."""

    UNSET = 1
    """Before the parameters that the board lacks are set; does not apply where it lacks none."""
    READY = 2
    """With all parameters set, every section LOCKED, a session with a lease."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the contract asks of every board. `run` returns when the board does it."""

    name: str
    section: str
    """Of the contract: the number and the place in it."""
    asks: str
    """What the board has to do, in one sentence."""
    run: Run
    hands: tuple[str, ...] | None = None
    """None: a link is enough. Else the faults that it has to inject beside what hands can do."""
    features: Feature = NOTHING
    stage: Stage = Stage.READY


def check(
    section: str,
    *,
    hands: bool = False,
    faults: tuple[str, ...] = (),
    features: Feature = NOTHING,
    stage: Stage = Stage.READY,
) -> Callable[[Run], Check]:
    """Make a coroutine function into a Check: its name, and what its docstring asks."""

    def made(run: Run) -> Check:
        name = getattr(run, "__name__", "").replace("_", "-")
        needs = faults if hands or faults else None
        return Check(name, section, run.__doc__ or "", run, needs, features, stage)

    return made


class Mismatch(Exception):
    """The board did not do what the contract asks; `expected` says what that is."""

    def __init__(self, expected: str, came: str = "") -> None:
        self.expected = expected
        self.came = came
        super().__init__(expected)


class NotApplicable(Exception):
    """The check does not concern this board; says why."""


def expect(holds: bool, expected: str, came: object = "") -> None:
    """Mismatch unless `holds`."""
    if not holds:
        raise Mismatch(expected, str(came))


@dataclass(frozen=True, slots=True)
class Slack:
    """What is allowed on top of the contract's times, for the way there and for a late host.

    A time whose both ends are stamped at the table has none.
    """

    median_us: int
    worst_us: int
    patience_us: int
    """How much longer than the contract allows is waited for what has to come."""


STRICT = Slack(0, 0, 100_000)
"""For virtual time, where neither the line nor the host takes any. The wait only ends a failure."""


def real_time(slack_ms: int) -> Slack:
    """For a host that is no real-time system: the median tells of the board, the worst of both."""
    return Slack(slack_ms * 1_000, slack_ms * 10_000, 2_000_000)


@dataclass(frozen=True, slots=True)
class Sample:
    """One time in microseconds, give or take `spread_us`: clocks are compared only so closely."""

    us: int
    spread_us: int = 0

    @classmethod
    def between(cls, early_us: int, late_us: int) -> "Sample":
        """It took at least and at most so long."""
        return cls((early_us + late_us) // 2, (late_us - early_us + 1) // 2)

    @property
    def late_us(self) -> int:
        return self.us + self.spread_us


class Kept(Enum):
    """Whether a board keeps a time, as far as can be told from the host."""

    KEPT = "kept"
    WITHIN_SLACK = "kept within slack"
    NOT_KEPT = "not kept"


@dataclass(slots=True)
class Timing:
    """A time of section 6 as it was measured."""

    limit: TimeLimit
    samples: list[Sample] = field(default_factory=list)

    @property
    def median_us(self) -> int:
        return round(median(sample.us for sample in self.samples))

    @property
    def worst_us(self) -> int:
        return max(sample.us for sample in self.samples)

    @property
    def spread_us(self) -> int:
        """How far any sample may be off."""
        return max(sample.spread_us for sample in self.samples)

    def allowed(self, slack: Slack) -> tuple[int, int]:
        """The slack of this time in microseconds: in the median, and at worst."""
        return (0, 0) if self.limit.at_the_table else (slack.median_us, slack.worst_us)

    def kept(self, slack: Slack) -> Kept:
        """Each sample is judged at its late end, so that what is not known never speaks for the board.

        Without slack there is nothing that would make up for the way between two clocks: there the
        middle is judged, which is as likely too early as too late.
        """
        late = not self.limit.at_the_table
        judged_us = [sample.late_us if late else sample.us for sample in self.samples]
        over_us = (
            median(judged_us) - self.limit.at_most_us,
            max(judged_us) - self.limit.at_most_us,
        )
        if max(over_us) <= 0:
            return Kept.KEPT
        within = all(by <= most for by, most in zip(over_us, self.allowed(slack), strict=True))
        return Kept.WITHIN_SLACK if within else Kept.NOT_KEPT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check. `told` says more than the verdict, line by line."""

    check: Check
    verdict: Verdict
    told: tuple[str, ...] = ()
    took_us: int = 0
    earlier: tuple[tuple[str, ...], ...] = ()
    """What was told of the looks before: each had failed, and was not the last."""

    @property
    def looks(self) -> int:
        return len(self.earlier) + 1


@dataclass(frozen=True, slots=True)
class Report:
    """What came of them all."""

    board: str
    outcomes: tuple[Outcome, ...]
    timings: tuple[Timing, ...]
    slack: Slack

    def count(self, verdict: Verdict) -> int:
        return sum(outcome.verdict is verdict for outcome in self.outcomes)

    @property
    def conforms(self) -> bool:
        """Nothing failed, and nothing was left out that the board has."""
        return all(o.verdict in (Verdict.PASSED, Verdict.DOES_NOT_APPLY) for o in self.outcomes)
