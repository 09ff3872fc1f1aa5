"""Every step of the core in its worlds keeps the contract, and every mistake in it would be seen."""

import re
from pathlib import Path

import pytest

from tests.search.core_mutants import MUTANTS, UNCHECKED
from tests.search.core_rooms import ROOMS
from tests.search.core_run import OURS, SPOILT, everyday, missed, unnoticed

DOC = Path(__file__).parents[2] / "docs" / "verification.md"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [room.name for room in ROOMS])
def test_every_step_of_the_core_keeps_the_contract(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = everyday(name)
    with capsys.disabled():
        print(f"\n{name}: {seen.found}")
    assert list(map(str, seen.found.findings)) == []
    assert list(seen.homeless(10)) == []
    # What a search has found is used up here, as another process would have to search again.
    assert missed(tuple(mutant for mutant in OURS if mutant.room == name)) == []
    if name == SPOILT:
        assert unnoticed() == []
    assert seen.row in DOC.read_text(), "the counts of the document are not those of the run"


def test_the_document_counts_the_mistakes_of_the_core() -> None:
    names = [mutant.name for mutant in (*MUTANTS, *UNCHECKED)]
    assert len(set(names)) == len(names)
    text = re.sub(r"\s+", " ", DOC.read_text())
    same = len(MUTANTS) - len(OURS)
    assert f"{len(UNCHECKED)} pairs of a check and a wish" in text
    assert f"{len(MUTANTS)} mistakes by hand, {same} of which no step tells" in text
