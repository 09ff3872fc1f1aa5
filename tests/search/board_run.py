"""Searches of the board, run once a process: what the tests look at, and what `make mutants` prints."""

from dataclasses import dataclass
from functools import cache

from tests.search.board_contract import is_safe
from tests.search.board_mutants import MUTANTS, Mutant
from tests.search.board_rooms import ROOMS, Room
from tests.search.board_world import Move, World
from tests.search.harness import Found, explore, far_from

ROOM_OF = {room.name: room for room in ROOMS}


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

    def to_rest(self) -> tuple[int, list[str]]:
        """In how many helpful moves every state leads to rest, and the ways to those that do not."""
        moves, lost = far_from(self.found, is_safe)
        return moves, ["\n  ".join(map(str, self.found.way_to(at))) for at in lost]


@cache
def everyday(name: str) -> Seen:
    """A search within the everyday budget."""
    room = ROOM_OF[name]
    return Seen(room, explore(room, room.starts, most_transitions=room.most_transitions))


def full(name: str, most_transitions: int) -> Seen:
    """A search to the end of a room, or of the patience of whoever waits for it."""
    room = ROOM_OF[name]
    return Seen(room, explore(room, room.starts, most_transitions=most_transitions))


def missed(mutants: tuple[Mutant, ...]) -> list[str]:
    """The names of those that no room catches, and of those that are said to be the same and are not."""
    return [mutant.name for mutant in mutants if bool(_catches(mutant)) is bool(mutant.same)]


def _catches(mutant: Mutant) -> bool:
    return any(mutant.caught(room, everyday(room.name).found.states) is not None for room in ROOMS)


OURS = tuple(mutant for mutant in MUTANTS if not mutant.same)
"""Those that some state of the board tells from the sound one."""
