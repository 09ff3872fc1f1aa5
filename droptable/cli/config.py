"""Commands about the configuration: is it valid, what is in force, what is there to set."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from droptable.cli.exits import ExitCode
from droptable.cli.options import AsJson
from droptable.cli.output import put, put_document, say

if TYPE_CHECKING:
    from droptable.daemon.config import Config

app = typer.Typer(help="The configuration.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="TOML; without it, the environment and defaults."),
]


@app.command()
def check(file: File = None, as_json: AsJson = False) -> None:
    """Say whether the configuration is valid; if not, everything that is wrong with it."""
    from droptable.daemon.config import ConfigInvalidError, load, mqtt_password

    try:
        # The daemon needs the password's file as well, so this looks at it too.
        mqtt_password(load(file, os.environ))
    except ConfigInvalidError as error:
        if not as_json:
            raise
        findings = [str(finding) for finding in error.findings]
        put_document({"schema": "config-check/1", "valid": False, "findings": findings})
        raise typer.Exit(ExitCode.USAGE) from None
    if as_json:
        put_document({"schema": "config-check/1", "valid": True, "findings": []})
    else:
        say(f"{file or 'The configuration'} is valid.")


@app.command()
def show(file: File = None, as_json: AsJson = False) -> None:
    """Show what is in force: the file, under the environment, over the defaults; no secrets."""
    from droptable.daemon.config import load

    config = load(file, os.environ)
    if as_json:
        put_document({"schema": "config/1", "config": config.model_dump(mode="json")})
        return
    for line in _lines(config):
        put(line)


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema: every key with its unit, range, default and description."""
    from droptable.daemon.config import json_schema

    if as_json:
        put_document({"schema": "config-schema/1", "json_schema": json_schema()})
    else:
        put(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _lines(config: "Config") -> Iterator[str]:
    """As TOML that gives the same configuration; what is not set is left out."""
    from pydantic import BaseModel

    def below(model: BaseModel, path: tuple[str, ...]) -> Iterator[str]:
        tables = [(name, each) for name, each in model if isinstance(each, BaseModel)]
        named = [(name, each) for name, each in model if isinstance(each, dict)]
        keys = [(name, each) for name, each in model if not isinstance(each, BaseModel | dict)]
        if path and keys:
            yield f"[{'.'.join(path)}]"
        yield from (_line(name, value) for name, value in keys if value is not None)
        for name, table in tables:
            yield from below(table, (*path, name))
        for name, inner in named:
            for each, table in inner.items():
                yield from below(table, (*path, name, each))

    yield from below(config, ())


def _line(name: str, value: Any) -> str:
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return f"# {name} is given by the environment"
    # TOML spells texts, numbers and booleans as JSON does.
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"
