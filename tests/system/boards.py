"""Boards that are none, and a link that somebody meddles with, on a real TCP port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from droptable.link.frames import Decoder, encode
from droptable.link.messages import FROM_HOST, Hello, Welcome
from tests.brokers import LOOPBACK

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def board_at(serve: Serve) -> AsyncIterator[str]:
    """Whatever `serve` does with each host that connects; the link to it."""
    hosts: set[asyncio.Task[None]] = set()

    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        hosts.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(host, LOOPBACK, 0)
    try:
        yield f"tcp:{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in hosts:
            task.cancel()
        await asyncio.gather(*hosts, return_exceptions=True)
        await server.wait_closed()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """A port behind which something listens and says nothing."""
    while await reader.read(4096):
        pass


async def noisy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another device: it answers everything, and not in frames."""
    while await reader.read(4096):
        writer.write(b"AT+OK\r\n\x00ERROR\r\n\x00")
        await writer.drain()


def welcome(session: int, *, hw_id: str, proto_major: int = 1) -> bytes:
    """A board's answer to HELLO."""
    said = Welcome(
        proto_major=proto_major,
        proto_minor=0,
        fw_major=1,
        fw_minor=0,
        fw_patch=0,
        hw_id=hw_id,
        features=0,
        boot_id=4711,
        reset_cause=1,
        sections=3,
        params_crc=0,
        first_event_seq=1,
        next_event_seq=1,
    )
    return b"\x00" + encode(0, session, said)


async def of_version_2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A board of the next major version."""
    decoder = Decoder(FROM_HOST)
    while received := await reader.read(4096):
        for frame in decoder.feed(received):
            if isinstance(frame.message, Hello):
                writer.write(welcome(frame.session, hw_id="DT000002", proto_major=2))
                await writer.drain()


@dataclass
class Meddler:
    """Stands between a host and a board on a unix socket, and may add to what the host hears."""

    board: str
    session: int = 0
    hosts: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_board, to_board = await asyncio.open_unix_connection(self.board)
        self.hosts.append(writer)
        to_host = asyncio.create_task(_pump(from_board, writer))
        decoder = Decoder(FROM_HOST)
        try:
            while received := await reader.read(4096):
                for frame in decoder.feed(received):
                    self.session = frame.session or self.session
                to_board.write(received)
        finally:
            to_host.cancel()
            await asyncio.gather(to_host, return_exceptions=True)
            to_board.close()

    def add(self, noise: bytes) -> None:
        """Let the newest host hear this between two frames of its board."""
        self.hosts[-1].write(b"\x00" + noise)

    def second_board(self) -> None:
        """Let another board answer, too."""
        self.add(welcome(self.session, hw_id="OTHER001"))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        # Whole frames, so that what is added never lands inside one.
        while frame := await reader.readuntil(b"\x00"):
            writer.write(frame)
