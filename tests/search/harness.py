"""Breadth-first search over a machine that is only a function of its state: every state, once.

A machine says what may happen in a state (`moves`), what follows (`take`, with a sentence for
everything that is wrong about it) and which states are one (`key`). The states that are kept are
real ones, reached by real moves: the key only decides that a state need not be looked at again.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

S = TypeVar("S")
M = TypeVar("M")


class Machine(Protocol[S, M]):
    """What can be searched. A move is printed when something went wrong on its way."""

    def moves(self, state: S) -> Iterable[M]: ...

    def take(self, state: S, move: M) -> tuple[S, Sequence[str]]: ...

    def key(self, state: S) -> Hashable: ...

    def helps(self, move: M) -> bool:
        """Whether a sound plant and a host of good will would make this move."""
        ...


@dataclass(frozen=True)
class Finding(Generic[M]):
    """Something wrong, and the shortest way there from a start."""

    sentence: str
    way: tuple[M, ...]

    def __str__(self) -> str:
        return "\n  ".join((self.sentence, *map(str, self.way)))


@dataclass
class Found(Generic[S, M]):
    """What a search has seen."""

    states: list[S] = field(default_factory=list)
    transitions: int = 0
    depth: int = 0
    complete: bool = True
    """Nothing was left out for want of room."""
    findings: list[Finding[M]] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    reached_by: list[M | None] = field(default_factory=list)
    helped: list[list[int]] = field(default_factory=list)
    """For each state those from which a helpful move leads to it."""

    def way_to(self, at: int) -> tuple[M, ...]:
        """The moves that led to a state."""
        way: list[M] = []
        while (move := self.reached_by[at]) is not None:
            way.append(move)
            at = self.parents[at]
        return tuple(reversed(way))

    def __str__(self) -> str:
        whole = "all of it" if self.complete else "as far as the budget goes"
        return (
            f"{len(self.states)} states, {self.transitions} transitions,"
            f" depth {self.depth}, {whole}"
        )


def explore(
    machine: Machine[S, M],
    starts: Iterable[S],
    *,
    most_transitions: int | None = None,
    most_findings: int = 1,
) -> Found[S, M]:
    """Every state that `starts` lead to, the nearest first, until the budget is used up."""
    found: Found[S, M] = Found()
    known: dict[Hashable, int] = {}
    depths: list[int] = []

    def place_of(state: S, parent: int, move: M | None, depth: int) -> int:
        key = machine.key(state)
        at = known.setdefault(key, len(found.states))
        if at == len(found.states):
            found.states.append(state)
            found.parents.append(parent)
            found.reached_by.append(move)
            found.helped.append([])
            depths.append(depth)
        return at

    for start in starts:
        place_of(start, -1, None, 0)
    at = 0
    while at < len(found.states):
        state = found.states[at]
        found.depth = depths[at]
        for move in machine.moves(state):
            if found.transitions == most_transitions:
                found.complete = False
                return found
            after, wrong = machine.take(state, move)
            found.transitions += 1
            if wrong:
                way = (*found.way_to(at), move)
                found.findings += (Finding(sentence, way) for sentence in wrong)
                if len(found.findings) >= most_findings:
                    found.complete = False
                    return found
                continue
            to = place_of(after, at, move, depths[at] + 1)
            if machine.helps(move):
                found.helped[to].append(at)
        at += 1
    return found


def far_from(found: Found[S, M], good: Callable[[S], bool]) -> tuple[int, list[int]]:
    """How many helpful moves it takes at most to a good state, and the states without such a way."""
    ring = [at for at, state in enumerate(found.states) if good(state)]
    seen = set(ring)
    steps = 0
    while ring:
        ring = [near for at in ring for near in found.helped[at]]
        ring = [near for near in dict.fromkeys(ring) if near not in seen]
        seen.update(ring)
        steps += bool(ring)
    return steps, [at for at in range(len(found.states)) if at not in seen]
