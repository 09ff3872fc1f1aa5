"""What goes wrong is acted on by the registry, stands until its rule is met, the first cause first."""

from dataclasses import replace

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.faults import FAULTS, FINDINGS, Action, Clearing, fault_named, fault_of
from droptable.core.limits import FINDINGS_MAX
from droptable.core.model import Phase, Role, Verb
from droptable.core.readiness import Wish
from droptable.sections import Section
from tests.core.bench import ANN, LUMBAR, PELVIC, THORACIC, Bench, board, section, settings

NEWER = 200


def say(bench: Bench, at: Section, fault: int) -> None:
    """The board says that a section is in FAULT."""
    bench.phases[at] = Phase.FAULT
    heard = [section(phase) for phase in bench.phases]
    heard[at] = section(Phase.FAULT, fault=fault)
    thoracic, lumbar, pelvic = heard
    bench.take(ev.StatusHeard(bench.table, (thoracic, lumbar, pelvic)))


def standing(bench: Bench) -> list[tuple[str, Section | None]]:
    return [(each.code, each.section) for each in bench.state.faults]


@pytest.mark.parametrize("number", [*FAULTS, NEWER])
def test_each_fault_of_the_board_does_what_its_entry_says(number: int) -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    bench.sent(ev.Do(Verb.DISARM, THORACIC))
    say(bench, PELVIC, number)
    action = fault_of(number).action
    assert bool(bench.found(do.SendStop)) == (action >= Action.STOP)
    ended = [
        record.data["cause"] for record in bench.found(do.Record) if record.kind == "lease_ended"
    ]
    assert ended == ([f"fault {fault_of(number).code}"] if action is Action.DISARM else [])
    assert standing(bench) == [(fault_of(number).code, PELVIC)]
    finding = next(record for record in bench.found(do.Record) if record.kind == "finding")
    assert finding.data == {"code": fault_of(number).code, "action": action.name.lower()}
    latched = "LATCHED" in bench.codes(Wish.COCK, LUMBAR)
    assert latched == (action is Action.LATCH)


def test_at_a_table_at_rest_the_lease_stays() -> None:
    bench = Bench().ready()
    say(bench, PELVIC, 1)
    assert bench.state.lease is not None


def test_a_fault_is_acted_on_once() -> None:
    bench = Bench().ready()
    say(bench, PELVIC, 7)
    say(bench, PELVIC, 7)
    assert (bench.recorded(), bench.found(do.SendStop)) == ([], [])


def test_a_table_that_is_stopped_is_not_stopped_again() -> None:
    bench = Bench().ready()
    bench.status(stopped=True)
    say(bench, PELVIC, 7)
    assert bench.found(do.SendStop) == []


def test_the_first_cause_stays_first_and_what_follows_is_listed_behind() -> None:
    bench = Bench().ready()
    say(bench, PELVIC, 13)
    say(bench, PELVIC, 10)
    assert standing(bench) == [("OVERLOAD", PELVIC)]
    bench = Bench().ready()
    say(bench, LUMBAR, 12)
    bench.phases[PELVIC] = Phase.FAULT
    thoracic, lumbar, pelvic = map(section, bench.phases)
    lumbar = replace(lumbar, fault=12)
    bench.take(ev.StatusHeard(bench.table, (thoracic, lumbar, pelvic)))
    assert standing(bench) == [("AIR", LUMBAR), ("COCK_TIMEOUT", PELVIC)]


@pytest.mark.parametrize("number", [*FAULTS, NEWER])
def test_what_the_board_no_longer_says_is_over_if_an_operator_may_clear_it(number: int) -> None:
    bench = Bench().ready()
    say(bench, PELVIC, number)
    bench.phase(PELVIC, Phase.UNKNOWN)
    over = fault_of(number).clearing <= Clearing.OPERATOR
    assert (standing(bench) == []) == over


def test_a_lost_board_clears_nothing() -> None:
    bench = Bench().ready()
    say(bench, PELVIC, 1)
    bench.take(ev.WentStale())
    assert standing(bench) == [("COCK_TIMEOUT", PELVIC)]


def clear(bench: Bench, role: Role) -> list[str]:
    request = 10**12
    bench.asked.append(request)
    bench.take(ev.Asked(request, ANN, ev.Do(Verb.CLEAR_FAULT, PELVIC), role))
    return [reason.code for answer in bench.found(do.Answer) for reason in answer.reasons]


def test_a_technician_clears_what_is_theirs_and_an_operator_does_not() -> None:
    bench = Bench().ready()
    say(bench, PELVIC, 7)
    assert clear(bench, Role.OPERATOR) == ["FAULT_NEEDS_TECHNICIAN"]
    assert bench.found(do.SendCommand) == []
    assert clear(bench, Role.TECHNICIAN) == []
    sent = bench.one(do.SendCommand)
    assert standing(bench) == [("UNCOMMANDED_DROP", PELVIC)]
    bench.result(sent.cmd_id)
    assert standing(bench) == []


def test_a_latch_that_only_the_daemon_keeps_is_cleared_without_the_board() -> None:
    bench = Bench().ready()
    say(bench, PELVIC, 7)
    bench.phase(PELVIC, Phase.UNKNOWN)
    assert clear(bench, Role.OPERATOR) == ["FAULT_NEEDS_TECHNICIAN"]
    assert clear(bench, Role.TECHNICIAN) == []
    assert bench.one(do.Answer).reasons == ()
    assert (bench.found(do.SendCommand), standing(bench)) == ([], [])


@pytest.mark.parametrize("number", [15, NEWER])
def test_what_only_a_restart_ends_is_ended_by_a_restart(number: int) -> None:
    bench = Bench().ready()
    say(bench, PELVIC, number)
    assert clear(bench, Role.ADMIN) == ["FAULT_NEEDS_RESTART"]
    bench.open()
    assert standing(bench) == [(fault_of(number).code, PELVIC)]
    bench.open(board(boot_id=2), restarted=True)
    assert standing(bench) == [("BOARD_RESTARTED", None)]


def test_a_stop_is_not_reset_while_its_cause_stands() -> None:
    bench = Bench().ready()
    bench.table = replace(bench.table, stopped=True)
    say(bench, PELVIC, 3)
    assert "CAUSE_STANDS" in bench.codes(Wish.RESET_STOP)
    bench.phase(PELVIC, Phase.UNKNOWN)
    assert "CAUSE_STANDS" not in bench.codes(Wish.RESET_STOP)


def test_two_armed_sections_stop_and_latch_the_table() -> None:
    bench = Bench().ready()
    bench.phases = [Phase.ARMED, Phase.ARMED, Phase.LOCKED]
    bench.status()
    assert standing(bench) == [("TWO_ARMED", None)]
    assert len(bench.found(do.SendStop)) == 1
    assert "LATCHED" in bench.codes(Wish.LOCK, PELVIC)


def test_a_phase_of_a_newer_board_stops_and_latches_the_table() -> None:
    bench = Bench().ready()
    thoracic, lumbar, pelvic = map(section, bench.phases)
    strange = replace(pelvic, phase=Phase.UNKNOWN, phase_number=11)
    bench.take(ev.StatusHeard(bench.table, (thoracic, lumbar, strange)))
    assert standing(bench) == [("PHASE_NOT_KNOWN", PELVIC)]
    assert len(bench.found(do.SendStop)) == 1
    bench.status()
    assert standing(bench) == [("PHASE_NOT_KNOWN", PELVIC)]


def test_after_a_restart_every_section_is_looked_at_before_it_moves() -> None:
    bench = Bench().ready()
    bench.open(board(boot_id=2), restarted=True)
    bench.phases = [Phase.UNKNOWN] * 3
    bench.take(ev.RoundTrip(1))
    bench.heard_for(200_000)
    for at in Section:
        assert standing(bench) == [("BOARD_RESTARTED", None)]
        bench.result(bench.sent(ev.Do(Verb.HOME, at)).cmd_id)
        bench.phase(at, Phase.LOCKED)
        assert "BOARD_RESTARTED" not in bench.codes(Wish.COCK, at)
        others = [each for each in Section if each > at]
        assert all("BOARD_RESTARTED" in bench.codes(Wish.COCK, each) for each in others)
    assert standing(bench) == []


def test_a_refused_homing_is_no_look() -> None:
    bench = Bench().ready()
    bench.open(board(boot_id=2), restarted=True)
    bench.phases = [Phase.UNKNOWN] * 3
    bench.take(ev.RoundTrip(1))
    bench.heard_for(200_000)
    bench.result(bench.sent(ev.Do(Verb.HOME, PELVIC)).cmd_id, 13)
    assert "BOARD_RESTARTED" in bench.codes(Wish.COCK, PELVIC)


def test_a_homing_whose_answer_was_lost_is_not_asked_of_the_board_again() -> None:
    bench = Bench().ready()
    bench.open(board(boot_id=2), restarted=True)
    bench.phases = [Phase.UNKNOWN] * 3
    bench.take(ev.RoundTrip(1))
    bench.heard_for(200_000)
    for at in Section:
        bench.sent(ev.Do(Verb.HOME, at))
        bench.phase(at, Phase.LOCKED)
        bench.heard_for(400_000)
        assert "BOARD_RESTARTED" in bench.codes(Wish.COCK, at)
        assert bench.ask(ev.Do(Verb.HOME, at)) == ()
        assert bench.found(do.SendCommand) == []
        assert "BOARD_RESTARTED" not in bench.codes(Wish.COCK, at)
    assert standing(bench) == []
    assert bench.refused(ev.Do(Verb.HOME, PELVIC)) == ["NOT_UNKNOWN"]


def test_whoever_lies_raised_beside_a_fault_that_latches_is_lowered() -> None:
    bench = Bench().ready(Phase.COCKED)
    say(bench, PELVIC, 7)
    stop = bench.one(do.SendStop)
    bench.result(stop.cmd_id)
    bench.table = replace(bench.table, stopped=True)
    say(bench, PELVIC, 7)
    assert "STOP_LATCHED" in bench.codes(Wish.LOCK)
    bench.result(bench.sent(ev.ResetStop()).cmd_id)
    bench.table = replace(bench.table, stopped=False)
    say(bench, PELVIC, 7)
    assert bench.found(do.SendStop) == []
    assert bench.codes(Wish.LOCK) == []
    assert "LATCHED" in bench.codes(Wish.COCK, LUMBAR)
    assert "LATCHED" in bench.codes(Wish.ARM)


def test_a_foreign_board_and_another_version_stand_until_they_are_gone() -> None:
    bench = Bench(settings("BENCH001"))
    bench.open(board(hw_id="OTHER001"))
    assert standing(bench) == [("BOARD_FOREIGN", None)]
    bench.open()
    assert standing(bench) == []
    bench.take(ev.LinkTrouble("LINK_VERSION", "2", refused=True))
    assert standing(bench) == [("LINK_VERSION", None)]
    assert "LINK_VERSION" in bench.codes(Wish.ARM)
    bench.open()
    assert standing(bench) == []
    bench.take(ev.LinkTrouble("LINK_SILENT", "no answer"))
    assert standing(bench) == []


def test_so_many_causes_are_kept_and_no_more() -> None:
    bench = Bench().ready()
    for number in range(100, 100 + 2 * FINDINGS_MAX):
        say(bench, PELVIC, number)
    assert len(bench.state.faults) == FINDINGS_MAX
    assert standing(bench)[0] == ("FAULT_100", PELVIC)
    bench.result(bench.ever(do.SendStop)[-1].cmd_id)
    bench.status(stopped=True)
    # Whatever the reset was for, another fault that nobody knows stops the table again.
    bench.table = replace(bench.table, stopped=False)
    say(bench, PELVIC, 99)
    assert (bench.recorded(), len(bench.found(do.SendStop))) == (["stop_requested"], 1)
    bench.result(bench.one(do.SendStop).cmd_id)
    bench.table = replace(bench.table, stopped=True)
    for _ in range(3):
        say(bench, PELVIC, 99)
        assert (bench.recorded(), bench.found(do.SendStop)) == ([], [])


def test_a_code_that_nobody_knows_is_the_gravest() -> None:
    gravest = fault_named("FAULT_200")
    known = [*FAULTS.values(), *FINDINGS.values()]
    assert gravest.action == max(fault.action for fault in known) == max(Action)
    assert gravest.clearing == max(Clearing)
