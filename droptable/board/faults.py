"""When a section is in FAULT, and when the cause of a fault is gone: one table. Pure.

Each rule is a condition that must hold without a break for some time. The conditions look at raw
contacts where the contract says milliseconds, since debouncing would hide what they watch for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from droptable.board import params as p
from droptable.board.model import TABLE, Fault, Feature, Phase
from droptable.board.state import View

_BLINK_US = 10_000
"""How long a contact must be wrong without a break: longer than any bounce that was measured."""

_CELL_SILENT_US = 200_000
_TENSION_DRIVE_US = 5_000_000
"""How long the actuator may take to its new place, end to end."""

Condition = Callable[[View], bool]


@dataclass(frozen=True, slots=True)
class FaultRule:
    """`fault` is raised once `when` has held for `held_us` in a phase that is not in `not_in`."""

    fault: Fault
    when: Condition
    held_us: Callable[[View], int]
    not_in: frozenset[Phase] = frozenset()


def _for_us(duration_us: int) -> Callable[[View], int]:
    return lambda _: duration_us


def _for_param(key_ms: int) -> Callable[[View], int]:
    return lambda view: view.param_us(key_ms)


def _in(*phases: Phase) -> Condition:
    chosen = frozenset(phases)
    return lambda view: view.section.phase in chosen


def _pin_driven_but_in(view: View) -> bool:
    pin = view.section.pin
    return view.section.outputs.pin_withdrawn and pin.raw and pin.level


def _pin_lost(view: View) -> bool:
    return view.section.phase in (Phase.COCKED, Phase.LOCKED) and not view.section.pin.raw


def _both_ends(view: View) -> bool:
    return view.section.up.raw and view.section.down.raw


def _left_the_top(view: View) -> bool:
    return view.section.phase is Phase.COCKED and not view.section.up.raw


def _left_the_bottom(view: View) -> bool:
    return view.section.phase is Phase.LOCKED and not view.section.down.raw


def _cell_calibrated(view: View) -> bool:
    stored = view.board.params.stored
    return (
        Feature.LOAD_CELLS in view.board.features
        and stored(view.number, p.LOAD_ZERO_RAW) is not None
        and stored(view.number, p.LOAD_SPAN_UN) is not None
    )


def cell_invalid(view: View) -> bool:
    """The load cell's converter says that its value is none, or cannot be asked."""
    return view.sensed.load_raw is None and _cell_calibrated(view)


def cell_silent(view: View) -> bool:
    """The load cell has given no new sample for too long."""
    return view.now_us - view.sensed.load_us >= _CELL_SILENT_US and _cell_calibrated(view)


def _overload(view: View) -> bool:
    return (
        Feature.LOAD_CELLS in view.board.features
        and view.now_us >= view.section.excused_until_us
        and view.load_dn > view.param(p.LOAD_MAX_DN)
    )


def _supply_sags(view: View) -> bool:
    return view.section.outputs.driven and view.supply_low


def _air_sags(view: View) -> bool:
    return view.section.outputs.lift and view.air_low


def tension_off(view: View) -> bool:
    """The measured tension differs from the set one by more than the tolerance."""
    if Feature.TENSION_DRIVE not in view.board.features:
        return False
    if view.board.params.stored(view.number, p.TENSION_SET_DN) is None:
        return False
    difference_dn = view.tension_dn - view.param(p.TENSION_SET_DN)
    return abs(difference_dn) > view.param(p.TENSION_TOLERANCE_DN)


def _tension_slips(view: View) -> bool:
    return view.section.phase is Phase.ARMED and tension_off(view)


def _tension_not_reached(view: View) -> bool:
    since_us = view.now_us - view.section.tension_written_us
    return since_us >= _TENSION_DRIVE_US and tension_off(view)


def _driven(view: View) -> bool:
    return view.section.outputs.driven


_UNKNOWN = frozenset({Phase.UNKNOWN})
_THRUST = frozenset({Phase.ARMED, Phase.DROPPING})
_LOADED_SPRING = frozenset({Phase.COCKING, Phase.DROPPING})

FAULT_RULES: tuple[FaultRule, ...] = (
    FaultRule(Fault.COCK_TIMEOUT, _in(Phase.COCKING), _for_param(p.COCK_TIMEOUT_MS)),
    FaultRule(Fault.LOWER_TIMEOUT, _in(Phase.LOWERING), _for_param(p.LOWER_TIMEOUT_MS)),
    FaultRule(Fault.DROP_TIMEOUT, _in(Phase.DROPPING), _for_param(p.DROP_TIMEOUT_MS)),
    FaultRule(Fault.PIN_STUCK_IN, _pin_driven_but_in, _for_param(p.PIN_TIMEOUT_MS), _UNKNOWN),
    FaultRule(
        Fault.PIN_STUCK_OUT,
        _in(Phase.SECURING, Phase.DROPPED),
        lambda view: view.param_us(p.PIN_TIMEOUT_MS) + view.settle_us,
    ),
    FaultRule(Fault.PIN_STUCK_OUT, _pin_lost, _for_us(_BLINK_US)),
    FaultRule(Fault.SWITCHES_IMPLAUSIBLE, _both_ends, _for_us(_BLINK_US)),
    FaultRule(Fault.UNCOMMANDED_DROP, _left_the_top, _for_us(_BLINK_US)),
    FaultRule(Fault.MOVED_WITHOUT_COMMAND, _left_the_bottom, _for_us(_BLINK_US)),
    FaultRule(Fault.LOAD_CELL, cell_invalid, _for_us(_CELL_SILENT_US), _UNKNOWN),
    FaultRule(Fault.LOAD_CELL, cell_silent, _for_us(0), _UNKNOWN),
    FaultRule(Fault.OVERLOAD, _overload, _for_us(50_000), _THRUST),
    FaultRule(Fault.SUPPLY, _supply_sags, _for_us(100_000)),
    FaultRule(Fault.AIR, _air_sags, _for_us(100_000)),
    FaultRule(Fault.TENSION, _tension_slips, _for_us(200_000)),
    FaultRule(Fault.TENSION, _tension_not_reached, _for_us(0), _LOADED_SPRING),
    FaultRule(
        Fault.DUTY, _driven, lambda view: view.board.params.get(TABLE, p.COIL_ON_MAX_MS) * 1000
    ),
)
"""Every fault that is raised while running; SELF_TEST and PARAMS are found at boot."""


def _self_test_fails(view: View) -> bool:
    return view.sensed.outputs_read_back or _both_ends(view)


def _pin_out_at_an_end(view: View) -> bool:
    section = view.section
    return not section.pin.level and (section.up.level or section.down.level)


def _low_supply(view: View) -> bool:
    return view.supply_low


def _low_air(view: View) -> bool:
    return view.air_low


def _params_missing(view: View) -> bool:
    return not view.board.params_complete


STILL_THERE: dict[Fault, tuple[Condition, ...]] = {
    Fault.PIN_STUCK_OUT: (_pin_out_at_an_end,),
    Fault.SWITCHES_IMPLAUSIBLE: (_both_ends,),
    Fault.LOAD_CELL: (cell_invalid, cell_silent),
    Fault.OVERLOAD: (_overload,),
    Fault.SUPPLY: (_low_supply,),
    Fault.AIR: (_low_air,),
    Fault.TENSION: (tension_off,),
    Fault.SELF_TEST: (_self_test_fails,),
    Fault.PARAMS: (_params_missing,),
}
"""What keeps a fault from being cleared; a fault that is not here was an event and is over."""


def cause_gone(view: View) -> bool:
    """Whether the fault of the section may be cleared."""
    return not any(condition(view) for condition in STILL_THERE.get(view.section.fault, ()))


def self_test(view: View) -> bool:
    """Whether the section passes at boot."""
    return not _self_test_fails(view)
