"""How the lease goes from who has it to who asks for it. Pure.

From the moment that it is asked for, the lease is in no BEAT: whatever was armed is disarmed and
whatever moved has stopped before the holder is even asked. They may give it at once or keep it;
who says nothing for ten seconds is not there. Who was turned down, or asked and went, does not ask
again for a while: each asking interrupts. Nothing that was going on goes on afterwards, whoever
has it then.
"""

from collections.abc import Iterator
from dataclasses import replace

from droptable.core.events import AnswerTakeOver, Asked, TakeOverLease
from droptable.core.licences import end_hold, end_lease, end_series, take_lease
from droptable.core.limits import TAKE_OVER_PAUSE_US, TAKE_OVER_US
from droptable.core.model import TakeOver, TurnedDown
from droptable.core.overs import Over
from droptable.core.readiness import role_against
from droptable.core.reasons import Reason, reason
from droptable.core.turn import DAEMON, Turn

S_US = 1_000_000


def ask(turn: Turn, asked: Asked, wanted: TakeOverLease) -> None:
    """Make the table safe and ask its holder; with no holder there is nobody to ask."""
    state = turn.state
    if against := tuple(_against(turn, asked)):
        return turn.answer(asked.request, *against)
    if state.lease is None:
        take_lease(turn, asked.actor, wanted.client)
    elif state.lease.holder != asked.actor and state.take_over is None:
        end_hold(turn, Over.TAKE_OVER)
        end_series(turn, "take-over")
        turn.withdraw_lease()
        until_us = turn.now_us + TAKE_OVER_US
        turn.state = replace(turn.state, take_over=TakeOver(asked.actor, wanted.client, until_us))
        turn.record("take_over_asked", None, asked.actor, {"holder": state.lease.holder})
    return turn.answer(asked.request)


def take_answer(turn: Turn, asked: Asked, answer: AnswerTakeOver) -> None:
    """The holder gives it, or keeps it; nobody else has a say."""
    lease, pending = turn.state.lease, turn.state.take_over
    if lease is None or pending is None or lease.holder != asked.actor:
        return turn.answer(asked.request, reason("TAKE_OVER_NONE"))
    if answer.give:
        _give(turn, pending, "given")
    else:
        _end(turn, asked.actor, "kept")
        _turn_down(turn, pending.actor)
    return turn.answer(asked.request)


def settle(turn: Turn) -> None:
    """Give it to who asks when the holder has gone, or has said nothing for long enough."""
    state, pending = turn.state, turn.state.take_over
    if pending is None:
        return
    if state.closing:
        _end(turn, DAEMON, "daemon ends")
    elif state.lease is None:
        _give(turn, pending, "holder gone")
    elif turn.now_us >= pending.until_us:
        _give(turn, pending, "no answer")


def forget_asker(turn: Turn, client: int) -> None:
    """Who asked is not there any more to be given anything."""
    pending = turn.state.take_over
    if pending is not None and pending.client == client:
        _end(turn, pending.actor, "asker gone")
        _turn_down(turn, pending.actor)


def _against(turn: Turn, asked: Asked) -> Iterator[Reason]:
    state, lease = turn.state, turn.state.lease
    for each in _turned_down(turn):
        if each.actor == asked.actor and lease is not None and lease.holder != asked.actor:
            yield reason("TAKE_OVER_PAUSE", remedy=(-((turn.now_us - each.until_us) // S_US),))
    if state.take_over is not None and state.take_over.actor != asked.actor:
        yield reason("TAKE_OVER", state.take_over.actor)
    yield from role_against(asked.role)
    if state.closing:
        yield reason("CLOSING")


def _turn_down(turn: Turn, actor: str) -> None:
    """They do not ask again at once."""
    until_us = turn.now_us + TAKE_OVER_PAUSE_US
    kept = tuple(each for each in _turned_down(turn) if each.actor != actor)
    turn.state = replace(turn.state, turned_down=(*kept, TurnedDown(actor, until_us)))


def _turned_down(turn: Turn) -> Iterator[TurnedDown]:
    return (each for each in turn.state.turned_down if turn.now_us < each.until_us)


def _give(turn: Turn, pending: TakeOver, cause: str) -> None:
    _end(turn, pending.actor, cause)
    end_lease(turn, "taken over")
    take_lease(turn, pending.actor, pending.client)


def _end(turn: Turn, actor: str, cause: str) -> None:
    turn.state = replace(turn.state, take_over=None)
    turn.record("take_over_ended", None, actor, {"cause": cause})
