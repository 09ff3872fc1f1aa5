"""The one way in which the daemon's idea of the table changes. Pure.

`step(state, event, now)` gives the state that follows and what the shell has to do about it, in
order. It never waits: what needs an answer from the board is kept as pending in the state, and the
answer, or its absence, is another event.

Three rules run through all of it.

*Unknown is unsafe.* Whenever the board cannot be believed (no session, a silent one, a restarted
board) every section becomes UNKNOWN, every hold ends and every pending command is answered as
failed. Nothing is remembered to be done later. Nothing that moves is ever sent twice: what is sent
again is STOP, and the reading and writing of a parameter whose answer was lost.

*The lease and the hold are the only licences to move.* Both are in every BEAT, and the board stops
by itself when one is gone. So the core needs no command to stop a motion: it ends the hold.

*STOP goes first and stays wanted* until the board has acted on it and a STATUS has shown it.

Time passes first in every step, so that an event never meets a lease that has expired, and once more
after the event, as that can bring an end forward to now. What follows from the whole state (BEAT
flags, parameters) is settled last. Each part of the work has a room beside this one: `link_news`
the link and the board's state, `licences` the lease and the hold, `requests` and `commands` what
people ask for, `stopping` STOP and the daemon's end, `event_log` the way into the journal,
`provision` the parameters.
"""

from collections.abc import Iterator

from droptable.core import (
    commands,
    event_log,
    licences,
    link_news,
    provision,
    requests,
    stopping,
)
from droptable.core.effects import Effect
from droptable.core.events import (
    Asked,
    BoardEventHeard,
    Closing,
    CommitFailed,
    Committed,
    Event,
    JournalHealth,
    LinkTrouble,
    ParamHeard,
    ResultHeard,
    RoundTrip,
    SessionOpened,
    SessionOver,
    StatusHeard,
    StopAsked,
    StreamOpened,
    TimePassed,
    WentStale,
)
from droptable.core.limits import RESULT_WAIT_US, STATUS_STALE_US, STOP_RESEND_US
from droptable.core.model import State
from droptable.core.stopping import at_rest
from droptable.core.turn import Turn, beat_flags

__all__ = ["at_rest", "beat_flags", "step", "wake_us"]


def step(state: State, event: Event, now_us: int) -> tuple[State, tuple[Effect, ...]]:
    """What follows from `event` at `now_us`, a monotonic clock in microseconds."""
    turn = Turn(state, now_us)
    _pass_time(turn)
    _take(turn, event)
    _pass_time(turn)
    provision.advance(turn)
    turn.tell_beat()
    return turn.state, tuple(turn.effects)


def wake_us(state: State) -> int | None:
    """When something is due by itself; None when nothing is. After a step it is never past."""
    return min(_deadlines(state), default=None)


def _pass_time(turn: Turn) -> None:
    """Let everything be over whose time is over; each of these has its deadline below."""
    licences.end_what_is_over(turn)
    link_news.go_stale_when_silent(turn)
    commands.give_up_what_is_late(turn)
    stopping.send_again_when_due(turn)
    stopping.stop_when_restless(turn)


def _deadlines(state: State) -> Iterator[int]:
    if state.lease_until_us is not None:
        yield state.lease_until_us
    if state.hold is not None:
        yield state.hold.until_us
    if state.link.status_us is not None:
        yield state.link.status_us + STATUS_STALE_US + 1
    for pending in state.pending:
        yield pending.sent_us + RESULT_WAIT_US
    if state.tension_pending is not None:
        yield state.tension_pending.sent_us + RESULT_WAIT_US
    if state.stop_wanted is not None:
        yield state.stop_wanted.sent_us + STOP_RESEND_US
    if (restless_us := stopping.restless_us(state)) is not None:
        yield restless_us
    if (due_us := provision.due_us(state)) is not None:
        yield due_us


def _take(turn: Turn, event: Event) -> None:
    match event:
        case Asked():
            requests.take(turn, event)
        case StopAsked(source=source):
            stopping.stop(turn, source)
        case Closing():
            stopping.close(turn)
        case TimePassed():
            pass
        case Committed() | CommitFailed() | JournalHealth():
            event_log.take_journal_news(turn, event)
        case StatusHeard():
            link_news.take_status(turn, event)
        case BoardEventHeard():
            event_log.take_event(turn, event)
        case ResultHeard() | ParamHeard():
            _take_answer(turn, event)
        case (
            StreamOpened()
            | LinkTrouble()
            | SessionOpened()
            | SessionOver()
            | WentStale()
            | RoundTrip()
        ):
            link_news.take(turn, event)


def _take_answer(turn: Turn, answer: ResultHeard | ParamHeard) -> None:
    """An answer belongs to whoever's cmd_id it carries; no two have the same."""
    match answer:
        case ResultHeard():
            stopping.take_answer(turn, answer)
            commands.take_result(turn, answer)
            provision.take_result(turn, answer)
        case ParamHeard():
            provision.take_param(turn, answer)
            commands.take_param(turn, answer)
