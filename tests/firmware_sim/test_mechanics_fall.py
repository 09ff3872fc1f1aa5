"""What makes a section fall, what does not, and how long a fall takes."""

from math import acos, ceil, pi, sqrt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from droptable.sections import Section
from firmware_sim.mechanics import Mechanics
from firmware_sim.plant.motion import Fall
from firmware_sim.plant.settings import GRAVITY_M_S2, NOMINAL
from tests.firmware_sim.mechanics_bench import (
    LUMBAR,
    TOP_UM,
    armed_table,
    cocked_table,
    drive,
    events,
    rest,
    run_for,
    switches,
)

HEIGHTS_UM = st.integers(5_000, 60_000)


def step_thrust(table: Mechanics, force_n: float, hold_ms: float = 500.0) -> None:
    """A force that is there at once and stays the same."""
    table.thrust(
        LUMBAR, peak_n=force_n, preload_n=0, preload_ms=0, rise_ms=0, hold_ms=hold_ms, release_ms=0
    )


@pytest.mark.parametrize(
    ("height_mm", "fall_ms"), [(12, 49.5), (19, 62.2), (25, 71.4)], ids=["12mm", "19mm", "25mm"]
)
def test_a_section_that_only_its_load_pulls_falls_freely(height_mm: int, fall_ms: float) -> None:
    table = armed_table(150, drop_height_um=height_mm * 1_000)
    table.patient((0, 151, 0))  # more than the tension holds
    rest(table)
    (drop,) = table.drops
    assert drop.fall_us / 1_000 == pytest.approx(fall_ms, rel=0.002)


@pytest.mark.parametrize(
    ("height_mm", "fall_ms"), [(12, 28.4), (19, 35.7), (25, 41.0)], ids=["12mm", "19mm", "25mm"]
)
def test_300_n_on_15_kg_quicken_the_fall(height_mm: int, fall_ms: float) -> None:
    # a = g + 300 N / 15 kg = 29.8 m/s²; sqrt(2 h / a)
    table = armed_table(250, drop_height_um=height_mm * 1_000, mass_kg=15.0)
    step_thrust(table, 300)
    rest(table)
    (drop,) = table.drops
    assert drop.fall_us / 1_000 == pytest.approx(fall_ms, rel=0.002)


def test_the_patients_share_falls_along_but_the_thrust_has_no_mass() -> None:
    rest_n = 7 * GRAVITY_M_S2
    table = armed_table(200, mass_kg=8.0)
    table.patient((0, rest_n, 0))
    step_thrust(table, 300)
    rest(table)
    by_formula_us = sqrt(2 * TOP_UM * 1e-6 / (GRAVITY_M_S2 + 300 / 15)) * 1e6
    assert table.drops[0].fall_us == pytest.approx(by_formula_us, abs=2)


def test_friction_slows_a_fall() -> None:
    table = armed_table(100, mass_kg=8.0, friction_n=30.0)
    step_thrust(table, 110)
    rest(table)
    by_formula_us = sqrt(2 * TOP_UM * 1e-6 / (GRAVITY_M_S2 + (110 - 30) / 8)) * 1e6
    assert table.drops[0].fall_us == pytest.approx(by_formula_us, abs=2)


@given(
    HEIGHTS_UM,
    st.floats(0, 2),
    st.floats(4.9, 200),
    st.floats(0, 1),
)
def test_a_fall_under_a_constant_pull_is_exact(
    height_um: int, speed: float, pull: float, share: float
) -> None:
    fall = Fall(1_000, height_um, speed, lambda _: pull)
    a = pull * 1e-6
    mark_um = share * height_um
    lasts_us = (sqrt(speed**2 + 2 * a * (height_um - mark_um)) - speed) / a
    assert fall.first_us_at(mark_um) == pytest.approx(1_000 + lasts_us, abs=1.01)
    at_us = fall.first_us_at(mark_um)
    assert fall.height_um(at_us) <= mark_um
    assert at_us == 1_000 or fall.height_um(at_us - 1) > mark_um


@given(HEIGHTS_UM, st.floats(4.9, 200), st.floats(0, 1))
@example(18_001, 10.0, 60_000 / 60_002)
def test_where_a_fall_is_and_when_it_is_there_agree_to_the_last_bit(
    height_um: int, pull: float, share: float
) -> None:
    fall = Fall(0, height_um, 0.0, lambda _: pull)
    at_us = round(share * (fall.lands_us - 1))
    assert fall.first_us_at(fall.height_um(at_us)) == at_us


@given(HEIGHTS_UM, st.integers(0, 300_000))
def test_a_fall_only_goes_down_and_ends_at_the_stop(height_um: int, at_us: int) -> None:
    fall = Fall(0, height_um, 0.0, lambda us: 9.8 + us / 5_000)
    assert 0 <= fall.height_um(at_us + 1) <= fall.height_um(at_us) <= height_um
    assert (fall.height_um(at_us) == 0) == (at_us >= fall.lands_us)


def test_a_rising_pull_is_summed_to_the_microsecond() -> None:
    # x'' = g + j t has x = g t²/2 + j t³/6.
    jerk = 400.0  # m/s³: 300 N on 10 kg in 75 ms
    fall = Fall(0, 19_000, 0.0, lambda us: GRAVITY_M_S2 + jerk * us * 1e-6)
    t = fall.lands_us * 1e-6
    assert GRAVITY_M_S2 * t**2 / 2 + jerk * t**3 / 6 == pytest.approx(0.019, abs=2e-6)


def test_a_thrust_above_the_tension_drops_the_section_at_the_microsecond_of_the_crossing() -> None:
    table = armed_table(250)
    table.patient((0, 120, 0))
    began_us = table.now_us
    table.thrust(LUMBAR, peak_n=400, preload_n=50, preload_ms=100, rise_ms=100)
    rest(table)
    (drop,) = table.drops
    # 120 + 50 + 350 (1 - cos(pi s)) / 2 = 250
    share = acos(1 - 2 * (250 - 120 - 50) / 350) / pi
    released_us = began_us + 100_000 + share * 100_000
    assert drop.up_edge_us == ceil(released_us) + 1
    assert drop.section is LUMBAR
    assert drop.fall_us == drop.down_edge_us - drop.up_edge_us
    assert 30_000 <= drop.fall_us <= 95_000
    assert switches(table) == (False, True, False)


@pytest.mark.parametrize("peak_n", [129.9, 130.0])
def test_a_thrust_up_to_the_tension_drops_nothing(peak_n: float) -> None:
    table = armed_table(250)
    table.patient((0, 120, 0))
    table.thrust(LUMBAR, peak_n=peak_n, rise_ms=100)
    rest(table)
    assert table.drops == ()
    assert switches(table) == (True, False, False)
    assert table.truth(LUMBAR).height_um == TOP_UM


def test_a_short_peak_just_above_the_tension_is_not_missed_between_two_samples() -> None:
    table = armed_table(250)
    table.thrust(LUMBAR, peak_n=250.001, rise_ms=80.3, hold_ms=0, release_ms=80.3)
    rest(table)
    assert len(table.drops) == 1


def test_a_thrust_on_a_pinned_section_drops_nothing() -> None:
    table = cocked_table(250)
    table.thrust(LUMBAR, peak_n=1_000, rise_ms=80)
    rest(table)
    assert table.drops == ()
    assert switches(table) == (True, False, True)


def test_a_thrust_on_one_section_moves_no_other() -> None:
    table = cocked_table(100)
    drive(table, Section.PELVIC, pin_withdrawn=True)
    rest(table)
    table.thrust(LUMBAR, peak_n=600, rise_ms=80)
    rest(table)
    assert table.drops == ()


def test_no_output_drops_a_section_that_the_tension_holds() -> None:
    for lift in (False, True):
        for pin_withdrawn in (False, True):
            for lowering in (False, True):
                table = armed_table(250)
                table.patient((0, 249, 0))
                drive(table, lift=lift, pin_withdrawn=pin_withdrawn, lowering=lowering)
                rest(table)
                assert table.drops == ()


def test_a_section_under_too_much_load_falls_once_the_pin_lets_go() -> None:
    table = cocked_table(200)
    table.patient((0, 300, 0))
    rest(table)
    assert table.truth(LUMBAR).height_um == TOP_UM
    drive(table, pin_withdrawn=True)
    began_us = table.now_us
    rest(table)
    (drop,) = table.drops
    # Half of the pin's travel of 25 ms.
    assert drop.up_edge_us == pytest.approx(began_us + 12_500, abs=3)


def test_a_tension_that_is_lowered_beneath_the_load_drops_the_section() -> None:
    table = armed_table(300)
    table.patient((0, 250, 0))
    drive(table, pin_withdrawn=True, tension_steps=NOMINAL.tension_steps_for(200))
    began_us = table.now_us
    rest(table)
    (drop,) = table.drops
    # 50 N at 500 N a second.
    assert drop.up_edge_us == pytest.approx(began_us + 100_000, abs=3)


def test_a_pin_on_its_way_in_does_not_stop_a_fall_before_it_holds() -> None:
    table = armed_table(250)
    drive(table)  # all off: the spring pushes the pin in, and holds after half its travel
    run_for(table, 12)
    step_thrust(table, 300)
    rest(table)
    assert len(table.drops) == 1
    assert switches(table) == (False, True, True)


def test_a_pin_that_holds_stops_every_fall() -> None:
    table = armed_table(250)
    drive(table)
    run_for(table, 13)
    step_thrust(table, 300)
    rest(table)
    assert table.drops == ()
    assert switches(table) == (True, False, True)


def test_the_pin_stays_out_during_a_fall_and_enters_at_the_bottom() -> None:
    table = armed_table(250)
    step_thrust(table, 300)
    run_for(table, 5)
    drive(table)
    for us, sensed in events(table, table.now_us + 1_000_000):
        if sensed.sections[LUMBAR].pin:
            # 0.9 of its travel after the landing.
            assert us == pytest.approx(table.drops[0].down_edge_us + 22_500, abs=1)
            return
    pytest.fail("the pin never entered")


def test_a_thrust_that_ends_during_the_fall_pulls_no_more() -> None:
    table = armed_table(250)
    step_thrust(table, 300, hold_ms=20)
    rest(table)
    a = GRAVITY_M_S2 + 300 / 8
    fallen_m, speed = a * 0.02**2 / 2, a * 0.02
    left_m = TOP_UM * 1e-6 - fallen_m
    rest_s = (sqrt(speed**2 + 2 * GRAVITY_M_S2 * left_m) - speed) / GRAVITY_M_S2
    assert table.drops[0].fall_us == pytest.approx(20_000 + rest_s * 1e6, abs=60)


def test_a_second_thrust_during_the_fall_takes_over_at_the_speed_reached() -> None:
    table = armed_table(250)
    step_thrust(table, 251)
    run_for(table, 10)
    before = table.truth(LUMBAR)
    step_thrust(table, 900)
    after = table.truth(LUMBAR)
    assert after.velocity_um_s == pytest.approx(before.velocity_um_s)
    assert after.height_um == pytest.approx(before.height_um)
    rest(table)
    a = GRAVITY_M_S2 + 900 / 8
    speed = -before.velocity_um_s * 1e-6
    rest_s = (sqrt(speed**2 + 2 * a * before.height_um * 1e-6) - speed) / a
    assert table.drops[0].fall_us == pytest.approx(10_000 + rest_s * 1e6, abs=3)


def test_a_drop_tells_the_peak_from_200_ms_before_to_the_landing() -> None:
    table = armed_table(250)
    table.patient((0, 100, 0))
    table.thrust(LUMBAR, peak_n=240, rise_ms=40, hold_ms=0, preload_ms=0)
    rest(table)
    assert len(table.drops) == 1
    assert table.drops[0].peak_n == pytest.approx(340)

    # A thrust that still rises when the section has landed: what came later does not count.
    slow = armed_table(100)
    slow.thrust(LUMBAR, peak_n=1_000, rise_ms=800)
    rest(slow)
    assert slow.drops[0].peak_n < 400


def test_a_section_can_be_cocked_and_dropped_again() -> None:
    table = armed_table(200)
    for falls in (1, 2, 3):
        table.thrust(LUMBAR, peak_n=400, rise_ms=100)
        rest(table)
        assert table.truth(LUMBAR).drops == falls
        drive(table, pin_withdrawn=True, lift=True)
        rest(table)
        drive(table, pin_withdrawn=True)
        assert switches(table) == (True, False, False)
    assert table.truth(LUMBAR).last_fall_us == table.drops[-1].fall_us
    landings = [drop.down_edge_us for drop in table.drops]
    assert landings == sorted(landings)


def test_switches_that_reach_off_their_stops_shorten_the_measured_fall() -> None:
    table = armed_table(150, up_switch_um=300, down_switch_um=200)
    table.patient((0, 151, 0))
    released_us = table.now_us
    rest(table)
    (drop,) = table.drops
    first_us = sqrt(2 * 300e-6 / GRAVITY_M_S2) * 1e6
    last_us = sqrt(2 * (TOP_UM - 200) * 1e-6 / GRAVITY_M_S2) * 1e6
    assert drop.up_edge_us - released_us == pytest.approx(first_us, abs=2)
    assert drop.fall_us == pytest.approx(last_us - first_us, abs=2)
