"""Sessions as the law sees them: what a host's going takes away, and what a board does only once."""

import pytest

from droptable.board.asks import COMMANDS_REMEMBERED
from droptable.board.model import (
    ANY_PHASE,
    TABLE,
    Answer,
    Beat,
    Code,
    Command,
    Disarmed,
    EventAck,
    Fault,
    Feature,
    Flag,
    Kind,
    Opened,
    Param,
    ParamSet,
    Phase,
    Result,
    Verb,
)
from tests.board.bench import BOOT_ID, EVERYTHING, MS, PELVIC, Bench, S


def results(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if isinstance(answer, Result | Param)]


# Opening and losing


def test_opening_a_session_moves_nothing_and_is_recorded() -> None:
    for phase in Phase:
        if phase in (Phase.COCKING, Phase.LOWERING, Phase.ARMED, Phase.DROPPING):
            continue
        bench = Bench().to(phase)
        before = bench.state.sections
        bench.tick(Opened())
        assert bench.state.sections == before
        assert bench.event(Kind.LINK_UP).section == TABLE


def test_the_first_session_begins_without_lease_and_hold() -> None:
    bench = Bench()
    bench.tick(Opened())
    assert not bench.state.lease
    assert not bench.state.hold
    assert bench.flags == Flag.SESSION_ALIVE


def test_a_new_session_begins_without_lease_hold_maintenance_or_memory() -> None:
    bench = Bench().to(Phase.LOCKED)
    bench.ask(Verb.MAINTENANCE, TABLE, 1)
    bench.tick(Opened())
    state = bench.state
    assert (state.lease, state.hold, state.maintenance, state.remembered) == (
        False,
        False,
        False,
        (),
    )
    assert (state.host_live, state.beats) == (True, 0)
    assert bench.told()[-2:] == [Kind.MAINTENANCE, Kind.LINK_UP]
    assert Kind.LINK_LOST not in bench.told()


@pytest.mark.parametrize("phase", [Phase.COCKING, Phase.LOWERING, Phase.ARMED, Phase.DROPPING])
def test_all_outputs_go_off_with_the_session(phase: Phase) -> None:
    bench = Bench().to(phase)
    if phase in (Phase.COCKING, Phase.LOWERING):
        bench.pin_out(PELVIC)
    assert not bench.all_off
    bench.lose()
    assert bench.all_off
    assert not bench.state.lease
    assert bench.event(Kind.LINK_LOST).section == TABLE


def test_a_lost_session_ends_maintenance_once() -> None:
    bench = Bench().to(Phase.LOCKED)
    bench.ask(Verb.MAINTENANCE, TABLE, 1)
    bench.lose()
    assert not bench.state.maintenance
    bench.open()
    assert [event.a for event in bench.events(Kind.MAINTENANCE)] == [1, 0]


@pytest.mark.parametrize(
    ("phase", "kind"),
    [(Phase.COCKING, Kind.HALTED), (Phase.ARMED, Kind.DISARMED), (Phase.LOWERING, Kind.HALTED)],
)
def test_a_session_replaced_while_something_moves_ends_it_first(phase: Phase, kind: Kind) -> None:
    bench = Bench().to(phase)
    bench.tick(Opened(), Beat(True, True), Beat(True, True), Beat(True, True))
    assert bench.all_off
    assert bench.told()[-2:] == [kind, Kind.LINK_UP]
    if kind is Kind.DISARMED:
        assert bench.event(kind).a == Disarmed.SESSION_LOST


def test_a_board_without_a_host_goes_on_sensing() -> None:
    bench = Bench().to(Phase.COCKED).lose().show(PELVIC, pin=False).wait(10 * MS)
    assert bench.fault() is Fault.PIN_STUCK_OUT
    assert bench.statuses()[-1].sections[PELVIC].fault == Fault.PIN_STUCK_OUT
    assert Flag.SESSION_ALIVE not in bench.flags


def test_a_lost_host_that_is_lost_again_tells_nothing_new() -> None:
    bench = Bench().to(Phase.ARMED).lose()
    told = bench.told()
    assert told.count(Kind.LINK_LOST) == 1
    assert told.count(Kind.DISARMED) == 1


def test_lease_and_hold_show_in_the_flags() -> None:
    bench = Bench().open(lease=False, hold=False).wait(1)
    assert bench.flags == Flag.SESSION_ALIVE
    assert bench.beat(lease=True, hold=False).wait(1).flags == Flag.SESSION_ALIVE | Flag.LEASE_LIVE
    assert Flag.HOLD_PRESSED in bench.beat().wait(1).flags


# The pedal


def test_the_pedal_is_believed_down_after_10_ms_and_up_at_once() -> None:
    bench = Bench().open(hold=False).line(pedal_down=True).wait(10 * MS - 1)
    assert not bench.state.hold
    bench.wait(1)
    assert bench.state.hold
    assert Flag.HOLD_PRESSED in bench.wait(1).flags
    bench.line(pedal_down=False)
    assert not bench.state.hold
    assert [event.a for event in bench.events(Kind.PEDAL)] == [1, 0]
    assert {event.section for event in bench.events(Kind.PEDAL)} == {TABLE}


def test_a_pedal_that_bounces_is_not_yet_down() -> None:
    bench = Bench().open(hold=False)
    for _ in range(5):
        bench.line(pedal_down=True).wait(9 * MS).line(pedal_down=False).wait(MS)
    assert Kind.PEDAL not in bench.told()


def test_a_board_without_a_pedal_has_none() -> None:
    bench = Bench(features=EVERYTHING & ~Feature.PEDAL).open(hold=False)
    bench.line(pedal_down=True).wait(S)
    assert not bench.state.hold
    assert Kind.PEDAL not in bench.told()


def test_the_pedal_moves_nothing_without_a_host() -> None:
    bench = Bench().to(Phase.COCKING).line(pedal_down=True).wait(20 * MS).lose()
    assert bench.phase() is Phase.HALTED


# At most once


def command(cmd_id: int, verb: Verb, arg: int = 0) -> Command:
    section = TABLE if verb is Verb.MAINTENANCE else PELVIC
    return Command(cmd_id, verb, section, ANY_PHASE, 250, 0, arg)


def test_a_repeated_command_is_answered_as_before_and_does_nothing() -> None:
    bench = Bench().to(Phase.LOCKED)
    cock = command(500, Verb.COCK)
    first = bench.command(cock)
    bench.beat(hold=False).beat(hold=True)
    assert bench.phase() is Phase.HALTED
    before = bench.law
    assert bench.command(cock) == first == Result(500, Code.OK, Phase.COCKING)
    assert bench.law == before


def test_a_repeated_command_in_one_read_is_done_once() -> None:
    bench = Bench().to(Phase.COCKED)
    arm = command(500, Verb.ARM, 5_000)
    answers = bench.tick(arm, arm, arm)
    assert results(answers) == [Result(500, Code.OK, Phase.ARMED)] * 3
    assert bench.told().count(Kind.ARMED) == 1


def test_a_refusal_is_remembered_too() -> None:
    bench = Bench().to(Phase.LOCKED).beat(hold=False)
    cock = command(500, Verb.COCK)
    assert bench.command(cock).code is Code.NOT_HELD
    assert bench.beat().command(cock).code is Code.NOT_HELD
    assert bench.phase() is Phase.LOCKED


def test_a_parameter_is_remembered_with_its_value() -> None:
    bench = Bench().to(Phase.LOCKED)
    write = ParamSet(500, PELVIC, 5, 30)
    answer = Param(500, PELVIC, 5, 30)
    assert results(bench.tick(write)) == [answer]
    bench.set(PELVIC, 5, 40)
    assert results(bench.tick(write)) == [answer]
    assert bench.get(PELVIC, 5) == 40


def test_commands_and_parameters_share_one_memory() -> None:
    bench = Bench().to(Phase.LOCKED)
    bench.tick(ParamSet(500, PELVIC, 5, 30))
    assert results(bench.tick(command(500, Verb.COCK))) == [Param(500, PELVIC, 5, 30)]
    assert bench.phase() is Phase.LOCKED


def test_the_last_sixteen_are_remembered() -> None:
    bench = Bench().to(Phase.LOCKED)
    for cmd_id in range(100, 100 + COMMANDS_REMEMBERED):
        bench.tick(ParamSet(cmd_id, PELVIC, 5, 30))
    before = bench.state.remembered
    assert len(before) == COMMANDS_REMEMBERED == 16
    assert results(bench.tick(command(100, Verb.COCK))) == [Param(100, PELVIC, 5, 30)]
    assert bench.state.remembered == before
    bench.tick(ParamSet(999, PELVIC, 5, 30))
    assert bench.command(command(100, Verb.COCK)).code is Code.OK


def test_a_question_for_a_parameter_is_not_remembered() -> None:
    bench = Bench().open()
    before = bench.state.remembered
    bench.get(PELVIC, 5)
    assert bench.state.remembered == before


def test_a_dead_session_remembers_and_takes_nothing_new() -> None:
    bench = Bench().to(Phase.LOCKED)
    done = command(500, Verb.MAINTENANCE, 1)
    first = bench.command(done)
    bench.lose()
    assert bench.command(done) == first
    assert bench.command(command(501, Verb.HOME)).code is Code.NO_SESSION
    assert 501 not in dict(bench.state.remembered)
    bench.open()
    assert bench.command(command(500, Verb.COCK)).code is Code.OK


# Acknowledgements


def test_an_acknowledgement_of_another_boot_is_ignored() -> None:
    bench = Bench().open()
    before = bench.state.events
    bench.tick(EventAck(BOOT_ID + 1, 1))
    assert bench.state.events == before
    bench.tick(EventAck(BOOT_ID, before.next_seq))
    assert bench.state.events == before
    bench.tick(EventAck(BOOT_ID, 1))
    assert bench.state.events.first_seq == 2


def test_events_outlive_sessions_and_are_acknowledged_by_a_dead_one() -> None:
    bench = Bench().to(Phase.LOCKED).lose()
    assert Kind.BOOTED in bench.told()
    bench.ack()
    assert bench.told() == []


# TARE


def taring(bench: Bench) -> Bench:
    bench.to(Phase.LOCKED)
    assert bench.ask(Verb.MAINTENANCE, TABLE, 1) is Code.OK
    assert bench.ask(Verb.TARE, PELVIC, cmd_id=777) is Code.OK
    return bench


def zeros(bench: Bench) -> list[Answer]:
    return [answer for answer in bench.answers if isinstance(answer, Param)]


def test_a_taring_averages_500_ms_and_writes_the_zero() -> None:
    bench = taring(Bench())
    bench.show(PELVIC, load=1_000).wait(250 * MS).show(PELVIC, load=2_001).wait(250 * MS - 1)
    assert zeros(bench) == []
    bench.wait(1)
    assert zeros(bench) == [Param(777, PELVIC, 8, 1_500)]
    assert bench.get(PELVIC, 8) == 1_500
    assert bench.state.tare is None


@pytest.mark.parametrize(
    "interruption",
    [
        lambda bench: bench.beat(lease=False),
        lambda bench: bench.lose(),
        lambda bench: bench.open(),
        lambda bench: bench.stop(),
        lambda bench: bench.ask(Verb.MAINTENANCE, TABLE, 0),
        lambda bench: bench.show(PELVIC, pin=False).wait(10 * MS),
        lambda bench: (
            bench.show(PELVIC, load=None)
            .wait(150 * MS)
            .show(PELVIC, load=500)
            .wait(MS)
            .show(PELVIC, load=None)
            .wait(150 * MS)
            .show(PELVIC, load=500)
        ),
    ],
)
def test_a_taring_that_is_interrupted_writes_nothing(interruption: object) -> None:
    bench = taring(Bench()).wait(200 * MS)
    assert callable(interruption)
    interruption(bench)
    bench.wait(S)
    assert zeros(bench) == []
    assert bench.state.params.get(PELVIC, 8) == 0
    assert bench.state.tare is None


def test_a_converter_that_is_late_for_some_samples_does_not_spoil_a_taring() -> None:
    bench = taring(Bench()).show(PELVIC, load=700).wait(200 * MS)
    bench.show(PELVIC, load=None).wait(190 * MS).show(PELVIC, load=700).wait(110 * MS)
    (zero,) = zeros(bench)
    assert isinstance(zero, Param)
    assert 690 <= zero.value <= 700


def test_a_taring_is_answered_once_however_often_it_is_asked() -> None:
    bench = taring(Bench())
    bench.ask(Verb.TARE, PELVIC, cmd_id=777)
    bench.wait(S)
    assert len(zeros(bench)) == 1
