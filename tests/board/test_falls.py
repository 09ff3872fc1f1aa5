"""No drop is lost, none is invented, and each is timed by its raw edges, in whatever phase it falls."""

from dataclasses import replace

import pytest

from droptable.board.event_buffer import CAPACITY, DROP_PLACES
from droptable.board.model import NOTHING, TABLE, Code, Event, Fault, Kind, Phase, Verb
from tests.board.bench import (
    DEBOUNCE_US,
    DROP_TIMEOUT_US,
    MS,
    PELVIC,
    SETTLE_US,
    THORACIC,
    Bench,
    S,
    everywhere,
    params,
)


def fall(bench: Bench, took_us: int) -> int:
    """A section that is at the top is at the bottom `took_us` later; when it left."""
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(took_us).show(PELVIC, down=True).wait(DEBOUNCE_US)
    return left_us


def drop(bench: Bench) -> Event:
    (event,) = bench.events(Kind.DROP)
    return event


# The DROP of a thrust


def test_a_drop_is_told_by_its_raw_edges() -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS)
    left_us = fall(bench, 47_321)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 47_321)
    assert drop(bench).section == PELVIC


def test_contacts_that_bounce_do_not_change_when_it_fell() -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS)
    left_us = bench.now_us
    for gap_us, contacts in (
        (0, {"up": False}),
        (700, {"up": True}),
        (900, {"up": False}),
        (DEBOUNCE_US - 1, {"up": True}),
        (200, {"up": False}),
        (40 * MS, {"down": True}),
        (1_500, {"down": False}),
        (2_500, {"down": True}),
    ):
        bench.wait(gap_us).show(PELVIC, **contacts)
    bench.wait(DEBOUNCE_US)
    took_us = bench.now_us - DEBOUNCE_US - 4_000 - left_us
    assert (drop(bench).board_us, drop(bench).a) == (left_us, took_us)
    assert bench.phase() is Phase.DROPPED


def test_an_up_switch_that_bounces_for_longer_than_the_fall_takes_loses_nothing() -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(2 * MS)
    for _ in range(12):
        bench.show(PELVIC, up=True).wait(2 * MS).show(PELVIC, up=False).wait(2 * MS)
    bench.show(PELVIC, down=True, up=True).wait(2 * MS).show(PELVIC, up=False)
    assert bench.phase() is Phase.ARMED
    bench.wait(DEBOUNCE_US)
    assert bench.phase() is Phase.DROPPED
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 50 * MS)


def test_a_pad_that_jumps_at_the_bottom_has_fallen_once() -> None:
    bench = Bench(stored=params(everywhere(6, 0))).to(Phase.ARMED)
    fall(bench, 40 * MS)
    for _ in range(4):
        bench.show(PELVIC, down=False).wait(8 * MS).show(PELVIC, down=True).wait(8 * MS)
    bench.secure(PELVIC)
    assert bench.phase() is Phase.LOCKED
    for _ in range(4):
        bench.show(PELVIC, down=False).wait(8 * MS).show(PELVIC, down=True).wait(8 * MS)
    bench.break_down(PELVIC).show(PELVIC, up=False).wait(S)
    assert bench.phase() is Phase.FAULT
    bench.show(PELVIC, down=False).wait(20 * MS).show(PELVIC, down=True).wait(S)
    assert drop(bench).a == 40 * MS


def test_without_debouncing_the_first_edge_is_the_time_of_the_fall() -> None:
    bench = Bench(stored=params(everywhere(6, 0))).to(Phase.ARMED)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(MS).show(PELVIC, up=True).wait(MS)
    fall(bench, 40 * MS)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 42 * MS)


def test_the_load_of_a_drop_is_its_peak_and_its_release() -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS)
    bench.show(PELVIC, load=9_999).wait(MS).show(PELVIC, load=600)  # too long before
    bench.wait(201 * MS)
    bench.show(PELVIC, load=4_000)
    bench.wait(30 * MS)
    bench.show(PELVIC, load=3_100)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(10 * MS).show(PELVIC, load=3_900)
    bench.wait(30_500).show(PELVIC, down=True)
    bench.wait(100).show(PELVIC, load=9_000)  # the stop, not the thrust
    bench.wait(DEBOUNCE_US)
    event = drop(bench)
    assert (event.board_us, event.a, event.b, event.c) == (left_us, 40_500, 4_000, 3_100)


@pytest.mark.parametrize(("before_us", "peak"), [(200 * MS, 7_000), (201 * MS, 500)])
def test_the_peak_is_looked_for_from_200_ms_before_the_fall(before_us: int, peak: int) -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS)
    bench.show(PELVIC, load=7_000).wait(1).show(PELVIC, load=500).wait(before_us - 1)
    fall(bench, 40 * MS)
    assert drop(bench).b == peak


def test_the_load_at_the_bottom_edge_still_belongs_to_the_fall() -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS).show(PELVIC, up=False).wait(40 * MS)
    bench.show(PELVIC, load=4_000).show(PELVIC, down=True).wait(1).show(PELVIC, load=500)
    bench.wait(DEBOUNCE_US)
    assert drop(bench).b == 4_000


@pytest.mark.parametrize(("late_us", "release"), [(10 * MS, 3_100), (11 * MS, 0)])
def test_a_converter_that_is_late_at_the_edge_has_told_the_load_before(
    late_us: int, release: int
) -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS).show(PELVIC, load=3_100).wait(1)
    bench.show(PELVIC, load=None).wait(late_us - 1).show(PELVIC, up=False).wait(40 * MS)
    bench.show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert drop(bench).c == release


def test_a_board_without_cells_tells_no_load() -> None:
    bench = Bench(features=NOTHING).to(Phase.ARMED)
    fall(bench, 40 * MS)
    assert (drop(bench).b, drop(bench).c) == (0, 0)


def test_a_load_that_no_field_holds_is_told_as_the_largest_that_it_does() -> None:
    bench = Bench(stored=params(everywhere(9, 2**31 - 1) | everywhere(10, 30_000)))
    for at in range(3):
        bench.contacts[at].load = 0
        bench.loads.say(at, 0, 0)
    bench.to(Phase.ARMED).show(PELVIC, load=2**31 - 1)
    fall(bench, 40 * MS)
    assert (drop(bench).b, drop(bench).c) == (2**31 - 1, 2**31 - 1)


# Stops during a fall


@pytest.mark.parametrize("source", ["frame", "estop", "button"])
def test_a_stop_during_a_fall_times_it_to_its_end(source: str) -> None:
    bench = Bench().to(Phase.DROPPING)
    left_us = bench.now_us - DEBOUNCE_US
    match source:
        case "frame":
            bench.stop()
        case "estop":
            bench.line(estop_open=True)
        case "button":
            bench.line(stop_button=True)
    assert bench.phase() is Phase.DROPPING
    assert bench.all_off
    bench.land(PELVIC).secure(PELVIC)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 40 * MS + DEBOUNCE_US)
    assert bench.phase() is Phase.LOCKED


def test_a_stop_between_the_raw_edge_and_its_decision_loses_no_drop() -> None:
    bench = Bench().to(Phase.ARMED).wait(300 * MS)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(MS).stop()
    assert bench.phase() is Phase.SECURING
    bench.wait(DEBOUNCE_US - MS)
    assert bench.phase() is Phase.DROPPING
    assert bench.all_off
    bench.wait(40 * MS).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 40 * MS + DEBOUNCE_US)


# Falls that nobody asked for


def test_down_again_in_cocking_is_a_drop_and_a_fault() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(400 * MS)
    bench.show(PELVIC, down=True)
    down_us = bench.now_us
    bench.wait(DEBOUNCE_US)
    assert (drop(bench).board_us, drop(bench).a) == (down_us, 0), "without an up edge"
    assert bench.fault() is Fault.UNCOMMANDED_DROP
    assert bench.told()[-2:] == [Kind.DROP, Kind.FAULT], "DROP first"
    assert bench.all_off


def test_from_the_top_in_cocking_has_an_up_edge() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(400 * MS)
    bench.show(PELVIC, up=True).wait(10 * MS)
    left_us = fall(bench, 60 * MS)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 60 * MS)
    assert bench.fault() is Fault.UNCOMMANDED_DROP


@pytest.mark.parametrize("top_us", [2 * MS, 8 * MS, 20 * MS], ids=["touched", "believed", "later"])
@pytest.mark.parametrize("bottom_us", [100, DEBOUNCE_US - 1])
def test_what_the_lift_takes_from_the_bottom_at_once_has_fallen(
    top_us: int, bottom_us: int
) -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(400 * MS)
    bench.show(PELVIC, up=True).wait(top_us)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(40 * MS).show(PELVIC, down=True)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 40 * MS)
    assert bench.fault() is Fault.UNCOMMANDED_DROP
    assert bench.all_off, "the lift does not take it up again"
    bench.wait(bottom_us).show(PELVIC, down=False).wait(30 * MS).show(PELVIC, down=True)
    bench.wait(200 * MS)
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.OK
    bench.wait(200 * MS)
    assert bench.phase() is Phase.UNKNOWN
    assert len(bench.events(Kind.DROP)) == 1, "told once"


@pytest.mark.parametrize(("took_us", "fell"), [(150 * MS, True), (150 * MS + 1, False)])
def test_a_short_touch_of_the_bottom_long_after_the_top_is_a_spike(
    took_us: int, fell: bool
) -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(400 * MS)
    bench.show(PELVIC, up=True).wait(20 * MS).show(PELVIC, up=False).wait(took_us)
    bench.show(PELVIC, down=True).wait(100).show(PELVIC, down=False)
    assert (bench.fault() is Fault.UNCOMMANDED_DROP) is fell


def test_a_bottom_that_bounces_as_it_is_left_is_no_fall() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC)
    for _ in range(3):
        bench.show(PELVIC, down=False).wait(MS).show(PELVIC, down=True).wait(MS)
    bench.show(PELVIC, down=False).wait(400 * MS)
    assert bench.phase() is Phase.COCKING
    assert bench.events(Kind.DROP) == []


def test_the_up_edge_of_an_earlier_drop_belongs_to_no_later_one() -> None:
    bench = Bench().to(Phase.DROPPED).secure(PELVIC).cock(PELVIC).pin_out(PELVIC)
    bench.show(PELVIC, down=False).wait(20 * MS).show(PELVIC, down=True)
    down_us = bench.now_us
    bench.wait(DEBOUNCE_US)
    second = bench.event(Kind.DROP)
    assert (second.board_us, second.a) == (down_us, 0)


def test_the_up_edge_of_a_slow_way_down_belongs_to_no_later_fall() -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(S)
    bench.show(PELVIC, down=True).wait(DEBOUNCE_US + SETTLE_US).secure(PELVIC)
    bench.cock(PELVIC).pin_out(PELVIC).show(PELVIC, down=False).wait(100 * MS)
    bench.show(PELVIC, down=True)
    down_us = bench.now_us
    bench.wait(DEBOUNCE_US)
    assert (drop(bench).board_us, drop(bench).a) == (down_us, 0)


def test_a_section_that_has_not_left_the_bottom_has_not_fallen() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).wait(100 * MS)
    bench.show(PELVIC, down=False).wait(MS).show(PELVIC, down=True).wait(S)
    assert bench.phase() is Phase.COCKING
    assert Kind.DROP not in bench.told()


@pytest.mark.parametrize(("took_us", "fell"), [(30 * MS, True), (150 * MS, True), (150_001, False)])
@pytest.mark.parametrize("phase", [Phase.LOWERING, Phase.HALTED])
def test_quicker_than_150_ms_is_no_lowering(phase: Phase, took_us: int, fell: bool) -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC)
    if phase is Phase.HALTED:
        bench.beat(hold=False)
    left_us = fall(bench, took_us)
    if fell:
        assert (drop(bench).board_us, drop(bench).a) == (left_us, took_us)
        assert bench.fault() is Fault.UNCOMMANDED_DROP
        assert bench.told()[-2:] == [Kind.DROP, Kind.FAULT]
    else:
        assert Kind.DROP not in bench.told()
        assert bench.phase() is phase
    assert bench.all_off or not fell


def test_the_slow_way_down_that_was_halted_at_its_end_is_no_drop() -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(S)
    bench.beat(hold=False).show(PELVIC, down=True).wait(S)
    assert bench.phase() is Phase.HALTED
    assert Kind.DROP not in bench.told()


@pytest.mark.parametrize(
    "phase", [Phase.ARMED, Phase.SECURING, Phase.COCKED, Phase.COCKING], ids=lambda p: p.name
)
def test_a_fall_that_follows_a_fault_is_timed_and_keeps_the_first_cause(phase: Phase) -> None:
    bench = Bench().to(phase).show(PELVIC, load=None).wait(200 * MS)
    cause = bench.fault()
    assert cause is not Fault.NONE
    if phase is Phase.COCKING:
        bench.show(PELVIC, down=False, pin=False, up=True).wait(100 * MS)
    left_us = fall(bench, 180 * MS)
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 180 * MS)
    assert (bench.phase(), bench.fault()) == (Phase.FAULT, cause)
    bench.show(PELVIC, down=False).wait(50 * MS).show(PELVIC, down=True).wait(S)
    assert len(bench.events(Kind.DROP)) == 1


@pytest.mark.parametrize("late_us", [1, 300 * MS])
def test_a_fall_that_was_given_up_is_recorded_when_it_ends(late_us: int) -> None:
    bench = Bench().to(Phase.DROPPING)
    left_us = bench.now_us - DEBOUNCE_US
    bench.wait(DROP_TIMEOUT_US)
    assert bench.fault() is Fault.DROP_TIMEOUT
    bench.wait(late_us).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert (drop(bench).board_us, drop(bench).a) == (
        left_us,
        DROP_TIMEOUT_US + DEBOUNCE_US + late_us,
    )
    assert bench.fault() is Fault.DROP_TIMEOUT


def test_what_comes_down_a_second_later_was_no_fall() -> None:
    bench = Bench().to(Phase.DROPPING).wait(S).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert bench.fault() is Fault.DROP_TIMEOUT
    assert Kind.DROP not in bench.told()


@pytest.mark.parametrize(("took_us", "fell"), [(150 * MS, True), (150_001, False)])
def test_a_fall_of_a_section_that_nobody_knows_is_a_drop_and_no_fault(
    took_us: int, fell: bool
) -> None:
    bench = Bench().to(Phase.UNKNOWN).show(PELVIC, down=False, up=True, pin=False).wait(S)
    left_us = fall(bench, took_us)
    told = [(event.board_us, event.a) for event in bench.events(Kind.DROP)]
    assert told == ([(left_us, took_us)] if fell else [])
    assert bench.phase() is Phase.UNKNOWN


def test_a_fall_of_a_section_that_a_stop_made_unknown_is_a_drop() -> None:
    bench = Bench().to(Phase.COCKED).show(PELVIC, up=False).wait(MS).stop()
    assert bench.phase() is Phase.UNKNOWN
    bench.wait(160 * MS).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert drop(bench).a == 161 * MS


def test_the_way_down_that_a_stop_cut_off_is_no_drop() -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(300 * MS)
    bench.stop().wait(50 * MS).show(PELVIC, down=True).wait(S)
    assert bench.phase() is Phase.UNKNOWN
    assert Kind.DROP not in bench.told()


def test_a_cocked_section_that_falls_is_in_fault_and_its_drop_is_told() -> None:
    bench = Bench().to(Phase.COCKED)
    left_us = fall(bench, 60 * MS)
    assert bench.fault() is Fault.UNCOMMANDED_DROP
    assert (drop(bench).board_us, drop(bench).a) == (left_us, 60 * MS)


def test_a_fall_that_has_ended_when_its_fault_is_raised_is_told_with_it() -> None:
    bench = Bench().to(Phase.COCKED).show(PELVIC, up=False).wait(MS).show(PELVIC, down=True)
    bench.wait(9 * MS)
    assert bench.told()[-2:] == [Kind.FAULT, Kind.DROP]
    assert drop(bench).a == MS


def test_a_board_that_slept_through_a_fall_records_it_when_it_wakes() -> None:
    bench = Bench().to(Phase.ARMED)
    bench.contacts[PELVIC].up, bench.contacts[PELVIC].down = False, True
    bench.now_us += 400 * MS
    bench.tick()
    bench.wait(DEBOUNCE_US)
    assert drop(bench).a == 0
    assert bench.phase() is Phase.DROPPED


# Room for it


def test_a_drop_takes_the_last_free_event_place() -> None:
    bench = Bench().to(Phase.ARMED)
    for _ in range(bench.state.events.free - 1):
        events = bench.state.events.add(Kind.PEDAL, bench.now_us, TABLE)
        bench.state = replace(bench.state, events=events)
    assert bench.state.events.free == 1
    bench.break_away(PELVIC).land(PELVIC)
    assert bench.event(Kind.DROP).event_seq == bench.state.events.next_seq - 1


def test_a_drop_is_kept_when_lesser_events_have_filled_every_place() -> None:
    bench = Bench().to(Phase.ARMED)
    for _ in range(CAPACITY):
        bench.line(pedal_down=True).wait(10 * MS).line(pedal_down=False)
    assert bench.state.events.free == 0
    lost = bench.state.events.lost
    bench.break_away(PELVIC).land(PELVIC)
    assert len(bench.events(Kind.DROP)) == 1
    assert bench.state.events.lost == lost
    bench.secure(PELVIC)
    assert bench.state.events.lost == lost + 1, "LOCKED found no place"
    bench.ack()
    assert bench.events()[0].kind is Kind.EVENTS_LOST
    assert bench.events()[0].a == lost + 1


def test_a_drop_without_a_place_has_no_trace_and_is_counted() -> None:
    bench = Bench().to(Phase.ARMED)
    events = bench.state.events
    for _ in range(CAPACITY + DROP_PLACES):
        events = events.add(Kind.DROP, 0, TABLE)
    bench.state = replace(bench.state, events=events)
    lost = events.lost
    bench.break_away(PELVIC).land(PELVIC)
    assert bench.state.events.lost == lost + 1
    assert bench.state.traces == ()


def test_two_sections_that_fall_together_are_two_drops() -> None:
    bench = Bench().to(Phase.COCKED)
    bench.cock(THORACIC).rise(THORACIC).secure(THORACIC)
    bench.show(PELVIC, up=False).show(THORACIC, up=False).wait(50 * MS)
    bench.show(PELVIC, down=True).show(THORACIC, down=True).wait(SETTLE_US)
    assert {event.section for event in bench.events(Kind.DROP)} == {PELVIC, THORACIC}
