"""A board that is 8 ms late in real time, over a pty, fails by the command's own slack."""

import asyncio

import pytest

from droptable.cli.conform import SLACK_MS
from droptable.conformance.model import Kept, Report, Verdict, real_time
from tests.conformance.boards import NAMED
from tests.conformance.broken import TOO_LATE_BY_8_MS
from tests.conformance.served import TARDY, proven_at

pytestmark = [pytest.mark.serial, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    link = f"pty:{tmp_path_factory.mktemp('tardy') / 'board'}"
    checks = [NAMED[name] for name in TOO_LATE_BY_8_MS]
    proof = proven_at(TARDY, link, checks, slack=real_time(SLACK_MS), second_looks=0)
    return asyncio.run(proof)


@pytest.mark.parametrize("name", TOO_LATE_BY_8_MS)
def test_8_ms_are_not_excused_by_the_host(report: Report, name: str) -> None:
    (found,) = (o for o in report.outcomes if o.check.name == name)
    assert found.verdict is Verdict.FAILED


def test_each_of_its_times_is_told_as_not_kept(report: Report) -> None:
    # A busy machine may keep one check from ever timing anything.
    assert len(report.timings) >= len(TOO_LATE_BY_8_MS) - 1
    for timing in report.timings:
        assert timing.kept(report.slack) is Kept.NOT_KEPT, timing
        assert min(sample.late_us for sample in timing.samples) >= 8_000
