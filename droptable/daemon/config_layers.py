"""Where values of the configuration come from: the file, over it the environment, over it options.

It gathers and remembers the origin of every value, so that a finding names the line to correct. It
does not judge values; `config_model.py` does.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import SecretStr

from droptable.daemon.config_model import SectionsKeys, every_key, field_at, is_table
from droptable.sections import Section

ENV_PREFIX = "DROPTABLE__"

FILE_SIZE_MAX = 1_000_000
"""Bytes that are read; a file of configuration has a few thousand."""

SECRETS = frozenset({("mqtt", "password")})
"""Keys that the file may not carry."""

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: the place, its line (0: none), and the key as it stands there."""

    place: str
    line: int
    written: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong with a configuration, for a person."""

    place: str
    line: int
    written: str
    text: str

    def __str__(self) -> str:
        at = f"{self.place}:{self.line}" if self.line else self.place
        return f"{at}: {self.written}{' ' if self.written else ''}{self.text}"


@dataclass(slots=True)
class Gathered:
    """All values in one tree, the origin of each, and what could not be read at all."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    place: str = "configuration"
    """What to name for a value that nobody wrote anywhere."""
    unread: bool = False
    """There is a file and it could not be read: what it holds is not known to be missing."""

    def put(self, path: KeyPath, value: object, origin: Origin) -> None:
        """Set one value over whatever was there."""
        table = self.values
        for name in path[:-1]:
            below = table.get(name)
            if not isinstance(below, dict):
                below = table[name] = {}
            table = below
        table[path[-1]] = value
        self.origins[path] = origin

    def origin(self, path: KeyPath) -> Origin:
        """Where the value at `path` stands; for a missing one where its table stands."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                found = self.origins[path[:length]]
                return found if length == len(path) else replace(found, written=".".join(path))
        return Origin(self.place, 0, ".".join(path))


def gather(
    file: Path | None, environment: Mapping[str, str], options: Mapping[str, object]
) -> Gathered:
    """All three layers; `options` maps dotted keys to values and comes from the command line."""
    gathered = Gathered()
    if file is not None:
        _gather_file(gathered, file)
    _gather_environment(gathered, environment)
    for dotted, value in options.items():
        gathered.put(tuple(dotted.split(".")), value, Origin("command line", 0, dotted))
    _spread_shared_keys(gathered)
    return gathered


# The file


def _gather_file(gathered: Gathered, file: Path) -> None:
    gathered.unread = True
    try:
        with file.open("rb") as stream:
            text = stream.read(FILE_SIZE_MAX).decode()
        tree = tomllib.loads(text)
    except OSError as error:
        gathered.findings.append(Finding(str(file), 0, "", f"cannot be read: {error.strerror}"))
        return
    except tomllib.TOMLDecodeError as error:
        gathered.findings.append(_not_toml(file, str(error)))
        return
    except UnicodeDecodeError:
        gathered.findings.append(Finding(str(file), 0, "", "is not text in UTF-8"))
        return
    gathered.place, gathered.unread = str(file), False
    lines = _lines_of_keys(text)
    # Headers as well: what is missing in a table is told with the line of its header.
    gathered.origins |= {
        path: Origin(str(file), line, ".".join(path)) for path, line in lines.items()
    }
    for path, value in _leaves(tree):
        origin = Origin(str(file), lines.get(path, 0), ".".join(path))
        gathered.put(path, value, origin)
        if path in SECRETS:
            gathered.findings.append(
                Finding(
                    origin.place,
                    origin.line,
                    origin.written,
                    "is a secret and does not belong in this file; use "
                    f"{path[-1]}_file or {ENV_PREFIX}{'__'.join(path).upper()}",
                )
            )


def _not_toml(file: Path, message: str) -> Finding:
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    if at is None:
        return Finding(str(file), 0, "", f"is not TOML: {message}")
    return Finding(str(file), int(at[1]), "", f"is not TOML: {message[: at.start()]}")


def _leaves(tree: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


_HEADER = re.compile(r"^\s*\[\s*([\w.\s-]+?)\s*\]")
_KEY = re.compile(r"^\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*=")


def _lines_of_keys(text: str) -> dict[KeyPath, int]:
    """The line of each plainly written key. It serves messages only: quoted keys have none."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _dotted(header[1])
            lines.setdefault(table, number)
        elif written := _KEY.match(line):
            lines.setdefault((*table, *_dotted(written[1])), number)
    return lines


def _dotted(written: str) -> KeyPath:
    return tuple(part.strip() for part in written.split("."))


# The environment


def _gather_environment(gathered: Gathered, environment: Mapping[str, str]) -> None:
    for variable in sorted(environment):
        if not variable.startswith(ENV_PREFIX):
            continue
        path = tuple(variable.removeprefix(ENV_PREFIX).lower().split("__"))
        value = _typed(path, environment[variable])
        gathered.put(path, value, Origin("environment", 0, variable))


def _typed(path: KeyPath, text: str) -> object:
    """`text` as the kind of value that the key wants; what does not fit stays a text and fails."""
    wanted = field_at(path)
    if wanted is None or "str" in _kinds(wanted.annotation) or is_table(wanted):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _kinds(annotation: object) -> set[str]:
    """The names of the plain types in an annotation; texts of all sorts are `str`."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) is Literal or annotation is SecretStr:
        return {"str"}
    inner = get_args(annotation)
    if inner:
        return set().union(*(_kinds(each) for each in inner))
    return {getattr(annotation, "__name__", "")}


# Keys of all sections


def _spread_shared_keys(gathered: Gathered) -> None:
    """Give every section the keys of `[sections]` that it does not set itself."""
    sections = gathered.values.get("sections")
    if not isinstance(sections, dict):
        return
    shared = {
        name: value
        for name, value in sections.items()
        if name not in SectionsKeys.model_fields and not isinstance(value, dict)
    }
    for name, value in shared.items():
        del sections[name]
        for section in Section:
            own = sections.setdefault(section.label, {})
            if isinstance(own, dict) and name not in own:
                own[name] = value
                gathered.origins[("sections", section.label, name)] = gathered.origins[
                    ("sections", name)
                ]


KEYS = frozenset(every_key())
"""Every key there is, to find the one that was meant."""
