"""One step under way: the state so far, the time, and what the shell will have to do. Pure.

The rooms beside this one each do their part of a turn; none of them keeps anything of its own.
"""

from collections.abc import Iterable
from dataclasses import replace

from droptable.core.board_events import Data
from droptable.core.effects import Answer, Effect, Record, SendStop, SetBeat
from droptable.core.model import SectionState, State
from droptable.core.reasons import Reason
from droptable.sections import Section

DAEMON = "daemon"
"""The actor of what nobody asked for."""

BOARD = "board"
"""The actor of what the board tells."""


def beat_flags(state: State) -> tuple[bool, bool]:
    """What every BEAT says: whether the lease is live, and whether someone holds the control."""
    licensed = not (state.closing or state.link.slow or state.foreign)
    lease = state.lease is not None and licensed
    return lease, lease and state.hold is not None


class Turn:
    """`state` and `effects` so far, at `now_us`."""

    def __init__(self, state: State, now_us: int) -> None:
        self.state = state
        self.now_us = now_us
        self.effects: list[Effect] = []
        self._beat = beat_flags(state)

    # Effects

    def answer(self, request: int, *against: Reason) -> None:
        """Tell who asked; without reasons it was done."""
        self.effects.append(Answer(request, against))

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

    def take_cmd_id(self) -> int:
        """A number that nothing under way has: 1 to 65535, and from the start again."""
        cmd_id = self.state.next_cmd_id
        self.state = replace(self.state, next_cmd_id=cmd_id % 0xFFFF + 1)
        return cmd_id

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
