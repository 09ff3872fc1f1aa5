"""STOP by HTTP waits for nothing that others can take: no thread of the server's pool."""

import asyncio

import anyio.to_thread
import httpx

from tests.api.fake import FakeGateway


async def test_stop_is_obeyed_while_every_thread_is_taken(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    threads = anyio.to_thread.current_default_thread_limiter()
    takers = [object() for _ in range(int(threads.available_tokens))]
    for taker in takers:
        threads.acquire_on_behalf_of_nowait(taker)
    try:
        async with asyncio.timeout(5):
            answer = await client.post("/api/v1/stop")
    finally:
        for taker in takers:
            threads.release_on_behalf_of(taker)
    assert answer.status_code == 200
    assert gateway.asked == [("stop", "http")]
