"""Boards for the conformance suite that are programs of their own, in real time."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from droptable.conformance.bench import Bench
from droptable.conformance.contract import required
from droptable.conformance.hands import Hands
from droptable.conformance.host import Host
from droptable.conformance.model import Check, Outcome, Report, Slack, Verdict, real_time
from droptable.conformance.reach import connect_to, control_port
from droptable.conformance.run import prove
from droptable.conformance.suite import ALL_CHECKS
from droptable.daemon.child import end, start
from droptable.daemon.clock import SystemClock
from droptable.link.messages import Param
from droptable.link.transport import Address, parse_link

SLACK = real_time(10)
"""As with `--slack-ms 10`, five times the command's own: shared machines with three boards at once
keep a process waiting for some milliseconds, and at worst for a hundred."""

SECOND_LOOKS = 2
"""How often what failed is tried again. A board that breaks the contract does so every time."""

Proof = Callable[[Sequence[Check]], Awaitable[Report]]

SIMULATOR = ("firmware_sim", "serve")
TARDY = ("tests.conformance.tardy", "serve")
GPIO_RIG = ("firmware_sim.gpio_rig",)


@asynccontextmanager
async def program(module: tuple[str, ...], link: str) -> AsyncIterator[tuple[Address, str]]:
    """Where a board that is a program is reached, and its control port."""
    process = await start(
        (
            *(sys.executable, "-m", *module, "--json"),
            *("--link", link, "--control", "127.0.0.1:0"),
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        announced = json.loads(await process.stdout.readline())
        yield parse_link(announced["link"]), announced["control"]
    finally:
        await end(process)


async def proven_at(
    module: tuple[str, ...],
    link: str,
    checks: Sequence[Check] = ALL_CHECKS,
    *,
    slack: Slack = SLACK,
    second_looks: int = SECOND_LOOKS,
) -> Report:
    """What the suite says of the board that `module` serves."""
    async with program(module, link) as (address, control), control_port(control) as port:
        if module == GPIO_RIG:
            await calibrate(address)

        async def proof(checks: Sequence[Check]) -> Report:
            return await prove(
                connect_to(address),
                Hands(port.ask),
                SystemClock(),
                slack,
                checks,
                table_is_empty=True,
            )

        report = await proof(checks)
        for _ in range(second_looks):
            report = await _looked_again(report, proof)
        return report


async def _looked_again(report: Report, proof: Proof) -> Report:
    """The same, with what failed tried again: on a shared machine a whole board may stand still."""
    failed = {o.check.name for o in report.outcomes if o.verdict is Verdict.FAILED}
    if not failed:
        return report
    again = await proof([check for check in ALL_CHECKS if check.name in failed])
    newer = {outcome.check.name: outcome for outcome in again.outcomes}
    outcomes = tuple(
        _after(o, newer[o.check.name]) if o.check.name in failed else o for o in report.outcomes
    )
    measured = {timing.limit: timing for timing in (*report.timings, *again.timings)}
    return replace(report, outcomes=outcomes, timings=tuple(measured.values()))


def _after(before: Outcome, again: Outcome) -> Outcome:
    return replace(again, earlier=(*before.earlier, before.told, *again.earlier))


async def calibrate(address: Address) -> None:
    """Tell a board that is no simulator what the drawings say of its table."""
    host = Host(connect_to(address), SystemClock())
    bench = Bench(host, None, SLACK)
    try:
        await host.connect()
        await bench.open()
        for section, row in required(bench.features):
            if row.calibration:
                assert isinstance(await bench.write_param(section, row.key, row.working), Param)
    finally:
        await host.close()


async def all_proven(folder: Path) -> dict[str, Report]:
    """Every board that is a program, all at the same time: they wait most of it."""
    boards = {
        "pty": (SIMULATOR, f"pty:{folder / 'board'}"),
        "tcp": (SIMULATOR, "tcp:127.0.0.1:0"),
        "gpio": (GPIO_RIG, f"unix:{folder / 'gpio'}"),
    }
    reports = await asyncio.gather(*(proven_at(*how) for how in boards.values()))
    return dict(zip(boards, reports, strict=True))
