"""All checks, in the order of the contract; none rests on another."""

from types import ModuleType

from droptable.conformance.checks import (
    commands,
    dead_man,
    events,
    falls,
    faults,
    frames,
    guards,
    maintenance,
    parameters,
    phases,
    restart,
    rows,
    sessions,
    stops,
    times,
)
from droptable.conformance.model import Check


def _of(module: ModuleType) -> tuple[Check, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Check))


_MODULES = (
    frames,
    sessions,
    dead_man,
    commands,
    phases,
    guards,
    rows,
    falls,
    stops,
    faults,
    maintenance,
    events,
    parameters,
    restart,
    times,
)

ALL_CHECKS: tuple[Check, ...] = tuple(check for module in _MODULES for check in _of(module))
