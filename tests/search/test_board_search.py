"""Every state of a board that its worlds reach keeps the contract, and rest can be reached from it."""

import re
from pathlib import Path

import pytest

from tests.search.board_mutants import MUTANTS
from tests.search.board_rooms import ROOMS
from tests.search.board_run import OURS, everyday

DOC = Path(__file__).parents[2] / "docs" / "verification.md"
RESTING = [room.name for room in ROOMS if room.healthy and room.most_transitions is None]
WHOLE = [room.name for room in ROOMS if room.most_transitions is None]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [room.name for room in ROOMS])
def test_every_state_keeps_the_contract(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    seen = everyday(name)
    with capsys.disabled():
        print(f"\n{name}: {seen.found}")
    assert list(map(str, seen.found.findings)) == []
    assert seen.found.complete is (name in WHOLE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RESTING)
def test_rest_is_near_from_every_state_of_a_healthy_table(name: str) -> None:
    seen = everyday(name)
    moves, lost = seen.to_rest()
    assert lost == []
    assert f"at most {moves} moves" in " ".join(DOC.read_text().split())


@pytest.mark.timeout(300)
def test_the_counts_of_the_document_are_those_of_the_run() -> None:
    written = set(re.findall(r"^\| .* \|$", DOC.read_text(), re.MULTILINE))
    assert {everyday(room.name).row for room in ROOMS} <= written
    assert f"{len(MUTANTS)} mutants, {len(MUTANTS) - len(OURS)} of them" in DOC.read_text()
