"""The configuration's door: `load` gives a valid `Config`, or every reason why there is none.

Nothing here touches the table, the network or the state directory.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from droptable.daemon.config_layers import KEYS, SECRETS, Finding, Gathered, KeyPath, Origin, gather
from droptable.daemon.config_model import (
    Config,
    Contradiction,
    SectionKeys,
    field_at,
    is_table,
    listen_contradictions,
    names_at,
    split_address,
)
from droptable.daemon.places import state_dir
from droptable.errors import DroptableError

__all__ = [
    "Config",
    "ConfigInvalidError",
    "Finding",
    "SectionKeys",
    "json_schema",
    "load",
    "mqtt_password",
    "split_address",
    "state_dir",
]

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ConfigInvalidError(DroptableError):
    """CONFIG_INVALID with every finding, in the order of the places to correct."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        # A key for all sections that is wrong is found three times.
        self.findings = tuple(sorted(set(findings)))
        super().__init__("CONFIG_INVALID", "; ".join(str(finding) for finding in self.findings))


def load(
    file: Path | None,
    environment: Mapping[str, str],
    options: Mapping[str, object] | None = None,
) -> Config:
    """The configuration of `file`, under the environment, under options of the command line.

    `options` maps dotted keys such as `http.listen` to values. Raises ConfigInvalidError, a
    DroptableError of code CONFIG_INVALID, that lists everything that is wrong at once.
    """
    gathered = gather(file, environment, options or {})
    try:
        config = Config.model_validate(gathered.values)
    except ValidationError as error:
        found = (*_findings(error, gathered), *_listening(error, gathered))
        raise ConfigInvalidError([*gathered.findings, *found]) from None
    if gathered.findings:
        raise ConfigInvalidError(gathered.findings)
    return _with_paths_of(file, config)


def _with_paths_of(file: Path | None, config: Config) -> Config:
    """Relative paths count from the folder of the file that they stand in."""
    if file is None or config.mqtt.password_file is None:
        return config
    password_file = str(file.absolute().parent / config.mqtt.password_file)
    mqtt = config.mqtt.model_copy(update={"password_file": password_file})
    return config.model_copy(update={"mqtt": mqtt})


def mqtt_password(config: Config) -> str | None:
    """The broker's password from the environment or its file; None when neither is configured.

    Raises ConfigInvalidError when the file cannot be read or its first line is empty.
    """
    if config.mqtt.password is not None:
        return config.mqtt.password.get_secret_value()
    if config.mqtt.password_file is None:
        return None
    place = config.mqtt.password_file
    try:
        first_line = Path(place).read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigInvalidError(
            [Finding(place, 0, "mqtt.password_file", f"cannot be read: {reason}")]
        ) from None
    if not first_line:
        raise ConfigInvalidError(
            [Finding(place, 0, "mqtt.password_file", "has an empty first line")]
        )
    return first_line


def json_schema() -> dict[str, Any]:
    """JSON Schema of the file: keys, units, ranges, defaults and descriptions."""
    return {"$schema": SCHEMA_DIALECT, **Config.model_json_schema()}


# From pydantic's errors to sentences that name place, key, value and what is allowed


def _findings(error: ValidationError, gathered: Gathered) -> Iterator[Finding]:
    for each in error.errors(include_url=False):
        path = tuple(str(part) for part in each["loc"])
        if each["type"] == "contradiction":
            contradictions: tuple[Contradiction, ...] = each["ctx"]["found"]
            for found in contradictions:
                yield _finding(gathered.origin(found.path), found.text)
        elif each["type"] == "extra_forbidden":
            yield _finding(_written(gathered, path), _unknown(path))
        elif each["type"] == "missing" and gathered.unread:
            continue
        elif each["type"] == "missing":
            for missing in _required(path):
                yield _finding(gathered.origin(missing), f"is missing; {_allowed(missing)}")
        else:
            value = "" if path in SECRETS else f"= {each['input']!r}: "
            yield _finding(gathered.origin(path), f"{value}{_allowed(path)}")


def _listening(error: ValidationError, gathered: Gathered) -> Iterator[Finding]:
    """An address that must not be, also where other keys keep the rest from being looked at."""
    http = gathered.values.get("http")
    listen = http.get("listen") if isinstance(http, dict) else None
    told = any(
        each["loc"] == ("http", "listen") or each["type"] == "contradiction"
        for each in error.errors(include_url=False)
    )
    if isinstance(listen, str) and not told:
        for found in listen_contradictions(listen):
            yield _finding(gathered.origin(found.path), found.text)


def _written(gathered: Gathered, path: KeyPath) -> Origin:
    """The origin of an unknown name, which may be a whole table: then that of its first key."""
    below = [at for at in gathered.origins if at[: len(path)] == path]
    if path in gathered.origins or not below:
        return gathered.origin(path)
    return replace(gathered.origins[below[0]], written=".".join(path))


def _finding(origin: Origin, text: str) -> Finding:
    return Finding(origin.place, origin.line, origin.written, text)


def _unknown(path: KeyPath) -> str:
    """What to say of a name that does not exist: where else it does, else the nearest one."""
    name, table = path[-1], path[:-1]
    elsewhere = [".".join(key) for key in sorted(KEYS) if key[-1] == name]
    if elsewhere:
        return f"is not known here; it exists as {' and '.join(elsewhere)}"
    if near := get_close_matches(name, names_at(table), n=1):
        return f"is not known; did you mean {near[0]!r}?"
    return f"is not known; here are {', '.join(names_at(table))}"


def _required(path: KeyPath) -> Iterator[KeyPath]:
    """`path` itself if it is a key, else the keys that a table of this path has to have."""
    field = field_at(path)
    if field is None or not is_table(field):
        yield path
        return
    for name in names_at(path):
        below = field_at((*path, name))
        if below is not None and below.is_required():
            yield from _required((*path, name))


def _allowed(path: KeyPath) -> str:
    """What a key takes, in words."""
    field = field_at(path)
    if field is None:
        return "is not allowed"
    if is_table(field):
        required = [name for *_, name in _required(path)]
        keys = f" with at least {', '.join(required)}" if required else ""
        return f"allowed is a table of keys{keys}"
    schema = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    if "allowed" in schema:
        return f"allowed is {schema['allowed']}"
    if "unit" not in schema:
        return "allowed is true or false"
    bounds = {name: bound for each in field.metadata for name, bound in _bounds(each)}
    whole = "" if field.annotation is float else "whole "
    return f"allowed is a {whole}number from {bounds['ge']} to {bounds['le']} {schema['unit']}"


def _bounds(constraint: object) -> Iterator[tuple[str, float]]:
    for name in ("ge", "le"):
        if hasattr(constraint, name):
            yield name, getattr(constraint, name)
