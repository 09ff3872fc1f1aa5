"""Section 6: the times that every board keeps, measured several times each."""

from collections.abc import Awaitable, Callable

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    BEAT_TO_OFF,
    COMMAND_TO_RESULT,
    ESTOP_TO_OFF,
    HOLD_TO_OFF_COCKING,
    HOLD_TO_OFF_LOWERING,
    LEASE_TO_OFF,
    PHASE_TO_STATUS,
    STOP_TO_OFF,
    TABLE,
    Flag,
    Kind,
    Phase,
    TimeLimit,
    Verb,
)
from droptable.conformance.hands import fall_from_arming, off_for_good
from droptable.conformance.model import Mismatch, Sample, check
from droptable.link.messages import Status, Stop

ROUNDS = 6
"""Samples of each time, as far as one takes a fraction of a second."""

DROPS = 3

OFF_WITHIN_MS = 200
"""A board whose coils are still on then has not turned them off at all."""


@check("6 COMMAND")
async def command_to_result(bench: Bench) -> None:
    """RESULT is on the wire 5 ms after its COMMAND."""
    for _ in range(40):
        order = bench.order(Verb.MAINTENANCE, TABLE, 0)
        mark = bench.mark()
        sent_us = bench.host.send(order)
        await bench.result(order.cmd_id, since=mark)
        came_us = next(
            h.at_us
            for h in bench.host.heard[mark:]
            if getattr(h.message, "cmd_id", None) == order.cmd_id
        )
        bench.measured(COMMAND_TO_RESULT, Sample(came_us - sent_us))
    bench.expect_kept(COMMAND_TO_RESULT)


async def _off(bench: Bench, sent_us: int, mark: int, limit: TimeLimit) -> None:
    """Measure until the outputs are off: by the coils themselves where they can be seen."""
    status = await bench.hear(
        Status,
        lambda s: not any(part.outputs for part in s.sections),
        "nothing driven",
        within_us=limit.at_most_us + 20_000,
        since=mark,
    )
    took = Sample(status.at_us - sent_us)
    if bench.has_hands:
        took = await _coils_off(bench, sent_us)
    bench.measured(limit, took)


async def _coils_off(bench: Bench, sent_us: int) -> Sample:
    """How long after `sent_us` of the host's clock the coils of section 0 went off."""
    least_us, most_us = await bench.mechanics_ahead()
    off_us = await _off_us(bench, sent_us + least_us - 1)
    early_us, late_us = off_us - most_us - sent_us, off_us - least_us - sent_us
    return Sample.between(max(0, early_us), max(0, late_us))


async def _off_us(bench: Bench, after_us: int) -> int:
    """When the coils of section 0 went off, on the clock of the mechanics, whatever STATUS says."""
    for _ in range(OFF_WITHIN_MS):
        off_us = off_for_good(await bench.hands.history(after_us), section=0)
        if off_us is not None:
            return off_us
        await bench.host.pause(1_000)
    raise Mismatch("the coils off in the history of the mechanics, and off for good")


async def _from_armed(
    bench: Bench, limit: TimeLimit, act: Callable[[], Awaitable[int] | int]
) -> None:
    await bench.arm(0)
    mark = bench.mark()
    acted = act()
    sent_us = acted if isinstance(acted, int) else await acted
    await _off(bench, sent_us, mark, limit)
    await bench.rest_in_cocked()


@check("6 STOP")
async def stop_to_off(bench: Bench) -> None:
    """Outputs are off 5 ms after STOP was received."""
    for _ in range(ROUNDS):
        await _from_armed(bench, STOP_TO_OFF, lambda: bench.host.send(Stop(bench.next_id())))
    bench.expect_kept(STOP_TO_OFF)


@check("6 lease")
async def lease_to_off(bench: Bench) -> None:
    """Outputs are off 5 ms after a BEAT without the lease."""
    for _ in range(ROUNDS):
        await _from_armed(bench, LEASE_TO_OFF, lambda: bench.host.say(lease=False))
    bench.expect_kept(LEASE_TO_OFF)


@check("6 e-stop", hands=True)
async def estop_to_off(bench: Bench) -> None:
    """Outputs are off 5 ms after the e-stop opened."""
    for _ in range(ROUNDS):
        await bench.arm(0)
        opened_us = await bench.hands.estop(opened=True)
        await bench.flag(Flag.STOP_LATCHED, on=True)
        off_us = await _off_us(bench, opened_us - 1)
        bench.measured(ESTOP_TO_OFF, Sample(off_us - opened_us))
        await bench.hands.estop(opened=False)
        await bench.flag(Flag.ESTOP_OPEN, on=False, within_us=200_000)
        await bench.rest_in_cocked()
    bench.expect_kept(ESTOP_TO_OFF)


@check("6 hold")
async def hold_to_off_in_cocking(bench: Bench) -> None:
    """Outputs are off 5 ms after a BEAT without the hold, in COCKING."""
    for _ in range(ROUNDS):
        bench.host.say(hold=True)
        await bench.accepted(Verb.COCK, 0)
        await bench.midway(0)
        mark = bench.mark()
        await _off(bench, bench.host.say(hold=False), mark, HOLD_TO_OFF_COCKING)
        await bench.phase(0, Phase.HALTED)
        await bench.lock(0)
    bench.expect_kept(HOLD_TO_OFF_COCKING)


@check("6 hold")
async def hold_to_off_in_lowering(bench: Bench) -> None:
    """Outputs are off 5 ms after a BEAT without the hold, in LOWERING."""
    for _ in range(ROUNDS):
        await bench.cock(0)
        bench.host.say(hold=True)
        await bench.accepted(Verb.LOCK, 0)
        await bench.midway(0)
        mark = bench.mark()
        await _off(bench, bench.host.say(hold=False), mark, HOLD_TO_OFF_LOWERING)
        await bench.phase(0, Phase.HALTED)
    bench.expect_kept(HOLD_TO_OFF_LOWERING)


@check("6 BEAT")
async def beat_to_off(bench: Bench) -> None:
    """Outputs are off 160 ms after the last valid BEAT."""
    for _ in range(ROUNDS):
        await bench.arm(0)
        bench.host.stop_beating()
        mark = bench.mark()
        await _off(bench, bench.host.beat(), mark, BEAT_TO_OFF)
        await bench.open()
        await bench.phase(0, Phase.COCKED, within_us=500_000)
    bench.expect_kept(BEAT_TO_OFF)


@check("6 phase")
async def phase_to_status(bench: Bench) -> None:
    """A change of phase is told in a STATUS 2 ms later, on the wire."""
    last = 0
    for _ in range(ROUNDS):
        await bench.arm(0)
        mark = bench.mark()
        await bench.accepted(Verb.DISARM, 0)
        told = await bench.hear(
            Status,
            lambda s: s.sections[0].phase == Phase.SECURING,
            "STATUS with SECURING",
            since=mark,
        )
        event = await bench.event(Kind.DISARMED, 0, after=last)
        last = event.event_seq
        least_us, most_us = await bench.board_ahead()
        early_us, late_us = (told.at_us - event.board_us + ahead for ahead in (least_us, most_us))
        took = Sample.between(max(0, early_us), max(0, late_us))
        bench.measured(PHASE_TO_STATUS, took)
        await bench.phase(0, Phase.COCKED, within_us=500_000)
    bench.expect_kept(PHASE_TO_STATUS)


@check("6 up switch", hands=True)
async def edge_is_timed(bench: Bench) -> None:
    """DROP's time is that of the raw up edge, within 0.1 ms; of a GPIO board within 1 ms."""
    limit = bench.edge_limit
    for _ in range(DROPS):
        began_us = await bench.hands.now_us()
        told = await bench.drop(0)
        edge_us, _ = fall_from_arming(await bench.hands.history(began_us), section=0)
        least_us, most_us = await bench.clocks_apart()
        late_by = told.board_us - edge_us
        error = Sample.between(late_by - most_us, late_by - least_us)
        bench.measured(limit, Sample(abs(error.us), error.spread_us))
    bench.expect_kept(limit)
