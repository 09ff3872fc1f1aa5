"""What people ask for: refused with every reason, done at once, or sent to the board. Pure."""

from droptable.core import findings, series, take_over
from droptable.core.commands import send_command, send_tension
from droptable.core.effects import Answer
from droptable.core.events import (
    AnswerTakeOver,
    Asked,
    Do,
    EndSeries,
    NoteLegLength,
    ReleaseLease,
    ResetStop,
    SetTension,
    StartOwnSeries,
    StartSeries,
    TakeLease,
    TakeOverLease,
)
from droptable.core.licences import (
    bind_lease,
    end_lease,
    renew_by_socket,
    renew_lease,
    take_lease,
)
from droptable.core.model import Phase, State, Verb
from droptable.core.readiness import WISH_OF, Question, Wish, reasons, role_against
from droptable.core.reasons import Reason, reason
from droptable.core.tension_checks import against_setting
from droptable.core.turn import Turn
from droptable.sections import Section


def take(turn: Turn, asked: Asked) -> None:
    """Answer `asked`, now or when the board has answered."""
    match asked.action:
        case TakeLease(client=client):
            _take_lease(turn, asked, client)
        case ReleaseLease():
            _release_lease(turn, asked)
        case TakeOverLease() as wanted:
            take_over.ask(turn, asked, wanted)
        case AnswerTakeOver() as answer:
            take_over.take_answer(turn, asked, answer)
        case StartSeries() | StartOwnSeries() | EndSeries() | NoteLegLength() as action:
            series.take(turn, asked, action)
        case Do() | ResetStop() | SetTension() as action:
            _take_action(turn, asked, action)
    refused = any(
        isinstance(each, Answer) and each.request == asked.request and each.reasons
        for each in turn.effects
    )
    if not refused:
        renew_lease(turn, asked.actor)


def _take_lease(turn: Turn, asked: Asked, client: int | None) -> None:
    if against := (
        *role_against(asked.role),
        *_held_by_another(turn.state, asked),
        *_closing(turn.state),
    ):
        return turn.answer(asked.request, *against)
    if turn.state.lease is None:
        take_lease(turn, asked.actor, client)
    elif client is not None:
        bind_lease(turn, client)
        renew_by_socket(turn, client)
    return turn.answer(asked.request)


def _release_lease(turn: Turn, asked: Asked) -> None:
    if against := _held_by_another(turn.state, asked):
        return turn.answer(asked.request, *against)
    end_lease(turn, "released")
    return turn.answer(asked.request)


def _take_action(turn: Turn, asked: Asked, action: Do | ResetStop | SetTension) -> None:
    if against := _against(turn, asked, action):
        return turn.answer(asked.request, *against)
    match action:
        case Do(verb=Verb.CLEAR_FAULT, section=section) if not _in_fault(turn, section):
            findings.take_cleared(turn, section)
            return turn.answer(asked.request)
        case Do(verb=Verb.HOME, section=section) if _is_known(turn, section):
            findings.take_homed(turn, section)
            return turn.answer(asked.request)
        case Do(verb=verb, section=section):
            return send_command(turn, asked.request, verb, section)
        case ResetStop():
            return send_command(turn, asked.request, Verb.RESET_STOP, None)
        case SetTension():
            return send_tension(turn, asked, action)


def _in_fault(turn: Turn, section: Section) -> bool:
    """Whether there is a fault for the board to clear; else only the daemon keeps one in mind."""
    return turn.section(section).phase is Phase.FAULT


def _is_known(turn: Turn, section: Section) -> bool:
    """Whether the board has nothing to look for; that somebody looks is all that is wanted then."""
    return turn.section(section).phase is not Phase.UNKNOWN


def _against(turn: Turn, asked: Asked, action: Do | ResetStop | SetTension) -> tuple[Reason, ...]:
    wish, section = _subject(action)
    question = Question(
        turn.state, turn.now_us, wish, section, asked.actor, posted=True, role=asked.role
    )
    found = (*_held(turn.state, action), *reasons(question))
    if isinstance(action, SetTension):
        at, wanted_dn = action.section, action.tension_dn
        in_range = _tension_range(turn.state, action)
        return (*found, *in_range, *against_setting(turn.state, at, wanted_dn))
    return found


def _subject(action: Do | ResetStop | SetTension) -> tuple[Wish, Section]:
    """What is wished, and where; of the whole table any section speaks."""
    match action:
        case Do(verb=verb, section=section):
            return WISH_OF[verb], section
        case SetTension(section=section):
            return Wish.TENSION, section
        case ResetStop():
            return Wish.RESET_STOP, Section.THORACIC


def _held(state: State, action: Do | ResetStop | SetTension) -> tuple[Reason, ...]:
    """What a finger is about to move is not moved by anything else."""
    moves = isinstance(action, Do) and action.verb in (Verb.COCK, Verb.ARM, Verb.LOCK)
    if not moves or state.gesture is None:
        return ()
    return (reason("GESTURE_BUSY", state.gesture.actor),)


def _held_by_another(state: State, asked: Asked) -> tuple[Reason, ...]:
    if state.lease is None or state.lease.holder == asked.actor:
        return ()
    return (reason("LEASE_HELD", state.lease.holder),)


def _closing(state: State) -> tuple[Reason, ...]:
    return (reason("CLOSING"),) if state.closing else ()


def _tension_range(state: State, wanted: SetTension) -> tuple[Reason, ...]:
    limits = state.settings.sections[wanted.section]
    if limits.tension_min_dn <= wanted.tension_dn <= limits.tension_max_dn:
        return ()
    range_n = (limits.tension_min_dn / 10, limits.tension_max_dn / 10)
    return (reason("TENSION_RANGE", wanted.tension_dn / 10, remedy=range_n),)
