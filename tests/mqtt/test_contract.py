"""The documents of the contract are those of the program, and what it sends fits them."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from droptable.core.board_events import told
from droptable.core.events import BoardEventHeard
from droptable.core.model import SectionState
from droptable.mqtt.contract import PATHS, asyncapi, schemas
from droptable.mqtt.payloads import committed_from, head_payload, replay_from, state_payload
from droptable.mqtt.topics import Topics
from tests.mqtt.doubles import MemoryJournal, snapshot


def test_every_schema_has_its_document() -> None:
    assert {f"schemas/{name}.json" for name in schemas()} | {"asyncapi.json"} == set(PATHS)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_one(name: str) -> None:
    jsonschema_rs.meta.validate(schemas()[name])


def _fits(name: str, document: Any) -> bool:
    return jsonschema_rs.is_valid(schemas()[name], document)


def test_an_event_fits_and_one_with_less_or_more_does_not() -> None:
    journal = MemoryJournal()
    journal.commit()
    event = json.loads(journal.events[0].canonical())
    assert _fits("event", event)
    for field in event:
        assert not _fits("event", {key: event[key] for key in event if key != field}), field
    assert not _fits("event", event | {"more": 1})
    assert not _fits("event", event | {"seq": 0})
    assert not _fits("event", event | {"hash": "0"})


@pytest.mark.parametrize("section", [SectionState(), SectionState(tension_dn=500)])
@pytest.mark.parametrize("fall_us", [0, 45_200])
def test_the_data_of_a_drop_fits(section: SectionState, fall_us: int) -> None:
    _, data = told(BoardEventHeard(7, 1, 1_000_000, 7, 2, fall_us, 5_120, 3_015), section)
    assert _fits("drop", dict(data) | {"boot_id": 7, "event_seq": 1})
    assert not _fits("drop", {key: data[key] for key in data if key != "peak_n"})


def test_state_and_head_fit() -> None:
    assert _fits("state", json.loads(state_payload(snapshot(state_seq=1, holder="ann"))))
    assert _fits("head", json.loads(head_payload("e" * 32, 0, "0" * 64)))


def test_what_fits_from_a_sink_is_understood_and_what_does_not_is_not() -> None:
    cases = [
        {"epoch": "e", "seq": 1},
        {"epoch": "e", "seq": -1},
        {"epoch": 1, "seq": 1},
        {"seq": 1},
    ]
    for case in cases:
        assert _fits("committed", case) == (committed_from(json.dumps(case).encode()) is not None)
    ranges = [
        {"epoch": "e", "from": 1, "to": 2},
        {"epoch": "e", "from": 0, "to": 2},
        {"epoch": "e"},
    ]
    for case in ranges:
        assert _fits("replay", case) == (replay_from(json.dumps(case).encode()) is not None)


def test_every_topic_is_told_and_everything_that_is_referred_to_is_there() -> None:
    document = asyncapi()
    topics = Topics("{site}", "{table}")
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {
        topics.availability, topics.state, topics.event("{kind}"), topics.head, *topics.subscribed,
    }  # fmt: skip
    heard = {
        document["channels"][name]["address"]
        for name, operation in document["operations"].items()
        if operation["action"] == "receive"
    }
    assert heard == set(topics.subscribed)
    references = list(_references(document))
    assert len(references) > 10
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(part: Any) -> Iterator[str]:
    match part:
        case dict():
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for inner in part.values():
                yield from _references(inner)
        case list():
            for inner in part:
                yield from _references(inner)
        case _:
            pass
