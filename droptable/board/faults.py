"""When a section is in FAULT, and when the cause of a fault is gone: one table. Pure.

Each rule is a condition, the phases in which it counts, and when it is due once the condition has
held without a break. The conditions look at raw contacts where the contract says milliseconds,
since debouncing would hide what they watch for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from droptable.board import params as p
from droptable.board.model import TABLE, Fault, Phase
from droptable.board.state import CELL_SILENT_US, View

BLINK_US = 10_000
"""How long a contact must be wrong without a break: longer than any bounce that was measured."""

TENSION_DRIVE_US = 5_000_000
"""How long the actuator may take to its new place, end to end."""

Condition = Callable[[View], bool]
Due = Callable[[View, int], int]
"""When a fault is raised whose condition has held since the moment that is given."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """`fault` is raised in one of `phases` while `when` holds, at `due_us`."""

    fault: Fault
    phases: frozenset[Phase]
    when: Condition
    due_us: Due
    text: str
    """Condition and time in words: `docs/states.md` is made of them."""


def _in(*phases: Phase) -> frozenset[Phase]:
    return frozenset(phases)


def _but(*phases: Phase) -> frozenset[Phase]:
    """All but these, and but FAULT, which keeps its first cause."""
    return frozenset(Phase) - {*phases, Phase.FAULT}


def _after_us(duration_us: int) -> Due:
    return lambda _, since_us: since_us + duration_us


def _after_entry(*keys_ms: int) -> Due:
    return lambda view, _: view.section.entered_us + sum(view.param_us(key) for key in keys_ms)


def _always(_: View) -> bool:
    return True


def _pin_driven_but_in(view: View) -> bool:
    pin = view.section.pin
    return view.section.outputs.pin_withdrawn and pin.raw and pin.level


def _pin_had_its_time(view: View, _: int) -> int:
    """From when it was driven, or from when it came back in while it was."""
    since_us = max(view.section.entered_us, view.section.pin.level_since_us)
    return since_us + view.param_us(p.PIN_TIMEOUT_MS)


def _pin_lost(view: View) -> bool:
    return not view.section.pin.raw


def _both_ends(view: View) -> bool:
    return view.section.up.raw and view.section.down.raw


def _left_the_top(view: View) -> bool:
    return not view.section.up.raw


def _left_the_bottom(view: View) -> bool:
    return not view.section.down.raw


def _cell_invalid(view: View) -> bool:
    """The load cell's converter says that its value is none, or cannot be asked."""
    return view.sensed.load_raw is None and view.cell_calibrated


def _cell_calibrated(view: View) -> bool:
    return view.cell_calibrated


def _cell_silent_us(view: View, _: int) -> int:
    return view.sensed.load_us + CELL_SILENT_US


def _overload(view: View) -> bool:
    return view.cell_calibrated and view.load_dn > view.param(p.LOAD_MAX_DN)


def _after_the_thrust(view: View, since_us: int) -> int:
    return max(since_us, view.section.excused_until_us) + 50_000


def _supply_sags(view: View) -> bool:
    return view.section.outputs.driven and view.supply_low


def _air_sags(view: View) -> bool:
    return view.section.outputs.lift and view.air_low


def _tension_off(view: View) -> bool:
    """The measured tension differs from the set one by more than the tolerance."""
    if not view.tension_known:
        return False
    difference_dn = view.tension_dn - view.param(p.TENSION_SET_DN)
    return abs(difference_dn) > view.param(p.TENSION_TOLERANCE_DN)


def _tension_had_its_time(view: View, _: int) -> int:
    return view.section.tension_written_us + TENSION_DRIVE_US


def _driven(view: View) -> bool:
    return view.section.outputs.driven


def _coil_on_max(view: View, since_us: int) -> int:
    return since_us + view.board.params.get(TABLE, p.COIL_ON_MAX_MS) * 1000


_DRIVEN = _in(Phase.COCKING, Phase.LOWERING, Phase.ARMED, Phase.DROPPING)
_PINNED = _in(Phase.COCKED, Phase.LOCKED)

FAULT_RULES: tuple[FaultRule, ...] = (
    FaultRule(
        Fault.COCK_TIMEOUT,
        _in(Phase.COCKING),
        _always,
        _after_entry(p.COCK_TIMEOUT_MS),
        "not at the top after cock_timeout_ms",
    ),
    FaultRule(
        Fault.LOWER_TIMEOUT,
        _in(Phase.LOWERING),
        _always,
        _after_entry(p.LOWER_TIMEOUT_MS),
        "not at the bottom after lower_timeout_ms",
    ),
    FaultRule(
        Fault.DROP_TIMEOUT,
        _in(Phase.DROPPING),
        _always,
        _after_entry(p.DROP_TIMEOUT_MS),
        "not at the bottom after drop_timeout_ms",
    ),
    FaultRule(
        Fault.PIN_STUCK_IN,
        _DRIVEN,
        _pin_driven_but_in,
        _pin_had_its_time,
        "the pin is driven out and its switch closed for pin_timeout_ms",
    ),
    FaultRule(
        Fault.PIN_STUCK_OUT,
        _in(Phase.SECURING, Phase.DROPPED),
        _always,
        _after_entry(p.PIN_TIMEOUT_MS, p.SETTLE_MS),
        "the pin is not in and settled after pin_timeout_ms and settle_ms",
    ),
    FaultRule(
        Fault.PIN_STUCK_OUT,
        _PINNED,
        _pin_lost,
        _after_us(BLINK_US),
        "the pin switch is open for 10 ms",
    ),
    FaultRule(
        Fault.SWITCHES_IMPLAUSIBLE,
        _but(),
        _both_ends,
        _after_us(BLINK_US),
        "up and down switch are closed together for 10 ms",
    ),
    FaultRule(
        Fault.UNCOMMANDED_DROP,
        _in(Phase.COCKED),
        _left_the_top,
        _after_us(BLINK_US),
        "the up switch is open for 10 ms",
    ),
    FaultRule(
        Fault.MOVED_WITHOUT_COMMAND,
        _in(Phase.LOCKED),
        _left_the_bottom,
        _after_us(BLINK_US),
        "the down switch is open for 10 ms",
    ),
    FaultRule(
        Fault.LOAD_CELL,
        _but(Phase.UNKNOWN),
        _cell_invalid,
        _after_us(CELL_SILENT_US),
        "zero and span are set, and the load cell is invalid for 200 ms",
    ),
    FaultRule(
        Fault.LOAD_CELL,
        _but(Phase.UNKNOWN),
        _cell_calibrated,
        _cell_silent_us,
        "zero and span are set, and there is no new sample for 200 ms",
    ),
    FaultRule(
        Fault.OVERLOAD,
        _but(Phase.ARMED, Phase.DROPPING),
        _overload,
        _after_the_thrust,
        "the load is above load_max_dn for 50 ms, not counting the second after ARMED or DROPPING",
    ),
    FaultRule(
        Fault.SUPPLY,
        _DRIVEN,
        _supply_sags,
        _after_us(100_000),
        "an output is driven and the supply below supply_min_mv for 100 ms",
    ),
    FaultRule(
        Fault.AIR,
        _DRIVEN,
        _air_sags,
        _after_us(100_000),
        "the lift is driven and the air below air_min_kpa for 100 ms",
    ),
    FaultRule(
        Fault.TENSION,
        _in(Phase.ARMED),
        _tension_off,
        _after_us(200_000),
        "measured and set tension differ by more than tension_tolerance_dn for 200 ms",
    ),
    FaultRule(
        Fault.TENSION,
        _but(Phase.COCKING, Phase.DROPPING),
        _tension_off,
        _tension_had_its_time,
        "they differ by more than tension_tolerance_dn, 5 s or more after tension_set_dn was written",
    ),
    FaultRule(
        Fault.DUTY,
        _DRIVEN,
        _driven,
        _coil_on_max,
        "an output of the section is driven for coil_on_max_ms",
    ),
)
"""Every fault that is raised while running; SELF_TEST and PARAMS are found at boot."""

RULES_IN: dict[Phase, tuple[tuple[int, FaultRule], ...]] = {
    phase: tuple((number, rule) for number, rule in enumerate(FAULT_RULES) if phase in rule.phases)
    for phase in Phase
}
"""The rules that count in a phase, by their number in FAULT_RULES."""


def self_test_fails(view: View) -> bool:
    """Whether a coil reads back as driven that is not, or a section is at both ends."""
    return view.sensed.outputs_read_back or _both_ends(view)


def _cell_silent(view: View) -> bool:
    return view.cell_calibrated and not view.load_valid


def _pin_out_at_an_end(view: View) -> bool:
    section = view.section
    return not section.pin.level and (section.up.level or section.down.level)


def _low_supply(view: View) -> bool:
    return view.supply_low


def _low_air(view: View) -> bool:
    return view.air_low


def _params_missing(view: View) -> bool:
    return not view.board.params_complete


STILL_THERE: dict[Fault, Condition] = {
    Fault.PIN_STUCK_OUT: _pin_out_at_an_end,
    Fault.SWITCHES_IMPLAUSIBLE: _both_ends,
    Fault.LOAD_CELL: _cell_silent,
    Fault.OVERLOAD: _overload,
    Fault.SUPPLY: _low_supply,
    Fault.AIR: _low_air,
    Fault.TENSION: _tension_off,
    Fault.SELF_TEST: self_test_fails,
    Fault.PARAMS: _params_missing,
}
"""What keeps a fault from being cleared; a fault that is not here was an event and is over."""

STILL_THERE_TEXT: dict[Fault, str] = {
    Fault.PIN_STUCK_OUT: "the pin switch is open at the top or at the bottom",
    Fault.SWITCHES_IMPLAUSIBLE: "up and down switch are closed together",
    Fault.LOAD_CELL: "the load cell is invalid or silent",
    Fault.OVERLOAD: "the load is above load_max_dn",
    Fault.SUPPLY: "the supply is below supply_min_mv",
    Fault.AIR: "the air is below air_min_kpa",
    Fault.TENSION: "measured and set tension differ by more than tension_tolerance_dn",
    Fault.SELF_TEST: "an output reads back as driven, or up and down switch are closed together",
    Fault.PARAMS: "a parameter that this board needs was never set",
}
"""The same in words: `docs/states.md` is made of them."""


def cause_gone(view: View) -> bool:
    """Whether the fault of the section may be cleared."""
    still_there = STILL_THERE.get(view.section.fault)
    return still_there is None or not still_there(view)
