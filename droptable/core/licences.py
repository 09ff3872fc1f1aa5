"""The lease and the hold, the only licences to move: how they begin, are renewed and end. Pure.

Both are in every BEAT, and the board stops by itself when one is gone: ending one is all that it
takes to stop a motion, and the end of the lease disarms. A lease that ends and is taken again in the
same moment would not show, so no BEAT gives the next one before a STATUS has shown the end of the last. A hold is for one motion and ends with it,
with the lease and with the session. A gesture is the finger behind a hold: where one ends, so does
the other. The lease is a person's word and outlives a lost session: by itself it moves nothing.
"""

from dataclasses import replace

from droptable.core import tensions
from droptable.core.limits import HOLD_BEGIN_US, HOLD_MARGIN_US
from droptable.core.model import Control, Hold, Lease, Phase, Verb
from droptable.core.overs import Over
from droptable.core.reasons import Reason
from droptable.core.turn import DAEMON, Turn
from droptable.sections import Section

GOALS = {
    Phase.COCKING: frozenset({Phase.SECURING, Phase.COCKED}),
    Phase.LOWERING: frozenset({Phase.SECURING, Phase.LOCKED}),
}
"""What each motion leads to when it is not broken off."""


def take_lease(turn: Turn, actor: str, client: int | None) -> None:
    """Give the lease to `actor`; nobody has it."""
    turn.state = replace(turn.state, lease=Lease(actor, turn.now_us, client))
    turn.record("lease_taken", None, actor, {})


def renew_lease(turn: Turn, actor: str) -> None:
    """What its holder asks for renews a lease that no socket keeps."""
    lease = turn.state.lease
    if lease is not None and lease.client is None and lease.holder == actor:
        turn.state = replace(turn.state, lease=replace(lease, renewed_us=turn.now_us))


def renew_by_socket(turn: Turn, client: int) -> None:
    """Whatever the holder's socket says renews the lease; another socket of theirs does not."""
    lease = turn.state.lease
    if lease is not None and lease.client == client:
        turn.state = replace(turn.state, lease=replace(lease, renewed_us=turn.now_us))


def bind_lease(turn: Turn, client: int) -> None:
    """The holder goes on at this socket; what went on by another one, or by none, is ended first.

    Two sockets of one name may be two people.
    """
    lease, state = turn.state.lease, turn.state
    if lease is None or lease.client == client:
        return
    goes_on = state.active or state.pending or any(each.armed_until_us for each in state.sections)
    if lease.client is not None or goes_on:
        end_hold(turn, Over.LEASE)
        turn.record("lease_taken", None, lease.holder, {"cause": "taken along"})
    if goes_on:
        turn.withdraw_lease()
    turn.state = replace(turn.state, lease=replace(lease, client=client))


def end_lease(turn: Turn, why: str) -> None:
    """Nobody moves the table any more, and nobody answers for a tension."""
    lease = turn.state.lease
    if lease is None:
        return
    end_hold(turn, Over.LEASE)
    end_series(turn, "lease ended")
    turn.keep_all(map(tensions.left, turn.state.sections))
    turn.state = replace(turn.state, lease=None)
    turn.withdraw_lease()
    turn.record("lease_ended", None, lease.holder, {"cause": why})


def end_what_is_over(turn: Turn) -> None:
    """Let the lease and the hold end when their time is over."""
    lease_until_us, hold = turn.state.lease_until_us, turn.state.hold
    if lease_until_us is not None and turn.now_us >= lease_until_us:
        end_lease(turn, "expired")
    if hold is not None and turn.now_us >= hold.until_us:
        end_hold(turn, Over.TOO_LONG)


def begin_hold(turn: Turn, cmd_id: int, section: Section, verb: Verb) -> None:
    """A hold for the motion that `verb` begins: that of the gesture, or one without a finger."""
    limits = turn.state.settings.sections[section]
    cocking = verb is Verb.COCK
    gesture = turn.state.gesture
    longest_ms = limits.cock_timeout_ms if cocking else limits.lower_timeout_ms
    hold = Hold(
        cmd_id,
        section,
        moving=Phase.COCKING if cocking else Phase.LOWERING,
        longest_us=longest_ms * 1000 + HOLD_MARGIN_US,
        until_us=turn.now_us + HOLD_BEGIN_US,
        intent=None if gesture is None else gesture.intent,
        pedal=gesture is not None and gesture.client is None,
    )
    turn.state = replace(turn.state, hold=hold)


def follow_withdrawal(turn: Turn) -> None:
    """After a STATUS: whether the board has lost the lease that was withdrawn, and all it was for."""
    state = turn.state
    under_way = any(each.verb in (Verb.COCK, Verb.ARM, Verb.LOCK) for each in state.pending)
    live = state.table is None or state.table.lease_live
    # A STATUS of this very turn was sent before the board could know.
    if state.withdrawn and not (turn.withdrew or live or under_way or state.active):
        turn.state = replace(state, withdrawn=False)


def follow_hold(turn: Turn) -> None:
    """After a STATUS: a hold lasts until the motion that it is for has ended."""
    hold = turn.state.hold
    if hold is None:
        return
    phase = turn.section(hold.section).phase
    if phase is hold.moving and not hold.begun:
        begun = replace(hold, begun=True, until_us=turn.now_us + hold.longest_us)
        turn.state = replace(turn.state, hold=begun)
    elif phase is not hold.moving and hold.begun:
        _end_motion(turn, reached=phase in GOALS[hold.moving])


def _end_motion(turn: Turn, *, reached: bool) -> None:
    """The finger of a series stays where it is for what comes next, unless the motion broke off."""
    gesture = turn.state.gesture
    if reached and gesture is not None and gesture.control is Control.SERIES:
        turn.state = replace(turn.state, hold=None)
    else:
        end_hold(turn, Over.DONE if reached else Over.HALTED)


def note_begun(turn: Turn) -> None:
    """What the gesture is for is on its way."""
    gesture = turn.state.gesture
    if gesture is None or gesture.begun:
        return
    turn.state = replace(turn.state, gesture=replace(gesture, begun=True))
    if gesture.client is not None:
        turn.tell(gesture.client, gesture.intent, begun=True)


def end_hold(turn: Turn, over: Over = Over.UNSAFE, *against: Reason) -> None:
    """Nobody holds a control any more, and nothing comes of a gesture that was going on."""
    gesture = turn.state.gesture
    if gesture is None and turn.state.hold is None:
        return
    turn.state = replace(turn.state, hold=None, gesture=None)
    if gesture is not None and gesture.client is not None:
        turn.tell(gesture.client, gesture.intent, over=over, against=against)


def end_series(turn: Turn, cause: str, actor: str = DAEMON) -> None:
    """No drop of the series comes after this; what is still to be told of it is."""
    series, gesture = turn.state.series, turn.state.gesture
    if series is None or not series.running:
        return
    if gesture is not None and gesture.control is Control.SERIES:
        end_hold(turn, Over.SERIES)
    turn.state = replace(turn.state, series=replace(series, ended=cause))
    turn.record(
        "series_ended",
        series.section,
        actor,
        {"series": series.id, "cause": cause, "drops": series.done},
    )
