"""The journal as the daemon has it: append, read, follow. One for each state directory.

Everything here runs on the loop and none of it waits for the disk: that is done by the thread of
`writer.py` and by `readers.py`. An event is there when the future of its append says so, and not
before; then it stays.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from droptable.errors import DroptableError
from droptable.journal import store
from droptable.journal.event import Draft, Event, Head, TimeQuality, Unsealed, rfc3339
from droptable.journal.lock import StateLock
from droptable.journal.readers import Answer, Readers
from droptable.journal.verify import check_recent
from droptable.journal.writer import Chain, GivingUp, Settled, Waiting, Writer

WAITING_MAX = 4096
"""How many drafts may wait for the disk; at 50 a second more than a minute of a stuck one."""

READ_MAX = 1000
"""How many events one `read` returns at most."""


class JournalUnwritable(DroptableError):
    """An append that is not known to be recorded; nothing may be armed until one succeeds again."""

    def __init__(self, detail: str) -> None:
        super().__init__("STATE_UNWRITABLE", detail)


def _unsynced() -> TimeQuality:
    """What may be said of a clock that nobody has looked at."""
    return "unsynced"


class Journal:
    """An open journal. `problem` says why the last append failed, None while appends succeed.

    `head_seq` and `head_hash` are those of the newest event whose commit the loop has heard of.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        head: Head,
        *,
        lock: StateLock,
        table: str,
        utc: Callable[[], datetime],
        time_quality: Callable[[], TimeQuality],
    ) -> None:
        self.epoch = head.epoch
        self.head_seq = head.seq
        self.head_hash = head.hash
        self.problem: str | None = None
        self._connection = connection
        self._lock = lock
        self._table = table
        self._utc = utc
        self._time_quality = time_quality
        self._listeners: list[Callable[[Event], None]] = []
        self._waiting = 0
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._readers = Readers(path)
        self._writer = Writer(
            Chain(connection, path, head),
            self._loop,
            settle=self._settle,
            gave_up=self._gave_up,
            release=self._release,
            ended=self._note_end,
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        table: str,
        utc: Callable[[], datetime],
        time_quality: Callable[[], TimeQuality] = _unsynced,
    ) -> "Journal":
        """The journal in the state directory `path`, made if it is not there.

        Blocks for some milliseconds: a daemon opens its journal before it serves anyone. Raises
        DroptableError STATE_LOCKED, STATE_UNWRITABLE, or JOURNAL_BROKEN when the newest events do
        not verify or a newer program wrote the file.
        """
        lock = StateLock(path)
        try:
            file = store.file_in(path)
            connection = store.open_for_writing(file)
            try:
                head = _trusted_head(connection, file)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        return cls(connection, file, head, lock=lock, table=table, utc=utc,
                   time_quality=time_quality)  # fmt: skip

    @property
    def writable(self) -> bool:
        """Whether the last append succeeded, and another one may be expected to."""
        return self.problem is None and not self._closing

    def append(self, draft: Draft) -> "asyncio.Future[Event]":
        """Record `draft`; the order of the calls is the order of the numbers.

        The future has the event once it is durable. A board's event that is already recorded gives
        the event that records it. Whoever gives up waiting does not take the event back. The
        future fails with JournalUnwritable when the disk refuses, when too much waits, or after
        `close`; the next append tries anew. Raises ValueError for a draft that no journal takes.
        """
        future: asyncio.Future[Event] = self._loop.create_future()
        unsealed = Unsealed(
            draft,
            table=self._table,
            epoch=self.epoch,
            time=rfc3339(self._utc()),
            quality=self._time_quality(),
        )
        if self._closing:
            future.set_exception(JournalUnwritable("the journal is closed"))
        elif self._waiting >= WAITING_MAX:
            self.problem = f"{WAITING_MAX} events wait for the disk"
            future.set_exception(JournalUnwritable(self.problem))
        else:
            self._waiting += 1
            self._writer.put(Waiting(unsealed, future))
        return future

    def on_commit(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called on the loop for each event from now on, once, in order of seq.

        What it raises goes to the loop's exception handler and stops no other listener.
        """
        self._listeners.append(listener)

    async def read(
        self, after: int, limit: int, *, kind: str | None = None, section: str | None = None
    ) -> list[Event]:
        """Up to `limit` (1 to READ_MAX) events with a higher seq than `after`, in order."""
        if not 1 <= limit <= READ_MAX:
            raise ValueError(f"the limit is 1 to {READ_MAX}, not {limit}")
        return await self._readers.ask(
            partial(store.read_after, after=after, limit=limit, kind=kind, section=section)
        )

    async def get(self, seq: int) -> Event | None:
        """The event with this number, if there is one."""
        return await self._readers.ask(partial(store.read_one, seq=seq))

    async def newest_board_seq(self, boot_id: int) -> int:
        """The highest event number of the board's boot that is recorded; 0 if none."""
        return await self._readers.ask(partial(store.read_newest_board_seq, boot_id=boot_id))

    async def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `question` finds with a query-only connection; DroptableError JOURNAL_BROKEN."""
        return await self._readers.ask(question)

    async def give_up(self, through: int) -> None:
        """Delete all events up to and with `through`, which is below the head; JournalUnwritable.

        `retention.py` decides which, and has it announced in the journal first.
        """
        if self._closing:
            raise JournalUnwritable("the journal is closed")
        future: asyncio.Future[None] = self._loop.create_future()
        self._writer.put(GivingUp(through, future))
        await future

    async def close(self) -> None:
        """Write what waits, fold the log into the file, end the threads, give up the lock."""
        if not self._closing:
            self._closing = True
            self._writer.finish()
        # Shielded: whoever stops waiting must not leave it half closed.
        await asyncio.shield(self._ended)
        self._writer.join()

    def _settle(self, settled: Settled) -> None:
        """On the loop: tell everyone what became of a batch."""
        self._waiting -= len(settled.batch)
        for event in settled.new:
            for listener in self._listeners:
                self._loop.call_soon(listener, event)
        if settled.new:
            self.head_seq, self.head_hash = settled.new[-1].seq, settled.new[-1].hash
        if settled.failure is None:
            self.problem = None
            for waiting, event in zip(settled.batch, settled.events, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(event)
            return
        if settled.batch:
            self.problem = settled.failure
        for waiting in settled.batch:
            if not waiting.future.done():
                waiting.future.set_exception(JournalUnwritable(settled.failure))

    def _gave_up(self, asked: GivingUp, failure: str | None) -> None:
        """On the loop: tell whoever asked for it."""
        if asked.future.done():
            return
        if failure is None:
            asked.future.set_result(None)
        else:
            asked.future.set_exception(JournalUnwritable(failure))

    def _release(self) -> None:
        """In the writer's thread, as its last act: may block."""
        self._readers.close()
        store.close_writing(self._connection)
        self._lock.release()

    def _note_end(self) -> None:
        """On the loop, the last thing that the writer's thread says; unasked only after a bug."""
        if not self._closing:
            self._closing = True
            self.problem = "the writer has ended"
        waiting, giving_up = self._writer.take_rest()
        self._settle(Settled(waiting, [], [], "the writer has ended"))
        for asked in giving_up:
            self._gave_up(asked, "the writer has ended")
        self._ended.set_result(None)


def _trusted_head(connection: sqlite3.Connection, file: Path) -> Head:
    try:
        return check_recent(connection)
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        raise DroptableError("JOURNAL_BROKEN", f"{file}: {error}") from error
