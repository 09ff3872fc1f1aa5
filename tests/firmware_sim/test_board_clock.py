"""A board's clock beside the table's."""

from hypothesis import given
from hypothesis import strategies as st

from droptable.link.messages import Boot, Hello, Status
from firmware_sim.board_clock import BoardClock, TimedTable
from firmware_sim.mechanics import Mechanics
from tests.firmware_sim.board_bench import PELVIC, Bench

MOMENTS = st.integers(0, 10**13)
PPM = st.integers(-20_000, 20_000)


@given(MOMENTS, PPM, st.integers(0, 10**12))
def test_the_first_moment_at_which_it_shows_a_time_is_the_first(
    began_us: int, ppm: int, board_us: int
) -> None:
    clock = BoardClock(began_us, ppm=ppm)
    first_us = clock.first_us(board_us)
    assert clock.shows(first_us) >= board_us
    assert clock.shows(first_us - 1) < board_us


@given(MOMENTS, PPM, PPM, st.integers(0, 10**10))
def test_a_change_of_its_speed_is_no_jump(
    began_us: int, ppm: int, then_ppm: int, later_us: int
) -> None:
    clock = BoardClock(began_us, ppm=ppm)
    at_us = began_us + later_us
    assert clock.running(at_us, then_ppm).shows(at_us) == clock.shows(at_us)


def test_two_percent_are_two_percent() -> None:
    assert BoardClock(0, ppm=20_000).shows(1_000_000) == 1_020_000
    assert BoardClock(0, ppm=-20_000).shows(1_000_000) == 980_000


def test_a_reset_begins_at_0_and_has_no_samples_of_the_boot_before() -> None:
    bench = Bench()
    at_us = bench.now_us
    bench.host.hear(bench.board.reset(4))
    boot = bench.host.of(Boot)[-1]
    assert (boot.boot_id, boot.reset_cause) == (6, 4)
    seen = len(bench.host.of(Status))
    bench.host.session += 1
    bench.host.say(at_us + 3_000, Hello())
    bench.live(50)
    first = bench.host.of(Status)[seen]
    assert 3_000 <= first.board_us < 60_000
    view = TimedTable(bench.table)
    assert view.window(PELVIC, -2_000, 1_000, 1_000)[:2] == [None, None]


def test_without_an_id_each_boot_has_another() -> None:
    bench = Bench()
    for _ in range(3):
        bench.host.hear(bench.board.reset(3))
    assert [boot.boot_id for boot in bench.host.of(Boot)][-3:] == [6, 7, 8]


def test_a_table_that_started_before_its_board_is_seen_on_the_boards_clock() -> None:
    table = Mechanics(seed=1, start_us=5_000_000)
    table.advance(5_500_000)
    view = TimedTable(table)
    assert view.inputs().sections[0].load_us == 0
    assert view.inputs() is view.inputs()
    table.advance(5_502_500)
    assert view.inputs().sections[0].load_us == 2_000
    assert view.window(0, 0, 3_000, 1_000) == table.window(0, 5_500_000, 5_503_000, 1_000)
