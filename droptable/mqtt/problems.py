"""What is wrong with the broker, told once each time that it changes, and what was ignored.

Logs and counts; never raises, retries or decides.
"""

from collections import Counter

import structlog

from droptable.errors import DroptableError

log = structlog.get_logger(__name__)


class BrokerProblem(DroptableError):
    """The broker is gone or refuses; the journal keeps everything meanwhile."""


class PublicationRefused(BrokerProblem):
    """The broker refused one publication or subscription; the connection itself lives on."""

    def __init__(self, detail: str) -> None:
        super().__init__("BROKER_REFUSED", detail)


def unreachable(detail: str) -> BrokerProblem:
    """The broker cannot be reached, does not answer or went away."""
    return BrokerProblem("BROKER_UNREACHABLE", detail)


def refused(detail: str) -> BrokerProblem:
    """The broker answers, and does not want us."""
    return BrokerProblem("BROKER_REFUSED", detail)


class Standing:
    """How things stand with the broker: at most one problem for each concern.

    A line is logged when the code of the gravest problem changes, not for every attempt, so a
    broker that is away for a night costs two lines.
    """

    def __init__(self) -> None:
        self._problems: dict[str, BrokerProblem] = {}
        self._told: str | None = None

    @property
    def problem(self) -> BrokerProblem | None:
        """The first problem that still exists; None while all is well or nothing was tried yet."""
        return next(iter(self._problems.values()), None)

    def lost(self, problem: BrokerProblem) -> None:
        """There is no connection; whatever was refused on the last one is past."""
        self._problems = {"connection": problem}
        self._tell()

    def connected(self) -> None:
        """There is a connection that works."""
        self._problems.pop("connection", None)
        self._tell()

    def note(self, concern: str, problem: BrokerProblem | None) -> None:
        """The newest outcome of one concern, such as `events`; None: it works."""
        if problem is None:
            self._problems.pop(concern, None)
        else:
            self._problems[concern] = problem
        self._tell()

    def _tell(self) -> None:
        problem = self.problem
        code = "OK" if problem is None else problem.problem.code
        if code == self._told:
            return
        self._told = code
        if problem is None:
            log.info("broker_ok")
        else:
            log.warning("broker_problem", code=code, detail=problem.detail,
                        meaning=problem.problem.meaning, remedy=problem.problem.remedy)  # fmt: skip


class Findings:
    """What came from the broker and was ignored, counted by why.

    The 1st, 2nd, 4th, 8th... of a kind is logged: a flood is seen, and does not flood the log.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def found(self, why: str, topic: str) -> None:
        self.counts[why] += 1
        count = self.counts[why]
        if count & (count - 1) == 0:
            log.warning("mqtt_message_ignored", why=why, topic=topic, count=count)
