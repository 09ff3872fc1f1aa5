"""`droptable demo`: the whole system on one machine, without a table."""

from droptable.cli.exits import CommandError, ExitCode


def demo() -> None:
    """Run daemon, simulator and broker together."""
    raise CommandError(ExitCode.REFUSED, "The demo is not part of this build.")
