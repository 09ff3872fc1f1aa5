"""How long events are kept: old ones are given up, and never one that somebody still needs.

What nobody has taken over stays, however old: without a sink that is what the broker has not
acknowledged, with one what the sink has not committed. So do the newest events of the board, which
it may send again and which must then be known. Giving up is announced in the journal itself first,
with the hash from which the chain goes on, so that `journal verify` can tell it from a cut.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

import structlog

from droptable.daemon.clock import Clock
from droptable.errors import DroptableError
from droptable.journal import store
from droptable.journal.canonical import JsonValue
from droptable.journal.event import Draft, rfc3339
from droptable.journal.journal import Journal
from droptable.journal.verify import GIVEN_UP

log = structlog.get_logger(__name__)

LOOK_EVERY_US = 6 * 3600 * 1_000_000

BOARD_EVENTS_KEPT = 1000
"""The newest, whatever their age: more than a board can keep until they are acknowledged."""

STEP = 500
"""Events given up in one transaction: an event that is to be recorded waits for one at most."""


class Retention:
    """Gives up events that are older than `keep`. `taken_over` says what somebody else has."""

    def __init__(
        self, journal: Journal, clock: Clock, *, keep: timedelta, taken_over: Callable[[], int]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._keep = keep
        self._taken_over = taken_over

    async def run(self) -> NoReturn:
        """Look four times a day, for ever; what goes wrong is tried again the next time."""
        while True:
            try:
                await self.look(self._clock.utc())
            except DroptableError as error:
                log.warning(str(error))
            await self._clock.sleep_until_us(self._clock.monotonic_us() + LOOK_EVERY_US)

    async def look(self, now: datetime) -> int:
        """Give up what is old enough; how many events that were. Raises DroptableError."""
        before, last = await self._journal.ask(
            lambda connection: _range(connection, rfc3339(now - self._keep), self._taken_over())
        )
        if last <= before:
            return 0
        await self._announce(last, last - before)
        for through in (*range(before + STEP, last, STEP), last):
            await self._journal.give_up(through)
            await asyncio.sleep(0)
        return last - before

    async def _announce(self, through: int, count: int) -> None:
        last = await self._journal.get(through)
        if last is None:
            raise DroptableError("JOURNAL_BROKEN", f"event {through} is missing")
        data: dict[str, JsonValue] = {
            "through_seq": through,
            "through_hash": last.hash,
            "count": count,
        }
        await self._journal.append(Draft(GIVEN_UP, None, "daemon", data))


def _range(connection: sqlite3.Connection, than: str, taken_over: int) -> tuple[int, int]:
    """The horizon, and the last event that may be given up."""
    most = min(taken_over, store.nth_newest_of_board(connection, BOARD_EVENTS_KEPT))
    return store.read_horizon(connection).seq, store.newest_older(connection, than, most)
