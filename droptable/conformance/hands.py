"""The hands around a table: they thrust, push buttons, break wires, and see what really is driven.

A simulator and the test rig have them behind their control port, where one JSON object is a deed
and one the answer. A bare board has none.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from droptable.conformance.contract import Output
from droptable.conformance.model import expect
from droptable.sections import Section

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Has a deed done; gives its answer. Raises HandsRefuse for what cannot be done here."""

PLENTY_MV = 24_000
PLENTY_KPA = 600

THRUST_MAX_US = 350_000
"""Hands lean in, rise in 80 ms, stay for a moment and let go."""


class HandsGone(Exception):
    """Nobody answers at the control port; the message is for a person."""


class HandsRefuse(Exception):
    """That cannot be done at this table; says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a section's coils were given, and what its contacts showed, from `us` on.

    `us` is of the mechanics' clock, `outputs` of the STATUS's bits.
    """

    us: int
    section: int
    outputs: Output
    up: bool
    down: bool
    pin: bool


class Hands:
    """Someone at the table. What is given back are times of the mechanics' clock."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.touched = False
        """Something may be other than a calm table is."""
        self._away_us: int | None = None
        self.known: frozenset[str] = frozenset()
        """The faults that can be injected."""

    async def meet(self) -> None:
        """Learn what can be done here."""
        answer = await self._ask({"do": "faults"})
        self.known = frozenset(str(fault["name"]) for fault in answer["known"])

    async def calm(self) -> None:
        """Nobody on the table, nothing pushed, nothing broken, power there."""
        if not self.touched:
            return
        for deed in (
            {"do": "fault_clear"},
            {"do": "patient", "load_n": None},
            {"do": "pedal", "down": False},
            {"do": "button", "down": False},
            {"do": "estop", "open": False},
            {"do": "supply", "mv": PLENTY_MV},
            {"do": "air", "kpa": PLENTY_KPA},
        ):
            await self._ask(deed)
        self.touched = False

    async def now_us(self) -> int:
        """What the mechanics' clock says."""
        return int((await self._ask({"do": "truth"}))["now_us"])

    async def thrust(self, section: int, *, peak_n: float, preload_n: float = 50.0) -> int:
        """Begin to thrust: lean in, then rise to the peak in 80 ms."""
        shape = {"peak_n": peak_n, "rise_ms": 80.0, "preload_n": preload_n}
        began_us = await self._do({"do": "thrust", "section": _name(section), **shape})
        self._away_us = began_us + THRUST_MAX_US
        return began_us

    async def away_in_us(self) -> int:
        """How long until the last thrust is over."""
        if self._away_us is None:
            return 0
        left_us = self._away_us - await self.now_us()
        if left_us <= 0:
            self._away_us = None
        return max(0, left_us)

    async def patient(self, section: int, load_n: float) -> int:
        """Somebody leans on one section."""
        loads = [load_n if at == section else 0.0 for at in Section]
        return await self._do({"do": "patient", "load_n": loads})

    async def pedal(self, down: bool) -> int:
        return await self._do({"do": "pedal", "down": down})

    async def button(self, down: bool) -> int:
        return await self._do({"do": "button", "down": down})

    async def estop(self, *, opened: bool) -> int:
        return await self._do({"do": "estop", "open": opened})

    async def supply(self, mv: int) -> int:
        return await self._do({"do": "supply", "mv": mv})

    async def air(self, kpa: int) -> int:
        return await self._do({"do": "air", "kpa": kpa})

    async def fault(
        self, name: str, section: int | None = None, value: float | None = None, *, on: bool = True
    ) -> int:
        """Break something, or mend it."""
        at = None if section is None else _name(section)
        return await self._do(
            {"do": "fault", "name": name, "section": at, "value": value, "on": on}
        )

    async def reset(self, cause: str) -> None:
        """Reset the board."""
        await self._do({"do": "reset", "cause": cause})

    async def history(self, after_us: int) -> list[Change]:
        """What changed after that moment, oldest first."""
        answer = await self._ask({"do": "history", "after_us": after_us})
        return [_change(entry) for entry in answer["entries"]]

    async def _do(self, deed: dict[str, Any]) -> int:
        self.touched = True
        return int((await self._ask(deed)).get("now_us", 0))


def _name(section: int) -> str:
    return Section(section).label


def _change(entry: dict[str, Any]) -> Change:
    outputs = (
        Output.LIFT * bool(entry["lift"])
        | Output.PIN_WITHDRAWN * bool(entry["pin_withdrawn"])
        | Output.LOWERING * bool(entry["lowering"])
    )
    at = entry["section"]
    return Change(
        us=int(entry["us"]),
        section=Section[at.upper()] if isinstance(at, str) else int(at),
        outputs=Output(outputs),
        up=bool(entry["up"]),
        down=bool(entry["down"]),
        pin=bool(entry["pin"]),
    )


def fall_from_arming(history: list[Change], *, section: int) -> tuple[int, int]:
    """The raw edges at which an armed section left the top and reached the bottom, the newest fall."""
    changes = [change for change in history if change.section == section]
    armed = [
        at
        for at, (before, after) in enumerate(pairwise(changes), start=1)
        if after.up and not before.outputs and after.outputs == Output.PIN_WITHDRAWN
    ]
    expect(bool(armed), "an arming in the history of the mechanics", changes)
    return fall_from_the_top(changes[armed[-1] :], section=section)


def fall_from_the_top(history: list[Change], *, section: int) -> tuple[int, int]:
    """The raw edges at which a section that was at the top left it and reached the bottom."""
    changes = [change for change in history if change.section == section]
    left_us = _first_us(changes, lambda change: not change.up)
    return left_us, _first_us(changes, lambda change: change.down and change.us > left_us)


def off_for_good(history: list[Change], *, section: int) -> int | None:
    """Since when no coil of the section is driven any more; None while one is."""
    changes = [change for change in history if change.section == section]
    driven = [at for at, change in enumerate(changes) if change.outputs]
    rest = changes[driven[-1] + 1 :] if driven else changes
    return rest[0].us if rest else None


def _first_us(changes: list[Change], is_it: Callable[[Change], bool]) -> int:
    found = [change.us for change in changes if is_it(change)]
    expect(bool(found), "a whole fall in the history of the mechanics", changes)
    return found[0]
