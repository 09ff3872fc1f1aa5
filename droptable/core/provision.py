"""Brings the board's parameters together with the configuration, and proves that they are. Pure.

At each session the board says a CRC over all that it keeps. If that is the CRC of what is known
here, nothing needs to be read; if not, every parameter is read, one after the other. What differs
from the configuration is written while the board takes it, and then a new session makes the board
say its CRC again. Only a CRC that fits proves anything: until then nothing may be cocked or armed.

A tension belongs to the patient and not to the configuration: what the board has is kept, and only a
board that was never told any is given the middle of the range. A board of another hw_id than the
configured one is neither read nor written.

A parameter is asked about again when its answer is lost: to read or set the same value twice moves
nothing. How often, and how often a board is written to, has an end; then it is DIFFERENT.
"""

from collections.abc import Iterator
from dataclasses import replace

from droptable.core.effects import ReopenSession, SendParamGet, SendParamSet
from droptable.core.events import ParamHeard, ResultHeard
from droptable.core.limits import (
    OPTIONAL_KEYS,
    PARAM_TRIES_MAX,
    PARAM_WAIT_US,
    SECTION_KEYS,
    TABLE,
    TABLE_KEYS,
    TENSION_SET_KEY,
    WRITE_ROUNDS_MAX,
)
from droptable.core.model import Board, Params, Phase, Provision, State
from droptable.core.reasons import OK
from droptable.core.turn import DAEMON, Turn
from droptable.sections import Section

At = tuple[int, int]
"""Section, 255 for the table, and key."""

EVERY: tuple[At, ...] = (
    *((int(section), key) for section in Section for key in SECTION_KEYS),
    *((TABLE, key) for key in TABLE_KEYS),
)

RESTING = frozenset({Phase.LOCKED, Phase.UNKNOWN, Phase.FAULT})
"""The phases in which a board takes its parameters."""

WRONG_PHASE = 1
NEVER_SET = 11
NOT_THERE = frozenset({9, 10})


def begin_session(turn: Turn, board: Board) -> None:
    """Nothing is proven; of what was known before only what may still be true is kept."""
    old = turn.state.params
    same_start = board.boot_id == turn.state.events.boot_id
    params = Params(hw_id=board.hw_id)
    if board.hw_id == old.hw_id:
        params = replace(
            params,
            values=old.values,
            unset=old.unset,
            unsupported=old.unsupported,
            rounds=old.rounds if same_start else 0,
        )
    _keep(turn, params)


def interrupt(turn: Turn) -> None:
    """The board is not heard: what was asked last is asked again when it is."""
    _keep(turn, replace(turn.state.params, cmd_id=None))


def advance(turn: Turn) -> None:
    """Take the next step of the work, if there is one to take now."""
    board = turn.state.link.board
    if board is None or turn.state.foreign or not turn.state.believed:
        return
    if turn.state.params.stage in (Provision.UNPROVEN, Provision.WAITING):
        _decide(turn, board.params_crc)
    if turn.state.params.stage in (Provision.READING, Provision.WRITING):
        _ask_next(turn)


def take_param(turn: Turn, param: ParamHeard) -> None:
    """The board says what is in force."""
    params, at = turn.state.params, (param.section, param.key)
    if at not in EVERY or turn.state.link.board is None:
        return
    values = {**params.values, at: param.value}
    params = replace(params, values=values, unset=params.unset - {at})
    _keep(turn, params)
    settled = params.stage is Provision.READING or at not in _differing(turn.state)
    if settled and params.todo[:1] == (at,):
        _keep(turn, _answered(params))
    elif settled:
        # It came by another way, so that there is nothing left to do about it.
        _keep(turn, replace(params, todo=tuple(each for each in params.todo if each != at)))
    elif params.cmd_id == param.cmd_id:
        _keep(turn, _different(params))


def take_result(turn: Turn, result: ResultHeard) -> None:
    """The board does not say or take a parameter, if that is what it refuses."""
    params = turn.state.params
    if params.cmd_id != result.cmd_id or result.code == OK:
        return
    at, reading = params.todo[0], params.stage is Provision.READING
    if result.code in NOT_THERE and at[1] in OPTIONAL_KEYS:
        params = _answered(replace(params, unsupported=params.unsupported | {at}))
    elif result.code == NEVER_SET and reading:
        params = _answered(replace(params, unset=params.unset | {at}))
    elif result.code == WRONG_PHASE and not reading:
        params = replace(_over(params, Provision.WAITING), asked_us=turn.now_us)
    else:
        params = _different(params)
    _keep(turn, params)


def _decide(turn: Turn, board_crc: int) -> None:
    """What is to be done, now that the board's CRC is known and nothing is under way."""
    if not turn.state.params.known and not _compare(turn, board_crc):
        return
    params, differing = turn.state.params, tuple(sorted(_differing(turn.state)))
    if not differing:
        _keep(turn, replace(params, stage=Provision.PROVEN, rounds=0))
    elif params.rounds >= WRITE_ROUNDS_MAX:
        _keep(turn, _different(params))
    elif _may_write(turn):
        _keep(turn, replace(params, stage=Provision.WRITING, todo=differing, tries=0))
    else:
        _keep(turn, replace(params, stage=Provision.WAITING))


def _compare(turn: Turn, board_crc: int) -> bool:
    """Whether what is known is what the board has; if not, all of it is read, once."""
    params = turn.state.params
    # Knowing nothing of a board that has nothing is not knowing what it lacks.
    looked = bool(params.values) or params.read
    if looked and turn.state.settings.params_crc(params.values) == board_crc:
        _keep(turn, replace(params, known=True))
        return True
    if params.read:
        _keep(turn, _different(params))
    else:
        fresh = Params(Provision.READING, hw_id=params.hw_id, todo=EVERY, rounds=params.rounds)
        _keep(turn, fresh)
    return False


def due_us(state: State) -> int | None:
    """When something is to be asked again; None when an event has to come first."""
    params = state.params
    refused = params.stage is Provision.WAITING and _resting(state)
    if params.cmd_id is None and not refused:
        return None
    return params.asked_us + PARAM_WAIT_US


def _may_write(turn: Turn) -> bool:
    """Whether the board would take parameters, and has not just said that it does not."""
    due = due_us(turn.state)
    return _resting(turn.state) and (due is None or turn.now_us >= due)


def _resting(state: State) -> bool:
    """Whether the board can take parameters, and no tension of a person is on its way to it."""
    resting = all(section.phase in RESTING for section in state.sections)
    return state.believed and resting and state.tension_pending is None


def _differing(state: State) -> Iterator[At]:
    params = state.params
    for at, wanted in _wanted(state).items():
        if params.values.get(at) != wanted and at not in params.unsupported:
            yield at


def _wanted(state: State) -> dict[At, int]:
    wanted = dict(state.settings.board_params)
    for section in Section:
        at = (int(section), TENSION_SET_KEY)
        if at in state.params.unset:
            wanted[at] = state.settings.sections[section].tension_middle_dn
    return wanted


def _ask_next(turn: Turn) -> None:
    params = turn.state.params
    if params.cmd_id is not None and turn.now_us - params.asked_us < PARAM_WAIT_US:
        return
    if not params.todo:
        _finish(turn)
    elif params.tries >= PARAM_TRIES_MAX:
        _keep(turn, _different(params))
    else:
        _ask(turn, params.todo[0])


def _ask(turn: Turn, at: At) -> None:
    cmd_id = turn.take_cmd_id()
    params = turn.state.params
    if params.stage is Provision.READING:
        turn.effects.append(SendParamGet(cmd_id, *at))
    else:
        turn.effects.append(SendParamSet(cmd_id, *at, _wanted(turn.state)[at]))
    _keep(turn, replace(params, cmd_id=cmd_id, asked_us=turn.now_us, tries=params.tries + 1))


def _finish(turn: Turn) -> None:
    """All was read: decide on it. All was written: have the board prove it."""
    params = turn.state.params
    if params.stage is Provision.READING:
        _keep(turn, replace(params, stage=Provision.UNPROVEN, read=True))
        advance(turn)
    elif not turn.state.pending:
        # A new session would take the answer from whoever waits for one.
        _keep(turn, replace(params, stage=Provision.PROVING, rounds=params.rounds + 1))
        turn.record("params_written", None, DAEMON, {})
        turn.effects.append(ReopenSession())


def _answered(params: Params) -> Params:
    return replace(params, cmd_id=None, todo=params.todo[1:], tries=0)


def _over(params: Params, stage: Provision) -> Params:
    return replace(params, stage=stage, cmd_id=None, todo=(), tries=0)


def _different(params: Params) -> Params:
    return _over(params, Provision.DIFFERENT)


def _keep(turn: Turn, params: Params) -> None:
    turn.state = replace(turn.state, params=params)
