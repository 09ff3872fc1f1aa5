"""Acts on what went wrong, as the registry of `faults.py` says, and keeps the first cause. Pure.

What was found stands until its clearing rule is met. The first that was found comes first: what
follows from it is seldom what a person has to look for.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from droptable.core.faults import (
    BOARD_RESTARTED,
    FINDINGS,
    PHASE_NOT_KNOWN,
    TWO_ARMED,
    Action,
    Clearing,
    fault_named,
    fault_of,
)
from droptable.core.licences import end_lease
from droptable.core.limits import FINDINGS_MAX
from droptable.core.model import Phase, Standing
from droptable.core.stopping import stop
from droptable.core.turn import DAEMON, Turn
from droptable.sections import Section


def find(turn: Turn, code: str, section: Section | None = None) -> None:
    """Something is wrong: keep it and act on it, unless it stands already.

    Of a table that has as many causes as are kept no more is told, since some of them latch it: only
    latches outlast what the board says. It is still stopped, if that is what should be done.
    """
    standing = turn.state.faults
    if any((each.code, each.section) == (code, section) for each in standing):
        return
    action = fault_named(code).action
    if len(standing) >= FINDINGS_MAX:
        if action >= Action.STOP:
            _stop(turn)
        return
    found = Standing(code, section, turn.now_us)
    turn.state = replace(turn.state, faults=(*standing, found))
    turn.record("finding", section, DAEMON, {"code": code, "action": action.name.lower()})
    if action >= Action.STOP:
        _stop(turn)
    elif action is Action.DISARM and turn.state.active:
        end_lease(turn, f"fault {code}")


def end(turn: Turn, code: str) -> None:
    """Its cause is gone, and by that it is over."""
    _forget(turn, lambda each: each.code == code)


def follow_status(turn: Turn) -> None:
    """After a STATUS: find what the board says, and let go what it says no more."""
    now_said = set(_said(turn))
    if turn.state.faults:
        _forget(turn, lambda each: _is_over(each, now_said))
    for code, section in sorted(now_said, key=str):
        find(turn, code, section)


def follow_restart(turn: Turn) -> None:
    """The board restarted: that ends what only a restart ends, and is itself something to look at."""
    _forget(turn, lambda each: fault_named(each.code).clearing is Clearing.RESTART)
    turn.keep_all(replace(each, restarted=True) for each in turn.state.sections)
    find(turn, BOARD_RESTARTED)


def take_homed(turn: Turn, at: Section) -> None:
    """Somebody has looked at a section, and the board at its switches."""
    turn.keep(at, replace(turn.section(at), restarted=False))
    if not any(section.restarted for section in turn.state.sections):
        end(turn, BOARD_RESTARTED)


def take_cleared(turn: Turn, at: Section) -> None:
    """Somebody who may has cleared the fault of a section."""
    _forget(
        turn,
        lambda each: each.section is at and fault_named(each.code).clearing <= Clearing.TECHNICIAN,
    )


def _said(turn: Turn) -> Iterator[tuple[str, Section | None]]:
    armed = 0
    for at, section in zip(Section, turn.state.sections, strict=True):
        if section.phase is Phase.FAULT:
            yield fault_of(section.fault).code, at
        elif section.phase is Phase.ARMED:
            armed += 1
        if section.phase_number is not None:
            yield PHASE_NOT_KNOWN, at
    if armed > 1:
        yield TWO_ARMED, None


def _is_over(standing: Standing, now_said: set[tuple[str, Section | None]]) -> bool:
    """Whether the board's own word ends it: what it said of a section and an operator may clear."""
    easy = fault_named(standing.code).clearing <= Clearing.OPERATOR
    boards = standing.code not in FINDINGS
    return boards and easy and (standing.code, standing.section) not in now_said


def _stop(turn: Turn) -> None:
    stopped = turn.state.table is not None and turn.state.table.stopped
    if not stopped and turn.state.stop_wanted is None:
        stop(turn, DAEMON)


def _forget(turn: Turn, over: Callable[[Standing], bool]) -> None:
    left = tuple(each for each in turn.state.faults if not over(each))
    if len(left) != len(turn.state.faults):
        turn.state = replace(turn.state, faults=left)
