"""The door to the table: what the API asks of `daemon/gateway.py`, and all that it may ask.

A Protocol only, so that the API can be tested without a table behind it. Nothing here decides.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from pydantic import JsonValue

from droptable.daemon.outcome import Figures, Outcome
from droptable.daemon.snapshot import Snapshot
from droptable.sections import Section


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

    async def take_lease(self, actor: str) -> Outcome:
        """Take the lease, or renew it when `actor` has it."""

    async def release_lease(self, actor: str) -> Outcome:
        """Give the lease back."""

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
