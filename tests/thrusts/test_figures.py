"""Curves whose figures can be told with a pencil."""

import math
from collections.abc import Callable
from dataclasses import fields
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.thrusts.figures import THRUST_MIN_N, Thrust, thrust_of

EDGE = 256
TOTAL = 512
REST_N = 180.0

Shape = Callable[[float], float]
"""How far a rise has come, 0 to 1, at each part of its time."""


def straight(part: float) -> float:
    return part


def smooth(part: float) -> float:
    """Half a wave: slow at both ends, as a hand is."""
    return (1 - math.cos(math.pi * part)) / 2


def trace(
    *,
    preload_n: float = 50.0,
    peak_n: float = 450.0,
    rise_ms: int = 120,
    begins: int = 150,
    shape: Shape = straight,
    rest_n: float = REST_N,
    lets_go: bool = False,
) -> list[int | None]:
    """A thrust that leans in, rises, and stays at its peak, or `lets_go` as fast as it rose."""
    forces_n = []
    for at in range(TOTAL):
        part = min(max((at - begins) / rise_ms, 0.0), 1.0)
        if lets_go and at > begins + rise_ms:
            part = max(2 - (at - begins) / rise_ms, 0.0)
        forces_n.append(preload_n + (peak_n - preload_n) * shape(part))
    return [round(10 * (force_n + rest_n)) for force_n in forces_n]


def figures(samples_dn: list[int | None], *, fall_ms: float = 45.0) -> Thrust:
    return thrust_of(samples_dn, edge=EDGE, fall_ms=fall_ms, rest_n=REST_N)


def test_a_straight_rise() -> None:
    thrust = figures(trace())
    assert thrust.preload_n == pytest.approx(50, abs=0.1)
    assert thrust.peak_n == 450
    assert thrust.release_n == pytest.approx(REST_N + 50 + 400 * (EDGE - 150) / 120, abs=0.1)
    assert thrust.time_to_peak_ms == pytest.approx(120, abs=5)
    assert thrust.mean_rate_n_per_ms == pytest.approx(400 / 120, rel=0.04)
    assert thrust.peak_rate_n_per_ms == pytest.approx(400 / 120, rel=0.01)
    assert thrust.impulse_n_s == pytest.approx((50 + 450) / 2 * 0.120, rel=0.02)


def test_a_smooth_rise_is_steepest_in_its_middle() -> None:
    thrust = figures(trace(shape=smooth))
    assert thrust.preload_n == pytest.approx(50, abs=2)
    assert thrust.time_to_peak_ms == pytest.approx(120, rel=0.05)
    assert thrust.peak_rate_n_per_ms == pytest.approx(400 / 120 * math.pi / 2, rel=0.01)
    assert thrust.impulse_n_s == pytest.approx((50 + 450) / 2 * 0.120, rel=0.02)


@pytest.mark.parametrize("rise_ms", [80, 100, 120, 150, 170])
@pytest.mark.parametrize("peak_n", [200.0, 600.0, 1000.0])
def test_within_all_that_practitioners_do(rise_ms: int, peak_n: float) -> None:
    begins = 276 - rise_ms
    noisy = Random(rise_ms)
    samples = trace(rise_ms=rise_ms, peak_n=peak_n, begins=begins, shape=smooth, lets_go=True)
    thrust = figures([round(each + noisy.gauss(0, 5)) for each in samples if each is not None])
    assert thrust.preload_n == pytest.approx(50, abs=4)
    assert thrust.peak_n == pytest.approx(peak_n, abs=3)
    assert thrust.time_to_peak_ms == pytest.approx(rise_ms, abs=0.12 * rise_ms)
    assert thrust.mean_rate_n_per_ms == pytest.approx((peak_n - 50) / rise_ms, rel=0.12)
    assert thrust.impulse_n_s == pytest.approx((peak_n + 50) / 2000 * rise_ms, rel=0.12)


def test_forces_are_those_of_the_hand_whoever_lies_there() -> None:
    light = thrust_of(trace(rest_n=0), edge=EDGE, fall_ms=45, rest_n=0)
    heavy = thrust_of(trace(rest_n=400), edge=EDGE, fall_ms=45, rest_n=400)
    assert heavy.release_n == pytest.approx((light.release_n or 0) + 400, abs=0.11)
    for field in fields(Thrust):
        if field.name != "release_n":
            assert getattr(light, field.name) == getattr(heavy, field.name), field.name


def test_the_peak_is_looked_for_until_the_section_is_down_and_no_longer() -> None:
    samples = trace(peak_n=450)
    samples[EDGE + 45] = round(10 * (REST_N + 700))
    samples[EDGE + 46] = round(10 * (REST_N + 900))
    assert figures(samples, fall_ms=45).peak_n == 700
    assert figures(samples, fall_ms=46).peak_n == 900
    assert figures(samples, fall_ms=44).peak_n == 450


def test_the_peak_is_looked_for_from_200_ms_before_the_edge() -> None:
    samples = trace()
    samples[EDGE - 200] = round(10 * (REST_N + 800))
    samples[EDGE - 201] = round(10 * (REST_N + 900))
    assert figures(samples).peak_n == 800


def test_the_first_of_two_equal_peaks_is_the_peak() -> None:
    assert figures(trace(rise_ms=80, begins=170)).time_to_peak_ms == pytest.approx(80, abs=5)


@pytest.mark.parametrize(("above_n", "is_thrust"), [(19.5, False), (20.5, True)])
def test_a_patient_that_moves_is_no_thrust(above_n: float, is_thrust: bool) -> None:
    assert THRUST_MIN_N == 20
    thrust = figures(trace(preload_n=50, peak_n=50 + above_n))
    assert thrust.peak_n == pytest.approx(50 + above_n, abs=0.1)
    assert (thrust.preload_n is not None) is is_thrust


def test_a_load_that_never_changes_has_a_peak_and_nothing_else() -> None:
    load: list[int | None] = [2_300] * TOTAL
    assert figures(load) == Thrust(peak_n=50, release_n=230)


@pytest.mark.parametrize("missing", [EDGE - 200, EDGE - 1, EDGE + 45])
def test_a_gap_where_the_peak_could_be_leaves_only_the_release(missing: int) -> None:
    samples = trace()
    samples[missing] = None
    whole = figures(trace())
    assert figures(samples) == Thrust(release_n=whole.release_n)


def test_a_gap_at_the_edge_leaves_nothing() -> None:
    samples = trace()
    samples[EDGE] = None
    assert figures(samples) == Thrust()


def test_a_gap_after_the_fall_does_not_matter() -> None:
    samples = trace()
    samples[EDGE + 60 :] = [None] * (TOTAL - EDGE - 60)
    assert figures(samples) == figures(trace())


def test_a_trace_that_begins_within_the_thrust_tells_no_onset() -> None:
    samples = trace(begins=20, rise_ms=170)
    samples[:50] = [None] * 50
    thrust = figures(samples)
    assert thrust.peak_n == 450
    assert thrust.preload_n is None
    assert thrust.time_to_peak_ms is None


def test_an_edge_outside_the_trace_is_an_error() -> None:
    for edge in (-1, TOTAL):
        with pytest.raises(ValueError, match="edge"):
            thrust_of(trace(), edge=edge, fall_ms=45, rest_n=0)


@given(
    st.lists(st.none() | st.integers(-32_767, 32_767), min_size=1, max_size=TOTAL),
    st.floats(0, 400),
    st.floats(-100, 2_000),
    st.data(),
)
def test_whatever_a_board_sends_is_judged_without_an_error(
    samples: list[int | None], fall_ms: float, rest_n: float, data: st.DataObject
) -> None:
    edge = data.draw(st.integers(0, len(samples) - 1))
    thrust = thrust_of(samples, edge=edge, fall_ms=fall_ms, rest_n=rest_n)
    if thrust.preload_n is not None:
        assert thrust.time_to_peak_ms is not None
        assert thrust.time_to_peak_ms > 0
        assert thrust.peak_rate_n_per_ms is not None
        assert thrust.mean_rate_n_per_ms is not None
