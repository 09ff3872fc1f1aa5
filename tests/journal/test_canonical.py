"""What is spelled directly must be what the RFC 8785 library spells, on everything that is let through."""

import json
import math
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from droptable.journal.canonical import DEPTH_MAX, WHOLE_MAX, canonical_json

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-WHOLE_MAX, WHOLE_MAX)
    | st.floats(allow_nan=False, allow_infinity=False).filter(
        lambda x: not (x.is_integer() and abs(x) > WHOLE_MAX)
    )
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(_values)
@example({"\ue000": 1, "\U00010000": 2})  # sorts otherwise by code points than by UTF-16
@example({"fall_ms": 45.0, "b": -0.0, "c": 1e-4, "d": 0.00009999, "e": 1e-7, "f": 5e-324})
@example([4503599627370496.5, 9007199254740991.0, 0.1, 1 / 3, 123456789.12345678])
@example('\x00\x1f\x7f\b\f\n\r\t"\\\u2028\xff')
def test_spells_as_the_rfc_does(value: Any) -> None:
    assert canonical_json(value).encode() == rfc8785.dumps(value)


@given(_values)
def test_what_is_spelled_reads_back_and_is_spelled_the_same_again(value: Any) -> None:
    spelled = canonical_json(value)
    assert json.loads(spelled) == value
    assert canonical_json(json.loads(spelled)) == spelled


@given(st.floats())
def test_a_float_is_spelled_exactly_or_refused(value: float) -> None:
    try:
        spelled = canonical_json(value)
    except ValueError:
        assert not math.isfinite(value) or abs(value) > WHOLE_MAX
    else:
        assert json.loads(spelled) == value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        WHOLE_MAX + 1,
        -WHOLE_MAX - 1,
        float(2**53),
        1e21,
        "\ud800",
        {"\ud800": 1},
        {1: "a"},
        {None: "a"},
        b"bytes",
        {1, 2},
        object(),
    ],
)
def test_what_has_no_exact_spelling_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json({"a": [value]})


def test_nesting_is_bounded() -> None:
    value: Any = 1
    for _ in range(DEPTH_MAX):
        value = [value]
    assert canonical_json(value) == "[" * DEPTH_MAX + "1" + "]" * DEPTH_MAX
    with pytest.raises(ValueError, match="nested"):
        canonical_json([value])


def test_an_enum_is_what_it_is_underneath() -> None:
    class Number(IntEnum):
        TWO = 2

    class Word(StrEnum):
        OVER = "over"

    value = MappingProxyType({"a": Number.TWO, "b": (Word.OVER,)})
    assert canonical_json(value) == '{"a":2,"b":["over"]}'
