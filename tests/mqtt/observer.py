"""Someone else at the broker: sees what the table publishes, and can speak to it.

On aiomqtt, so that what is tested and what tests it do not share a mistake.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt

from tests.brokers import LOOPBACK
from tests.mqtt.doubles import TABLE

BASE = f"droptable/v1/s1/{TABLE}"
WAIT_MAX_S = 15.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that sets no event of ours."""
    async with asyncio.timeout(WAIT_MAX_S):
        while not condition():
            await asyncio.sleep(0.002)


class Observer:
    """All messages in the order of arrival; topics without their base."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.messages: list[aiomqtt.Message] = []
        self.subscribed = asyncio.Event()

    def payloads(self, topic: str) -> list[bytes]:
        return [bytes(m.payload) for m in self.messages if str(m.topic) == f"{BASE}/{topic}"]

    def events(self) -> list[bytes]:
        return [bytes(m.payload) for m in self.messages if f"{BASE}/event/" in str(m.topic)]

    async def say(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        await self.client.publish(f"{BASE}/{topic}", payload, qos=1, retain=retain)


@asynccontextmanager
async def observer(port: int, topic: str = f"{BASE}/#", **options: Any) -> AsyncIterator[Observer]:
    """An observer that is subscribed when this is entered."""
    async with aiomqtt.Client(LOOPBACK, port, **options) as client:
        seen = Observer(client)
        await client.subscribe(topic, qos=1)

        async def look() -> None:
            async for message in client.messages:
                seen.messages.append(message)

        looking = asyncio.create_task(look())
        try:
            yield seen
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def retained(port: int, topic: str) -> bytes:
    """What lies at the broker under `topic`."""
    async with asyncio.timeout(WAIT_MAX_S):
        while True:
            async with observer(port, f"{BASE}/{topic}") as seen:
                await until(lambda seen=seen: bool(seen.messages))
                # Else it was published just now, and lies there from now on.
                if seen.messages[0].retain:
                    return bytes(seen.messages[0].payload)
