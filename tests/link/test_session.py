"""What both ends of a session share: sequence windows and the age of a frame."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.link.session import (
    OFFSET_WINDOW_US,
    STALE_FRAME_MS,
    FrameAge,
    SequenceCounter,
    SequenceWindow,
    Traffic,
    clock_ms,
    signed_ms,
)

MODULUS = 1 << 32


@pytest.mark.parametrize("last", [0, 1, 32_767, 32_768, 65_534, 65_535])
def test_one_to_32767_ahead_is_accepted_and_nothing_else(last: int) -> None:
    for ahead in range(65_536):
        skipped = SequenceWindow(last).accept((last + ahead) % 65_536)
        assert skipped == (ahead - 1 if 1 <= ahead <= 32_767 else None), ahead


def test_a_refused_frame_does_not_move_the_window() -> None:
    window = SequenceWindow(last=10)
    assert window.accept(10) is None
    assert window.accept(9) is None
    assert window.accept(10 + 32_768) is None
    assert window.accept(11) == 0
    assert window.accept(11) is None
    assert window.accept(14) == 2
    assert window.accept(13) is None


def test_a_new_window_awaits_zero() -> None:
    assert SequenceWindow().accept(0) == 0
    assert SequenceWindow().accept(3) == 3


def test_counter_and_window_agree_beyond_the_wrap() -> None:
    counter, window = SequenceCounter(), SequenceWindow()
    numbers = [counter.take() for _ in range(65_538)]
    assert numbers[0] == numbers[65_536] == 0
    assert all(window.accept(number) == 0 for number in numbers)


def test_traffic_adds_up_all_reasons() -> None:
    traffic = Traffic()
    assert traffic.discarded == 0
    traffic.discards.update(["crc", "crc", "type"])  # type: ignore[list-item]
    assert traffic.discarded == 3


@given(st.integers(0, MODULUS - 1), st.integers(-(2**31), 2**31 - 1))
def test_a_difference_of_clocks_is_the_nearest_one(clock: int, difference: int) -> None:
    assert signed_ms((clock + difference) % MODULUS - clock) == difference


def test_the_clock_of_the_wire_wraps() -> None:
    assert clock_ms(1999) == 1
    assert clock_ms((MODULUS + 5) * 1000) == 5


# The age of a frame


class Line:
    """A host's clock beside a board's; `sent` is when by the board's clock, in milliseconds."""

    def __init__(self, host_ahead_ms: int = 0) -> None:
        self.age = FrameAge()
        self._host_ahead_ms = host_ahead_ms

    def arrives(self, sent_ms: int, delay_ms: int) -> int:
        host_ms = (sent_ms + self._host_ahead_ms) % MODULUS
        return self.age.of(host_ms, (sent_ms + delay_ms) * 1000)


@pytest.mark.parametrize("ahead_ms", [0, 1, -1, 2**31, MODULUS - 1, 123_456_789])
def test_the_first_frame_has_no_age_whatever_the_clocks_say(ahead_ms: int) -> None:
    assert Line(ahead_ms).arrives(5_000, delay_ms=700) == 0


@pytest.mark.parametrize("delay_ms", [0, 90, 5_000])
def test_a_constant_delay_is_invisible(delay_ms: int) -> None:
    line = Line(host_ahead_ms=777)
    assert {line.arrives(at, delay_ms) for at in range(0, 10_000, 50)} == {0}


def test_a_frame_is_as_old_as_its_delay_exceeds_the_smallest() -> None:
    line = Line()
    assert line.arrives(1000, delay_ms=30) == 0
    assert line.arrives(1050, delay_ms=10) == 0
    assert line.arrives(1100, delay_ms=40) == 30
    assert line.arrives(1150, delay_ms=161) == 151
    assert line.arrives(1320, delay_ms=10) == 0


@pytest.mark.parametrize("start_ms", [MODULUS - 2000, 2 * MODULUS - 2000, 2**31 - 2000])
@pytest.mark.parametrize("ahead_ms", [0, 1000, -1000, 2**31])
def test_the_wrap_of_either_clock_changes_nothing(start_ms: int, ahead_ms: int) -> None:
    line = Line(ahead_ms)
    ages = [line.arrives(start_ms + at, delay_ms=at // 50 % 3 * 10) for at in range(0, 6000, 50)]
    assert ages[:6] == [0, 10, 20, 0, 10, 20]
    assert ages == [0, 10, 20] * 40


def beats(seconds: int, drift: float) -> Iterator[tuple[int, int]]:
    """(host_ms, board_us) of a BEAT every 50 ms from a host whose clock runs by `drift` faster."""
    for beat in range(seconds * 20):
        board_us = 10**9 + beat * 50_000
        yield int(4_294_000_000 + beat * 50 * (1 + drift)) % MODULUS, board_us


@pytest.mark.parametrize("drift", [0.02, -0.02])
def test_clocks_two_percent_apart_never_make_a_frame_stale(drift: float) -> None:
    age = FrameAge()
    oldest = max(age.of(host_ms, board_us) for host_ms, board_us in beats(3600, drift))
    assert oldest <= 41
    assert oldest <= STALE_FRAME_MS


def test_drift_does_not_hide_a_delay_that_comes_on_top() -> None:
    age = FrameAge()
    for host_ms, board_us in beats(60, -0.02):
        age.of(host_ms, board_us)
    assert age.of(host_ms, board_us + 200_000) >= 200


def test_the_smallest_difference_counts_for_two_seconds_and_no_longer() -> None:
    for after_us, age_ms in ((OFFSET_WINDOW_US, 300), (OFFSET_WINDOW_US + 1, 0)):
        age = FrameAge()
        age.of(0, 0)
        assert age.of(clock_ms(after_us) - 300, after_us) == age_ms


def test_a_flood_of_frames_keeps_the_smallest() -> None:
    age = FrameAge()
    age.of(0, 0)
    for frame in range(1, 1000):
        # Each a millisecond later than it should be.
        assert age.of(frame, frame * 2000) == frame
        assert len(age._samples) <= 128
    assert age.of(0, 1_999_000) == 1999


SEND_GAPS_AND_DELAYS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 600)), min_size=1, max_size=100
)


@given(SEND_GAPS_AND_DELAYS, st.integers(0, MODULUS - 1), st.integers(0, MODULUS))
def test_the_age_is_the_one_of_the_contract(
    parts: list[tuple[int, int]], ahead_ms: int, start_ms: int
) -> None:
    """Against all samples of the window, looked through one by one."""
    age, sent_ms, now_ms = FrameAge(), start_ms, start_ms
    delays: list[tuple[int, int]] = []
    for gap_ms, delay_ms in parts:
        sent_ms += gap_ms
        now_ms = max(now_ms, sent_ms + delay_ms)
        delays.append((now_ms, now_ms - sent_ms))
        smallest = min(delay for at, delay in delays if now_ms - at <= 2000)
        host_ms = (sent_ms + ahead_ms) % MODULUS
        assert age.of(host_ms, now_ms * 1000 + 999) == now_ms - sent_ms - smallest


@given(st.lists(st.tuples(st.integers(0, MODULUS - 1), st.integers(0, 10**6)), max_size=50))
def test_no_clock_makes_a_frame_younger_than_new(frames: list[tuple[int, int]]) -> None:
    age, now_us = FrameAge(), 0
    for host_ms, gap_us in frames:
        now_us += gap_us
        assert age.of(host_ms, now_us) >= 0


def test_a_clock_that_jumps_by_half_its_range_is_never_negative() -> None:
    age = FrameAge()
    ages = [age.of(-difference % MODULUS, 0) for difference in (0, 0x7FFF_FFFF, 0xFFFF_FFFE)]
    assert min(ages) >= 0


def test_noise_of_delays_never_exceeds_the_noise() -> None:
    dice = random.Random(7)
    line = Line(4_000_000_000)
    for at in range(0, 600_000, 50):
        assert line.arrives(at, dice.randrange(45)) <= 44
