"""What holds wherever a board is led: outputs, events, wake times."""

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given, settings

from droptable.board.invariants import broken
from droptable.board.model import (
    Answer,
    Ask,
    Beat,
    Command,
    Kind,
    Opened,
    ParamSet,
    Phase,
    Status,
    Stop,
    Verb,
)
from tests.board.bench import MS, SECTIONS, Bench
from tests.board.plant import Plant
from tests.board.walks import GAPS_US, HANDS, LONG, PHASES, WALKS, Move, walk

DRIVING = {Phase.COCKING, Phase.LOWERING, Phase.ARMED, Phase.DROPPING}
BEGUN_BY = {Phase.COCKING: Verb.COCK, Phase.ARMED: Verb.ARM, Phase.LOWERING: Verb.LOCK}


class WatchedBench(Bench):
    """A bench that looks at every step of its board."""

    def tick(self, *asks: Ask) -> list[Answer]:
        before = [section.phase for section in self.state.sections]
        kept = self.state.events
        answers = super().tick(*asks)
        assert broken(self.state, self.now_us) == ()
        self._outputs_are_safe()
        self._nothing_begins_by_itself(before, asks)
        self._events_are_gapless(kept.next_seq)
        statuses = [answer for answer in answers if isinstance(answer, Status)]
        assert len(statuses) <= 1
        return answers

    def _outputs_are_safe(self) -> None:
        state = self.state
        assert sum(section.outputs.pin_withdrawn for section in state.sections) <= 1
        for at in SECTIONS:
            section, shown = state.sections[at], self.contacts[at]
            lift, pin, valve = (
                section.outputs.lift,
                section.outputs.pin_withdrawn,
                section.outputs.lowering,
            )
            assert not (lift and valve)
            assert not (lift and section.phase is not Phase.COCKING)
            assert not (valve and section.phase is not Phase.LOWERING)
            assert not ((lift or valve) and shown.pin), "the pin is in"
            assert not ((lift or valve) and not pin)
            if section.outputs.driven:
                assert section.phase in DRIVING
                assert state.host_live
                assert state.lease
                assert not state.stopped
                assert not self.lines.get("estop_open")
                assert not self.lines.get("stop_button")
            if lift or valve:
                assert state.hold

    def _nothing_begins_by_itself(self, before: list[Phase], asks: Iterable[Ask]) -> None:
        asked = {(ask.section, ask.verb) for ask in asks if isinstance(ask, Command)}
        for at in SECTIONS:
            now = self.phase(at)
            if now in BEGUN_BY and now is not before[at]:
                assert (at, BEGUN_BY[now]) in asked

    def _events_are_gapless(self, next_seq: int) -> None:
        events = self.state.events
        assert events.next_seq >= next_seq
        seqs = [event.event_seq for event in events.kept]
        assert seqs == list(range(events.first_seq, events.next_seq))
        assert all(event.board_us <= self.now_us for event in events.kept)


@settings(max_examples=150)
@given(PHASES, WALKS)
def test_wherever_it_is_led_a_board_is_safe(phase: Phase, moves: list[Move]) -> None:
    walk(WatchedBench().to(phase), moves)


@settings(max_examples=12)
@given(PHASES, WALKS)
def test_a_board_that_is_called_when_it_wakes_does_what_one_called_every_ms_does(
    phase: Phase, moves: list[Move]
) -> None:
    seldom, often = Bench().to(phase), Bench().to(phase)
    often.every_us = MS
    first, second = walk(seldom, moves), walk(often, moves)
    assert [answer for answer in first if not isinstance(answer, Status)] == [
        answer for answer in second if not isinstance(answer, Status)
    ]
    assert first == second
    assert seldom.law == often.law


@settings(max_examples=40)
@given(PHASES, WALKS)
def test_a_board_is_a_function_of_what_it_is_given(phase: Phase, moves: list[Move]) -> None:
    first, second = Bench().to(phase), Bench().to(phase)
    assert walk(first, moves) == walk(second, moves)
    assert first.state == second.state
    assert hash(first.state) == hash(second.state)


@settings(max_examples=40)
@given(PHASES, WALKS)
def test_after_a_stop_nothing_moves_until_it_is_reset(phase: Phase, moves: list[Move]) -> None:
    bench = Bench().to(phase)
    bench.tick(Stop(1, answer=True))
    for move in moves:
        bench.wait(move.gap_us)
        move.does(bench)
        if Kind.STOP_RESET in bench.told() or not bench.state.stopped:
            return
        assert bench.all_off
        assert bench.state.stopped


@settings(max_examples=40)
@given(PHASES, WALKS)
def test_a_repeated_ask_changes_nothing(phase: Phase, moves: list[Move]) -> None:
    bench = RepeatingBench().to(phase)
    walk(bench, moves)


class RepeatingBench(Bench):
    """Each COMMAND and PARAM_SET comes a second time in the same read."""

    def tick(self, *asks: Ask) -> list[Answer]:
        answers = super().tick(*asks)
        for ask in asks:
            if isinstance(ask, Command | ParamSet) and self.state.host_live:
                before = self.law
                super().tick(ask)
                assert self.law == before
        return answers


@pytest.mark.parametrize("seed", range(5))
def test_a_long_walk_is_safe_and_reaches_every_phase(seed: int) -> None:
    dice = Random(seed)
    bench = WatchedBench().to(Phase.LOCKED)
    seen = set()
    for _ in range(1000):
        move = dice.choice(LONG)
        bench.wait(dice.choice(GAPS_US[:9]))
        move(bench)
        bench.ack()
        seen |= {bench.phase(at) for at in SECTIONS}
    assert seen == set(Phase)


@pytest.mark.parametrize("seed", range(5))
def test_no_drop_is_lost_and_none_is_invented(seed: int) -> None:
    """A host, a hand and a stop button at random over sections that really fall."""
    dice = Random(seed)
    plant = Plant()
    plant.open()
    for _ in range(800):
        plant.live(dice.choice((1, 3, 8, 20, 45, 90)))
        dice.choice(HANDS)(plant)
        plant.ack()
    plant.live(300)
    assert len(plant.falls) > 5
    told = sorted((section, up_us + fall_us, up_us) for _, section, up_us, fall_us in plant.drops)
    true = sorted((fall.section, fall.left_us + fall.took_us, fall.left_us) for fall in plant.falls)
    assert [drop[:2] for drop in told] == [fall[:2] for fall in true]
    # A top that was touched for less than the debounce time was left at the last edge of its bounce.
    assert all(drop[2] - fall[2] in (0, 2 * MS) for drop, fall in zip(told, true, strict=True))


def test_opening_again_and_again_moves_nothing() -> None:
    bench = WatchedBench().to(Phase.COCKED)
    for _ in range(50):
        bench.tick(Opened(), Beat(True, True))
        bench.wait(MS)
    assert bench.phase() is Phase.COCKED
