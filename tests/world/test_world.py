"""The world keeps its promises from any seed, repeats itself from the same one, and finds bugs."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from droptable.board import phases
from droptable.board.model import Phase, SectionOutputs
from droptable.board.state import SectionState
from firmware_sim import world
from firmware_sim.world import document, run_world

SEEDS_FILE = Path(__file__).with_name("seeds.txt")
HOURS = 0.02


def kept_seeds() -> Iterable[int]:
    for line in SEEDS_FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            yield int(line.split()[0])


@pytest.fixture(autouse=True)
def _quiet() -> Iterable[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("seed", [*kept_seeds(), 3, 4])
def test_no_promise_is_broken(seed: int) -> None:
    report = run_world(seed, HOURS)
    assert report.violations == ()
    assert report.virtual_s >= HOURS * 3600
    assert sum(report.faults.values()) > 20


def test_the_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    first, again, other = run_world(7, 0.01), run_world(7, 0.01), run_world(8, 0.01)
    assert first == again
    assert first.trace_hash != other.trace_hash


def test_sections_really_fall_in_it() -> None:
    assert sum(run_world(seed, HOURS).drops for seed in (3, 4)) >= 2


def test_a_drop_that_is_not_recorded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that takes every drop and keeps none."""
    keep = world.MemoryJournal._recorded

    def forget(journal: world.MemoryJournal, draft: world.Draft) -> world.Event:
        kind = "locked" if draft.kind == "drop" else draft.kind
        return keep(journal, replace(draft, kind=kind))

    monkeypatch.setattr(world.MemoryJournal, "_recorded", forget)
    found = [what for seed in (3, 4) for what in run_world(seed, HOURS).violations]
    assert any("0 times recorded" in what for what in found)


def test_a_board_that_keeps_a_pin_withdrawn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its law forgets that a cocked section is held by its pin."""
    lawful = phases.outputs_for

    def careless(section: SectionState) -> SectionOutputs:
        withdrawn = section.phase is Phase.COCKED
        outputs = lawful(section)
        return replace(outputs, pin_withdrawn=True) if withdrawn else outputs

    monkeypatch.setattr(phases, "outputs_for", careless)
    found = [what for seed in (3, 4) for what in run_world(seed, HOURS).violations]
    assert found


def test_the_document_sums_up_all_seeds() -> None:
    reports = [run_world(seed, 0.005) for seed in (1, 2)]
    told = json.loads(json.dumps(document(reports, wall_s=1.5)))
    assert told["schema"] == "world/1"
    assert told["virtual_s"] == pytest.approx(sum(report.virtual_s for report in reports), abs=0.01)
    assert told["wall_s"] == 1.5
    assert told["events"] == sum(report.events for report in reports)
    assert told["violations"] == []
    assert len(told["trace_hash"]) == 64
