"""Frames in words, for whoever has to find out why a check failed. Pure."""

from dataclasses import fields
from enum import IntEnum, IntFlag

from droptable.conformance.contract import (
    ANY_PHASE,
    TABLE,
    Code,
    Fault,
    Flag,
    Kind,
    Output,
    Phase,
    Switch,
    Verb,
)
from droptable.link.messages import Message, SectionStatus, Status
from droptable.sections import Section

_WORDS: dict[str, type[IntEnum]] = {"verb": Verb, "code": Code, "kind": Kind}


def frame_in_words(message: Message) -> str:
    """One line: the type's name, then its fields with the names of their values."""
    if isinstance(message, Status):
        return _status(message)
    told = [type(message).__name__]
    for field in fields(message):  # type: ignore[arg-type]  # all messages are dataclasses
        value = getattr(message, field.name)
        told.append(f"{field.name}={_value(field.name, value)}")
    return " ".join(told)


def _value(name: str, value: object) -> str:
    if not isinstance(value, int):
        return str(value)
    match name:
        case "section":
            return section_in_words(value)
        case "expect":
            return "any" if value == ANY_PHASE else word(Phase, value)
        case "phase":
            return word(Phase, value)
        case "session" | "boot_id":
            return f"{value:08x}"
        case _:
            return word(_WORDS[name], value) if name in _WORDS else str(value)


def word(words: type[IntEnum], value: int) -> str:
    """The name of a number; the number itself where the contract has none for it."""
    try:
        return words(value).name
    except ValueError:
        return str(value)


def section_in_words(number: int) -> str:
    """The section's name; the number itself where there is none."""
    if number == TABLE:
        return "table"
    return Section(number).label if number in tuple(Section) else str(number)


def _status(status: Status) -> str:
    sections = " ".join(
        f"{name}=[{_section(part)}]"
        for name, part in zip(("thoracic", "lumbar", "pelvic"), status.sections, strict=True)
    )
    return f"Status board_us={status.board_us} flags={_bits(Flag, status.flags)} {sections}"


def _section(part: SectionStatus) -> str:
    fault = f" {word(Fault, part.fault)}" if part.fault else ""
    inputs, outputs = _bits(Switch, part.inputs), _bits(Output, part.outputs)
    return f"{word(Phase, part.phase)}{fault} in:{inputs} out:{outputs} {part.load_dn} dN"


def _bits(words: type[IntFlag], value: int) -> str:
    return "+".join(bit.name or "" for bit in words if bit & value).lower() or "-"


def news_of(status: Status) -> tuple[object, ...]:
    """What of a STATUS a reader wants to see again only when it changes."""
    parts = ((part.phase, part.fault, part.inputs, part.outputs) for part in status.sections)
    return (status.flags, *parts)
