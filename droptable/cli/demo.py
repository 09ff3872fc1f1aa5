"""`droptable demo`: the whole system on one machine, without a table."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated

import typer

import droptable
from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.output import put, put_document, say
from droptable.errors import DroptableError

if TYPE_CHECKING:
    from droptable.demo.stage import Stage, Wanted

LOOPBACK = "127.0.0.1"
PAGE = f"{LOOPBACK}:8080"


def demo(
    once: Annotated[bool, typer.Option("--once", help="Play one drop, print it and end.")] = False,
    http: Annotated[
        str, typer.Option("--http", metavar="HOST:PORT", help="Address of the page; port 0: any.")
    ] = PAGE,
    mqtt: Annotated[
        str, typer.Option("--mqtt", metavar="HOST:PORT", help="Address of the broker; port 0: any.")
    ] = f"{LOOPBACK}:0",
    control: Annotated[
        str,
        typer.Option("--control", metavar="HOST:PORT", help="Where the simulator is asked."),
    ] = f"{LOOPBACK}:0",
    state_directory: Annotated[
        Path | None,
        typer.Option("--state-dir", metavar="DIR", help="Kept; without it, a passing one is used."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON when all is ready.")
    ] = False,
) -> None:
    """Run daemon, simulator and broker together, until SIGTERM or Ctrl-C."""
    # One that plays once is looked at by nobody: it takes any port that is free.
    http_at = f"{LOOPBACK}:0" if once and http == PAGE else http
    with _passing_directory() if state_directory is None else nullcontext(state_directory) as kept:
        places = _Places(kept.absolute(), http_at, mqtt, control)
        code = asyncio.run(_demo(once, as_json, places))
    raise typer.Exit(code)


@contextmanager
def _passing_directory() -> Iterator[Path]:
    """A state directory that goes with the demo, unless something went wrong: then its logs stay."""
    directory = Path(mkdtemp(prefix="droptable-demo-"))
    logs_matter = False
    try:
        yield directory
    except (CommandError, DroptableError):
        logs_matter = any(directory.glob("*.log"))
        raise
    finally:
        if logs_matter:
            say(f"The logs are kept in {directory}.")
        else:
            rmtree(directory)


@dataclass(frozen=True, slots=True)
class _Places:
    """What the command line says about where things are."""

    state_dir: Path
    http: str
    mqtt: str
    control: str


async def _demo(once: bool, as_json: bool, places: _Places) -> ExitCode:
    from droptable.demo.once import play_once
    from droptable.demo.stage import set_stage

    this = asyncio.current_task()

    def end_once() -> None:
        # A second Ctrl-C would tear the clearing-up in two.
        if this is not None and not this.cancelling():
            this.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end_once)
    try:
        async with set_stage(_wanted(places)) as stage:
            if once:
                say(f"Everything runs: {stage.page} and a broker ({stage.broker.program}).")
                put(json.dumps(await play_once(stage, say), ensure_ascii=False))
                return ExitCode.DONE
            _tell(stage, as_json=as_json)
            raise DroptableError("DEMO_PROGRAM", await stage.until_one_ends())
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED if once else ExitCode.DONE


def _wanted(places: _Places) -> "Wanted":
    from droptable.daemon.config import load, split_address
    from droptable.demo.stage import Wanted

    try:
        for address in (places.http, places.control):
            split_address(address)
        host, mqtt_port = split_address(places.mqtt)
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"{error}.") from None
    if host not in (LOOPBACK, "localhost"):
        raise CommandError(ExitCode.USAGE, f"--mqtt: the demo's broker listens on {LOOPBACK} only.")
    config_file = _config_file()
    return Wanted(
        state_dir=places.state_dir,
        config_file=config_file,
        config=load(config_file, os.environ),
        http=places.http,
        mqtt_port=mqtt_port,
        control=places.control,
    )


def _config_file() -> Path:
    """The demo's configuration: in a wheel beside the demo, in a checkout among the others."""
    package = Path(droptable.__file__).parent
    installed = package / "demo" / "demo.toml"
    return installed if installed.exists() else package.parent / "config" / "demo.toml"


def _tell(stage: "Stage", *, as_json: bool) -> None:
    """Where everything is, for a program or for a person."""
    mqtt = f"{stage.broker.host}:{stage.broker.port}"
    if as_json:
        told = {"page": stage.page, "user": "operator", "pin": None, "token": stage.token}
        where = {"mqtt": mqtt, "control": stage.control, "state_dir": str(stage.state_dir)}
        put_document({"schema": "demo/1", **told, **where})
        return
    programs = Path(sys.executable).parent
    say(
        f"""
  page      {stage.page}      the tablet's page; open it in a browser
  broker    {mqtt}      droptable/v1/... by {stage.broker.program}
  control   {stage.control}      the hand around the simulated table
  state     {stage.state_dir}      journal and logs

Try, in another terminal:
  export PATH={programs}:$PATH DROPTABLE_URL={stage.page.rstrip("/")}
  droptable home pelvic; droptable cock pelvic; droptable arm pelvic --tension 200
and within 15 s, while it is armed, in a third:
  {programs}/droptable-sim thrust pelvic --peak-n 500 --rise-ms 120 --control {stage.control}

Ctrl-C ends the demo."""
    )
