"""Reading the journal off the loop: a few threads, each with its own query-only connection.

In WAL mode a reader neither waits for the writer nor makes it wait.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from droptable.errors import DroptableError
from droptable.journal.store import open_for_reading

READERS = 2
"""How many readings run at once; all others wait their turn on the loop."""

Answer = TypeVar("Answer")


class Readers:
    """Answers questions to the journal at `path`, from construction to `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="journal-reader")
        self._turns = asyncio.Semaphore(READERS)
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `question` returns; DroptableError JOURNAL_BROKEN when the file cannot be read."""
        async with self._turns:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._answer, question)

    def close(self) -> None:
        """Wait for the readings that run, then let everything go. Blocks; not for the loop."""
        self._threads.shutdown(wait=True)
        for connection in self._connections:
            connection.close()

    def _answer(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        try:
            return question(self._connection())
        except (sqlite3.Error, ValueError, FileNotFoundError) as error:
            raise DroptableError("JOURNAL_BROKEN", f"{self._path}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = open_for_reading(self._path)
            self._connections.append(connection)
        return connection
