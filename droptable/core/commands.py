"""What was asked of the board for a person and is not answered yet. Pure.

A command goes out once. Its RESULT answers whoever asked; so does the loss of the board, and so does
the time after which no RESULT comes any more. Nothing is sent again: a person looks, and decides.
"""

from dataclasses import replace

from droptable.core import findings, tensions, wear
from droptable.core.board_events import Data
from droptable.core.effects import SendCommand, SendParamSet
from droptable.core.events import Asked, ParamHeard, ResultHeard, SetTension
from droptable.core.licences import begin_hold, end_hold
from droptable.core.limits import COMMAND_TTL_MS, RESULT_WAIT_US, TENSION_SET_KEY
from droptable.core.model import Control, Finger, Pending, Phase, TensionPending, Verb
from droptable.core.overs import Over
from droptable.core.reasons import OK, Reason, board_refused, reason
from droptable.core.turn import Turn
from droptable.sections import Section

OUT_OF_RANGE = 8


def send_command(
    turn: Turn,
    request: int | None,
    verb: Verb,
    section: Section | None,
    *,
    finger: Finger | None = None,
    series: str | None = None,
) -> None:
    """Send a COMMAND, after a BEAT with the licences that it needs. `series`: it arms for one."""
    cmd_id = turn.take_cmd_id()
    window_ms = turn.state.settings.window_ms if verb is Verb.ARM else 0
    if verb is Verb.ARM:
        wear.note_arm(turn)
    if section is not None and verb in (Verb.COCK, Verb.LOCK):
        begin_hold(turn, cmd_id, section, verb)
    if section is not None and verb is Verb.ARM:
        turn.keep(section, replace(turn.section(section), series=series))
    turn.tell_beat()
    expect = None if section is None else int(turn.section(section).phase)
    turn.effects.append(SendCommand(cmd_id, verb, section, expect, COMMAND_TTL_MS, arg=window_ms))
    pending = Pending(cmd_id, verb, section, turn.now_us, request, window_ms * 1000, finger)
    turn.state = replace(turn.state, pending=(*turn.state.pending, pending))


def send_tension(turn: Turn, asked: Asked, wanted: SetTension) -> None:
    """Send the PARAM_SET that sets a tension; at a board without a drive a person has set it."""
    if not tensions.has_drive(turn.state, wanted.section):
        _take_by_hand(turn, asked, wanted)
        return
    cmd_id = turn.take_cmd_id()
    turn.effects.append(SendParamSet(cmd_id, wanted.section, TENSION_SET_KEY, wanted.tension_dn))
    pending = TensionPending(
        cmd_id, wanted.section, wanted.tension_dn, turn.now_us, asked.request, asked.actor
    )
    turn.state = replace(turn.state, tension_pending=pending)


def _take_by_hand(turn: Turn, asked: Asked, wanted: SetTension) -> None:
    """The word of whoever has the lease: nothing here measures it."""
    section = replace(turn.section(wanted.section), tension_by_hand_dn=wanted.tension_dn)
    turn.keep(wanted.section, section)
    tensions.confirm(turn, wanted.section)
    data: Data = {"tension_n": wanted.tension_dn / 10}
    turn.record("tension_set", wanted.section, asked.actor, data)
    turn.answer(asked.request)


def take_result(turn: Turn, result: ResultHeard) -> None:
    """The board says how it took something."""
    for pending in turn.state.pending:
        if pending.cmd_id == result.cmd_id:
            _resolve(turn, pending, None if result.code == OK else board_refused(result.code))
    tension = turn.state.tension_pending
    # What was taken is answered with the parameter, not with OK.
    if tension is not None and tension.cmd_id == result.cmd_id and result.code != OK:
        _resolve_tension(turn, tension, board_refused(result.code))


def take_param(turn: Turn, param: ParamHeard) -> None:
    """The board says what is in force: of a tension, whether it is the one that was asked for."""
    tension = turn.state.tension_pending
    if tension is None or tension.cmd_id != param.cmd_id:
        return
    said = (param.section, param.key, param.value)
    taken = said == (tension.section, TENSION_SET_KEY, tension.tension_dn)
    _resolve_tension(turn, tension, None if taken else board_refused(OUT_OF_RANGE))


def give_up(turn: Turn, *, sent_before_us: int | None = None) -> None:
    """No answer will come to anything, or to nothing that was sent up to a time."""
    silent = reason("BOARD_SILENT")
    for pending in turn.state.pending:
        if sent_before_us is None or pending.sent_us <= sent_before_us:
            _resolve(turn, pending, silent)
    tension = turn.state.tension_pending
    if tension is not None and (sent_before_us is None or tension.sent_us <= sent_before_us):
        tensions.forget_set(turn, tension.section)
        _resolve_tension(turn, tension, silent)


def give_up_what_is_late(turn: Turn) -> None:
    """Answer for the board where it has had its time."""
    give_up(turn, sent_before_us=turn.now_us - RESULT_WAIT_US)


def _resolve(turn: Turn, pending: Pending, refused: Reason | None) -> None:
    """A command's answer has come, or will not."""
    left = tuple(each for each in turn.state.pending if each is not pending)
    turn.state = replace(turn.state, pending=left)
    if refused is None and pending.section is not None:
        _follow(turn, pending.verb, pending.section, pending.sent_us + pending.window_us)
    if refused is not None:
        _end_what_it_was_for(turn, pending, refused)
    _tell(turn, pending, () if refused is None else (refused,))


def _end_what_it_was_for(turn: Turn, pending: Pending, refused: Reason) -> None:
    """Nothing is held for what was not begun, and no series goes on after it."""
    hold, gesture = turn.state.hold, turn.state.gesture
    its_hold = hold is not None and hold.cmd_id == pending.cmd_id
    armed_for = gesture is not None and (pending.verb, gesture.control, gesture.section) == (
        Verb.ARM,
        Control.SERIES,
        pending.section,
    )
    if its_hold or armed_for:
        end_hold(turn, Over.REFUSED, refused)


def _tell(turn: Turn, pending: Pending, against: tuple[Reason, ...]) -> None:
    if pending.request is not None:
        turn.answer(pending.request, *against)
    if pending.finger is not None:
        over = Over.REFUSED if against else Over.DONE
        client, intent = pending.finger.client, pending.finger.intent
        turn.tell(client, intent, over=over, against=against)


def _follow(turn: Turn, verb: Verb, section: Section, until_us: int) -> None:
    """What follows here from a command that the board has taken."""
    match verb:
        case Verb.ARM:
            _note_window(turn, section, until_us)
        case Verb.HOME:
            findings.take_homed(turn, section)
        case Verb.CLEAR_FAULT:
            findings.take_cleared(turn, section)
        case Verb.COCK | Verb.DISARM | Verb.LOCK | Verb.RESET_STOP:
            pass


def _note_window(turn: Turn, at: Section, until_us: int) -> None:
    """The RESULT of an ARM comes before the STATUS that shows it."""
    section = turn.section(at)
    if section.phase in (Phase.COCKED, Phase.ARMED):
        turn.keep(at, replace(section, armed_until_us=until_us))


def _resolve_tension(turn: Turn, pending: TensionPending, refused: Reason | None) -> None:
    turn.state = replace(turn.state, tension_pending=None)
    if refused is not None:
        # Whoever asked wanted another one than there is, so nobody answers for that.
        doubted = replace(turn.section(pending.section), tension_confirmed=False)
        turn.keep(pending.section, doubted)
        return turn.answer(pending.request, refused)
    lease = turn.state.lease
    answers_for_it = lease is not None and lease.holder == pending.actor
    if answers_for_it:
        tensions.confirm(turn, pending.section)
    data: Data = {"tension_n": pending.tension_dn / 10}
    turn.record("tension_set", pending.section, pending.actor, data)
    return turn.answer(pending.request)
