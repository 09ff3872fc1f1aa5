"""One host at a time, none of whom can make the board wait."""

import socket
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from droptable.board.door import BACKLOG_MAX_BYTES, TURN_MAX_BYTES, WAITING_MAX_BYTES, Door
from droptable.link.frames import encode
from droptable.link.messages import Beat, Stop
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


BEATS = [encode(seq, 7, Beat(Beat.LEASE, seq)) for seq in range(4_000)]
STOP = encode(9, 7, Stop(5))


def taken(door: Door, host: socket.socket, sent: bytes) -> list[bytes]:
    """What each turn takes of `sent`, until nothing waits."""
    assert host.send(sent) == len(sent)
    turns = [take(door)]
    while door.waiting:
        turns.append(take(door))
    return turns


def test_a_flood_is_taken_in_pieces_of_whole_frames(door: Door, host: socket.socket) -> None:
    turns = taken(door, host, b"".join(BEATS[:100]))
    assert b"".join(turns) == b"".join(BEATS[:100])
    assert all(len(turn) <= TURN_MAX_BYTES and turn.endswith(b"\0") for turn in turns)
    assert not door.waiting


def test_noise_without_an_end_is_taken_in_pieces_too(door: Door, host: socket.socket) -> None:
    turns = taken(door, host, b"x" * (2 * TURN_MAX_BYTES + 10))
    assert list(map(len, turns)) == [TURN_MAX_BYTES, TURN_MAX_BYTES, 10]


def test_a_stop_behind_all_that_the_kernel_holds_is_heard_in_the_first_turn(
    door: Door, host: socket.socket
) -> None:
    first, *_ = taken(door, host, b"".join(BEATS) + STOP)
    assert first.endswith(STOP)
    assert len(first) <= TURN_MAX_BYTES + len(STOP)


def test_a_stop_is_heard_in_its_place_again(door: Door, host: socket.socket) -> None:
    """A RESET_STOP that was sent before it, and waits, must not have the last word."""
    turns = taken(door, host, b"".join(BEATS[:50]) + STOP + b"".join(BEATS[50:60]))
    assert turns[0].endswith(STOP)
    heard = b"".join(turns)
    assert heard.count(STOP) == 2
    assert heard.replace(STOP, b"") == b"".join(BEATS[:60])
    assert heard.index(BEATS[49]) < heard.rindex(STOP) < heard.index(BEATS[50])


def test_a_stop_that_need_not_wait_is_heard_once(door: Door, host: socket.socket) -> None:
    assert b"".join(taken(door, host, STOP + b"".join(BEATS[:50]))).count(STOP) == 1


@pytest.mark.parametrize("cut", range(1, len(STOP)))
def test_a_stop_in_two_pieces_is_found(door: Door, host: socket.socket, cut: int) -> None:
    host.send(b"".join(BEATS[:50]) + STOP[:cut])
    assert STOP not in take(door)
    host.send(STOP[cut:])
    assert take(door).endswith(STOP)


def test_a_stop_in_noise_ends_it_first(door: Door, host: socket.socket) -> None:
    host.send(b"x" * 300 + b"\0" + STOP + b"x" * 300)
    assert take(door) == b"x" * TURN_MAX_BYTES + b"\0" + STOP


def test_what_only_looks_like_a_stop_waits_for_its_turn(door: Door, host: socket.socket) -> None:
    damaged = STOP[:5] + bytes([STOP[5] ^ 1 or 2]) + STOP[6:]
    host.send(b"".join(BEATS[:50]) + damaged)
    assert damaged not in take(door)


def test_a_host_that_only_sends_fills_no_memory(door: Door, host: socket.socket) -> None:
    flood = b"x" * 65_536
    for _ in range(100):
        with suppress(BlockingIOError):
            host.send(flood)
        take(door)
    assert len(door._inbox) <= 2 * WAITING_MAX_BYTES


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
