"""Whose tension a section has: this patient's, for whom somebody answers, or the last one's. Pure.

A tension that was set for somebody else is the one thing at this table that looks right and is not.
So whoever has the lease answers for it, by setting it; that ends with the lease, and when nobody has
lain on the table for `patient_timeout_s`. Then the board is told the middle of the range as soon as
the section is down, and still nobody answers for that: a person has to set it, to the same value or
another.

What is not known counts as nobody lying there. A board without load cells cannot tell, and there the
end of the lease alone counts. Under STOP nothing is written, as nothing may move. The tension of a
section that is not down is never touched: somebody may lie on it, and it is what holds them as soon
as the pin is out.
"""

from dataclasses import replace

from droptable.core.board_events import Data
from droptable.core.effects import SendParamSet
from droptable.core.events import ParamHeard, ResultHeard
from droptable.core.limits import (
    RESULT_WAIT_US,
    TENSION_RETRY_US,
    TENSION_SET_KEY,
    TENSION_TRIES_MAX,
)
from droptable.core.model import (
    FallBack,
    FallBackTries,
    Patient,
    Phase,
    Provision,
    SectionState,
    State,
)
from droptable.core.reasons import OK
from droptable.core.turn import DAEMON, Turn
from droptable.sections import Section


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
    _forget_tries(turn, at)
    written = turn.state.fall_back
    if written is not None and written.section is at:
        # The board had it before what was set now, so nothing of it is left.
        turn.state = replace(turn.state, fall_back=None)
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
    for at in _left(turn.state):
        middle_dn = turn.state.settings.sections[at].tension_middle_dn
        if set_dn(turn.state, at) == middle_dn or not has_drive(turn.state, at):
            turn.keep(at, replace(turn.section(at), tension_left=False))
    at_next = _next(turn.state)
    idle = turn.state.fall_back is None and turn.now_us >= turn.state.fall_back_tries.next_us
    if at_next is not None and idle:
        _write(turn, at_next)


def give_up_when_late(turn: Turn) -> None:
    """No answer will come to it: what the board has now is not known."""
    written = turn.state.fall_back
    if written is not None and turn.now_us >= written.sent_us + RESULT_WAIT_US:
        forget_set(turn, written.section)
        _fail(turn, written)


def due_us(state: State) -> int | None:
    """When the answer is late, or the next try is due; None while nothing could be written."""
    if state.fall_back is not None:
        return state.fall_back.sent_us + RESULT_WAIT_US
    return None if _next(state) is None else state.fall_back_tries.next_us


def take_param(turn: Turn, param: ParamHeard) -> None:
    """The board says what is in force."""
    written = turn.state.fall_back
    if written is None or written.cmd_id != param.cmd_id:
        return
    if (param.section, param.key, param.value) != _as_param(written):
        _fail(turn, written)
        return
    turn.state = replace(turn.state, fall_back=None)
    _forget_tries(turn, written.section)
    data: Data = {"tension_n": written.tension_dn / 10}
    turn.record("tension_fell_back", written.section, DAEMON, data)


def take_result(turn: Turn, result: ResultHeard) -> None:
    """The board does not take it; what it takes is answered with the parameter."""
    written = turn.state.fall_back
    if written is not None and written.cmd_id == result.cmd_id and result.code != OK:
        _fail(turn, written)


def forget(turn: Turn) -> None:
    """The board was lost: what it took is not known, and is looked at when it is back."""
    turn.state = replace(turn.state, fall_back=None, fall_back_tries=FallBackTries())


def forget_set(turn: Turn, section: Section) -> None:
    """Whether the board took a tension is not known, and so neither is what it has."""
    params, at = turn.state.params, (int(section), TENSION_SET_KEY)
    values = {each: value for each, value in params.values.items() if each != at}
    turn.state = replace(turn.state, params=replace(params, values=values))


def _as_param(written: FallBack) -> tuple[int, int, int]:
    return (int(written.section), TENSION_SET_KEY, written.tension_dn)


def _loaded(state: State) -> bool:
    board = state.link.board
    if board is not None and not board.load_cells:
        return True
    least_dn = state.settings.bounds.unloaded_below_dn
    loads = (section.load_dn for section in state.sections)
    return any(load_dn is not None and load_dn >= least_dn for load_dn in loads)


def _left(state: State) -> tuple[Section, ...]:
    """Where the last patient's tension is, as long as it is known what the board has."""
    if not state.believed or state.params.stage not in (Provision.PROVEN, Provision.WAITING):
        return ()
    return tuple(at for at in Section if state.sections[at].tension_left)


def _next(state: State) -> Section | None:
    """Where the board would take it now: of several where it was refused the least often."""
    table = state.table
    hindered = table is None or table.stopped or state.foreign or state.closing
    if hindered or state.stop_wanted is not None or state.tension_pending is not None:
        return None
    failed = state.fall_back_tries.failed
    can = (
        at
        for at in _left(state)
        if _is_down(state.sections[at])
        and not _awaited(state, at)
        and failed[at] < TENSION_TRIES_MAX
    )
    return min(can, key=lambda at: (failed[at], at), default=None)


def _is_down(section: SectionState) -> bool:
    """Whether nobody can fall with it: it is at the bottom, and pinned there."""
    if section.phase in (Phase.UNKNOWN, Phase.FAULT):
        return section.down and section.pin_in and not section.up
    return section.phase is Phase.LOCKED


def _awaited(state: State, at: Section) -> bool:
    """Whether the section is about to move."""
    held = state.hold is not None and state.hold.section is at
    return held or any(pending.section is at for pending in state.pending)


def _write(turn: Turn, at: Section) -> None:
    tension_dn = turn.state.settings.sections[at].tension_middle_dn
    cmd_id = turn.take_cmd_id()
    turn.effects.append(SendParamSet(cmd_id, int(at), TENSION_SET_KEY, tension_dn))
    turn.state = replace(turn.state, fall_back=FallBack(cmd_id, at, tension_dn, turn.now_us))


def _fail(turn: Turn, written: FallBack) -> None:
    """Once more, after a while, and not for ever."""
    thoracic, lumbar, pelvic = (
        failed + (at is written.section)
        for at, failed in zip(Section, turn.state.fall_back_tries.failed, strict=True)
    )
    tries = FallBackTries((thoracic, lumbar, pelvic), turn.now_us + TENSION_RETRY_US)
    turn.state = replace(turn.state, fall_back=None, fall_back_tries=tries)


def _forget_tries(turn: Turn, at: Section) -> None:
    thoracic, lumbar, pelvic = (
        0 if each is at else failed
        for each, failed in zip(Section, turn.state.fall_back_tries.failed, strict=True)
    )
    tries = replace(turn.state.fall_back_tries, failed=(thoracic, lumbar, pelvic))
    turn.state = replace(turn.state, fall_back_tries=tries)
