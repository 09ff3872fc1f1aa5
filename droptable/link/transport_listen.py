"""The board's side of the transports: serves one host on a pty, a TCP port or a Unix socket.

Only boards that are programs need it: the simulator and the GPIO board. One host at a time; a new
connection replaces the old. Like `transport.py` it moves bytes and judges none of them.
"""

import asyncio
import errno
import os
import secrets
import socket
import stat
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from droptable.link.transport import (
    Stream,
    TcpAddress,
    UnixAddress,
    parse_tcp,
    parse_unix,
    require_path,
    set_up_socket,
)

ACCEPT_AGAIN_S = 1.0
"""After an accept that failed, for want of descriptors as a rule; at once would spin."""

_HOSTS_WAITING_MAX = 4


@dataclass(frozen=True, slots=True)
class PtyAddress:
    """A link at `path` to a pseudo-terminal, which a host opens like a serial port."""

    path: str

    def __str__(self) -> str:
        return f"pty:{self.path}"


ListenAddress = TcpAddress | UnixAddress | PtyAddress


def parse_listen(text: str) -> ListenAddress:
    """Where a board is to be served, as `text` says; ValueError for a person. TCP port 0: any."""
    scheme, _, where = text.partition(":")
    match scheme:
        case "tcp":
            return parse_tcp(where)
        case "unix":
            return parse_unix(where)
        case "pty":
            return PtyAddress(require_path(where))
        case _:
            forms = "pty:PATH, tcp:HOST:PORT or unix:PATH"
            raise ValueError(f"a board cannot be served on {text!r}; write {forms}")


class Listener:
    """A board's place on the link. `address` is what a host writes to reach it."""

    def __init__(self, address: ListenAddress, undo: ExitStack) -> None:
        self.address = address
        self._undo = undo

    def close(self) -> None:
        """Send the host away, without `on_closed`, and leave nothing behind. May be repeated."""
        self._undo.close()


async def listen(
    address: ListenAddress,
    *,
    on_bytes: Callable[[bytes], None],
    on_connected: Callable[[Stream], None],
    on_closed: Callable[[str], None],
) -> Listener:
    """Serve a board at `address`. Raises OSError when the place is taken or not allowed.

    `on_connected` gives the stream to the host that is there from now on. If there was one before,
    its stream is closed by then, without `on_closed`: that is called when the only host is lost.
    A pty has its one stream from the start and for good, whether a host opened it or not: bytes
    that nobody takes are lost, as on a wire.
    """
    with ExitStack() as undo:
        match address:
            case PtyAddress(path=path):
                fd = _open_pty(path, undo)
                stream = Stream(fd, on_bytes=on_bytes, on_closed=on_closed, peer="host", lossy=True)
                undo.callback(stream.close)
                on_connected(stream)
            case TcpAddress():
                sock = undo.enter_context(await _bind_tcp(address))
                address = TcpAddress(address.host, sock.getsockname()[1])
                _Door(sock, on_bytes, on_connected, on_closed).open(undo)
            case UnixAddress(path=path):
                sock = undo.enter_context(socket.socket(socket.AF_UNIX))
                bind_unix(sock, path, undo)
                _Door(sock, on_bytes, on_connected, on_closed).open(undo)
            case _:
                assert_never(address)
        return Listener(address, undo.pop_all())


class _Door:
    """A listening socket and the one host that came through it last."""

    def __init__(
        self,
        sock: socket.socket,
        on_bytes: Callable[[bytes], None],
        on_connected: Callable[[Stream], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._sock = sock
        self._on_bytes = on_bytes
        self._on_connected = on_connected
        self._on_closed = on_closed
        self._host: Stream | None = None
        self._again: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def open(self, undo: ExitStack) -> None:
        """Let hosts in until `undo` is closed."""
        set_up_socket(self._sock)
        self._sock.listen(_HOSTS_WAITING_MAX)
        self._watch()
        undo.callback(self._close)

    def _watch(self) -> None:
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            self._loop.remove_reader(self._sock)
            self._again = self._loop.call_later(ACCEPT_AGAIN_S, self._watch)
            return
        if self._host is not None:
            self._host.close()
        set_up_socket(sock)
        self._host = Stream(
            sock.detach(), on_bytes=self._on_bytes, on_closed=self._on_closed, peer="host"
        )
        self._on_connected(self._host)

    def _close(self) -> None:
        self._loop.remove_reader(self._sock)
        if self._again is not None:
            self._again.cancel()
        if self._host is not None:
            self._host.close()


async def _bind_tcp(address: TcpAddress) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, place = found[0]
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(family, kind, protocol))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
        undo.pop_all()
        return sock


def bind_unix(sock: socket.socket, path: str, undo: ExitStack) -> None:
    """Bind to `path`, for this user alone, in place of a socket that nobody serves any more."""
    _remove_stale(path)
    # On Linux a socket's file gets the mode of its descriptor, so it is never open to others.
    os.fchmod(sock.fileno(), 0o600)
    sock.bind(path)
    ours = Path(path).stat()
    undo.callback(_remove_if, path, lambda there: os.path.samestat(there, ours))


def _remove_stale(path: str) -> None:
    """Remove the socket of a program that has ended. Raises OSError for anything else there."""
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "something that is not a socket is there", path)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "another program serves there", path)


def _open_pty(path: str, undo: ExitStack) -> int:
    """The board's end of a new pty, to which `path` leads.

    The host's end stays open here too: without it the board's would fail whenever no host has it
    open, and a new host would find the settings of a terminal.
    """
    ours, theirs = os.openpty()
    undo.callback(os.close, theirs)
    try:
        tty.setraw(theirs)
        name = os.ttyname(theirs)
        _link_to(name, path)
    except BaseException:
        os.close(ours)
        raise
    undo.callback(_remove_if, path, lambda _: Path(path).readlink() == Path(name))
    return ours


def _link_to(name: str, path: str) -> None:
    """Make `path` a link to `name` in one step, in place of an older link but of nothing else."""
    place = Path(path)
    if os.path.lexists(place) and not place.is_symlink():
        raise FileExistsError(errno.EEXIST, "something that is not a link is there", path)
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    fresh.symlink_to(name)
    try:
        fresh.replace(place)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _remove_if(path: str, is_ours: Callable[[os.stat_result], bool]) -> None:
    """Remove `path` at the end, unless someone else has put something there since."""
    with suppress(OSError):
        if is_ours(Path(path).lstat()):
            Path(path).unlink()
