"""What the MQTT room needs of the other rooms, and no more.

Protocols only. Whatever satisfies them can be published, so the tests need no daemon.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from droptable.daemon.snapshot import Snapshot


class RecordedEvent(Protocol):
    """An event that is durable in the journal."""

    @property
    def kind(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> str: ...
    def canonical(self) -> bytes:
        """The event byte for byte as the journal has it."""
        ...


class JournalPort(Protocol):
    """The journal as its readers see it; seq is gapless from 1, and `head_seq` 0 means empty."""

    @property
    def epoch(self) -> str: ...
    @property
    def head_seq(self) -> int: ...
    @property
    def head_hash(self) -> str: ...
    def on_commit(self, listener: Callable[[RecordedEvent], None]) -> object:
        """Call `listener` on the loop after each commit, in the order of seq."""
        ...

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Up to `limit` events with a higher seq than `after`, in order."""
        ...


class CursorPort(Protocol):
    """How far the journal was taken over by whoever is behind the broker."""

    @property
    def seq(self) -> int: ...
    def advance(self, seq: int) -> None:
        """All up to `seq` was taken over; must not block."""
        ...


class StateSource(Protocol):
    """Where the snapshot comes from."""

    def snapshot(self) -> Snapshot: ...
    def changes(self) -> AsyncIterator[Snapshot]:
        """The newest snapshot after each change; a slow reader only skips."""
        ...
