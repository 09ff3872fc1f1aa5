"""STOP, from the wish to the board's word that it is latched; and the end of the daemon. Pure.

A STATUS that shows a stop may be older than the STOP, and a RESET_STOP that is under way may reach
the board after it. So a STOP is sent again and again until the board has answered it with no
RESET_STOP left that could take it back, and a STATUS after that answer shows it.
"""

from dataclasses import replace

from droptable.core.events import ResultHeard
from droptable.core.licences import end_hold, end_lease, end_series
from droptable.core.limits import CLOSING_STOP_AFTER_US, STOP_RESEND_US
from droptable.core.model import ACTIVE, State, StopWanted, Verb
from droptable.core.overs import Over
from droptable.core.reasons import OK
from droptable.core.turn import DAEMON, Turn


def at_rest(state: State) -> bool:
    """Whether the table is known to be at rest; of a board that is not heard nothing is known."""
    return state.believed and not any(section.phase in ACTIVE for section in state.sections)


def stop(turn: Turn, source: str) -> None:
    """Someone wants STOP: now, and whatever was wanted before.

    It is sent each time; the journal has it once from each source, until the stop is over. Anybody may
    ask for it as often as they like, and that must not fill a disk.
    """
    _send(turn, turn.take_cmd_id())
    end_hold(turn, Over.STOP)
    end_series(turn, "stop")
    if source not in turn.state.stopped_by:
        turn.state = replace(turn.state, stopped_by=turn.state.stopped_by | {source})
        turn.record("stop_requested", None, source, {})


def send_again(turn: Turn) -> None:
    """Once more, at once: it is still wanted, or there is a stream again."""
    wanted = turn.state.stop_wanted
    if wanted is not None:
        _send(turn, wanted.cmd_id)


def send_again_when_due(turn: Turn) -> None:
    """Once more, when the last one has been out for long enough."""
    wanted = turn.state.stop_wanted
    if wanted is not None and turn.now_us >= wanted.sent_us + STOP_RESEND_US:
        send_again(turn)


def take_answer(turn: Turn, result: ResultHeard) -> None:
    """The board says that it has acted on a STOP."""
    wanted = turn.state.stop_wanted
    resetting = any(pending.verb is Verb.RESET_STOP for pending in turn.state.pending)
    if wanted is None or (wanted.cmd_id, OK) != (result.cmd_id, result.code) or resetting:
        return
    turn.state = replace(turn.state, stop_wanted=replace(wanted, answered=True))


def forget_answer(turn: Turn) -> None:
    """The board was lost: what it said of the STOP may not be true of the board that comes back."""
    wanted = turn.state.stop_wanted
    if wanted is not None:
        turn.state = replace(turn.state, stop_wanted=replace(wanted, answered=False))


def follow_status(turn: Turn) -> None:
    """After a STATUS: a stop ends every hold, and confirms the STOP that was answered before it."""
    table, wanted = turn.state.table, turn.state.stop_wanted
    if table is not None and not table.stopped and wanted is None and turn.state.stopped_by:
        turn.state = replace(turn.state, stopped_by=frozenset())
    if table is None or not table.stopped:
        return
    end_hold(turn, Over.STOP)
    end_series(turn, "stop")
    if wanted is not None and wanted.answered:
        turn.state = replace(turn.state, stop_wanted=None)


# The end of the daemon


def close(turn: Turn) -> None:
    """The daemon ends: no lease, no motion."""
    if turn.state.closing:
        return
    end_lease(turn, "daemon ends")
    turn.state = replace(turn.state, closing_us=turn.now_us)


def stop_when_restless(turn: Turn) -> None:
    """STOP, if the daemon is ending and the table has not come to rest without it."""
    due_us = restless_us(turn.state)
    if due_us is not None and turn.now_us >= due_us:
        stop(turn, DAEMON)


def restless_us(state: State) -> int | None:
    """When an ending daemon sends STOP; None while there is no need for it."""
    stopped = state.stop_wanted is not None or (state.table is not None and state.table.stopped)
    if state.closing_us is None or stopped or at_rest(state):
        return None
    return state.closing_us + CLOSING_STOP_AFTER_US


def _send(turn: Turn, cmd_id: int) -> None:
    """Send STOP `cmd_id`, and wait for the board's word about it from now on."""
    wanted = turn.state.stop_wanted
    answered = wanted is not None and wanted.cmd_id == cmd_id and wanted.answered
    turn.state = replace(turn.state, stop_wanted=StopWanted(cmd_id, turn.now_us, answered))
    turn.send_stop(cmd_id)
