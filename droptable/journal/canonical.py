"""Canonical JSON as RFC 8785 has it: one value, one spelling, so that a hash means something.

The `rfc8785` library is the law here, and too slow for each event of a busy table. What an event
is made of nearly always is written directly: text, whole numbers, and decimals in the range where
Python and ECMAScript spell alike. All else goes to the library, and a property test holds the
two equal.

Stricter than the RFC in one point: a number whose spelling would read back as another number, or
as a whole number that is not exact, is refused, for a journal must verify from its own bytes.
"""

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import TypeAlias

import rfc8785

JsonValue: TypeAlias = (
    "Mapping[str, JsonValue] | list[JsonValue] | tuple[JsonValue, ...] | str | int | float | None"
)

WHOLE_MAX = 2**53 - 1
"""The largest whole number that every JSON reader takes exactly (RFC 8785, appendix B)."""

# From here up to WHOLE_MAX both languages write plain digits with a point; below, Python changes
# to an exponent earlier than ECMAScript does.
_PLAIN_MIN = 1e-4

DEPTH_MAX = 16
"""How deep a value may nest; what is recorded about a drop has one level."""


def canonical_json(value: JsonValue, depth: int = 0) -> str:
    """`value` in its one canonical spelling.

    Raises ValueError for what has none: NaN and infinities, whole numbers beyond `WHOLE_MAX`, lone
    surrogates, keys that are not text, other types than JSON has, nesting beyond `DEPTH_MAX`.
    """
    # The order is that of how often each type occurs in an event.
    kind = type(value)
    if kind is int:
        if -WHOLE_MAX <= value <= WHOLE_MAX:  # type: ignore[operator]
            return int.__repr__(value)
        raise ValueError(f"{value} is beyond the whole numbers that JSON carries exactly")
    if kind is float:
        return _number(value)  # type: ignore[arg-type]
    if kind is str:
        return canonical_text(value)  # type: ignore[arg-type]
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    return _compound(value, depth)


def canonical_text(text: str) -> str:
    """A string with its quotes; ValueError when it cannot be encoded."""
    if not text.isascii():
        text.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    return encode_basestring(text)


def _number(value: float) -> str:
    if value.is_integer():
        if abs(value) > WHOLE_MAX:
            raise ValueError(f"{value} is beyond the whole numbers that JSON carries exactly")
        return int.__repr__(int(value))
    if abs(value) >= _PLAIN_MIN and abs(value) < WHOLE_MAX:
        return float.__repr__(value)
    return rfc8785.dumps(value).decode()  # refuses NaN and the infinities


def _compound(value: JsonValue, depth: int) -> str:
    if depth >= DEPTH_MAX:
        raise ValueError(f"nested deeper than {DEPTH_MAX}")
    match value:
        case Mapping():
            return _object(value, depth)
        case list() | tuple():
            return "[" + ",".join([canonical_json(item, depth + 1) for item in value]) + "]"
        # Enums and the like: what they are underneath, not what their class prints.
        case int():
            return canonical_json(int(value))
        case float():
            return canonical_json(float(value))
        case str():
            return canonical_text(str.__str__(value))
        case _:
            pass
    raise ValueError(f"JSON has no {type(value).__name__}")


def _object(value: Mapping[str, JsonValue], depth: int) -> str:
    try:
        plain = "".join(value).isascii()
    except TypeError:
        raise ValueError("a key of an object must be text") from None
    # By UTF-16 code units; for ASCII that is the order Python has.
    keys = sorted(value) if plain else sorted(value, key=_utf16)
    below = depth + 1
    members = [f"{encode_basestring(key)}:{canonical_json(value[key], below)}" for key in keys]
    return "{" + ",".join(members) + "}"


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")
