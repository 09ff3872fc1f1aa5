"""An event's spelling, its hash, and which drafts no journal takes."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from droptable.board.model import Kind
from droptable.journal.event import (
    DATA_MAX,
    FIELDS,
    GENESIS,
    TEXT_MAX,
    BoardRef,
    Draft,
    Unsealed,
    event_from,
    rfc3339,
)
from droptable.journal.kinds import DROP_FIELDS, EVENT_KINDS

_TIME = "2026-03-01T12:00:00.000250Z"


def _unsealed(draft: Draft, table: str = "t1") -> Unsealed:
    return Unsealed(draft, table=table, epoch="e" * 32, time=_TIME, quality="synced")


_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_drafts = st.builds(
    Draft,
    kind=st.sampled_from(sorted(EVENT_KINDS)),
    section=st.sampled_from([None, "thoracic", "lumbar", "pelvic"]),
    actor=_text,
    data=st.dictionaries(
        _text.filter(lambda name: name not in {"boot_id", "event_seq"}),
        st.none()
        | st.booleans()
        | _text
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(-1e9, 1e9),
        max_size=8,
    ),
    board=st.none()
    | st.builds(BoardRef, boot_id=st.integers(0, 2**32 - 1), event_seq=st.integers(1, 2**32 - 1)),
)


@given(_drafts, _text, st.integers(1, 2**40))
def test_the_hash_is_sha256_over_the_canonical_event_without_it(
    draft: Draft, table: str, seq: int
) -> None:
    event, spelled = _unsealed(draft, table).seal(seq, GENESIS)
    without = {name: value for name, value in event.to_json().items() if name != "hash"}
    assert event.hash == hashlib.sha256(rfc8785.dumps(without)).hexdigest()
    assert spelled.encode() == event.canonical() == rfc8785.dumps(event.to_json())


@given(_drafts)
def test_an_event_reads_back_as_it_was(draft: Draft) -> None:
    event, spelled = _unsealed(draft).seal(7, "ab" * 32)
    again = event_from(spelled)
    assert again == event
    assert again.canonical() == spelled.encode()
    assert again.computed_hash() == event.hash
    assert again.board == draft.board


def test_the_fields_are_those_of_the_contract() -> None:
    event, _ = _unsealed(Draft("pedal", None, "board", {})).seal(1, GENESIS)
    assert list(event.to_json()) == list(FIELDS)
    assert set(FIELDS) == {
        "v", "table", "epoch", "seq", "time", "time_quality", "kind", "section", "actor", "data",
        "prev", "hash",
    }  # fmt: skip


def test_another_predecessor_or_number_is_another_hash() -> None:
    unsealed = _unsealed(Draft("drop", "pelvic", "board", {"fall_ms": 45}))
    hashes = {unsealed.seal(seq, prev)[0].hash for seq in (1, 2) for prev in (GENESIS, "1" * 64)}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (Draft("dropped", "pelvic", "a", {}), "kind"),
        (Draft("drop", "PELVIC", "a", {}), "section"),
        (Draft("drop", "", "a", {}), "section"),
        (Draft("drop", None, "", {}), "actor"),
        (Draft("drop", None, "x" * (TEXT_MAX + 1), {}), "actor"),
        (Draft("drop", None, "\ud800", {}), "surrogates"),
        (Draft("drop", None, "a", {"a": float("nan")}), "JSON|JCS"),
        (Draft("drop", None, "a", {"a": "x" * DATA_MAX}), "characters"),
        (Draft("drop", None, "a", {"boot_id": 1, "event_seq": 2}), "no board"),
        (Draft("drop", None, "a", {"boot_id": 1}, BoardRef(2, 3)), "boot_id"),
    ],
)
def test_a_draft_that_no_journal_takes_is_refused(draft: Draft, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _unsealed(draft)


def test_a_table_without_a_name_or_with_an_endless_one_is_refused() -> None:
    for table in ("", "x" * (TEXT_MAX + 1)):
        with pytest.raises(ValueError, match="table"):
            _unsealed(Draft("pedal", None, "a", {}), table)


def test_the_longest_data_that_is_allowed_is_taken() -> None:
    spelled = len('{"a":""}')
    _unsealed(Draft("drop", None, "x" * TEXT_MAX, {"a": "x" * (DATA_MAX - spelled)}))


def test_the_boards_numbers_become_part_of_the_data() -> None:
    event, _ = _unsealed(Draft("drop", "lumbar", "board", {"a": 1}, BoardRef(5, 6))).seal(
        1, GENESIS
    )
    assert event.data == {"a": 1, "boot_id": 5, "event_seq": 6}
    assert event.board == BoardRef(5, 6)


def test_a_boot_alone_is_no_event_of_the_board() -> None:
    event, _ = _unsealed(Draft("link_up", None, "daemon", {"boot_id": 5})).seal(1, GENESIS)
    assert event.board is None


def test_the_callers_data_is_not_changed() -> None:
    fields = {"a": 1}
    _unsealed(Draft("drop", "lumbar", "board", fields, BoardRef(5, 6)))
    assert fields == {"a": 1}


def _fields(**changed: Any) -> dict[str, Any]:
    event, _ = _unsealed(Draft("drop", "pelvic", "a", {})).seal(1, GENESIS)
    return {**event.to_json(), **changed}


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "{", "[" * 100_000,
        json.dumps(_fields(more=1)),
        json.dumps({name: value for name, value in _fields().items() if name != "prev"}),
        json.dumps(_fields(seq=True)), json.dumps(_fields(seq="1")), json.dumps(_fields(v=1.0)),
        json.dumps(_fields(data=[])), json.dumps(_fields(kind=None)), json.dumps(_fields(hash=1)),
        json.dumps(_fields(section=3)), b"\xff",
    ],
)  # fmt: skip
def test_what_is_not_an_event_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        event_from(text)


def test_times_are_utc_with_microseconds() -> None:
    assert rfc3339(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01T12:00:00.000000Z"
    there = timezone(timedelta(hours=5, minutes=30))
    assert rfc3339(datetime(2026, 3, 1, 1, 2, 3, 4, there)) == "2026-02-28T19:32:03.000004Z"
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 3, 1, 12))  # noqa: DTZ001 - what is refused


def test_everything_the_board_tells_has_a_kind() -> None:
    of_link = {"BOOTED": "board_booted", "LINK_LOST": "board_link_lost", "LINK_UP": "board_link_up"}
    for kind in Kind:
        assert of_link.get(kind.name, kind.name.lower()) in EVENT_KINDS


def test_every_kind_says_in_a_sentence_what_it_means() -> None:
    assert all(text[0].isupper() and text.endswith(".") for text in EVENT_KINDS.values())
    assert len(set(DROP_FIELDS)) == 6
