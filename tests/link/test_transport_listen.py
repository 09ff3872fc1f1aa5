"""The board's side of the transports: one host, the newest; and a place left as it was found."""

import asyncio
import os
import resource
import select
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from droptable.link import transport_listen
from droptable.link.board_session import BoardSession, SessionOpened
from droptable.link.host_session import HostSession, News, Welcomed
from droptable.link.transport import SerialAddress, TcpAddress, UnixAddress, parse_link
from droptable.link.transport_listen import ListenAddress, PtyAddress, parse_listen
from tests.link.conftest import Ear, open_descriptors
from tests.link.samples import welcome

KINDS = ["pty", "tcp", "unix"]


def place(kind: str, tmp_path: Path) -> ListenAddress:
    match kind:
        case "pty":
            return PtyAddress(str(tmp_path / "table"))
        case "tcp":
            return TcpAddress("127.0.0.1", 0)
        case _:
            return UnixAddress(str(tmp_path / "table.sock"))


# Small looks at the disk, outside the loop's functions


def names_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def text_of(path: str) -> str:
    return Path(path).read_text()


def remove(path: str) -> None:
    Path(path).unlink()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("pty:/tmp/table", PtyAddress("/tmp/table")),
        ("tcp:127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("tcp:[::1]:7000", TcpAddress("::1", 7000)),
        ("unix:/run/board.sock", UnixAddress("/run/board.sock")),
    ],
)
def test_a_place_is_read_as_it_is_written(text: str, address: ListenAddress) -> None:
    assert parse_listen(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "serial:/dev/ttyACM0", "pty:", "tcp:7000", "unix:", "unix:" + "x" * 108]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write pty:PATH|is not|longer than"):
        parse_listen(text)


@pytest.mark.parametrize("kind", KINDS)
async def test_bytes_pass_both_ways_at_the_address_that_is_told(
    ear: Ear, far: Ear, tmp_path: Path, kind: str
) -> None:
    listener = await far.listen(place(kind, tmp_path))
    host = await ear.open(parse_link(str(listener.address)))
    every_byte = bytes(range(256))
    host.write([every_byte])
    await far.hears(every_byte)
    far.streams[0].write([every_byte[::-1]])
    await ear.hears(every_byte[::-1])
    host.close()
    listener.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_two_sessions_meet_over_it(ear: Ear, far: Ear, tmp_path: Path, kind: str) -> None:
    board, host = BoardSession(), HostSession(count(7).__next__)
    listener = await far.listen(place(kind, tmp_path))
    stream = await ear.open(parse_link(str(listener.address)))
    host.stream_opened(0)
    stream.write(host.take_outgoing())
    await far.until(lambda: far.received.endswith(b"\0") and len(far.received) > 2)
    assert list(board.receive(far.received, 0)) == [SessionOpened()]
    far.streams[0].write([board.send(welcome())])
    news: list[News] = []
    await ear.until(lambda: ear.received.endswith(b"\0"))
    news += host.receive(ear.received, 0)
    assert news == [Welcomed(welcome(), restarted=False)]
    stream.close()
    listener.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_closing_sends_the_host_away_and_may_be_repeated(
    ear: Ear, far: Ear, tmp_path: Path, kind: str
) -> None:
    listener = await far.listen(place(kind, tmp_path))
    await ear.open(parse_link(str(listener.address)))
    await far.until(lambda: bool(far.streams))
    listener.close()
    listener.close()
    await ear.until(lambda: bool(ear.lost))
    assert far.streams[0].closed
    assert far.lost == []
    assert names_in(tmp_path) == []


# One host at a time


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_new_host_replaces_the_old(ear: Ear, far: Ear, tmp_path: Path, kind: str) -> None:
    newer = Ear()
    listener = await far.listen(place(kind, tmp_path))
    address = parse_link(str(listener.address))
    await ear.open(address)
    await far.until(lambda: len(far.streams) == 1)
    host = await newer.open(address)
    await far.until(lambda: len(far.streams) == 2)
    await ear.until(lambda: bool(ear.lost))
    assert far.streams[0].closed
    assert far.lost == [], "the board still has a host"
    host.write([b"mine"])
    await far.hears(b"mine")
    far.streams[0].write([b"to nobody"])
    far.streams[1].write([b"yours"])
    await newer.hears(b"yours")
    host.close()
    await far.until(lambda: bool(far.lost))
    assert far.lost == ["the host closed the link"]
    listener.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_host_that_left_may_come_back(
    ear: Ear, far: Ear, tmp_path: Path, kind: str
) -> None:
    listener = await far.listen(place(kind, tmp_path))
    for visit in range(3):
        host = await ear.open(parse_link(str(listener.address)))
        host.write([b"here"])
        await far.hears(b"here")
        host.close()
        await far.until(lambda times=visit: len(far.lost) > times)
    assert len(far.streams) == 3
    listener.close()


async def test_a_host_that_does_not_read_is_given_up(ear: Ear, far: Ear, tmp_path: Path) -> None:
    listener = await far.listen(place("tcp", tmp_path))
    assert isinstance(listener.address, TcpAddress)
    with socket.create_connection((listener.address.host, listener.address.port)):
        await far.until(lambda: bool(far.streams))
        for _ in range(200_000):
            far.streams[0].write([b"x" * 64])
            if far.streams[0].closed:
                break
        await far.until(lambda: bool(far.lost))
    assert far.lost == ["the host does not read"]
    listener.close()


async def test_a_board_without_descriptors_accepts_again_later_and_does_not_spin(
    far: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[None] = []
    tried_twice = asyncio.Event()
    really = transport_listen._Door._accept

    def watched(door: transport_listen._Door) -> None:
        really(door)
        tries.append(None)
        if len(tries) == 2:
            tried_twice.set()

    monkeypatch.setattr(transport_listen._Door, "_accept", watched)
    monkeypatch.setattr(transport_listen, "ACCEPT_AGAIN_S", 0.05)
    listener = await far.listen(place("unix", tmp_path))
    assert isinstance(listener.address, UnixAddress)
    began_s = time.monotonic()
    with socket.socket(socket.AF_UNIX) as host:
        with no_more_descriptors():
            host.connect(listener.address.path)
            async with asyncio.timeout(5):
                await tried_twice.wait()
            assert time.monotonic() - began_s >= 0.05
            assert far.streams == []
        await far.until(lambda: bool(far.streams))
    listener.close()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """All descriptors that this process may have are in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry) for entry in open_descriptors())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


# TCP


async def test_port_0_is_any_free_port_and_the_told_one_is_real(
    ear: Ear, far: Ear, tmp_path: Path
) -> None:
    listener = await far.listen(TcpAddress("127.0.0.1", 0))
    assert isinstance(listener.address, TcpAddress)
    assert listener.address.port > 0
    with pytest.raises(OSError, match="in use"):
        await ear.listen(listener.address)
    listener.close()
    again = await far.listen(listener.address)
    again.close()


# Unix


async def test_a_unix_socket_is_for_its_owner_alone(far: Ear, tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "table.sock"))
    listener = await far.listen(address)
    mode = mode_of(address.path)
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    listener.close()


async def test_the_socket_of_a_program_that_ended_is_replaced(
    ear: Ear, far: Ear, tmp_path: Path
) -> None:
    address = UnixAddress(str(tmp_path / "table.sock"))
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(address.path)
    assert names_in(tmp_path) == ["table.sock"]
    listener = await far.listen(address)
    (await ear.open(address)).close()
    listener.close()


async def test_the_socket_of_a_program_that_serves_is_left_alone(
    ear: Ear, far: Ear, tmp_path: Path
) -> None:
    address = UnixAddress(str(tmp_path / "table.sock"))
    listener = await far.listen(address)
    with pytest.raises(OSError, match="another program serves there"):
        await Ear().listen(address)
    host = await ear.open(address)
    host.write([b"still there"])
    await far.until(lambda: far.received == b"still there")
    host.close()
    listener.close()


@pytest.mark.parametrize("kind", ["pty", "unix"])
async def test_a_file_that_is_in_the_way_is_never_removed(
    far: Ear, tmp_path: Path, kind: str
) -> None:
    address = place(kind, tmp_path)
    assert not isinstance(address, TcpAddress)
    write(address.path, "precious")
    with pytest.raises(OSError, match="is there"):
        await far.listen(address)
    assert text_of(address.path) == "precious"
    assert len(names_in(tmp_path)) == 1


@pytest.mark.parametrize("kind", ["pty", "unix"])
async def test_what_a_successor_put_in_our_place_is_left_to_it(
    far: Ear, tmp_path: Path, kind: str
) -> None:
    address = place(kind, tmp_path)
    assert not isinstance(address, TcpAddress)
    listener = await far.listen(address)
    if kind == "unix":
        remove(address.path)
    successor = await far.listen(address)
    listener.close()
    assert len(names_in(tmp_path)) == 1
    successor.close()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["pty", "unix"])
async def test_a_place_that_cannot_be_is_an_error_and_leaves_nothing_open(
    far: Ear, tmp_path: Path, kind: str
) -> None:
    address = place(kind, tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        await far.listen(address)
    assert far.streams == []


# Ptys


async def test_a_pty_is_a_link_that_replaces_an_older_link(
    ear: Ear, far: Ear, tmp_path: Path
) -> None:
    path = tmp_path / "table"
    path.symlink_to("/dev/nothing")
    listener = await far.listen(PtyAddress(str(path)))
    assert path.is_symlink()
    (await ear.open(SerialAddress(str(path)))).close()
    listener.close()
    assert not path.is_symlink()


async def test_a_pty_without_a_host_is_no_loss_and_no_spin(
    ear: Ear, far: Ear, tmp_path: Path
) -> None:
    listener = await far.listen(place("pty", tmp_path))
    (stream,) = far.streams
    for visit in range(3):
        readable, _, _ = select.select([stream._fd], [], [], 0)
        assert readable == [], "the loop would be woken without end"
        host = await ear.open(parse_link(str(listener.address)))
        host.write([b"here"])
        await far.hears(b"here")
        host.close()
        assert not stream.closed, visit
    assert far.lost == []
    assert len(far.streams) == 1
    listener.close()


async def test_a_pty_that_nobody_reads_loses_bytes_and_not_the_link(
    ear: Ear, far: Ear, tmp_path: Path
) -> None:
    listener = await far.listen(place("pty", tmp_path))
    (stream,) = far.streams
    for _ in range(5000):
        stream.write([b"S" * 59 + b"\0"])
    assert not stream.closed
    host = await ear.open(parse_link(str(listener.address)))
    host.write([b"now"])
    await far.hears(b"now")
    await ear.until(lambda: not stream._waiting)
    stream.write([b"fresh\0"])
    await ear.until(lambda: ear.received.endswith(b"\0fresh\0") or ear.received == b"fresh\0")
    host.close()
    listener.close()


async def test_a_pty_belongs_to_one_host(ear: Ear, far: Ear, tmp_path: Path) -> None:
    listener = await far.listen(place("pty", tmp_path))
    host = await ear.open(parse_link(str(listener.address)))
    with pytest.raises(Exception, match="busy"):
        await Ear().open(parse_link(str(listener.address)))
    host.close()
    listener.close()
