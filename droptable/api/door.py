"""The door to the table: what the API asks of `daemon/gateway.py`, and all that it may ask.

A Protocol only, so that the API can be tested without a table behind it. Nothing here decides.
"""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from pydantic import JsonValue

from droptable.daemon.outcome import Felt, Figures, LegSide, Outcome
from droptable.daemon.snapshot import PresetShown, Snapshot
from droptable.sections import Section


class Hand(Protocol):
    """One socket's fingers. Nothing here waits: what is said has been acted on when it returns."""

    @property
    def client(self) -> int:
        """The socket's number."""

    def press(self, action: str, section: Section, state_seq: int) -> None:
        """A finger came down on cock, lock, arm or series, on the picture of `state_seq`."""

    def holding(self, intent: int) -> None:
        """The finger is still there."""

    def release(self, intent: int) -> None:
        """The finger went up."""

    def commit(self, intent: int) -> None:
        """The finger did what says that it means it."""

    def alive(self) -> None:
        """The page is still there."""

    def hidden(self) -> None:
        """Nobody sees the page any more."""

    def lost(self) -> None:
        """The socket is gone; more than once is as good as once."""


class Gateway(Protocol):
    """The one way from HTTP to the table."""

    @property
    def boot(self) -> str:
        """Random id of this run of the daemon."""

    def snapshot(self) -> Snapshot:
        """The whole table as it is now."""

    def changes(self) -> AsyncIterator[Snapshot]:
        """Each change from the first request on; a slow reader skips to the newest.

        It registers itself before it first waits, so that `snapshot()` followed by iterating in
        the same step of the loop misses nothing. It ends when the daemon does.
        """

    def stop(self, source: str) -> None:
        """Stop the table, now: never refuses, never waits. `source` goes into the journal."""

    async def act(self, verb: str, section: Section, actor: str) -> Outcome:
        """Carry out cock, arm, disarm, lock, home or clear-fault."""

    async def reset_stop(self, actor: str) -> Outcome:
        """Take back a latched stop; nothing moves by it."""

    async def set_tension(self, section: Section, newton: float, actor: str) -> Outcome:
        """Set the force that holds a cocked section, newtons."""

    async def take_lease(self, actor: str, client: int | None = None) -> Outcome:
        """Take the lease, or renew it when `actor` has it.

        `client` is the hand's whose socket renews it from then on by whatever it says.
        """

    async def take_over(self, actor: str, client: int | None = None) -> Outcome:
        """Ask for a lease that someone else has: the table is made safe, and they are asked."""

    async def answer_take_over(self, actor: str, *, give: bool) -> Outcome:
        """Give the lease to who asks for it, or keep it."""

    async def release_lease(self, actor: str) -> Outcome:
        """Give the lease back."""

    def presets(self) -> tuple[PresetShown, ...]:
        """Every preset, with the tension that it means for whoever lies there."""

    async def start_preset(self, name: str, actor: str) -> Outcome:
        """Let the series of a preset run; nothing moves until someone holds a control."""

    async def start_series(
        self, section: Section, drops: int, window_s: float, actor: str
    ) -> Outcome:
        """Let a series run that no preset is for."""

    async def end_series(self, actor: str) -> Outcome:
        """Let the series end."""

    async def note_leg_length(
        self, actor: str, shorter: LegSide, millimetres: float, *, after: bool
    ) -> Outcome:
        """Keep with the series by how much one leg was found to be shorter, before or after it."""

    def join(self, actor: str, tell: Callable[[Felt], None]) -> Hand:
        """A hand for a socket; `tell` hears what comes of its fingers, and only notes it."""

    async def events(
        self, after: int, limit: int, kind: str | None, section: str | None
    ) -> list[dict[str, JsonValue]]:
        """At most `limit` events of the journal above `after`, in order."""

    async def event(self, seq: int) -> dict[str, JsonValue] | None:
        """One event of the journal; None when there is none of that number."""

    def readiness(self) -> dict[str, JsonValue]:
        """For each section and action every reason why it is refused now."""

    def health(self) -> tuple[bool, list[str]]:
        """Whether the link is up and the journal writable; if not, what is wrong."""

    def figures(self) -> Figures:
        """What monitoring counts."""
