"""The board's place on the link: a unix socket and the one host that came last. Never blocks.

It moves bytes and judges none. A host that goes, or does not read, is a lost link: the board's own
dead-man does the rest.
"""

import os
import socket
from collections.abc import Collection
from contextlib import ExitStack

from droptable.link.transport import SOCKET_BUFFER_BYTES, UnixAddress
from droptable.link.transport_listen import bind_unix

READ_MAX_BYTES = 512
"""What one turn reads: some forty frames, so that a flood on the link cannot starve the pins."""

BACKLOG_MAX_BYTES = 65_536
"""More than this unread means that the host does not read."""

HOSTS_WAITING_MAX = 4


class Door:
    """Serves one host at a time at `address`; a new one replaces the old."""

    def __init__(self, address: UnixAddress) -> None:
        """Raises OSError when another program serves there, or it is not allowed."""
        with ExitStack() as undo:
            self._listening = undo.enter_context(socket.socket(socket.AF_UNIX))
            bind_unix(self._listening, address.path, undo)
            self._listening.setblocking(False)
            self._listening.listen(HOSTS_WAITING_MAX)
            self._undo = undo.pop_all()
        self._host: socket.socket | None = None
        self._backlog = b""
        self.dropped: str | None = None
        """Why the last host was sent away, if it was."""

    @property
    def readers(self) -> tuple[int, ...]:
        """The descriptors to wait for before `receive`."""
        listening = self._listening.fileno()
        return (listening,) if self._host is None else (listening, self._host.fileno())

    @property
    def writers(self) -> tuple[int, ...]:
        """The descriptors to wait for while something is not yet sent."""
        return (self._host.fileno(),) if self._host is not None and self._backlog else ()

    def receive(self, ready: Collection[int]) -> bytes:
        """Let in who knocks, and take what the host has sent so far; `ready` can be read."""
        knocks = self._listening.fileno() in ready
        # A frame that the host before left half sent ends where another one begins.
        before = b"\0" if knocks and self._let_in() else b""
        if self._host is None or not (before or self._host.fileno() in ready):
            return before
        try:
            received = self._host.recv(READ_MAX_BYTES)
        except BlockingIOError:
            return before
        except OSError as error:
            self._send_away(os.strerror(error.errno or 0).lower())
            return before
        if not received:
            self._send_away("it closed the link")
        return before + received

    def send(self, frames: bytes) -> None:
        """Send what the kernel takes and keep the rest, up to a bound; without a host, nothing."""
        if self._host is None:
            return
        waiting = self._backlog + frames
        try:
            sent = self._host.send(waiting) if waiting else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._send_away(os.strerror(error.errno or 0).lower())
            return
        self._backlog = waiting[sent:]
        if len(self._backlog) > BACKLOG_MAX_BYTES:
            self._send_away("it does not read")

    def close(self) -> None:
        """Send the host away and leave nothing behind."""
        if self._host is not None:
            self._host.close()
            self._host = None
        self._undo.close()

    def _let_in(self) -> bool:
        try:
            host, _ = self._listening.accept()
        except OSError:
            # Nobody knocked, or they left, or there is no descriptor for them: they may come again.
            return False
        if self._host is not None:
            self._send_away("another host came")
        host.setblocking(False)
        host.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        self._host, self._backlog = host, b""
        return True

    def _send_away(self, why: str) -> None:
        if self._host is not None:
            self._host.close()
        self._host, self._backlog, self.dropped = None, b"", why
