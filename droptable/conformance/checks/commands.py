"""Section 3: COMMANDs and their RESULTs: once at most, not too old, the first reason of several."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    ANY_PHASE,
    COMMANDS_REMEMBERED,
    ROW_OF,
    SECTION_VERBS,
    SECTIONS,
    STALE_MS,
    TABLE,
    TTL_MS,
    Code,
    Feature,
    Flag,
    Kind,
    Phase,
    Verb,
)
from droptable.conformance.model import NotApplicable, check, expect
from droptable.link.messages import Command, Param, ParamSet, Result, Stop


@check("3 At most once")
async def at_most_once(bench: Bench) -> None:
    """A repeated cmd_id is answered with its remembered RESULT and does nothing."""
    entered = bench.order(Verb.MAINTENANCE, TABLE, 1)
    first = await bench.ask(entered)
    expect(first.code == Code.OK, "MAINTENANCE 1 taken", first)
    await bench.accepted(Verb.MAINTENANCE, TABLE, 0)
    again = await bench.ask(entered)
    expect(again == first, "the remembered RESULT", again)
    status = await bench.fresh_status()
    expect(not status.flags & Flag.MAINTENANCE, "nothing done again", status.flags)
    told = len(bench.events(Kind.MAINTENANCE))
    expect(told == 2, "two MAINTENANCE events in all", told)


@check("3 At most once")
async def cock_once(bench: Bench) -> None:
    """What moves a section moves it once: a repeated COCK is only answered."""
    bench.host.say(hold=True)
    cock = bench.order(Verb.COCK, 0)
    first = await bench.ask(cock)
    expect(first.code == Code.OK, "COCK taken", first)
    await bench.midway(0)
    bench.host.say(hold=False)
    await bench.phase(0, Phase.HALTED)
    bench.host.say(hold=True)
    fresh = Command(cock.cmd_id, cock.verb, 0, ANY_PHASE, cock.ttl_ms, bench.host.now_ms, cock.arg)
    again = await bench.ask(fresh)
    expect(again.code == Code.OK, "the remembered RESULT", again)
    status = await bench.fresh_status()
    part = status.sections[0]
    expect((part.phase, part.outputs) == (Phase.HALTED, 0), "HALTED, nothing driven", part)


@check("3 At most once")
async def sixteen_remembered(bench: Bench) -> None:
    """The last 16 cmd_ids are remembered, refusals and PARAM_SETs included."""
    row = ROW_OF["cock_timeout_ms"]
    first = ParamSet(bench.next_id(), 0, row.key, row.high)
    mark = bench.mark()
    bench.host.send(first)
    answer = (await bench.param_answers([first], since=mark))[0]
    expect(isinstance(answer, Param), "PARAM for PARAM_SET", answer)
    await bench.set(0, cock_timeout_ms=row.low)
    refused = [bench.order(Verb.ARM, 0, 1000) for _ in range(COMMANDS_REMEMBERED - 2)]
    await bench.refused_all((Code.WRONG_PHASE, order) for order in refused)
    mark = bench.mark()
    bench.host.send(first)
    again = (await bench.param_answers([first], since=mark))[0]
    expect(again == answer, "the remembered PARAM", again)
    now = await bench.read_param(0, row.key)
    expect(isinstance(now, Param) and now.value == row.low, f"cock_timeout_ms {row.low} kept", now)


@check("3 At most once")
async def memory_ends_with_the_session(bench: Bench) -> None:
    """A new session remembers nothing of the one before."""
    order = bench.order(Verb.MAINTENANCE, TABLE, 1)
    expect((await bench.ask(order)).code == Code.OK, "MAINTENANCE 1 taken")
    await bench.open()
    await bench.flag(Flag.MAINTENANCE, on=False)
    again = Command(order.cmd_id, order.verb, TABLE, ANY_PHASE, 1000, bench.host.now_ms, 1)
    expect((await bench.ask(again)).code == Code.OK, "the id free again")
    await bench.flag(Flag.MAINTENANCE, on=True)


@check("3 At most once")
async def stop_is_not_remembered(bench: Bench) -> None:
    """STOP is never looked up in the memory."""
    order = bench.order(Verb.MAINTENANCE, TABLE, 2)
    await bench.ask(order)
    for _ in range(2):
        mark = bench.mark()
        bench.host.send(Stop(order.cmd_id))
        result = await bench.result(order.cmd_id, since=mark)
        expect(result.code == Code.OK, "RESULT OK for STOP", result)
        await bench.flag(Flag.STOP_LATCHED, on=True)
        await bench.stop_reset()


@check("3 TTL")
async def ttl_bounds(bench: Bench) -> None:
    """ttl_ms from 60 to 1000 is taken, all else is OUT_OF_RANGE."""
    low, high = TTL_MS
    for ttl_ms, code in (
        (low, Code.OK),
        (high, Code.OK),
        (low - 1, Code.OUT_OF_RANGE),
        (high + 1, Code.OUT_OF_RANGE),
        (0, Code.OUT_OF_RANGE),
        (65_535, Code.OUT_OF_RANGE),
    ):
        result = await bench.ask(bench.order(Verb.MAINTENANCE, TABLE, 0, ttl_ms=ttl_ms))
        expect(result.code == code, f"{code.name} for ttl_ms {ttl_ms}", result)


@check("3 TTL")
async def expired(bench: Bench) -> None:
    """A COMMAND older than its ttl_ms is EXPIRED, and nothing is done."""
    order = bench.order(Verb.MAINTENANCE, TABLE, 1, ttl_ms=TTL_MS[0], age_ms=TTL_MS[0] + 30)
    result = await bench.ask(order)
    expect(result.code == Code.EXPIRED, "EXPIRED", result)
    status = await bench.fresh_status()
    expect(not status.flags & Flag.MAINTENANCE, "nothing done", status.flags)
    young = await bench.ask(bench.order(Verb.MAINTENANCE, TABLE, 1, ttl_ms=1000, age_ms=90))
    expect(young.code == Code.OK, "an age within the ttl taken", young)


@check("3 TTL")
async def before_the_third_beat(bench: Bench) -> None:
    """Before the session's third BEAT every COMMAND but DISARM is EXPIRED."""
    await bench.open(beats=0)
    orders = []
    for _ in range(3):
        order = bench.order(Verb.MAINTENANCE, TABLE, 0)
        result = await bench.ask(order)
        expect(result.code == Code.EXPIRED, "EXPIRED before the third BEAT", result)
        disarm = await bench.ask(bench.order(Verb.DISARM, 0))
        expect(disarm.code == Code.WRONG_PHASE, "DISARM judged, as it never expires", disarm)
        bench.host.beat()
        orders.append(order)
    await bench.accepted(Verb.MAINTENANCE, TABLE, 0)
    again = await bench.ask(orders[0])
    expect(again.code == Code.EXPIRED, "EXPIRED remembered", again)


@check("3 TTL")
async def disarm_never_expires(bench: Bench) -> None:
    """DISARM is never too old, and needs no lease."""
    await bench.arm(0)
    result = await bench.ask(bench.order(Verb.DISARM, 0, ttl_ms=TTL_MS[0], age_ms=1000))
    expect(result.code == Code.OK, "OK for a DISARM that is a second old", result)
    await bench.phase(0, Phase.COCKED, within_us=500_000)
    bench.host.say(lease=False)
    for age_ms in (0, STALE_MS + 100):
        late = await bench.ask(bench.order(Verb.DISARM, 0, age_ms=age_ms))
        expect(late.code == Code.WRONG_PHASE, "WRONG_PHASE, for it is COCKED", late)


@check("3 RESULT")
async def unknown_verbs(bench: Bench) -> None:
    """Verbs and sections that do not exist are UNKNOWN."""
    pairs = [(verb, 0) for verb in (0, 10, 99, 255)]
    pairs += [(Verb.COCK, section) for section in (3, 7, 254)]
    await bench.refused_all((Code.UNKNOWN, bench.order(verb, at)) for verb, at in pairs)


@check("3 Verbs")
async def unsupported_places(bench: Bench) -> None:
    """1 to 7 are for a section, 8 and 9 for the table; else UNSUPPORTED."""
    pairs = [(verb, TABLE) for verb in SECTION_VERBS]
    pairs += [(verb, at) for verb in (Verb.MAINTENANCE, Verb.RESET_STOP) for at in SECTIONS]
    await bench.refused_all((Code.UNSUPPORTED, bench.order(verb, at)) for verb, at in pairs)


@check("3 RESULT")
async def tare_without_the_feature(bench: Bench) -> None:
    """TARE on a board without taring is UNSUPPORTED."""
    if Feature.TARING in bench.features:
        raise NotApplicable("the board can tare")
    await bench.refused(Code.UNSUPPORTED, Verb.TARE, 0)


@check("3 expect")
async def expected_phase(bench: Bench) -> None:
    """Another phase than the host believes is WRONG_PHASE; the table's verbs ignore it."""
    bench.host.say(hold=True)
    for phase in (*(p for p in Phase if p != Phase.LOCKED), 11, 254):
        result = await bench.ask(bench.order(Verb.COCK, 0, expects=phase))
        expect(result.code == Code.WRONG_PHASE, f"WRONG_PHASE for expect {phase}", result)
        expect(result.phase == Phase.LOCKED, "the section's phase in RESULT", result.phase)
    result = await bench.ask(bench.order(Verb.MAINTENANCE, TABLE, 1, expects=Phase.ARMED))
    expect((result.code, result.phase) == (Code.OK, 0), "OK, phase 0 for the table", result)
    result = await bench.ask(bench.order(Verb.COCK, 0, expects=Phase.LOCKED))
    expect(result.code == Code.OK, "OK for the right one", result)


@check("3 RESULT")
async def order_of_reasons(bench: Bench) -> None:
    """Where several reasons apply, the first of the contract's order is told."""
    old = TTL_MS[0] + 30
    bench.host.say(lease=False, hold=False)
    await bench.fresh_status()
    order = bench.order
    await bench.refused_all(
        [
            (Code.UNKNOWN, order(77, TABLE, ttl_ms=1)),
            (Code.UNKNOWN, order(Verb.MAINTENANCE, 9, 7, ttl_ms=1)),
            (Code.UNSUPPORTED, order(Verb.COCK, TABLE, ttl_ms=1)),
            (Code.OUT_OF_RANGE, order(Verb.MAINTENANCE, TABLE, 7, ttl_ms=TTL_MS[0], age_ms=old)),
            (Code.EXPIRED, order(Verb.LOCK, 0, ttl_ms=TTL_MS[0], age_ms=old)),
            (Code.WRONG_PHASE, order(Verb.LOCK, 0)),
            (Code.NO_LEASE, order(Verb.COCK, 0)),
            (Code.OUT_OF_RANGE, order(Verb.MAINTENANCE, TABLE, 2)),
            (Code.OUT_OF_RANGE, order(Verb.ARM, 0, 0)),
        ]
    )
    bench.host.send(Stop(bench.next_id()))
    await bench.flag(Flag.STOP_LATCHED, on=True)
    await bench.refused_all(
        [
            (Code.EXPIRED, order(Verb.COCK, 0, ttl_ms=TTL_MS[0], age_ms=old)),
            (Code.STOPPED, order(Verb.LOCK, 0)),
            (Code.STOPPED, order(Verb.COCK, 0)),
            (Code.OUT_OF_RANGE, order(Verb.ARM, 0, -1)),
        ]
    )
    bench.host.say(lease=True)
    await bench.stop_reset()
    bench.host.say(lease=False)
    if Feature.TARING in bench.features:
        await bench.refused_all(
            [
                (Code.MAINTENANCE_ONLY, order(Verb.TARE, 0)),
                (Code.WRONG_PHASE, order(Verb.TARE, 0, expects=Phase.COCKED)),
            ]
        )


@check("3 RESULT")
async def order_of_answers(bench: Bench) -> None:
    """RESULT is sent before STATUS, and STATUS before EVENT, where several wait."""
    # Two STATUS never carry one time: not right after the one that was just heard.
    await bench.host.pause(2_000)
    order = bench.order(Verb.MAINTENANCE, TABLE, 1)
    mark = bench.mark()
    bench.host.send(order)
    await bench.event(Kind.MAINTENANCE)
    kinds = [type(h.message).__name__ for h in bench.host.heard[mark:]]
    result = next(
        at for at, h in enumerate(bench.host.heard[mark:]) if isinstance(h.message, Result)
    )
    event = kinds.index("Event")
    expect(result < event, "RESULT before EVENT", kinds)
    told = [
        at
        for at, h in enumerate(bench.host.heard[mark:])
        if getattr(h.message, "flags", 0) & Flag.MAINTENANCE
    ]
    expect(bool(told) and result < told[0] < event, "the new STATUS between them", kinds)
