"""Rows of the contract that are easy to get wrong, and what the search of the board has found."""

from dataclasses import replace

import pytest

from droptable.board.event_buffer import CAPACITY
from droptable.board.model import TABLE, Beat, Code, Command, Fault, Kind, Phase, Stop, Verb
from tests.board.bench import (
    DEBOUNCE_US,
    MS,
    PELVIC,
    PIN_TIMEOUT_US,
    SETTLE_US,
    Bench,
    S,
    everywhere,
    params,
)

# A fall that begins where none is expected


@pytest.mark.parametrize("phase", [Phase.COCKING, Phase.LOWERING])
def test_a_fall_begun_in_motion_is_a_drop_and_then_a_fault(phase: Phase) -> None:
    bench = Bench().to(phase).pin_out(PELVIC)
    if phase is Phase.COCKING:
        bench.show(PELVIC, down=False).wait(100 * MS).show(PELVIC, up=True).wait(DEBOUNCE_US)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(40 * MS).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert bench.told()[-2:] == [Kind.DROP, Kind.FAULT]
    assert (bench.event(Kind.DROP).board_us, bench.event(Kind.DROP).a) == (left_us, 40 * MS)
    assert bench.fault() is Fault.UNCOMMANDED_DROP
    assert bench.all_off


def test_a_fall_begun_in_securing_is_a_drop_and_no_fault() -> None:
    bench = Bench().to(Phase.ARMED)
    bench.ask(Verb.DISARM, PELVIC)
    bench.break_away(PELVIC).land(PELVIC)
    assert bench.phase() is Phase.DROPPED
    assert Kind.FAULT not in bench.told()
    assert bench.told().count(Kind.DROP) == 1


# STOP


def test_a_stop_during_a_fall_lets_the_pin_go_and_the_drop_is_told() -> None:
    bench = Bench().to(Phase.DROPPING)
    assert bench.drives() == "pin"
    bench.stop()
    assert bench.all_off
    bench.land(PELVIC)
    assert bench.told()[-1] is Kind.DROP
    assert bench.phase() is Phase.DROPPED


def test_a_stop_and_its_reset_clear_no_fault() -> None:
    bench = Bench().to(Phase.FAULT)
    cause = bench.fault()
    bench.stop().beat(hold=False)
    assert bench.ask(Verb.RESET_STOP, TABLE) is Code.OK
    assert (bench.phase(), bench.fault()) == (Phase.FAULT, cause)
    assert Kind.FAULT_CLEARED not in bench.told()


# The last free event places, and what comes twice


@pytest.mark.parametrize(("free", "code"), [(8, Code.OK), (7, Code.BUSY)])
def test_an_arming_leaves_no_fewer_than_eight_places_to_tell_of_it(free: int, code: Code) -> None:
    bench = Bench().to(Phase.COCKED)
    events = bench.state.events
    while events.free > free:
        events = events.add(Kind.PEDAL, bench.now_us, TABLE)
    bench.state = replace(bench.state, events=events)
    assert bench.ask(Verb.ARM, PELVIC, 5_000) is code


def test_the_last_place_goes_to_whatever_comes_first_and_a_drop_still_has_one() -> None:
    bench = Bench().to(Phase.DROPPING)
    events = bench.state.events
    while events.free > 1:
        events = events.add(Kind.PEDAL, bench.now_us, TABLE)
    bench.state = replace(bench.state, events=events)
    bench.stop()
    assert bench.state.events.free == 0
    bench.land(PELVIC)
    assert bench.told()[-2:] == [Kind.STOPPED, Kind.DROP]
    assert len(bench.state.events.kept) == CAPACITY + 1


def test_a_beat_of_a_dead_session_brings_nothing_back() -> None:
    bench = Bench().to(Phase.ARMED).lose()
    bench.tick(Beat(True, True))
    assert not bench.state.lease
    assert not bench.state.host_live
    assert bench.all_off


def test_a_command_that_is_played_again_after_its_motion_moves_nothing() -> None:
    bench = Bench().to(Phase.LOCKED)
    ask = Command(900, Verb.COCK, PELVIC, Phase.LOCKED, 250, 0, 0)
    assert bench.command(ask).code is Code.OK
    bench.beat(hold=False).beat(hold=True)
    assert bench.phase() is Phase.HALTED
    assert bench.command(ask).code is Code.OK
    assert bench.phase() is Phase.HALTED
    assert bench.all_off


# What the search has found


def quick(bench: Bench) -> Bench:
    """A section that the valve lets down within the second in which a fall might have ended."""
    bench.lock(PELVIC).pin_out(PELVIC).show(PELVIC, up=False).wait(400 * MS)
    bench.show(PELVIC, down=True).wait(DEBOUNCE_US + SETTLE_US).secure(PELVIC)
    assert bench.phase() is Phase.LOCKED
    return bench.cock(PELVIC)


def test_the_way_down_before_a_cocking_that_a_stop_ends_is_no_drop() -> None:
    bench = quick(Bench().to(Phase.COCKED))
    bench.stop().wait(S)
    assert bench.phase() is Phase.UNKNOWN
    assert Kind.DROP not in bench.told()


def test_the_way_down_before_a_pin_that_sticks_is_no_drop() -> None:
    bench = quick(Bench().to(Phase.COCKED)).wait(PIN_TIMEOUT_US)
    assert bench.fault() is Fault.PIN_STUCK_IN
    assert Kind.DROP not in bench.told()


def test_a_fall_from_between_after_a_halted_lowering_has_no_up_edge() -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(300 * MS)
    bench.beat(hold=False).beat(hold=True).cock(PELVIC).wait(100 * MS)
    down_us = bench.now_us
    bench.show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert (bench.event(Kind.DROP).board_us, bench.event(Kind.DROP).a) == (down_us, 0)


def test_a_fall_that_ends_with_the_command_to_cock_is_told() -> None:
    bench = Bench(stored=params(everywhere(6, 0))).to(Phase.COCKING).pin_out(PELVIC)
    bench.show(PELVIC, down=False).wait(100 * MS).show(PELVIC, up=True)
    bench.beat(hold=False).beat(hold=True)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(40 * MS)
    assert bench.phase() is Phase.HALTED
    bench.contacts[PELVIC].down = True
    assert bench.ask(Verb.COCK, PELVIC) is Code.OK
    assert (bench.event(Kind.DROP).board_us, bench.event(Kind.DROP).a) == (left_us, 40 * MS)
    assert bench.fault() is Fault.UNCOMMANDED_DROP


@pytest.mark.parametrize("end", ["release", "stop", "release, then stop"])
def test_a_fall_from_a_top_that_was_not_yet_believed_is_told(end: str) -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(300 * MS)
    bench.show(PELVIC, up=True).wait(DEBOUNCE_US - 1)
    if "release" in end:
        bench.beat(hold=False)
    if "stop" in end:
        bench.tick(Stop(bench.new_id(), answer=True))
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(40 * MS).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert (bench.event(Kind.DROP).board_us, bench.event(Kind.DROP).a) == (left_us, 40 * MS)
    assert len(bench.events(Kind.DROP)) == 1


def test_a_top_touched_again_after_a_short_way_down_is_where_the_fall_began() -> None:
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, up=False).wait(10 * MS)
    bench.beat(hold=False).beat(hold=True).cock(PELVIC).wait(200 * MS).show(PELVIC, up=True)
    bench.wait(DEBOUNCE_US - 1)
    left_us = bench.now_us
    bench.show(PELVIC, up=False).wait(40 * MS).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert (bench.event(Kind.DROP).board_us, bench.event(Kind.DROP).a) == (left_us, 40 * MS)


@pytest.mark.parametrize(("took_us", "fell"), [(150 * MS, True), (150_001, False)])
def test_a_touch_of_the_top_long_before_the_bottom_is_no_fall(took_us: int, fell: bool) -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).show(PELVIC, down=False).wait(300 * MS)
    bench.beat(hold=False).show(PELVIC, up=True).wait(MS).show(PELVIC, up=False)
    bench.wait(took_us).show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert (Kind.DROP in bench.told()) is fell
    assert (bench.fault() is Fault.UNCOMMANDED_DROP) is fell


def test_a_spike_while_a_section_is_lowered_is_no_fall() -> None:
    bench = Bench().to(Phase.HALTED).lock(PELVIC).wait(100 * MS)
    bench.show(PELVIC, up=True).wait(MS).show(PELVIC, up=False).wait(50 * MS)
    bench.show(PELVIC, down=True).wait(DEBOUNCE_US)
    assert bench.phase() is Phase.LOWERING
    assert Kind.DROP not in bench.told()
