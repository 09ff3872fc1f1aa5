"""The parameters that a board keeps, each with the bounds that it enforces itself. Pure.

The host has limits of its own elsewhere; nothing is shared, so that one mistake cannot pass both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from droptable.board.model import NOTHING, TABLE, Code, Feature

_I32_MIN, _I32_MAX = -(2**31), 2**31 - 1

COCK_TIMEOUT_MS = 1
LOWER_TIMEOUT_MS = 2
DROP_TIMEOUT_MS = 3
PIN_TIMEOUT_MS = 4
SETTLE_MS = 5
DEBOUNCE_US = 6
ARM_WINDOW_MAX_MS = 7
LOAD_ZERO_RAW = 8
LOAD_SPAN_UN = 9
LOAD_MAX_DN = 10
TENSION_SET_DN = 11
TENSION_ZERO = 12
TENSION_SPAN_UN = 13
TENSION_TOLERANCE_DN = 14
DROP_HEIGHT_UM = 15
SUPPLY_MIN_MV = 16
AIR_MIN_KPA = 17
COIL_ON_MAX_MS = 18


@dataclass(frozen=True, slots=True)
class ParamRule:
    """What a board takes for one parameter, and whether it needs it at all."""

    minimum: int
    maximum: int
    unset: int
    """What counts while it was never set: the slowest that is allowed, so that nothing is missed."""
    table: bool = False
    needs: Feature = NOTHING
    zero_allowed: bool = True

    def takes(self, value: int) -> bool:
        """Whether `value` is within the bounds."""
        return self.minimum <= value <= self.maximum and (self.zero_allowed or value != 0)


_CELLS, _DRIVE = Feature.LOAD_CELLS, Feature.TENSION_DRIVE

PARAM_RULES: dict[int, ParamRule] = {
    COCK_TIMEOUT_MS: ParamRule(200, 5_000, unset=5_000),
    LOWER_TIMEOUT_MS: ParamRule(200, 8_000, unset=8_000),
    DROP_TIMEOUT_MS: ParamRule(60, 500, unset=500),
    PIN_TIMEOUT_MS: ParamRule(20, 300, unset=300),
    SETTLE_MS: ParamRule(10, 100, unset=100),
    DEBOUNCE_US: ParamRule(0, 20_000, unset=20_000),
    ARM_WINDOW_MAX_MS: ParamRule(1_000, 60_000, unset=60_000),
    LOAD_ZERO_RAW: ParamRule(_I32_MIN, _I32_MAX, unset=0, needs=_CELLS),
    LOAD_SPAN_UN: ParamRule(_I32_MIN, _I32_MAX, unset=0, needs=_CELLS, zero_allowed=False),
    LOAD_MAX_DN: ParamRule(1_000, 30_000, unset=30_000, needs=_CELLS),
    TENSION_SET_DN: ParamRule(0, 10_000, unset=0, needs=_DRIVE),
    TENSION_ZERO: ParamRule(_I32_MIN, _I32_MAX, unset=0, needs=_DRIVE),
    TENSION_SPAN_UN: ParamRule(_I32_MIN, _I32_MAX, unset=0, needs=_DRIVE, zero_allowed=False),
    TENSION_TOLERANCE_DN: ParamRule(10, 1_000, unset=1_000, needs=_DRIVE),
    DROP_HEIGHT_UM: ParamRule(5_000, 60_000, unset=60_000),
    SUPPLY_MIN_MV: ParamRule(4_500, 30_000, unset=0, table=True, needs=Feature.SUPPLY_SENSOR),
    AIR_MIN_KPA: ParamRule(0, 1_000, unset=0, table=True, needs=Feature.AIR_SENSOR),
    COIL_ON_MAX_MS: ParamRule(1_000, 120_000, unset=120_000, table=True),
}
"""The table of board-link section 5. Without a cell's span its load reads as 0."""

UNSET: dict[tuple[int, int], int] = {
    (section, key): rule.unset
    for key, rule in PARAM_RULES.items()
    for section in ((TABLE,) if rule.table else (0, 1, 2))
}
"""What counts for each parameter that was never set."""


class Params:
    """The parameters that are set: (section, key) to value. Immutable."""

    __slots__ = ("_in_force", "_values")

    def __init__(self, values: Mapping[tuple[int, int], int] | None = None) -> None:
        self._values: dict[tuple[int, int], int] = dict(values or {})
        self._in_force = {**UNSET, **self._values}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def get(self, section: int, key: int) -> int:
        """The value in force: the one that was set, else what counts until then."""
        return self._in_force[section, key]

    def stored(self, section: int, key: int) -> int | None:
        """The value that was set; None when it never was."""
        return self._values.get((section, key))

    def with_value(self, section: int, key: int, value: int) -> "Params":
        """These parameters with one of them changed."""
        return Params({**self._values, (section, key): value})

    def values(self) -> dict[tuple[int, int], int]:
        """A copy of all that are set."""
        return dict(self._values)

    def sound(self) -> bool:
        """Whether each of them could have been set: a damaged store may give back anything."""
        return all(
            where in UNSET and PARAM_RULES[where[1]].takes(value)
            for where, value in self._values.items()
        )

    def of_board(self, features: Feature) -> "Params":
        """These without those that a board with these features has no use for."""
        return Params(
            {
                (section, key): value
                for (section, key), value in self._values.items()
                if PARAM_RULES[key].needs in features
            }
        )

    def complete(self, features: Feature) -> bool:
        """Whether a board with these features has all that it needs to move anything."""
        return all(
            (section, key) in self._values
            for section, key in UNSET
            if PARAM_RULES[key].needs in features
        )


def address_refusal(section: int, key: int, features: Feature) -> Code | None:
    """Why there is no such parameter on this board, or None."""
    rule = PARAM_RULES.get(key)
    if rule is None or section not in (0, 1, 2, TABLE):
        return Code.UNKNOWN
    if rule.table != (section == TABLE) or rule.needs not in features:
        return Code.UNSUPPORTED
    return None
