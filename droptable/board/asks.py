"""What a host asks, and what the board does about it and answers. Pure.

Nothing here judges the table: whether a verb may be carried out is for `verbs.py`.
"""

from dataclasses import replace

from droptable.board import params as p
from droptable.board.drops import SAMPLE_US, trace_of
from droptable.board.model import (
    TABLE,
    Answer,
    Ask,
    Beat,
    Code,
    Command,
    Disarmed,
    EventAck,
    Kind,
    Lost,
    Opened,
    Param,
    ParamGet,
    ParamSet,
    Phase,
    Result,
    Stop,
    StopSource,
    TraceGet,
    Verb,
)
from droptable.board.params import PARAM_RULES, address_refusal
from droptable.board.phases import disarm, enter, run_rows, stop
from droptable.board.rows import BEGINS
from droptable.board.state import RESTING, STATUS_EVERY_US, TENSION_KEYS, Tare, tension_steps
from droptable.board.turn import SECTIONS, Turn
from droptable.board.verbs import BEATS_BEFORE_COMMANDS, HOME_PHASES, refusal

COMMANDS_REMEMBERED = 16
TARE_US = 500_000


def take(turn: Turn, ask: Ask) -> None:
    """Do what is asked, if it may be done, and answer."""
    match ask:
        case Stop():
            stop(turn, StopSource.FRAME)
            if ask.answer:
                turn.answers.append(Result(ask.cmd_id, Code.OK, 0))
        case Beat():
            _take_beat(turn, ask)
        case Command() | ParamSet():
            _take_once(turn, ask)
        case ParamGet():
            turn.answers.append(_param_of(turn, ask))
        case EventAck():
            _take_ack(turn, ask)
        case TraceGet():
            turn.answers.append(trace_of(turn, ask))
        case Opened():
            _take_opened(turn)
        case Lost():
            turn.tell(Kind.LINK_LOST, TABLE)
            _lose_host(turn)


# The session


def _take_beat(turn: Turn, beat: Beat) -> None:
    board = turn.board
    if not board.host_live:
        return
    beats = min(board.beats + 1, BEATS_BEFORE_COMMANDS)
    if (beats, beat.lease, beat.hold) != (board.beats, board.lease, board.beat_hold):
        turn.change(beats=beats, lease=beat.lease, beat_hold=beat.hold)
        run_rows(turn)


def _take_opened(turn: Turn) -> None:
    """A new host: whatever the last one was allowed is over before the new one is heard."""
    if turn.board.host_live:
        _lose_host(turn)
    turn.change(
        host_live=True,
        host_seen=True,
        beats=0,
        remembered=(),
        told_us=turn.now_us - STATUS_EVERY_US,
        resend_due_us=turn.now_us,
    )
    turn.tell(Kind.LINK_UP, TABLE)


def _lose_host(turn: Turn) -> None:
    turn.change(host_live=False, lease=False, beat_hold=False)
    run_rows(turn)
    _leave_maintenance(turn)


def _take_ack(turn: Turn, ack: EventAck) -> None:
    if ack.boot_id == turn.board.boot_id:
        turn.change(events=turn.board.events.acknowledged(ack.event_seq).tell_lost(turn.now_us))


def _take_once(turn: Turn, ask: Command | ParamSet) -> None:
    """Answer from memory what was asked before in this session; else do it and remember."""
    known = dict(turn.board.remembered)
    if ask.cmd_id in known:
        turn.answers.append(known[ask.cmd_id])
        return
    answer: Answer = _obey(turn, ask) if isinstance(ask, Command) else _set_param(turn, ask)
    turn.answers.append(answer)
    if turn.board.host_live:
        remembered = (*turn.board.remembered, (ask.cmd_id, answer))
        turn.change(remembered=remembered[-COMMANDS_REMEMBERED:])


# Commands


def _obey(turn: Turn, ask: Command) -> Result:
    at = ask.section if ask.section in SECTIONS else 0
    code = refusal(turn.view(at), ask)
    if code is None:
        _begin(turn, ask, at)
    return Result(ask.cmd_id, code or Code.OK, _phase_of(turn, ask.section))


def _begin(turn: Turn, ask: Command, at: int) -> None:
    match Verb(ask.verb):
        case Verb.COCK | Verb.LOCK as verb:
            enter(turn, at, BEGINS[verb], began_us=turn.now_us)
        case Verb.ARM as verb:
            enter(turn, at, BEGINS[verb], began_us=turn.now_us, window_us=ask.arg * 1000)
            turn.tell(Kind.ARMED, at, a=ask.arg)
        case Verb.DISARM:
            disarm(turn, at, Disarmed.COMMAND)
        case Verb.HOME:
            enter(turn, at, HOME_PHASES[turn.view(at).settled_as])
        case Verb.CLEAR_FAULT as verb:
            cleared = turn.section(at).fault
            enter(turn, at, BEGINS[verb])
            turn.tell(Kind.FAULT_CLEARED, at, a=cleared)
        case Verb.TARE:
            turn.change(tare=Tare(ask.cmd_id, at, turn.now_us))
        case Verb.MAINTENANCE if ask.arg:
            _enter_maintenance(turn)
        case Verb.MAINTENANCE:
            _leave_maintenance(turn)
        case Verb.RESET_STOP:
            _reset_stop(turn)


def _enter_maintenance(turn: Turn) -> None:
    if not turn.board.maintenance:
        turn.change(maintenance=True)
        turn.tell(Kind.MAINTENANCE, TABLE, a=1)


def _leave_maintenance(turn: Turn) -> None:
    if turn.board.maintenance:
        turn.change(maintenance=False)
        turn.tell(Kind.MAINTENANCE, TABLE, a=0)


def _reset_stop(turn: Turn) -> None:
    if turn.board.stopped:
        turn.change(stopped=False)
        turn.tell(Kind.STOP_RESET, TABLE)


def finish_tare(turn: Turn) -> None:
    """End a taring: with a new zero when its time is over, without one when it is interrupted."""
    tare = turn.board.tare
    if tare is None:
        return
    locked = turn.section(tare.section).phase is Phase.LOCKED
    if not (locked and turn.board.may_move and turn.board.maintenance):
        turn.change(tare=None)
    elif turn.now_us >= tare.started_us + TARE_US:
        turn.change(tare=None)
        _write_zero(turn, tare)


def _write_zero(turn: Turn, tare: Tare) -> None:
    until_us = tare.started_us + TARE_US
    raws = turn.loads.window(tare.section, tare.started_us, until_us, SAMPLE_US)
    seen = [raw for raw in raws if raw is not None]
    # A converter that is late now and then does no harm to an average; one that fails does.
    if 2 * len(seen) >= len(raws):
        zero = round(sum(seen) / len(seen))
        write_param(turn, tare.section, p.LOAD_ZERO_RAW, zero)
        turn.answers.append(Param(tare.cmd_id, tare.section, p.LOAD_ZERO_RAW, zero))


# Parameters


def _set_param(turn: Turn, ask: ParamSet) -> Result | Param:
    code = _param_refusal(turn, ask)
    if code is not None:
        return Result(ask.cmd_id, code, _phase_of(turn, ask.section))
    write_param(turn, ask.section, ask.key, ask.value)
    return Param(ask.cmd_id, ask.section, ask.key, ask.value)


def _param_refusal(turn: Turn, ask: ParamSet) -> Code | None:
    if not turn.board.host_live:
        return Code.NO_SESSION
    if (code := address_refusal(ask.section, ask.key, turn.board.features)) is not None:
        return code
    if not PARAM_RULES[ask.key].takes(ask.value):
        return Code.OUT_OF_RANGE
    if ask.key == p.TENSION_SET_DN:
        still = turn.section(ask.section).phase in RESTING | {Phase.COCKED, Phase.HALTED}
    else:
        still = all(section.phase in RESTING for section in turn.board.sections)
    return None if still else Code.WRONG_PHASE


def write_param(turn: Turn, section: int, key: int, value: int) -> None:
    """Put a parameter in force; the tension actuator follows those that say where it has to be."""
    params = turn.board.params.with_value(section, key, value)
    turn.change(params=params, params_complete=params.complete(turn.board.features))
    if key in TENSION_KEYS:
        aim_tension(turn, section)


def aim_tension(turn: Turn, at: int) -> None:
    """Send the tension actuator to where it has to be, and give it its time to get there.

    Under STOP, without a drive, or before its parameters are known, it stays where it is; so it does
    if it would let go of what nothing but the tension holds.
    """
    view = turn.view(at)
    steps = turn.inputs.sections[at].tension_steps
    if view.tension_known and not turn.board.stopped:
        aim = tension_steps(turn.board.params, at)
        weaker = (aim - steps) * turn.board.params.get(at, p.TENSION_SPAN_UN) < 0
        steps = steps if weaker and view.may_hang else aim
    section = turn.section(at)
    turn.keep(at, replace(section, tension_target_steps=steps, tension_written_us=turn.now_us))


def _param_of(turn: Turn, ask: ParamGet) -> Result | Param:
    code = address_refusal(ask.section, ask.key, turn.board.features)
    value = turn.board.params.stored(ask.section, ask.key) if code is None else None
    if value is None:
        code = code or Code.PARAMS_INCOMPLETE
        return Result(ask.cmd_id, code, _phase_of(turn, ask.section))
    return Param(ask.cmd_id, ask.section, ask.key, value)


def _phase_of(turn: Turn, section: int) -> int:
    return turn.section(section).phase if section in SECTIONS else 0
