"""Our end of an echo: bytes out, and a future of when they are back, by nothing but add_reader."""

import asyncio
import os


class RawEcho:
    """Over a descriptor that is not blocking."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._left = 0
        self._back: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)

    def send(self, message: bytes) -> "asyncio.Future[None]":
        """Write; the future resolves when as many bytes have come back."""
        self._back = self._loop.create_future()
        self._left = len(message)
        os.write(self._fd, message)
        return self._back

    def _read(self) -> None:
        self._left -= len(os.read(self._fd, 4096))
        if self._left == 0 and self._back is not None:
            self._back.set_result(None)
