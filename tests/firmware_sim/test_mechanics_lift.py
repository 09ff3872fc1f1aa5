"""What the air lifts, what it costs, and what a hand in the gap holds up."""

from dataclasses import replace

import pytest

from droptable.sections import Section
from firmware_sim.faults import wanted
from firmware_sim.mechanics import Mechanics
from firmware_sim.plant.settings import GRAVITY_M_S2, MechanicsSettings
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

LIFTS_N = 600 * QUIET.lift_n_kpa - QUIET.mass_kg * GRAVITY_M_S2
"""What a quiet section at full pressure lifts besides itself."""


def rising_table(load_n: float, *, kpa: int = 600) -> Mechanics:
    """A quiet table at the bottom, a load on it, its pin out, and the lift just driven."""
    table = quiet_table(start_tension_steps=QUIET.tension_steps_max)
    table.air(kpa)
    table.patient((0, load_n, 0))
    drive(table, pin_withdrawn=True)
    rest(table)
    drive(table, pin_withdrawn=True, lift=True)
    return table


def height_um(table: Mechanics) -> float:
    return table.truth(LUMBAR).height_um


def test_the_lift_raises_what_the_air_can_carry_and_not_a_newton_more() -> None:
    light = rising_table(LIFTS_N - 10)
    run_for(light, 50)
    assert height_um(light) == pytest.approx(5_000)
    heavy = rising_table(LIFTS_N + 1)
    run_for(heavy, 5_000)
    assert height_um(heavy) == 0
    assert heavy.inputs().air_kpa == 600


def test_half_the_pressure_carries_half_the_force() -> None:
    table = rising_table(LIFTS_N / 2, kpa=300)
    run_for(table, 100)
    assert height_um(table) == 0
    table.air(600)
    run_for(table, 100)
    assert height_um(table) == pytest.approx(10_000)


def test_a_thrust_stalls_the_lift_where_it_is_and_it_goes_on_afterwards() -> None:
    table = rising_table(200)
    run_for(table, 30)
    table.thrust(LUMBAR, peak_n=1_500, preload_n=0, preload_ms=0, rise_ms=0, hold_ms=200)
    run_for(table, 100)
    stalled_um = height_um(table)
    assert stalled_um == pytest.approx(3_000, abs=1)
    assert table.truth(LUMBAR).velocity_um_s == 0
    run_for(table, 1_000)
    assert height_um(table) == TOP_UM


def test_a_load_put_on_during_the_lift_stalls_it_and_taken_off_lets_it_go_on() -> None:
    table = rising_table(200)
    run_for(table, 50)
    table.patient((0, LIFTS_N + 50, 0))
    run_for(table, 1_000)
    assert height_um(table) == pytest.approx(5_000)
    table.patient(None)
    run_for(table, 1_000)
    assert height_um(table) == TOP_UM


def test_each_stroke_takes_air_and_the_compressor_brings_it_back() -> None:
    table = rising_table(200)
    run_for(table, 190)
    settings = table.settings
    taken = 0.19 * (settings.air_stroke_kpa_s - settings.air_refill_kpa_s)
    assert table.inputs().air_kpa == pytest.approx(600 - taken, abs=1)
    drive(table)
    rest(table)
    run_for(table, taken / settings.air_refill_kpa_s * 1_000 + 50)
    assert table.inputs().air_kpa == 600
    assert table.next_event_us() is None


def test_another_pressure_in_the_middle_of_a_stroke_is_drawn_from_as_well() -> None:
    table = rising_table(200)
    run_for(table, 40)
    table.air(500)
    run_for(table, 100)
    settings = table.settings
    taken = 0.1 * (settings.air_stroke_kpa_s - settings.air_refill_kpa_s)
    assert table.inputs().air_kpa == pytest.approx(500 - taken, abs=0.6)


def test_a_reservoir_that_runs_dry_stalls_the_lift_until_it_has_a_little_more() -> None:
    section = replace(QUIET, start_tension_steps=QUIET.tension_steps_max)
    settings = MechanicsSettings(
        sections=(section, section, section),
        bounce=NO_BOUNCE,
        air_kpa=500,
        air_refill_kpa_s=20.0,
        air_stroke_kpa_s=400.0,
    )
    table = Mechanics(settings, seed=1)
    # 19 kPa to spare, gone after 50 ms; then 10 kPa at a time, each for 26 ms.
    table.patient((0, LIFTS_N - (100 + 19) * QUIET.lift_n_kpa, 0))
    drive(table, pin_withdrawn=True)
    rest(table)
    drive(table, pin_withdrawn=True, lift=True)
    stops = 0
    was_rising = True
    for _ in events(table, table.now_us + 20_000_000):
        is_rising = table.truth(LUMBAR).velocity_um_s > 0
        stops += was_rising and not is_rising
        was_rising = is_rising
    assert height_um(table) == TOP_UM
    assert stops == 7


def test_the_pressure_is_sampled_each_millisecond_whoever_looks_in_between() -> None:
    settings = replace(
        MechanicsSettings.alike(QUIET, NO_BOUNCE), air_stroke_kpa_s=4_000.0, air_kpa=1_000
    )

    def seen(*looks_us: int) -> list[int]:
        table = Mechanics(settings, seed=1)
        drive(table, pin_withdrawn=True)
        rest(table)
        drive(table, pin_withdrawn=True, lift=True)
        began_us = table.now_us
        kpa = []
        for us in looks_us:
            for _ in events(table, began_us + us):
                pass
            kpa.append(table.inputs().air_kpa)
        return kpa

    assert seen(12_100, 12_900) == seen(12_900) * 2
    assert seen(12_900) != seen(13_900)


def test_two_lifts_take_twice_the_air() -> None:
    table = quiet_table()
    lifting = [(True, True), (True, True), (False, False)]
    for step in (0, 1):
        table.drive(
            tuple(  # type: ignore[arg-type]
                type(driven)(lift=bool(step) and lift, pin_withdrawn=pin)
                for driven, (lift, pin) in zip(table.driven, lifting, strict=True)
            )
        )
        rest(table) if step == 0 else run_for(table, 100)
    settings = table.settings
    taken = 0.1 * (2 * settings.air_stroke_kpa_s - settings.air_refill_kpa_s)
    assert table.inputs().air_kpa == pytest.approx(600 - taken, abs=1)


def test_low_air_by_a_fault_makes_the_lift_weak_and_its_end_makes_it_strong() -> None:
    table = rising_table(LIFTS_N / 2)
    low = wanted("air-low", None, 200)
    table.set_fault(low)
    run_for(table, 1_000)
    assert height_um(table) == 0
    assert table.inputs().air_kpa == 200
    table.clear_fault(low)
    run_for(table, 100)
    assert height_um(table) == pytest.approx(10_000)


# A hand


def test_a_hand_above_the_section_stalls_the_lift_until_it_is_taken_out() -> None:
    table = rising_table(0)
    table.hand(LUMBAR, 7_000)
    run_for(table, 3_000)
    assert height_um(table) == 7_000
    assert switches(table) == (False, False, False)
    table.hand(LUMBAR, None)
    run_for(table, 1_000)
    assert height_um(table) == TOP_UM


def test_a_hand_above_a_section_that_is_half_way_up_is_above_it() -> None:
    table = rising_table(0)
    run_for(table, 50)
    drive(table, pin_withdrawn=True)
    table.hand(LUMBAR, 7_000)
    drive(table, pin_withdrawn=True, lift=True)
    run_for(table, 1_000)
    assert height_um(table) == 7_000
    drive(table, pin_withdrawn=True, lowering=True)
    rest(table)
    assert height_um(table) == 0


def test_a_hand_beneath_holds_up_what_is_lowered_onto_it() -> None:
    table = armed_table(250)
    table.hand(LUMBAR, 6_000)
    drive(table, pin_withdrawn=True, lowering=True)
    rest(table)
    assert height_um(table) == 6_000
    assert switches(table) == (False, False, False)
    table.hand(LUMBAR, None)
    rest(table)
    assert switches(table) == (False, True, False)
    assert table.drops == ()


def test_a_fall_ends_on_a_hand_and_goes_on_when_it_is_pulled_out() -> None:
    table = armed_table(150)
    table.hand(LUMBAR, 6_000)
    table.patient((0, 151, 0))
    left_us = table.now_us
    rest(table)
    assert height_um(table) == 6_000
    assert not table.truth(LUMBAR).falling
    assert table.drops == ()
    assert not any(change.signals.down for change in table.history(left_us))
    run_for(table, 400)
    table.hand(LUMBAR, None)
    assert table.truth(LUMBAR).falling
    rest(table)
    assert switches(table) == (False, True, False)
    (drop,) = table.drops
    assert drop.up_edge_us == left_us + 1
    assert drop.fall_us > 400_000


def test_a_hand_that_comes_into_a_fall_catches_it_and_one_that_leaves_it_does_not() -> None:
    table = armed_table(150)
    table.patient((0, 151, 0))
    run_for(table, 20)
    table.hand(LUMBAR, 4_000)
    rest(table)
    assert height_um(table) == 4_000

    other = armed_table(150)
    other.hand(LUMBAR, 4_000)
    other.patient((0, 151, 0))
    run_for(other, 20)
    other.hand(LUMBAR, None)
    rest(other)
    (drop,) = other.drops
    assert drop.fall_us == pytest.approx(62_200, rel=0.002)


def test_the_lift_takes_a_section_off_the_hand_that_it_fell_on() -> None:
    table = armed_table(150)
    table.hand(LUMBAR, 4_000)
    table.patient((0, 151, 0))
    rest(table)
    table.patient(None)
    drive(table, pin_withdrawn=True, lift=True)
    run_for(table, 50)
    drive(table, pin_withdrawn=True)
    table.hand(LUMBAR, None)
    run_for(table, 1_000)
    assert height_um(table) == pytest.approx(9_000)


def test_a_hand_in_one_gap_is_in_no_other() -> None:
    table = quiet_table()
    table.hand(Section.PELVIC, 5_000)
    drive(table, pin_withdrawn=True)
    rest(table)
    drive(table, pin_withdrawn=True, lift=True)
    rest(table)
    assert height_um(table) == TOP_UM


@pytest.mark.parametrize("height_um", [0, -1, TOP_UM, TOP_UM + 1])
def test_where_there_is_no_gap_no_hand_fits(height_um: int) -> None:
    table = cocked_table(250)
    with pytest.raises(ValueError, match="the gap is 19 mm high: no hand fits in at"):
        table.hand(LUMBAR, height_um)
    drive(table, pin_withdrawn=True, lowering=True)
    rest(table)
    assert switches(table)[1]


def test_a_hand_right_beneath_the_top_catches_a_section_whose_switch_still_is_closed() -> None:
    table = armed_table(150, up_switch_um=600)
    table.hand(LUMBAR, TOP_UM - 500)
    table.patient((0, 151, 0))
    rest(table)
    table.thrust(LUMBAR, peak_n=300, rise_ms=80)
    looks = sum(1 for _ in events(table, table.now_us + 1_000_000))
    assert looks < 400
    assert switches(table) == (True, False, False)
    table.hand(LUMBAR, None)
    rest(table)
    assert len(table.drops) == 1


def test_a_section_that_a_hand_held_for_days_falls_on() -> None:
    table = armed_table(150)
    table.hand(LUMBAR, 4_000)
    table.patient((0, 151, 0))
    rest(table)
    table.advance(table.now_us + 10**12)
    table.hand(LUMBAR, None)
    rest(table)
    assert table.drops[0].peak_n == 151
