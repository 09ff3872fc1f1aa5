"""STOP: from every phase, by each source, with nothing driven after it and nothing resumed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.board.model import (
    TABLE,
    Code,
    Disarmed,
    Fault,
    Flag,
    Kind,
    Phase,
    Result,
    Stop,
    StopSource,
    Verb,
)
from tests.board.bench import (
    DEBOUNCE_US,
    MS,
    PELVIC,
    SECTIONS,
    TENSION_DN,
    Bench,
    S,
    everywhere,
    params,
)

Act = Callable[[Bench], Bench]
SOURCES: dict[StopSource, Act] = {
    StopSource.FRAME: Bench.stop,
    StopSource.ESTOP: lambda bench: bench.line(estop_open=True),
    StopSource.BUTTON: lambda bench: bench.line(stop_button=True),
}
LEFT_IN = {
    Phase.UNKNOWN: Phase.UNKNOWN,
    Phase.LOCKED: Phase.LOCKED,
    Phase.COCKING: Phase.UNKNOWN,
    Phase.COCKED: Phase.COCKED,
    Phase.ARMED: Phase.SECURING,
    Phase.DROPPING: Phase.DROPPING,
    Phase.DROPPED: Phase.DROPPED,
    Phase.LOWERING: Phase.UNKNOWN,
    Phase.HALTED: Phase.UNKNOWN,
    Phase.FAULT: Phase.FAULT,
    Phase.SECURING: Phase.SECURING,
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("source", StopSource)
def test_a_stop_leaves_each_phase_where_the_table_says(phase: Phase, source: StopSource) -> None:
    bench = Bench().to(phase)
    if phase in (Phase.COCKING, Phase.LOWERING):
        bench.pin_out(PELVIC)
    SOURCES[source](bench)
    assert bench.phase() is LEFT_IN[phase]
    assert bench.all_off, "within the same step"
    assert bench.state.stopped
    event = bench.event(Kind.STOPPED)
    assert (event.section, event.a) == (TABLE, source)
    why = Disarmed.ESTOP if source is StopSource.ESTOP else Disarmed.STOP
    told = [each.a for each in bench.events(Kind.DISARMED)]
    assert told == ([why] if phase is Phase.ARMED else [])
    assert bench.fault() is (Fault.NONE if phase is not Phase.FAULT else Fault.SWITCHES_IMPLAUSIBLE)


@pytest.mark.parametrize("phase", [Phase.LOCKED, Phase.COCKED])
@pytest.mark.parametrize("contact", ["up", "down", "pin"])
def test_a_stop_believes_only_switches_that_agree(phase: Phase, contact: str) -> None:
    bench = Bench().to(phase)
    bench.show(PELVIC, **{contact: not getattr(bench.contacts[PELVIC], contact)}).stop()
    assert bench.phase() is Phase.UNKNOWN


def test_a_stop_looks_at_the_switches_of_its_own_moment() -> None:
    bench = Bench().to(Phase.COCKED)
    bench.contacts[PELVIC].pin = False
    bench.line(estop_open=True)
    assert bench.phase() is Phase.UNKNOWN


def test_a_stop_needs_no_lease_and_no_session() -> None:
    for bench in (Bench(), Bench().open(lease=False), Bench().to(Phase.ARMED).lose()):
        bench.tick(Stop(7, answer=False))
        assert bench.state.stopped
        assert bench.all_off


def test_a_stop_is_answered_when_it_carries_the_live_session() -> None:
    bench = Bench().open()
    assert bench.tick(Stop(7, answer=True))[0] == Result(7, Code.OK, 0)
    assert not any(isinstance(one, Result) for one in bench.tick(Stop(8, answer=False)))


def test_a_stop_is_never_looked_up_in_the_memory_and_not_kept_there() -> None:
    bench = Bench().to(Phase.LOCKED)
    assert bench.ask(Verb.HOME, PELVIC, cmd_id=99) is Code.WRONG_PHASE
    memory = bench.state.remembered
    bench.tick(Stop(99, answer=True))
    assert bench.state.stopped
    assert bench.state.remembered == memory


@pytest.mark.parametrize("source", StopSource)
def test_a_stop_that_comes_again_changes_nothing(source: StopSource) -> None:
    bench = Bench().to(Phase.ARMED)
    SOURCES[source](bench)
    before = bench.law
    for _ in range(3):
        bench.stop()
    assert bench.law == before
    assert len(bench.events(Kind.STOPPED)) == 1


def test_a_stop_stays_until_it_is_reset_and_nothing_resumes_then() -> None:
    bench = Bench().to(Phase.COCKING).pin_out(PELVIC).stop().wait(10 * S)
    assert bench.state.stopped
    bench.beat(hold=False)
    assert bench.ask(Verb.RESET_STOP, TABLE) is Code.OK
    bench.beat().wait(S)
    assert bench.phase() is Phase.UNKNOWN
    assert bench.all_off


def test_a_new_session_resets_no_stop() -> None:
    bench = Bench().to(Phase.LOCKED).stop().lose()
    bench.open()
    assert bench.state.stopped
    assert Flag.STOP_LATCHED in bench.flags


def test_after_a_stop_an_armed_section_is_secured_and_stays_cocked() -> None:
    bench = Bench().to(Phase.ARMED).stop().secure(PELVIC)
    assert bench.phase() is Phase.COCKED
    assert bench.all_off


def test_a_stop_reaches_every_section() -> None:
    bench = Bench().to(Phase.LOCKED)
    thoracic, lumbar, pelvic = bench.state.sections
    bench.state = replace(
        bench.state,
        sections=(
            replace(thoracic, phase=Phase.HALTED),
            replace(lumbar, phase=Phase.COCKING),
            replace(pelvic, phase=Phase.ARMED, window_us=S, began_us=bench.now_us),
        ),
    )
    bench.stop()
    assert bench.phase(0) is Phase.UNKNOWN
    assert bench.phase(1) is Phase.UNKNOWN
    assert bench.phase(2) is not Phase.ARMED
    assert bench.all_off


# The e-stop chain and the button


def test_an_open_chain_is_believed_at_once_and_a_closed_one_after_10_ms() -> None:
    bench = Bench().open().line(estop_open=True)
    opened = bench.event(Kind.ESTOP_OPEN)
    assert (opened.board_us, opened.section) == (bench.now_us, TABLE)
    bench.line(estop_open=False).wait(10 * MS - 1)
    assert Kind.ESTOP_CLOSED not in bench.told()
    assert Flag.ESTOP_OPEN in bench.flags
    bench.wait(1)
    assert bench.event(Kind.ESTOP_CLOSED).section == TABLE
    assert Flag.ESTOP_OPEN not in bench.wait(1).flags
    assert bench.state.stopped


def test_a_chain_that_bounces_is_open_until_it_rests() -> None:
    bench = Bench().open().line(estop_open=True)
    for _ in range(5):
        bench.line(estop_open=False).wait(9 * MS).line(estop_open=True).wait(MS)
    assert bench.told().count(Kind.ESTOP_OPEN) == 1
    assert Kind.ESTOP_CLOSED not in bench.told()


def test_a_chain_that_opens_again_is_told_again() -> None:
    bench = Bench().open().line(estop_open=True).line(estop_open=False).wait(10 * MS)
    bench.line(estop_open=True)
    assert bench.told().count(Kind.ESTOP_OPEN) == 2
    assert bench.told().count(Kind.STOPPED) == 1


@pytest.mark.parametrize("line", ["estop_open", "stop_button"])
def test_a_stop_at_boot_is_latched(line: str) -> None:
    bench = Bench(**{line: True})
    assert bench.state.stopped
    expected = [Kind.BOOTED, Kind.STOPPED]
    assert [kind for kind in bench.told() if kind is not Kind.ESTOP_OPEN] == expected


def test_a_closed_chain_at_boot_is_no_stop() -> None:
    assert not Bench().state.stopped


# The tension actuator


def test_the_tension_stays_where_a_stop_finds_it_until_it_is_set_again() -> None:
    bench = Bench().to(Phase.LOCKED).show(PELVIC, tension=TENSION_DN)
    bench.set(PELVIC, 11, 3_000)
    assert bench.targets[PELVIC] == 3_000
    bench.show(PELVIC, tension=2_700).stop()
    assert bench.targets[PELVIC] == 2_700
    bench.beat(hold=False)
    bench.ask(Verb.RESET_STOP, TABLE)
    bench.wait(100 * MS)
    assert bench.targets[PELVIC] == 2_700, "nothing moves by the reset"
    bench.set(PELVIC, 11, 3_000)
    assert bench.targets[PELVIC] == 3_000


def test_a_tension_written_under_stop_moves_nothing() -> None:
    bench = Bench().to(Phase.LOCKED).stop().show(PELVIC, tension=TENSION_DN)
    assert bench.set(PELVIC, 11, 3_000) == 3_000
    assert bench.targets[PELVIC] == TENSION_DN
    bench.wait(5 * S)
    assert bench.fault() is Fault.TENSION


def test_the_tension_is_aimed_at_what_its_three_parameters_say() -> None:
    bench = Bench(stored=params(everywhere(12, 200) | everywhere(13, 250_000)))
    assert bench.targets == [200 + TENSION_DN * 100_000 // 250_000] * 3
    bench.to(Phase.LOCKED)
    bench.set(PELVIC, 13, 100_000)
    assert bench.targets[PELVIC] == 200 + TENSION_DN
    bench.set(PELVIC, 12, 0)
    assert bench.targets[PELVIC] == TENSION_DN
    bench.set(PELVIC, 13, -100_000)
    assert bench.targets[PELVIC] == -TENSION_DN


@pytest.mark.parametrize("order", [(11, 12, 13), (13, 12, 11), (12, 13, 11)])
def test_the_tension_moves_once_it_means_a_place(order: tuple[int, int, int]) -> None:
    lacking = {(PELVIC, key): None for key in order}
    bench = Bench(stored=params(lacking)).open()
    values = {11: TENSION_DN, 12: 0, 13: 100_000}
    for key in order[:2]:
        bench.set(PELVIC, key, values[key])
        assert bench.targets[PELVIC] == 0
    bench.set(PELVIC, order[2], values[order[2]])
    assert bench.targets[PELVIC] == TENSION_DN


def test_nothing_but_a_write_moves_the_tension() -> None:
    bench = Bench().to(Phase.LOCKED)
    bench.cock(PELVIC).rise(PELVIC).secure(PELVIC).arm(PELVIC).break_away(PELVIC).land(PELVIC)
    bench.secure(PELVIC).lose().open()
    assert bench.targets == [TENSION_DN] * len(SECTIONS)
    assert bench.phase() is Phase.LOCKED


def test_a_stop_leaves_the_debounce_of_a_switch_alone() -> None:
    bench = Bench().to(Phase.ARMED).show(PELVIC, pin=True).wait(DEBOUNCE_US - 1).stop().wait(1)
    assert bench.section().pin.level
