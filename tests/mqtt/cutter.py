"""A wire to the broker that is cut again and again, in the middle of whatever is on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from tests.brokers import LOOPBACK

PIECE = 4096


class Cutter:
    """Passes bytes on; cuts each of the first `cuts` connections after as many as the dice say."""

    def __init__(self, dice: Random, cuts: int) -> None:
        self.port = 0
        self.cuts_left = cuts
        self._dice = dice

    @asynccontextmanager
    async def before(self, broker_port: int) -> AsyncIterator["Cutter"]:
        """Stand in front of the broker."""

        async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await asyncio.open_connection(LOOPBACK, broker_port)
            try:
                await self._pass_on((reader, writer), there)
            finally:
                for each in (writer, there[1]):
                    each.transport.abort()

        server = await asyncio.start_server(on_client, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def _pass_on(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        allowed = self._dice.randrange(20, 6_000) if self.cuts_left else None
        there = asyncio.create_task(_pump(client[0], broker[1], allowed))
        back = asyncio.create_task(_pump(broker[0], client[1], None))
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        if there.done() and not there.cancelled() and there.result() and self.cuts_left:
            self.cuts_left -= 1
        for each in (there, back):
            each.cancel()
        await asyncio.gather(there, back, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader, to: asyncio.StreamWriter, allowed: int | None
) -> bool:
    """Pass on up to `allowed` bytes; whether that is why it ended."""
    try:
        while piece := await source.read(PIECE):
            if allowed is not None:
                piece, allowed = piece[:allowed], allowed - len(piece)
            to.write(piece)
            await to.drain()
            if allowed is not None and allowed <= 0:
                return True
    except ConnectionError:
        pass
    return False
