"""Runs the conformance suite for `droptable link conform`: reaches the board, shows what came of it.

What a board must do is said in `droptable/conformance/`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.output import put, say
from droptable.conformance.hands import Hands, HandsGone, HandsRefuse
from droptable.conformance.model import Check, Outcome, Report, Slack, Verdict
from droptable.conformance.reach import connect_to, control_port
from droptable.conformance.report_text import lines, summary, verdict_in_words
from droptable.conformance.run import NotCalibrated, TableWouldMove, prove
from droptable.conformance.suite import ALL_CHECKS
from droptable.daemon.child import end, start
from droptable.daemon.clock import SystemClock
from droptable.errors import DroptableError
from droptable.link.transport import Address, parse_link

SIMULATOR = "sim"
START_MAX_S = 15.0

MOVES = (
    "This board drives a real table, and the checks cock, lower and arm its sections many times. "
    "Clear the table, keep hands and cables out of its gaps, have someone at the e-stop, and say "
    "--the-table-is-empty."
)

HANDS_MISSING = (
    "{count} checks need hands at the table: thrusts, an e-stop, broken wires. They are not passed. "
    "Give a control port with --control."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    address: Address | None
    """None starts a simulator."""
    control: str | None
    checks: tuple[Check, ...]
    slack: Slack
    table_is_empty: bool


def named(names: Sequence[str] | None) -> tuple[Check, ...]:
    """The checks of these names, all of them without any. CommandError for a name that is none."""
    if not names:
        return ALL_CHECKS
    known = {check.name: check for check in ALL_CHECKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CommandError(ExitCode.USAGE, f"No check {', '.join(unknown)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def address_of(link: str, baud: int) -> Address | None:
    """Where the board is; None for a simulator that is yet to be started."""
    if link == SIMULATOR:
        return None
    try:
        return parse_link(link, baud)
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"{error}, or sim.") from None


def proven(wanted: Wanted, *, quiet: bool) -> Report:
    """Run the checks, and tell of each as it ends unless `quiet`. CommandError when none could run."""
    try:
        return asyncio.run(_prove(wanted, quiet=quiet))
    except TableWouldMove:
        raise CommandError(ExitCode.REFUSED, MOVES) from None
    except NotCalibrated as lacking:
        text = f"The board is not calibrated: set {lacking} of each section first."
        raise CommandError(ExitCode.REFUSED, text) from None
    except (HandsGone, HandsRefuse) as error:
        raise CommandError(ExitCode.NO_DAEMON, f"{error}.") from None
    except DroptableError as error:
        text = f"{error.problem.code}: {error.detail}. Check the cable, the power and the link."
        raise CommandError(ExitCode.REFUSED, text) from None


async def _prove(wanted: Wanted, *, quiet: bool) -> Report:
    def tell(outcome: Outcome) -> None:
        if not quiet:
            say(f"{verdict_in_words(outcome):14}  {outcome.check.name}")

    async with AsyncExitStack() as parts:
        address: Address
        control: str | None
        if wanted.address is None:
            address, control = await parts.enter_async_context(simulator())
        else:
            address, control = wanted.address, wanted.control
        hands = None
        if control is not None:
            port = await parts.enter_async_context(control_port(control))
            hands = Hands(port.ask)
        return await prove(
            connect_to(address),
            hands,
            SystemClock(),
            wanted.slack,
            wanted.checks,
            table_is_empty=wanted.table_is_empty,
            tell=tell,
        )


@asynccontextmanager
async def simulator() -> AsyncIterator[tuple[Address, str]]:
    """A simulated board as a program of its own: its link, and its control port."""
    with TemporaryDirectory(prefix="droptable-") as sockets:
        link = f"unix:{sockets}/board"
        process = await start(
            (
                *(sys.executable, "-m", "firmware_sim", "serve", "--json"),
                *("--link", link, "--control", "127.0.0.1:0"),
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield parse_link(link), await _announced(process)
        finally:
            await end(process)


async def _announced(process: asyncio.subprocess.Process) -> str:
    """Its control port, once it is there. DroptableError when it does not start."""
    line = b""
    if process.stdout is not None:
        try:
            async with asyncio.timeout(START_MAX_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
    if not line:
        raise DroptableError("BOARD_PROGRAM", "the simulator did not start")
    return str(json.loads(line)["control"])


def show(report: Report) -> None:
    """The report for a person, on stdout."""
    for line in lines(report):
        put(line)


def ending(report: Report) -> str:
    """What came of it, and what is missing where nobody is at the table."""
    waiting = report.count(Verdict.NEEDS_HANDS)
    told = summary(report)
    return f"{told} {HANDS_MISSING.format(count=waiting)}" if waiting else told
