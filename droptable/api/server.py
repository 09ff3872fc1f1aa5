"""Serves the app with uvicorn on a socket that is bound before anything else starts.

It takes no signals, exits no process and logs no requests; whoever started it ends it.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from droptable.api.stream import MESSAGE_MAX_BYTES
from droptable.errors import DroptableError

BACKLOG = 64

SEND_BUFFER_BYTES = 64 * 1024
"""About ten states: a kernel that buffers megabytes would show a slow page an old table."""

UNREAD_MAX_MS = 5000
"""After this the kernel gives up a peer that takes no bytes (TCP_USER_TIMEOUT), so that a client
which vanished or does not read cannot keep its socket."""

SHUTDOWN_S = 1


def _is_news(record: logging.LogRecord) -> bool:
    """Not what uvicorn says of a request that the end of the daemon has cut off."""
    return record.exc_info is None or record.exc_info[0] is not asyncio.CancelledError


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, that says when it is ready and leaves no connection."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept."""
        await super().startup(sockets)
        self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything; whoever has not read its close frame by then is cut off."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; port 0 takes any free one.

    DroptableError HTTP_NOT_LOOPBACK, or HTTP_BUSY when the address cannot be had.
    """
    address = _loopback(host)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # Named, not 0: asyncio turns Nagle's delay off only where it sees that a socket is TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Sockets that are accepted inherit these two.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MAX_MS)
        sock.bind((str(address), port))
        # Only listening makes the address ours: two sockets may be bound to it.
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise DroptableError("HTTP_BUSY", f"{host}:{port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that `host` means; names are not looked up, because a lookup can lie."""
    bare = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if bare.lower() == "localhost" else bare)
    except ValueError:
        raise DroptableError("HTTP_NOT_LOOPBACK", f"{host!r} is no loopback address") from None
    if not address.is_loopback:
        raise DroptableError("HTTP_NOT_LOOPBACK", f"{host} is not on the loopback")
    return address


async def serve(app: ASGIApp, sock: socket.socket, ready: asyncio.Event | None = None) -> None:
    """Serve until cancelled, then close `sock` and end: open sockets at once, requests in a second.

    `ready` is set once connections are accepted.
    """
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        http="h11",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        ws_max_size=MESSAGE_MAX_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    server = Server(config, ready if ready is not None else asyncio.Event())
    serving = asyncio.create_task(server.serve([sock]), name="http")
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
