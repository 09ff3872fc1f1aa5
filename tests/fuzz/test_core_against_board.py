"""On a table on which nothing is broken, the board takes whatever the core commands.

Three refusals remain, each for what no STATUS says: CLEAR_FAULT while the cause is there, RESET_STOP
while the local button is down, HOME while a switch has not been steady for settle_ms. And a table
that changes between a STATUS and the COMMAND that was decided on it (some 20 ms) makes a race, which
`expect` is for; races are counted, are few, and none of them is a motion's begin.
"""

from collections import Counter
from functools import cache
from itertools import product

import pytest

from droptable.board.model import Code
from droptable.core import readiness
from tests.fuzz.fair import Report, lived
from tests.fuzz.seeds import SEEDS

DURATION_S = 40.0
KNOWN_BY_THE_BOARD_ALONE = {
    f"CLEAR_FAULT {int(Code.FAULTED)}",
    f"RESET_STOP {int(Code.STOPPED)}",
    f"HOME {int(Code.IMPLAUSIBLE)}",
}
RACES_MAX = 0.03
FALLS = (3, 4)
"""In these somebody falls, if the core does not look whether a tension holds who is raised."""


@cache
def reported(seed: int, rough: bool) -> Report:
    """What came of one seed; two tests look at it."""
    return lived(seed, rough=rough, duration_s=DURATION_S)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rough", [False, True], ids=["careful", "rough"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_board_refuses_nothing_that_the_core_commands(seed: int, rough: bool) -> None:
    report = reported(seed, rough)
    assert report.refused == []
    assert set(report.told) <= KNOWN_BY_THE_BOARD_ALONE
    assert report.races.total() <= max(2, RACES_MAX * report.sent.total()), report.races
    if not rough:
        # Whoever does nothing wrong meets nothing but the race with time itself.
        assert report.told.total() <= 2, report.told
        # And nobody who is raised, held or lowered falls.
        assert report.unarmed == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", FALLS)
def test_nobody_falls_unless_their_section_was_armed(seed: int) -> None:
    assert reported(seed, rough=False).unarmed == []


@pytest.mark.timeout(600)
def test_the_people_of_this_fuzz_do_all_that_can_be_done() -> None:
    """Otherwise nothing would be refused either."""
    sent: Counter[str] = Counter()
    drops = 0
    for seed, rough in product(SEEDS[:3], (False, True)):
        report = reported(seed, rough)
        sent += report.sent
        drops += report.drops
    wanted = {"HOME", "COCK", "ARM", "LOCK", "RESET_STOP", "PARAM_SET", "CLEAR_FAULT"}
    assert wanted <= set(sent), sent
    assert drops > 3


def without(name: str) -> dict[readiness.Wish, tuple[readiness.Check, ...]]:
    """The checks of the core but one."""
    assert any(check.__name__ == name for check, _ in readiness.CHECKS)
    return {
        wish: tuple(check for check in checks if check.__name__ != name)
        for wish, checks in readiness.CHECKS_OF.items()
    }


@pytest.mark.parametrize("seed", FALLS)
def test_a_core_that_does_not_look_at_tensions_lets_people_fall(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CHECKS_OF", without("_tension_holds"))
    assert lived(seed, rough=False, duration_s=DURATION_S).unarmed != []


@pytest.mark.parametrize("check", ["_phase", "_held"])
def test_a_core_that_forgot_a_check_is_caught(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECKS_OF", without(check))
    found: list[Report] = []
    for seed in range(4):
        found.append(lived(seed, rough=True, duration_s=30.0))
        if found[-1].refused:
            return
    raise AssertionError(f"the board never minded that {check} is missing")
