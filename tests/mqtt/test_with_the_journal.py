"""The publisher over the real journal and the real cursor, as the daemon runs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from droptable.daemon.clock import SystemClock
from droptable.journal.cursor import Cursor
from droptable.journal.event import Draft
from droptable.journal.journal import Journal
from droptable.mqtt.publisher import Publisher
from tests.brokers import Mosquitto
from tests.mqtt.conftest import quick_settings
from tests.mqtt.doubles import TABLE, SettableTable
from tests.mqtt.observer import observer, until


@asynccontextmanager
async def daemon(state: Path, port: int) -> AsyncIterator[tuple[Journal, Cursor]]:
    """What of a daemon has to do with MQTT, over one state directory."""
    journal = await Journal.open(state, table=TABLE, utc=lambda: datetime.now(UTC))
    cursor = Cursor.load(state / "mqtt-cursor.json", journal.epoch)
    publisher = Publisher(
        journal,
        quick_settings(port),
        SystemClock(),
        SettableTable(),
        stop=lambda source: None,
        cursor=cursor,
    )
    run = asyncio.create_task(publisher.run())
    try:
        yield journal, cursor
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await cursor.flush()
        await journal.close()


async def test_what_the_journal_records_is_what_a_subscriber_gets_across_restarts(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with observer(broker.port) as seen:
        recorded: list[bytes] = []
        for _ in range(3):
            async with daemon(tmp_path, broker.port) as (journal, cursor):
                drafts = [Draft("cocked", "lumbar", "local", {"n": n}) for n in range(200)]
                events = await asyncio.gather(*(journal.append(draft) for draft in drafts))
                recorded += [event.canonical() for event in events]
                await until(partial(_has_all, cursor, journal))
        await until(lambda: len(seen.events()) >= 600)
        assert seen.events() == recorded


def _has_all(cursor: Cursor, journal: Journal) -> bool:
    return cursor.seq == journal.head_seq
