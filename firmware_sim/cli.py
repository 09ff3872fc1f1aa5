"""The program `droptable-sim`: serves a simulated board, and is the hand around its table."""

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from firmware_sim.cli_ask import USAGE, Control, SectionName, chosen, do, fail
from firmware_sim.cli_fault import fault_app

app = typer.Typer(
    name="droptable-sim",
    help="A simulated drop table: the board's own code over simulated mechanics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
patient_app = typer.Typer(help="Someone lies on the table, or gets off.", no_args_is_help=True)
app.add_typer(patient_app, name="patient")
hand_app = typer.Typer(
    help="A hand is in the gap of a section, or out again.", no_args_is_help=True
)
app.add_typer(hand_app, name="hand")
app.add_typer(fault_app, name="fault")


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
        fail(f"cannot serve {link}: {error}", USAGE)


@app.command()
def thrust(
    section: SectionName,
    control: Control,
    preset: Annotated[
        str | None, typer.Option("--preset", help="impulse or toggle-recoil; the rest changes it.")
    ] = None,
    peak_n: Annotated[
        float | None, typer.Option("--peak-n", help="Newtons; 200 to 600 is usual.")
    ] = None,
    rise_ms: Annotated[float | None, typer.Option("--rise-ms", help="80 to 170 is usual.")] = None,
    preload_n: Annotated[
        float | None, typer.Option("--preload-n", help="20 to 100 is usual; 50 unless told.")
    ] = None,
) -> None:
    """Thrust at a section: a preset, or at least --peak-n and --rise-ms."""
    if preset is None and None in (peak_n, rise_ms):
        fail("say --peak-n and --rise-ms, or a --preset: impulse, toggle-recoil", USAGE)
    said = {"preset": preset, "peak_n": peak_n, "rise_ms": rise_ms, "preload_n": preload_n}
    do(control, {"do": "thrust", "section": section, **said})


@patient_app.command("set")
def patient_set(
    control: Control,
    thoracic_n: Annotated[float, typer.Option(help="Newtons.")] = 250.0,
    lumbar_n: Annotated[float, typer.Option(help="Newtons.")] = 150.0,
    pelvic_n: Annotated[float, typer.Option(help="Newtons.")] = 200.0,
) -> None:
    """Lie down."""
    do(control, {"do": "patient", "load_n": [thoracic_n, lumbar_n, pelvic_n]})


@patient_app.command("clear")
def patient_clear(control: Control) -> None:
    """Get off."""
    do(control, {"do": "patient", "load_n": None})


@app.command()
def pedal(position: Annotated[str, typer.Argument(help="down or up")], control: Control) -> None:
    """Press or let go of the pedal."""
    do(control, {"do": "pedal", "down": chosen(position, "down", "up")})


@app.command()
def estop(position: Annotated[str, typer.Argument(help="open or close")], control: Control) -> None:
    """Open the e-stop chain (push the red button) or close it."""
    do(control, {"do": "estop", "open": chosen(position, "open", "close")})


@app.command()
def button(position: Annotated[str, typer.Argument(help="down or up")], control: Control) -> None:
    """Press or let go of the table's own stop button."""
    do(control, {"do": "button", "down": chosen(position, "down", "up")})


@hand_app.command("set")
def hand_set(
    section: SectionName,
    control: Control,
    height_mm: Annotated[float, typer.Option("--height-mm", help="Above the bottom stop.")],
) -> None:
    """Hold a hand in the gap: the section cannot pass it, up or down."""
    do(control, {"do": "hand", "section": section, "height_mm": height_mm})


@hand_app.command("clear")
def hand_clear(section: SectionName, control: Control) -> None:
    """Take it out."""
    do(control, {"do": "hand", "section": section, "height_mm": None})


@app.command()
def reset(
    control: Control,
    cause: Annotated[
        str,
        typer.Option("--cause", help="power-on, brown-out, watchdog, external or software"),
    ] = "external",
) -> None:
    """Restart the board; the table stays as it stands."""
    do(control, {"do": "reset", "cause": cause})


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


def main() -> None:
    """Run the program."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
