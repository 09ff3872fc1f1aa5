"""Section 4: maintenance mode, and the taring that it allows."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    ROW_OF,
    TABLE,
    TARE_US,
    Code,
    Feature,
    Flag,
    Kind,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import Command, Param, Stop


@check("4 MAINTENANCE")
async def maintenance(bench: Bench) -> None:
    """MAINTENANCE 1 and 0 enter and leave; both are told, once each."""
    for arg in (1, 1, 0, 0):
        await bench.accepted(Verb.MAINTENANCE, TABLE, arg)
        await bench.flag(Flag.MAINTENANCE, on=bool(arg))
    await bench.time()
    told = [event.a for event in bench.events(Kind.MAINTENANCE)]
    expect(told == [1, 0], "MAINTENANCE events 1 and 0", told)
    for arg in (2, -1, 2**31 - 1):
        await bench.refused(Code.OUT_OF_RANGE, Verb.MAINTENANCE, TABLE, arg)


@check("4 MAINTENANCE")
async def maintenance_ends_with_the_session(bench: Bench) -> None:
    """It ends with a new session and with the dead-man, and says so."""
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    await bench.open()
    await bench.flag(Flag.MAINTENANCE, on=False)
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    await bench.fall_silent()
    status = await bench.fresh_status()
    expect(not status.flags & Flag.MAINTENANCE, "maintenance mode over", status.flags)
    told = [event.a for event in bench.events(Kind.MAINTENANCE)]
    expect(told == [1, 0, 1, 0], "MAINTENANCE events 1, 0, 1, 0", told)


@check("4 TARE", features=Feature.TARING | Feature.LOAD_CELLS)
async def tare_guards(bench: Bench) -> None:
    """TARE needs maintenance, a lease and LOCKED."""
    await bench.refused(Code.MAINTENANCE_ONLY, Verb.TARE, 0)
    await bench.cock(0)
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    await bench.refused(Code.WRONG_PHASE, Verb.TARE, 0)
    bench.host.say(lease=False)
    await bench.refused(Code.NO_LEASE, Verb.TARE, 1)


@check("4 TARE", features=Feature.TARING | Feature.LOAD_CELLS)
async def tare(bench: Bench) -> None:
    """TARE is answered OK, averages 500 ms, writes load_zero_raw and sends PARAM."""
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    order, began_us = await _tare(bench)
    row = ROW_OF["load_zero_raw"]
    heard = await bench.hear(
        Param,
        lambda p: p.cmd_id == order.cmd_id,
        "PARAM with the cmd_id of TARE",
        within_us=TARE_US + 20_000,
    )
    took_us = heard.at_us - began_us
    expect(took_us >= TARE_US - 1_000, "an average over 500 ms", took_us)
    told = heard.message
    assert isinstance(told, Param)  # noqa: S101 - as it was looked for
    expect((told.section, told.key) == (0, row.key), "PARAM of load_zero_raw", told)
    now = await bench.read_param(0, row.key)
    expect(isinstance(now, Param) and now.value == told.value, "the zero in force", now)
    load_dn = (await bench.fresh_status()).sections[0].load_dn
    expect(abs(load_dn) <= 200, "a load of about 0 after taring an empty section", load_dn)


async def _tare(bench: Bench) -> tuple[Command, int]:
    bench.changes(0, "load_zero_raw")
    order = bench.order(Verb.TARE, 0)
    began_us = bench.host.clock.monotonic_us()
    result = await bench.ask(order)
    expect(result.code == Code.OK, "RESULT OK for TARE", result)
    return order, began_us


@check("4 TARE", features=Feature.TARING | Feature.LOAD_CELLS)
async def tare_interrupted(bench: Bench) -> None:
    """A taring that is interrupted writes nothing and sends no PARAM."""
    row = ROW_OF["load_zero_raw"]
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    order, _ = await _tare(bench)
    value = await bench.read_param(0, row.key)
    await bench.accepted(Verb.MAINTENANCE, TABLE, 0)
    await bench.host.pause(TARE_US + 20_000)
    await bench.time()
    told = [
        h.message
        for h in bench.host.heard
        if isinstance(h.message, Param) and h.message.cmd_id == order.cmd_id
    ]
    expect(not told, "no PARAM for an interrupted TARE", told)
    now = await bench.read_param(0, row.key)
    same = isinstance(now, Param) and isinstance(value, Param) and now.value == value.value
    expect(same, "load_zero_raw as it was", now)


@check("4 MAINTENANCE")
async def maintenance_under_stop(bench: Bench) -> None:
    """Under stop maintenance mode may be entered; nothing moves by it."""
    bench.host.send(Stop(bench.next_id()))
    await bench.flag(Flag.STOP_LATCHED, on=True)
    await bench.accepted(Verb.MAINTENANCE, TABLE, 1)
    status = await bench.flag(Flag.MAINTENANCE, on=True)
    expect(not any(part.outputs for part in status.sections), "nothing driven", status)
