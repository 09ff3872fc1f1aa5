"""Runs checks over one board, one after the other, and leaves the board as it was found."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from droptable.conformance.bench import Bench
from droptable.conformance.contract import ROW_OF, Feature, required
from droptable.conformance.hands import Hands, HandsRefuse
from droptable.conformance.host import Connect, Host
from droptable.conformance.model import (
    STRICT,
    Check,
    Mismatch,
    NotApplicable,
    Outcome,
    Report,
    Slack,
    Stage,
    Verdict,
    check,
    expect,
)
from droptable.daemon.clock import Clock
from droptable.errors import DroptableError
from droptable.link.messages import PROTO_MAJOR

CHECK_MAX_S = 90.0
"""Longer than the longest times of all parameters that one check waits for, with its rest."""

HOST_LATE_US = 20_000
"""A host whose BEATs are so late may itself be why a check failed: the slack at worst is no more."""

TRIES = 3

Stored = dict[tuple[int, int], int | None]


class TableWouldMove(Exception):
    """The board drives a real table, and nobody has said that it may move."""


class NotCalibrated(Exception):
    """The board lacks parameters that only its builder can know; says which."""


async def prove(
    connect: Connect,
    hands: Hands | None,
    clock: Clock,
    slack: Slack,
    checks: Sequence[Check],
    *,
    table_is_empty: bool = False,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> Report:
    """What comes of `checks`; `tell` is called with each as it ends.

    Raises TableWouldMove or NotCalibrated before anything has moved, and whatever `connect` and the
    hands raise.
    """
    host = Host(connect, clock)
    bench = Bench(host, hands, slack)
    try:
        return await _prove(bench, checks, table_is_empty, tell)
    finally:
        await host.close()


async def _prove(
    bench: Bench, checks: Sequence[Check], table_is_empty: bool, tell: Callable[[Outcome], None]
) -> Report:
    await bench.host.connect()
    try:
        await bench.open()
        if bench.welcome.proto_major != PROTO_MAJOR:
            raise DroptableError("LINK_VERSION", f"it speaks {bench.welcome.proto_major}")
        stored = await bench.survey()
    except Mismatch as wrong:
        raise DroptableError("LINK_SILENT", f"nothing came as expected: {wrong}") from wrong
    if Feature.SIMULATOR not in bench.features and not table_is_empty:
        raise TableWouldMove
    if bench.has_hands:
        await bench.hands.meet()
    _expect_calibrated(bench, stored)
    outcomes: list[Outcome] = []

    async def run(one: Check) -> Outcome:
        outcome = await _outcome(bench, one, complete=None not in stored.values())
        outcomes.append(outcome)
        tell(outcome)
        return outcome

    for each in checks:
        if each.stage is Stage.UNSET:
            await run(each)
    provided = await run(_made_ready(stored))
    for each in checks:
        if each.stage is Stage.READY and provided.verdict is Verdict.PASSED:
            await run(each)
    await run(_given_back(stored))
    board = bench.welcome
    firmware = f"{board.fw_major}.{board.fw_minor}.{board.fw_patch}"
    return Report(
        f"{board.hw_id} firmware {firmware} protocol {board.proto_major}.{board.proto_minor}",
        tuple(outcomes),
        tuple(bench.timings.values()),
        bench.slack,
    )


def _expect_calibrated(bench: Bench, stored: Stored) -> None:
    """Only a simulator's spans and zeros are known here; a real actuator would run anywhere."""
    if Feature.SIMULATOR in bench.features:
        return
    calibration = {row.key: name for name, row in ROW_OF.items() if row.calibration}
    lacking = sorted(
        {
            calibration[key]
            for (_, key), value in stored.items()
            if value is None and key in calibration
        }
    )
    if lacking:
        raise NotCalibrated(", ".join(lacking))


def _made_ready(stored: Stored) -> Check:
    async def made_ready(bench: Bench) -> None:
        """A board takes what it lacks of its parameters, and comes to rest."""
        working = {(section, row.key): row.working for section, row in required(bench.features)}
        has = {at: value for at, value in stored.items() if value is not None}
        await bench.put_in_force({**working, **has})

    return check("5")(made_ready)


def _given_back(stored: Stored) -> Check:
    async def given_back(bench: Bench) -> None:
        """A board takes its own parameters again; what was never set stays as it was set here."""
        await bench.put_in_force({at: value for at, value in stored.items() if value is not None})

    return check("5")(given_back)


async def _outcome(bench: Bench, check: Check, *, complete: bool) -> Outcome:
    reason = _why_not(bench, check, complete)
    if reason is not None:
        return Outcome(check, *reason)
    earlier: list[tuple[str, ...]] = []
    measured = dict(bench.timings)
    while True:
        outcome = replace(await _attempt(bench, check), earlier=tuple(earlier))
        late_us = bench.host.late_us
        excused = bench.slack is not STRICT and late_us > HOST_LATE_US and outcome.looks < TRIES
        if outcome.verdict is not Verdict.FAILED or not excused:
            return outcome
        late = f"looked again, for the host's own BEATs were up to {late_us / 1000:.0f} ms late"
        earlier.append((late, *outcome.told))
        # What a late host has measured says nothing of the next look.
        bench.timings = dict(measured)


def _why_not(bench: Bench, check: Check, complete: bool) -> tuple[Verdict, tuple[str, ...]] | None:
    """Why a check is not even tried."""
    lacking = check.features & ~bench.features
    if lacking:
        return Verdict.DOES_NOT_APPLY, (f"the board has no {_named(lacking)}",)
    if check.stage is Stage.UNSET and complete:
        return Verdict.DOES_NOT_APPLY, ("the board's parameters were all set",)
    if check.hands is None:
        return None
    if not bench.has_hands:
        return Verdict.NEEDS_HANDS, ("somebody has to act at the table",)
    unknown = [fault for fault in check.hands if fault not in bench.hands.known]
    if unknown:
        return Verdict.NEEDS_HANDS, (f"the control port has no fault {', '.join(unknown)}",)
    return None


def _named(features: Feature) -> str:
    return ", ".join((bit.name or "").lower().replace("_", " ") for bit in features)


async def _attempt(bench: Bench, check: Check) -> Outcome:
    clock = bench.host.clock
    began_us = clock.monotonic_us()
    verdict = Verdict.PASSED
    told: tuple[str, ...] = ()
    # A host that was late before the check proper may still have cost it its session.
    bench.host.late_us = 0
    try:
        async with asyncio.timeout(CHECK_MAX_S):
            await bench.begin()
            await check.run(bench)
        wrong = bench.host.malformed
        expect(not wrong, "frames as section 1 has them", "; ".join(wrong))
    except NotApplicable as why:
        verdict, told = Verdict.DOES_NOT_APPLY, (str(why),)
    except HandsRefuse as why:
        verdict, told = Verdict.NEEDS_HANDS, (str(why),)
    except Mismatch as wrong:
        verdict, told = Verdict.FAILED, _story(bench, check, wrong)
    except TimeoutError:
        verdict, told = (
            Verdict.FAILED,
            _story(bench, check, Mismatch("the check to come to an end")),
        )
    return Outcome(check, verdict, told, clock.monotonic_us() - began_us)


def _story(bench: Bench, check: Check, wrong: Mismatch) -> tuple[str, ...]:
    """All that a stranger needs to see what the board did instead."""
    came = f"came: {wrong.came}" if wrong.came else "it did not come"
    return (
        f"contract {check.section}: {check.asks}",
        f"expected: {wrong.expected}",
        came,
        *bench.host.story(),
    )
