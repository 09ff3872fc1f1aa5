"""The board's place on the link: a unix socket and the one host that came last. Never blocks.

It moves bytes and judges none, but for one thing: a STOP is looked for in all that came, and handed
on before what came first. A host that goes, or does not read, is a lost link: the board's own dead-man
does the rest.
"""

import os
import socket
from collections.abc import Collection
from contextlib import ExitStack

from droptable.link.frames import DELIMITER, MAX_ENCODED_BYTES, Frame, encode, read
from droptable.link.messages import Stop
from droptable.link.transport import SOCKET_BUFFER_BYTES, UnixAddress
from droptable.link.transport_listen import bind_unix

TURN_MAX_BYTES = 128
"""What one turn takes: some six frames, so that a flood on the link cannot starve the pins."""

WAITING_MAX_BYTES = 262_144
"""Nothing more is read while so much waits for its turn: more than a host can have on its way."""

BACKLOG_MAX_BYTES = 65_536
"""More than this unread means that the host does not read."""

HOSTS_WAITING_MAX = 4

STOPS = {Stop.TYPE: Stop}
STOP_BYTES = len(encode(0, 0, Stop(0)).removesuffix(DELIMITER))


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
        self._inbox = Inbox()
        self.dropped: str | None = None
        """Why the last host was sent away, if it was."""

    @property
    def readers(self) -> tuple[int, ...]:
        """The descriptors to wait for before `receive`."""
        listening = self._listening.fileno()
        if self._host is None or len(self._inbox) > WAITING_MAX_BYTES:
            return (listening,)
        return (listening, self._host.fileno())

    @property
    def writers(self) -> tuple[int, ...]:
        """The descriptors to wait for while something is not yet sent."""
        return (self._host.fileno(),) if self._host is not None and self._backlog else ()

    @property
    def waiting(self) -> bool:
        """Whether `receive` has more to give, also when nothing new has come."""
        return bool(self._inbox)

    def receive(self, ready: Collection[int]) -> bytes:
        """Let in who knocks, and take the next of what the host has sent; `ready` can be read.

        A STOP among what has to wait is heard at once, and in its place again: it moves no number,
        may be heard twice, and a RESET_STOP sent before it must not undo it.
        """
        knocks = self._listening.fileno() in ready
        if knocks and self._let_in():
            # A frame that the host before left half sent ends where another one begins.
            self._inbox.put(DELIMITER)
        elif self._host is None or self._host.fileno() not in ready:
            return self._inbox.take()
        self._read()
        return self._inbox.take()

    def _read(self) -> None:
        if self._host is None:
            return
        try:
            received = self._host.recv(WAITING_MAX_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._send_away(os.strerror(error.errno or 0).lower())
            return
        if not received:
            self._send_away("it closed the link")
        self._inbox.put(received)

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


class Inbox:
    """What the host has sent and the law has not heard."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._searched = 0
        self._stop = b""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, received: bytes) -> None:
        """It came after all that was put before."""
        self._waiting += received
        *pieces, begun = bytes(self._waiting[self._searched :]).split(DELIMITER)
        # Of noise without an end only so much is looked at again that it cannot be a STOP.
        self._searched = len(self._waiting) - min(len(begun), MAX_ENCODED_BYTES)
        for piece in pieces:
            if len(piece) == STOP_BYTES and isinstance(read(piece, STOPS), Frame):
                self._stop = piece + DELIMITER

    def take(self) -> bytes:
        """The next whole frames, and the newest STOP behind them."""
        end = len(self._waiting)
        if end > TURN_MAX_BYTES:
            end = self._waiting.rfind(DELIMITER, 0, TURN_MAX_BYTES) + 1 or TURN_MAX_BYTES
        taken = bytes(self._waiting[:end])
        del self._waiting[:end]
        self._searched = max(0, self._searched - end)
        stop, self._stop = self._stop, b""
        if not stop or stop in taken:
            return taken
        return taken + (b"" if taken.endswith(DELIMITER) else DELIMITER) + stop
