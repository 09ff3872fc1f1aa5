"""What a bench finds: figures, each beside the floor that was measured in the same run."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = "bench/1"


@dataclass(frozen=True)
class Figure:
    """One figure of the design. `floor` and `ratio` are None where the bar is an absolute one.

    `note` says for a person what stood beside it, or why it was not measured; it is not written
    into bench.json.
    """

    name: str
    unit: str
    value: float | None
    floor: float | None
    ratio: float | None
    bar: float
    met: bool | None
    note: str = field(default="", compare=False)

    def shown(self) -> dict[str, Any]:
        shown = asdict(self)
        del shown["note"]
        return shown


def against_floor(
    name: str, unit: str, *, value: float, floor: float, bar: float, note: str = ""
) -> Figure:
    """A figure that may be at most `bar` times its floor."""
    ratio = round(value / floor, 3)
    return Figure(name, unit, _short(value), _short(floor), ratio, bar, ratio <= bar, note)


def at_least(
    name: str, unit: str, *, value: float, floor: float, bar: float, note: str = ""
) -> Figure:
    """A figure that must be at least `bar` times its floor."""
    ratio = round(value / floor, 3)
    note = f"at least; {note}"
    return Figure(name, unit, _short(value), _short(floor), ratio, bar, ratio >= bar, note)


def absolute(name: str, unit: str, *, value: float, bar: float, note: str = "") -> Figure:
    """A figure that may be at most `bar`."""
    value = _short(value)
    return Figure(name, unit, value, None, None, bar, value <= bar, note)


def not_measured(name: str, unit: str, *, bar: float, why: str) -> Figure:
    """A figure of the design that this run has no number for."""
    return Figure(name, unit, None, None, None, bar, None, f"not measured: {why}")


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: a sample that was really seen."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _short(number: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{number:.4g}")


def document(figures: Sequence[Figure]) -> dict[str, Any]:
    """What bench.json holds."""
    return {"schema": SCHEMA, "figures": [figure.shown() for figure in figures]}


def table(figures: Sequence[Figure]) -> str:
    """The same for a person."""
    rows = [("figure", "value", "floor", "ratio", "bar", "", "")]
    rows += [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 5) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        + f"  {row[6]}"
        for row in rows
    )


def _row(figure: Figure) -> tuple[str, ...]:
    met = {True: "met", False: "MISSED", None: "-"}[figure.met]
    return (
        figure.name,
        "-" if figure.value is None else f"{figure.value:g} {figure.unit}",
        "-" if figure.floor is None else f"{figure.floor:g} {figure.unit}",
        "-" if figure.ratio is None else f"{figure.ratio:.2f} x",
        f"{figure.bar:g}" + (" x" if figure.floor is not None else ""),
        met,
        figure.note,
    )
