"""What a segment of the black box holds, line by line, and how it is read back. Pure.

A segment is a file of gzip members one after the other, so that `zcat` shows it; each member holds
whole lines of JSON and is whole or worth nothing. The first line is the head with the full state,
so any segment can be played again by itself. Each later line is one step:

    [us since the step before, event]                      nothing was to be done
    [us since the step before, event, [effect, ...]]       this was
    [us since the step before, event, null, "error"]       the step failed
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from droptable import __version__
from droptable.blackbox.codec import Codec, Functions, text_of
from droptable.core.effects import Effect
from droptable.core.events import Event
from droptable.core.model import State
from droptable.errors import DroptableError

SCHEMA = "black-box/1"

MEMBER_MAX_BYTES = 4_000_000
"""No member holds more, written out; what claims to is damaged."""

GZIP = 16 + zlib.MAX_WBITS

Outcome = tuple[Effect, ...] | Exception
"""What a step gave: its effects, or the error that it failed with."""


class Codecs:
    """How everything in a recording is written. `functions` are those that a State refers to."""

    def __init__(self, functions: Functions) -> None:
        self.state = Codec(State, functions)
        self.event = Codec(Event, functions)
        self.effects = Codec(tuple[Effect, ...], functions)
        self.shape = f"{self.state.shape}-{self.event.shape}-{self.effects.shape}"


@dataclass(frozen=True, slots=True)
class Head:
    """How a segment begins. `run` names one run of a daemon; `step` counts its steps from 0."""

    run: str
    step: int
    utc: str
    now_us: int
    state: State


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it was taken; `done` is the text of its effects, or of its error."""

    now_us: int
    event: Event
    done: str


@dataclass(frozen=True, slots=True)
class Lost:
    """What could not be read at the end of a segment. `torn`: it was cut off; else it is damaged."""

    bytes: int
    torn: bool


# Writing


def head_text(codecs: Codecs, head: Head) -> str:
    """The first line of a segment."""
    return text_of(
        {
            "schema": SCHEMA,
            "program": __version__,
            "shape": codecs.shape,
            "run": head.run,
            "step": head.step,
            "utc": head.utc,
            "now_us": head.now_us,
            "state": codecs.state.write(head.state),
        }
    )


def step_text(codecs: Codecs, since_us: int, event: Event, outcome: Outcome) -> str:
    """The line of one step."""
    line: list[Any] = [since_us, codecs.event.write(event)]
    if isinstance(outcome, Exception):
        line += [None, error_text(outcome)]
    elif outcome:
        line.append(codecs.effects.write(outcome))
    return text_of(line)


def done_text(codecs: Codecs, outcome: Outcome) -> str:
    """The text of what a step gave, to be compared byte for byte."""
    if isinstance(outcome, Exception):
        return text_of(error_text(outcome))
    return text_of(codecs.effects.write(outcome))


def error_text(error: Exception) -> str:
    """An error as it is recorded: its kind and its sentence."""
    return f"{type(error).__name__}: {error}"


def member(text: str) -> bytes:
    """Whole lines as one gzip member."""
    packer = zlib.compressobj(wbits=GZIP)
    return packer.compress(text.encode()) + packer.flush()


# Reading


def read(codecs: Codecs, content: bytes) -> tuple[Head, Iterator[Step], Lost | None]:
    """A segment's head, its steps in order, and what is lost at its end.

    Raises DroptableError: RECORDING_FOREIGN for one of another program, RECORDING_UNREADABLE for
    what is none; the steps raise it too, at the first line that makes no sense.
    """
    texts, lost = _members(content)
    lines = [line for text in texts for line in text.splitlines()]
    if not lines:
        raise DroptableError("RECORDING_UNREADABLE", "it has no whole beginning")
    head = _head(codecs, _parsed(lines[0]))
    return head, _steps(codecs, head.now_us, lines[1:]), lost


def _members(content: bytes) -> tuple[list[str], Lost | None]:
    """The text of each whole member, and what is left after the last of them."""
    texts: list[str] = []
    rest = content
    while rest:
        unpacker = zlib.decompressobj(wbits=GZIP)
        try:
            text = unpacker.decompress(rest, MEMBER_MAX_BYTES)
        except zlib.error:
            # After a power cut a file may end in zeros that were never written.
            return texts, Lost(len(rest), torn=not rest.strip(b"\0"))
        if not unpacker.eof:
            return texts, Lost(len(rest), torn=not unpacker.unconsumed_tail)
        texts.append(text.decode(errors="replace"))
        rest = unpacker.unused_data
    return texts, None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise DroptableError("RECORDING_UNREADABLE", f"a line is no JSON: {error}") from None


def _head(codecs: Codecs, found: Any) -> Head:
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise DroptableError("RECORDING_UNREADABLE", f"it does not begin with {SCHEMA}")
    theirs = (found.get("program"), found.get("shape"))
    if theirs != (__version__, codecs.shape):
        detail = f"recorded by droptable {theirs[0]}, shape {theirs[1]}; "
        detail += f"this is {__version__}, shape {codecs.shape}"
        raise DroptableError("RECORDING_FOREIGN", detail)
    try:
        return Head(
            str(found["run"]),
            int(found["step"]),
            str(found["utc"]),
            int(found["now_us"]),
            codecs.state.read(found["state"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DroptableError("RECORDING_UNREADABLE", f"its head: {error}") from None


def _steps(codecs: Codecs, now_us: int, lines: list[str]) -> Iterator[Step]:
    for line in lines:
        found = _parsed(line)
        try:
            since_us, event, *done = found
            now_us += int(since_us)
            yield Step(now_us, codecs.event.read(event), _done(done))
        except (TypeError, ValueError) as error:
            raise DroptableError("RECORDING_UNREADABLE", f"a step: {error}") from None


def _done(done: list[Any]) -> str:
    """What was recorded of a step's outcome: no effects, some, or an error."""
    match done:
        case []:
            return "[]"
        case [effects]:
            return text_of(effects)
        case [None, str(error)]:
            return text_of(error)
        case _:
            raise ValueError(f"{done!r} is no outcome")
