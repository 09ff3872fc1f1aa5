"""Nothing unsafe that a host may send is accepted, whatever it sends and when."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.board import endpoint
from droptable.board.invariants import InvariantBrokenError
from droptable.board.model import Ask, Beat, Phase, Stop
from droptable.link import board_session
from droptable.link.session import SequenceWindow
from tests.fuzz.hostile import HostileTable
from tests.fuzz.seeds import SEEDS

DEEDS = 800


@pytest.mark.timeout(600)
@pytest.mark.parametrize("thrusts", [False, True], ids=["nobody thrusts", "hands thrust"])
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_host_says_the_board_stays_safe(seed: int, thrusts: bool) -> None:
    table = HostileTable(seed, thrusts=thrusts)
    table.live(DEEDS)
    assert table.watch.broken == []


@pytest.mark.timeout(600)
def test_this_host_gets_the_board_everywhere() -> None:
    """Otherwise it would be safe, too."""
    seen: set[Phase] = set()
    falls = 0
    codes: set[str] = set()
    for seed in range(12):
        table = HostileTable(seed, thrusts=True)
        table.live(DEEDS)
        seen |= table.seen
        codes |= set(table.codes)
        falls += len(table.mechanics.drops)
        if seen == set(Phase) and falls > 2 and len(codes) > 12:
            return
    raise AssertionError(f"never in {set(Phase) - seen}, {falls} falls, RESULTs {sorted(codes)}")


def deaf_to_stop(ask: Callable[..., tuple[Ask, ...]]) -> Callable[..., tuple[Ask, ...]]:
    return lambda heard: tuple(each for each in ask(heard) if not isinstance(each, Stop))


def ever_licensed(ask: Callable[..., tuple[Ask, ...]]) -> Callable[..., tuple[Ask, ...]]:
    def asks(heard: board_session.Accepted) -> tuple[Ask, ...]:
        return tuple(Beat(True, True) if isinstance(each, Beat) else each for each in ask(heard))

    return asks


def sabotage_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endpoint, "_ask", deaf_to_stop(endpoint._ask))


def sabotage_beats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endpoint, "_ask", ever_licensed(endpoint._ask))


def sabotage_dead_man(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(board_session, "DEAD_MAN_US", 1_000_000)


def sabotage_sequence(patch: pytest.MonkeyPatch) -> None:
    """Repeated frames are taken, and no memory of them is kept."""
    patch.setattr(SequenceWindow, "accept", lambda self, seq: 0)
    patch.setattr(endpoint.controller, "step", forgetful(endpoint.controller.step))


def forgetful(step: Callable[..., endpoint.controller.Step]) -> Callable[..., object]:
    def stepped(state: object, *rest: object) -> endpoint.controller.Step:
        return step(replace(state, remembered=()), *rest)  # type: ignore[type-var]

    return stepped


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("sabotage", "sentence"),
    [
        (sabotage_stop, "under STOP"),
        (sabotage_beats, "without a"),
        (sabotage_dead_man, "without a BEAT"),
        (sabotage_sequence, "without a command"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_board_that_is_not_safe_is_caught(
    sabotage: Callable[[pytest.MonkeyPatch], None], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    for seed in range(12):
        table = HostileTable(seed, thrusts=False)
        try:
            table.live(DEEDS)
        except InvariantBrokenError:
            return
        if any(sentence in broken for broken in table.watch.broken):
            return
    raise AssertionError("nobody noticed")
