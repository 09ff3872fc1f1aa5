"""What must be true of every state of the core, whatever happened before. Pure.

Checked after every step, in production too: a state that breaks one of these is answered with STOP,
recorded, and only then raised.
"""

from droptable.core.model import Health, Phase, State


class InvariantBrokenError(Exception):
    """The core reached a state that must not exist; the table has been told to stop."""


def broken(state: State) -> tuple[str, ...]:
    """A sentence for each invariant that `state` breaks; empty in a program without bugs."""
    believed = state.link.health is Health.LIVE
    claims = {
        "a section has a phase although the board cannot be believed": (
            not believed and any(s.phase is not Phase.UNKNOWN for s in state.sections)
        ),
        "the table is known although the board cannot be believed": (
            not believed and state.table is not None
        ),
        "a control is held without a lease": state.hold is not None and state.lease is None,
        "a control is held although the board cannot be believed": (
            state.hold is not None and not believed
        ),
        "a command is awaited although the board cannot be believed": (
            bool(state.pending) and not believed
        ),
        "someone has the lease although the daemon is ending": (
            state.closing and state.lease is not None
        ),
        "events are acknowledged that were not heard": (
            state.events.committed_seq >= state.events.next_seq
        ),
    }
    return tuple(sentence for sentence, is_broken in claims.items() if is_broken)


def board_broken(state: State) -> tuple[str, ...]:
    """A sentence for each thing that the board claims and no sound board would."""
    phases = [section.phase for section in state.sections]
    claims = {
        "two sections are armed": phases.count(Phase.ARMED) > 1,
    }
    return tuple(sentence for sentence, is_broken in claims.items() if is_broken)
