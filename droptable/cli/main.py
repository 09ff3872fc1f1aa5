"""The program `droptable`: puts the commands together and turns how they end into an exit code.

A command imports what it needs when it runs, so that `stop` and `--help` wait for nothing.
"""

import os
import sys
from asyncio import CancelledError
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from droptable import __version__
from droptable.cli import config, demo, doctor, events, journal, lease, link, replay, run, table
from droptable.cli.exits import CommandError, ExitCode, exit_code_of
from droptable.cli.options import URL_VARIABLE
from droptable.cli.output import put, say
from droptable.errors import DroptableError

app = typer.Typer(
    name="droptable",
    help="The controller daemon of a chiropractic drop table.",
    epilog=(
        "Exit codes: 0 done, 1 a bug, 2 usage, 3 refused, 4 no daemon, 5 timeout, 6 the lease is "
        "held by someone else, 7 calibration out of limits, 8 a check found a problem, "
        "130 interrupted."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("stop")(table.stop)
app.command("status")(table.status)
app.command("watch")(table.watch)
app.command("cock")(table.cock)
app.command("arm")(table.arm)
app.command("disarm")(table.disarm)
app.command("lock")(table.lock)
app.command("home")(table.home)
app.command("clear-fault")(table.clear_fault)
app.command("tension")(table.tension)
app.command("reset")(table.reset)
app.add_typer(lease.app, name="lease")
app.add_typer(events.app, name="events")
app.add_typer(journal.app, name="journal")
app.add_typer(config.app, name="config")
app.add_typer(link.app, name="link")
app.command("doctor")(doctor.doctor)
app.command("replay")(replay.replay)


def _show_version(asked: bool) -> None:
    if asked:
        put(f"droptable {__version__}")
        raise typer.Exit


@app.callback()
def droptable(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Where the daemon answers.")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take what may stand before the command as well as behind it."""
    if url is not None:
        os.environ[URL_VARIABLE] = url


def main() -> NoReturn:
    """Run the command of this process and end with its exit code."""
    sys.exit(exit_code())


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; every foreseeable error is told in a sentence."""
    try:
        app(None if arguments is None else list(arguments), prog_name="droptable")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.DONE
    except CommandError as error:
        if str(error):
            say(str(error))
        return error.code
    except DroptableError as error:
        say(_told(error))
        return exit_code_of(error)
    except (KeyboardInterrupt, CancelledError):
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def _told(error: DroptableError) -> str:
    """The error for a person; findings of a configuration each on a line of their own."""
    if error.problem.code != "CONFIG_INVALID":
        return str(error)
    from droptable.daemon.config import ConfigInvalidError

    findings = error.findings if isinstance(error, ConfigInvalidError) else (error.detail,)
    lines = [f"{error.problem.code}: {error.problem.meaning} {error.problem.remedy}"]
    return "\n".join([*lines, *(f"  {finding}" for finding in findings)])
