"""The table as the board meets it: what outputs do, what the switches say, and when."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droptable.board.model import Inputs, SectionOutputs
from droptable.sections import Section
from firmware_sim.faults import FAULTS, Scope, SetFault, wanted
from firmware_sim.mechanics import Mechanics, MechanicsSettings, PhysicalDrop
from firmware_sim.plant.settings import NOMINAL, BounceSettings, SectionSettings
from tests.firmware_sim.mechanics_bench import (
    LUMBAR,
    NO_BOUNCE,
    QUIET,
    TOP_UM,
    armed_table,
    cocked_table,
    drive,
    events,
    quiet_table,
    rest,
    run_for,
    switches,
)

OUT = {"pin_withdrawn": True}


def test_a_table_wakes_up_lowered_and_locked_with_nothing_to_come() -> None:
    table = Mechanics(seed=7)
    assert table.next_event_us() is None
    for sensed in table.inputs().sections:
        assert (sensed.up, sensed.down, sensed.pin) == (False, True, True)
    assert not table.inputs().estop_open
    assert table.drops == ()


def test_a_table_at_rest_has_no_events_however_long_it_rests() -> None:
    table = Mechanics(seed=7)
    table.patient((100, 120, 90))
    rest(table, limit_ms=10)
    table.advance(86_400_000_000)
    assert table.next_event_us() is None
    assert table.inputs().sections[0].load_us == 86_400_000_000


def test_cocking_withdraws_the_pin_then_lifts_to_the_top_and_stays_there() -> None:
    table = quiet_table()
    drive(table, pin_withdrawn=True)
    edges = dict.fromkeys([switches(table)], table.now_us)
    rest(table)
    assert switches(table) == (False, True, False)
    drive(table, pin_withdrawn=True, lift=True)
    began_us = table.now_us
    for us, _ in events(table, began_us + 1_000_000):
        edges.setdefault(switches(table), us)
    assert edges[False, False, False] == began_us + 1
    # 19 mm at 100 mm/s.
    assert edges[True, False, False] == began_us + 190_000
    drive(table)
    rest(table)
    assert switches(table) == (True, False, True)
    assert table.truth(LUMBAR).pin_in


def test_the_pin_switch_opens_before_the_pin_lets_go_and_closes_after_it_holds() -> None:
    table = cocked_table(250)
    drive(table, pin_withdrawn=True)
    seen = [(us, switches(table)[2], table.truth(LUMBAR).pin_in) for us, _ in events(table, 50_000)]
    assert next(us for us, closed, _ in seen if not closed) == pytest.approx(2_500, abs=1)
    assert next(us for us, _, holds in seen if not holds) == pytest.approx(12_500, abs=1)
    assert all(holds for _, closed, holds in seen if closed)
    drive(table)
    began_us = table.now_us
    seen = [
        (us, switches(table)[2], table.truth(LUMBAR).pin_in) for us, _ in events(table, 100_000)
    ]
    assert next(us for us, _, holds in seen if holds) == pytest.approx(began_us + 12_500, abs=1)
    assert next(us for us, closed, _ in seen if closed) == pytest.approx(began_us + 22_500, abs=1)
    assert all(holds for _, closed, holds in seen if closed)


@pytest.mark.parametrize("travel_us", [10_000, 50_000])
def test_the_pin_takes_its_travel_time(travel_us: int) -> None:
    table = quiet_table(pin_travel_us=travel_us)
    drive(table, pin_withdrawn=True)
    table.advance(table.next_event_us() or 0)
    assert table.truth(LUMBAR).pin_position == pytest.approx(0.9, abs=0.001)
    rest(table)
    assert table.now_us >= travel_us
    assert table.truth(LUMBAR).pin_position == 0


def test_lift_and_valve_push_in_vain_against_a_pin_that_is_in() -> None:
    low = quiet_table()
    drive(low, lift=True)
    rest(low)
    assert low.truth(LUMBAR).height_um == 0
    assert switches(low) == (False, True, True)
    high = cocked_table(250)
    drive(high, lowering=True)
    rest(high)
    assert high.truth(LUMBAR).height_um == TOP_UM
    assert switches(high) == (True, False, True)


def test_between_the_stops_it_holds_its_height_and_the_pin_stays_out() -> None:
    table = quiet_table()
    drive(table, pin_withdrawn=True)
    rest(table)
    drive(table, pin_withdrawn=True, lift=True)
    run_for(table, 100)
    drive(table)
    rest(table)
    run_for(table, 5_000)
    assert switches(table) == (False, False, False)
    assert table.truth(LUMBAR).height_um == pytest.approx(10_000)
    assert table.truth(LUMBAR).pin_position == 0
    table.thrust(LUMBAR, peak_n=1_000, rise_ms=80)  # nothing falls from between
    rest(table)
    assert table.truth(LUMBAR).height_um == pytest.approx(10_000)
    assert table.drops == ()


@pytest.mark.parametrize(("below_top_um", "enters"), [(900, True), (1_100, False)])
def test_the_pin_finds_its_hole_within_its_slack(below_top_um: int, *, enters: bool) -> None:
    table = quiet_table(start_height_um=TOP_UM // 2)
    drive(table, pin_withdrawn=True, lift=True)
    run_for(table, (TOP_UM - TOP_UM // 2 - below_top_um) / 100)  # 0.1 mm in a millisecond
    drive(table)
    rest(table)
    assert switches(table) == (False, False, enters)


def test_the_valve_lets_a_section_down_slowly_and_that_is_no_drop() -> None:
    table = armed_table(250)
    began_us = table.now_us
    drive(table, pin_withdrawn=True, lowering=True)
    table.advance(table.next_event_us() or 0)
    assert switches(table) == (False, False, False)
    assert table.truth(LUMBAR).velocity_um_s == pytest.approx(-100_000)
    rest(table)
    assert table.now_us == began_us + 190_000
    assert switches(table) == (False, True, False)
    assert table.drops == ()
    drive(table)
    rest(table)
    assert switches(table) == (False, True, True)


def test_lift_and_valve_together_do_not_move_it() -> None:
    table = quiet_table(start_height_um=TOP_UM // 2)
    drive(table, pin_withdrawn=True, lift=True, lowering=True)
    rest(table)
    assert table.truth(LUMBAR).height_um == TOP_UM // 2


def test_a_leak_sinks_what_no_pin_holds() -> None:
    held = cocked_table(250, leak_um_s=1_000)
    rest(held)
    run_for(held, 1_000)
    assert held.truth(LUMBAR).height_um == TOP_UM
    loose = quiet_table(start_height_um=TOP_UM // 2, leak_um_s=1_000)
    run_for(loose, 1_000)
    assert loose.truth(LUMBAR).height_um == pytest.approx(TOP_UM / 2 - 1_000)


def test_the_actuator_goes_at_its_speed_and_holds_without_power() -> None:
    table = quiet_table()
    drive(table, tension_steps=1_000)
    run_for(table, 250)
    assert table.inputs().sections[LUMBAR].tension_steps == 500
    rest(table)
    assert table.now_us == 500_000
    assert table.inputs().sections[LUMBAR].tension_steps == 1_000
    assert table.truth(LUMBAR).breakaway_n == pytest.approx(
        (1_000 - NOMINAL.tension_zero) * NOMINAL.tension_span_un / 1e6
    )
    table.advance(3_600_000_000)
    assert table.inputs().sections[LUMBAR].tension_steps == 1_000


def test_the_actuator_turns_round_where_it_is_and_stops_at_its_stops() -> None:
    table = quiet_table()
    drive(table, tension_steps=99_999)
    run_for(table, 100)
    drive(table, tension_steps=-5)
    rest(table)
    assert table.now_us == 200_000
    assert table.inputs().sections[LUMBAR].tension_steps == 0
    drive(table, tension_steps=99_999)
    rest(table)
    assert table.inputs().sections[LUMBAR].tension_steps == QUIET.tension_steps_max


def test_no_breakaway_force_is_below_nothing() -> None:
    assert quiet_table().truth(LUMBAR).breakaway_n == 0


def test_the_truth_is_hidden_behind_the_nominal_numbers() -> None:
    for section in MechanicsSettings().sections:
        truth = section.truth
        assert truth != NOMINAL
        at_300_n = (truth.tension_steps_for(300) - NOMINAL.tension_zero) * 0.25
        assert at_300_n == pytest.approx(300, abs=10)


def test_time_neither_goes_back_nor_jumps_over_an_event() -> None:
    table = quiet_table()
    table.advance(5)
    with pytest.raises(ValueError, match="does not go back"):
        table.advance(4)
    drive(table, pin_withdrawn=True)
    due_us = table.next_event_us()
    assert due_us is not None
    with pytest.raises(ValueError, match="beyond the next event"):
        table.advance(due_us + 1)
    assert table.now_us == 5
    table.advance(due_us)


def test_the_world_around_the_table_reaches_the_inputs() -> None:
    table = quiet_table()
    table.pedal(True)
    table.estop(True)
    table.stop_button(True)
    table.supply(11_800)
    table.air(90)
    sensed = table.inputs()
    assert (sensed.pedal_down, sensed.estop_open, sensed.stop_button) == (True, True, True)
    assert (sensed.supply_mv, sensed.air_kpa) == (11_800, 90)
    table.pedal(False)
    table.estop(False)
    table.stop_button(False)
    sensed = table.inputs()
    assert (sensed.pedal_down, sensed.estop_open, sensed.stop_button) == (False, False, False)


def test_the_clock_of_the_board_may_start_anywhere() -> None:
    table = Mechanics(seed=1, start_us=123_456_789)
    assert table.next_event_us() is None
    assert table.inputs().sections[0].load_us == 123_456_000
    drive(table, Section.THORACIC, pin_withdrawn=True)
    rest(table)
    assert table.now_us > 123_456_789


@pytest.mark.parametrize(
    "unsound",
    [
        {"mass_kg": 0},
        {"drop_height_um": 4_999},
        {"friction_n": 40.0},
        {"friction_n": -1.0},
        {"lift_um_s": 0},
        {"pin_travel_us": 0},
        {"leak_um_s": -1},
        {"pin_slack_um": 9_500},
        {"start_height_um": 19_001},
        {"start_tension_steps": 4_401},
    ],
    ids=str,
)
def test_a_section_that_could_not_be_built_is_refused(unsound: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(unsound))):
        replace(QUIET, **unsound)


def test_a_thrust_that_no_hand_gives_is_refused_and_changes_nothing() -> None:
    table = quiet_table()
    with pytest.raises(ValueError, match="preload"):
        table.thrust(LUMBAR, peak_n=40, rise_ms=100, preload_n=50)
    with pytest.raises(ValueError, match="0 ms"):
        table.thrust(LUMBAR, peak_n=400, rise_ms=-1)
    with pytest.raises(ValueError, match="pull"):
        table.patient((0, -1, 0))
    assert table.next_event_us() is None


# What holds of every run

WORLD = MechanicsSettings.alike(SectionSettings(leak_um_s=30_000, up_switch_um=100))

outputs = st.builds(
    SectionOutputs, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0, 900, 1_500])
)
SOME_FAULTS = tuple(
    wanted(name, LUMBAR if fault.scope is Scope.SECTION else None, None)
    for name, fault in FAULTS.items()
    if fault.scope is not Scope.BOARD
)


@dataclass(frozen=True)
class HandAt:
    section: Section
    height_um: int | None


deeds = st.lists(
    st.tuples(
        st.integers(0, 150_000),
        st.one_of(
            st.tuples(outputs, outputs, outputs),
            st.tuples(st.sampled_from(Section), st.floats(0, 900), st.floats(0, 170)),
            st.one_of(st.none(), st.tuples(*[st.floats(0, 1_200)] * 3)),
            st.booleans(),
            st.builds(HandAt, st.sampled_from(Section), st.none() | st.integers(1, TOP_UM - 1)),
            st.sampled_from(SOME_FAULTS),
            st.integers(0, 600),
        ),
    ),
    max_size=12,
)


def do(table: Mechanics, deed: object) -> None:
    match deed:
        case bool():
            table.pedal(deed)
        case int():
            table.air(deed)
        case HandAt(section, height_um):
            table.hand(section, height_um)
        case SetFault():
            if deed in table.faults:
                table.clear_fault(deed)
            else:
                table.set_fault(deed)
        case None | (float(), float(), float()):
            table.patient(deed)
        case (Section() as section, float() as peak_n, float() as rise_ms):
            table.thrust(section, peak_n=peak_n, rise_ms=rise_ms, preload_n=0, hold_ms=7)
        case _:
            table.drive(deed)
    due_us = table.next_event_us()
    assert due_us is None or due_us > table.now_us


def played(
    script: list[tuple[int, object]], seed: int, slice_us: int | None = None
) -> tuple[list[tuple[int, Inputs]], tuple[PhysicalDrop, ...]]:
    """All that the board sees at the events of a script, time passing in slices if asked."""
    table = Mechanics(WORLD, seed=seed)
    seen = [(0, table.inputs())]
    for wait_us, deed in [*script, (50_000, False)]:
        until_us = table.now_us + wait_us
        while table.now_us < until_us:
            due_us = table.next_event_us()
            stop_us = min(until_us, until_us if due_us is None else due_us)
            if slice_us is not None:
                stop_us = min(stop_us, table.now_us + slice_us)
            table.advance(stop_us)
            sensed = table.inputs()
            if stop_us in (due_us, until_us):
                seen.append((stop_us, sensed))
        do(table, deed)
        seen.append((table.now_us, table.inputs()))
    return seen, table.drops


@settings(max_examples=60, deadline=None)
@given(deeds, st.integers(0, 2**32), st.integers(100, 5_000))
def test_a_seed_and_a_script_tell_everything_however_time_is_sliced(
    script: list[tuple[int, object]], seed: int, slice_us: int
) -> None:
    whole = played(script, seed)
    assert played(script, seed) == whole
    assert played(script, seed, slice_us) == whole


@settings(max_examples=60, deadline=None)
@given(deeds, st.integers(0, 2**32), st.integers(1, 997))
def test_the_switches_change_at_events_only(
    script: list[tuple[int, object]], seed: int, slice_us: int
) -> None:
    """A board that sleeps until the next event misses no edge."""

    def shown(table: Mechanics) -> list[tuple[bool, bool, bool]]:
        return [(one.up, one.down, one.pin) for one in table.inputs().sections]

    table = Mechanics(WORLD, seed=seed)
    for wait_us, deed in script:
        until_us = table.now_us + min(wait_us, 40_000)
        before = shown(table)
        while table.now_us < until_us:
            due_us = table.next_event_us()
            stop_us = min(until_us, table.now_us + slice_us, due_us or until_us)
            table.advance(stop_us)
            if stop_us != due_us:
                assert shown(table) == before
            before = shown(table)
        do(table, deed)


@settings(max_examples=60, deadline=None)
@given(deeds, st.integers(0, 2**32))
def test_no_section_ever_leaves_its_way_or_moves_while_its_pin_holds(
    script: list[tuple[int, object]], seed: int
) -> None:
    table = Mechanics(WORLD, seed=seed)
    for wait_us, deed in script:
        before = [table.truth(section) for section in Section]
        for _ in events(table, table.now_us + wait_us):
            after = [table.truth(section) for section in Section]
            for old, new in zip(before, after, strict=True):
                assert 0 <= new.height_um <= TOP_UM
                assert 0 <= new.pin_position <= 1
                if old.pin_in and new.pin_in:
                    assert new.height_um == old.height_um
                    assert not new.falling
                if new.drops > old.drops:
                    assert not old.pin_in
            before = after
        do(table, deed)


@settings(max_examples=60, deadline=None)
@given(deeds, st.integers(0, 2**32))
def test_with_all_off_every_table_comes_to_rest_and_its_switches_settle_on_the_truth(
    script: list[tuple[int, object]], seed: int
) -> None:
    table = Mechanics(WORLD, seed=seed)
    for wait_us, deed in script:
        for _ in events(table, table.now_us + wait_us):
            pass
        do(table, deed)
    for fault in table.faults:
        table.clear_fault(fault)
    # Lifted again and again under more load than the tension holds, it would fall for ever.
    table.drive((SectionOutputs(), SectionOutputs(), SectionOutputs()))
    rest(table)
    for section, sensed in zip(Section, table.inputs().sections, strict=True):
        truth = table.truth(section)
        assert truth.velocity_um_s == 0
        assert sensed.down == (truth.height_um <= 0)
        assert sensed.up == (truth.height_um >= TOP_UM - 100)
        assert sensed.pin == (truth.pin_position >= 0.9)
        assert sensed.load_raw is not None


def test_bounce_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="mean_us"):
        BounceSettings(mean_us=7_000)
    assert NO_BOUNCE.max_us == 0
