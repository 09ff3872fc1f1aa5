"""Searches of the core, run once a process: what the tests look at, and what `make mutants` prints."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.search.core_mutants import MUTANTS, UNCHECKED, Mutant, Unchecked
from tests.search.core_rooms import ROOMS, Move, Room
from tests.search.core_world import World, home
from tests.search.harness import Found, explore

ROOM_OF = {room.name: room for room in ROOMS}
SPOILT = "what stands against it"
EVERY = 40
"""From one of so many states people of good will set out, in `make mutants`."""


@dataclass(frozen=True)
class Seen:
    """A room and what a search of it found."""

    room: Room
    found: Found[World, Move]

    @property
    def row(self) -> str:
        """Its line in docs/verification.md."""
        found = self.found
        whole = "whole" if found.complete else "bounded"
        return (
            f"| {self.room.name} | {len(found.states):,} | {found.transitions:,} |"
            f" {found.depth} | {whole} |"
        )

    def homeless(self, every: int) -> Iterator[str]:
        """The ways to states from which good will does not lead to a usable table."""
        for at in range(0, len(self.found.states), every):
            _, wrong = home(self.found.states[at])
            if wrong:
                yield "\n  ".join((*wrong, *map(str, self.found.way_to(at))))


@cache
def everyday(name: str) -> Seen:
    """A search within the everyday budget."""
    room = ROOM_OF[name]
    return Seen(room, explore(room, room.starts(), most_transitions=room.most_transitions))


def full(name: str, most_transitions: int) -> Seen:
    """A search to the end of a room, or of the patience of whoever waits for it."""
    room = ROOM_OF[name]
    return Seen(room, explore(room, room.starts(), most_transitions=most_transitions))


def missed(mutants: tuple[Mutant, ...]) -> list[str]:
    """The names of those that their room does not catch, or that are said to be the same and are not."""
    return [mutant.name for mutant in mutants if _catches(mutant) is bool(mutant.same)]


def _catches(mutant: Mutant) -> bool:
    seen = everyday(mutant.room)
    return mutant.caught(seen.room, seen.found.states) is not None


def unnoticed(unchecked: tuple[Unchecked, ...] = UNCHECKED) -> list[str]:
    """The names of the checks whose absence no state tells."""
    states = everyday(SPOILT).found.states
    return [each.name for each in unchecked if not each.caught(states)]


OURS = tuple(mutant for mutant in MUTANTS if not mutant.same)
"""Those that some step tells from the sound core."""


def report(most_transitions: int) -> int:
    """Print what a search of every room finds, and the mutants; how much of it is wrong."""
    wrong = 0
    print("| core: world | states | transitions | depth | |\n| --- | --- | --- | --- | --- |")
    for room in ROOMS:
        seen = full(room.name, most_transitions)
        print(seen.row, flush=True)
        homeless = list(seen.homeless(EVERY))
        wrong += len(seen.found.findings) + len(homeless)
        for each in (*seen.found.findings, *homeless):
            print(each)
    survivors = [*missed(MUTANTS), *unnoticed()]
    print(f"{len(MUTANTS)} mistakes, {len(UNCHECKED)} checks left out")
    for name in survivors:
        print(f"not caught, or not the same: {name}")
    return wrong + len(survivors)
