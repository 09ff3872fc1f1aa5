"""A drop that happened is never lost and never invented, whoever is killed and when."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from droptable.journal.verify import verify
from tests.brokers import LOOPBACK, Mosquitto
from tests.system.house import LOOK_S, Daemon, Simulator, daemon, simulator, until

BASE = "droptable/v1/demo/table-1"


@asynccontextmanager
async def drops_at(port: int) -> AsyncIterator[list[dict[str, Any]]]:
    """What a subscriber has heard of drops."""
    heard: list[dict[str, Any]] = []
    async with aiomqtt.Client(LOOPBACK, port) as client:
        await client.subscribe(f"{BASE}/event/drop", qos=1)

        async def listen() -> None:
            nonlocal heard
            async for message in client.messages:
                heard += [json.loads(bytes(message.payload))]

        listening = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def check_chain(table: Daemon) -> None:
    report = verify(table.state_dir)
    assert report.ok, report


async def fall_recorded(table: Daemon, sim: Simulator) -> None:
    """Thrust at the armed section and wait until its drop is in the journal."""
    await sim.thrust()
    async with asyncio.timeout(10):
        while not await table.events("drop"):
            await asyncio.sleep(LOOK_S)


async def test_killed_between_the_journal_and_the_broker(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with simulator(tmp_path) as sim:
            async with daemon(tmp_path, sim.link, mqtt=broker.port) as table:
                await table.armed(sim)
                broker.kill()
                await fall_recorded(table, sim)
                await table.kill()
            broker.start()
            async with drops_at(broker.port) as heard:
                async with daemon(tmp_path, sim.link, mqtt=broker.port) as table:
                    await until(lambda: heard)
                    await table.live()
                    assert await table.events("drop") == heard
                    # All that came after the drop has come too: nothing is sent twice.
                    told = await table.api.get("/events", params={"after": heard[0]["seq"]})
                    newest = max(event["seq"] for event in told.json()["events"])
                    await until(lambda: acknowledged(table) >= newest)
                assert len(heard) == 1
            check_chain(table)
            assert (await sim.truth())["drops"] == 1


def acknowledged(table: Daemon) -> int:
    """Up to where the broker has said that it has the journal."""
    cursor = table.state_dir / "broker-cursor.json"
    return int(json.loads(cursor.read_text())["seq"]) if cursor.exists() else 0


async def test_killed_while_the_broker_hangs(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with simulator(tmp_path) as sim, drops_at(broker.port) as heard:
            async with daemon(tmp_path, sim.link, mqtt=broker.port) as table:
                await table.armed(sim)
                broker.pause()
                await fall_recorded(table, sim)
                await table.kill()
            broker.resume()
            async with daemon(tmp_path, sim.link, mqtt=broker.port) as table:
                await until(lambda: heard)
                (drop,) = await table.events("drop")
                assert await table.end() == 0
            # At least once by the broker, exactly once by (epoch, seq).
            assert {(d["epoch"], d["seq"]) for d in heard} == {(drop["epoch"], drop["seq"])}
            assert all(each == drop for each in heard)
            check_chain(table)


@pytest.mark.timeout(180)
async def test_killed_at_any_moment_around_the_drop(tmp_path: Path) -> None:
    """The fall begins some 170 ms after the thrust does, and lands 50 ms later."""
    async with simulator(tmp_path) as sim:
        for after_us in (150_000, 190_000, 215_000, 225_000, 235_000, 260_000):
            async with daemon(tmp_path, sim.link) as table:
                await table.armed(sim)
                await sim.thrust()
                await sim.passes(after_us)
                await table.kill()
            # The board makes itself safe, and keeps what happened until somebody records it.
            await sim.passes(600_000)
            async with daemon(tmp_path, sim.link) as table:
                await table.live()
                happened = (await sim.truth())["drops"]
                await until_recorded(table, happened)
                drops = await table.events("drop")
                assert len(drops) == happened
                numbers = {(d["data"]["boot_id"], d["data"]["event_seq"]) for d in drops}
                assert len(numbers) == happened
                assert await table.end() == 0
            check_chain(table)
        assert (await sim.truth())["drops"] >= 3


async def until_recorded(table: Daemon, count: int) -> None:
    """Wait for that many drops, and for all that the board still had to say."""
    async with asyncio.timeout(10):
        while len(await table.events("drop")) < count:
            await asyncio.sleep(LOOK_S)
