"""Whose tension a section has: this patient's, for whom somebody answers, or the last one's. Pure.

A tension that was set for somebody else is the one thing at this table that looks right and is not.
So whoever has the lease answers for it, by setting it; that ends with the lease, and when nobody has
lain on the table for `patient_timeout_s`. Then the board is told the middle of the range as soon as
it takes it, and still nobody answers for that: a person has to set it, to the same value or another.

What is not known counts as nobody lying there. A board without load cells cannot tell, and there the
end of the lease alone counts. Under STOP nothing is written, as nothing may move; the tension of a
section that is armed, or about to be, is never touched.
"""

from dataclasses import replace

from droptable.core.board_events import Data
from droptable.core.effects import SendParamSet
from droptable.core.events import ParamHeard
from droptable.core.limits import TENSION_RETRY_US, TENSION_SET_KEY
from droptable.core.model import FallBack, Patient, Phase, Provision, SectionState, State
from droptable.core.turn import DAEMON, Turn
from droptable.sections import Section

TAKEN_IN = frozenset({Phase.UNKNOWN, Phase.LOCKED, Phase.COCKED, Phase.HALTED, Phase.FAULT})
"""The phases in which a board takes the tension of a section."""


def set_dn(state: State, at: Section) -> int | None:
    """What the tension of a section was set to, by the board or by hand; None: not known."""
    if not has_drive(state, at):
        return state.sections[at].tension_by_hand_dn
    return state.params.values.get((int(at), TENSION_SET_KEY))


def has_drive(state: State, at: Section) -> bool:
    """Whether the board sets the tension of a section; as long as nothing else is known, it does."""
    board = state.link.board
    said_not = (int(at), TENSION_SET_KEY) in state.params.unsupported
    return not said_not and (board is None or board.tension_drive)


def left(section: SectionState) -> SectionState:
    """The section when nobody answers for its tension any more, and the patient may be another."""
    return replace(section, tension_confirmed=False, tension_left=True, tension_by_hand_dn=None)


def confirm(turn: Turn, at: Section) -> None:
    """Whoever has the lease has set it: it is this patient's, or that of the one who comes."""
    confirmed = replace(turn.section(at), tension_confirmed=True, tension_left=False)
    turn.keep(at, confirmed)
    if turn.state.patient.unloaded_us is not None:
        turn.state = replace(turn.state, patient=Patient(turn.now_us, gone=False))


def follow_status(turn: Turn) -> None:
    """After a STATUS: whether somebody lies there."""
    if _loaded(turn.state):
        if turn.state.patient != Patient(None, gone=False):
            turn.state = replace(turn.state, patient=Patient(None, gone=False))
    else:
        count_as_unloaded(turn)


def count_as_unloaded(turn: Turn) -> None:
    """From now on nobody is known to lie there, unless that has been so for longer."""
    patient = turn.state.patient
    if patient.unloaded_us is None:
        turn.state = replace(turn.state, patient=replace(patient, unloaded_us=turn.now_us))


def leave_when_the_patient_has(turn: Turn) -> None:
    """Nobody has lain there for so long that whoever comes is another."""
    due_us = gone_us(turn.state)
    if due_us is not None and turn.now_us >= due_us:
        turn.state = replace(turn.state, patient=replace(turn.state.patient, gone=True))
        turn.keep_all(left(each) for each in turn.state.sections)


def gone_us(state: State) -> int | None:
    """When the patient counts as gone; None while one lies there, or has gone already."""
    patient = state.patient
    if patient.gone or patient.unloaded_us is None:
        return None
    return patient.unloaded_us + state.settings.bounds.patient_timeout_us


def advance(turn: Turn) -> None:
    """Write the middle of the range over what was left, one section at a time, as it can be done."""
    state = turn.state
    if not any(section.tension_left for section in state.sections) or not _may_write(turn):
        return
    for at in Section:
        if not turn.section(at).tension_left:
            continue
        middle_dn = state.settings.sections[at].tension_middle_dn
        if set_dn(state, at) == middle_dn or not has_drive(state, at):
            turn.keep(at, replace(turn.section(at), tension_left=False))
        elif turn.section(at).phase in TAKEN_IN and not _awaited(state, at):
            _write(turn, at, middle_dn)
            return


def due_us(state: State) -> int | None:
    """When a board that did not take it is told again."""
    if state.fall_back is None:
        return None
    return state.fall_back.sent_us + TENSION_RETRY_US


def take_param(turn: Turn, param: ParamHeard) -> None:
    """The board says what is in force."""
    written = turn.state.fall_back
    if written is None or written.cmd_id != param.cmd_id:
        return
    turn.state = replace(turn.state, fall_back=None)
    if (param.section, param.key, param.value) != _as_param(written):
        return
    data: Data = {"tension_n": written.tension_dn / 10}
    turn.record("tension_fell_back", written.section, DAEMON, data)


def forget(turn: Turn) -> None:
    """The board was lost: what it took is not known, and is looked at when it is back."""
    turn.state = replace(turn.state, fall_back=None)


def _as_param(written: FallBack) -> tuple[int, int, int]:
    return (int(written.section), TENSION_SET_KEY, written.tension_dn)


def _loaded(state: State) -> bool:
    board = state.link.board
    if board is not None and not board.load_cells:
        return True
    least_dn = state.settings.bounds.unloaded_below_dn
    loads = (section.load_dn for section in state.sections)
    return any(load_dn is not None and load_dn >= least_dn for load_dn in loads)


def _may_write(turn: Turn) -> bool:
    """Whether the board would take a tension now, and nothing of anybody's is on its way to it."""
    state, due = turn.state, due_us(turn.state)
    table = state.table
    return (
        state.believed
        and table is not None
        and not (table.stopped or state.foreign or state.closing)
        and state.stop_wanted is None
        and state.params.stage in (Provision.PROVEN, Provision.WAITING)
        and state.tension_pending is None
        and (due is None or turn.now_us >= due)
    )


def _awaited(state: State, at: Section) -> bool:
    """Whether a command for the section is under way, after which it may be armed."""
    return any(pending.section is at for pending in state.pending)


def _write(turn: Turn, at: Section, tension_dn: int) -> None:
    cmd_id = turn.take_cmd_id()
    turn.effects.append(SendParamSet(cmd_id, int(at), TENSION_SET_KEY, tension_dn))
    turn.state = replace(turn.state, fall_back=FallBack(cmd_id, at, tension_dn, turn.now_us))
