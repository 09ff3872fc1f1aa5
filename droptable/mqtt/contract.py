"""What a table says over MQTT and listens to, as an AsyncAPI 3 document and as JSON Schemas.

Made from the models and the registries that the program itself uses; `docs/asyncapi.json` and
`docs/schemas/` are what it gives, and a test keeps them so.
"""

import json
from pathlib import PurePath
from typing import Any, get_args

from pydantic import BaseModel

from droptable import __version__
from droptable.daemon.snapshot import Snapshot
from droptable.journal.event import EVENT_VERSION, FIELDS, TimeQuality
from droptable.journal.kinds import DROP_FIELDS, EVENT_KINDS
from droptable.mqtt.payloads import Committed, Replay
from droptable.mqtt.topics import Topics
from droptable.sections import Section

Schema = dict[str, Any]

PATHS = (
    "asyncapi.json",
    *(f"schemas/{name}.json" for name in ("event", "drop", "state", "head", "committed", "replay")),
)
"""The documents, by their places in `docs`."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TOPICS = Topics("{site}", "{table}")

_NUMBER_OR_NULL = {"type": ["number", "null"]}

_DROP_TEXTS = {
    "fall_ms": "From the raw up edge to the raw down edge; null: no up edge was seen",
    "peak_n": "The greatest load from 200 ms before the up edge to the down edge",
    "release_n": "The load at the up edge",
    "tension_n": "The tension that was measured; null: not known",
    "armed_ms": "From arming to the up edge, by the board's clock; null: it was not armed any more",
    "calibration_id": "The calibration that the forces were measured by; null: none",
}


def schemas() -> dict[str, Schema]:
    """The JSON Schema of every document, by the name of its file in `docs/schemas/`."""
    found = {
        "event": _event(),
        "drop": _drop(),
        "state": _model(Snapshot),
        "head": _head(),
        "committed": _model(Committed),
        "replay": _model(Replay),
    }
    return {name: {"$schema": DIALECT, **schema} for name, schema in found.items()}


def asyncapi() -> Schema:
    """The whole contract, one document that refers to nothing outside itself."""
    channels = _channels()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "droptable",
            "version": __version__,
            "description": "What a drop table publishes, and the one thing that can be commanded: "
            "STOP. MQTT 3.1.1 and 5. Events are delivered at least once and in order; "
            "`epoch` and `seq` tell which are the same.",
        },
        "defaultContentType": "application/json",
        "channels": {name: channel["channel"] for name, channel in channels.items()},
        "operations": {
            name: {
                "action": channel["action"],
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": channel["summary"],
                "bindings": {
                    "mqtt": {"qos": channel["qos"], "retain": channel["retain"]},
                },
            }
            for name, channel in channels.items()
        },
        "components": {"schemas": {name: _inlined(name, each) for name, each in schemas().items()}},
    }


def document(path: str) -> str:
    """The text of one of PATHS."""
    name = PurePath(path).stem
    found = asyncapi() if name == "asyncapi" else schemas()[name]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _channels() -> dict[str, dict[str, Any]]:
    text = {"contentType": "text/plain"}
    return {
        "availability": _channel(
            "send", TOPICS.availability, 1, True, "Whether the daemon is there; the last will too.",
            text | {"payload": {"enum": ["online", "offline"]}},
        ),
        "state": _channel(
            "send", TOPICS.state, 0, True,
            "The whole table as now, without people's names: on change, at most 5 a second.",
            _payload("state"),
        ),
        "event": _channel(
            "send", TOPICS.event("{kind}"), 1, False,
            "Each event exactly as in the journal, in order, at least once.", _payload("event"),
        ),
        "head": _channel(
            "send", TOPICS.head, 1, True,
            "How far the journal has come: every 30 s and on change.", _payload("head"),
        ),
        "committed": _channel(
            "receive", TOPICS.committed, 1, False,
            "A sink says: all up to `seq` is durable with me.", _payload("committed"),
        ),
        "replay": _channel(
            "receive", TOPICS.replay, 1, False,
            "A sink asks for a range again, both ends included.", _payload("replay"),
        ),
        "stop": _channel(
            "receive", TOPICS.stop, 1, False,
            "STOP, whatever the payload says. A retained one is ignored.",
            text | {"payload": True},
        ),
    }  # fmt: skip


def _channel(
    action: str, address: str, qos: int, retain: bool, summary: str, message: Schema
) -> dict[str, Any]:
    names = {
        "site": "Where the table stands, `[table] site` of its configuration",
        "table": "The table's name, `[table] name` of its configuration",
        "kind": "The event's kind",
    }
    parameters = {
        name: {"description": text} for name, text in names.items() if f"{{{name}}}" in address
    }
    return {
        "action": action,
        "qos": qos,
        "retain": retain,
        "summary": summary,
        "channel": {
            "address": address,
            "messages": {"message": message},
            "parameters": parameters,
        },
    }


def _payload(name: str) -> Schema:
    return {"payload": {"$ref": f"#/components/schemas/{name}"}}


def _model(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True, mode="serialization")


def _event() -> Schema:
    hexadecimal = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    kinds = " ".join(f"{kind}: {text}" for kind, text in sorted(EVENT_KINDS.items()))
    properties: Schema = {
        "v": {"const": EVENT_VERSION, "description": "What these fields mean"},
        "table": {"type": "string", "description": "The table's name"},
        "epoch": {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "Which journal this is; a new one begins at seq 1",
        },
        "seq": {"type": "integer", "minimum": 1, "description": "Gapless from 1 in each epoch"},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 UTC, microseconds; the order is that of seq",
        },
        "time_quality": {"enum": get_args(TimeQuality)},
        "kind": {
            "type": "string",
            "description": f"{kinds} A newer program may tell of others.",
        },
        "section": {"enum": [*(section.label for section in Section), None]},
        "actor": {"type": "string", "description": "Who or what did it: a person, board, daemon"},
        "data": {"type": "object", "description": "By kind; that of a drop is told in `drop`"},
        "prev": hexadecimal | {"description": "`hash` of the event before; of the first: zeros"},
        "hash": hexadecimal | {"description": "SHA-256 over the canonical JSON without `hash`"},
    }
    return {
        "title": "event",
        "description": "One record of the journal, in its canonical JSON (RFC 8785).",
        "type": "object",
        "properties": {name: properties[name] for name in FIELDS},
        "required": list(FIELDS),
        "additionalProperties": False,
    }


def _drop() -> Schema:
    properties: Schema = {
        name: _NUMBER_OR_NULL | {"description": text} for name, text in _DROP_TEXTS.items()
    }
    properties["calibration_id"]["type"] = ["string", "null"]
    for name in ("board_us", "boot_id", "event_seq"):
        properties[name] = {"type": "integer", "minimum": 0}
    properties["board_us"]["description"] = "The board's clock at the up edge, from its boot"
    properties["boot_id"]["description"] = "Which run of the board"
    properties["event_seq"]["description"] = "The board's own number of the drop in that run"
    return {
        "title": "drop",
        "description": "The `data` of an event of the kind drop.",
        "type": "object",
        "properties": properties,
        "required": [*DROP_FIELDS, "board_us", "boot_id", "event_seq"],
    }


def _head() -> Schema:
    return {
        "title": "head",
        "description": "The newest event of the journal, for whoever wants to prove that none is "
        "missing.",
        "type": "object",
        "properties": {
            "epoch": {"type": "string"},
            "seq": {"type": "integer", "minimum": 0},
            "hash": {"type": "string"},
        },
        "required": ["epoch", "seq", "hash"],
    }


def _inlined(name: str, schema: Schema) -> Schema:
    """A schema as a part of the document: what it refers to is below it there."""
    text = json.dumps({key: value for key, value in schema.items() if key != "$schema"})
    inlined: Schema = json.loads(text.replace("#/$defs/", f"#/components/schemas/{name}/$defs/"))
    return inlined
