"""Whose tension it is: what ends it, what is written then, and that nobody armed ever feels it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import (
    RESULT_WAIT_US,
    TENSION_RETRY_US,
    TENSION_SET_KEY,
    TENSION_TOLERANCE_KEY,
    TENSION_TRIES_MAX,
    Bounds,
)
from droptable.core.model import Patient, Phase, Verb
from droptable.core.readiness import Wish
from droptable.sections import Section
from tests.core.bench import (
    ANN,
    BOB,
    COMPLETE,
    CONFIGURED,
    LUMBAR,
    MS,
    PELVIC,
    TENSION_DN,
    THORACIC,
    Bench,
    S,
    board,
    section,
    settings,
)

SET_DN = 2000
MIDDLE_DN = TENSION_DN
TIMEOUT_US = 4 * S


def load(bench: Bench, *loads_dn: int | None) -> tuple[do.Effect, ...]:
    """A STATUS with these loads."""
    thoracic, lumbar, pelvic = (
        replace(section(phase), load_dn=load_dn)
        for phase, load_dn in zip(bench.phases, loads_dn, strict=True)
    )
    return bench.take(ev.StatusHeard(bench.table, (thoracic, lumbar, pelvic)))


def loaded_for(bench: Bench, us: int, *loads_dn: int | None) -> None:
    until_us = bench.now_us + us
    while bench.now_us < until_us:
        bench.now_us += min(20 * MS, until_us - bench.now_us)
        load(bench, *loads_dn)
        bench.answer_params()
        bench.ask(ev.TakeLease())


def quick() -> Bench:
    """Sooner than a lease ends the patient counts as gone."""
    return Bench(replace(settings(), bounds=Bounds(patient_timeout_us=TIMEOUT_US)))


def suited(*phases: Phase) -> Bench:
    """A table whose lumbar tension was set for who lies there."""
    bench = quick().ready(*phases)
    bench.ask(ev.SetTension(LUMBAR, SET_DN))
    bench.answer_params()
    assert bench.state.sections[LUMBAR].tension_confirmed
    return bench


def written(bench: Bench) -> list[tuple[int, int]]:
    return [(e.section, e.value) for e in bench.found(do.SendParamSet) if e.key == TENSION_SET_KEY]


EMPTY = (0, 299, 0)
THERE = (0, 300, 0)


def test_who_leaves_for_long_enough_takes_their_tension_with_them() -> None:
    bench = suited()
    load(bench, *EMPTY)
    loaded_for(bench, TIMEOUT_US - 1, *EMPTY)
    assert bench.state.sections[LUMBAR].tension_confirmed
    bench.now_us += 1
    load(bench, *EMPTY)
    assert not any(each.tension_confirmed for each in bench.state.sections)
    assert written(bench) == [(LUMBAR, MIDDLE_DN)]
    assert bench.codes(Wish.ARM, LUMBAR)[1:] == ["TENSION_LEFT", "TENSION_OFF", "BUSY"]
    bench.answer_params()
    assert bench.recorded() == ["tension_fell_back"]
    assert bench.codes(Wish.ARM, LUMBAR)[1:] == ["TENSION_UNCONFIRMED"]


def test_the_time_comes_without_a_word_from_the_board() -> None:
    bench = suited()
    load(bench, *EMPTY)
    bench.later(TIMEOUT_US)
    assert not bench.state.sections[LUMBAR].tension_confirmed


def test_who_gets_up_for_a_moment_is_still_there() -> None:
    bench = suited()
    loaded_for(bench, TIMEOUT_US - 20 * MS, *EMPTY)
    load(bench, *THERE)
    loaded_for(bench, TIMEOUT_US - 20 * MS, *EMPTY)
    assert bench.state.sections[LUMBAR].tension_confirmed


def test_what_is_not_known_counts_as_nobody() -> None:
    bench = suited()
    loaded_for(bench, TIMEOUT_US + 20 * MS, None, None, None)
    assert not bench.state.sections[LUMBAR].tension_confirmed


def test_a_link_that_is_lost_for_so_long_may_hide_a_change_of_patients() -> None:
    bench = suited()
    bench.take(ev.WentStale())
    bench.later(TIMEOUT_US - 1)
    assert bench.state.sections[LUMBAR].tension_confirmed
    bench.later(1)
    assert not bench.state.sections[LUMBAR].tension_confirmed


def test_a_board_without_load_cells_cannot_tell() -> None:
    bench = suited()
    bench.open(replace(board(bench.values), load_cells=False))
    loaded_for(bench, TIMEOUT_US + 1 * S, None, None, None)
    assert bench.state.patient == Patient(None, gone=False)


def test_a_tension_that_is_set_for_who_comes_has_the_same_time() -> None:
    bench = quick().ready()
    load(bench, *EMPTY)
    loaded_for(bench, TIMEOUT_US, *EMPTY)
    bench.ask(ev.TakeLease())
    bench.ask(ev.SetTension(LUMBAR, SET_DN))
    bench.answer_params()
    loaded_for(bench, TIMEOUT_US - 20 * MS, *EMPTY)
    # The lease is not what ends it here.
    assert bench.state.patient.gone is False
    bench.now_us += 20 * MS
    load(bench, *EMPTY)
    assert bench.state.patient.gone
    assert bench.state.sections[LUMBAR].tension_left


ENDS: dict[str, Callable[[Bench], object]] = {
    "it is given back": lambda bench: bench.ask(ev.ReleaseLease()),
    "it expires": lambda bench: bench.heard_for(6 * S),
    "the journal fails": lambda bench: bench.take(ev.JournalHealth(failed=True)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_with_the_lease_ends_the_word_for_a_tension(end: Callable[[Bench], object]) -> None:
    bench = suited()
    end(bench)
    assert bench.state.lease is None
    assert not any(each.tension_confirmed for each in bench.state.sections)
    assert (int(LUMBAR), MIDDLE_DN) in [
        (e.section, e.value) for e in bench.ever(do.SendParamSet) if e.key == TENSION_SET_KEY
    ]
    bench.take(ev.JournalHealth(failed=False))
    bench.ask(ev.TakeLease(), BOB)
    assert "TENSION_UNCONFIRMED" in bench.codes(Wish.ARM, THORACIC, BOB)


def test_a_new_daemon_begins_with_nobody_s_tension() -> None:
    bench = Bench()
    bench.values = {**COMPLETE, (int(LUMBAR), TENSION_SET_KEY): SET_DN}
    bench.ready(lease=None)
    assert bench.values[LUMBAR, TENSION_SET_KEY] == MIDDLE_DN
    assert not any(each.tension_left for each in bench.state.sections)


def test_to_set_the_same_value_is_to_confirm_it() -> None:
    bench = Bench().ready(lease=None)
    bench.ask(ev.TakeLease())
    assert "TENSION_UNCONFIRMED" in bench.codes(Wish.ARM, LUMBAR)
    bench.ask(ev.SetTension(LUMBAR, MIDDLE_DN))
    bench.answer_params()
    assert "TENSION_UNCONFIRMED" not in bench.codes(Wish.ARM, LUMBAR)
    assert "TENSION_UNCONFIRMED" in bench.codes(Wish.ARM, PELVIC)


def lie(bench: Bench, at: Section, load_dn: int, **changes: object) -> tuple[do.Effect, ...]:
    """A STATUS in which so much presses on a section whose tension is what was set."""
    sections = [section(phase) for phase in bench.phases]
    sections[at] = replace(sections[at], load_dn=load_dn, tension_dn=SET_DN, **changes)
    thoracic, lumbar, pelvic = sections
    return bench.take(ev.StatusHeard(bench.table, (thoracic, lumbar, pelvic)))


@pytest.mark.parametrize("phase", Phase)
def test_it_falls_back_only_where_the_section_is_known_to_be_down(phase: Phase) -> None:
    bench = suited(Phase.LOCKED, Phase.LOCKED)
    bench.phase(LUMBAR, phase)
    bench.ask(ev.ReleaseLease())
    assert bool(written(bench)) == (phase is Phase.LOCKED)
    before = len(bench.ever(do.SendParamSet))
    bench.phase(LUMBAR, Phase.COCKED)
    assert len(bench.ever(do.SendParamSet)) == before
    if phase is not Phase.LOCKED:
        assert bench.state.sections[LUMBAR].tension_left
        bench.phase(LUMBAR, Phase.LOCKED)
        assert written(bench) == [(LUMBAR, MIDDLE_DN)]


SWITCHES = [
    (Phase.UNKNOWN, {"down": True, "pin_in": True}, True),
    (Phase.FAULT, {"down": True, "pin_in": True}, True),
    (Phase.FAULT, {"down": True, "pin_in": False}, False),
    (Phase.FAULT, {"down": True, "pin_in": True, "up": True}, False),
    (Phase.UNKNOWN, {"up": True, "pin_in": True}, False),
    (Phase.HALTED, {"down": True, "pin_in": True}, False),
]


@pytest.mark.parametrize(("phase", "switches", "taken"), SWITCHES)
def test_where_nobody_knows_the_phase_both_switches_say_that_it_is_down(
    phase: Phase, switches: dict[str, bool], taken: bool
) -> None:
    bench = suited()
    bench.phases[LUMBAR] = phase
    bench.status(stopped=True)
    bench.ask(ev.ReleaseLease())
    bench.table = replace(bench.table, stopped=False)
    lie(bench, LUMBAR, 0, **switches)
    assert bool(written(bench)) == taken


def test_under_a_patient_who_is_raised_the_tension_stays_and_lowers_them() -> None:
    """500 N lie on a section that was set to hold them, and whoever set it goes away."""
    bench = suited(Phase.LOCKED, Phase.COCKED)
    lie(bench, LUMBAR, SET_DN - 600)
    bench.ask(ev.ReleaseLease())
    bench.later(10 * MS)
    assert written(bench) == []
    for _ in range(20):
        bench.now_us += 20 * MS
        lie(bench, LUMBAR, SET_DN - 600)
    bench.ask(ev.TakeLease(), BOB)
    bench.now_us += 20 * MS
    lie(bench, LUMBAR, SET_DN - 600)
    assert "TENSION_LEFT" in bench.codes(Wish.ARM, LUMBAR, BOB)
    assert bench.codes(Wish.LOCK, LUMBAR, BOB) == []


@pytest.mark.parametrize("phase", [Phase.COCKED, Phase.HALTED])
def test_nobody_sets_a_tension_that_lets_go_of_who_lies_raised(phase: Phase) -> None:
    bench = suited(Phase.LOCKED, phase)
    lie(bench, LUMBAR, 1000, up=True)
    least_dn = 1000 + CONFIGURED[int(LUMBAR), TENSION_TOLERANCE_KEY]
    assert bench.refused(ev.SetTension(LUMBAR, least_dn)) == ["TENSION_LOW"]
    assert written(bench) == []
    assert bench.ask(ev.SetTension(LUMBAR, least_dn + 1)) is None
    bench.phase(LUMBAR, Phase.LOCKED)
    bench.answer_params()


def test_a_low_tension_is_set_where_the_section_is_down_and_does_not_raise_it() -> None:
    bench = suited()
    assert bench.ask(ev.SetTension(LUMBAR, 500)) is None
    bench.answer_params()
    sections = [replace(section(phase), tension_dn=500) for phase in bench.phases]
    bench.take(ev.StatusHeard(bench.table, tuple(sections)))  # type: ignore[arg-type]
    assert bench.codes(Wish.COCK, LUMBAR) == ["TENSION_LOW"]


def test_a_section_that_is_about_to_move_is_left_alone() -> None:
    bench = suited()
    lie(bench, LUMBAR, 800)
    sent = bench.sent(ev.Do(Verb.COCK, LUMBAR))
    bench.ask(ev.ReleaseLease())
    assert written(bench) == []
    bench.result(sent.cmd_id, 4)
    assert written(bench) == [(LUMBAR, MIDDLE_DN)]


def test_under_stop_nothing_is_written_and_after_the_reset_it_is() -> None:
    bench = suited()
    bench.status(stopped=True)
    bench.ask(ev.ReleaseLease())
    assert written(bench) == []
    bench.status(stopped=False)
    assert written(bench) == [(LUMBAR, MIDDLE_DN)]


def test_a_board_that_does_not_take_it_is_told_again_after_a_while() -> None:
    bench = suited()
    bench.ask(ev.ReleaseLease())
    first = bench.one(do.SendParamSet)
    bench.result(first.cmd_id, 1)
    bench.heard_for(TENSION_RETRY_US - 1)
    assert written(bench) == []
    bench.later(1)
    again = bench.one(do.SendParamSet)
    assert (again.section, again.value) == (first.section, first.value)
    bench.answer_params()
    assert not bench.state.sections[LUMBAR].tension_left


def confirm(bench: Bench) -> None:
    """A person sets it again, after it was lost."""
    bench.ask(ev.TakeLease())
    bench.heard_for(200 * MS)
    bench.ask(ev.SetTension(LUMBAR, SET_DN))
    bench.answer_params()


HINDRANCES: dict[str, Callable[[Bench], object]] = {
    "nothing": lambda bench: None,
    "the table is stopped": lambda bench: bench.status(stopped=True),
    "a person has set another": confirm,
    "the section has risen": lambda bench: bench.phase(LUMBAR, Phase.COCKED),
    "the daemon ends": lambda bench: bench.take(ev.Closing()),
    "the board is silent": lambda bench: bench.take(ev.WentStale()),
    "a STOP is wanted": lambda bench: bench.stop(),
    "the board is gone": lambda bench: bench.take(ev.LinkTrouble("LINK_VANISHED", "gone")),
}


@pytest.mark.parametrize("refused", [False, True], ids=["lost", "refused"])
@pytest.mark.parametrize("hinder", HINDRANCES.values(), ids=HINDRANCES)
def test_what_was_not_taken_wakes_nobody_for_ever(
    hinder: Callable[[Bench], object], refused: bool
) -> None:
    """Each step of the bench looks that nothing is due in the past."""
    bench = suited()
    bench.ask(ev.ReleaseLease())
    first = bench.one(do.SendParamSet)
    if refused:
        bench.result(first.cmd_id, 1)
    hinder(bench)
    bench.heard_for(12 * S) if bench.state.believed else bench.later(12 * S)
    tries = [e for e in bench.ever(do.SendParamSet) if (e.section, e.value) == (LUMBAR, MIDDLE_DN)]
    # Whose lease ended meanwhile has left a tension of their own.
    assert len(tries) <= TENSION_TRIES_MAX + 1


def test_a_board_that_never_takes_it_is_told_so_often_and_then_a_person_sets_it() -> None:
    bench = suited()
    bench.ask(ev.ReleaseLease())
    tries = 0
    for _ in range(600):
        asked = [e for e in bench.found(do.SendParamSet) if e.key == TENSION_SET_KEY]
        tries += len(asked)
        for each in asked:
            bench.result(each.cmd_id, 1)
        bench.heard_for(20 * MS)
    assert tries == TENSION_TRIES_MAX
    assert bench.state.sections[LUMBAR].tension_left
    confirm(bench)
    assert bench.state.sections[LUMBAR].tension_confirmed
    bench.ask(ev.ReleaseLease())
    assert written(bench) == [(LUMBAR, MIDDLE_DN)]


def test_what_was_lost_on_its_way_leaves_a_tension_that_nobody_knows() -> None:
    bench = suited()
    bench.ask(ev.ReleaseLease())
    bench.heard_for(RESULT_WAIT_US)
    assert "TENSION_UNKNOWN" in bench.codes(Wish.COCK, LUMBAR)
    bench.heard_for(TENSION_RETRY_US)
    bench.answer_params()
    again = [e for e in bench.ever(do.SendParamSet) if e.section is not None][-1]
    bench.answer_param(again)
    assert "TENSION_UNKNOWN" not in bench.codes(Wish.COCK, LUMBAR)


def test_what_was_lost_with_the_link_is_written_when_the_board_is_back() -> None:
    bench = suited()
    bench.ask(ev.ReleaseLease())
    bench.open()
    assert bench.state.fall_back is None
    bench.status()
    bench.answer_params()
    assert bench.values[LUMBAR, TENSION_SET_KEY] == MIDDLE_DN


def test_at_a_board_without_a_drive_a_person_says_what_they_set() -> None:
    bench = Bench()
    bench.open(replace(board(bench.values), tension_drive=False))
    bench.status()
    bench.answer_params()
    bench.take(ev.RoundTrip(MS))
    bench.heard_for(200 * MS)
    bench.ask(ev.TakeLease())
    assert "TENSION_UNCONFIRMED" in bench.codes(Wish.ARM)
    assert bench.ask(ev.SetTension(THORACIC, SET_DN), ANN) == ()
    assert (written(bench), bench.recorded()) == ([], ["tension_set"])
    assert not {"TENSION_UNCONFIRMED", "TENSION_OFF"} & set(bench.codes(Wish.ARM))
    bench.ask(ev.SetTension(THORACIC, 700), ANN)
    assert "TENSION_LOW" in bench.codes(Wish.ARM)
    bench.ask(ev.ReleaseLease())
    assert bench.state.sections[THORACIC].tension_by_hand_dn is None
    assert written(bench) == []
