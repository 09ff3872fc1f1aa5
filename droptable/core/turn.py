"""One step under way: the state so far, the time, and what the shell will have to do. Pure.

The rooms beside this one each do their part of a turn; none of them keeps anything of its own.
"""

from collections.abc import Iterable
from dataclasses import replace

from droptable.core.board_events import Data
from droptable.core.effects import Answer, Effect, Record, SendStop, SetBeat, Tell
from droptable.core.model import HELD_PHASES, Control, Phase, SectionState, State, Verb
from droptable.core.overs import Over
from droptable.core.reasons import Reason
from droptable.sections import Section

DAEMON = "daemon"
"""The actor of what nobody asked for."""

BOARD = "board"
"""The actor of what the board tells."""


def beat_flags(state: State) -> tuple[bool, bool]:
    """What every BEAT says: whether the lease is live, and whether someone holds the control.

    A board that is not heard may still hear: nothing goes on there that nobody sees. What was armed
    under one lease is not handed on with the next, even if a BEAT between them was lost. The board sees
    the pedal by itself. So that a finger that went up ends what it began although a foot is on the
    pedal, the lease is not told while anything goes on that nobody here holds.
    """
    if state.lease is None or not state.believed:
        return False, False
    hindered = state.closing or state.link.slow or state.foreign or state.take_over is not None
    lease = not hindered and not state.withdrawn and not _astray(state)
    return lease, lease and state.hold is not None and not state.hold.pedal


def _astray(state: State) -> bool:
    """Whether a section moves, or is armed in a series, without the hold that it began with."""
    if state.hold is None and any(each.phase in HELD_PHASES for each in state.sections):
        return True
    return any(
        section.series is not None and _armed(state, at) and not _series_held(state, at)
        for at, section in zip(Section, state.sections, strict=True)
    )


def _armed(state: State, at: Section) -> bool:
    arming = any((each.verb, each.section) == (Verb.ARM, at) for each in state.pending)
    return arming or state.sections[at].phase is Phase.ARMED


def _series_held(state: State, at: Section) -> bool:
    gesture = state.gesture
    return gesture is not None and (gesture.control, gesture.section) == (Control.SERIES, at)


class Turn:
    """`state` and `effects` so far, at `now_us`."""

    def __init__(self, state: State, now_us: int) -> None:
        self.state = state
        self.now_us = now_us
        self.effects: list[Effect] = []
        self.withdrew = False
        self._beat = beat_flags(state)

    # Effects

    def answer(self, request: int, *against: Reason) -> None:
        """Tell who asked; without reasons it was done."""
        self.effects.append(Answer(request, against))

    def tell(
        self,
        client: int,
        intent: int | None,
        *,
        over: Over | None = None,
        begun: bool = False,
        against: tuple[Reason, ...] = (),
    ) -> None:
        """Tell a socket what becomes of its finger."""
        self.effects.append(Tell(client, intent, over, begun, against))

    def record(self, kind: str, section: Section | None, actor: str, data: Data) -> None:
        """Have something of the daemon's own life in the journal."""
        self.effects.append(Record(kind, section, actor, dict(data)))

    def send_stop(self, cmd_id: int) -> None:
        """STOP: before all else that this turn sends or records."""
        self.effects.insert(0, SendStop(cmd_id))

    def tell_beat(self) -> None:
        """Have the BEATs say what is true; called before a command that rests on it, too."""
        beat = beat_flags(self.state)
        if beat != self._beat:
            self._beat = beat
            self.effects.append(SetBeat(*beat))

    # State

    def withdraw_lease(self) -> None:
        """No BEAT gives a lease, to whomever, until the board is seen to have lost the last one."""
        self.withdrew = True
        self.state = replace(self.state, withdrawn=True)

    def take_cmd_id(self) -> int:
        """A number that nothing under way has: 1 to 65535, and from the start again."""
        cmd_id = self.state.next_cmd_id
        self.state = replace(self.state, next_cmd_id=cmd_id % 0xFFFF + 1)
        return cmd_id

    def take_intent(self) -> int:
        """A number that no gesture of this run of the daemon had before."""
        intent = self.state.next_intent
        self.state = replace(self.state, next_intent=intent + 1)
        return intent

    def section(self, at: Section) -> SectionState:
        """What is known of one section."""
        return self.state.sections[at]

    def keep(self, at: Section, section: SectionState) -> None:
        """Note what is known of one section."""
        self.keep_all(section if each is at else self.section(each) for each in Section)

    def keep_all(self, sections: Iterable[SectionState]) -> None:
        """Note what is known of all three, in their order."""
        thoracic, lumbar, pelvic = sections
        self.state = replace(self.state, sections=(thoracic, lumbar, pelvic))
