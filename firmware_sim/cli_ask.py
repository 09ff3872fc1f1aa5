"""How a command asks a running simulator, and how it says that it cannot."""

import asyncio
from typing import Annotated, Any, NoReturn

import typer

from firmware_sim.control import ControlError, DeedRefused, ask

USAGE = 2
REFUSED = 3
NO_SIMULATOR = 4

Control = Annotated[
    str,
    typer.Option(
        "--control",
        envvar="DROPTABLE_SIM_CONTROL",
        metavar="HOST:PORT",
        help="Where the running simulator is asked.",
    ),
]
SectionName = Annotated[str, typer.Argument(help="thoracic, lumbar or pelvic")]


def do(control: str, deed: dict[str, Any]) -> dict[str, Any]:
    """Have it done; what the simulator has to say about it."""
    try:
        return asyncio.run(ask(control, deed))
    except DeedRefused as error:
        fail(str(error), REFUSED)
    except ControlError as error:
        fail(str(error), NO_SIMULATOR)


def chosen(word: str, yes: str, no: str) -> bool:
    """Which of the two words it is."""
    if word not in (yes, no):
        fail(f"say {yes} or {no}, not {word!r}", USAGE)
    return word == yes


def fail(sentence: str, code: int) -> NoReturn:
    """End, and say why."""
    typer.echo(f"droptable-sim: {sentence}", err=True)
    raise typer.Exit(code)
