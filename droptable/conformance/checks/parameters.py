"""Section 5: every parameter's bounds, addresses, and what outlives what."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    PARAM_ROWS,
    ROW_OF,
    SECTIONS,
    TABLE,
    Code,
    Feature,
    Flag,
    ParamRow,
    Phase,
    Verb,
    required,
)
from droptable.conformance.model import Stage, check, expect
from droptable.link.messages import Param, ParamGet, ParamSet, Result
from droptable.link.params import params_crc

MOVES_AN_ACTUATOR = ("tension_zero", "tension_span_un")
"""Their bounds would run a real tension drive against its stops."""


@check("5")
async def bounds(bench: Bench) -> None:
    """Each parameter is taken at its bounds and refused beyond them, in every section."""
    for section, row in required(bench.features):
        simulated = Feature.SIMULATOR in bench.features
        if row.name in MOVES_AN_ACTUATOR and not simulated:
            continue
        await _bounds_of(bench, section, row)


async def _bounds_of(bench: Bench, section: int, row: ParamRow) -> None:
    before = bench.values[section, row.key]
    writes = [
        ParamSet(bench.next_id(), section, row.key, value)
        for value in (row.low, row.high, *row.refused(), before)
    ]
    read = ParamGet(bench.next_id(), section, row.key)
    mark = bench.mark()
    # In one piece: what counts meanwhile counts for no time.
    bench.host.send(*writes, read)
    *answers, now = await bench.param_answers([*writes, read], since=mark)
    for write, answer in zip(writes, answers, strict=True):
        within = write.value not in row.refused()
        wanted = "PARAM" if within else "RESULT OUT_OF_RANGE"
        right = (
            answer == Param(write.cmd_id, section, row.key, write.value)
            if within
            else isinstance(answer, Result) and answer.code == Code.OUT_OF_RANGE
        )
        expect(right, f"{wanted} for {row.name} {write.value}", answer)
    kept = isinstance(now, Param) and now.value == before
    expect(kept, f"{row.name} {before} in force at the end", now)


@check("5")
async def refused_value_is_not_kept(bench: Bench) -> None:
    """A refused value changes nothing."""
    for section in SECTIONS:
        row = ROW_OF["settle_ms"]
        value = bench.values[section, row.key]
        answer = await bench.write_param(section, row.key, row.high + 1)
        refused = isinstance(answer, Result) and answer.code == Code.OUT_OF_RANGE
        expect(refused, "OUT_OF_RANGE", answer)
        now = await bench.read_param(section, row.key)
        expect(isinstance(now, Param) and now.value == value, f"{row.name} {value}", now)


@check("3 RESULT, 5")
async def unknown_addresses(bench: Bench) -> None:
    """Keys and sections that do not exist are UNKNOWN."""
    await _refused_at(
        bench, Code.UNKNOWN, [(0, 0), (0, 19), (0, 255), (TABLE, 19), (3, 1), (254, 16)]
    )


@check("3 RESULT, 5")
async def unsupported_addresses(bench: Bench) -> None:
    """Parameters not for that section, or of a feature not there, are UNSUPPORTED."""
    places = [(at, row.key) for row in PARAM_ROWS if row.table for at in SECTIONS]
    places += [(TABLE, row.key) for row in PARAM_ROWS if not row.table]
    lacking = [row for row in PARAM_ROWS if row.needs & ~bench.features]
    places += [(section, row.key) for row in lacking for section in row.sections]
    await _refused_at(bench, Code.UNSUPPORTED, places)


async def _refused_at(bench: Bench, code: Code, places: list[tuple[int, int]]) -> None:
    for section, key in places:
        for answer in (
            await bench.read_param(section, key),
            await bench.write_param(section, key, 1_000),
        ):
            refused = isinstance(answer, Result) and answer.code == code
            expect(refused, f"{code.name} for parameter {key} of section {section}", answer)


@check("5 params_crc")
async def crc_over_parameters(bench: Bench) -> None:
    """WELCOME's params_crc follows each change of a parameter."""
    values = dict(bench.values)
    for section, name in ((0, "cock_timeout_ms"), (2, "settle_ms"), (TABLE, "coil_on_max_ms")):
        row = ROW_OF[name]
        values[section, row.key] = row.high
        await bench.set(section, **{name: row.high})
        told = await bench.open()
        crc = params_crc(values)
        expect(told.params_crc == crc, f"params_crc {crc:08x}", f"{told.params_crc:08x}")


@check("5", stage=Stage.UNSET)
async def parameters_incomplete(bench: Bench) -> None:
    """A board that lacks a parameter says so in a flag and answers COCK with PARAMS_INCOMPLETE."""
    bench.host.say(hold=True)
    await bench.flag(Flag.PARAMS_INCOMPLETE, on=True)
    await bench.refused(Code.PARAMS_INCOMPLETE, Verb.COCK, 0)
    lacking = []
    for section, row in required(bench.features):
        answer = await bench.read_param(section, row.key)
        if isinstance(answer, Result):
            expect(answer.code == Code.PARAMS_INCOMPLETE, "PARAMS_INCOMPLETE", answer)
            lacking.append((section, row))
    expect(bool(lacking), "a parameter that is not set")
    for section, row in lacking[:-1]:
        answer = await bench.write_param(section, row.key, row.working)
        expect(isinstance(answer, Param), f"{row.name} {row.working} taken", answer)
    await bench.flag(Flag.PARAMS_INCOMPLETE, on=True)
    await bench.refused(Code.PARAMS_INCOMPLETE, Verb.COCK, 0)
    section, row = lacking[-1]
    answer = await bench.write_param(section, row.key, row.working)
    expect(isinstance(answer, Param), f"{row.name} {row.working} taken", answer)
    await bench.flag(Flag.PARAMS_INCOMPLETE, on=False)


@check("5 PARAM_SET")
async def parameters_while_moving(bench: Bench) -> None:
    """Only while every section is LOCKED, UNKNOWN or FAULT a parameter is taken."""
    row = ROW_OF["cock_timeout_ms"]
    for phase in ("COCKING", "HALTED", "COCKED"):
        if phase == "COCKING":
            bench.host.say(hold=True)
            await bench.accepted(Verb.COCK, 0)
        elif phase == "HALTED":
            await bench.midway(0)
            bench.host.say(hold=False)
            await bench.phase(0, Phase.HALTED)
        else:
            await bench.cock(0)
        for section, key, value in ((1, row.key, row.high), (TABLE, 18, 60_000)):
            answer = await bench.write_param(section, key, value)
            refused = isinstance(answer, Result) and answer.code == Code.WRONG_PHASE
            expect(refused, f"WRONG_PHASE for PARAM_SET with a section in {phase}", answer)


@check("5 PARAM_SET", features=Feature.TENSION_DRIVE)
async def tension_while_others_move(bench: Bench) -> None:
    """tension_set_dn is taken in its own section's COCKED and HALTED, whatever the others do."""
    await bench.cock(1)
    value = bench.value(1, "tension_set_dn")
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    answer = await bench.write_param(1, ROW_OF["tension_set_dn"].key, value)
    expect(isinstance(answer, Param), "taken in COCKED while another is COCKING", answer)
    answer = await bench.write_param(0, ROW_OF["tension_set_dn"].key, value)
    refused = isinstance(answer, Result) and answer.code == Code.WRONG_PHASE
    expect(refused, "WRONG_PHASE in COCKING", answer)
    await bench.midway(0)
    bench.host.say(hold=False)
    await bench.phase(0, Phase.HALTED)
    answer = await bench.write_param(0, ROW_OF["tension_set_dn"].key, value)
    expect(isinstance(answer, Param), "taken in HALTED", answer)
