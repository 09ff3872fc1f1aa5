"""Frames of the board link as words: every field by its name, its value, and what the value means.

It reads and judges nothing: a number that has no word, as a newer board may send it, stays a number.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Any

from droptable.board.model import (
    ANY_PHASE,
    TABLE,
    Code,
    Disarmed,
    Fault,
    Feature,
    Flag,
    Kind,
    Phase,
    StopSource,
    Verb,
)
from droptable.link.messages import (
    FROM_HOST,
    Beat,
    Command,
    Event,
    Message,
    Param,
    ParamSet,
    SectionStatus,
    TextLevel,
)
from droptable.link.params import Key
from droptable.sections import Section

RESET_CAUSES = ("unknown", "power-on", "brown-out", "watchdog", "external", "software")
INPUT_BITS = ("up", "down", "pin", "load cell valid")
OUTPUT_BITS = ("lift", "pin withdrawn", "lowering valve")
BEAT_BITS = ("lease live", "hold pressed")
SECTIONS = tuple(section.label for section in Section)

Word = Callable[[int], str | None]
"""What a number means; None when it means nothing but itself."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a frame."""

    name: str
    value: int | str | tuple[int, ...]
    word: str | None

    def __str__(self) -> str:
        # A board may send anything as text; what would move a cursor is shown, not obeyed.
        value = repr(self.value) if isinstance(self.value, str) else _listed(self.value)
        return f"{self.name}={value}" + (f" ({self.word})" if self.word else "")


def frame_name(kind: type[Message]) -> str:
    """What the contract calls a message: PARAM_SET for ParamSet."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper()


def sender(message: Message) -> str:
    """Whether the host or the board says such a thing."""
    return "host" if message.TYPE in FROM_HOST else "board"


def fields_of(message: Message) -> Iterator[Field]:
    """The fields of `message` in the order of the wire; those of a section carry its name."""
    words = {**_WORDS, **_words_within(message)}
    for field in fields(message):  # type: ignore[arg-type]
        value = getattr(message, field.name)
        if isinstance(value, SectionStatus):
            for part in fields(value):
                found = _field(part.name, getattr(value, part.name), words)
                yield Field(f"{field.name}.{part.name}", found.value, found.word)
        else:
            yield _field(field.name, value, words)


def _words_within(message: Message) -> Mapping[str, Word]:
    """What numbers mean in this message alone, by its type or by what another field says."""
    match message:
        case Beat():
            return {"flags": _bits(BEAT_BITS)}
        case Command(verb=Verb.ARM):
            return {"arg": lambda ms: f"window {ms} ms"}
        case Command(verb=Verb.MAINTENANCE):
            return {"arg": _place_in(("leave", "enter"))}
        case Param(key=key) | ParamSet(key=key):
            return {"value": _unit_word((_name_in(Key)(key) or "").lower())}
        case Event(kind=kind):
            return _event_words(kind)
        case _:
            return {}


def _field(name: str, value: Any, words: Mapping[str, Word]) -> Field:
    if not isinstance(value, int):
        return Field(name, value, None)
    return Field(name, value, words.get(name, _unit_word(name))(value))


def _listed(value: int | tuple[int, ...]) -> str:
    return str(value) if isinstance(value, int) else "[" + " ".join(map(str, value)) + "]"


# Numbers with a meaning


def _name_in(names: type[IntEnum]) -> Word:
    known = {member.value: member.name for member in names}
    return known.get


def _place_in(names: tuple[str, ...]) -> Word:
    return dict(enumerate(names)).get


def _section(number: int) -> str | None:
    return "table" if number == TABLE else _place_in(SECTIONS)(number)


def _expected(phase: int) -> str | None:
    return "any" if phase == ANY_PHASE else _name_in(Phase)(phase)


def flag_words(flags: Iterable[IntFlag]) -> tuple[str, ...]:
    """The bits of `flags` in words, from bit 0 on."""
    names = (flag.name.lower() for flag in flags if flag.name)
    return tuple(name.replace("_", " ").replace("estop", "e-stop") for name in names)


def _bits(words: tuple[str, ...]) -> Word:
    def said(number: int) -> str:
        named = [word for bit, word in enumerate(words) if number >> bit & 1]
        if strange := number >> len(words) << len(words):
            named.append(f"unknown {strange:#x}")
        return ", ".join(named) or "none"

    return said


_WORDS: dict[str, Word] = {
    "verb": _name_in(Verb),
    "section": _section,
    "expect": _expected,
    "phase": _name_in(Phase),
    "fault": _name_in(Fault),
    "code": _name_in(Code),
    "kind": _name_in(Kind),
    "key": _name_in(Key),
    "level": _name_in(TextLevel),
    "reset_cause": _place_in(RESET_CAUSES),
    "inputs": _bits(INPUT_BITS),
    "outputs": _bits(OUTPUT_BITS),
    "flags": _bits(flag_words(Flag)),
    "features": _bits(flag_words(Feature)),
    "params_crc": lambda crc: f"{crc:#010x}",
    "boot_id": lambda boot_id: f"{boot_id:#010x}",
}

# Numbers with a unit


_UNITS: dict[str, Word] = {
    "_us": lambda us: f"{us / 1_000_000:.6f} s" if us >= 1_000_000 else f"{us / 1000:.3f} ms",
    "_ms": lambda ms: f"{ms} ms",
    "_dn": lambda dn: f"{dn / 10:.1f} N",
    "_mv": lambda mv: f"{mv / 1000:.3f} V",
    "_kpa": lambda kpa: f"{kpa} kPa",
    "_um": lambda um: f"{um / 1000:.3f} mm",
    "_un": lambda un: f"{un} µN a count or step",
}


def _unit_word(name: str) -> Word:
    """By the unit that a field's name ends with."""
    return next((word for end, word in _UNITS.items() if name.endswith(end)), lambda _: None)


# The three numbers of an EVENT


@dataclass(frozen=True, slots=True)
class EventNumber:
    """What `a`, `b` or `c` of an EVENT of some kind is."""

    name: str
    word: Word = lambda _: None


def _measured(name: str) -> EventNumber:
    return EventNumber(name, _unit_word(name))


EVENT_NUMBERS: dict[Kind, tuple[EventNumber, ...]] = {
    Kind.BOOTED: (EventNumber("reset_cause", _place_in(RESET_CAUSES)),),
    Kind.LINK_LOST: (),
    Kind.LINK_UP: (),
    Kind.COCKED: (_measured("duration_us"),),
    Kind.ARMED: (_measured("window_ms"),),
    Kind.DISARMED: (EventNumber("reason", _name_in(Disarmed)),),
    Kind.DROP: (_measured("fall_us"), _measured("peak_load_dn"), _measured("load_dn")),
    Kind.LOCKED: (_measured("duration_us"),),
    Kind.STOPPED: (EventNumber("source", _name_in(StopSource)),),
    Kind.STOP_RESET: (),
    Kind.FAULT: (EventNumber("code", _name_in(Fault)),),
    Kind.FAULT_CLEARED: (EventNumber("code", _name_in(Fault)),),
    Kind.ESTOP_OPEN: (),
    Kind.ESTOP_CLOSED: (),
    Kind.PEDAL: (EventNumber("down", _place_in(("up", "down"))),),
    Kind.HALTED: (),
    Kind.MAINTENANCE: (EventNumber("entered", _place_in(("left", "entered"))),),
    Kind.EVENTS_LOST: (EventNumber("how_many"),),
}
"""What `a`, `b` and `c` are, as many as a kind uses; the rest are 0."""


def _event_words(kind: int) -> dict[str, Word]:
    try:
        numbers = EVENT_NUMBERS[Kind(kind)]
    except ValueError:
        return {}
    return {letter: _said(number) for letter, number in zip("abc", numbers, strict=False)}


def _said(number: EventNumber) -> Word:
    def said(value: int) -> str:
        word = number.word(value)
        return number.name if word is None else f"{number.name} {word}"

    return said
