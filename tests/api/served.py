"""The real server on a real loopback socket, for as long as a test needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from droptable.api.app import create_app
from droptable.api.door import Gateway
from droptable.api.server import bind, serve


class Served:
    """A server that runs; `end` ends it before the test does."""

    def __init__(self, task: asyncio.Task[None], port: int) -> None:
        self._task = task
        self.port = port
        self.http = f"http://127.0.0.1:{port}"
        self.ws = f"ws://127.0.0.1:{port}/api/v1/ws"

    async def end(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@asynccontextmanager
async def served(gateway: Gateway, *, port: int = 0, **settings: Any) -> AsyncIterator[Served]:
    sock = bind("127.0.0.1", port)
    ready = asyncio.Event()
    task = asyncio.create_task(serve(create_app(gateway, **settings), sock, ready))
    running = Served(task, sock.getsockname()[1])
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield running
    finally:
        await running.end()
