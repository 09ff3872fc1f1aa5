"""Even motion, told to the microsecond."""

from hypothesis import example, given
from hypothesis import strategies as st

from firmware_sim.plant.motion import Ramp

FROM_US = 1_000
PLACES = st.floats(0, 60_000)
SPEEDS = st.floats(1, 150_000)


@given(PLACES, PLACES, SPEEDS)
@example(0.0, 19_000.0, 100_000.0)
@example(0.0, 1.0, 40.0)
def test_it_is_on_its_way_until_it_arrives_and_rests_from_then_on(
    start: float, end: float, speed: float
) -> None:
    ramp = Ramp(FROM_US, start, end, speed)
    low, high = min(start, end), max(start, end)
    assert ramp.at(FROM_US) == start
    assert ramp.at(ramp.arrives_us) == ramp.at(ramp.arrives_us + 10**9) == end
    assert ramp.pace_at(ramp.arrives_us) == 0
    if start != end:
        assert ramp.at(ramp.arrives_us - 1) != end
        assert low <= ramp.at((FROM_US + ramp.arrives_us) // 2) <= high
        assert abs(ramp.arrives_us - FROM_US - (high - low) * 1e6 / speed) < 1.01


@given(PLACES, PLACES, SPEEDS, st.floats(0, 1))
@example(0.0, 1.0, 40.0, 0.5)
@example(0.0, 1.0, 40.0, 0.9)
def test_a_crossing_is_the_first_microsecond_at_which_it_has_happened(
    start: float, end: float, speed: float, share: float
) -> None:
    ramp = Ramp(FROM_US, start, end, speed)
    mark = start + (end - start) * share
    now_us = FROM_US
    while (due_us := ramp.next_crossing_us((mark,), now_us)) is not None:
        assert due_us > now_us
        for quiet_us in (now_us + 1, (now_us + due_us) // 2, due_us - 1):
            # Nothing is missed: between two crossings it stays on one side of the mark, or on it.
            if now_us < quiet_us < due_us:
                assert side(ramp.at(quiet_us), mark) == side(ramp.at(due_us - 1), mark)
                assert (ramp.at(quiet_us) >= mark) == (ramp.at(now_us) >= mark)
                assert (ramp.at(quiet_us) <= mark) == (ramp.at(now_us) <= mark)
        now_us = due_us
    assert now_us == ramp.arrives_us or start == end


def side(place: float, mark: float) -> int:
    return (place > mark) - (place < mark)


@given(PLACES, PLACES, SPEEDS, st.integers(0, 10**6))
def test_to_be_sent_the_same_way_again_changes_nothing(
    start: float, end: float, speed: float, later_us: int
) -> None:
    ramp = Ramp(FROM_US, start, end, speed)
    assert ramp.toward(end, speed, FROM_US + later_us) is ramp


@given(PLACES, PLACES, PLACES, SPEEDS, st.integers(0, 10**6))
def test_to_be_sent_elsewhere_or_stopped_goes_on_from_where_it_is(
    start: float, end: float, other: float, speed: float, later_us: int
) -> None:
    ramp = Ramp(FROM_US, start, end, speed)
    now_us = FROM_US + later_us
    here = ramp.at(now_us)
    assert ramp.toward(other, speed, now_us).at(now_us) == here
    assert ramp.stopped(now_us).at(now_us + 10**9) == here
