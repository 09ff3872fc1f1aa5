"""The one thread that writes the journal, and the numbering and chaining that it does.

Whatever waits when a commit ends goes into the next one together (group commit), so that fifty
producers cost little more than one. The thread shares nothing with the loop but two queues: what
is to be written goes in by `put`, what became of it comes back batch by batch through `settle`.

A batch is recorded whole or not at all. When it cannot be, its numbers are used again by the next
one: to the chain it is as if the batch had never been asked for.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from droptable.journal import store
from droptable.journal.event import BoardRef, Event, Head, Unsealed
from droptable.journal.store import Row

BATCH_MAX = 512
"""How many events one commit takes at most; bounds how long the last of them waits."""


class Waiting:
    """A draft on its way to the disk, and the future of whoever waits for it."""

    __slots__ = ("future", "unsealed")

    def __init__(self, unsealed: Unsealed, future: "asyncio.Future[Event]") -> None:
        self.unsealed = unsealed
        self.future = future


class GivingUp:
    """Old events that are to be deleted, and the future of whoever waits for that."""

    __slots__ = ("future", "through")

    def __init__(self, through: int, future: "asyncio.Future[None]") -> None:
        self.through = through
        self.future = future


class _End:
    """Nothing comes after it."""


class Settled:
    """What became of a batch: an event for each draft, or why there is none.

    `new` are those that were recorded now, in order; a board's event that was already there is in
    `events` alone.
    """

    __slots__ = ("batch", "events", "failure", "new")

    def __init__(
        self,
        batch: Sequence[Waiting],
        events: Sequence[Event],
        new: Sequence[Event],
        failure: str | None = None,
    ) -> None:
        self.batch = batch
        self.events = events
        self.new = new
        self.failure = failure


class _Sealed(NamedTuple):
    """A batch with its place in the chain, not yet recorded."""

    events: list[Event]
    """One for each draft."""
    new: list[Event]
    """Those of them that are not recorded already."""
    rows: list[Row]
    of_board: dict[tuple[int, int], Event]
    """The new ones that record the board's, by boot_id and event_seq."""


class Chain:
    """The end of the chain on the disk, and how a batch is added to it. Knows no threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path, head: Head) -> None:
        self._connection = connection
        self._path = path
        self._inode = path.stat().st_ino
        self._head = head
        self._in_doubt = False
        # Boards number upwards, so this spares a look at the index for nearly every event.
        self._newest_board = BoardRef(-1, 0)

    def commit(self, batch: Sequence[Waiting]) -> Settled:
        """Record what of `batch` is new, or nothing of it; the answer says which and why."""
        found: list[Event] = []
        try:
            self._check_name()
            found = self._found_after_doubt()
            sealed = self._seal(batch)
            if sealed.rows:
                self._in_doubt = True
                store.insert(self._connection, sealed.rows)
                self._in_doubt = False
                self._advance(sealed.new)
                self._note_newest_board(sealed.of_board)
        except (sqlite3.Error, OSError, ValueError) as error:
            return Settled(batch, [], found, f"{self._path}: {error}")
        return Settled(batch, sealed.events, found + sealed.new)

    def give_up(self, through: int) -> str | None:
        """Delete all up to `through`; says why it could not be done, and nothing was."""
        try:
            self._check_name()
            self._check_old(through)
            store.give_up(self._connection, through)
        except (sqlite3.Error, OSError, ValueError) as error:
            return f"{self._path}: {error}"
        return None

    def _check_old(self, through: int) -> None:
        if through >= self._head.seq:
            raise ValueError(f"event {through} is not old, {self._head.seq} is the newest")

    def _check_name(self) -> None:
        """A file that was removed or replaced would take events gladly, and nobody find them."""
        if self._path.stat().st_ino != self._inode:
            raise FileNotFoundError("the file was replaced while in use")

    def _found_after_doubt(self) -> list[Event]:
        """After a failed commit: events that the disk has all the same, which were called lost."""
        if not self._in_doubt:
            return []
        seq = self._head.seq
        at_head = store.read_one(self._connection, seq)
        if seq and (at_head is None or at_head.hash != self._head.hash):
            raise ValueError(f"event {seq} is not any more what was recorded")
        found = store.read_after(self._connection, seq, BATCH_MAX, kind=None, section=None)
        self._in_doubt = False
        self._advance(found)
        self._newest_board = BoardRef(-1, 0)
        return found

    def _seal(self, batch: Sequence[Waiting]) -> "_Sealed":
        """Give what is new in `batch` its place behind the head; changes nothing yet."""
        seq, prev = self._head.seq, self._head.hash
        sealed = _Sealed([], [], [], {})
        for waiting in batch:
            draft = waiting.unsealed.draft
            boot_id: int | None = None
            event_seq: int | None = None
            if draft.board is not None:
                boot_id, event_seq = draft.board.boot_id, draft.board.event_seq
                known = sealed.of_board.get((boot_id, event_seq)) or self._recorded(draft.board)
                if known is not None:
                    sealed.events.append(known)
                    continue
            seq += 1
            event, canonical = waiting.unsealed.seal(seq, prev)
            prev = event.hash
            if boot_id is not None and event_seq is not None:
                sealed.of_board[boot_id, event_seq] = event
            sealed.events.append(event)
            sealed.new.append(event)
            sealed.rows.append((seq, draft.kind, draft.section, boot_id, event_seq, canonical))
        return sealed

    def _recorded(self, board: BoardRef) -> Event | None:
        """The event that records this one of the board's already."""
        if board.boot_id != self._newest_board.boot_id:
            newest = store.read_newest_board_seq(self._connection, board.boot_id)
            self._newest_board = BoardRef(board.boot_id, newest)
        if board.event_seq > self._newest_board.event_seq:
            return None
        return store.read_board_event(self._connection, board)

    def _advance(self, recorded: Sequence[Event]) -> None:
        if recorded:
            last = recorded[-1]
            self._head = Head(last.epoch, last.seq, last.hash)

    def _note_newest_board(self, recorded: Iterable[tuple[int, int]]) -> None:
        """Follow the boot that was looked up last; another one is looked up when it is due."""
        boot_id = self._newest_board.boot_id
        numbers = [event_seq for boot, event_seq in recorded if boot == boot_id]
        newest = max(numbers, default=0)
        if newest > self._newest_board.event_seq:
            self._newest_board = BoardRef(boot_id, newest)


class Writer:
    """The thread. `settle`, `gave_up` and `ended` are called on the loop, in order, `ended` last
    and once.
    """

    def __init__(
        self,
        chain: Chain,
        loop: asyncio.AbstractEventLoop,
        *,
        settle: Callable[[Settled], None],
        gave_up: Callable[[GivingUp, str | None], None],
        release: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._chain = chain
        self._loop = loop
        self._settle = settle
        self._gave_up = gave_up
        self._release = release
        self._ended = ended
        self._queue: queue.SimpleQueue[Waiting | GivingUp | _End] = queue.SimpleQueue()
        # A daemon that dies without closing must not hang on this thread; SQLite is safe then too.
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def put(self, waiting: Waiting | GivingUp) -> None:
        """Have this done. How many may wait is bounded by the caller."""
        self._queue.put(waiting)

    def finish(self) -> None:
        """Write what waits, then release everything and end."""
        self._queue.put(_End())

    def join(self) -> None:
        """Wait for the end of the thread; at once after `ended`."""
        self._thread.join()

    def take_rest(self) -> tuple[list[Waiting], list[GivingUp]]:
        """What the thread left undone; only after `ended`, empty unless a bug ended it."""
        waiting: list[Waiting] = []
        giving_up: list[GivingUp] = []
        while not self._queue.empty():
            match self._queue.get():
                case Waiting() as found:
                    waiting.append(found)
                case GivingUp() as old:
                    giving_up.append(old)
                case _End():
                    pass
        return waiting, giving_up

    def _run(self) -> None:
        batch: list[Waiting] = []
        after: GivingUp | _End | None = None
        try:
            while not isinstance(after, _End):
                batch, after = self._next_batch()
                if batch:
                    self._tell(self._settle, self._chain.commit(batch))
                    batch = []
                if isinstance(after, GivingUp):
                    self._tell(self._gave_up, after, self._chain.give_up(after.through))
        finally:
            # Also when a bug ends the thread: then loudly, and with nobody left waiting.
            self._tell(self._settle, Settled(batch, [], [], "the writer has ended"))
            self._release()
            self._tell(self._ended)

    def _next_batch(self) -> tuple[list[Waiting], GivingUp | _End | None]:
        """All that waits to be written, up to whatever else is to be done, which comes after it."""
        batch: list[Waiting] = []
        while True:
            work = self._queue.get()
            if not isinstance(work, Waiting):
                return batch, work
            batch.append(work)
            if len(batch) == BATCH_MAX or self._queue.empty():
                return batch, None

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop is closed: what was recorded is recorded, and nobody is left to hear it.
            if not self._loop.is_closed():
                raise
