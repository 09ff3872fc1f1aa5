"""The link's only I/O: one byte stream to a board over a serial port, TCP or a Unix socket.

A stream moves bytes and notices loss. It knows nothing of frames but where each begins, so that a
STOP never waits behind one and never tears one in two. Nothing is kept for the next stream: what
was not written when one breaks is gone. Everything here runs on the event loop that opened it.
"""

import asyncio
import errno
import os
import re
import socket
import termios
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import assert_never

import serial

from droptable.errors import DroptableError

DEFAULT_BAUD = 500_000
"""The contract's; a 16 MHz AVR divides it exactly."""

BAUD_MAX = 4_000_000
"""The fastest that Linux has a name for."""

CONNECT_WITHIN_S = 2.0
"""A board on the same network answers in milliseconds; what takes longer is not there."""

READ_MAX_BYTES = 4096
"""What one wake-up reads, so that a flood on the link cannot starve the loop."""

BACKLOG_MAX_BYTES = 65_536
"""More than this unwritten means that the peer does not read: over a minute of BEATs."""

SOCKET_BUFFER_BYTES = 16_384
"""Small, so that a peer that does not read is noticed here and not hidden by the kernel."""

UNACKNOWLEDGED_MAX_MS = 5_000
"""A TCP peer that vanished without a word is given up after this; by itself it takes minutes."""

_FRAMES_A_WRITE = 64
_UNIX_PATH_MAX_BYTES = 107
_TCP_FORM = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})"
)


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """A tty, real or pseudo. A pseudo-terminal takes any speed."""

    path: str
    baud: int = DEFAULT_BAUD

    def __str__(self) -> str:
        return f"serial:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port; 0 only for listening, where it means any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix stream socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = SerialAddress | TcpAddress | UnixAddress


def parse_link(text: str, baud: int = DEFAULT_BAUD) -> Address:
    """The address that `text` names; ValueError says what is wrong with it and what is allowed."""
    scheme, _, where = text.partition(":")
    if scheme not in ("serial", "pty", "tcp", "unix"):
        forms = "serial:DEVICE, pty:PATH, tcp:HOST:PORT or unix:PATH"
        raise ValueError(f"{text!r} is not a link to a board; write {forms}")
    if scheme == "tcp":
        address = parse_tcp(where)
        if address.port == 0:
            raise ValueError("port 0 names no board; write the port on which it listens")
        return address
    if scheme == "unix":
        return parse_unix(where)
    if not 1 <= baud <= BAUD_MAX:
        raise ValueError(f"a speed of {baud} baud is not possible; boards use {DEFAULT_BAUD}")
    return SerialAddress(require_path(where), baud)


def parse_tcp(where: str) -> TcpAddress:
    """HOST:PORT, an IPv6 address in brackets; port 0 is allowed. ValueError for a person."""
    found = _TCP_FORM.fullmatch(where)
    if found is None or int(found["port"]) > 65_535:
        raise ValueError(f"{where!r} is not HOST:PORT; write for example tcp:192.168.4.1:7000")
    return TcpAddress(found["ipv6"] or found["name"], int(found["port"]))


def parse_unix(where: str) -> UnixAddress:
    """A path that fits into a socket's address. ValueError for a person."""
    if len(os.fsencode(require_path(where))) > _UNIX_PATH_MAX_BYTES:
        raise ValueError(f"{where!r} is longer than the {_UNIX_PATH_MAX_BYTES} bytes of a socket")
    return UnixAddress(where)


def require_path(where: str) -> str:
    """`where` if it can be a path at all. ValueError for a person."""
    if not where or "\0" in where:
        raise ValueError(f"{where!r} is not the path of a port or a socket")
    return where


class Stream:
    """Bytes both ways over `fd`, which it owns; `peer` is what a person calls the other end.

    `on_closed` is called once, with a detail for a person, when the link is lost for whatever
    reason; the descriptor is released by then. It is never called inside a call of a method, and
    not at all after `close`. A `lossy` stream throws away what its peer does not take, as a UART
    does; any other is closed when BACKLOG_MAX_BYTES wait.
    """

    def __init__(
        self,
        fd: int,
        *,
        on_bytes: Callable[[bytes], None],
        on_closed: Callable[[str], None],
        peer: str = "board",
        lossy: bool = False,
    ) -> None:
        self._fd = fd
        self._on_bytes = on_bytes
        self._on_closed = on_closed
        self._peer = peer
        self._lossy = lossy
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._first_begun = False
        self._blocked = False
        self._loss_notice: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    @property
    def closed(self) -> bool:
        """Whether nothing can be read or written any more."""
        return self._fd < 0

    def write(self, frames: Sequence[bytes]) -> None:
        """Write whole frames, at once if the kernel takes them; into a closed stream, nothing."""
        if self.closed:
            return
        self._waiting.extend(frames)
        self._waiting_bytes += sum(map(len, frames))
        self._flush()

    def write_first(self, frame: bytes) -> None:
        """STOP's lane: write `frame` before every frame that has not begun to be written."""
        if self.closed:
            return
        self._waiting.insert(1 if self._first_begun else 0, frame)
        self._waiting_bytes += len(frame)
        self._flush()

    def close(self) -> None:
        """Release the descriptor; what waits is not written. May be called again."""
        self._release()
        if self._loss_notice is not None:
            self._loss_notice.cancel()
            self._loss_notice = None

    def _read(self) -> None:
        try:
            received = os.read(self._fd, READ_MAX_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"the link to the {self._peer} broke: {_reason(error)}")
            return
        if received:
            self._on_bytes(received)
        else:
            self._lose(f"the {self._peer} closed the link")

    def _flush(self) -> None:
        """Write what the kernel takes; the rest waits for the loop to say that there is room."""
        waiting = self._waiting
        while waiting:
            several = len(waiting) > 1
            chunk = b"".join(islice(waiting, _FRAMES_A_WRITE)) if several else waiting[0]
            try:
                written = os.write(self._fd, chunk)
            except BlockingIOError:
                break
            except OSError as error:
                self._lose(f"the link to the {self._peer} broke: {_reason(error)}")
                return
            self._forget(written)
            if written < len(chunk):
                break
        if waiting and self._lossy:
            self._forget_unbegun()
        if self._waiting_bytes > BACKLOG_MAX_BYTES:
            self._lose(f"the {self._peer} does not read")
            return
        self._watch_for_room(bool(waiting))

    def _forget(self, written: int) -> None:
        """Drop the `written` bytes from the frames that wait; the first may be left half."""
        self._waiting_bytes -= written
        waiting = self._waiting
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.popleft())
            self._first_begun = False
        if written:
            waiting[0] = waiting[0][written:]
            self._first_begun = True

    def _forget_unbegun(self) -> None:
        """Lose all that waits but the rest of a frame that has begun: half a frame spoils two."""
        begun = [self._waiting[0]] if self._first_begun else []
        self._waiting = deque(begun)
        self._waiting_bytes = sum(map(len, begun))

    def _watch_for_room(self, blocked: bool) -> None:
        if blocked and not self._blocked:
            self._loop.add_writer(self._fd, self._flush)
        elif self._blocked and not blocked:
            self._loop.remove_writer(self._fd)
        self._blocked = blocked

    def _lose(self, detail: str) -> None:
        """Release the descriptor and tell the owner, outside the call in which it was noticed."""
        with suppress(termios.error):
            # Closing a tty waits for its output, up to 30 s, when nobody takes it any more.
            termios.tcflush(self._fd, termios.TCOFLUSH)
        self._release()
        self._loss_notice = self._loop.call_soon(self._on_closed, detail)

    def _release(self) -> None:
        if self.closed:
            return
        fd, self._fd = self._fd, -1
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        self._waiting.clear()
        self._waiting_bytes = 0
        with suppress(OSError):
            os.close(fd)


async def open_stream(
    address: Address, *, on_bytes: Callable[[bytes], None], on_closed: Callable[[str], None]
) -> Stream:
    """A stream to the board at `address`; DroptableError LINK_UNREACHABLE says why there is none.

    No callback comes before the stream is returned. Cancelled, it leaves no descriptor behind.
    """
    match address:
        case SerialAddress():
            fd = _open_serial(address)
        case TcpAddress():
            fd = await _connect_tcp(address)
        case UnixAddress():
            fd = _connect_unix(address)
        case _:
            assert_never(address)
    return Stream(fd, on_bytes=on_bytes, on_closed=on_closed)


def _open_serial(address: SerialAddress) -> int:
    """The descriptor of a tty that is set up, raw, 8N1 and locked against a second opener.

    Linux raises DTR and RTS in the moment of opening, before anyone can object; pyserial lowers
    them right after. A board that resets by them may still do so: expect a BOOT.
    """
    port = serial.Serial()
    port.port = address.path
    port.baudrate = address.baud
    port.exclusive = True
    port.dtr = False
    port.rts = False
    # Makes VMIN 1, so that an empty read is a port that hung up and never one without bytes.
    port.inter_byte_timeout = 0
    try:
        port.open()
    except (OSError, termios.error, ValueError, OverflowError) as error:
        raise _unreachable(address, _serial_reason(address, error)) from error
    try:
        return os.dup(port.fileno())
    finally:
        # The copy keeps the settings and the lock; pyserial's own pipes are not needed.
        port.close()


async def _connect_tcp(address: TcpAddress) -> int:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            return await _connect_first(found)
    except TimeoutError as error:
        raise _unreachable(address, f"no answer in {CONNECT_WITHIN_S:g} s") from error
    except ConnectionRefusedError as error:
        raise _unreachable(address, "refused; no program listens there") from error
    except (socket.gaierror, UnicodeError) as error:
        raise _unreachable(address, f"no host of the name {address.host}") from error
    except OSError as error:
        raise _unreachable(address, _reason(error)) from error


_Resolved = tuple[
    socket.AddressFamily,
    socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]


async def _connect_first(found: Sequence[_Resolved]) -> int:
    """Connected to the first of the addresses that answers. Raises the OSError of the last."""
    for family, kind, protocol, _, target in found[:-1]:
        with suppress(OSError):
            return await _connect_one(socket.socket(family, kind, protocol), target)
    family, kind, protocol, _, target = found[-1]
    return await _connect_one(socket.socket(family, kind, protocol), target)


async def _connect_one(sock: socket.socket, target: object) -> int:
    # A socket that was detached has nothing left to close.
    with sock:
        set_up_socket(sock)
        await asyncio.get_running_loop().sock_connect(sock, target)  # type: ignore[arg-type]
        return sock.detach()


def _connect_unix(address: UnixAddress) -> int:
    """A Unix socket connects at once or not at all, so there is nothing to wait for."""
    with socket.socket(socket.AF_UNIX) as sock:
        set_up_socket(sock)
        try:
            sock.connect(address.path)
        except OSError as error:
            raise _unreachable(address, _unix_reason(error)) from error
        return sock.detach()


def set_up_socket(sock: socket.socket) -> None:
    """Not blocking, small buffers, and for TCP: no waiting for more, no hope for the dead."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MAX_MS)


# What went wrong, for a person


def _unreachable(address: Address, why: str) -> DroptableError:
    return DroptableError("LINK_UNREACHABLE", f"{address}: {why}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _serial_reason(address: SerialAddress, error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return "no such port; look whether the board is plugged in"
        case errno.EACCES | errno.EPERM:
            return "permission denied; add this user to the group dialout and sign in again"
        case errno.EAGAIN | errno.EBUSY:
            return "busy; another program has the port open"
        case None if isinstance(error, ValueError | OverflowError):
            return f"the port cannot run at {address.baud} baud"
        case None | errno.EISDIR | errno.ENOTTY:
            return "not a serial port"
        case number:
            return os.strerror(number).lower()


def _unix_reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "no such socket; look whether the board's program runs"
        case errno.ECONNREFUSED:
            return "refused; no program listens there"
        case errno.EACCES | errno.EPERM:
            return "permission denied; the socket belongs to another user"
        case errno.EAGAIN:
            return "busy; other programs wait for the board"
        case _:
            return _reason(error)
