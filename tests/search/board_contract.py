"""The contract's section 4 in other words than the board's: what may follow from what, and must.

Nothing here comes from the board's tables. Each change of a phase needs a cause, each fault a
reason, each RESULT the first of the contract's reasons; what moves needs a COMMAND of that very
moment; a fall that really happened is told once, as it was, and none is told that did not happen.
"""

from droptable.board.invariants import broken
from droptable.board.model import (
    Phase,
)
from tests.board.bench import SECTIONS
from tests.search.board_world import (
    Taken,
    World,
)
from tests.search.contract_answers import of_answers
from tests.search.contract_change import Change
from tests.search.contract_events import of_events, of_falls
from tests.search.contract_faults import of_faults
from tests.search.contract_phases import of_change
from tests.search.contract_table import of_table

P = Phase


def judge(taken: Taken) -> list[str]:
    """A sentence for everything about a move that the contract does not have."""
    wrong = list(broken(taken.after.board, taken.after.now_us))
    wrong += of_table(taken)
    wrong += of_answers(taken)
    wrong += of_events(taken)
    for at in SECTIONS:
        change = Change(taken, at)
        if change.now is not change.was:
            wrong += of_change(change)
        wrong += of_faults(change)
    return wrong


def judge_with_falls(taken: Taken) -> list[str]:
    """The same of sections whose contacts say what the metal does."""
    return [*judge(taken), *of_falls(taken)]


def is_safe(world: World) -> bool:
    """Whether every section rests where somebody knows it, and nothing is driven."""
    sections = world.board.sections
    known = all(section.phase in (P.LOCKED, P.COCKED, P.HALTED) for section in sections)
    return known and not any(section.outputs.driven for section in sections)
