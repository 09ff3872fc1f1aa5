"""Faults: raised at their time and not a microsecond before, where the table says, and cleared so."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from droptable.board.faults import FAULT_RULES, STILL_THERE
from droptable.board.model import (
    NOTHING,
    TABLE,
    Code,
    Disarmed,
    Fault,
    Feature,
    Kind,
    Phase,
    Verb,
)
from droptable.board.params import Params
from tests.board.bench import (
    AIR_MIN_KPA,
    COCK_TIMEOUT_US,
    COIL_ON_MAX_US,
    COMPLETE,
    DEBOUNCE_US,
    DROP_TIMEOUT_US,
    EVERYTHING,
    LOAD_MAX_DN,
    LOWER_TIMEOUT_US,
    LUMBAR,
    MS,
    PELVIC,
    PIN_TIMEOUT_US,
    SECTIONS,
    SETTLE_US,
    SUPPLY_MIN_MV,
    TENSION_DN,
    TOLERANCE_DN,
    Bench,
    Contacts,
    S,
    params,
)

Act = Callable[[Bench], object]


def nothing(_: Bench) -> None:
    """What is wrong is that nothing happens."""


def shows(**contacts: bool | int | None) -> Act:
    return lambda bench: bench.show(PELVIC, **contacts)


def table_shows(**lines: int) -> Act:
    return lambda bench: bench.line(**lines)


def silent(bench: Bench) -> None:
    """No new sample from now on; the newest is of now."""
    bench.show(PELVIC, load_us=bench.now_us)


def long_ago(bench: Bench) -> Bench:
    """So long in its phase that nothing of the way there counts any more."""
    return bench.wait(6 * S)


@dataclass(frozen=True)
class Cause:
    """In `phase`, once `begins` has happened, `fault` is raised `after_us` later; or `in_time` ends it."""

    fault: Fault
    phase: Phase
    begins: Act
    after_us: int
    in_time: Act | None = None

    def __str__(self) -> str:
        return f"{self.fault.name} in {self.phase.name}"


RESTING = (Phase.LOCKED, Phase.COCKED, Phase.HALTED)
BACK = {Phase.LOCKED: shows(down=True), Phase.COCKED: shows(up=True)}

CAUSES = [
    Cause(Fault.COCK_TIMEOUT, Phase.COCKING, shows(pin=False, down=False), COCK_TIMEOUT_US),
    Cause(Fault.LOWER_TIMEOUT, Phase.LOWERING, shows(pin=False, up=False), LOWER_TIMEOUT_US),
    Cause(Fault.DROP_TIMEOUT, Phase.DROPPING, nothing, DROP_TIMEOUT_US),
    Cause(Fault.PIN_STUCK_IN, Phase.COCKING, nothing, PIN_TIMEOUT_US, shows(pin=False)),
    Cause(Fault.PIN_STUCK_IN, Phase.LOWERING, nothing, PIN_TIMEOUT_US, shows(pin=False)),
    Cause(
        Fault.PIN_STUCK_IN,
        Phase.ARMED,
        shows(pin=True),
        DEBOUNCE_US + PIN_TIMEOUT_US,
        shows(pin=False),
    ),
    Cause(Fault.PIN_STUCK_OUT, Phase.SECURING, nothing, PIN_TIMEOUT_US + SETTLE_US),
    Cause(Fault.PIN_STUCK_OUT, Phase.DROPPED, nothing, PIN_TIMEOUT_US + SETTLE_US),
    Cause(Fault.PIN_STUCK_OUT, Phase.COCKED, shows(pin=False), 10 * MS, shows(pin=True)),
    Cause(Fault.PIN_STUCK_OUT, Phase.LOCKED, shows(pin=False), 10 * MS, shows(pin=True)),
    Cause(Fault.UNCOMMANDED_DROP, Phase.COCKED, shows(up=False), 10 * MS, shows(up=True)),
    Cause(Fault.MOVED_WITHOUT_COMMAND, Phase.LOCKED, shows(down=False), 10 * MS, shows(down=True)),
    *(
        Cause(
            Fault.SWITCHES_IMPLAUSIBLE,
            phase,
            shows(up=True, down=True),
            10 * MS,
            shows(up=False, down=False),
        )
        for phase in (Phase.UNKNOWN, Phase.HALTED, Phase.COCKING, Phase.LOWERING, Phase.DROPPING)
    ),
    Cause(Fault.SWITCHES_IMPLAUSIBLE, Phase.LOCKED, shows(up=True), 10 * MS, shows(up=False)),
    Cause(Fault.SWITCHES_IMPLAUSIBLE, Phase.COCKED, shows(down=True), 10 * MS, shows(down=False)),
    *(
        Cause(Fault.LOAD_CELL, phase, shows(load=None), 200 * MS, shows(load=500))
        for phase in (*RESTING, Phase.ARMED)
    ),
    *(
        Cause(Fault.LOAD_CELL, phase, silent, 200 * MS, shows(load_us=None))
        for phase in (*RESTING, Phase.ARMED)
    ),
    *(
        Cause(Fault.OVERLOAD, phase, shows(load=LOAD_MAX_DN + 1), 50 * MS, shows(load=LOAD_MAX_DN))
        for phase in (Phase.UNKNOWN, *RESTING, Phase.COCKING, Phase.LOWERING)
    ),
    *(
        Cause(
            Fault.SUPPLY,
            phase,
            table_shows(supply_mv=SUPPLY_MIN_MV - 1),
            100 * MS,
            table_shows(supply_mv=SUPPLY_MIN_MV),
        )
        for phase in (Phase.COCKING, Phase.LOWERING, Phase.ARMED, Phase.DROPPING)
    ),
    Cause(
        Fault.TENSION,
        Phase.ARMED,
        shows(tension=TENSION_DN - TOLERANCE_DN - 1),
        200 * MS,
        shows(tension=TENSION_DN - TOLERANCE_DN),
    ),
    Cause(Fault.DUTY, Phase.ARMED, nothing, COIL_ON_MAX_US),
]


def begun(cause: Cause) -> tuple[Bench, int]:
    """A board with the cause just begun, and since when its time counts."""
    bench = Bench().to(cause.phase)
    since_us = bench.section().entered_us
    if cause.begins is not nothing:
        cause.begins(bench)
        if cause.fault not in (Fault.COCK_TIMEOUT, Fault.LOWER_TIMEOUT):
            since_us = bench.now_us
    if cause.fault is Fault.DUTY:
        bench.state = replace(
            bench.state,
            sections=(
                *bench.state.sections[:2],
                replace(bench.section(), window_us=2 * COIL_ON_MAX_US),
            ),
        )
    return bench, since_us


@pytest.mark.parametrize("cause", CAUSES, ids=str)
def test_a_fault_is_raised_at_its_time_and_not_before(cause: Cause) -> None:
    bench, since_us = begun(cause)
    bench.until(since_us + cause.after_us - 1)
    assert bench.phase() is cause.phase
    bench.until(since_us + cause.after_us)
    assert bench.fault() is cause.fault
    assert bench.all_off
    event = bench.event(Kind.FAULT)
    assert (event.section, event.a) == (PELVIC, cause.fault)
    assert [each.a for each in bench.events(Kind.DISARMED)] == (
        [Disarmed.FAULT] if cause.phase is Phase.ARMED else []
    )


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause.in_time], ids=str)
def test_a_fault_whose_cause_ends_in_time_is_not_raised(cause: Cause) -> None:
    bench, since_us = begun(cause)
    bench.until(since_us + cause.after_us - 1)
    assert cause.in_time is not None
    cause.in_time(bench)
    bench.until(since_us + cause.after_us + 20 * MS)
    assert bench.fault() is not cause.fault


@pytest.mark.parametrize(
    "cause",
    [cause for cause in CAUSES if cause.after_us == 10 * MS and cause.phase in BACK],
    ids=str,
)
def test_ten_milliseconds_are_without_a_break(cause: Cause) -> None:
    bench, _ = begun(cause)
    assert cause.in_time is not None
    for _ in range(5):
        bench.wait(10 * MS - 1)
        cause.in_time(bench)
        bench.wait(1)
        cause.begins(bench)
    assert bench.fault() is not cause.fault
    bench.wait(10 * MS)
    assert bench.phase() is Phase.FAULT


# What raises none


@pytest.mark.parametrize(
    ("fault", "phases", "begins"),
    [
        (Fault.LOAD_CELL, {Phase.UNKNOWN}, shows(load=None)),
        (Fault.LOAD_CELL, {Phase.UNKNOWN}, silent),
        (Fault.OVERLOAD, {Phase.ARMED, Phase.DROPPING}, shows(load=32_000)),
        (Fault.TENSION, {Phase.COCKING, Phase.DROPPING}, shows(tension=0)),
        (Fault.SUPPLY, {*RESTING, Phase.UNKNOWN}, table_shows(supply_mv=0)),
        (Fault.AIR, {*RESTING, Phase.UNKNOWN, Phase.ARMED, Phase.LOWERING}, table_shows(air_kpa=0)),
    ],
)
def test_a_fault_is_not_raised_where_the_table_says_so(
    fault: Fault, phases: set[Phase], begins: Act
) -> None:
    for phase in phases:
        bench = long_ago(Bench()).to(phase)
        begins(bench)
        bench.wait(150 * MS if phase is Phase.DROPPING else 290 * MS)
        told = {event.a for event in bench.events(Kind.FAULT)}
        assert fault not in told, phase


def test_the_second_after_an_arming_excuses_what_a_thrust_weighs() -> None:
    bench = Bench().to(Phase.ARMED).show(PELVIC, load=LOAD_MAX_DN + 1).wait(2 * S)
    bench.ask(Verb.DISARM, PELVIC)
    since_us = bench.now_us
    bench.secure(PELVIC).until(since_us + S + 50 * MS - 1)
    assert bench.phase() is Phase.COCKED
    bench.wait(1)
    assert bench.fault() is Fault.OVERLOAD


def test_the_second_after_a_drop_excuses_what_a_thrust_weighs() -> None:
    bench = Bench().to(Phase.DROPPING).show(PELVIC, load=LOAD_MAX_DN + 1).land(PELVIC)
    since_us = bench.now_us
    bench.secure(PELVIC).until(since_us + S + 50 * MS - 1)
    assert bench.phase() is Phase.LOCKED
    bench.wait(1)
    assert bench.fault() is Fault.OVERLOAD


def test_air_is_watched_while_the_lift_is_driven() -> None:
    bench = Bench().to(Phase.COCKING).line(air_kpa=AIR_MIN_KPA - 1).wait(50 * MS)
    bench.pin_out(PELVIC).show(PELVIC, down=False)
    driven_us = bench.now_us
    assert bench.drives() == "lift pin"
    bench.until(driven_us + 100 * MS - 1)
    assert bench.phase() is Phase.COCKING
    bench.wait(1)
    assert bench.fault() is Fault.AIR


def test_a_pin_that_flickers_while_it_is_driven_gets_no_new_time() -> None:
    bench = Bench().to(Phase.COCKING)
    since_us = bench.now_us
    for _ in range(10):
        bench.wait(10 * MS).show(PELVIC, pin=False).wait(MS).show(PELVIC, pin=True)
    bench.until(since_us + PIN_TIMEOUT_US - 1)
    assert bench.phase() is Phase.COCKING
    bench.wait(1)
    assert bench.fault() is Fault.PIN_STUCK_IN


def test_a_pin_that_leaves_in_the_last_moment_has_left() -> None:
    bench = Bench().to(Phase.COCKING).wait(PIN_TIMEOUT_US - 1).show(PELVIC, pin=False).wait(MS)
    assert bench.phase() is Phase.COCKING
    assert bench.wait(DEBOUNCE_US).drives() == "lift pin"


@pytest.mark.parametrize("missing", [8, 9])
def test_a_cell_that_was_never_calibrated_raises_nothing(missing: int) -> None:
    bench = Bench(stored=params({(PELVIC, missing): None})).to(Phase.LOCKED)
    bench.show(PELVIC, load=None, load_us=0).wait(S)
    assert bench.phase() is Phase.LOCKED
    bench.show(PELVIC, load=2**30, load_us=None).wait(S)
    assert bench.phase() is Phase.LOCKED


def test_a_board_raises_no_fault_of_a_feature_that_it_has_not() -> None:
    bench = Bench(features=NOTHING).to(Phase.ARMED)
    bench.show(PELVIC, load=None, load_us=0, tension=9_999).line(supply_mv=0, air_kpa=0).wait(6 * S)
    assert bench.phase() is Phase.ARMED
    assert bench.ask(Verb.DISARM, PELVIC) is Code.OK
    bench.secure(PELVIC)
    assert bench.phase() is Phase.COCKED


@pytest.mark.parametrize("feature", [Feature.LOAD_CELLS, Feature.TENSION_DRIVE])
def test_a_board_without_a_feature_that_its_store_knows_of_raises_nothing(feature: Feature) -> None:
    bench = Bench(features=EVERYTHING & ~feature).to(Phase.LOCKED)
    if feature is Feature.LOAD_CELLS:
        bench.show(PELVIC, load=None)
    else:
        bench.show(PELVIC, tension=9_999)
    bench.wait(6 * S)
    assert bench.phase() is Phase.LOCKED


# TENSION over time


def test_a_tension_that_was_written_has_five_seconds() -> None:
    bench = Bench().to(Phase.LOCKED).wait(10 * S).show(PELVIC, tension=TENSION_DN)
    bench.set(PELVIC, 11, TENSION_DN + TOLERANCE_DN + 1)
    written_us = bench.now_us
    bench.until(written_us + 5 * S - 1)
    assert bench.phase() is Phase.LOCKED
    bench.wait(1)
    assert bench.fault() is Fault.TENSION


def test_a_tension_within_its_tolerance_is_right() -> None:
    bench = Bench().to(Phase.LOCKED)
    for off_dn in (TOLERANCE_DN, -TOLERANCE_DN):
        bench.show(PELVIC, tension=TENSION_DN + off_dn).wait(6 * S)
        assert bench.phase() is Phase.LOCKED


@pytest.mark.parametrize("phase", [Phase.LOCKED, Phase.COCKED, Phase.HALTED, Phase.UNKNOWN])
def test_the_tension_is_watched_from_then_on(phase: Phase) -> None:
    bench = long_ago(Bench().to(phase)).show(PELVIC, tension=TENSION_DN + TOLERANCE_DN + 1)
    assert bench.fault() is Fault.TENSION


def test_a_tension_that_slipped_while_cocking_is_found_after_it() -> None:
    bench = Bench().to(Phase.LOCKED).wait(6 * S).cock(PELVIC).show(PELVIC, tension=0).rise(PELVIC)
    assert bench.fault() is Fault.TENSION


@pytest.mark.parametrize("key", [11, 12, 13])
def test_a_tension_that_means_no_place_yet_is_not_wrong(key: int) -> None:
    bench = Bench(stored=params({(PELVIC, key): None})).to(Phase.LOCKED)
    bench.show(PELVIC, tension=1).wait(6 * S)
    assert bench.phase() is Phase.LOCKED


# First cause, clearing


def test_the_first_cause_is_kept() -> None:
    bench = Bench().to(Phase.COCKED).show(PELVIC, pin=False).wait(MS).show(PELVIC, up=False)
    bench.wait(S).show(PELVIC, load=None).wait(S)
    assert bench.fault() is Fault.PIN_STUCK_OUT
    assert len(bench.events(Kind.FAULT)) == 1


def test_a_fault_is_of_its_own_section() -> None:
    bench = Bench().to(Phase.COCKED).show(PELVIC, pin=False).wait(10 * MS)
    assert [bench.phase(at) for at in SECTIONS] == [Phase.LOCKED, Phase.LOCKED, Phase.FAULT]


def fixed(**contacts: bool | int | None) -> Act:
    return lambda bench: bench.show(PELVIC, **contacts).wait(DEBOUNCE_US)


CLEARED_BY: dict[Fault, tuple[Act, Act]] = {
    Fault.PIN_STUCK_OUT: (fixed(pin=False), fixed(pin=True)),
    Fault.SWITCHES_IMPLAUSIBLE: (fixed(up=True), fixed(up=False)),
    Fault.LOAD_CELL: (fixed(load=None), fixed(load=500)),
    Fault.OVERLOAD: (fixed(load=LOAD_MAX_DN + 1), fixed(load=LOAD_MAX_DN)),
    Fault.SUPPLY: (table_shows(supply_mv=0), table_shows(supply_mv=SUPPLY_MIN_MV)),
    Fault.AIR: (table_shows(air_kpa=0), table_shows(air_kpa=AIR_MIN_KPA)),
    Fault.TENSION: (fixed(tension=0), fixed(tension=TENSION_DN)),
    Fault.SELF_TEST: (fixed(read_back=True), fixed(read_back=False)),
    Fault.PARAMS: (
        lambda bench: setattr(bench, "state", replace(bench.state, params_complete=False)),
        lambda bench: setattr(bench, "state", replace(bench.state, params_complete=True)),
    ),
}


def in_fault(fault: Fault) -> Bench:
    bench = Bench().to(Phase.LOCKED)
    thoracic, lumbar, pelvic = bench.state.sections
    pelvic = replace(pelvic, phase=Phase.FAULT, fault=fault)
    bench.state = replace(bench.state, sections=(thoracic, lumbar, pelvic))
    return bench


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
def test_a_fault_is_cleared_only_when_its_cause_is_gone(fault: Fault) -> None:
    bench = in_fault(fault)
    if fault in CLEARED_BY:
        breaks, mends = CLEARED_BY[fault]
        breaks(bench)
        assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.FAULTED
        assert bench.fault() is fault
        mends(bench)
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.OK
    assert (bench.phase(), bench.fault()) == (Phase.UNKNOWN, Fault.NONE)
    assert bench.event(Kind.FAULT_CLEARED).a == fault


def test_a_silent_cell_keeps_its_fault() -> None:
    bench = in_fault(Fault.LOAD_CELL)
    silent(bench)
    bench.wait(200 * MS)
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.FAULTED


def test_the_table_of_causes_is_the_one_of_the_board() -> None:
    assert STILL_THERE.keys() == CLEARED_BY.keys()
    assert {rule.fault for rule in FAULT_RULES} | {Fault.SELF_TEST, Fault.PARAMS} == set(Fault) - {
        Fault.NONE
    }
    assert all(Phase.FAULT not in rule.phases for rule in FAULT_RULES)


def test_after_clearing_a_person_looks_before_anything_moves() -> None:
    bench = Bench().to(Phase.COCKED).show(PELVIC, pin=False).wait(10 * MS).show(PELVIC, pin=True)
    bench.wait(DEBOUNCE_US)
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.OK
    assert bench.ask(Verb.COCK, PELVIC) is Code.WRONG_PHASE
    bench.wait(SETTLE_US)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK
    assert bench.phase() is Phase.COCKED


# At boot


def test_a_coil_that_reads_back_driven_fails_the_self_test() -> None:
    bench = Bench(contacts=(Contacts(), Contacts(read_back=True), Contacts()))
    assert [bench.fault(at) for at in SECTIONS] == [Fault.NONE, Fault.SELF_TEST, Fault.NONE]
    assert bench.told() == [Kind.BOOTED, Kind.FAULT]


def test_a_section_at_both_ends_fails_the_self_test() -> None:
    bench = Bench(contacts=(Contacts(), Contacts(up=True), Contacts()))
    assert bench.fault(LUMBAR) is Fault.SELF_TEST


def test_a_coil_is_read_back_at_boot_only() -> None:
    bench = Bench().to(Phase.LOCKED).show(PELVIC, read_back=True).wait(S)
    assert bench.phase() is Phase.LOCKED


@pytest.mark.parametrize("stored", [None, Params({(PELVIC, 5): 9}), Params({(9, 9): 9})])
def test_damaged_parameters_are_a_fault_until_they_are_written_again(
    stored: Params | None,
) -> None:
    bench = Bench(stored=stored)
    assert {bench.fault(at) for at in SECTIONS} == {Fault.PARAMS}
    assert bench.state.params == Params()
    bench.open()
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.FAULTED
    for (section, key), value in COMPLETE.values().items():
        assert bench.set(section, key, value) == value
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.OK


def test_no_parameters_at_all_are_no_damage() -> None:
    bench = Bench(stored=Params())
    assert {bench.phase(at) for at in SECTIONS} == {Phase.UNKNOWN}
    assert bench.open().set(TABLE, 18, 5_000) == 5_000
