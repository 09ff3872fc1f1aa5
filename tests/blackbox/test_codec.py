"""What the black box writes is what the core had: every event, effect and state, by its type alone."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag, StrEnum
from typing import Any, Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droptable.blackbox.codec import Codec, text_of
from droptable.core.effects import Effect
from droptable.core.events import Event
from droptable.core.limits import Settings
from droptable.core.model import State


def one(values: Mapping[tuple[int, int], int]) -> int:
    return len(values)


def other(values: Mapping[tuple[int, int], int]) -> int:
    return 0


FUNCTIONS: dict[str, Callable[..., Any]] = {"one": one, "other": other}
st.register_type_strategy(Settings, st.builds(Settings, params_crc=st.sampled_from([one, other])))

CODECS = {hint: Codec(hint, FUNCTIONS) for hint in (*get_args(Event), *get_args(Effect), State)}
ALL = Codec(Event | Effect, FUNCTIONS)


def comes_back(codec: Codec, value: Any) -> None:
    text = text_of(codec.write(value))
    again = codec.read(json.loads(text))
    assert text_of(codec.write(again)) == text
    assert "\n" not in text
    if "NaN" not in text:
        assert again == value
        assert repr(again) == repr(value) or "frozenset" in repr(value) or "{" in repr(value)


@pytest.mark.parametrize("hint", CODECS, ids=lambda hint: hint.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_event_effect_and_state_comes_back(hint: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(hint))
    comes_back(CODECS[hint], value)
    if hint is not State:
        comes_back(ALL, value)


def test_a_value_has_one_text_whatever_the_order_it_was_made_in() -> None:
    codec = Codec(Mapping[tuple[int, int], frozenset[str]], {})
    ways = ({(1, 2): {"a", "b"}, (0, 9): set()}, {(0, 9): set(), (1, 2): {"b", "a"}})
    assert len({text_of(codec.write(way)) for way in ways}) == 1


class Colour(Enum):
    RED = (1, 2)


class Word(StrEnum):
    A = "a"


class Bits(Flag):
    ONE = 1
    TWO = 2


@dataclass(frozen=True, slots=True)
class Empty:
    pass


@dataclass(frozen=True, slots=True)
class Everything:
    """What a field may be that no event has yet."""

    colour: Colour | None
    word: Word
    bits: Bits
    choice: Literal["x", 3]
    mixed: int | str | float | None
    nested: tuple[Empty, tuple[int, ...]]
    either: Empty | Word | bool
    by_name: dict[str, tuple[float, float]]
    some: frozenset[int | None]
    plain: tuple[Word, ...]


@given(st.from_type(Everything))
def test_a_field_of_any_frozen_kind_needs_no_change(value: Everything) -> None:
    comes_back(Codec(Everything, {}), value)


@pytest.mark.parametrize("hint", [Any, object, list[int], bytes, type(None) | object, set[int]])
def test_what_says_too_little_is_found_when_the_codec_is_made(hint: Any) -> None:
    with pytest.raises(TypeError, match="says too little"):
        Codec(tuple[hint, ...], {})


@pytest.mark.parametrize(
    ("hint", "plain"),
    [
        (int, "1"),
        (int, None),
        (str, 1),
        (bool, 1),
        (float, "1"),
        (Word, "b"),
        (Colour, "BLUE"),
        (Colour, 1),
        (Literal["x"], "y"),
        (Empty, [1]),
        (Empty, {}),
        (tuple[int, int], [1]),
        (tuple[int, ...], 5),
        (frozenset[int], ["a"]),
        (Mapping[str, int], [["a"]]),
        (Empty | Word, ["Nobody", []]),
        (Empty | Word, []),
        (Empty | Word, None),
        (Callable[[int], int], "nobody"),
        (int | None, "x"),
    ],
)
def test_what_is_no_such_value_is_refused(hint: Any, plain: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Codec(hint, {}).read(plain)


def test_a_function_without_a_name_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="no name"):
        Codec(Callable[[int], int], FUNCTIONS).write(abs)


def test_the_shape_changes_with_each_field_and_each_member() -> None:
    @dataclass(frozen=True)
    class Empty:
        more: int

    shapes = [Codec(hint, {}).shape for hint in (Empty, globals()["Empty"], Word, Bits, State)]
    assert len(set(shapes)) == len(shapes)
    assert CODECS[State].shape == Codec(State, {}).shape
