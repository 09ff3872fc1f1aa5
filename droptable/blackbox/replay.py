"""Plays recordings again: the same inputs through the core's own `step` must give the same effects.

It changes no table: nobody carries out what a replayed step asks for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from droptable.blackbox.codec import text_of
from droptable.blackbox.recording import Codecs, Head, Lost, Outcome, Step, done_text, read
from droptable.blackbox.ring import segments_in
from droptable.core.model import State
from droptable.core.step import step
from droptable.errors import DroptableError

STATE = "the state at the beginning of the next segment"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that came out otherwise. `step` counts from the start of the daemon."""

    step: int
    now_us: int
    event: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one segment. `problem`: why it could not be played, or not to its end."""

    file: str
    steps: int = 0
    run: str = ""
    utc: str = ""
    began_us: int = 0
    lasted_us: int = 0
    lost: Lost | None = None
    difference: Difference | None = None
    problem: DroptableError | None = None

    @property
    def same(self) -> bool:
        """Whether all that was played came out as it did then; a torn end is no difference."""
        damaged = self.lost is not None and not self.lost.torn
        return self.difference is None and self.problem is None and not damaged


def replay(place: Path, codecs: Codecs) -> Iterator[Replayed]:
    """Play a segment, or all in a folder in order. OSError when there is nothing to be read.

    Where one segment goes on where the one before ended, its first state must be what that led to.
    """
    end: tuple[str, int, str] | None = None
    for path in segments_in(place) if place.is_dir() else [place]:
        replayed, end = _replay_segment(path, codecs, end)
        yield replayed


def _replay_segment(
    path: Path, codecs: Codecs, end: tuple[str, int, str] | None
) -> tuple[Replayed, tuple[str, int, str] | None]:
    try:
        head, steps, lost = read(codecs, path.read_bytes())
    except DroptableError as error:
        return Replayed(path.name, problem=error), None
    play = _Play(codecs, head)
    problem: DroptableError | None = None
    try:
        if end is not None:
            play.compare_beginning(*end)
        play.take(steps)
    except DroptableError as error:
        problem = error
    replayed = Replayed(
        path.name,
        play.taken,
        head.run,
        head.utc,
        head.now_us,
        play.now_us - head.now_us,
        lost,
        play.difference,
        problem,
    )
    if not replayed.same:
        return replayed, None
    return replayed, (head.run, head.step + play.taken, play.state_text())


class _Play:
    """One segment under way, up to its end or to the first difference."""

    def __init__(self, codecs: Codecs, head: Head) -> None:
        self.taken = 0
        self.now_us = head.now_us
        self.difference: Difference | None = None
        self._codecs = codecs
        self._head = head
        self._state = head.state

    def compare_beginning(self, run: str, at_step: int, led_to: str) -> None:
        """The segment begins with what the one before led to, if nothing is between them."""
        head, began = self._head, self.state_text()
        if (run, at_step) == (head.run, head.step) and led_to != began:
            self.difference = Difference(head.step, head.now_us, STATE, began, led_to)

    def take(self, steps: Iterator[Step]) -> None:
        """Take each step and compare what it gives."""
        if self.difference is not None:
            return
        for one in steps:
            got = done_text(self._codecs, self._outcome(one))
            if got != one.done:
                number = self._head.step + self.taken
                self.difference = Difference(number, one.now_us, repr(one.event), one.done, got)
                return
            self.taken += 1
            self.now_us = one.now_us

    def state_text(self) -> str:
        """The state so far, as it is written."""
        return text_of(self._codecs.state.write(self._state))

    def _outcome(self, one: Step) -> Outcome:
        state: State
        try:
            state, effects = step(self._state, one.event, one.now_us)
        except Exception as error:  # noqa: BLE001 - a step that failed then must fail now
            return error
        self._state = state
        return effects
