"""Fingers: each boundary to the microsecond, each way of losing one, and that nothing comes of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import LEASE_MOVING_US, LEASE_US, ROUND_TRIP_MAX_US
from droptable.core.model import Control, Phase, Role, Verb
from droptable.core.overs import TEXTS, Over
from tests.core.bench import (
    ANN,
    BOB,
    LUMBAR,
    MS,
    OTHER_PAGE,
    PAGE,
    TABLE,
    THORACIC,
    Bench,
    S,
    section,
)

MOTIONS = [
    (Control.COCK, Verb.COCK, Phase.LOCKED, Phase.COCKING),
    (Control.LOCK, Verb.LOCK, Phase.COCKED, Phase.LOWERING),
]
REST = {Control.COCK: Phase.LOCKED, Control.LOCK: Phase.COCKED, Control.ARM: Phase.COCKED}


def codes(told: do.Tell) -> list[str]:
    return [reason.code for reason in told.reasons]


def ready(control: Control) -> Bench:
    bench = Bench().ready(REST[control])
    bench.ask(ev.TakeLease(PAGE))
    return bench


def sent(bench: Bench) -> list[Verb]:
    return [command.verb for command in bench.ever(do.SendCommand)]


def commit(bench: Bench, intent: int, client: int = PAGE) -> list[do.Tell]:
    bench.take(ev.CommitAsked(client, intent))
    return bench.told(client)


def moving(control: Control, moves: Phase) -> tuple[Bench, int]:
    """A section that moves as long as a finger is on its control."""
    bench = ready(control)
    intent = bench.pressed(control)
    bench.held_for(500 * MS, intent)
    bench.result(bench.ever(do.SendCommand)[-1].cmd_id)
    bench.phase(THORACIC, moves)
    assert bench.beat == (True, True)
    return bench, intent


# The press


def test_a_press_is_answered_with_a_number_that_no_other_had() -> None:
    bench = ready(Control.COCK)
    numbers = []
    for _ in range(3):
        numbers.append(bench.pressed(Control.COCK))
        bench.take(ev.Released(PAGE, numbers[-1]))
        assert bench.over() == [Over.RELEASED]
    assert len(set(numbers)) == 3
    assert sent(bench) == []


def test_a_press_is_refused_with_every_reason_at_once() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.phases[LUMBAR] = Phase.ARMED
    bench.status(stopped=True, air_low=True)
    told = bench.press(Control.COCK, actor=BOB, current=False)
    assert (told.intent, told.over) == (None, Over.REFUSED)
    expected = {"STOP_LATCHED", "PHASE", "OTHER_ARMED", "AIR_LOW", "LEASE_HELD", "PICTURE_OLD"}
    assert expected <= set(codes(told))
    assert bench.state.gesture is None


@pytest.mark.parametrize("control", REST)
def test_a_press_on_a_picture_that_is_not_true_any_more_is_refused(control: Control) -> None:
    bench = ready(control)
    assert codes(bench.press(control, current=False)) == ["PICTURE_OLD"]


@pytest.mark.parametrize("client", [PAGE, OTHER_PAGE])
def test_a_second_finger_at_this_page_or_another_is_refused_and_the_first_goes_on(
    client: int,
) -> None:
    bench = ready(Control.COCK)
    intent = bench.pressed(Control.COCK)
    told = bench.press(Control.COCK, client=client)
    assert "GESTURE_BUSY" in codes(told)
    assert bench.state.gesture is not None
    assert bench.state.gesture.intent == intent


def test_one_s_own_second_page_moves_nothing_until_it_has_the_lease() -> None:
    bench = ready(Control.COCK)
    assert codes(bench.press(Control.COCK, client=OTHER_PAGE)) == ["LEASE_ELSEWHERE"]
    assert bench.ask(ev.TakeLease(OTHER_PAGE)) == ()
    assert codes(bench.press(Control.COCK, client=PAGE)) == ["LEASE_ELSEWHERE"]
    bench.pressed(Control.COCK, client=OTHER_PAGE)


def test_a_press_while_the_pedal_is_down_or_something_is_held_is_refused() -> None:
    bench = ready(Control.COCK)
    bench.status(hold_pressed=True)
    assert codes(bench.press(Control.COCK)) == ["HELD"]
    bench.status(hold_pressed=False)
    bench.sent(ev.Do(Verb.COCK, THORACIC))
    assert codes(bench.press(Control.COCK)) == ["BUSY"]


def test_what_a_finger_is_on_is_not_moved_by_a_request() -> None:
    bench = ready(Control.COCK)
    bench.pressed(Control.COCK)
    assert bench.refused(ev.Do(Verb.COCK, THORACIC)) == ["GESTURE_BUSY"]
    assert bench.refused(ev.Do(Verb.COCK, LUMBAR)) == ["GESTURE_BUSY"]


# Arming


def armable() -> tuple[Bench, int]:
    bench = ready(Control.ARM)
    return bench, bench.pressed(Control.ARM)


@pytest.mark.parametrize(
    ("held_us", "over"),
    [
        (900 * MS - 1, Over.TOO_SHORT),
        (900 * MS, None),
        (3000 * MS, None),
        (3000 * MS + 1, Over.UNKNOWN),
    ],
)
def test_arm_takes_900_to_3000_ms_from_press_to_commit(held_us: int, over: Over | None) -> None:
    bench, intent = armable()
    bench.held_for(held_us, intent)
    assert sent(bench) == []
    (told,) = commit(bench, intent)
    assert told.over == over
    assert sent(bench) == ([] if over else [Verb.ARM])
    assert told.begun is (over is None)
    assert bench.state.gesture is None


def test_a_finger_that_rests_on_arm_is_over_by_itself() -> None:
    bench, intent = armable()
    bench.held_for(3000 * MS, intent)
    bench.later(1)
    assert bench.over() == [Over.TOO_LONG]


@pytest.mark.parametrize(("gap_us", "over"), [(250 * MS, []), (250 * MS + 1, [Over.GAP])])
def test_a_gap_of_more_than_250_ms_ends_a_gesture(gap_us: int, over: list[Over]) -> None:
    bench, intent = armable()
    bench.held_for(900 * MS, intent)
    bench.heard_for(gap_us)
    assert bench.over() == over
    commit(bench, intent)
    assert sent(bench) == ([] if over else [Verb.ARM])


def test_a_daemon_that_stalls_has_not_seen_the_finger_meanwhile() -> None:
    bench, intent = armable()
    bench.held_for(900 * MS, intent)
    bench.now_us += 250 * MS + 1
    # What waited in the socket comes first.
    bench.take(ev.Holding(PAGE, intent))
    assert bench.over() == [Over.GAP, Over.UNKNOWN]
    assert [told.over for told in commit(bench, intent)] == [Over.UNKNOWN]
    assert sent(bench) == []


def test_the_page_is_told_when_the_board_has_armed_and_when_it_refuses() -> None:
    for code, over in ((0, Over.DONE), (9, Over.REFUSED)):
        bench, intent = armable()
        bench.held_for(1000 * MS, intent)
        commit(bench, intent)
        bench.result(bench.one(do.SendCommand).cmd_id, code)
        (told,) = bench.told()
        assert (told.intent, told.over) == (intent, over)
        assert codes(told) == ([] if code == 0 else ["BOARD_REFUSED"])


def test_the_page_is_told_when_the_board_does_not_answer_to_arm() -> None:
    bench, intent = armable()
    bench.held_for(1000 * MS, intent)
    commit(bench, intent)
    bench.take(ev.WentStale())
    (told,) = bench.told()
    assert codes(told) == ["BOARD_SILENT"]


def test_a_doubled_commit_arms_once() -> None:
    bench, intent = armable()
    bench.held_for(1000 * MS, intent)
    commit(bench, intent)
    assert commit(bench, intent) == []
    for said in (ev.Holding(PAGE, intent), ev.Released(PAGE, intent)):
        bench.take(said)
        assert bench.told() == [], "what becomes of it is told when the board has answered"
    bench.result(bench.ever(do.SendCommand)[-1].cmd_id)
    assert bench.over() == [Over.DONE]
    assert [told.over for told in commit(bench, intent)] == [Over.UNKNOWN]
    assert sent(bench) == [Verb.ARM]


def test_a_commit_of_another_page_is_none_and_the_finger_stays() -> None:
    bench, intent = armable()
    bench.held_for(1000 * MS, intent)
    assert [told.over for told in commit(bench, intent, OTHER_PAGE)] == [Over.UNKNOWN]
    assert sent(bench) == []
    assert commit(bench, intent)[0].begun
    assert sent(bench) == [Verb.ARM]


@pytest.mark.parametrize("said", [ev.Holding, ev.Released, ev.CommitAsked])
def test_a_number_that_is_over_or_was_never_given_is_answered_and_does_nothing(
    said: Callable[[int, int], ev.Touch],
) -> None:
    bench, intent = armable()
    bench.take(ev.Released(PAGE, intent))
    before = bench.state
    for number in (intent, 0, 99):
        bench.take(said(PAGE, number))
        assert bench.over() == [Over.UNKNOWN]
    assert replace(bench.state, lease=before.lease) == before


def test_a_commit_is_for_arm_alone() -> None:
    bench = ready(Control.COCK)
    intent = bench.pressed(Control.COCK)
    bench.held_for(400 * MS, intent)
    assert [told.over for told in commit(bench, intent)] == [Over.RELEASED]
    bench.heard_for(1 * S)
    assert sent(bench) == []


def test_readiness_is_looked_at_again_when_arming_is_carried_out() -> None:
    bench, intent = armable()
    bench.held_for(900 * MS, intent)
    bench.phase(LUMBAR, Phase.FAULT)
    (told,) = commit(bench, intent)
    assert (told.over, codes(told)) == (Over.REFUSED, ["FAULT"])
    assert sent(bench) == []


@pytest.mark.parametrize("control", [Control.ARM, Control.COCK])
def test_a_section_that_changes_under_the_finger_is_not_what_was_meant(control: Control) -> None:
    bench = ready(control)
    rest = bench.phases[THORACIC]
    intent = bench.pressed(control)
    bench.held_for(300 * MS, intent)
    bench.phase(THORACIC, Phase.HALTED)
    assert bench.over() == [Over.PHASE]
    bench.phase(THORACIC, rest)
    bench.heard_for(700 * MS)
    commit(bench, intent)
    assert sent(bench) == []


def test_a_lease_that_was_lost_between_and_is_there_again_is_another() -> None:
    bench, intent = armable()
    bench.held_for(500 * MS, intent)
    bench.ask(ev.ReleaseLease())
    assert bench.over() == [Over.LEASE]
    bench.ask(ev.TakeLease(PAGE))
    bench.heard_for(200 * MS)
    assert [told.over for told in commit(bench, intent)] == [Over.UNKNOWN]
    assert sent(bench) == []


# Hold to run


@pytest.mark.parametrize(("control", "verb", "_rest", "moves"), MOTIONS)
def test_motion_begins_after_500_ms_of_holding_and_not_a_microsecond_earlier(
    control: Control, verb: Verb, _rest: Phase, moves: Phase
) -> None:
    bench = ready(control)
    intent = bench.pressed(control)
    bench.held_for(500 * MS - 1, intent)
    assert sent(bench) == []
    assert bench.beat == (True, False)
    bench.later(1)
    # The BEAT that says that it is held goes before the command that rests on it.
    assert [type(effect) for effect in bench.did if not isinstance(effect, do.Tell)] == [
        do.SetBeat,
        do.SendCommand,
    ]
    assert (bench.one(do.SendCommand).verb, bench.beat) == (verb, (True, True))
    assert [told.begun for told in bench.told()] == [True]
    bench.result(bench.one(do.SendCommand).cmd_id)
    bench.phase(THORACIC, moves)
    bench.held_for(600 * MS, intent)
    assert sent(bench) == [verb], "a press is never repeated"


def test_readiness_is_looked_at_again_before_a_motion_begins() -> None:
    bench = ready(Control.COCK)
    intent = bench.pressed(Control.COCK)
    bench.held_for(400 * MS, intent)
    bench.status(air_low=True)
    bench.held_for(100 * MS, intent)
    (told,) = [told for told in bench.told() if told.over is Over.REFUSED]
    assert codes(told) == ["AIR_LOW"]
    assert sent(bench) == []
    bench.status(air_low=False)
    bench.heard_for(2 * S)
    assert sent(bench) == []


def test_a_finger_that_goes_up_in_the_moment_of_the_beginning_is_in_time() -> None:
    bench = ready(Control.COCK)
    intent = bench.pressed(Control.COCK)
    bench.held_for(500 * MS - 1, intent)
    bench.now_us += 1
    bench.take(ev.Released(PAGE, intent))
    bench.heard_for(1 * S)
    assert sent(bench) == []


@pytest.mark.parametrize(
    ("control", "moves", "after", "over"),
    [
        (Control.COCK, Phase.COCKING, Phase.SECURING, Over.DONE),
        (Control.COCK, Phase.COCKING, Phase.HALTED, Over.HALTED),
        (Control.COCK, Phase.COCKING, Phase.FAULT, Over.HALTED),
        (Control.LOCK, Phase.LOWERING, Phase.SECURING, Over.DONE),
        (Control.LOCK, Phase.LOWERING, Phase.HALTED, Over.HALTED),
    ],
)
def test_a_motion_that_ends_ends_its_gesture_and_the_page_is_told_how(
    control: Control, moves: Phase, after: Phase, over: Over
) -> None:
    bench, intent = moving(control, moves)
    bench.phase(THORACIC, after)
    assert bench.over() == [over]
    assert bench.beat == (True, False)
    bench.take(ev.Holding(PAGE, intent))
    assert bench.over() == [Over.UNKNOWN]


def test_a_motion_that_the_board_does_not_begin_ends_its_gesture() -> None:
    for code, over in ((12, Over.REFUSED), (0, Over.TOO_LONG)):
        bench = ready(Control.COCK)
        intent = bench.pressed(Control.COCK)
        bench.held_for(500 * MS, intent)
        did = bench.result(bench.ever(do.SendCommand)[-1].cmd_id, code)
        bench.did = (*did, *bench.held_for(300 * MS, intent))
        assert bench.over()[0] is over
        assert bench.beat == (True, False)


def gap(bench: Bench, _intent: int) -> None:
    bench.heard_for(250 * MS + 1)


def silence(bench: Bench, _intent: int) -> None:
    bench.later(151 * MS)


LOSSES: dict[str, Callable[[Bench, int], object]] = {
    "release": lambda bench, intent: bench.take(ev.Released(PAGE, intent)),
    "gap": gap,
    "lost socket": lambda bench, _: bench.take(ev.ClientLost(PAGE)),
    "hidden page": lambda bench, _: bench.take(ev.Hidden(PAGE)),
    "lease given back": lambda bench, _: bench.ask(ev.ReleaseLease()),
    "lease at another page": lambda bench, _: bench.ask(ev.TakeLease(OTHER_PAGE)),
    "take-over": lambda bench, _: bench.ask(ev.TakeOverLease(OTHER_PAGE), BOB),
    "stop": lambda bench, _: bench.take(ev.StopAsked("mqtt")),
    "stop at the table": lambda bench, _: bench.status(stopped=True),
    "session lost": lambda bench, _: bench.take(ev.SessionOver()),
    "stream lost": lambda bench, _: bench.take(ev.LinkTrouble("LINK_VANISHED", "gone")),
    "stale": lambda bench, _: bench.take(ev.WentStale()),
    "board silent": silence,
    "slow link": lambda bench, _: bench.take(ev.RoundTrip(ROUND_TRIP_MAX_US)),
    "journal failed": lambda bench, _: bench.take(ev.JournalHealth(failed=True)),
    "daemon ends": lambda bench, _: bench.take(ev.Closing()),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(("control", "_verb", "_rest", "moves"), MOTIONS)
def test_whatever_becomes_of_the_finger_motion_ends_in_the_same_step_and_stays_ended(
    control: Control, _verb: Verb, _rest: Phase, moves: Phase, lose: Callable[[Bench, int], object]
) -> None:
    bench, intent = moving(control, moves)
    commands = len(sent(bench))
    lose(bench, intent)
    assert bench.beat == (False, False), "the pedal must not keep up what the finger began"
    assert bench.state.gesture is None
    bench.take(ev.Holding(PAGE, intent))
    bench.take(ev.RoundTrip(1 * MS))
    bench.phase(THORACIC, Phase.HALTED)
    bench.heard_for(2 * S)
    assert not bench.beat[1]
    assert len(sent(bench)) == commands


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("control", REST)
def test_whatever_becomes_of_the_finger_before_it_nothing_begins(
    control: Control, lose: Callable[[Bench, int], object]
) -> None:
    bench = ready(control)
    intent = bench.pressed(control)
    bench.held_for(240 * MS, intent)
    lose(bench, intent)
    assert bench.state.gesture is None
    bench.heard_for(600 * MS)
    commit(bench, intent)
    bench.heard_for(1 * S)
    assert sent(bench) == []


def test_the_pedal_does_not_keep_up_what_a_finger_began() -> None:
    bench, intent = moving(Control.COCK, Phase.COCKING)
    bench.status(hold_pressed=True)
    bench.take(ev.Released(PAGE, intent))
    assert bench.beat == (False, False)
    bench.status()
    assert bench.beat == (False, False)
    bench.phase(THORACIC, Phase.HALTED)
    assert bench.beat == (True, False)


# The lease and the socket


def test_whatever_the_holder_s_socket_says_renews_the_lease_and_no_other_socket_does() -> None:
    bench = ready(Control.COCK)
    for client, renewed in ((PAGE, True), (OTHER_PAGE, False)):
        bench.heard_for(1 * S)
        for said in (ev.Alive(client), ev.Holding(client, 99)):
            until_us = bench.state.lease_until_us
            bench.later(1)
            bench.take(said)
            assert (bench.state.lease_until_us != until_us) is renewed


def test_a_finger_that_is_held_renews_the_lease_as_long_as_it_is_heard_of() -> None:
    bench, intent = moving(Control.COCK, Phase.COCKING)
    bench.held_for(LEASE_MOVING_US + 100 * MS, intent)
    assert bench.state.lease is not None


def test_a_press_binds_a_lease_that_no_socket_had() -> None:
    bench = Bench().ready(Phase.LOCKED)
    assert bench.state.lease is not None
    assert bench.state.lease.client is None
    bench.take(ev.Alive(PAGE))
    until_us = bench.state.lease_until_us
    bench.heard_for(1 * S)
    bench.pressed(Control.COCK)
    assert bench.state.lease.client == PAGE
    assert bench.state.lease_until_us == bench.now_us + LEASE_US != until_us


def test_a_lost_socket_leaves_the_lease_to_its_time() -> None:
    bench = ready(Control.COCK)
    bench.take(ev.ClientLost(PAGE))
    bench.heard_for(LEASE_US - 1)
    assert bench.state.lease is not None
    bench.later(1)
    assert bench.state.lease is None


def test_who_comes_back_in_time_with_another_socket_goes_on() -> None:
    bench = ready(Control.ARM)
    bench.take(ev.ClientLost(PAGE))
    assert bench.ask(ev.TakeLease(OTHER_PAGE)) == ()
    assert bench.recorded() == []
    assert bench.beat == (True, False)
    assert bench.state.lease is not None
    assert bench.state.lease.client == OTHER_PAGE


@pytest.mark.parametrize("lost", [True, False], ids=["lost socket", "second tablet"])
def test_what_is_armed_is_not_taken_along_to_another_socket(*, lost: bool) -> None:
    bench = ready(Control.ARM)
    bench.arm()
    if lost:
        bench.take(ev.ClientLost(PAGE))
    assert bench.ask(ev.TakeLease(OTHER_PAGE)) == ()
    assert bench.beat == (False, False)
    assert [record.data for record in bench.found(do.Record)] == [{"cause": "taken along"}]
    bench.status()
    assert bench.beat == (False, False)
    bench.phase(THORACIC, Phase.COCKED)
    assert bench.beat == (True, False)
    assert bench.state.lease is not None
    assert bench.state.lease.client == OTHER_PAGE


def test_what_goes_on_without_a_socket_is_not_taken_along_by_one() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.sent(ev.Do(Verb.ARM, THORACIC))
    assert bench.ask(ev.TakeLease(PAGE)) == ()
    assert bench.beat == (False, False), "the ARM is on its way"


def test_the_end_of_a_socket_renews_nothing() -> None:
    bench = ready(Control.COCK)
    until_us = bench.state.lease_until_us
    bench.heard_for(S)
    bench.take(ev.ClientLost(PAGE))
    assert bench.state.lease_until_us == until_us


@pytest.mark.parametrize("control", [Control.ARM, Control.COCK, Control.LOCK])
def test_a_tension_that_changes_under_a_finger_ends_what_it_aims_at(control: Control) -> None:
    bench = ready(control)
    bench.pressed(control)
    bench.held_for(200 * MS, bench.state.next_intent - 1)
    known = {**bench.state.params.values, (int(THORACIC), 11): 1600}
    bench.state = replace(bench.state, params=replace(bench.state.params, values=known))
    bench.take(ev.TimePassed())
    assert bench.over() == [Over.PHASE]
    assert bench.ever(do.SendCommand) == []


def test_a_hidden_page_ends_the_lease_so_that_the_board_disarms_and_another_s_does_not() -> None:
    bench = ready(Control.ARM)
    bench.arm()
    bench.take(ev.Hidden(OTHER_PAGE))
    assert bench.beat == (True, False)
    bench.take(ev.Hidden(PAGE))
    assert bench.beat == (False, False)
    assert bench.one(do.Record).data == {"cause": "page hidden"}


def test_every_way_in_which_a_gesture_ends_has_a_sentence() -> None:
    assert set(TEXTS) == set(Over)
    assert all(text.endswith(".") for text in TEXTS.values())


def test_a_board_that_moves_by_itself_has_no_lease() -> None:
    bench = Bench().ready()
    bench.take(ev.StatusHeard(TABLE, (section(Phase.COCKING), *map(section, bench.phases[1:]))))
    assert bench.beat == (False, False)
    bench.status()
    assert bench.beat == (True, False)


def test_who_may_only_look_presses_nothing() -> None:
    bench = ready(Control.COCK)
    bench.take(ev.Pressed(PAGE, ANN, Role.VIEWER, Control.COCK, THORACIC, current=True))
    assert codes(bench.told()[-1]) == ["ROLE"]


def test_nobody_else_s_lease_serves_a_finger() -> None:
    bench = ready(Control.COCK)
    assert codes(bench.press(Control.COCK, client=OTHER_PAGE, actor=BOB)) == ["LEASE_HELD"]
    assert bench.ask(ev.ReleaseLease(), ANN) == ()
    assert codes(bench.press(Control.COCK)) == ["LEASE_NONE"]
