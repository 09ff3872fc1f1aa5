"""How the documents that are not events are spelled, and what a sink may say.

Pure: bytes in, values out. No payload from the broker is trusted or unbounded.
"""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from droptable.daemon.snapshot import Snapshot

ONLINE = b"online"
OFFLINE = b"offline"

SINK_MESSAGE_MAX_BYTES = 1024
"""An epoch and two numbers need about 100."""

HELD = "held"
"""Stands for the name of whoever holds the lease, or is at a control."""

_PERSONAL_TEXTS = frozenset({"text", "remedy"})


def head_payload(epoch: str, seq: int, newest_hash: str) -> bytes:
    """The journal's head, for whoever wants to prove later that nothing was cut off."""
    return json.dumps({"epoch": epoch, "seq": seq, "hash": newest_hash}).encode()


def state_payload(snapshot: Snapshot) -> bytes:
    """The snapshot with the same keys and without people's names.

    A reason may name the holder too ("held by ..."), so that name goes from sentences as well.
    """
    shown = snapshot.model_dump(mode="json", by_alias=True)
    for name in _names(snapshot):
        shown["sections"] = _nameless(
            shown["sections"], re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        )
    if snapshot.lease.holder is not None:
        shown["lease"]["holder"] = HELD
    for part in (shown["lease"]["take_over"], shown["gesture"], shown["series"]):
        if part is not None:
            part["by"] = HELD
    return json.dumps(shown, separators=(",", ":")).encode()


def _names(snapshot: Snapshot) -> set[str]:
    """Everyone who is named anywhere in it."""
    parts = (snapshot.lease.take_over, snapshot.gesture, snapshot.series)
    named = (snapshot.lease.holder, *(part.by for part in parts if part is not None))
    return {name for name in named if name is not None}


def _nameless(value: Any, name: re.Pattern[str]) -> Any:
    match value:
        case dict():
            return {
                key: name.sub("someone", inner)
                if key in _PERSONAL_TEXTS and isinstance(inner, str)
                else _nameless(inner, name)
                for key, inner in value.items()
            }
        case list():
            return [_nameless(inner, name) for inner in value]
        case _:
            return value


class _SinkMessage(BaseModel):
    # A later version may say more; what is known must still be of exactly the stated type.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    epoch: str = Field(max_length=64)


_SinkMessageT = TypeVar("_SinkMessageT", bound=_SinkMessage)


class Committed(_SinkMessage):
    """All up to `seq` of `epoch` is durable with the sink."""

    seq: int = Field(ge=0)


class Replay(_SinkMessage):
    """The sink asks for a range of `epoch` again, both ends included."""

    first: int = Field(alias="from", ge=1)
    last: int = Field(alias="to", ge=1)


def committed_from(payload: bytes) -> Committed | None:
    """What the sink says, None when it cannot be understood."""
    return _parsed(Committed, payload)


def replay_from(payload: bytes) -> Replay | None:
    """What the sink asks for, None when it cannot be understood or the range is empty."""
    asked = _parsed(Replay, payload)
    return asked if asked is not None and asked.first <= asked.last else None


def _parsed(model: type[_SinkMessageT], payload: bytes) -> _SinkMessageT | None:
    if len(payload) > SINK_MESSAGE_MAX_BYTES:
        return None
    try:
        return model.model_validate_json(payload)
    except ValidationError:
        return None
