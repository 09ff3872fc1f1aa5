"""What a board tells unasked: STATUS in time and at each change, events once and again until acked."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from droptable.board.event_buffer import CAPACITY, RESEND_EVERY_US
from droptable.board.model import (
    NOTHING,
    TABLE,
    Answer,
    Beat,
    Code,
    Event,
    Fault,
    Feature,
    Flag,
    Kind,
    Opened,
    Phase,
    Status,
    Verb,
)
from tests.board.bench import (
    AIR_MIN_KPA,
    DEBOUNCE_US,
    EVERYTHING,
    MS,
    PELVIC,
    SUPPLY_MIN_MV,
    TENSION_DN,
    Bench,
    S,
    everywhere,
    params,
)


def sent(bench: Bench, since: int) -> list[Event]:
    return [answer for answer in bench.answers[since:] if isinstance(answer, Event)]


# STATUS


def test_before_the_first_session_nobody_is_told_anything() -> None:
    bench = Bench().wait(S).line(estop_open=True)
    assert bench.answers == []


@pytest.mark.parametrize("alive", [True, False])
def test_a_status_comes_every_20_ms_whether_the_session_lives_or_not(alive: bool) -> None:
    bench = Bench().open()
    if not alive:
        bench.lose()
    bench.wait(5 * MS)
    before = len(bench.statuses())
    bench.wait(S)
    times = [status.board_us for status in bench.statuses()[before - 1 :]]
    assert {later - earlier for earlier, later in pairwise(times)} == {20 * MS}


def test_a_change_of_phase_is_told_at_once() -> None:
    bench = Bench().to(Phase.LOCKED).wait(7 * MS)
    changes: tuple[Callable[[Bench], Bench], ...] = (
        lambda bench: bench.cock(PELVIC),
        lambda bench: bench.beat(hold=False),
        Bench.beat,
        Bench.stop,
        lambda bench: bench.line(estop_open=True),
    )
    for change in changes:
        change(bench.wait(3 * MS))
        assert bench.statuses()[-1].board_us == bench.now_us


def test_a_fault_is_told_at_once() -> None:
    bench = Bench().to(Phase.COCKED).wait(15 * MS).show(PELVIC, pin=False).wait(10 * MS)
    status = bench.statuses()[-1]
    assert status.board_us == bench.now_us
    assert (status.sections[PELVIC].phase, status.sections[PELVIC].fault) == (
        Phase.FAULT,
        Fault.PIN_STUCK_OUT,
    )


def test_another_fault_in_the_same_phase_is_told_at_once() -> None:
    bench = Bench().to(Phase.COCKED).wait(6 * S).show(PELVIC, up=False).wait(10 * MS)
    assert bench.fault() is Fault.UNCOMMANDED_DROP
    bench.show(PELVIC, tension=0).wait(27 * MS)
    assert bench.ask(Verb.CLEAR_FAULT, PELVIC) is Code.OK
    status = bench.statuses()[-1]
    assert (status.board_us, status.sections[PELVIC].fault) == (bench.now_us, Fault.TENSION)


def test_a_load_that_changes_is_no_news() -> None:
    bench = Bench().to(Phase.LOCKED).wait(25 * MS)
    before = len(bench.statuses())
    bench.show(PELVIC, load=800).line(supply_mv=23_000)
    assert len(bench.statuses()) == before


def test_no_two_statuses_carry_one_time_and_the_second_news_waits_a_microsecond() -> None:
    bench = Bench().to(Phase.LOCKED).wait(7 * MS)
    bench.cock(PELVIC).beat(hold=False).beat()
    times = [status.board_us for status in bench.statuses()]
    assert times[-1] == bench.now_us
    assert bench.wake_us == bench.now_us + 1
    bench.wait(1)
    assert bench.statuses()[-1].sections[PELVIC].phase == Phase.HALTED
    times = [status.board_us for status in bench.statuses()]
    assert len(times) == len(set(times))


def test_a_board_at_rest_wants_to_be_called_for_its_statuses_alone() -> None:
    bench = Bench().to(Phase.LOCKED).ack().wait(10 * S)
    for _ in range(100):
        assert bench.wake_us == bench.statuses()[-1].board_us + 20 * MS
        bench.until(bench.wake_us)
    assert Bench().wait(S).wake_us is None, "nobody to tell, and nothing to wait for"


def test_a_new_session_is_told_at_once() -> None:
    bench = Bench().open().wait(7 * MS)
    (status,) = (one for one in bench.tick(Opened()) if isinstance(one, Status))
    assert status.flags == Flag.SESSION_ALIVE


def test_results_come_before_status_before_events() -> None:
    bench = Bench().to(Phase.COCKED).wait(7 * MS)
    bench.ask(Verb.ARM, PELVIC, 5_000)
    answers: list[Answer] = bench.answers[-3:]
    assert [type(answer).__name__ for answer in answers] == ["Result", "Status", "Event"]


def test_a_status_shows_switches_outputs_load_and_tension() -> None:
    bench = Bench().to(Phase.COCKING).show(PELVIC, load=-32_769, tension=TENSION_DN - 1)
    bench.wait(20 * MS)
    pelvic = bench.statuses()[-1].sections[PELVIC]
    assert (pelvic.inputs, pelvic.outputs) == (0b1110, 0b010)
    assert (pelvic.load_dn, pelvic.tension_dn) == (-32_768, TENSION_DN - 1)
    bench.pin_out(PELVIC).show(PELVIC, down=False, load=32_768, tension=70_000).wait(20 * MS)
    pelvic = bench.statuses()[-1].sections[PELVIC]
    assert (pelvic.inputs, pelvic.outputs) == (0b1000, 0b011)
    assert (pelvic.load_dn, pelvic.tension_dn) == (32_767, 65_535)
    bench = Bench().to(Phase.LOWERING).pin_out(PELVIC).show(PELVIC, tension=-1).wait(20 * MS)
    pelvic = bench.statuses()[-1].sections[PELVIC]
    assert (pelvic.inputs, pelvic.outputs, pelvic.tension_dn) == (0b1001, 0b110, 0)


def test_switches_are_shown_debounced() -> None:
    bench = Bench().to(Phase.LOCKED).wait(18 * MS).show(PELVIC, pin=False).wait(2 * MS)
    assert bench.statuses()[-1].sections[PELVIC].inputs & 0b100
    bench.wait(DEBOUNCE_US + 20 * MS)
    assert not bench.statuses()[-1].sections[PELVIC].inputs & 0b100


@pytest.mark.parametrize("contacts", [{"load": None}, {"load_us": 0}])
def test_a_load_that_is_not_known_is_shown_as_none(contacts: dict[str, int | None]) -> None:
    bench = Bench().to(Phase.UNKNOWN).show(PELVIC, **contacts).wait(20 * MS)
    pelvic = bench.statuses()[-1].sections[PELVIC]
    assert (pelvic.load_dn, pelvic.inputs & 0b1000) == (0, 0)


def test_what_a_board_has_not_is_shown_as_0() -> None:
    bench = Bench(features=NOTHING).to(Phase.LOCKED).line(supply_mv=0, air_kpa=0).wait(20 * MS)
    status = bench.statuses()[-1]
    assert (status.supply_mv, status.air_kpa) == (0, 0)
    assert not Flag(status.flags) & (Flag.SUPPLY_LOW | Flag.AIR_LOW | Flag.PARAMS_INCOMPLETE)
    for section in status.sections:
        assert (section.load_dn, section.tension_dn, section.inputs & 0b1000) == (0, 0, 0)


def test_power_is_shown_within_what_its_field_holds() -> None:
    bench = Bench().open().line(supply_mv=70_000, air_kpa=-5).wait(20 * MS)
    assert (bench.statuses()[-1].supply_mv, bench.statuses()[-1].air_kpa) == (65_535, 0)


@pytest.mark.parametrize(
    ("sensor", "minimum", "flag"),
    [
        ("supply_mv", SUPPLY_MIN_MV, Flag.SUPPLY_LOW),
        ("air_kpa", AIR_MIN_KPA, Flag.AIR_LOW),
    ],
)
def test_low_power_shows_in_the_flags(sensor: str, minimum: int, flag: Flag) -> None:
    bench = Bench().open().wait(1).line(**{sensor: minimum}).wait(1)
    assert flag not in bench.flags
    assert flag in bench.line(**{sensor: minimum - 1}).wait(1).flags


@pytest.mark.parametrize(
    ("feature", "sensor", "flag"),
    [
        (Feature.SUPPLY_SENSOR, "supply_mv", Flag.SUPPLY_LOW),
        (Feature.AIR_SENSOR, "air_kpa", Flag.AIR_LOW),
    ],
)
def test_a_sensor_that_the_board_has_not_is_never_low(
    feature: Feature, sensor: str, flag: Flag
) -> None:
    bench = Bench(features=EVERYTHING & ~feature).open().line(**{sensor: 0}).wait(1)
    assert flag not in bench.flags


def test_a_buffer_more_than_half_full_shows_in_the_flags() -> None:
    bench = Bench().open().wait(1)
    while len(bench.events()) < CAPACITY // 2:
        events = bench.state.events.add(Kind.PEDAL, 0, TABLE)
        bench.state = replace(bench.state, events=events)
    assert Flag.EVENTS_HALF_FULL not in bench.wait(1).flags
    bench.state = replace(bench.state, events=bench.state.events.add(Kind.PEDAL, 0, TABLE))
    assert Flag.EVENTS_HALF_FULL in bench.wait(1).flags


def test_a_new_calibration_counts_in_the_next_status() -> None:
    bench = Bench(stored=params(everywhere(8, 100) | everywhere(9, 50_000))).open().wait(20 * MS)
    assert bench.statuses()[-1].sections[PELVIC].load_dn == 200


# Events


def test_an_event_is_sent_as_it_happens_and_once() -> None:
    bench = Bench().to(Phase.COCKED).ack().wait(7 * MS)
    since = len(bench.answers)
    bench.ask(Verb.ARM, PELVIC, 5_000)
    assert [event.kind for event in sent(bench, since)] == [Kind.ARMED]
    bench.wait(100 * MS)
    assert len(sent(bench, since)) == 1


def test_what_is_not_acknowledged_is_sent_again_every_500_ms() -> None:
    bench = Bench().open()
    since = len(bench.answers)
    opened_us = bench.now_us
    bench.until(opened_us + RESEND_EVERY_US - 1)
    assert sent(bench, since) == []
    bench.wait(1)
    assert [event.event_seq for event in sent(bench, since)] == [1, 2]
    bench.wait(2 * RESEND_EVERY_US)
    assert [event.event_seq for event in sent(bench, since)] == [1, 2] * 3
    since = len(bench.answers)
    bench.ack().wait(2 * S)
    assert sent(bench, since) == []


def test_the_oldest_eight_are_sent_again_in_order() -> None:
    bench = Bench().open()
    for _ in range(6):
        bench.line(pedal_down=True).wait(10 * MS).line(pedal_down=False)
    since = len(bench.answers)
    bench.wait(RESEND_EVERY_US)
    assert [event.event_seq for event in sent(bench, since)] == list(range(1, 9))


def test_a_new_session_is_told_the_oldest_at_once_and_its_own_beginning() -> None:
    bench = Bench()
    for _ in range(6):
        bench.line(pedal_down=True).wait(10 * MS).line(pedal_down=False)
    bench.tick(Opened())
    assert [event.event_seq for event in sent(bench, 0)] == [*range(1, 9), 14]
    assert sent(bench, 0)[-1].kind is Kind.LINK_UP


def test_events_are_sent_while_the_session_is_dead() -> None:
    bench = Bench().to(Phase.COCKED).lose().ack().wait(7 * MS)
    since = len(bench.answers)
    bench.line(estop_open=True)
    assert [event.kind for event in sent(bench, since)] == [Kind.ESTOP_OPEN, Kind.STOPPED]
    bench.wait(RESEND_EVERY_US)
    assert len(sent(bench, since)) == 4


def test_an_event_that_is_due_again_as_it_happens_is_sent_once() -> None:
    bench = Bench().open().ack().wait(S)
    since = len(bench.answers)
    bench.line(estop_open=True)
    assert len(sent(bench, since)) == 2


def test_a_boot_is_told_with_its_cause() -> None:
    (event,) = Bench().events()
    assert (event.event_seq, event.kind, event.section, event.a) == (1, Kind.BOOTED, TABLE, 1)


def test_a_beat_that_says_nothing_new_is_answered_with_nothing() -> None:
    bench = Bench().open().ack().wait(7 * MS)
    assert bench.tick(Beat(True, True)) == []
