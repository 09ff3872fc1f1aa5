"""Fingers on controls: the page says what it feels, and here it is decided what comes of it. Pure.

A *press* is judged at once, with every reason against it, so that the finger knows. Between press
and carrying out the finger must be heard of without a gap, by the daemon's own clock; then the table
is judged anew. ARM is carried out at its *commit*, COCK and LOCK once the control was held for a
moment, and they last no longer than the finger. A gesture that is over stays over: nothing of it is
kept, and whatever is said of it later is answered and does nothing.

There is one gesture at a table, whoever's it is: two hands at two tablets agree on nothing.
"""

from collections.abc import Iterator
from dataclasses import replace

from droptable.core import series
from droptable.core.commands import send_command
from droptable.core.events import (
    Alive,
    ClientLost,
    CommitAsked,
    Hidden,
    Holding,
    Pressed,
    Released,
    Touch,
)
from droptable.core.licences import bind_lease, end_hold, end_lease, note_begun, renew_by_socket
from droptable.core.limits import (
    ARM_HELD_MAX_US,
    ARM_HELD_MIN_US,
    FINGER_GAP_US,
    RUN_AFTER_US,
)
from droptable.core.model import Control, Finger, Gesture, State, Verb
from droptable.core.overs import Over
from droptable.core.readiness import WISH_OF, Question, reasons
from droptable.core.reasons import Reason, reason
from droptable.core.take_over import forget_asker
from droptable.core.tensions import set_dn
from droptable.core.turn import Turn
from droptable.sections import Section

VERBS = {Control.COCK: Verb.COCK, Control.LOCK: Verb.LOCK, Control.ARM: Verb.ARM}


def take(turn: Turn, touch: Touch) -> None:
    """What a page says of a finger, or a socket of itself."""
    if not isinstance(touch, ClientLost):
        renew_by_socket(turn, touch.client)
    match touch:
        case Pressed():
            _press(turn, touch)
        case Holding(client=client, intent=intent):
            if (gesture := _own(turn, client, intent)) is not None:
                turn.state = replace(turn.state, gesture=replace(gesture, heard_us=turn.now_us))
        case Released(client=client, intent=intent):
            if _own(turn, client, intent) is not None:
                end_hold(turn, Over.RELEASED)
        case CommitAsked(client=client, intent=intent):
            if (gesture := _own(turn, client, intent)) is not None:
                _commit(turn, gesture)
        case Alive() | Hidden() | ClientLost():
            _take_page(turn, touch)


def end_what_is_over(turn: Turn) -> None:
    """A finger that is not heard of is none; one that rests on ARM does not mean it."""
    gesture = turn.state.gesture
    if gesture is None:
        return
    if gesture.client is not None and turn.now_us - gesture.heard_us > FINGER_GAP_US:
        end_hold(turn, Over.GAP)
    elif gesture.control is Control.ARM and turn.now_us - gesture.pressed_us > ARM_HELD_MAX_US:
        end_hold(turn, Over.TOO_LONG)
    elif _aims(gesture) and set_dn(turn.state, gesture.section) != gesture.tension_dn:
        end_hold(turn, Over.PHASE)


def begin_when_due(turn: Turn) -> None:
    """Begin the motion of a control that has been held for long enough."""
    due_us, gesture = _run_us(turn.state), turn.state.gesture
    if gesture is None or due_us is None or turn.now_us < due_us:
        return None
    verb = VERBS[gesture.control]
    if against := _against(turn, verb, gesture.section, gesture):
        return end_hold(turn, Over.REFUSED, *against)
    note_begun(turn)
    return send_command(turn, None, verb, gesture.section)


def follow_status(turn: Turn) -> None:
    """After a STATUS: what was pressed on a section that has changed is not what is meant now."""
    gesture = turn.state.gesture
    if gesture is None or not _aims(gesture):
        return
    if turn.section(gesture.section).phase is not gesture.phase:
        end_hold(turn, Over.PHASE)


def _aims(gesture: Gesture) -> bool:
    """Whether it is still to be carried out, on the section as it was when it was pressed."""
    return not gesture.begun and gesture.control is not Control.SERIES


def deadlines(state: State) -> Iterator[int]:
    """When something of it is due by itself."""
    gesture = state.gesture
    if gesture is None:
        return
    if gesture.client is not None:
        yield gesture.heard_us + FINGER_GAP_US + 1
    if gesture.control is Control.ARM:
        yield gesture.pressed_us + ARM_HELD_MAX_US + 1
    if (run_us := _run_us(state)) is not None:
        yield run_us


def _take_page(turn: Turn, page: Alive | Hidden | ClientLost) -> None:
    match page:
        case Alive():
            pass
        case Hidden(client=client):
            _hide(turn, client)
        case ClientLost(client=client):
            _lose(turn, client)


def _press(turn: Turn, press: Pressed) -> None:
    if against := _against_press(turn, press):
        return turn.tell(press.client, None, over=Over.REFUSED, against=against)
    bind_lease(turn, press.client)
    renew_by_socket(turn, press.client)
    intent = turn.take_intent()
    turn.state = replace(
        turn.state,
        gesture=Gesture(
            intent,
            press.client,
            press.actor,
            press.role,
            press.control,
            press.section,
            turn.section(press.section).phase,
            pressed_us=turn.now_us,
            heard_us=turn.now_us,
            tension_dn=set_dn(turn.state, press.section),
        ),
    )
    return turn.tell(press.client, intent)


def _against_press(turn: Turn, press: Pressed) -> tuple[Reason, ...]:
    if press.control is Control.SERIES:
        found = series.against_going_on(turn, press.section, press.actor, press.role)
    else:
        found = _against(turn, VERBS[press.control], press.section, press)
    return (*found, *_against_finger(turn.state, press))


def _against_finger(state: State, press: Pressed) -> Iterator[Reason]:
    """What is against this finger, whatever it is on."""
    lease = state.lease
    elsewhere = lease is not None and lease.client not in (None, press.client)
    if elsewhere and lease is not None and lease.holder == press.actor:
        yield reason("LEASE_ELSEWHERE")
    if state.gesture is not None:
        yield reason("GESTURE_BUSY", state.gesture.actor)
    elif state.table is not None and state.table.hold_pressed:
        yield reason("HELD")
    if not press.current:
        yield reason("PICTURE_OLD", press.section.label)


def _against(
    turn: Turn, verb: Verb, section: Section, who: Pressed | Gesture
) -> tuple[Reason, ...]:
    wish = WISH_OF[verb]
    return reasons(Question(turn.state, turn.now_us, wish, section, who.actor, role=who.role))


def _commit(turn: Turn, gesture: Gesture) -> None:
    """Arm, if that is what was held, for as long as it takes to mean it."""
    finger = None if gesture.client is None else Finger(gesture.client, gesture.intent)
    if gesture.control is not Control.ARM or finger is None:
        return end_hold(turn, Over.RELEASED)
    if turn.now_us - gesture.pressed_us < ARM_HELD_MIN_US:
        return end_hold(turn, Over.TOO_SHORT)
    if against := _against(turn, Verb.ARM, gesture.section, gesture):
        return end_hold(turn, Over.REFUSED, *against)
    note_begun(turn)
    turn.state = replace(turn.state, gesture=None)
    return send_command(turn, None, Verb.ARM, gesture.section, finger=finger)


def _hide(turn: Turn, client: int) -> None:
    """Who does not see the page does not see the table: as if the holder had gone."""
    lease = turn.state.lease
    if lease is not None and lease.client == client:
        end_lease(turn, "page hidden")
    _let_go(turn, client)


def _lose(turn: Turn, client: int) -> None:
    """The lease is left to its time, for a tablet that comes back; the finger is not."""
    lease = turn.state.lease
    if lease is not None and lease.client == client:
        turn.state = replace(turn.state, lease=replace(lease, client=None))
    _let_go(turn, client)
    forget_asker(turn, client)


def _let_go(turn: Turn, client: int) -> None:
    gesture = turn.state.gesture
    if gesture is not None and gesture.client == client:
        end_hold(turn, Over.RELEASED)


def _own(turn: Turn, client: int, intent: int) -> Gesture | None:
    """The gesture of that number, if it is this socket's and not over; else the socket is told.

    While the board has not answered to what was committed, there is nothing to tell yet.
    """
    gesture = turn.state.gesture
    if gesture is not None and (gesture.client, gesture.intent) == (client, intent):
        return gesture
    finger = Finger(client, intent)
    if not any(pending.finger == finger for pending in turn.state.pending):
        turn.tell(client, intent, over=Over.UNKNOWN)
    return None


def _run_us(state: State) -> int | None:
    """When the motion that is held for begins; None when that is nothing, or has begun."""
    gesture = state.gesture
    if gesture is None or gesture.begun or gesture.control not in (Control.COCK, Control.LOCK):
        return None
    return gesture.pressed_us + RUN_AFTER_US
