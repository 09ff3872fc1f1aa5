"""Each state that must not be is named; so is what no sound board would claim."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.core.invariants import PENDING_MAX, board_broken, broken
from droptable.core.model import (
    Control,
    EventLog,
    Gesture,
    Hold,
    Lease,
    Params,
    Pending,
    Phase,
    Provision,
    Role,
    Series,
    State,
    TakeOver,
    TensionPending,
    Verb,
)
from tests.core.bench import OTHER_PAGE, PAGE, TABLE, THORACIC, Bench, section, settings

Change = Callable[[State], State]
HOLD = Hold(1, THORACIC, Phase.COCKING, 0, 0)
PENDING = Pending(1, Verb.HOME, THORACIC, 0, 1)


GESTURE = Gesture(1, PAGE, "ann", Role.OPERATOR, Control.COCK, THORACIC, Phase.LOCKED, 0, 0)
SERIES = Series("s", "ann", Role.OPERATOR, THORACIC, None, drops=2, until_us=0, rested_us=0)


def fingered(**changes: object) -> Change:
    """A finger on a control, and the lease that it needs."""
    changed = {"gesture": GESTURE, "lease": Lease("ann", 0, PAGE), **changes}
    return lambda state: replace(state, **changed)


def held(**changes: object) -> Change:
    changed = {"hold": HOLD, **changes}
    return lambda state: replace(state, **changed)


def lost(**changes: object) -> Change:
    """A board that cannot be believed, and something that should not be there any more."""
    return lambda _state: replace(State(settings()), **changes)


def slow(state: State) -> State:
    return replace(state, hold=HOLD, link=replace(state.link, round_us=100_000))


def windowed(state: State) -> State:
    locked = replace(section(Phase.LOCKED), armed_until_us=5)
    return replace(state, sections=(locked, *state.sections[1:]))


CASES: dict[str, Change] = {
    "a section has a phase although": lost(sections=(section(Phase.COCKED),) * 3),
    "the table is known although": lost(table=TABLE),
    "although it has not been heard": lambda state: replace(state, table=None),
    "a command is awaited although": lost(pending=(PENDING,)),
    "command is awaited although the": lost(
        tension_pending=TensionPending(1, THORACIC, 1, 0, 1, "ann")
    ),
    "a parameter is awaited although": lost(
        params=Params(Provision.READING, todo=((0, 1),), cmd_id=1)
    ),
    "a section has a window and is not armed": windowed,
    "a control is held without a lease": held(lease=None),
    "a control is held although the board cannot": lost(hold=HOLD, lease=Lease("ann", 0)),
    "a control is held although the link is slow": slow,
    "a control is held although the table is stopped": held(table=replace(TABLE, stopped=True)),
    "a control is held at a foreign board": held(settings=settings("OTHER001")),
    "a motion is held by a finger": held(
        hold=replace(HOLD, intent=2), gesture=GESTURE, lease=Lease("ann", 0, PAGE)
    ),
    "a finger is on a control without a lease": fingered(lease=None),
    "a finger counts that is not the holder's": fingered(lease=Lease("bob", 0, PAGE)),
    "counts that is not the holder's": fingered(lease=Lease("ann", 0, OTHER_PAGE)),
    "a finger is on a control although the board": lost(gesture=GESTURE, lease=Lease("ann", 0)),
    "a finger is on a control although the table": fingered(table=replace(TABLE, stopped=True)),
    "a series is held that does not run": fingered(
        gesture=replace(GESTURE, control=Control.SERIES), series=replace(SERIES, ended="asked")
    ),
    "a series runs without a lease": lambda state: replace(state, series=SERIES, lease=None),
    "a series runs although the board": lost(series=SERIES, lease=Lease("ann", 0)),
    "a series runs although the table": lambda state: replace(
        state, series=SERIES, table=replace(TABLE, stopped=True)
    ),
    "a series has more drops": lambda state: replace(state, series=replace(SERIES, done=3)),
    "a lease is asked for that nobody has": lambda state: replace(
        state, take_over=TakeOver("bob", None, 0), lease=None
    ),
    "or something goes on meanwhile": fingered(take_over=TakeOver("bob", None, 0)),
    "a lease is given although the board may not": held(withdrawn=True),
    "although the daemon is ending": lambda state: replace(state, closing_us=1),
    "events are acknowledged that were not heard": lambda state: replace(
        state, events=EventLog(1, next_seq=3, committed_seq=3)
    ),
    "more commands are awaited than may be": lambda state: replace(
        state, pending=(PENDING,) * (PENDING_MAX + 1)
    ),
    "a parameter is awaited that is not": lambda state: replace(
        state, params=replace(state.params, cmd_id=1)
    ),
    "parameters are proven that are not known": lambda state: replace(
        state, params=replace(state.params, known=False)
    ),
    "a foreign board's parameters are touched": lambda state: replace(
        state, settings=settings("OTHER001")
    ),
}


@pytest.mark.parametrize(("sentence", "change"), CASES.items(), ids=CASES)
def test_a_state_that_must_not_be_is_named(sentence: str, change: Change) -> None:
    sound = Bench().ready().state
    assert broken(sound) == ()
    assert any(sentence in found for found in broken(change(sound)))


def test_the_first_state_is_sound() -> None:
    assert broken(State(settings())) == ()


@pytest.mark.parametrize("armed", range(4))
def test_no_sound_board_has_two_sections_armed(armed: int) -> None:
    state = Bench().ready().state
    phases = [Phase.ARMED] * armed + [Phase.COCKED] * (3 - armed)
    state = replace(state, sections=tuple(map(section, phases)))
    assert bool(board_broken(state)) == (armed > 1)
