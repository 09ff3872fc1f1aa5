"""The controller in process, held to the contract's own times; and what the suite says of itself."""

import pytest

from droptable.board.model import Feature
from droptable.conformance.contract import PARAM_ROWS, TimeLimit
from droptable.conformance.model import Check, Outcome, Report, Verdict
from droptable.conformance.run import NotCalibrated, TableWouldMove
from droptable.conformance.suite import ALL_CHECKS
from firmware_sim.mechanics import Mechanics
from firmware_sim.simulated_board import SimulatedBoard
from tests.conformance.boards import proven

OTHERS = {"tare-without-the-feature"}
"""What is about boards that lack a feature: the simulator has all."""

SIMULATOR_ALONE = Feature.SIMULATOR


def told(outcome: Outcome) -> str:
    return "\n".join((f"{outcome.check.name}: {outcome.verdict.value}", *outcome.told))


def of(report: Report, name: str) -> Outcome:
    return next(outcome for outcome in report.outcomes if outcome.check.name == name)


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.name)
def test_the_controller_keeps_the_contract(check: Check) -> None:
    """Each on a board of its own: no check rests on another."""
    seed = ALL_CHECKS.index(check)
    report = proven([check], seed=seed)
    for outcome in report.outcomes:
        other = outcome.check.name in OTHERS
        wanted = Verdict.DOES_NOT_APPLY if other else Verdict.PASSED
        assert outcome.verdict is wanted, told(outcome)


def test_the_checks_pass_in_any_order_on_one_board() -> None:
    report = proven(tuple(reversed(ALL_CHECKS)))
    assert report.conforms, [told(o) for o in report.outcomes if o.verdict is Verdict.FAILED]
    assert report.count(Verdict.PASSED) == len(ALL_CHECKS) + 2 - len(OTHERS)


def test_every_time_of_section_6_is_kept_without_slack() -> None:
    checks = [check for check in ALL_CHECKS if check.section.startswith("6 ")]
    report = proven(checks)
    kept = {timing.limit: timing.worst_us for timing in report.timings}
    assert all(worst_us <= limit.at_most_us for limit, worst_us in kept.items())
    assert kept[TimeLimit("last valid BEAT to outputs off", 160_000)] == 150_000
    assert len(kept) == 9


def test_what_a_board_has_not_does_not_apply_and_is_no_failure() -> None:
    def bare() -> SimulatedBoard:
        return SimulatedBoard(Mechanics(seed=7), boot_id=1, features=SIMULATOR_ALONE)

    report = proven(made=bare)
    failed = [told(o) for o in report.outcomes if o.verdict is Verdict.FAILED]
    assert failed == []
    assert report.conforms
    assert of(report, "pedal").told == ("the board has no pedal",)
    assert of(report, "tare-without-the-feature").verdict is Verdict.PASSED


def test_without_hands_nothing_that_needs_them_counts_as_passed() -> None:
    report = proven(hands=False)
    needy = {check.name for check in ALL_CHECKS if check.hands is not None}
    waiting = {o.check.name for o in report.outcomes if o.verdict is Verdict.NEEDS_HANDS}
    assert waiting == needy
    assert not report.conforms
    assert report.count(Verdict.FAILED) == 0


def made_real(params: dict[tuple[int, int], int] | None = None) -> SimulatedBoard:
    features = ~SIMULATOR_ALONE & Feature(0xFF)
    return SimulatedBoard(Mechanics(seed=7), boot_id=1, params=params, features=features)


def calibrated() -> dict[tuple[int, int], int]:
    return {
        (section, row.key): row.working
        for row in PARAM_ROWS
        if row.calibration
        for section in row.sections
    }


def test_a_real_table_is_not_moved_unless_it_is_said_to_be_empty() -> None:
    boards = []

    def board() -> SimulatedBoard:
        boards.append(made_real())
        return boards[-1]

    with pytest.raises(TableWouldMove):
        proven(made=board)
    assert not any(driven.driven for driven in boards[0].outputs)


def test_a_real_table_needs_its_own_calibration() -> None:
    with pytest.raises(NotCalibrated, match="drop_height_um.*tension_zero"):
        proven(made=made_real, empty=True)


def test_a_real_table_that_is_empty_is_tested_and_its_actuators_are_spared() -> None:
    names = ("bounds", "cocking", "welcome")
    checks = [check for check in ALL_CHECKS if check.name in names]
    report = proven(checks, made=lambda: made_real(calibrated()), empty=True)
    assert report.conforms


def test_the_board_gets_its_own_parameters_back() -> None:
    own = {(0, 1): 2_345, (1, 5): 33, (2, 11): 777, (255, 18): 12_345}
    boards = []

    def board() -> SimulatedBoard:
        boards.append(SimulatedBoard(Mechanics(seed=7), boot_id=1, params=own))
        return boards[-1]

    checks = [check for check in ALL_CHECKS if check.name in ("bounds", "cock-timeout", "tare")]
    assert proven(checks, made=board).conforms
    assert own.items() <= boards[0].params.items()
    assert not any(driven.driven for driven in boards[0].outputs)


def test_every_check_says_what_it_asks_and_where_the_contract_says_it() -> None:
    names = [check.name for check in ALL_CHECKS]
    assert len(set(names)) == len(names)
    for check in ALL_CHECKS:
        assert check.section[0] in "123456", check.name
        assert check.asks.endswith("."), check.name
        assert "\n" not in check.asks, check.name
