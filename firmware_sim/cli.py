"""The program `droptable-sim`: serves a simulated board, and is the hand around its table."""

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_sim.control import ControlError, DeedRefused, ask

app = typer.Typer(
    name="droptable-sim",
    help="A simulated drop table: the board's own code over simulated mechanics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
patient_app = typer.Typer(help="Someone lies on the table, or gets off.", no_args_is_help=True)
app.add_typer(patient_app, name="patient")

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


@app.command()
def serve(
    link: Annotated[
        str, typer.Option("--link", help="pty:PATH, tcp:HOST:PORT (port 0: any) or unix:PATH")
    ],
    control: Annotated[
        str | None, typer.Option("--control", metavar="HOST:PORT", help="Port 0: any free one.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides noise and bounce.")] = 0,
    hw_id: Annotated[str, typer.Option("--hw-id", help="Eight characters.")] = "SIM00001",
    params: Annotated[
        Path | None,
        typer.Option("--params", metavar="FILE", help="Where its parameters outlive it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Announce in one line of JSON.")] = False,
) -> None:
    """Serve a simulated board until SIGTERM or Ctrl-C; prints the link that it serves."""
    from firmware_sim.serve import Announce
    from firmware_sim.serve import serve as serve_board

    async def until_signal() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await serve_board(
            link,
            control=control,
            seed=seed,
            hw_id=hw_id,
            params_file=params,
            announce=Announce(as_json=as_json),
            ended=ended,
        )

    try:
        asyncio.run(until_signal())
    except (ValueError, OSError) as error:
        _fail(f"cannot serve {link}: {error}", USAGE)


@app.command()
def thrust(
    section: SectionName,
    control: Control,
    peak_n: Annotated[float, typer.Option("--peak-n", help="Newtons; 200 to 600 is usual.")],
    rise_ms: Annotated[float, typer.Option("--rise-ms", help="80 to 170 is usual.")],
    preload_n: Annotated[float, typer.Option("--preload-n", help="20 to 100 is usual.")] = 50.0,
) -> None:
    """Thrust at a section."""
    deed = {"section": section, "peak_n": peak_n, "rise_ms": rise_ms, "preload_n": preload_n}
    _do(control, {"do": "thrust", **deed})


@patient_app.command("set")
def patient_set(
    control: Control,
    thoracic_n: Annotated[float, typer.Option(help="Newtons.")] = 250.0,
    lumbar_n: Annotated[float, typer.Option(help="Newtons.")] = 150.0,
    pelvic_n: Annotated[float, typer.Option(help="Newtons.")] = 200.0,
) -> None:
    """Lie down."""
    _do(control, {"do": "patient", "load_n": [thoracic_n, lumbar_n, pelvic_n]})


@patient_app.command("clear")
def patient_clear(control: Control) -> None:
    """Get off."""
    _do(control, {"do": "patient", "load_n": None})


@app.command()
def pedal(position: Annotated[str, typer.Argument(help="down or up")], control: Control) -> None:
    """Press or let go of the pedal."""
    _do(control, {"do": "pedal", "down": _chosen(position, "down", "up")})


@app.command()
def estop(position: Annotated[str, typer.Argument(help="open or close")], control: Control) -> None:
    """Open the e-stop chain (push the red button) or close it."""
    _do(control, {"do": "estop", "open": _chosen(position, "open", "close")})


@app.command()
def world(
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first seed.")] = 1,
    hours: Annotated[float, typer.Option("--hours", min=0.0, help="Virtual, for each seed.")] = 0.5,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many, one after another.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Live through a table's hours in virtual time, with faults; exit 1 when a promise is broken."""
    import structlog

    from droptable.daemon.clock import SystemClock
    from firmware_sim.world import document, run_world

    # The daemons of the world have nobody to tell their troubles to.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    clock = SystemClock()
    began_us = clock.monotonic_us()
    reports = []
    for number in range(seed, seed + seeds):
        report = run_world(number, hours)
        reports.append(report)
        typer.echo(
            f"seed {number}: {report.virtual_s:.0f} s, {report.events} events, "
            f"{report.drops} drops, {sum(report.faults.values())} faults, "
            f"{len(report.violations)} violations",
            err=True,
        )
        for sentence in (*report.last, *report.violations) if report.violations else ():
            typer.echo(f"  {sentence}", err=True)
        if report.violations:
            again = f"droptable-sim world --seed {number} --hours {hours:g}"
            typer.echo(f"  again: {again}", err=True)
    told = document(reports, (clock.monotonic_us() - began_us) / 1e6)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        speed = float(str(told["virtual_s"])) / max(float(str(told["wall_s"])), 1e-9)
        typer.echo(f"{told['virtual_s']} s in {told['wall_s']} s: {speed:.0f} times real time")
    if told["violations"]:
        raise typer.Exit(1)


def _chosen(word: str, yes: str, no: str) -> bool:
    if word not in (yes, no):
        _fail(f"say {yes} or {no}, not {word!r}", USAGE)
    return word == yes


def _do(control: str, deed: dict[str, Any]) -> None:
    try:
        asyncio.run(ask(control, deed))
    except DeedRefused as error:
        _fail(str(error), REFUSED)
    except ControlError as error:
        _fail(str(error), NO_SIMULATOR)


def _fail(sentence: str, code: int) -> None:
    typer.echo(f"droptable-sim: {sentence}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Run the program."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
