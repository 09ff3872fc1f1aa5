"""What people ask for: refused with every reason, done at once, or sent to the board. Pure."""

from droptable.core.commands import send_command, send_tension
from droptable.core.events import Asked, Do, ReleaseLease, ResetStop, SetTension, TakeLease
from droptable.core.licences import end_lease, renew_lease, take_lease
from droptable.core.model import State, Verb
from droptable.core.readiness import WISH_OF, Question, Wish, reasons
from droptable.core.reasons import Reason, reason
from droptable.core.turn import Turn
from droptable.sections import Section


def take(turn: Turn, asked: Asked) -> None:
    """Answer `asked`, now or when the board has answered."""
    renew_lease(turn, asked.actor)
    match asked.action:
        case TakeLease():
            _take_lease(turn, asked)
        case ReleaseLease():
            _release_lease(turn, asked)
        case Do() | ResetStop() | SetTension() as action:
            _take_action(turn, asked, action)


def _take_lease(turn: Turn, asked: Asked) -> None:
    if against := (*_held_by_another(turn.state, asked), *_closing(turn.state)):
        return turn.answer(asked.request, *against)
    if turn.state.lease is None:
        take_lease(turn, asked.actor)
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
        case Do(verb=verb, section=section):
            return send_command(turn, asked.request, verb, section)
        case ResetStop():
            return send_command(turn, asked.request, Verb.RESET_STOP, None)
        case SetTension():
            return send_tension(turn, asked, action)


def _against(turn: Turn, asked: Asked, action: Do | ResetStop | SetTension) -> tuple[Reason, ...]:
    wish, section = _subject(action)
    found = reasons(Question(turn.state, turn.now_us, wish, section, asked.actor, posted=True))
    if isinstance(action, SetTension):
        return (*found, *_tension_range(turn.state, action))
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
