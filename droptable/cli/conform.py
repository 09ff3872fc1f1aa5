"""The command `droptable link conform`: what can be asked of it, and how it ends."""

from typing import Annotated

import typer

from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import AsJson
from droptable.cli.output import put_document, say

SLACK_MS = 2
"""By default: a host that is not busy adds some tenths of that to a time."""


def conform(
    link: Annotated[
        str,
        typer.Argument(
            metavar="LINK",
            help="serial:DEVICE, pty:PATH, tcp:HOST:PORT or unix:PATH of a board; sim starts one.",
        ),
    ],
    control: Annotated[
        str | None,
        typer.Option(
            "--control", metavar="HOST:PORT", help="The control port of the hands at the table."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CHECK", help="This check; may be repeated."),
    ] = None,
    table_is_empty: Annotated[
        bool,
        typer.Option(
            "--the-table-is-empty", help="Let a board that is no simulator move its sections."
        ),
    ] = False,
    slack_ms: Annotated[
        int,
        typer.Option(
            "--slack-ms",
            min=0,
            max=100,
            metavar="MS",
            help="Allowed on top of the contract's times, in the median; ten times as much at worst.",
        ),
    ] = SLACK_MS,
    baud: Annotated[
        int, typer.Option("--baud", metavar="N", help="The speed of a serial port.")
    ] = 500_000,
    as_json: AsJson = False,
) -> None:
    """Check a board against the contract of the board link, and print what passed.

    This moves sections: a board that is no simulator is only tested with --the-table-is-empty. No
    daemon may have the board meanwhile. Parameters that a check changes are put back; those that
    were never set keep what the checks set. Code 0: all passed that apply to this board.
    Code 8: something failed, or needs hands that are not there.
    """
    from droptable.cli import proving
    from droptable.conformance.model import real_time
    from droptable.conformance.report_text import document

    wanted = proving.Wanted(
        proving.address_of(link, baud),
        control,
        proving.named(only),
        real_time(slack_ms),
        table_is_empty,
    )
    report = proving.proven(wanted, quiet=as_json)
    if as_json:
        put_document(document(report))
    else:
        proving.show(report)
    ending = proving.ending(report)
    if not report.conforms:
        raise CommandError(ExitCode.FOUND_PROBLEM, ending)
    say(ending)
