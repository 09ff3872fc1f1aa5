"""From which phase to which, and by what cause; nothing here comes from the board's own tables."""

from collections.abc import Callable, Iterator

from droptable.board.model import (
    Fault,
    Phase,
    Verb,
)
from tests.search.board_world import (
    MS,
)
from tests.search.contract_change import Change

P = Phase


def _agrees(change: Change) -> bool:
    """Whether the switches say what COCKED or LOCKED claims."""
    end, other = change.now.up, change.now.down
    if change.was.phase is P.LOCKED:
        end, other = other, end
    closed = all((end.raw, end.level, change.now.pin.raw, change.now.pin.level))
    return closed and not other.raw and not other.level


def _arming_ends(change: Change) -> bool:
    over = change.us >= change.was.began_us + change.was.window_us
    return over or change.obeyed(Verb.DISARM) or not change.licensed or change.board.stopped


def _breaks_away(change: Change) -> bool:
    came = change.was.came_from if change.was.phase is P.SECURING else change.was.phase
    return not change.now.up.level and came in (P.ARMED, P.COCKING)


def _homes(change: Change, up: bool, down: bool, pin: bool) -> bool:
    three = (change.now.up, change.now.down, change.now.pin)
    levels = tuple(switch.level for switch in three)
    steady = all(
        switch.burst_us is None and change.us - switch.level_since_us >= change.param_us(5)
        for switch in three
    )
    return change.obeyed(Verb.HOME) and steady and levels == (up, down, pin)


def _fails(change: Change) -> bool:
    return change.now.fault is not Fault.NONE


def _stops(change: Change) -> bool:
    return change.board.stopped and change.stopped_now


ALLOWED: dict[tuple[Phase, Phase], Callable[[Change], bool]] = {
    (P.UNKNOWN, P.LOCKED): lambda c: _homes(c, up=False, down=True, pin=True),
    (P.UNKNOWN, P.COCKED): lambda c: _homes(c, up=True, down=False, pin=True),
    (P.UNKNOWN, P.HALTED): lambda c: _homes(c, up=False, down=False, pin=False),
    (P.LOCKED, P.COCKING): lambda c: c.obeyed(Verb.COCK),
    (P.HALTED, P.COCKING): lambda c: c.obeyed(Verb.COCK),
    (P.COCKING, P.SECURING): lambda c: c.settled(c.now.up),
    (P.COCKING, P.HALTED): lambda c: not c.held,
    (P.SECURING, P.COCKED): lambda c: (
        c.settled(c.now.pin) and c.now.up.level and not c.now.down.level
    ),
    (P.SECURING, P.LOCKED): lambda c: (
        c.settled(c.now.pin) and c.now.down.level and not c.now.up.level
    ),
    (P.SECURING, P.DROPPING): _breaks_away,
    (P.COCKED, P.ARMED): lambda c: c.obeyed(Verb.ARM),
    (P.ARMED, P.SECURING): _arming_ends,
    (P.ARMED, P.DROPPING): lambda c: not c.now.up.level,
    (P.DROPPING, P.DROPPED): lambda c: c.now.down.level and not c.now.up.level,
    (P.DROPPED, P.LOCKED): lambda c: c.settled(c.now.pin),
    (P.COCKED, P.LOWERING): lambda c: c.obeyed(Verb.LOCK),
    (P.HALTED, P.LOWERING): lambda c: c.obeyed(Verb.LOCK),
    (P.LOWERING, P.SECURING): lambda c: c.settled(c.now.down),
    (P.LOWERING, P.HALTED): lambda c: not c.held,
    (P.FAULT, P.UNKNOWN): lambda c: c.obeyed(Verb.CLEAR_FAULT),
    (P.COCKING, P.UNKNOWN): _stops,
    (P.LOWERING, P.UNKNOWN): _stops,
    (P.HALTED, P.UNKNOWN): _stops,
    (P.COCKED, P.UNKNOWN): lambda c: _stops(c) and not _agrees(c),
    (P.LOCKED, P.UNKNOWN): lambda c: _stops(c) and not _agrees(c),
    **{(phase, P.FAULT): _fails for phase in Phase if phase is not P.FAULT},
}
"""From, to, and the cause without which it must not happen. What is not here never happens."""

STOPPED_AT_ONCE: dict[Phase, frozenset[Phase]] = {
    P.UNKNOWN: frozenset({P.UNKNOWN}),
    P.LOCKED: frozenset({P.LOCKED, P.UNKNOWN}),
    P.COCKING: frozenset({P.UNKNOWN}),
    P.COCKED: frozenset({P.COCKED, P.UNKNOWN}),
    P.ARMED: frozenset({P.SECURING, P.COCKED, P.DROPPING, P.DROPPED}),
    P.DROPPING: frozenset({P.DROPPING, P.DROPPED}),
    P.DROPPED: frozenset({P.DROPPED, P.LOCKED}),
    P.LOWERING: frozenset({P.UNKNOWN}),
    P.HALTED: frozenset({P.UNKNOWN}),
    P.FAULT: frozenset({P.FAULT}),
    P.SECURING: frozenset({P.SECURING, P.COCKED, P.LOCKED, P.DROPPING, P.DROPPED}),
}
"""Where a STOP may leave each phase, faults aside."""


def of_change(change: Change) -> Iterator[str]:
    was, now = change.was, change.now
    if was.phase is not now.phase and not _may_lead(change, was.phase, frozenset()):
        yield f"{was.phase.name} became {now.phase.name} without a cause"
    if now.outputs.pin_withdrawn and not was.outputs.pin_withdrawn:
        begun = (Verb.COCK, Verb.ARM, Verb.LOCK)
        if not any(change.obeyed(verb) for verb in begun):
            yield "a pin is withdrawn and nobody commanded it"
    if change.obeyed(Verb.ARM) and now.phase is P.ARMED:
        asked_us = change.taken.move.ask.arg * MS
        if (now.began_us, now.window_us) != (change.us, asked_us):
            yield "an arming lasts otherwise than it was asked for"
    if change.stopped_now and now.phase is not P.FAULT:
        yield from _of_stop(change)


def _of_stop(change: Change) -> Iterator[str]:
    was, now = change.was, change.now
    if now.phase not in STOPPED_AT_ONCE[was.phase]:
        yield f"a stop left {was.phase.name} in {now.phase.name}"
    if was.phase in (P.COCKED, P.LOCKED) and (now.phase is was.phase) != _agrees(change):
        yield f"a stop judged {was.phase.name} otherwise than its switches"


def _may_lead(change: Change, phase: Phase, seen: frozenset[Phase]) -> bool:
    """Whether a chain of allowed changes, each with its cause, leads from `phase` to what is now."""
    if phase is change.now.phase:
        return True
    return any(
        _may_lead(change, to, seen | {phase})
        for (source, to), cause in ALLOWED.items()
        if source is phase and to not in seen and cause(change)
    )
