"""What the load cells read, now and looking back."""

from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.mechanics import Mechanics, MechanicsSettings
from firmware_sim.plant.load_cell import RAW_MAX, LoadCell, noise_key
from firmware_sim.plant.settings import NOMINAL, SectionSettings
from firmware_sim.plant.thrust import ThrustShape
from tests.firmware_sim.mechanics_bench import LUMBAR, NO_BOUNCE, events, quiet_table, run_for


def newton(raw: int | None) -> float:
    """By the drawings' zero and span, which are those of a quiet table."""
    assert raw is not None
    return (raw - NOMINAL.load_zero_raw) * NOMINAL.load_span_un / 1e6


def lumbar_n(table: Mechanics) -> float:
    return newton(table.inputs().sections[LUMBAR].load_raw)


def test_the_cell_reads_patient_and_thrust_together() -> None:
    table = quiet_table()
    assert lumbar_n(table) == 0
    table.patient((80, 120, 100))
    run_for(table, 1)
    assert [newton(one.load_raw) for one in table.inputs().sections] == [80, 120, 100]
    table.thrust(LUMBAR, peak_n=400, rise_ms=100, preload_n=40, preload_ms=50, hold_ms=10)
    readings = {us: lumbar_n(table) for us, _ in events(table, 1_000_000)}
    assert readings[51_000] == pytest.approx(160, abs=0.1)
    assert readings[101_000] == pytest.approx(120 + 220, abs=0.1)  # half of the rise
    assert readings[151_000] == pytest.approx(520, abs=0.1)
    assert max(readings.values()) == pytest.approx(520, abs=0.05)
    assert lumbar_n(table) == 120
    table.patient(None)
    run_for(table, 1)
    assert lumbar_n(table) == 0


def test_a_thrust_shows_every_millisecond_and_then_the_table_rests() -> None:
    table = quiet_table()
    table.advance(300)
    table.thrust(LUMBAR, peak_n=300, rise_ms=100)
    looks = {us for us, _ in events(table, 10_000_000)}
    assert {1_000 * ms for ms in range(1, 341)} <= looks
    assert max(looks) == 341_000
    assert table.next_event_us() is None


def test_a_patient_who_leaves_during_a_thrust_leaves_the_thrust() -> None:
    table = quiet_table()
    table.patient((0, 100, 0))
    table.thrust(LUMBAR, peak_n=300, rise_ms=0, preload_n=0, preload_ms=0, hold_ms=500)
    run_for(table, 100)
    table.patient(None)
    run_for(table, 1)
    assert lumbar_n(table) == 300


def test_a_new_thrust_begins_at_the_force_of_the_last() -> None:
    table = quiet_table()
    table.thrust(LUMBAR, peak_n=300, rise_ms=50, hold_ms=500)
    run_for(table, 200)
    table.thrust(LUMBAR, peak_n=600, rise_ms=100)
    run_for(table, 1)
    assert lumbar_n(table) == pytest.approx(300, abs=1)


@given(st.floats(0, 1_000), st.floats(0, 170), st.floats(0, 100), st.floats(0, 200))
def test_a_thrust_stays_between_nothing_and_its_peak_and_ends_at_nothing(
    peak_n: float, rise_ms: float, lean_ms: float, release_ms: float
) -> None:
    shape = ThrustShape(peak_n, rise_ms, min(50.0, peak_n), lean_ms, 5.0, release_ms)
    thrust = shape.begun(1_000, 0.0)
    forces = [thrust.at(us) for us in range(0, thrust.ends_us + 2_000, 317)]
    assert all(-1e-9 <= force <= peak_n + 1e-9 for force in forces)
    assert thrust.at(999) == 0
    assert thrust.at(thrust.ends_us) == 0
    assert thrust.at(thrust.knots_us[2]) == pytest.approx(peak_n)


@pytest.mark.parametrize("noise_n", [2.0, 5.0])
def test_the_noise_has_the_sigma_that_was_asked_for_and_no_outliers(noise_n: float) -> None:
    table = Mechanics(
        MechanicsSettings.alike(SectionSettings(load_noise_n=noise_n, truth=NOMINAL), NO_BOUNCE),
        seed=5,
    )
    table.advance(1_500_000)
    forces = [newton(raw) for raw in table.window(LUMBAR, 0, 1_500_000, 1_000)]
    assert fmean(forces) == pytest.approx(0, abs=noise_n / 8)
    assert pstdev(forces) == pytest.approx(noise_n, rel=0.1)
    assert max(map(abs, forces)) <= 3.5 * noise_n
    assert len(set(forces)) > 100


def test_each_cell_and_seed_has_noise_of_its_own() -> None:
    def noise(seed: int, section: int) -> list[float]:
        cell = LoadCell(NOMINAL, 1.0, noise_key(seed, section))
        return [cell.noise(sample) for sample in range(50)]

    cells = [tuple(noise(seed, section)) for seed in (0, 1, 2, 2**40) for section in range(3)]
    assert len(set(cells)) == len(cells)
    assert noise(1, 2) == noise(1, 2)


def test_the_cell_saturates_at_both_ends() -> None:
    cell = LoadCell(NOMINAL, 3.0, 0)
    assert cell.raw(5_000, 0) == RAW_MAX
    assert cell.raw(-5_000, 0) == 0


def test_looking_back_shows_what_was_read_at_the_time() -> None:
    table = Mechanics(seed=11)
    read: dict[int, int | None] = {}
    table.patient((90, 120, 100))
    table.thrust(LUMBAR, peak_n=300, rise_ms=80)
    for us, sensed in events(table, 700_000):
        read[sensed.sections[LUMBAR].load_us] = sensed.sections[LUMBAR].load_raw
        if us == 100_000:
            table.patient((0, 40, 0))
        if us == 150_000:
            table.thrust(LUMBAR, peak_n=500, rise_ms=90)
    back = table.window(LUMBAR, 0, 700_000, 1_000)
    assert len(read) > 400
    assert all(back[us // 1_000] == raw for us, raw in read.items())


def test_looking_back_reaches_a_second_and_a_half_however_often_the_load_changed() -> None:
    table = quiet_table()
    read: list[int | None] = []
    for load_n in range(40):
        table.patient((0, load_n * 10, 0))
        for _ in range(100):
            table.advance(table.now_us + 1_000)
            read.append(table.inputs().sections[LUMBAR].load_raw)
    assert table.window(LUMBAR, 2_500_000, 4_000_001, 1_000) == read[2_499:]


def test_a_sample_is_the_newest_at_or_before_its_moment() -> None:
    table = Mechanics(seed=11)
    table.advance(10_999)
    sensed = table.inputs().sections[LUMBAR]
    assert sensed.load_us == 10_000
    assert table.window(LUMBAR, 10_000, 11_000, 333) == [sensed.load_raw] * 4
    assert table.window(LUMBAR, 10_000, 10_000, 1_000) == []


def test_there_are_no_samples_of_the_future_the_far_past_or_before_the_start() -> None:
    table = Mechanics(seed=1, start_us=5_000_000)
    assert table.window(0, 4_998_000, 5_003_000, 1_000)[:2] == [None, None]
    assert table.window(0, 4_998_000, 5_003_000, 1_000)[2] is not None
    assert table.window(0, 4_998_000, 5_003_000, 1_000)[3:] == [None, None]
    table.advance(9_000_000)
    assert table.window(0, 7_499_000, 7_502_000, 1_000)[0] is None
    assert None not in table.window(0, 7_500_000, 9_000_001, 1_000)
