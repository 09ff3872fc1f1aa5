"""What the tests of the transports share: ears for a stream, an eye on descriptors."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from droptable.link.transport import Address, Stream, open_stream
from droptable.link.transport_listen import ListenAddress, Listener, listen


class Ear:
    """What a stream brought: bytes, pieces, and the details of its loss."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.lost: list[str] = []
        self.streams: list[Stream] = []
        self._news = asyncio.Event()

    @property
    def received(self) -> bytes:
        return b"".join(self.pieces)

    def on_bytes(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._news.set()

    def on_closed(self, detail: str) -> None:
        self.lost.append(detail)
        self._news.set()

    def on_connected(self, stream: Stream) -> None:
        self.streams.append(stream)
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def hears(self, expected: bytes) -> None:
        """Until exactly `expected` has come since the last time."""
        await self.until(lambda: len(self.received) >= len(expected))
        assert self.received == expected
        self.pieces.clear()

    async def open(self, address: Address) -> Stream:
        return await open_stream(address, on_bytes=self.on_bytes, on_closed=self.on_closed)

    async def listen(self, address: ListenAddress) -> Listener:
        return await listen(
            address,
            on_bytes=self.on_bytes,
            on_connected=self.on_connected,
            on_closed=self.on_closed,
        )


def open_descriptors() -> dict[str, str]:
    """Every descriptor of this process and what it leads to."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


@pytest.fixture
async def ear() -> Ear:
    """The near end's ear."""
    return Ear()


@pytest.fixture
async def far() -> Ear:
    """The far end's ear."""
    return Ear()
