"""The options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE = "DROPTABLE_URL"

SectionLabel = Literal["thoracic", "lumbar", "pelvic"]

Url = Annotated[
    str, typer.Option("--url", envvar=URL_VARIABLE, metavar="URL", help="Where the daemon answers.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]
SectionArgument = Annotated[SectionLabel, typer.Argument(help="Which section.")]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Where the journal lives; else $STATE_DIRECTORY, else the XDG state directory.",
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="File of configuration, TOML.")
]
Count = Annotated[
    int | None, typer.Option("--count", min=1, metavar="N", help="End after so many.")
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.0, metavar="S", help="End after S seconds.")
]
