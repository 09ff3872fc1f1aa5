"""`droptable-sim fault`: what can be wrong with the table, and having it so."""

import json
from typing import Annotated, Any

import typer

from droptable.board.model import Phase
from firmware_sim.cli_ask import USAGE, Control, do, fail
from firmware_sim.faults import FAULTS

fault_app = typer.Typer(help="What is wrong with the table or its board.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="One that `fault list` names.")]
OfSection = Annotated[
    str | None, typer.Argument(help="thoracic, lumbar or pelvic, for a fault of a section")
]


@fault_app.command("list")
def fault_list(
    control: Control,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say which faults there are, and which are set."""
    told = do(control, {"do": "faults"})
    if as_json:
        typer.echo(json.dumps({"schema": "sim-faults/1", **told}))
        return
    for fault in told["known"]:
        typer.echo(f"{fault['name']:<24} {fault['scope']:<8} {fault['text']}{_bounds(fault)}")
    typer.echo("set: " + ("; ".join(map(_set, told["set"])) or "none"))


@fault_app.command("set")
def fault_set(
    name: Name,
    control: Control,
    section: OfSection = None,
    value: Annotated[
        str | None,
        typer.Option("--value", help="How bad, in the fault's unit; a phase by name or number."),
    ] = None,
) -> None:
    """Have this fault from now on."""
    number = None if value is None else _number(name, value)
    _fault(control, name, section, value=number, on=True)


@fault_app.command("clear")
def fault_clear(
    control: Control,
    name: Annotated[str | None, typer.Argument(help="Without it: all of them.")] = None,
    section: OfSection = None,
) -> None:
    """Mend this fault, or all."""
    if name is None:
        do(control, {"do": "fault_clear"})
    else:
        _fault(control, name, section, value=None, on=False)


def _fault(control: str, name: str, section: str | None, *, value: float | None, on: bool) -> None:
    do(control, {"do": "fault", "name": name, "section": section, "value": value, "on": on})


def _number(name: str, said: str) -> float:
    fault = FAULTS.get(name)
    if fault is not None and fault.value is not None and fault.value.unit == "phase":
        said = str(int(Phase[said.upper()])) if said.upper() in Phase.__members__ else said
    try:
        return float(said)
    except ValueError:
        fail(f"--value is a number, for brown-out also a phase, not {said!r}", USAGE)


def _bounds(fault: dict[str, Any]) -> str:
    value = fault["value"]
    if value is None:
        return ""
    bounds = f"{value['low']:g} to {value['high']:g} {value['unit']}"
    return f" ({bounds}; {value['default']:g} unless told)"


def _set(fault: dict[str, Any]) -> str:
    section, value = fault["section"], fault["value"]
    return " ".join(
        [
            fault["name"],
            *([section] if section is not None else []),
            *([f"{value:g}"] if value is not None else []),
        ]
    )
