"""An HTTP client that costs next to nothing: it writes ready bytes and waits for a whole answer."""

import asyncio
import json
import re
import socket
from typing import Any, Self

from tests.brokers import LOOPBACK

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class RawHttp:
    """One kept connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection((LOOPBACK, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._received = b""
        self._answered: asyncio.Future[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def request(self, method: str, path: str) -> bytes:
        """The bytes of a request without a body."""
        host = f"Host: {LOOPBACK}:{self._port}"
        return f"{method} {path} HTTP/1.1\r\n{host}\r\nContent-Length: 0\r\n\r\n".encode()

    def send(self, request: bytes) -> "asyncio.Future[bytes]":
        """Write a request; the future is its answer, head and body."""
        self._answered = self._loop.create_future()
        self._received = b""
        self._socket.send(request)
        return self._answered

    async def json(self, method: str, path: str) -> Any:
        """The document that answers."""
        answer = await self.send(self.request(method, path))
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    def _read(self) -> None:
        received = self._socket.recv(65_536)
        answered = self._answered
        if answered is None or answered.done():
            return
        if not received:
            answered.set_exception(ConnectionError("the daemon closed the connection"))
            return
        self._received += received
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and length is not None and len(body) >= int(length[1]):
            answered.set_result(self._received)
