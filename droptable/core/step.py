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
after the event, as that can bring an end forward to now. What is due to begin, begins only then: a
finger that goes up in the moment in which something would begin is in time. What follows from the
whole state (BEAT flags, parameters) is settled last. Each part of the work has a room beside this
one: `link_news` the link and the board's state, `licences` the lease and the hold, `take_over` how
the lease changes hands, `gestures` and `series` what fingers and feet keep up, `requests` and
`commands` what people ask for, `stopping` STOP and the daemon's end, `event_log` the way into the
journal, `provision` the parameters, `tensions` whose tension it is, `findings` what goes wrong,
`wear` the coils, `upkeep` the machine beneath.
"""

from collections.abc import Iterator

from droptable.core import (
    commands,
    event_log,
    gestures,
    licences,
    link_news,
    provision,
    requests,
    series,
    stopping,
    take_over,
    tensions,
    upkeep,
)
from droptable.core.effects import Effect
from droptable.core.events import (
    Alive,
    Asked,
    BoardEventHeard,
    BoardNews,
    CalibrationChanged,
    ClientLost,
    ClockStepped,
    Closing,
    CommitAsked,
    CommitFailed,
    Committed,
    DiskLooked,
    Event,
    Hidden,
    Holding,
    JournalHealth,
    LinkTrouble,
    LoopLooked,
    ParamHeard,
    Pressed,
    Released,
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
    gestures.begin_when_due(turn)
    series.go_on_when_due(turn)
    provision.advance(turn)
    tensions.advance(turn)
    turn.tell_beat()
    return turn.state, tuple(turn.effects)


def wake_us(state: State) -> int | None:
    """When something is due by itself; None when nothing is. After a step it is never past."""
    return min(_deadlines(state), default=None)


def _pass_time(turn: Turn) -> None:
    """Let everything be over whose time is over; each of these has its deadline below."""
    licences.end_what_is_over(turn)
    take_over.settle(turn)
    gestures.end_what_is_over(turn)
    series.end_what_is_over(turn)
    link_news.go_stale_when_silent(turn)
    commands.give_up_what_is_late(turn)
    tensions.give_up_when_late(turn)
    tensions.leave_when_the_patient_has(turn)
    stopping.send_again_when_due(turn)
    stopping.stop_when_restless(turn)


def _deadlines(state: State) -> Iterator[int]:
    if state.lease_until_us is not None:
        yield state.lease_until_us
    if state.hold is not None:
        yield state.hold.until_us
    if state.take_over is not None:
        yield state.take_over.until_us
    yield from gestures.deadlines(state)
    yield from series.deadlines(state)
    if state.link.status_us is not None:
        yield state.link.status_us + STATUS_STALE_US + 1
    for pending in state.pending:
        yield pending.sent_us + RESULT_WAIT_US
    if state.tension_pending is not None:
        yield state.tension_pending.sent_us + RESULT_WAIT_US
    if state.stop_wanted is not None:
        yield state.stop_wanted.sent_us + STOP_RESEND_US
    for due_us in (stopping.restless_us, provision.due_us, tensions.gone_us, tensions.due_us):
        if (at_us := due_us(state)) is not None:
            yield at_us


def _take(turn: Turn, event: Event) -> None:
    match event:
        case Asked() | StopAsked():
            _take_wish(turn, event)
        case Pressed() | Holding() | Released() | CommitAsked() | Alive() | Hidden() | ClientLost():
            gestures.take(turn, event)
        case Closing():
            stopping.close(turn)
        case TimePassed():
            pass
        case Committed() | CommitFailed() | JournalHealth():
            event_log.take_journal_news(turn, event)
        case DiskLooked() | LoopLooked() | ClockStepped() | CalibrationChanged():
            upkeep.take(turn, event)
        case StatusHeard() | BoardEventHeard() | ResultHeard() | ParamHeard():
            _take_board_news(turn, event)
        case (
            StreamOpened()
            | LinkTrouble()
            | SessionOpened()
            | SessionOver()
            | WentStale()
            | RoundTrip()
        ):
            link_news.take(turn, event)


def _take_wish(turn: Turn, wish: Asked | StopAsked) -> None:
    match wish:
        case Asked():
            requests.take(turn, wish)
        case StopAsked(source=source):
            stopping.stop(turn, source)


def _take_board_news(turn: Turn, news: BoardNews) -> None:
    """What the board says. An answer belongs to whoever's cmd_id it carries; no two have the same."""
    match news:
        case StatusHeard():
            link_news.take_status(turn, news)
        case BoardEventHeard():
            event_log.take_event(turn, news)
        case ResultHeard():
            stopping.take_answer(turn, news)
            commands.take_result(turn, news)
            provision.take_result(turn, news)
            tensions.take_result(turn, news)
        case ParamHeard():
            provision.take_param(turn, news)
            commands.take_param(turn, news)
            tensions.take_param(turn, news)
