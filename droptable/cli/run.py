"""`droptable run`: the daemon, with its configuration put together from file and options."""

import os
from typing import Annotated

import typer

from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import ConfigFile, StateDir


def run(
    config_file: ConfigFile = None,
    state_directory: StateDir = None,
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="HOST:PORT", help="Address of the page; port 0: any."),
    ] = None,
    mqtt: Annotated[
        str | None, typer.Option("--mqtt", metavar="HOST:PORT", help="Address of the broker.")
    ] = None,
    link: Annotated[
        str | None,
        typer.Option("--link", metavar="LINK", help="serial:, tcp:, unix:, gpio or sim."),
    ] = None,
) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    from droptable.daemon.config import load, state_dir

    config = load(config_file, os.environ, options(http=http, mqtt=mqtt, link=link))
    # Only now: these are the whole daemon, and a wrong key is told without them.
    from droptable.daemon.logs import configure_logs
    from droptable.daemon.supervisor import run_daemon

    configure_logs(config.log.level)
    raise typer.Exit(run_daemon(config, state_dir(state_directory, os.environ)))


def options(*, http: str | None, mqtt: str | None, link: str | None) -> dict[str, object]:
    """What the command line sets, by dotted key; None is not set."""
    from droptable.daemon.config import split_address

    given: dict[str, object] = {}
    if http is not None:
        given["http.listen"] = http
    if mqtt is not None:
        try:
            host, port = split_address(mqtt)
        except ValueError as error:
            raise CommandError(ExitCode.USAGE, f"--mqtt: {error}.") from None
        given |= {"mqtt.enabled": True, "mqtt.host": host, "mqtt.port": port}
    if link is not None:
        given["board.link"] = link
    return given
