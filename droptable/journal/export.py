"""The journal for other programs: JSON Lines, which is exact, and CSV, which is for spreadsheets.

Turns events into text and nothing else: where they come from and where the text goes is the
caller's, and neither is ever held as a whole.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from droptable.journal.canonical import JsonValue, canonical_json
from droptable.journal.event import Event
from droptable.journal.kinds import DROP_FIELDS

Format: TypeAlias = Literal["csv", "jsonl"]

COLUMNS = (
    "seq", "time", "time_quality", "kind", "section", "actor", *DROP_FIELDS,
    "data", "table", "epoch", "v", "prev", "hash",
)  # fmt: skip
"""Of the CSV: the event's fields, and those of a drop's data on their own besides."""

# What a spreadsheet takes for the start of a formula; a name must not become one.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def export(events: Iterable[Event], form: Format, *, header: bool = True) -> Iterator[str]:
    """Each event as a line with its ending; for CSV the names of the columns first.

    A JSON line is the canonical event, byte for byte as in the journal. CSV is RFC 4180; text that
    a spreadsheet would run as a formula has an apostrophe in front. `header=False` is for the
    further pages of one CSV document.
    """
    match form:
        case "jsonl":
            for event in events:
                yield event.canonical().decode() + "\n"
        case "csv":
            line = _Line()
            writer = csv.writer(line)
            if header:
                writer.writerow(COLUMNS)
                yield line.text
            for event in events:
                writer.writerow(_cells(event))
                yield line.text


class _Line:
    """Keeps the one line that the csv module writes."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _cells(event: Event) -> list[str]:
    fields = event.to_json()
    drop = event.data if event.kind == "drop" else {}
    values = {**fields, **{name: drop.get(name) for name in DROP_FIELDS}}
    return [_cell(values[name]) for name in COLUMNS]


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return canonical_json(value)
