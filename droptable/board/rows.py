"""The transition table of the contract as data: where a section goes, and when. Pure.

`phases.py` carries the rows out. Faults have a table of their own in `faults.py`, verbs in
`verbs.py`; here are the rows that need neither, where a verb leads, and what STOP does.
"""

from collections.abc import Callable
from dataclasses import dataclass

from droptable.board.model import Disarmed, Fault, Phase, StopSource, Verb
from droptable.board.state import SectionState, View

QUICK_FALL_US = 150_000
"""From the top to the bottom in less than this was a fall, whatever the phase called it."""

SLOW_FALL_US = 1_000_000
"""A section that nothing lowers may be this slow and has fallen all the same: twice the longest
drop_timeout_ms, so that a fall that was given up as timed out still is recorded when it ends."""

Condition = Callable[[View], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """A section in `phase` goes to `to` when `when` holds; `on` says it in words."""

    phase: Phase
    on: str
    when: Condition
    to: Phase
    disarmed: Disarmed | None = None
    """What DISARMED says of it, if it ends an arming."""
    drop: bool = False
    """A fall has ended: its DROP is recorded first."""
    fault: Fault = Fault.NONE
    """The cause, if it leads to FAULT."""


def fall_us(section: SectionState) -> int | None:
    """How long the way down took that has ended at the bottom; None when there was none.

    From the raw edge of leaving the top to that of reaching the bottom.
    """
    left_us = section.left_top_us
    if left_us is None or section.up.level or not section.down.level:
        return None
    took_us = section.down.edge_us - left_us
    return took_us if took_us >= 0 else None


def cut_short_us(section: SectionState) -> int | None:
    """How long a fall took from whose end the lift takes the section away again at once.

    In COCKING the lift is driven: what falls from the top may touch the bottom for less than the
    down switch needs to be believed. But both contacts, one after the other within 150 ms, are no
    spike. From raw edge to raw edge; None when there was no such fall.
    """
    up, down = section.up, section.down
    if section.phase is not Phase.COCKING or up.raw or not down.raw or down.level:
        return None
    touched_us = up.raw_since_us if up.raw_since_us > up.level_since_us else None
    left_us = (up.burst_us, section.left_top_us, touched_us)
    took_us = (down.raw_since_us - us for us in left_us if us is not None)
    return max((us for us in took_us if 0 <= us <= QUICK_FALL_US), default=None)


def _fell_within(limit_us: int, view: View) -> bool:
    took_us = fall_us(view.section)
    return took_us is not None and took_us <= limit_us


def _reached_the_bottom(view: View) -> bool:
    return fall_us(view.section) is not None


def _fell_quickly(view: View) -> bool:
    return _fell_within(QUICK_FALL_US, view)


def _fell_unwatched(view: View) -> bool:
    """A section that may have been at the top was not lowered; of any other the valve may be why."""
    from_the_top = view.section.came_from in _AT_THE_TOP
    return _fell_within(SLOW_FALL_US if from_the_top else QUICK_FALL_US, view)


_AT_THE_TOP = frozenset({Phase.COCKING, Phase.COCKED, Phase.ARMED, Phase.DROPPING})


def _fell_while_cocking(view: View) -> bool:
    """At the bottom again after it was left, where no lift brings it; or from the top, a fall that
    was under way when the COMMAND came, and ended with it.
    """
    section = view.section
    left_again = section.down.level and section.down.edge_us > section.entered_us
    return left_again or _fell_quickly(view) or cut_short_us(section) is not None


def _not_held(view: View) -> bool:
    return not (view.board.may_move and view.board.hold)


def _up_settled(view: View) -> bool:
    return view.section.up.closed_for(view.settle_us, view.now_us)


def _down_settled(view: View) -> bool:
    return view.section.down.closed_for(view.settle_us, view.now_us)


def _pin_settled(view: View) -> bool:
    return view.section.pin.closed_for(view.settle_us, view.now_us)


def _secured_at_the_top(view: View) -> bool:
    return view.section.up.level and not view.section.down.level and _pin_settled(view)


def _secured_at_the_bottom(view: View) -> bool:
    return view.section.down.level and not view.section.up.level and _pin_settled(view)


def _left_the_top(view: View) -> bool:
    return not view.section.up.level


def _breaks_away_while_securing(view: View) -> bool:
    return not view.section.up.level and view.section.came_from in (Phase.ARMED, Phase.COCKING)


def _session_lost(view: View) -> bool:
    return not view.board.host_live


def _lease_lost(view: View) -> bool:
    return not view.board.lease


def _window_over(view: View) -> bool:
    return view.now_us - view.section.began_us >= view.section.window_us


def _arming_is_over(view: View) -> bool:
    """The pin need not be withdrawn any longer, although the section still falls."""
    section = view.section
    return section.outputs.pin_withdrawn and (view.board.stopped or not view.board.may_move)


_FALL = "up switch opens and down closes within 150 ms"
_LOST = "hold released, lease or session lost"

ROWS: tuple[Row, ...] = (
    Row(
        Phase.COCKING,
        "down switch closes again after it was left",
        _fell_while_cocking,
        Phase.FAULT,
        drop=True,
        fault=Fault.UNCOMMANDED_DROP,
    ),
    Row(Phase.COCKING, _LOST, _not_held, Phase.HALTED),
    Row(Phase.COCKING, "up switch closed for settle_ms", _up_settled, Phase.SECURING),
    Row(
        Phase.SECURING,
        "up switch opens, and it came from ARMED or COCKING",
        _breaks_away_while_securing,
        Phase.DROPPING,
    ),
    Row(Phase.SECURING, "at the top, pin in for settle_ms", _secured_at_the_top, Phase.COCKED),
    Row(
        Phase.SECURING, "at the bottom, pin in for settle_ms", _secured_at_the_bottom, Phase.LOCKED
    ),
    Row(Phase.ARMED, "up switch opens", _left_the_top, Phase.DROPPING),
    Row(Phase.ARMED, "session lost", _session_lost, Phase.SECURING, Disarmed.SESSION_LOST),
    Row(Phase.ARMED, "lease lost", _lease_lost, Phase.SECURING, Disarmed.LEASE_LOST),
    Row(Phase.ARMED, "window over", _window_over, Phase.SECURING, Disarmed.WINDOW_OVER),
    Row(Phase.DROPPING, "down switch closes", _reached_the_bottom, Phase.DROPPED, drop=True),
    Row(Phase.DROPPING, "stop, lease or session lost", _arming_is_over, Phase.DROPPING),
    Row(Phase.DROPPED, "pin in for settle_ms", _pin_settled, Phase.LOCKED),
    Row(
        Phase.LOWERING,
        _FALL,
        _fell_quickly,
        Phase.FAULT,
        drop=True,
        fault=Fault.UNCOMMANDED_DROP,
    ),
    Row(Phase.LOWERING, _LOST, _not_held, Phase.HALTED),
    Row(Phase.LOWERING, "down switch closed for settle_ms", _down_settled, Phase.SECURING),
    Row(Phase.HALTED, _FALL, _fell_quickly, Phase.FAULT, drop=True, fault=Fault.UNCOMMANDED_DROP),
    Row(Phase.UNKNOWN, "a fall ends", _fell_unwatched, Phase.UNKNOWN, drop=True),
    Row(Phase.FAULT, "a fall ends", _fell_unwatched, Phase.FAULT, drop=True),
)
"""The first row of a section's phase that applies is taken. A row that stays in its phase changes
what made it apply: a fall is recorded once, and a pin that was let go is not withdrawn again."""

ROWS_OF: dict[Phase, tuple[Row, ...]] = {
    phase: tuple(row for row in ROWS if row.phase is phase) for phase in Phase
}

BEGINS: dict[Verb, Phase] = {
    Verb.COCK: Phase.COCKING,
    Verb.ARM: Phase.ARMED,
    Verb.LOCK: Phase.LOWERING,
    Verb.CLEAR_FAULT: Phase.UNKNOWN,
}
"""Where a verb that is allowed leads, for those that lead to one place."""

AFTER_STOP: dict[Phase, Phase] = {
    Phase.UNKNOWN: Phase.UNKNOWN,
    Phase.LOCKED: Phase.LOCKED,
    Phase.COCKING: Phase.UNKNOWN,
    Phase.COCKED: Phase.COCKED,
    Phase.ARMED: Phase.SECURING,
    Phase.DROPPING: Phase.DROPPING,
    Phase.DROPPED: Phase.DROPPED,
    Phase.LOWERING: Phase.UNKNOWN,
    Phase.HALTED: Phase.UNKNOWN,
    Phase.FAULT: Phase.FAULT,
    Phase.SECURING: Phase.SECURING,
}
"""Where STOP leaves a section; COCKED and LOCKED only while their switches agree, else UNKNOWN."""

DISARMED_BY_STOP: dict[StopSource, Disarmed] = {
    StopSource.FRAME: Disarmed.STOP,
    StopSource.ESTOP: Disarmed.ESTOP,
    StopSource.BUTTON: Disarmed.STOP,
}
