"""What must be true of every state of the core, whatever happened before. Pure.

Checked after every step, in production too: a state that breaks one of these is answered with STOP,
recorded, and only then raised.
"""

from droptable.core.model import Control, Phase, Provision, State
from droptable.core.turn import beat_flags

PENDING_MAX = 4
"""A DISARM for each section and one other command."""


class InvariantBrokenError(Exception):
    """The core reached a state that must not exist; the table has been told to stop."""


def broken(state: State) -> tuple[str, ...]:
    """A sentence for each invariant that `state` breaks; empty in a program without bugs."""
    return _holding((*_of_belief(state), *_of_licences(state), *_of_work(state)))


def board_broken(state: State) -> tuple[str, ...]:
    """A sentence for each thing that the board claims and no sound board would."""
    phases = [section.phase for section in state.sections]
    return _holding([("two sections are armed", phases.count(Phase.ARMED) > 1)])


Claim = tuple[str, bool]


def _of_belief(state: State) -> tuple[Claim, ...]:
    lost = not state.believed
    return (
        (
            "a section has a phase although the board cannot be believed",
            lost and any(section.phase is not Phase.UNKNOWN for section in state.sections),
        ),
        (
            "the table is known although the board cannot be believed",
            lost and state.table is not None,
        ),
        (
            "the board is believed although it has not been heard",
            not lost
            and (state.table is None or state.link.board is None or state.link.status_us is None),
        ),
        (
            "a command is awaited although the board cannot be believed",
            lost and bool(state.pending or state.tension_pending),
        ),
        (
            "a parameter is awaited although the board cannot be believed",
            lost and state.params.cmd_id is not None,
        ),
        (
            "a section has a window and is not armed",
            any(
                section.armed_until_us is not None
                and section.phase not in (Phase.COCKED, Phase.ARMED)
                for section in state.sections
            ),
        ),
    )


def _of_licences(state: State) -> tuple[Claim, ...]:
    held = state.hold is not None
    stopped = state.table is not None and state.table.stopped
    return (
        ("a control is held without a lease", held and state.lease is None),
        (
            "a control is held although the board cannot be believed",
            held and not state.believed,
        ),
        ("a control is held although the link is slow", held and state.link.slow),
        ("a control is held although the table is stopped", held and stopped),
        ("a control is held at a foreign board", held and state.foreign),
        *_of_fingers(state, stopped=stopped),
        (
            "a lease is given although the board may not have lost the last one",
            state.withdrawn and (held or beat_flags(state)[0]),
        ),
        (
            "someone has the lease although the daemon is ending",
            state.closing and state.lease is not None,
        ),
    )


def _of_fingers(state: State, *, stopped: bool) -> tuple[Claim, ...]:
    hold, gesture, series = state.hold, state.gesture, state.series
    pressed, running = gesture is not None, series is not None and series.running
    return (
        (
            "a motion is held by a finger that is not there",
            hold is not None
            and hold.intent is not None
            and (gesture is None or gesture.intent != hold.intent),
        ),
        ("a finger is on a control without a lease", pressed and state.lease is None),
        (
            "a finger counts that is not the holder's",
            gesture is not None
            and state.lease is not None
            and (
                gesture.actor != state.lease.holder
                or gesture.client not in (None, state.lease.client)
            ),
        ),
        (
            "a finger is on a control although the board cannot be believed",
            pressed and not state.believed,
        ),
        ("a finger is on a control although the table is stopped", pressed and stopped),
        ("a series is held that does not run", _holds_a_series(state) and not running),
        ("a series runs without a lease", running and state.lease is None),
        ("a series runs although the board cannot be believed", running and not state.believed),
        ("a series runs although the table is stopped", running and stopped),
        (
            "a series has more drops than it is for",
            series is not None and series.done > series.drops,
        ),
        (
            "a lease is asked for that nobody has, or something goes on meanwhile",
            state.take_over is not None
            and (state.lease is None or pressed or running or hold is not None),
        ),
    )


def _holds_a_series(state: State) -> bool:
    return state.gesture is not None and state.gesture.control is Control.SERIES


def _of_work(state: State) -> tuple[Claim, ...]:
    params = state.params
    working = params.stage in (Provision.READING, Provision.WRITING)
    return (
        (
            "events are acknowledged that were not heard",
            state.events.committed_seq >= state.events.next_seq,
        ),
        ("more commands are awaited than may be", len(state.pending) > PENDING_MAX),
        (
            "a parameter is awaited that is not being read or written",
            params.cmd_id is not None and not (working and params.todo),
        ),
        (
            "parameters are proven that are not known",
            params.stage is Provision.PROVEN and not params.known,
        ),
        (
            "a foreign board's parameters are touched",
            state.foreign and params.stage is not Provision.UNPROVEN,
        ),
    )


def _holding(claims: tuple[Claim, ...] | list[Claim]) -> tuple[str, ...]:
    return tuple(sentence for sentence, holds in claims if holds)
