"""One move of the board, as the contract looks at it: what was, what is, what was asked."""

from dataclasses import dataclass

from droptable.board.model import (
    Command,
    Inputs,
    Result,
    Stop,
    Verb,
)
from droptable.board.state import SectionState, State
from droptable.board.switches import Switch
from tests.search.board_world import (
    MS,
    Asked,
    Taken,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One section, before and after a move."""

    taken: Taken
    at: int

    @property
    def was(self) -> SectionState:
        return self.taken.before.board.sections[self.at]

    @property
    def now(self) -> SectionState:
        return self.taken.after.board.sections[self.at]

    @property
    def board(self) -> State:
        return self.taken.after.board

    @property
    def inputs(self) -> Inputs:
        return self.taken.after.inputs

    @property
    def us(self) -> int:
        return self.taken.after.now_us

    def param_us(self, key: int) -> int:
        return self.board.params.get(self.at, key) * MS

    def settled(self, switch: Switch) -> bool:
        steady = switch.burst_us is None and self.us - switch.level_since_us >= self.param_us(5)
        return switch.level and steady

    def open_for_10_ms(self, switch: Switch) -> bool:
        return not switch.raw and self.us - switch.raw_since_us >= 10 * MS

    def obeyed(self, verb: Verb) -> bool:
        """Whether the move is this COMMAND for this section, and it was taken."""
        move = self.taken.move
        if not (isinstance(move, Asked) and isinstance(move.ask, Command)):
            return False
        asked = (move.ask.verb, move.ask.section) == (verb, self.at)
        return asked and any(isinstance(a, Result) and a.code == 0 for a in self.taken.answers)

    @property
    def licensed(self) -> bool:
        return self.board.host_live and self.board.lease

    @property
    def held(self) -> bool:
        return self.licensed and (self.board.beat_hold or self.board.pedal.active)

    @property
    def stopped_now(self) -> bool:
        """Whether a STOP came with this move, whether or not one was latched before."""
        move, before = self.taken.move, self.taken.before.board
        asked = isinstance(move, Asked) and isinstance(move.ask, Stop)
        opened = self.board.estop.active and not before.estop.active
        return asked or opened or (self.board.button.active and not before.button.active)


def accepted(taken: Taken, verb: Verb) -> bool:
    move = taken.move
    if not (isinstance(move, Asked) and isinstance(move.ask, Command) and move.ask.verb == verb):
        return False
    return any(isinstance(answer, Result) and answer.code == 0 for answer in taken.answers)
