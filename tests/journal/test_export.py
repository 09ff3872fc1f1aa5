"""Exports: JSON Lines is the journal itself, CSV is safe to open."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import rfc8785

from droptable.journal.event import GENESIS, Draft, Event, Unsealed
from droptable.journal.export import COLUMNS, export
from droptable.journal.verify import stored_events

Ten = tuple[Path, list[Event]]


def _event(draft: Draft) -> Event:
    unsealed = Unsealed(draft, table="t1", epoch="e" * 32, time="2026-03-01T12:00:00.000000Z",
                        quality="synced")  # fmt: skip
    return unsealed.seal(1, GENESIS)[0]


def _rows(lines: Iterator[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(lines), newline="")))


def test_json_lines_are_the_canonical_events_and_prove_the_chain(ten: Ten) -> None:
    path, events = ten
    lines = list(export(stored_events(path), "jsonl"))
    assert [line.encode() for line in lines] == [event.canonical() + b"\n" for event in events]
    prev = GENESIS
    for seq, line in enumerate(lines, 1):
        fields = json.loads(line)
        own = fields.pop("hash")
        assert hashlib.sha256(rfc8785.dumps(fields)).hexdigest() == own
        assert (fields["seq"], fields["prev"]) == (seq, prev)
        prev = own


def test_csv_has_every_field_and_those_of_a_drop(ten: Ten) -> None:
    rows = _rows(export(ten[1], "csv"))
    assert len(rows) == 10
    for row, event in zip(rows, ten[1], strict=True):
        assert tuple(row) == COLUMNS
        assert json.loads(row["data"]) == event.data
        assert (row["seq"], row["hash"], row["section"]) == (str(event.seq), event.hash, "pelvic")
        assert (row["fall_ms"], row["peak_n"], row["calibration_id"]) == ("45.2", "512", "")
        assert row["tension_n"] == ""


def test_csv_is_rfc_4180(ten: Ten) -> None:
    lines = list(export(ten[1], "csv"))
    assert lines[0] == ",".join(COLUMNS) + "\r\n"
    assert all(line.endswith("\r\n") for line in lines)
    hard = _event(Draft("pedal", None, 'a "b",\r\nc', {"text": 'x,"y"\n'}))
    (row,) = _rows(export([hard], "csv"))
    assert row["actor"] == 'a "b",\r\nc'
    assert json.loads(row["data"]) == hard.data
    assert row["section"] == ""


def test_a_name_never_becomes_a_formula() -> None:
    for name in ("=1+1", "+1", "-1", "@a", "\ta", "\ra"):
        (row,) = _rows(export([_event(Draft("pedal", None, name, {}))], "csv"))
        assert row["actor"] == "'" + name


def test_further_pages_of_one_document_have_no_header(ten: Ten) -> None:
    events = ten[1]
    pages = [*export(events[:4], "csv"), *export(events[4:], "csv", header=False)]
    assert pages == list(export(events, "csv"))


def test_events_are_taken_one_by_one(ten: Ten) -> None:
    taken: list[int] = []

    def counted() -> Iterator[Event]:
        for event in ten[1]:
            taken.append(event.seq)
            yield event

    lines = export(counted(), "jsonl")
    next(lines)
    next(lines)
    assert taken == [1, 2]


def test_nothing_gives_an_empty_document() -> None:
    assert list(export([], "jsonl")) == []
    assert len(list(export([], "csv"))) == 1
