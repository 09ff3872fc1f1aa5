"""Every guard, row, rule and entry of the board is needed: without it the search finds a wrong."""

import pytest

from droptable.board.faults import FAULT_RULES, STILL_THERE
from droptable.board.rows import AFTER_STOP, ROWS
from droptable.board.verbs import VERB_RULES
from tests.search.board_mutants import MUTANTS
from tests.search.board_run import OURS, missed

PARTS = 6


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_mistake_goes_unnoticed(part: int) -> None:
    assert missed(OURS[part::PARTS]) == []


def test_each_entry_of_each_table_has_its_mistake() -> None:
    entries = (
        sum(len(rule.guards) for rule in VERB_RULES.values()),
        len(ROWS),
        len(FAULT_RULES),
        len(STILL_THERE),
        len(AFTER_STOP),
    )
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    assert entries == (
        sum("without its guard" in name for name in names),
        sum(name.startswith("without row") for name in names),
        sum(name.startswith("without rule") for name in names),
        sum("while its cause is there" in name for name in names),
        sum(name.startswith("a stop leaves") for name in names),
    )
