"""One host at a time, none of whom can make the board wait."""

import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from droptable.board.door import BACKLOG_MAX_BYTES, READ_MAX_BYTES, Door
from droptable.link.transport import UnixAddress


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "board")


@pytest.fixture
def door(path: str) -> Iterator[Door]:
    with closing(Door(UnixAddress(path))) as made:
        yield made


@pytest.fixture
def host(path: str, door: Door) -> Iterator[socket.socket]:
    with knock(path) as made:
        assert take(door) == b"\0"
        yield made


def knock(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)
    made.setblocking(False)
    return made


def take(door: Door) -> bytes:
    return door.receive(door.readers)


def test_only_this_user_may_knock_and_nothing_stays_behind(path: str) -> None:
    with closing(Door(UnixAddress(path))):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert not Path(path).exists()


def test_a_place_that_is_served_is_not_taken(path: str, door: Door) -> None:
    with pytest.raises(OSError, match="another program serves there"):
        Door(UnixAddress(path))


def test_bytes_pass_both_ways(door: Door, host: socket.socket) -> None:
    host.send(b"to the board")
    assert take(door) == b"to the board"
    door.send(b"to the host")
    assert host.recv(99) == b"to the host"


def test_nothing_there_is_nothing_and_does_not_wait(door: Door, host: socket.socket) -> None:
    assert take(door) == b""
    assert door.receive(()) == b""
    assert door.writers == ()


def test_without_a_host_what_is_sent_is_gone(path: str, door: Door) -> None:
    door.send(b"nobody")
    with knock(path) as host:
        take(door)
        door.send(b"first")
        assert host.recv(99) == b"first"


def test_a_new_host_replaces_the_old_and_half_a_frame_of_it_ends(
    path: str, door: Door, host: socket.socket
) -> None:
    host.send(b"half a fra")
    assert take(door) == b"half a fra"
    with knock(path) as second:
        second.send(b"whole")
        assert take(door) == b"\0whole"
        assert host.recv(9) == b""
        assert door.dropped == "another host came"
        door.send(b"for the second")
        assert second.recv(99) == b"for the second"


def test_a_host_that_goes_is_let_go(door: Door, host: socket.socket) -> None:
    host.close()
    assert take(door) == b""
    assert len(door.readers) == 1
    assert door.dropped == "it closed the link"
    door.send(b"nobody")


def test_a_flood_is_taken_in_pieces(door: Door, host: socket.socket) -> None:
    host.send(b"x" * (READ_MAX_BYTES + 10))
    assert len(take(door)) == READ_MAX_BYTES
    assert len(take(door)) == 10


def test_what_the_kernel_does_not_take_at_once_comes_later_and_in_order(
    door: Door, host: socket.socket
) -> None:
    sent = b"".join(number.to_bytes(4) for number in range(16_000))
    for at in range(0, len(sent), 1_000):
        door.send(sent[at : at + 1_000])
    assert door.writers != ()
    received = b""
    while len(received) < len(sent):
        received += host.recv(65_536)
        door.send(b"")
    assert received == sent
    assert door.writers == ()


def test_a_host_that_does_not_read_is_dropped_at_a_bound(door: Door, host: socket.socket) -> None:
    sent = 0
    while door.dropped is None:
        door.send(b"x" * 1_000)
        sent += 1_000
        assert sent < 4 * BACKLOG_MAX_BYTES
    assert door.dropped == "it does not read"
    assert len(door.readers) == 1
