"""The lease and the hold, the only licences to move: how they begin, are renewed and end. Pure.

Both are in every BEAT, and the board stops by itself when one is gone: ending one is all that it
takes to stop a motion, and the end of the lease disarms. A hold is for one motion and ends with it,
with the lease and with the session. The lease is a person's word and outlives a lost session: by
itself it moves nothing.
"""

from dataclasses import replace

from droptable.core.limits import HOLD_BEGIN_US, HOLD_MARGIN_US
from droptable.core.model import Hold, Lease, Phase, Verb
from droptable.core.turn import Turn
from droptable.sections import Section


def take_lease(turn: Turn, actor: str) -> None:
    """Give the lease to `actor`; nobody has it."""
    turn.state = replace(turn.state, lease=Lease(actor, turn.now_us))
    turn.record("lease_taken", None, actor, {})


def renew_lease(turn: Turn, actor: str) -> None:
    """Whatever its holder asks for renews the lease."""
    lease = turn.state.lease
    if lease is not None and lease.holder == actor:
        turn.state = replace(turn.state, lease=replace(lease, renewed_us=turn.now_us))


def end_lease(turn: Turn, why: str) -> None:
    """Nobody moves the table any more, and nobody answers for a tension."""
    lease = turn.state.lease
    if lease is None:
        return
    end_hold(turn)
    turn.keep_all(replace(each, tension_confirmed=False) for each in turn.state.sections)
    turn.state = replace(turn.state, lease=None)
    turn.record("lease_ended", None, lease.holder, {"cause": why})


def end_what_is_over(turn: Turn) -> None:
    """Let the lease and the hold end when their time is over."""
    lease_until_us, hold = turn.state.lease_until_us, turn.state.hold
    if lease_until_us is not None and turn.now_us >= lease_until_us:
        end_lease(turn, "expired")
    if hold is not None and turn.now_us >= hold.until_us:
        end_hold(turn)


def begin_hold(turn: Turn, cmd_id: int, section: Section, verb: Verb) -> None:
    """A hold without a finger, for the motion that `verb` begins."""
    limits = turn.state.settings.sections[section]
    cocking = verb is Verb.COCK
    longest_ms = limits.cock_timeout_ms if cocking else limits.lower_timeout_ms
    hold = Hold(
        cmd_id,
        section,
        moving=Phase.COCKING if cocking else Phase.LOWERING,
        longest_us=longest_ms * 1000 + HOLD_MARGIN_US,
        until_us=turn.now_us + HOLD_BEGIN_US,
    )
    turn.state = replace(turn.state, hold=hold)


def follow_hold(turn: Turn) -> None:
    """After a STATUS: a hold lasts until the motion that it is for has ended."""
    hold = turn.state.hold
    if hold is None:
        return
    moving = turn.section(hold.section).phase is hold.moving
    if hold.begun and not moving:
        end_hold(turn)
    elif moving and not hold.begun:
        begun = replace(hold, begun=True, until_us=turn.now_us + hold.longest_us)
        turn.state = replace(turn.state, hold=begun)


def end_hold(turn: Turn) -> None:
    """Nobody holds a control any more."""
    if turn.state.hold is not None:
        turn.state = replace(turn.state, hold=None)
