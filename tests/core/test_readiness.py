"""Every reason why not: alone, at its boundary, and all of them together, gravest first."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from droptable.core import events as ev
from droptable.core.limits import (
    COIL_WINDOW_US,
    EVENT_BACKLOG_MAX,
    LOOP_LATE_MAX_US,
    ROUND_TRIP_MAX_US,
    SESSION_SETTLE_US,
    STATUS_STALE_US,
    TENSION_SET_KEY,
    TENSION_TOLERANCE_KEY,
)
from droptable.core.model import (
    MOVING,
    EventLog,
    FallBack,
    Hold,
    Lease,
    Phase,
    Provision,
    Role,
    Standing,
    State,
    StopWanted,
    TensionPending,
    Upkeep,
    Verb,
    Wear,
)
from droptable.core.readiness import CHECKS, PHASES, SAID, Question, Wish, reasons
from droptable.core.reasons import CODES
from droptable.sections import Section
from tests.core.bench import (
    ANN,
    BOB,
    CALIBRATION,
    CONFIGURED,
    LUMBAR,
    PELVIC,
    TENSION_DN,
    THORACIC,
    UPKEEP,
    Bench,
    board,
    section,
    settings,
)

RIGHT_PHASE = {
    Wish.COCK: Phase.LOCKED,
    Wish.ARM: Phase.COCKED,
    Wish.LOCK: Phase.COCKED,
    Wish.DISARM: Phase.ARMED,
    Wish.HOME: Phase.UNKNOWN,
    Wish.CLEAR_FAULT: Phase.FAULT,
    Wish.TENSION: Phase.COCKED,
    Wish.RESET_STOP: Phase.LOCKED,
}
MOTION = {Wish.COCK, Wish.ARM, Wish.LOCK}
EVERY = set(Wish)
# What the whole registry holds beside the reasons that a question can have.
ELSEWHERE = {
    *("TENSION_RANGE", "BOARD_SILENT", "BOARD_REFUSED", "ROLE"),
    *("FAULT_NEEDS_TECHNICIAN", "FAULT_NEEDS_RESTART"),
    *("LEASE_ELSEWHERE", "TAKE_OVER", "TAKE_OVER_NONE", "GESTURE_BUSY", "PICTURE_OLD"),
    *("SERIES_NONE", "SERIES_RUNNING", "SERIES_LOAD", "SERIES_TENSION", "PRESET_UNKNOWN"),
    *("LEG_TIME", "PAGE_GONE", "TAKE_OVER_PAUSE"),
}

Change = Callable[[State], State]


def ready(wish: Wish) -> Bench:
    """A table at which `wish` may be done at the thoracic section by Ann."""
    return Bench().ready(RIGHT_PHASE[wish])


def codes(state: State, wish: Wish, now_us: int, actor: str = ANN) -> list[str]:
    question = Question(state, now_us, wish, THORACIC, actor, posted=True, role=Role.OPERATOR)
    return [reason.code for reason in reasons(question)]


def link(**changes: object) -> Change:
    return lambda state: replace(state, link=replace(state.link, **changes))


def table(**changes: bool) -> Change:
    def change(state: State) -> State:
        assert state.table is not None
        return replace(state, table=replace(state.table, **changes))

    return change


def at(which: Section, phase: Phase, **changes: bool) -> Change:
    def change(state: State) -> State:
        sections, kept = list(state.sections), state.sections[which].tension_confirmed
        sections[which] = replace(section(phase), tension_confirmed=kept, **changes)
        return replace(state, sections=tuple(sections))

    return change


def whole(**changes: object) -> Change:
    return lambda state: replace(state, **changes)


def stage(to: Provision) -> Change:
    return lambda state: replace(state, params=replace(state.params, stage=to))


def foreign(state: State) -> State:
    return replace(state, settings=settings("OTHER001"))


def sound(state: State) -> State:
    return replace(at(THORACIC, Phase.UNKNOWN)(state), faults=())


def real(state: State) -> State:
    return link(board=board(simulator=False))(state)


def pending(state: State) -> State:
    done = Bench().ready(Phase.UNKNOWN)
    done.sent(ev.Do(Verb.HOME, THORACIC))
    return replace(state, pending=done.state.pending)


HOLD = Hold(1, PELVIC, Phase.COCKING, 0, 0)
TENSION = TensionPending(1, THORACIC, 1000, 0, 1, ANN)


@dataclass(frozen=True)
class Case:
    """A change to a table that is ready, the reason that it gives, and to which wishes."""

    code: str
    change: Change
    wishes: set[Wish]
    with_it: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.code


def here(**changes: object) -> Change:
    def change(state: State) -> State:
        asked, *others = state.sections
        return replace(state, sections=(replace(asked, **changes), *others))

    return change


def backlog(waiting: int) -> Change:
    return whole(events=EventLog(1, next_seq=waiting + 1, committed_seq=0))


def calibrated(**changes: object) -> Change:
    calibration = replace(CALIBRATION, **changes)
    return whole(calibrations=(calibration, CALIBRATION, CALIBRATION))


def bounds(**changes: int) -> Change:
    def change(state: State) -> State:
        wanted = replace(state.settings, bounds=replace(state.settings.bounds, **changes))
        return replace(state, settings=wanted)

    return change


def tight(over_dn: int) -> Change:
    return bounds(tension_over_load_max_dn=over_dn)


def set_to_nobody_knows_what(state: State) -> State:
    known = {at: value for at, value in state.params.values.items() if at[1] != TENSION_SET_KEY}
    return replace(state, params=replace(state.params, values=known))


def nobody(state: State) -> State:
    less = state.settings.bounds.unloaded_below_dn - 1
    return tight(TENSION_DN - less - 1)(here(load_dn=less)(state))


UP = {Wish.COCK, Wish.ARM}
TOLERANCE_DN = CONFIGURED[int(THORACIC), TENSION_TOLERANCE_KEY]
WORN = Wear(since_us=-(10**9))

RESTRAINED = EVERY - {Wish.DISARM}
CASES = [
    Case("LINK_DOWN", link(board=None), EVERY),
    Case("LINK_STALE", link(status_us=None), EVERY),
    Case("BOARD_FOREIGN", foreign, RESTRAINED),
    Case("STOP_UNCONFIRMED", whole(stop_wanted=StopWanted(1, 0)), {*MOTION, Wish.RESET_STOP}),
    Case("STOP_LATCHED", table(stopped=True), MOTION),
    Case("ESTOP_OPEN", table(estop_open=True), {*MOTION, Wish.RESET_STOP}),
    Case("FAULT", at(THORACIC, Phase.FAULT), {*MOTION, Wish.HOME}),
    Case("FAULT", at(LUMBAR, Phase.FAULT), {Wish.COCK, Wish.ARM}),
    Case("JOURNAL_FAILED", whole(journal_failed=True), {Wish.COCK, Wish.ARM}),
    Case("PHASE", at(THORACIC, Phase.LOWERING), {*MOTION, Wish.TENSION}),
    Case("NOT_ARMED", at(THORACIC, Phase.SECURING), {Wish.DISARM}),
    Case("NOT_UNKNOWN", at(THORACIC, Phase.HALTED), {Wish.HOME}),
    Case("NOT_IN_FAULT", sound, {Wish.CLEAR_FAULT}),
    Case("OTHER_ARMED", at(PELVIC, Phase.ARMED), MOTION),
    *(Case("OTHER_MOVING", at(PELVIC, phase), MOTION) for phase in sorted(MOVING)),
    Case("SUPPLY_LOW", table(supply_low=True), {Wish.COCK, Wish.ARM}),
    Case("AIR_LOW", table(air_low=True), {Wish.COCK, Wish.ARM}),
    Case("MAINTENANCE", table(maintenance=True), MOTION),
    *(
        Case("PARAMS_DIFFER", stage(to), MOTION | {Wish.TENSION})
        for to in Provision
        if to not in (Provision.PROVEN, Provision.WAITING)
    ),
    Case("PARAMS_DIFFER", stage(Provision.WAITING), MOTION),
    Case("PARAMS_INCOMPLETE", table(params_incomplete=True), MOTION),
    Case("LEASE_NONE", whole(lease=None), RESTRAINED - {Wish.HOME}),
    Case("LEASE_HELD", whole(lease=Lease(BOB, 0)), RESTRAINED - {Wish.HOME}),
    Case("HELD", table(hold_pressed=True), {Wish.RESET_STOP}),
    Case("CLI_MOTION", real, MOTION),
    Case("LINK_SLOW", link(round_us=ROUND_TRIP_MAX_US), MOTION),
    Case("SESSION_NEW", link(round_us=None), RESTRAINED),
    Case("BUSY", pending, RESTRAINED - {Wish.TENSION}),
    Case("BUSY", whole(hold=HOLD), MOTION),
    Case("BUSY", whole(tension_pending=TENSION), {*MOTION, Wish.TENSION}),
    Case("BUSY", whole(fall_back=FallBack(1, PELVIC, 1000, 0)), MOTION),
    Case("LINK_VERSION", link(board=None, trouble="LINK_VERSION"), EVERY, ("LINK_DOWN",)),
    Case("LATCHED", whole(faults=(Standing("TWO_ARMED", None, 0),)), MOTION),
    Case("LATCHED", whole(faults=(Standing("UNCOMMANDED_DROP", LUMBAR, 0),)), UP),
    Case("LATCHED", whole(faults=(Standing("UNCOMMANDED_DROP", THORACIC, 0),)), MOTION),
    Case("CAUSE_STANDS", whole(faults=(Standing("DROP_TIMEOUT", LUMBAR, 0),)), {Wish.RESET_STOP}),
    Case("CAUSE_STANDS", whole(faults=(Standing("TWO_ARMED", None, 0),)), {Wish.RESET_STOP}),
    Case("BOARD_RESTARTED", here(restarted=True), MOTION),
    Case("DISK_UNKNOWN", whole(upkeep=replace(UPKEEP, disk_free_mb=None)), UP),
    Case("DISK_NEARLY_FULL", whole(upkeep=replace(UPKEEP, disk_free_mb=199)), UP),
    Case("EVENT_BACKLOG", table(events_half_full=True), UP),
    Case("EVENT_BACKLOG", backlog(EVENT_BACKLOG_MAX + 1), UP),
    Case("LOOP_UNKNOWN", whole(upkeep=replace(UPKEEP, late_us=None)), MOTION),
    Case("LOOP_LATE", whole(upkeep=replace(UPKEEP, late_us=LOOP_LATE_MAX_US)), MOTION),
    Case("CALIBRATION_MISSING", whole(calibrations=(None, CALIBRATION, CALIBRATION)), UP),
    Case("CALIBRATION_FOREIGN", calibrated(hw_id="OTHER001"), UP),
    Case("CALIBRATION_EXPIRED", calibrated(expires_us=0), UP),
    Case("LOAD_UNKNOWN", here(load_dn=None), {*MOTION, Wish.HOME}),
    Case("TENSION_LEFT", here(tension_left=True, tension_confirmed=False), {Wish.ARM}),
    Case("TENSION_UNCONFIRMED", here(tension_confirmed=False), {Wish.ARM}),
    Case("TENSION_UNKNOWN", set_to_nobody_knows_what, MOTION),
    Case("TENSION_OFF", here(tension_dn=TENSION_DN + TOLERANCE_DN + 1), MOTION),
    Case("TENSION_OFF", here(tension_dn=None), MOTION),
    Case("TENSION_LOW", here(load_dn=TENSION_DN - TOLERANCE_DN), MOTION),
    Case("TENSION_HIGH", tight(TENSION_DN - 800 - 1), {Wish.ARM}),
    Case("NOBODY_LIES", nobody, {Wish.ARM}),
    Case("COIL_DUTY", whole(wear=(WORN, Wear(), Wear())), UP),
    Case("ARM_RATE", whole(arms_us=(10**9,) * 20), {Wish.ARM}),
    Case("CLOSING", whole(closing_us=0), RESTRAINED),
]


@pytest.mark.parametrize("wish", Wish)
def test_a_sound_table_has_nothing_against_what_its_phase_allows(wish: Wish) -> None:
    assert ready(wish).codes(wish) == []


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("wish", Wish)
def test_each_reason_is_given_alone_and_to_nothing_that_it_does_not_concern(
    wish: Wish, case: Case
) -> None:
    bench = ready(wish)
    found = codes(case.change(bench.state), wish, bench.now_us)
    if wish in case.wishes:
        assert found.count(case.code) == 1
        # A section that is elsewhere cannot also be where it should be.
        assert set(found) <= {
            case.code,
            *case.with_it,
            "PHASE",
            "NOT_ARMED",
            "NOT_UNKNOWN",
            "NOT_IN_FAULT",
        }
    else:
        assert case.code not in found


def test_every_reason_of_the_registry_is_tried_here_or_elsewhere() -> None:
    assert {case.code for case in CASES} | ELSEWHERE | {"SENSORS_DISAGREE"} == CODES


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("wish", [wish for wish in Wish if wish in PHASES])
def test_a_phase_that_does_not_allow_it_is_named_with_what_would(wish: Wish, phase: Phase) -> None:
    bench = ready(wish)
    state = at(THORACIC, phase)(bench.state)
    allowed, name = PHASES[wish]
    question = Question(state, bench.now_us, wish, THORACIC, ANN, posted=True)
    found = [reason for reason in reasons(question) if reason.code == "PHASE"]
    assert bool(found) == (phase not in allowed and phase is not Phase.FAULT)
    for reason in found:
        assert phase.name in reason.text
        assert SAID[phase] in reason.text
        known = phase is not Phase.UNKNOWN
        assert (name if known else "`droptable home thoracic`") in reason.remedy


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("pin_in", [True, False])
@pytest.mark.parametrize("wish", sorted(MOTION, key=lambda wish: wish.value))
def test_a_section_moves_only_when_its_switches_agree_with_where_it_is(
    wish: Wish, up: bool, down: bool, pin_in: bool
) -> None:
    bench = ready(wish)
    state = at(THORACIC, RIGHT_PHASE[wish], up=up, down=down, pin_in=pin_in)(bench.state)
    agree = pin_in and (up, down) == ((False, True) if wish is Wish.COCK else (True, False))
    assert codes(state, wish, bench.now_us) == ([] if agree else ["SENSORS_DISAGREE"])


TOO_HEAVY = here(load_dn=TENSION_DN - TOLERANCE_DN)
HANGING: dict[str, tuple[Change, Wish, list[str]]] = {
    "half-way, to lower": (at(THORACIC, Phase.HALTED), Wish.LOCK, []),
    "half-way, to raise": (at(THORACIC, Phase.HALTED), Wish.COCK, ["TENSION_LOW"]),
    "at the top": (at(THORACIC, Phase.HALTED, up=True), Wish.LOCK, ["TENSION_LOW"]),
}


@pytest.mark.parametrize(("change", "wish", "expected"), HANGING.values(), ids=HANGING)
def test_whoever_a_tension_does_not_hold_is_neither_raised_nor_lowered_from_the_top(
    change: Change, wish: Wish, expected: list[str]
) -> None:
    bench = Bench().ready(Phase.HALTED)
    assert codes(TOO_HEAVY(change(bench.state)), wish, bench.now_us) == expected


def test_what_is_set_is_told_in_whole_newtons_on_the_safe_side() -> None:
    bench = ready(Wish.ARM)
    state = here(load_dn=1601, tension_dn=TENSION_DN)(bench.state)
    question = Question(state, bench.now_us, Wish.LOCK, THORACIC, ANN, role=Role.OPERATOR)
    (low,) = reasons(question)
    least_dn = 1601 + TOLERANCE_DN
    assert low.remedy == f"Set more than {-(-least_dn // 10)} N first."
    (high,) = reasons(replace(question, state=tight(695)(bench.state), wish=Wish.ARM))
    assert high.remedy == "Set at most 149 N."


def test_nobody_is_told_the_same_whatever_an_empty_section_weighs() -> None:
    bench = ready(Wish.ARM)
    said = set()
    for load_dn in (-3, 0, 1, 299):
        state = tight(1000)(here(load_dn=load_dn)(bench.state))
        (found,) = reasons(
            Question(state, bench.now_us, Wish.ARM, THORACIC, ANN, role=Role.OPERATOR)
        )
        said.add(found)
    assert {each.code for each in said} == {"NOBODY_LIES"}
    assert len(said) == 1
    assert "100 N" in said.pop().remedy


def test_a_person_who_has_to_take_the_control_first_is_told_so_first() -> None:
    bench = ready(Wish.ARM)
    state = whole(lease=None)(here(tension_confirmed=False)(bench.state))
    assert codes(state, Wish.ARM, bench.now_us) == ["LEASE_NONE", "TENSION_UNCONFIRMED"]


def test_who_restarts_may_be_homed_where_it_is_known_and_no_other() -> None:
    bench = Bench().ready()
    assert codes(here(restarted=True)(bench.state), Wish.HOME, bench.now_us) == []
    assert codes(bench.state, Wish.HOME, bench.now_us) == ["NOT_UNKNOWN"]


def test_a_latch_of_one_section_leaves_the_stop_to_be_reset_and_the_others_to_be_lowered() -> None:
    bench = Bench().ready(Phase.COCKED)
    state = whole(faults=(Standing("UNCOMMANDED_DROP", LUMBAR, 0),))(bench.state)
    stopped = table(stopped=True)(state)
    assert codes(stopped, Wish.RESET_STOP, bench.now_us) == []
    assert codes(state, Wish.LOCK, bench.now_us) == []
    assert codes(state, Wish.ARM, bench.now_us) == ["LATCHED"]


def test_a_halted_section_may_be_anywhere() -> None:
    assert Bench().ready(Phase.HALTED).codes(Wish.COCK) == []
    assert Bench().ready(Phase.HALTED).codes(Wish.LOCK) == []


def test_a_status_counts_for_its_time_and_not_a_microsecond_longer() -> None:
    bench = ready(Wish.ARM)
    status_us = bench.state.link.status_us
    assert status_us is not None
    assert codes(bench.state, Wish.ARM, status_us + STATUS_STALE_US) == []
    assert codes(bench.state, Wish.ARM, status_us + STATUS_STALE_US + 1) == ["LINK_STALE"]


def test_a_session_is_new_until_its_third_beat_has_come() -> None:
    bench = ready(Wish.ARM)
    opened_us = bench.now_us - SESSION_SETTLE_US
    assert codes(link(opened_us=opened_us)(bench.state), Wish.ARM, bench.now_us) == []
    younger = link(opened_us=opened_us + 1)(bench.state)
    assert codes(younger, Wish.ARM, bench.now_us) == ["SESSION_NEW"]


def test_a_link_is_slow_from_the_limit_on() -> None:
    bench = ready(Wish.ARM)
    just = link(round_us=ROUND_TRIP_MAX_US - 1)(bench.state)
    assert codes(just, Wish.ARM, bench.now_us) == []


@pytest.mark.parametrize("wish", Wish)
def test_of_an_unknown_table_nothing_may_be_done(wish: Wish) -> None:
    assert "LINK_DOWN" in codes(State(settings()), wish, 10_000_000)


def test_a_finger_or_the_configuration_moves_a_real_table() -> None:
    bench = ready(Wish.ARM)
    state = real(bench.state)
    finger = Question(state, bench.now_us, Wish.ARM, THORACIC, ANN, role=Role.OPERATOR)
    assert reasons(finger) == ()
    assert reasons(replace(finger, posted=True)) != ()
    allowed = replace(state, settings=settings(allow_cli_motion=True))
    assert codes(allowed, Wish.ARM, bench.now_us) == []


def test_the_board_of_the_configuration_is_not_foreign() -> None:
    bench = ready(Wish.ARM)
    assert codes(replace(bench.state, settings=settings("BENCH001")), Wish.ARM, bench.now_us) == []


def test_a_disarm_waits_only_for_a_disarm_of_the_same_section() -> None:
    bench = Bench().ready(Phase.ARMED)
    assert codes(pending(bench.state), Wish.DISARM, bench.now_us) == []
    bench.sent(ev.Do(Verb.DISARM, THORACIC))
    assert bench.codes(Wish.DISARM) == ["BUSY"]


def test_all_reasons_are_given_together_the_gravest_first() -> None:
    bench = ready(Wish.ARM)
    state = bench.state
    for change in (
        foreign,
        link(status_us=None, round_us=250_000, opened_us=bench.now_us),
        whole(stop_wanted=StopWanted(1, 0), journal_failed=True, closing_us=0, hold=HOLD),
        whole(faults=(Standing("TWO_ARMED", None, 0),), arms_us=(bench.now_us,) * 20),
        whole(upkeep=Upkeep(), wear=(WORN, WORN, WORN)),
        table(stopped=True, estop_open=True, supply_low=True, air_low=True),
        table(maintenance=True, params_incomplete=True, events_half_full=True),
        at(THORACIC, Phase.LOCKED, down=False),
        here(restarted=True, load_dn=None, tension_dn=0, tension_left=True),
        at(LUMBAR, Phase.FAULT),
        at(PELVIC, Phase.ARMED),
        whole(lease=Lease(BOB, 0)),
        stage(Provision.DIFFERENT),
        link(board=board(simulator=False, hw_id="BENCH002")),
    ):
        state = change(state)
    question = Question(state, bench.now_us, Wish.ARM, THORACIC, ANN, posted=True)
    assert [reason.code for reason in reasons(question)] == [
        *("LINK_STALE", "BOARD_FOREIGN", "LATCHED", "STOP_UNCONFIRMED", "STOP_LATCHED"),
        *("ESTOP_OPEN", "FAULT", "BOARD_RESTARTED", "SENSORS_DISAGREE", "JOURNAL_FAILED"),
        *("DISK_UNKNOWN", "EVENT_BACKLOG", "LOOP_UNKNOWN", "PHASE", "OTHER_ARMED"),
        *("SUPPLY_LOW", "AIR_LOW", "COIL_DUTY", "ARM_RATE", "MAINTENANCE", "ROLE"),
        *("LEASE_HELD", "PARAMS_DIFFER", "PARAMS_INCOMPLETE", "CALIBRATION_FOREIGN"),
        *("LOAD_UNKNOWN", "TENSION_LEFT", "TENSION_OFF", "CLI_MOTION", "LINK_SLOW"),
        *("SESSION_NEW", "BUSY", "CLOSING"),
    ]


@pytest.mark.parametrize("wish", Wish)
@pytest.mark.parametrize("role", Role)
def test_who_only_looks_may_do_nothing_but_disarm(wish: Wish, role: Role) -> None:
    bench = ready(wish)
    question = Question(bench.state, bench.now_us, wish, THORACIC, ANN, posted=True, role=role)
    found = [reason.code for reason in reasons(question)]
    forbidden = role is Role.VIEWER and wish is not Wish.DISARM
    assert found == (["ROLE"] if forbidden else [])


BOUNDARIES: dict[str, Change] = {
    "the least room": whole(upkeep=replace(UPKEEP, disk_free_mb=200)),
    "a loop that is just in time": whole(upkeep=replace(UPKEEP, late_us=LOOP_LATE_MAX_US - 1)),
    "a backlog that is just small enough": backlog(EVENT_BACKLOG_MAX),
    "a tension as far off as it may be": here(tension_dn=TENSION_DN - TOLERANCE_DN),
    "the other way": here(tension_dn=TENSION_DN + TOLERANCE_DN),
    "the greatest load that it holds": here(load_dn=TENSION_DN - TOLERANCE_DN - 1),
    "the highest tension for the load": tight(TENSION_DN - 800),
    "one arm fewer than there may be": whole(arms_us=(10**9,) * 19),
    "another section without a calibration": whole(calibrations=(CALIBRATION, None, None)),
    "another section that nobody has homed": at(LUMBAR, Phase.UNKNOWN, restarted=True),
    "another section whose tension is left": at(LUMBAR, Phase.LOCKED, tension_left=True),
    "a worn coil elsewhere": whole(wear=(Wear(), WORN, WORN)),
}


@pytest.mark.parametrize("change", BOUNDARIES.values(), ids=BOUNDARIES)
def test_on_the_near_side_of_each_limit_a_section_may_be_armed(change: Change) -> None:
    bench = ready(Wish.ARM)
    assert codes(change(bench.state), Wish.ARM, bench.now_us) == []


def test_a_calibration_is_good_up_to_its_moment() -> None:
    bench = ready(Wish.ARM)
    good = calibrated(expires_us=bench.now_us + 1)(bench.state)
    assert codes(good, Wish.ARM, bench.now_us) == []
    assert codes(good, Wish.ARM, bench.now_us + 1) == ["CALIBRATION_EXPIRED"]


def test_a_coil_may_be_driven_for_its_share_with_what_is_asked_for_counted_in() -> None:
    bench = ready(Wish.ARM)
    coming_us = bench.state.settings.window_ms * 1000
    left_us = COIL_WINDOW_US // 2 - coming_us
    for driven_us, expected in ((left_us, []), (left_us + 1, ["COIL_DUTY"])):
        worn = Wear(((bench.now_us - driven_us, bench.now_us),))
        state = whole(wear=(worn, Wear(), Wear()))(bench.state)
        assert codes(state, Wish.ARM, bench.now_us) == expected


def test_a_board_that_measures_nothing_needs_no_calibration_and_no_load() -> None:
    bench = ready(Wish.ARM)
    bare = replace(board(), load_cells=False, tension_drive=False)
    state = link(board=bare)(whole(calibrations=(None, None, None))(bench.state))
    state = here(load_dn=None, tension_dn=0, tension_by_hand_dn=TENSION_DN)(state)
    assert codes(state, Wish.ARM, bench.now_us) == []
    either = link(board=replace(bare, load_cells=True))(state)
    assert codes(either, Wish.ARM, bench.now_us) == ["CALIBRATION_MISSING", "LOAD_UNKNOWN"]
    unsaid = here(tension_by_hand_dn=None)(state)
    assert codes(unsaid, Wish.LOCK, bench.now_us) == ["TENSION_UNKNOWN"]
    assert codes(state, Wish.LOCK, bench.now_us) == []


@pytest.mark.parametrize(
    ("code", "role", "expected"),
    [
        ("COCK_TIMEOUT", Role.OPERATOR, []),
        ("UNCOMMANDED_DROP", Role.OPERATOR, ["FAULT_NEEDS_TECHNICIAN"]),
        ("UNCOMMANDED_DROP", Role.TECHNICIAN, []),
        ("UNCOMMANDED_DROP", Role.ADMIN, []),
        ("SELF_TEST", Role.ADMIN, ["FAULT_NEEDS_RESTART"]),
        ("FAULT_200", Role.ADMIN, ["FAULT_NEEDS_RESTART"]),
    ],
)
def test_a_fault_is_cleared_by_whom_its_rule_names(
    code: str, role: Role, expected: list[str]
) -> None:
    bench = ready(Wish.CLEAR_FAULT)
    state = whole(faults=(Standing(code, THORACIC, 0),))(bench.state)
    question = Question(state, bench.now_us, Wish.CLEAR_FAULT, THORACIC, ANN, role=role)
    assert [reason.code for reason in reasons(question)] == expected


def test_both_ends_at_once_is_wrong_in_any_phase() -> None:
    bench = Bench().ready(Phase.HALTED)
    state = at(THORACIC, Phase.HALTED, up=True, down=True)(bench.state)
    assert codes(state, Wish.LOCK, bench.now_us) == ["SENSORS_DISAGREE"]


def test_both_other_sections_are_named() -> None:
    bench = ready(Wish.COCK)
    state = at(PELVIC, Phase.FAULT)(at(LUMBAR, Phase.FAULT)(bench.state))
    texts = [
        reason.text
        for reason in reasons(Question(state, bench.now_us, Wish.COCK, THORACIC, ANN))
        if reason.code == "FAULT"
    ]
    assert ["lumbar" in texts[0], "pelvic" in texts[1]] == [True, True]


def test_each_wish_is_checked_by_someone() -> None:
    assert {wish for _, wishes in CHECKS for wish in wishes} == EVERY
