"""The parameters: bounds, addresses, when they may be written, and what counts while unset."""

import pytest

from droptable.board.model import NOTHING, TABLE, Code, Feature, Flag, Phase, Result, Verb
from droptable.board.params import PARAM_RULES, Params, address_refusal
from tests.board.bench import (
    COMPLETE,
    EVERYTHING,
    LUMBAR,
    MS,
    PELVIC,
    SECTION_VALUES,
    SECTIONS,
    SETTLE_US,
    TABLE_VALUES,
    Bench,
    params,
)

BOUNDS = {
    1: (200, 5_000),
    2: (200, 8_000),
    3: (60, 500),
    4: (20, 300),
    5: (10, 100),
    6: (0, 20_000),
    7: (1_000, 60_000),
    8: (-(2**31), 2**31 - 1),
    9: (-(2**31), 2**31 - 1),
    10: (1_000, 30_000),
    11: (0, 10_000),
    12: (-(2**31), 2**31 - 1),
    13: (-(2**31), 2**31 - 1),
    14: (10, 1_000),
    15: (5_000, 60_000),
    16: (4_500, 30_000),
    17: (0, 1_000),
    18: (1_000, 120_000),
}
NOT_ZERO = {9, 13}
OF_TABLE = {16, 17, 18}
NEEDS = {
    **dict.fromkeys((8, 9, 10), Feature.LOAD_CELLS),
    **dict.fromkeys((11, 12, 13, 14), Feature.TENSION_DRIVE),
    16: Feature.SUPPLY_SENSOR,
    17: Feature.AIR_SENSOR,
}


def where(key: int) -> int:
    return TABLE if key in OF_TABLE else LUMBAR


def test_the_board_knows_the_parameters_of_the_contract() -> None:
    assert PARAM_RULES.keys() == BOUNDS.keys()


@pytest.mark.parametrize("key", BOUNDS)
def test_a_board_takes_what_lies_within_the_bounds_and_nothing_else(key: int) -> None:
    minimum, maximum = BOUNDS[key]
    bench = Bench().open()
    for value in (minimum, maximum, (minimum + maximum) // 2 or 1):
        assert bench.set(where(key), key, value) == value
        assert bench.get(where(key), key) == value
    kept = bench.state.params
    for value in (minimum - 1, maximum + 1):
        assert bench.set(where(key), key, value) is Code.OUT_OF_RANGE
    assert bench.state.params == kept


@pytest.mark.parametrize("key", sorted(NOT_ZERO))
def test_a_span_is_not_zero(key: int) -> None:
    bench = Bench().open()
    assert bench.set(LUMBAR, key, 0) is Code.OUT_OF_RANGE
    assert bench.set(LUMBAR, key, -1) == -1


@pytest.mark.parametrize("key", BOUNDS)
@pytest.mark.parametrize("section", [3, 254])
def test_there_is_no_fourth_section(section: int, key: int) -> None:
    bench = Bench().open()
    assert bench.set(section, key, BOUNDS[key][1]) is Code.UNKNOWN
    assert bench.get(section, key) is Code.UNKNOWN


@pytest.mark.parametrize("key", [0, 19, 255])
def test_there_is_no_such_key(key: int) -> None:
    bench = Bench().open()
    assert bench.set(LUMBAR, key, 1) is Code.UNKNOWN
    assert bench.get(LUMBAR, key) is Code.UNKNOWN


@pytest.mark.parametrize("key", BOUNDS)
def test_a_parameter_of_the_table_is_none_of_a_section_and_the_other_way_round(key: int) -> None:
    bench = Bench().open()
    for section in SECTIONS if key in OF_TABLE else [TABLE]:
        assert bench.set(section, key, BOUNDS[key][1]) is Code.UNSUPPORTED
        assert bench.get(section, key) is Code.UNSUPPORTED


@pytest.mark.parametrize("key", BOUNDS)
def test_the_parameters_of_a_feature_that_the_board_has_not_are_unsupported(key: int) -> None:
    bench = Bench(features=NOTHING).open()
    expected = Code.UNSUPPORTED if key in NEEDS else BOUNDS[key][1]
    assert bench.set(where(key), key, BOUNDS[key][1]) == expected


@pytest.mark.parametrize("feature", [NOTHING, *Feature])
def test_a_board_needs_the_parameters_of_its_features_and_no_others(feature: Feature) -> None:
    needed = {
        (section, key)
        for key in BOUNDS
        for section in ([TABLE] if key in OF_TABLE else SECTIONS)
        if NEEDS.get(key, NOTHING) in feature
    }
    full = Params({address: COMPLETE.values()[address] for address in needed})
    assert full.complete(feature)
    for address in needed:
        lacking = full.values()
        del lacking[address]
        assert not Params(lacking).complete(feature)


@pytest.mark.parametrize("key", BOUNDS)
def test_a_board_that_lacks_one_parameter_says_so_and_refuses_to_cock(key: int) -> None:
    bench = Bench(stored=params({(where(key), key): None})).to(Phase.UNKNOWN)
    bench.wait(100 * MS)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK
    assert Flag.PARAMS_INCOMPLETE in bench.flags
    assert bench.get(where(key), key) is Code.PARAMS_INCOMPLETE
    assert bench.ask(Verb.COCK, PELVIC) is Code.PARAMS_INCOMPLETE


def test_the_last_missing_parameter_completes_them() -> None:
    bench = Bench(stored=params({(PELVIC, 15): None})).to(Phase.LOCKED)
    assert Flag.PARAMS_INCOMPLETE in bench.flags
    bench.set(PELVIC, 15, 20_000)
    bench.wait(1)
    assert Flag.PARAMS_INCOMPLETE not in bench.flags
    assert bench.ask(Verb.COCK, PELVIC) is Code.OK


@pytest.mark.parametrize(
    ("key", "unset"),
    [
        (1, 5_000),
        (2, 8_000),
        (3, 500),
        (4, 300),
        (5, 100),
        (6, 20_000),
        (7, 60_000),
        (9, 0),
        (10, 30_000),
        (14, 1_000),
        (18, 120_000),
    ],
)
def test_what_was_never_set_counts_as_the_slowest_that_is_allowed(key: int, unset: int) -> None:
    assert Params().get(where(key), key) == unset
    assert Params().stored(where(key), key) is None


def test_an_unset_settle_time_counts_as_100_ms() -> None:
    bench = Bench(stored=Params()).open().wait(100 * MS - 1)
    assert bench.ask(Verb.HOME, PELVIC) is Code.IMPLAUSIBLE
    bench.wait(1)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK


# When they may be written

MOVABLE = {Phase.LOCKED, Phase.UNKNOWN, Phase.FAULT}


@pytest.mark.parametrize("phase", Phase)
def test_parameters_change_only_while_every_section_rests(phase: Phase) -> None:
    bench = Bench().to(phase)
    for section in SECTIONS:
        expected = 30 if phase in MOVABLE else Code.WRONG_PHASE
        assert bench.set(section, 5, 30) == expected
    assert bench.set(TABLE, 18, 5_000) == (5_000 if phase in MOVABLE else Code.WRONG_PHASE)


@pytest.mark.parametrize("phase", Phase)
def test_the_tension_may_be_set_by_the_phase_of_its_own_section(phase: Phase) -> None:
    bench = Bench().to(phase)
    still = phase in MOVABLE | {Phase.COCKED, Phase.HALTED}
    assert bench.set(PELVIC, 11, 2_600) == (2_600 if still else Code.WRONG_PHASE)
    assert bench.set(LUMBAR, 11, 2_600) == 2_600


def _aims(bench: Bench, was: int) -> bool:
    return bench.section(PELVIC).outputs.tension_steps != was


@pytest.mark.parametrize(
    ("phase", "shown", "hangs"),
    [
        (Phase.UNKNOWN, {"up": True, "down": False, "pin": False}, True),
        (Phase.UNKNOWN, {"up": False, "down": False, "pin": False}, True),
        (Phase.UNKNOWN, {"up": True, "down": False, "pin": True}, False),
        (Phase.UNKNOWN, {"up": False, "down": True, "pin": False}, False),
        (Phase.HALTED, {"up": True}, True),
        (Phase.HALTED, {}, False),
        (Phase.COCKED, {}, False),
        (Phase.LOCKED, {}, False),
    ],
)
def test_no_parameter_lets_go_of_what_the_tension_alone_may_hold(
    phase: Phase, shown: dict[str, bool], hangs: bool
) -> None:
    """Written all the same: the actuator goes there when it is written again, at a safe place."""
    bench = Bench().to(phase).show(PELVIC, **shown).wait(SETTLE_US)
    was = bench.section(PELVIC).outputs.tension_steps
    assert bench.set(PELVIC, 11, 1_000) == 1_000
    assert _aims(bench, was) is not hangs
    assert bench.set(PELVIC, 11, 9_000) == 9_000
    assert bench.section(PELVIC).outputs.tension_steps > was, "more holds it better"


@pytest.mark.parametrize(("key", "weaker"), [(12, -5_000), (13, 10**7)])
def test_neither_does_another_reading_of_the_same_tension(key: int, weaker: int) -> None:
    bench = Bench().to(Phase.UNKNOWN).show(PELVIC, up=True, down=False, pin=False).wait(SETTLE_US)
    was = bench.section(PELVIC).outputs.tension_steps
    assert bench.set(PELVIC, key, weaker) == weaker
    assert not _aims(bench, was)


def test_the_reasons_against_a_parameter_have_an_order() -> None:
    bench = Bench().to(Phase.ARMED)
    assert bench.set(PELVIC, 99, 10**9) is Code.UNKNOWN
    assert bench.set(PELVIC, 18, 10**9) is Code.UNSUPPORTED
    assert bench.set(PELVIC, 5, 10**9) is Code.OUT_OF_RANGE
    assert bench.set(PELVIC, 5, 50) is Code.WRONG_PHASE
    bench.lose()
    assert bench.set(PELVIC, 99, 10**9) is Code.NO_SESSION


def test_a_result_about_a_parameter_names_the_phase_of_its_section() -> None:
    bench = Bench().to(Phase.ARMED)
    bench.set(PELVIC, 5, 50)
    assert bench.answers[-1] == Result(bench.cmd_id, Code.WRONG_PHASE, Phase.ARMED)
    bench.set(TABLE, 18, 5_000)
    assert bench.answers[-1] == Result(bench.cmd_id, Code.WRONG_PHASE, 0)


def test_a_dead_session_still_reads_parameters() -> None:
    bench = Bench().open().lose()
    assert bench.get(PELVIC, 5) == SETTLE_US // MS
    assert bench.set(PELVIC, 5, 30) is Code.NO_SESSION
    assert bench.get(PELVIC, 5) == SETTLE_US // MS


# What was stored


def test_what_could_never_have_been_set_is_not_sound() -> None:
    assert COMPLETE.sound()
    assert Params().sound()
    for address, value in [
        ((PELVIC, 5), 9),
        ((PELVIC, 9), 0),
        ((TABLE, 18), 120_001),
        ((TABLE, 5), 50),
        ((PELVIC, 18), 5_000),
        ((3, 5), 50),
        ((PELVIC, 0), 1),
        ((PELVIC, 19), 1),
    ]:
        assert not Params({**COMPLETE.values(), address: value}).sound(), address


def test_stored_parameters_of_a_feature_that_the_board_has_not_do_not_count() -> None:
    bench = Bench(features=NOTHING)
    assert bench.state.params_complete
    assert {key for _, key in bench.state.params.values()} == BOUNDS.keys() - NEEDS.keys()


def test_parameters_are_values() -> None:
    assert params() == COMPLETE
    assert hash(params()) == hash(COMPLETE)
    changed = COMPLETE.with_value(PELVIC, 5, 30)
    assert changed != COMPLETE
    assert COMPLETE.get(PELVIC, 5) == 20
    assert changed.get(PELVIC, 5) == 30
    assert COMPLETE != "parameters"
    values = COMPLETE.values()
    values.clear()
    assert COMPLETE.values()


def test_the_bench_is_complete() -> None:
    assert COMPLETE.complete(EVERYTHING)
    assert SECTION_VALUES.keys() | TABLE_VALUES.keys() == BOUNDS.keys()
    assert address_refusal(PELVIC, 5, EVERYTHING) is None
