"""Verbs: what the table allows, and every reason against it, alone and in its order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from droptable.board.event_buffer import CAPACITY
from droptable.board.model import (
    ANY_PHASE,
    NOTHING,
    TABLE,
    Code,
    Command,
    Disarmed,
    Fault,
    Feature,
    Flag,
    Kind,
    Phase,
    Verb,
)
from droptable.board.state import Tare
from tests.board.bench import (
    AIR_MIN_KPA,
    EVERYTHING,
    LUMBAR,
    MS,
    PELVIC,
    SETTLE_US,
    SUPPLY_MIN_MV,
    THORACIC,
    WINDOW_MAX_MS,
    Bench,
    Contacts,
    params,
)

ALLOWED = {
    Verb.COCK: {Phase.LOCKED, Phase.HALTED},
    Verb.ARM: {Phase.COCKED},
    Verb.DISARM: {Phase.ARMED},
    Verb.LOCK: {Phase.COCKED, Phase.HALTED},
    Verb.HOME: {Phase.UNKNOWN},
    Verb.CLEAR_FAULT: {Phase.FAULT},
    Verb.TARE: {Phase.LOCKED},
}
BEGUN = {
    (Verb.COCK, Phase.LOCKED): Phase.COCKING,
    (Verb.COCK, Phase.HALTED): Phase.COCKING,
    (Verb.ARM, Phase.COCKED): Phase.ARMED,
    (Verb.DISARM, Phase.ARMED): Phase.SECURING,
    (Verb.LOCK, Phase.COCKED): Phase.LOWERING,
    (Verb.LOCK, Phase.HALTED): Phase.LOWERING,
    (Verb.HOME, Phase.UNKNOWN): Phase.LOCKED,
    (Verb.CLEAR_FAULT, Phase.FAULT): Phase.UNKNOWN,
    (Verb.TARE, Phase.LOCKED): Phase.LOCKED,
}
ARG = {Verb.ARM: 5_000}


def ready_for_anything(phase: Phase) -> Bench:
    """In `phase`, with nothing else against any verb."""
    bench = Bench().to(Phase.LOCKED if phase is not Phase.UNKNOWN else phase)
    assert bench.ask(Verb.MAINTENANCE, TABLE, 1) is Code.OK
    bench.to(phase)
    if phase is Phase.FAULT:
        bench.show(PELVIC, up=False)
    return bench


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("verb", ALLOWED)
def test_a_verb_is_allowed_where_the_table_says_and_changes_nothing_elsewhere(
    verb: Verb, phase: Phase
) -> None:
    bench = ready_for_anything(phase)
    before = bench.law
    code = bench.ask(verb, PELVIC, ARG.get(verb, 0))
    if phase in ALLOWED[verb]:
        assert code is Code.OK
        assert bench.phase() is BEGUN[verb, phase]
    else:
        assert code is (Code.FAULTED if phase is Phase.FAULT else Code.WRONG_PHASE)
        assert bench.law == before


@pytest.mark.parametrize("phase", Phase)
def test_maintenance_begins_only_while_nothing_is_on_its_way_or_armed(phase: Phase) -> None:
    bench = Bench().to(phase)
    before = bench.law
    code = bench.ask(Verb.MAINTENANCE, TABLE, 1)
    if phase is Phase.ARMED:
        expected = Code.OTHER_ARMED
    elif phase in {
        Phase.COCKING,
        Phase.LOWERING,
        Phase.DROPPING,
        Phase.DROPPED,
        Phase.SECURING,
    }:
        expected = Code.BUSY
    else:
        expected = Code.OK
    assert code is expected
    assert bench.state.maintenance is (expected is Code.OK)
    if expected is not Code.OK:
        assert bench.law == before


@pytest.mark.parametrize("phase", Phase)
def test_maintenance_ends_and_a_stop_is_reset_in_every_phase(phase: Phase) -> None:
    bench = ready_for_anything(phase).beat(hold=False)
    bench.state = replace(bench.state, stopped=True)
    assert bench.ask(Verb.MAINTENANCE, TABLE, 0) is Code.OK
    assert not bench.state.maintenance
    assert bench.ask(Verb.RESET_STOP, TABLE) is Code.OK
    assert not bench.state.stopped


# One reason at a time


def commanded(bench: Bench, verb: Verb, **changes: int) -> Code:
    section = TABLE if verb in (Verb.MAINTENANCE, Verb.RESET_STOP) else PELVIC
    command = Command(bench.new_id(), verb, section, ANY_PHASE, 250, 0, ARG.get(verb, 0))
    before = bench.law
    code = bench.command(replace(command, **changes)).code
    if code is not Code.OK:
        assert bench.law == before, "a refusal changes nothing"
    return code


MOTION = [(Verb.COCK, Phase.LOCKED), (Verb.ARM, Phase.COCKED), (Verb.LOCK, Phase.COCKED)]
MINIMA = {"supply_mv": SUPPLY_MIN_MV, "air_kpa": AIR_MIN_KPA}
EVERY = [(verb, min(phases)) for verb, phases in ALLOWED.items()]


@pytest.mark.parametrize(("verb", "phase"), MOTION)
def test_motion_needs_a_lease(verb: Verb, phase: Phase) -> None:
    assert commanded(Bench().to(phase).beat(lease=False), verb) is Code.NO_LEASE


@pytest.mark.parametrize(("verb", "phase"), MOTION)
def test_motion_is_refused_under_stop(verb: Verb, phase: Phase) -> None:
    bench = Bench().to(phase).stop()
    assert commanded(bench, verb) is Code.STOPPED


@pytest.mark.parametrize(("verb", "phase"), MOTION)
@pytest.mark.parametrize(
    ("other", "code"),
    [
        (Phase.UNKNOWN, Code.OK),
        (Phase.LOCKED, Code.OK),
        (Phase.COCKED, Code.OK),
        (Phase.HALTED, Code.OK),
        (Phase.COCKING, Code.BUSY),
        (Phase.SECURING, Code.BUSY),
        (Phase.LOWERING, Code.BUSY),
        (Phase.DROPPING, Code.BUSY),
        (Phase.DROPPED, Code.BUSY),
        (Phase.ARMED, Code.OTHER_ARMED),
    ],
)
def test_one_section_moves_at_a_time(verb: Verb, phase: Phase, other: Phase, code: Code) -> None:
    bench = Bench().to(phase)
    put(bench, THORACIC, other)
    before = bench.section()
    assert bench.ask(verb, PELVIC, ARG.get(verb, 0)) is code
    assert (bench.section() == before) is (code is not Code.OK)


@pytest.mark.parametrize(("verb", "phase"), MOTION)
def test_another_section_in_fault_forbids_all_but_the_way_down(verb: Verb, phase: Phase) -> None:
    bench = Bench().to(phase).break_down(THORACIC)
    assert bench.phase(THORACIC) is Phase.FAULT
    assert commanded(bench, verb) is (Code.OK if verb is Verb.LOCK else Code.FAULTED)


@pytest.mark.parametrize(("verb", "phase"), MOTION)
@pytest.mark.parametrize("sensor", MINIMA)
def test_cocking_and_arming_need_power(verb: Verb, phase: Phase, sensor: str) -> None:
    bench = Bench().to(phase)
    minimum = MINIMA[sensor]
    bench.line(**{sensor: minimum - 1})
    assert commanded(bench, verb) is (Code.OK if verb is Verb.LOCK else Code.NO_POWER)


@pytest.mark.parametrize("sensor", MINIMA)
def test_power_at_its_minimum_is_enough(sensor: str) -> None:
    bench = Bench().to(Phase.LOCKED).line(**{sensor: MINIMA[sensor]})
    assert commanded(bench, Verb.COCK) is Code.OK


@pytest.mark.parametrize(("verb", "phase"), MOTION)
def test_motion_needs_all_parameters(verb: Verb, phase: Phase) -> None:
    bench = Bench().to(phase)
    bench.state = replace(bench.state, params_complete=False)
    assert commanded(bench, verb) is Code.PARAMS_INCOMPLETE


@pytest.mark.parametrize(("verb", "phase"), MOTION)
def test_cocking_and_lowering_need_a_hold_and_the_pedal_is_one(verb: Verb, phase: Phase) -> None:
    bench = Bench().to(phase).beat(hold=False)
    assert commanded(bench, verb) is (Code.OK if verb is Verb.ARM else Code.NOT_HELD)
    bench = Bench().to(phase).beat(hold=False).line(pedal_down=True).wait(10 * MS)
    assert commanded(bench, verb) is Code.OK


@pytest.mark.parametrize(("verb", "phase"), EVERY)
def test_a_command_lives_60_to_1000_ms(verb: Verb, phase: Phase) -> None:
    for ttl_ms, code in (
        (59, Code.OUT_OF_RANGE),
        (1001, Code.OUT_OF_RANGE),
        (0, Code.OUT_OF_RANGE),
    ):
        assert commanded(ready_for_anything(phase), verb, ttl_ms=ttl_ms) is code
    for ttl_ms in (60, 1000):
        assert commanded(ready_for_anything(phase), verb, ttl_ms=ttl_ms) is Code.OK


@pytest.mark.parametrize(("verb", "phase"), EVERY)
def test_a_command_older_than_its_life_is_expired_but_a_disarm_never(
    verb: Verb, phase: Phase
) -> None:
    assert commanded(ready_for_anything(phase), verb, ttl_ms=100, age_ms=100) is Code.OK
    late = Code.OK if verb is Verb.DISARM else Code.EXPIRED
    assert commanded(ready_for_anything(phase), verb, ttl_ms=100, age_ms=101) is late


@pytest.mark.parametrize(("verb", "phase"), EVERY)
def test_a_command_before_the_third_beat_is_expired_but_a_disarm_never(
    verb: Verb, phase: Phase
) -> None:
    bench = ready_for_anything(phase)
    bench.state = replace(bench.state, beats=2)
    assert commanded(bench, verb) is (Code.OK if verb is Verb.DISARM else Code.EXPIRED)


def test_the_third_beat_is_the_first_that_counts() -> None:
    bench = Bench().to(Phase.LOCKED)
    bench.lose()
    bench.open()
    assert bench.state.beats == 3
    bench.lose()
    bench.beat()
    assert bench.state.beats == 3, "a dead session has no beats"
    assert not bench.state.lease


@pytest.mark.parametrize(("verb", "phase"), EVERY)
def test_the_host_must_believe_the_phase_that_is(verb: Verb, phase: Phase) -> None:
    assert commanded(ready_for_anything(phase), verb, expect=phase) is Code.OK
    for other in (*(set(Phase) - {phase}), 77):
        assert commanded(ready_for_anything(phase), verb, expect=other) is Code.WRONG_PHASE


def test_what_the_host_believes_is_ignored_for_the_table() -> None:
    bench = Bench().to(Phase.LOCKED).beat(hold=False)
    for verb in (Verb.MAINTENANCE, Verb.RESET_STOP):
        assert commanded(bench, verb, expect=77) is Code.OK


@pytest.mark.parametrize(("verb", "phase"), EVERY)
def test_a_dead_session_commands_nothing(verb: Verb, phase: Phase) -> None:
    bench = ready_for_anything(phase).lose()
    assert commanded(bench, verb) is Code.NO_SESSION


@pytest.mark.parametrize("verb", [0, 10, 255])
def test_there_is_no_such_verb(verb: int) -> None:
    bench = Bench().to(Phase.LOCKED)
    assert bench.ask(verb, PELVIC) is Code.UNKNOWN
    assert bench.ask(verb, TABLE) is Code.UNKNOWN


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("section", [3, 200, 254])
def test_there_is_no_such_section(verb: Verb, section: int) -> None:
    assert Bench().to(Phase.LOCKED).ask(verb, section) is Code.UNKNOWN


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_of_a_section_is_none_of_the_table_and_the_other_way_round(verb: Verb) -> None:
    bench = Bench().to(Phase.LOCKED)
    of_table = verb in (Verb.MAINTENANCE, Verb.RESET_STOP)
    for section in (THORACIC, LUMBAR, PELVIC) if of_table else (TABLE,):
        assert bench.ask(verb, section) is Code.UNSUPPORTED


# ARM


@pytest.mark.parametrize(
    ("window_ms", "code"),
    [
        (-1, Code.OUT_OF_RANGE),
        (0, Code.OUT_OF_RANGE),
        (1, Code.OK),
        (WINDOW_MAX_MS, Code.OK),
        (WINDOW_MAX_MS + 1, Code.OUT_OF_RANGE),
        (2**31 - 1, Code.OUT_OF_RANGE),
    ],
)
def test_the_window_lies_within_its_maximum(window_ms: int, code: Code) -> None:
    assert commanded(Bench().to(Phase.COCKED), Verb.ARM, arg=window_ms) is code


@pytest.mark.parametrize(("window_ms", "code"), [(7_000, Code.OK), (7_001, Code.OUT_OF_RANGE)])
def test_the_window_is_no_longer_than_a_coil_may_be_driven(window_ms: int, code: Code) -> None:
    bench = Bench(stored=params({(TABLE, 18): 7_000})).to(Phase.COCKED)
    assert commanded(bench, Verb.ARM, arg=window_ms) is code


@pytest.mark.parametrize(("free", "code"), [(8, Code.OK), (7, Code.BUSY), (0, Code.BUSY)])
def test_arming_needs_eight_free_event_places(free: int, code: Code) -> None:
    bench = Bench().to(Phase.COCKED).ack()
    for _ in range(CAPACITY - free):
        events = bench.state.events.add(Kind.PEDAL, bench.now_us, TABLE)
        bench.state = replace(bench.state, events=events)
    assert bench.state.events.free == free
    assert commanded(bench, Verb.ARM) is code


@pytest.mark.parametrize("contact", [{"up": False}, {"pin": False}, {"down": True}])
def test_arming_needs_switches_that_say_top_and_pinned_this_very_moment(
    contact: dict[str, bool],
) -> None:
    bench = Bench().to(Phase.COCKED).show(PELVIC, **contact)
    assert bench.phase() is Phase.COCKED
    assert commanded(bench, Verb.ARM) is Code.IMPLAUSIBLE


def test_arming_needs_no_hold_and_tells_its_window() -> None:
    bench = Bench().to(Phase.COCKED).beat(hold=False)
    assert bench.ask(Verb.ARM, PELVIC, 1234) is Code.OK
    event = bench.event(Kind.ARMED)
    assert (event.section, event.a, event.board_us) == (PELVIC, 1234, bench.now_us)
    assert bench.drives() == "pin"


# HOME


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("pin", [False, True])
def test_home_believes_three_ways_to_stand_and_no_other(up: bool, down: bool, pin: bool) -> None:
    contacts = (Contacts(), Contacts(), Contacts(up, down, pin))
    bench = Bench(contacts=contacts).open().wait(SETTLE_US)
    expected = {
        (False, True, True): Phase.LOCKED,
        (True, False, True): Phase.COCKED,
        (False, False, False): Phase.HALTED,
    }.get((up, down, pin))
    if (up, down) == (True, True):
        assert bench.phase() is Phase.FAULT
        return
    assert bench.ask(Verb.HOME, PELVIC) is (Code.OK if expected else Code.IMPLAUSIBLE)
    assert bench.phase() is (expected or Phase.UNKNOWN)
    assert bench.all_off


@pytest.mark.parametrize("contact", ["up", "down", "pin"])
def test_home_needs_switches_that_have_settled(contact: str) -> None:
    bench = Bench().to(Phase.UNKNOWN)
    was = getattr(bench.contacts[PELVIC], contact)
    bench.show(PELVIC, **{contact: not was}).wait(5 * MS)
    bench.show(PELVIC, **{contact: was}).wait(5 * MS)
    since_us = bench.now_us
    bench.until(since_us + SETTLE_US - 1)
    assert bench.ask(Verb.HOME, PELVIC) is Code.IMPLAUSIBLE
    bench.wait(1)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK


def test_home_needs_a_load_cell_that_says_something() -> None:
    bench = Bench().to(Phase.UNKNOWN).show(PELVIC, load=None)
    assert bench.ask(Verb.HOME, PELVIC) is Code.IMPLAUSIBLE
    bench.show(PELVIC, load=0)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK


def test_home_needs_no_load_cell_where_none_is_calibrated() -> None:
    bench = Bench(features=NOTHING).open().wait(SETTLE_US).show(PELVIC, load=None)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK


def test_home_needs_no_lease_and_no_hold_and_is_allowed_under_stop() -> None:
    bench = Bench().open(lease=False, hold=False).stop().wait(SETTLE_US)
    assert bench.ask(Verb.HOME, PELVIC) is Code.OK
    assert bench.phase() is Phase.LOCKED
    assert Kind.LOCKED not in bench.told()


# CLEAR_FAULT


def test_a_fault_is_cleared_once_its_cause_is_gone_and_with_a_lease() -> None:
    bench = Bench().to(Phase.FAULT)
    assert commanded(bench, Verb.CLEAR_FAULT) is Code.FAULTED
    bench.show(PELVIC, up=False).beat(lease=False)
    assert commanded(bench, Verb.CLEAR_FAULT) is Code.NO_LEASE
    bench.stop().beat()
    assert commanded(bench, Verb.CLEAR_FAULT) is Code.OK
    assert (bench.phase(), bench.fault()) == (Phase.UNKNOWN, Fault.NONE)
    assert bench.event(Kind.FAULT_CLEARED).a == Fault.SWITCHES_IMPLAUSIBLE


# DISARM


def test_a_disarm_says_who_asked() -> None:
    bench = Bench().to(Phase.ARMED)
    assert bench.ask(Verb.DISARM, PELVIC, age_ms=5_000) is Code.OK
    assert bench.event(Kind.DISARMED).a == Disarmed.COMMAND
    assert bench.all_off


# TARE and MAINTENANCE


def test_taring_needs_maintenance_a_lease_and_the_feature() -> None:
    bench = Bench().to(Phase.LOCKED)
    assert commanded(bench, Verb.TARE) is Code.MAINTENANCE_ONLY
    bench.ask(Verb.MAINTENANCE, TABLE, 1)
    bench.beat(lease=False)
    assert commanded(bench, Verb.TARE) is Code.NO_LEASE
    bench.beat()
    assert commanded(bench, Verb.TARE) is Code.OK
    assert commanded(bench, Verb.TARE) is Code.BUSY
    plain = Bench(features=EVERYTHING & ~Feature.TARING).to(Phase.LOCKED)
    plain.ask(Verb.MAINTENANCE, TABLE, 1)
    assert commanded(plain, Verb.TARE) is Code.UNSUPPORTED


@pytest.mark.parametrize("arg", [-1, 2, 255])
def test_maintenance_is_entered_or_left(arg: int) -> None:
    assert commanded(Bench().to(Phase.LOCKED), Verb.MAINTENANCE, arg=arg) is Code.OUT_OF_RANGE


def test_maintenance_needs_a_lease_to_begin_and_none_to_end() -> None:
    bench = Bench().to(Phase.LOCKED)
    assert commanded(bench.beat(lease=False), Verb.MAINTENANCE, arg=1) is Code.NO_LEASE
    assert commanded(bench.beat(), Verb.MAINTENANCE, arg=1) is Code.OK
    assert commanded(bench, Verb.MAINTENANCE, arg=1) is Code.OK
    assert commanded(bench.beat(lease=False), Verb.MAINTENANCE, arg=0) is Code.OK
    assert commanded(bench, Verb.MAINTENANCE, arg=0) is Code.OK
    assert [event.a for event in bench.events(Kind.MAINTENANCE)] == [1, 0], "told once each"
    assert {event.section for event in bench.events(Kind.MAINTENANCE)} == {TABLE}


def test_maintenance_shows_in_the_flags() -> None:
    bench = Bench().to(Phase.LOCKED).wait(1)
    bench.ask(Verb.MAINTENANCE, TABLE, 1)
    assert Flag.MAINTENANCE in bench.wait(1).flags


# RESET_STOP


def test_a_stop_is_reset_with_the_chain_closed_a_lease_and_no_hold() -> None:
    bench = Bench().to(Phase.LOCKED).stop()
    assert commanded(bench, Verb.RESET_STOP) is Code.BUSY
    assert commanded(
        bench.beat(hold=False).line(pedal_down=True).wait(10 * MS), Verb.RESET_STOP
    ) is (Code.BUSY)
    bench.line(pedal_down=False)
    assert commanded(bench.beat(lease=False, hold=False), Verb.RESET_STOP) is Code.NO_LEASE
    bench.beat(hold=False)
    assert commanded(bench.line(estop_open=True), Verb.RESET_STOP) is Code.STOPPED
    bench.line(estop_open=False).wait(10 * MS)
    assert commanded(bench.line(stop_button=True), Verb.RESET_STOP) is Code.STOPPED
    bench.line(stop_button=False).wait(10 * MS)
    assert commanded(bench, Verb.RESET_STOP) is Code.OK
    assert not bench.state.stopped
    assert bench.event(Kind.STOP_RESET).section == TABLE


def test_a_reset_without_a_stop_is_taken_and_tells_nothing() -> None:
    bench = Bench().to(Phase.LOCKED).beat(hold=False)
    assert commanded(bench, Verb.RESET_STOP) is Code.OK
    assert Kind.STOP_RESET not in bench.told()


# The order of the reasons

ORDER = [
    Code.NO_SESSION,
    Code.UNKNOWN,
    Code.UNSUPPORTED,
    Code.OUT_OF_RANGE,
    Code.EXPIRED,
    Code.STOPPED,
    Code.FAULTED,
    Code.WRONG_PHASE,
    Code.MAINTENANCE_ONLY,
    Code.NO_LEASE,
    Code.NOT_HELD,
    Code.OTHER_ARMED,
    Code.BUSY,
    Code.NO_POWER,
    Code.PARAMS_INCOMPLETE,
    Code.IMPLAUSIBLE,
]


@dataclass
class Case:
    """A command that would be taken, and what is done to it and to the board so that it is not."""

    bench: Bench
    command: Command

    def board(self, **changes: object) -> None:
        self.bench.state = replace(self.bench.state, **changes)  # type: ignore[arg-type]

    def ask(self, **changes: int) -> None:
        self.command = replace(self.command, **changes)


def put(bench: Bench, at: int, phase: Phase) -> None:
    sections = list(bench.state.sections)
    sections[at] = replace(sections[at], phase=phase, began_us=bench.now_us, window_us=10**9)
    bench.state = replace(bench.state, sections=tuple(sections))  # type: ignore[arg-type]


def another_moves(case: Case) -> None:
    free = THORACIC if case.bench.phase(THORACIC) is Phase.LOCKED else LUMBAR
    put(case.bench, free, Phase.COCKING)


def the_event_buffer_fills(case: Case) -> None:
    for _ in range(CAPACITY):
        case.board(events=case.bench.state.events.add(Kind.PEDAL, 0, TABLE))


def the_pin_slips(case: Case) -> None:
    case.bench.contacts[PELVIC].pin = False


def the_supply_sags(case: Case) -> None:
    case.bench.lines["supply_mv"] = 0


def the_chain_opens(case: Case) -> None:
    case.bench.lines["estop_open"] = True


def the_cause_comes_back(case: Case) -> None:
    case.bench.contacts[PELVIC].up = True


Spoil = Callable[[Case], None]
COMMON: dict[Code, Spoil] = {
    Code.NO_SESSION: lambda case: case.board(host_live=False),
    Code.UNKNOWN: lambda case: case.ask(verb=77),
    Code.OUT_OF_RANGE: lambda case: case.ask(ttl_ms=5_000),
    Code.EXPIRED: lambda case: case.ask(age_ms=9_999),
}
OF_SECTION: dict[Code, Spoil] = {
    Code.UNSUPPORTED: lambda case: case.ask(section=TABLE),
    Code.WRONG_PHASE: lambda case: case.ask(expect=Phase.DROPPED),
}
OF_TABLE: dict[Code, Spoil] = {Code.UNSUPPORTED: lambda case: case.ask(section=PELVIC)}
NO_LEASE: dict[Code, Spoil] = {Code.NO_LEASE: lambda case: case.board(lease=False)}
NOT_HELD: dict[Code, Spoil] = {Code.NOT_HELD: lambda case: case.board(beat_hold=False)}
OTHER_ARMED: dict[Code, Spoil] = {
    Code.OTHER_ARMED: lambda case: put(case.bench, LUMBAR, Phase.ARMED)
}
SELF_FAULTED: dict[Code, Spoil] = {Code.FAULTED: lambda case: put(case.bench, PELVIC, Phase.FAULT)}
OTHER_FAULTED: dict[Code, Spoil] = {
    Code.FAULTED: lambda case: put(case.bench, THORACIC, Phase.FAULT)
}
MOVES: dict[Code, Spoil] = {
    **NO_LEASE,
    **OTHER_ARMED,
    Code.STOPPED: lambda case: case.board(stopped=True),
    Code.BUSY: another_moves,
    Code.PARAMS_INCOMPLETE: lambda case: case.board(params_complete=False),
}
NO_POWER: dict[Code, Spoil] = {Code.NO_POWER: the_supply_sags}
SPOILS: dict[Verb, tuple[Phase, dict[Code, Spoil]]] = {
    Verb.COCK: (
        Phase.LOCKED,
        {**OF_SECTION, **MOVES, **OTHER_FAULTED, **NOT_HELD, **NO_POWER},
    ),
    Verb.ARM: (
        Phase.COCKED,
        {
            **OF_SECTION,
            **MOVES,
            **OTHER_FAULTED,
            **NO_POWER,
            Code.OUT_OF_RANGE: lambda case: case.ask(arg=0),
            Code.BUSY: the_event_buffer_fills,
            Code.IMPLAUSIBLE: the_pin_slips,
        },
    ),
    Verb.DISARM: (Phase.ARMED, {**OF_SECTION, **SELF_FAULTED}),
    Verb.LOCK: (Phase.COCKED, {**OF_SECTION, **MOVES, **SELF_FAULTED, **NOT_HELD}),
    Verb.HOME: (
        Phase.UNKNOWN,
        {**OF_SECTION, **SELF_FAULTED, Code.IMPLAUSIBLE: the_pin_slips},
    ),
    Verb.CLEAR_FAULT: (
        Phase.FAULT,
        {**OF_SECTION, **NO_LEASE, Code.FAULTED: the_cause_comes_back},
    ),
    Verb.TARE: (
        Phase.LOCKED,
        {
            **OF_SECTION,
            **NO_LEASE,
            **SELF_FAULTED,
            Code.MAINTENANCE_ONLY: lambda case: case.board(maintenance=False),
            Code.BUSY: lambda case: case.board(tare=Tare(1, LUMBAR, case.bench.now_us)),
        },
    ),
    Verb.MAINTENANCE: (
        Phase.LOCKED,
        {
            **OF_TABLE,
            **NO_LEASE,
            **OTHER_ARMED,
            Code.OUT_OF_RANGE: lambda case: case.ask(arg=2),
            Code.BUSY: another_moves,
        },
    ),
    Verb.RESET_STOP: (
        Phase.LOCKED,
        {
            **OF_TABLE,
            **NO_LEASE,
            Code.STOPPED: the_chain_opens,
            Code.BUSY: lambda case: case.board(beat_hold=True),
        },
    ),
}


def spoiled(verb: Verb, codes: tuple[Code, ...]) -> Case:
    phase, own = SPOILS[verb]
    bench = ready_for_anything(phase)
    if verb is Verb.RESET_STOP:
        bench.beat(hold=False)
    section = TABLE if verb in (Verb.MAINTENANCE, Verb.RESET_STOP) else PELVIC
    arg = {Verb.ARM: 5_000, Verb.MAINTENANCE: 1}.get(verb, 0)
    case = Case(bench, Command(bench.new_id(), verb, section, ANY_PHASE, 250, 0, arg))
    for code in codes:
        {**COMMON, **own}[code](case)
    return case


@pytest.mark.parametrize("verb", Verb)
def test_of_any_two_reasons_the_first_of_the_contract_is_told(verb: Verb) -> None:
    reasons = [code for code in ORDER if code in {**COMMON, **SPOILS[verb][1]}]
    if verb is Verb.DISARM:
        reasons.remove(Code.EXPIRED)
    assert spoiled(verb, ()).bench.command(spoiled(verb, ()).command).code is Code.OK
    for code in reasons:
        case = spoiled(verb, (code,))
        assert case.bench.command(case.command).code is code
    for first, second in combinations(reasons, 2):
        case = spoiled(verb, (first, second))
        assert case.bench.command(case.command).code is first, (first, second)
        case = spoiled(verb, (second, first))
        assert case.bench.command(case.command).code is first, (second, first)


@pytest.mark.parametrize("verb", Verb)
def test_a_remembered_result_comes_before_every_reason(verb: Verb) -> None:
    for code in {**COMMON, **SPOILS[verb][1]}:
        case = spoiled(verb, ())
        refused = replace(case.command, verb=77)
        remembered = case.bench.command(refused)
        assert remembered.code is Code.UNKNOWN
        {**COMMON, **SPOILS[verb][1]}[code](case)
        before = case.bench.section()
        assert case.bench.command(replace(case.command, cmd_id=refused.cmd_id)) == remembered
        assert case.bench.section().phase is before.phase or code is Code.NO_SESSION
