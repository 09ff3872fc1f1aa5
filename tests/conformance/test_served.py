"""The same checks over boards that are programs: on a pty, on TCP, and the GPIO process on its rig.

They run in real time, at the same moment, with the slack that `served.py` states.
"""

import asyncio
from collections.abc import Callable

import pytest

from droptable.conformance.model import Kept, Outcome, Report, Verdict
from droptable.conformance.report_text import verdict_in_words
from droptable.conformance.suite import ALL_CHECKS
from tests.conformance.conftest import LOOKED_AGAIN
from tests.conformance.served import all_proven

pytestmark = [pytest.mark.serial, pytest.mark.timeout(600)]

BOARDS = ("pty", "tcp", "gpio")

SIMULATOR_HAS_ALL = {"tare-without-the-feature"}

GPIO_HAS_NO_POWER_SENSORS = {"low-supply", "low-air", "supply", "air", "fall-after-a-fault"}
GPIO_HAS_NO_TENSION_DRIVE = {"tension-while-others-move", "tension-in-armed", "tension-at-rest"}

NOT_PASSED = {
    "pty": SIMULATOR_HAS_ALL,
    "tcp": SIMULATOR_HAS_ALL,
    "gpio": SIMULATOR_HAS_ALL | GPIO_HAS_NO_POWER_SENSORS | GPIO_HAS_NO_TENSION_DRIVE,
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    return asyncio.run(all_proven(tmp_path_factory.mktemp("boards")))


def of(report: Report, name: str) -> Outcome:
    return next(outcome for outcome in report.outcomes if outcome.check.name == name)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", [check.name for check in ALL_CHECKS])
def test_a_board_in_real_time_keeps_the_contract(
    reports: dict[str, Report],
    board: str,
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    outcome = of(reports[board], name)
    if outcome.looks > 1:
        record_property(LOOKED_AGAIN, f"{board}: {name} {verdict_in_words(outcome)}")
    assert outcome.verdict is not Verdict.FAILED, "\n".join(outcome.told)
    assert (outcome.verdict is Verdict.PASSED) is (name not in NOT_PASSED[board])


@pytest.mark.parametrize("board", BOARDS)
def test_every_time_of_section_6_was_measured(reports: dict[str, Report], board: str) -> None:
    report = reports[board]
    assert {timing.limit.name for timing in report.timings} == {
        "COMMAND received to RESULT",
        "STOP received to outputs off",
        "lease lost to outputs off",
        "e-stop open to outputs off",
        "hold released in COCKING to outputs off",
        "hold released in LOWERING to outputs off",
        "last valid BEAT to outputs off",
        "change of phase to STATUS",
        "error of the up edge's time stamp",
    }
    assert all(t.kept(report.slack) is not Kept.NOT_KEPT for t in report.timings)
