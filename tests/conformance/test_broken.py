"""What the suite is worth: each defect of a board is found by the check that speaks of it."""

import pytest

from droptable.board import faults, rows, verbs
from droptable.conformance.model import Verdict
from tests.conformance.boards import NAMED, proven
from tests.conformance.broken import (
    DEFECTS,
    GUARDED_BY,
    OUT_OF_REACH,
    RAISED_BY,
    ROW_SEEN_BY,
    ROWS_OF_OUR_OWN,
    Defect,
)


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's own invariants would end it before a host could see anything."""
    monkeypatch.setattr("droptable.board.endpoint.broken", lambda *_: ())


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name.replace(" ", "-"))
def test_a_defect_is_found(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    if defect.law is not None:
        defect.law(monkeypatch)
    report = proven([NAMED[defect.caught_by]], made=defect.made)
    (found,) = (o for o in report.outcomes if o.check.name == defect.caught_by)
    assert found.verdict is Verdict.FAILED
    assert not report.conforms
    contract, expected, *_ = found.told
    assert contract == f"contract {found.check.section}: {found.check.asks}"
    assert expected.startswith("expected: ")


def test_every_guard_of_the_law_has_a_check_that_finds_it_missing() -> None:
    guards = {
        (verb, guard.code) for verb, rule in verbs.VERB_RULES.items() for guard in rule.guards
    }
    assert GUARDED_BY.keys() | OUT_OF_REACH == guards
    assert not GUARDED_BY.keys() & OUT_OF_REACH


def test_every_fault_and_every_row_has_a_check_that_finds_it_missing() -> None:
    assert RAISED_BY.keys() == {rule.fault for rule in faults.FAULT_RULES}
    ways = {(row.phase, row.to) for row in rows.ROWS}
    assert ROW_SEEN_BY.keys() | ROWS_OF_OUR_OWN == ways
