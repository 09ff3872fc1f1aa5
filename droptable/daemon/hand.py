"""One socket's fingers on the controls: what the page feels, passed on at once. It decides nothing.

Every call is carried out before it returns, so no finger ever waits in a queue; and what became of
it has been told by then, if anything did.
"""

from collections.abc import Callable
from functools import partial

from droptable.core import events as ev
from droptable.core.effects import Tell
from droptable.core.model import Control
from droptable.core.overs import TEXTS
from droptable.daemon.outcome import Felt
from droptable.daemon.roles import role_of
from droptable.daemon.runner import Runner
from droptable.daemon.shown import reasons_shown
from droptable.sections import Section


class Hand:
    """See `api/door.py` for the contract. `client` names the socket."""

    def __init__(
        self,
        runner: Runner,
        is_current: Callable[[int, Section], bool],
        actor: str,
        tell: Callable[[Felt], None],
    ) -> None:
        self._runner = runner
        self._is_current = is_current
        self._actor = actor
        self.client = runner.join(partial(_felt, tell))

    def press(self, action: str, section: Section, state_seq: int) -> None:
        """A finger came down on a control, on the picture of `state_seq`."""
        current = self._is_current(state_seq, section)
        press = ev.Pressed(
            self.client, self._actor, role_of(self._actor), Control(action), section, current
        )
        self._runner.touch(press)

    def holding(self, intent: int) -> None:
        """The finger is still there."""
        self._runner.touch(ev.Holding(self.client, intent))

    def release(self, intent: int) -> None:
        """The finger went up."""
        self._runner.touch(ev.Released(self.client, intent))

    def commit(self, intent: int) -> None:
        """The finger did what says that it means it."""
        self._runner.touch(ev.CommitAsked(self.client, intent))

    def alive(self) -> None:
        """The page is still there."""
        self._runner.touch(ev.Alive(self.client))

    def hidden(self) -> None:
        """Nobody sees the page any more."""
        self._runner.touch(ev.Hidden(self.client))

    def lost(self) -> None:
        """The socket is gone; more than once is as good as once."""
        self._runner.leave(self.client)


def _felt(tell: Callable[[Felt], None], told: Tell) -> None:
    text = "" if told.over is None else TEXTS[told.over]
    tell(Felt(told.intent, told.begun, told.over, text, reasons_shown(told.reasons)))
