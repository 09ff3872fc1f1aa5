"""Each fault and what must hold where it is raised; and what must have been raised by now."""

from collections.abc import Callable, Iterator

from droptable.board.model import (
    TABLE,
    Fault,
    Kind,
    Phase,
    Verb,
)
from droptable.board.state import SectionState
from tests.board.bench import TENSION_DN, TOLERANCE_DN
from tests.search.board_world import (
    AIR_MIN_KPA,
    LOAD_MAX_DN,
    MS,
    SUPPLY_MIN_MV,
)
from tests.search.contract_change import Change
from tests.search.contract_phases import ALLOWED

P = Phase


def _drop_told(change: Change) -> bool:
    return any(e.kind is Kind.DROP and e.section == change.at for e in change.taken.events)


def _sets_out(change: Change) -> bool:
    return change.obeyed(Verb.COCK) or change.obeyed(Verb.LOCK)


def _outside(change: Change, *phases: Phase) -> bool:
    """Whether the section was, or with this move first came, to some other phase than these."""
    before = change.was.phase
    led = [to for (source, to), cause in ALLOWED.items() if source is before and cause(change)]
    return any(phase not in (*phases, P.FAULT) for phase in (before, *led))


def _lasted(change: Change, *keys: int) -> bool:
    return change.us - change.was.entered_us >= sum(map(change.param_us, keys))


def _both_closed(change: Change) -> bool:
    return change.now.up.raw and change.now.down.raw


def _tension_off(change: Change) -> bool:
    return abs(change.inputs.sections[change.at].tension_steps - TENSION_DN) > TOLERANCE_DN


def _load_over(change: Change) -> bool:
    raw = change.inputs.sections[change.at].load_raw
    return raw is not None and raw > LOAD_MAX_DN


def _cell_dead(change: Change) -> bool:
    sensed = change.inputs.sections[change.at]
    return sensed.load_raw is None or change.us - sensed.load_us >= 200 * MS


def _never(_change: Change, _was: SectionState) -> bool:
    return False


REASONS: dict[Fault, Callable[[Change, SectionState], bool]] = {
    Fault.NONE: _never,
    Fault.COCK_TIMEOUT: lambda c, was: was.phase is P.COCKING and _lasted(c, 1),
    Fault.LOWER_TIMEOUT: lambda c, was: was.phase is P.LOWERING and _lasted(c, 2),
    Fault.DROP_TIMEOUT: lambda c, was: was.phase is P.DROPPING and _lasted(c, 3),
    Fault.PIN_STUCK_IN: lambda c, was: (
        was.outputs.pin_withdrawn and was.pin.level and c.now.pin.raw and _lasted(c, 4)
    ),
    Fault.PIN_STUCK_OUT: lambda c, was: (
        (was.phase in (P.SECURING, P.DROPPED) and _lasted(c, 4, 5) and not c.settled(c.now.pin))
        or (was.phase in (P.SECURING, P.DROPPED) and c.now.up.level is c.now.down.level)
        or (was.phase in (P.COCKED, P.LOCKED) and c.open_for_10_ms(c.now.pin))
    ),
    Fault.SWITCHES_IMPLAUSIBLE: lambda c, _: _both_closed(c),
    Fault.UNCOMMANDED_DROP: lambda c, was: (
        (was.phase is P.COCKED and c.open_for_10_ms(c.now.up))
        or (_drop_told(c) and (was.phase in (P.COCKING, P.LOWERING, P.HALTED) or _sets_out(c)))
    ),
    Fault.MOVED_WITHOUT_COMMAND: lambda c, was: (
        was.phase is P.LOCKED and c.open_for_10_ms(c.now.down)
    ),
    Fault.LOAD_CELL: lambda c, _: _outside(c, P.UNKNOWN) and _cell_dead(c),
    Fault.OVERLOAD: lambda c, _: _outside(c, P.ARMED, P.DROPPING) and _load_over(c),
    Fault.SUPPLY: lambda c, was: was.outputs.driven and c.inputs.supply_mv < SUPPLY_MIN_MV,
    Fault.AIR: lambda c, was: was.outputs.lift and c.inputs.air_kpa < AIR_MIN_KPA,
    Fault.TENSION: lambda c, _: _outside(c, P.COCKING, P.DROPPING) and _tension_off(c),
    Fault.DUTY: lambda c, was: (
        was.outputs.driven and c.us - was.began_us >= c.board.params.get(TABLE, 18) * MS
    ),
    Fault.SELF_TEST: _never,
    Fault.PARAMS: _never,
}


def of_faults(change: Change) -> Iterator[str]:
    """What is wrong with a fault that was raised, or with one that was not."""
    was, now = change.was, change.now
    raised = now.phase is P.FAULT and was.phase is not P.FAULT
    if raised and not REASONS[now.fault](change, was):
        yield f"{now.fault.name} without a reason in {was.phase.name}"
    cleared = change.obeyed(Verb.CLEAR_FAULT)
    if now.phase is was.phase is P.FAULT and now.fault is not was.fault and not cleared:
        yield "the first cause of a fault is gone"
    since = {
        name: change.us - max(since_us, now.entered_us)
        for name, since_us in change.taken.after.bad_us
    }
    if now.phase is not P.FAULT:
        yield from (
            sentence for name, sentence, due in DUE if name in since and due(change, since[name])
        )


def _cell_is_due(change: Change, for_us: int) -> bool:
    raw = change.inputs.sections[change.at].load_raw
    return change.now.phase is not P.UNKNOWN and raw is None and for_us >= 200 * MS


def _overload_is_due(change: Change, for_us: int) -> bool:
    for_us = min(for_us, change.us - change.now.excused_until_us)
    excused = change.now.phase in (P.UNKNOWN, P.ARMED, P.DROPPING)
    return _load_over(change) and not excused and for_us >= 50 * MS


def _air_is_due(change: Change, for_us: int) -> bool:
    lifted_us = change.us - change.now.pin.level_since_us
    return change.now.outputs.lift and min(for_us, lifted_us) >= 100 * MS


def _tension_is_due(change: Change, for_us: int) -> bool:
    late = change.us - change.now.tension_written_us >= 5_000 * MS
    excused = change.now.phase in (P.COCKING, P.DROPPING)
    in_arming = change.now.phase is P.ARMED and for_us >= 200 * MS
    return _tension_off(change) and (in_arming or (late and not excused))


DUE: tuple[tuple[str, str, Callable[[Change, int], bool]], ...] = (
    ("load_raw", "a cell that says nothing for 200 ms is no fault", _cell_is_due),
    ("load_raw", "an overload of 50 ms is no fault", _overload_is_due),
    (
        "load_us",
        "a cell that was silent for 200 ms is no fault",
        lambda change, _: change.now.phase is not P.UNKNOWN and _cell_dead(change),
    ),
    (
        "supply_mv",
        "a low supply of 100 ms is no fault while something is driven",
        lambda change, for_us: change.now.outputs.driven and for_us >= 100 * MS,
    ),
    ("air_kpa", "low air of 100 ms is no fault while the lift is driven", _air_is_due),
    ("tension_steps", "a tension that is off is no fault in time", _tension_is_due),
)
"""What is off, for how long in this phase, and what should have been a fault by then."""
