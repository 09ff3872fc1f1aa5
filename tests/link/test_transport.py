"""Streams over real ptys and sockets: opening, losing, writing, and STOP's lane."""

import asyncio
import os
import socket
import struct
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import serial
from serial import serialposix

from droptable.errors import DroptableError
from droptable.link import transport
from droptable.link.transport import (
    BACKLOG_MAX_BYTES,
    READ_MAX_BYTES,
    SerialAddress,
    Stream,
    TcpAddress,
    UnixAddress,
    parse_link,
)
from tests.link.conftest import Ear, open_descriptors

STOP = b"S" * 12 + b"\0"


# What a person writes


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("serial:/dev/ttyACM0", SerialAddress("/dev/ttyACM0", 250_000)),
        ("serial:/dev/serial/by-id/usb-a:b", SerialAddress("/dev/serial/by-id/usb-a:b", 250_000)),
        ("pty:/tmp/table", SerialAddress("/tmp/table", 250_000)),
        ("tcp:127.0.0.1:7000", TcpAddress("127.0.0.1", 7000)),
        ("tcp:table-2.local:65535", TcpAddress("table-2.local", 65_535)),
        ("tcp:[::1]:7000", TcpAddress("::1", 7000)),
        ("unix:/run/board.sock", UnixAddress("/run/board.sock")),
        ("unix:" + "x" * 107, UnixAddress("x" * 107)),
    ],
)
def test_a_link_is_read_as_it_is_written(text: str, address: transport.Address) -> None:
    assert parse_link(text, baud=250_000) == address
    assert str(parse_link(text)) == text.replace("pty:", "serial:")


def test_a_port_runs_at_the_speed_of_the_contract() -> None:
    assert parse_link("serial:/dev/ttyACM0") == SerialAddress("/dev/ttyACM0", 500_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a link to a board; write serial:DEVICE"),
        ("/dev/ttyACM0", "is not a link to a board; write serial:DEVICE"),
        ("COM3", "is not a link to a board"),
        ("udp:127.0.0.1:7000", "is not a link to a board"),
        ("Serial:/dev/ttyACM0", "is not a link to a board"),
        ("serial:", "is not the path"),
        ("serial:/dev/tty\0", "is not the path"),
        ("unix:", "is not the path"),
        ("unix:" + "x" * 108, "longer than the 107 bytes"),
        ("unix:" + "ä" * 54, "longer than the 107 bytes"),
        ("tcp:", "is not HOST:PORT"),
        ("tcp:127.0.0.1", "is not HOST:PORT"),
        ("tcp::7000", "is not HOST:PORT"),
        ("tcp:127.0.0.1:", "is not HOST:PORT"),
        ("tcp:127.0.0.1:65536", "is not HOST:PORT"),
        ("tcp:127.0.0.1:-1", "is not HOST:PORT"),
        ("tcp:127.0.0.1:٣", "is not HOST:PORT"),
        ("tcp:127.0.0.1:80 ", "is not HOST:PORT"),
        ("tcp:::1:7000", "is not HOST:PORT"),
        ("tcp:127.0.0.1:0", "port 0 names no board"),
    ],
)
def test_what_is_no_link_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_link(text)


@pytest.mark.parametrize("baud", [0, -9600, 4_000_001])
def test_an_impossible_speed_is_refused(baud: int) -> None:
    with pytest.raises(ValueError, match="baud"):
        parse_link("serial:/dev/ttyACM0", baud=baud)


# A serial port: a real pty, whose other end the test holds


class Port:
    """A pty as a board's port: `path` for the host, `board` for the test."""

    def __init__(self) -> None:
        self.board, theirs = os.openpty()
        self.path = os.ttyname(theirs)
        tty.setraw(theirs)
        self._theirs = theirs
        self.address = SerialAddress(self.path)

    def unplug(self) -> None:
        for fd in (self.board, self._theirs):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    plugged = Port()
    yield plugged
    plugged.unplug()


async def refusal(ear: Ear, address: transport.Address) -> DroptableError:
    """Why `address` cannot be opened, and that trying left nothing open."""
    before = open_descriptors()
    with pytest.raises(DroptableError) as raised:
        await ear.open(address)
    assert open_descriptors() == before
    assert raised.value.problem.code == "LINK_UNREACHABLE"
    assert raised.value.detail.startswith(f"{address}: ")
    return raised.value


async def test_bytes_pass_a_serial_port_unchanged_both_ways(ear: Ear, port: Port) -> None:
    every_byte = bytes(range(256)) * 4
    stream = await ear.open(port.address)
    os.write(port.board, every_byte)
    await ear.hears(every_byte)
    stream.write([every_byte[:100], every_byte[100:]])
    assert os.read(port.board, 2048) == every_byte
    stream.close()


async def test_a_serial_port_is_raw_8n1_and_waits_for_bytes(ear: Ear, port: Port) -> None:
    tty.setcbreak(port._theirs)
    stream = await ear.open(port.address)
    iflag, oflag, cflag, lflag, _, _, cc = termios.tcgetattr(port._theirs)
    assert cflag & termios.CSIZE == termios.CS8
    assert not cflag & (termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not iflag & (termios.ICRNL | termios.IXON | termios.ISTRIP)
    assert not oflag & termios.OPOST
    assert cc[termios.VMIN] == 1, "an empty read is a hang-up and nothing else"
    stream.close()


async def test_dtr_and_rts_are_lowered_when_a_port_opens_and_never_raised(
    ear: Ear, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pty has no such lines: what pyserial asks of the kernel is watched on its way."""
    asked: list[tuple[int, bytes]] = []
    really = serialposix.fcntl.ioctl

    def watched(fd: int, request: int, argument: bytes = b"", *rest: object) -> object:
        if request in (serialposix.TIOCMBIS, serialposix.TIOCMBIC, serialposix.TIOCMSET):
            asked.append((request, argument))
        return really(fd, request, argument, *rest)

    monkeypatch.setattr(serialposix.fcntl, "ioctl", watched)
    (await ear.open(port.address)).close()
    # A pty refuses the first of them, and pyserial then leaves the second.
    assert asked[0] == (serialposix.TIOCMBIC, struct.pack("I", termios.TIOCM_DTR))
    assert asked[1:] in ([], [(serialposix.TIOCMBIC, struct.pack("I", termios.TIOCM_RTS))])


async def test_the_speed_that_is_asked_for_is_set(
    ear: Ear, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every kernel keeps the speed of a pty, so that it is read from the port itself."""
    speeds: list[int] = []
    really = serial.Serial.open

    def watched(self: serial.Serial) -> None:
        speeds.append(self.baudrate)
        really(self)

    monkeypatch.setattr(serial.Serial, "open", watched)
    for baud in (9_600, 500_000, 1_000_000):
        (await ear.open(SerialAddress(port.path, baud))).close()
    assert speeds == [9_600, 500_000, 1_000_000]


async def test_a_port_belongs_to_one_host(ear: Ear, far: Ear, port: Port) -> None:
    stream = await ear.open(port.address)
    assert "busy" in (await refusal(far, port.address)).detail
    os.write(port.board, b"still mine")
    await ear.hears(b"still mine")
    stream.close()
    (await far.open(port.address)).close()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/dev/ttyNOPE", "no such port"),
        ("/dev/null", "not a serial port"),
        ("/tmp", "not a serial port"),
        (__file__, "not a serial port"),
        (__file__ + "/tty", "not a directory"),
    ],
)
async def test_what_is_no_port_says_so(ear: Ear, path: str, says: str) -> None:
    assert says in (await refusal(ear, SerialAddress(path))).detail


async def test_an_impossible_port_speed_says_so(ear: Ear, port: Port) -> None:
    detail = (await refusal(ear, SerialAddress(port.path, 2**40))).detail
    assert detail.endswith(f"cannot run at {2**40} baud")


def lock_away(path: str) -> None:
    Path(path).chmod(0)


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user without rights, where the tests run as root."""
    us = os.geteuid()
    if us == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(us)


async def test_a_port_without_permission_names_the_group(ear: Ear, port: Port) -> None:
    lock_away(port.path)
    with as_nobody():
        error = await refusal(ear, port.address)
    assert "permission denied" in error.detail
    assert "dialout" in error.detail


async def test_an_unplugged_port_is_told_once_and_released(ear: Ear, port: Port) -> None:
    before = open_descriptors()
    stream = await ear.open(port.address)
    port.unplug()
    await ear.until(lambda: bool(ear.lost))
    assert stream.closed
    assert len(open_descriptors()) == len(before) - 2
    stream.write([b"x"])
    stream.write_first(b"x")
    stream.close()
    await asyncio.sleep(0)
    assert len(ear.lost) == 1
    assert "the board closed the link" in ear.lost[0] or "broke" in ear.lost[0]


async def test_a_port_that_vanished_is_noticed_by_a_write_too(ear: Ear, port: Port) -> None:
    stream = await ear.open(port.address)
    port.unplug()
    stream.write([b"x"])
    assert ear.lost == [], "never inside the call"
    await ear.until(lambda: bool(ear.lost))
    await asyncio.sleep(0)
    assert ear.lost == ["the link to the board broke: input/output error"]
    assert stream.closed


async def test_a_port_that_returns_is_opened_again(ear: Ear, tmp_path: Path) -> None:
    path = tmp_path / "board"
    for plugging in range(3):
        port = Port()
        path.symlink_to(port.path)
        stream = await ear.open(SerialAddress(str(path)))
        stream.write([b"hello"])
        assert os.read(port.board, 64) == b"hello"
        path.unlink()
        port.unplug()
        await ear.until(lambda times=plugging: len(ear.lost) > times)
        assert stream.closed
        assert "no such port" in (await refusal(ear, SerialAddress(str(path)))).detail


# Sockets


def listening(backlog: int = 5) -> tuple[socket.socket, TcpAddress]:
    sock = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    return sock, TcpAddress("127.0.0.1", sock.getsockname()[1])


@pytest.fixture(params=["tcp", "unix"])
async def board_socket(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[socket.socket, transport.Address]]:
    """A listening socket of a board and the address that leads to it."""
    if request.param == "tcp":
        sock, address = listening()
    else:
        address = UnixAddress(str(tmp_path / "board.sock"))
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(address.path)
        sock.listen()
    with sock:
        yield sock, address


BoardSocket = tuple[socket.socket, transport.Address]


async def test_bytes_pass_a_socket_unchanged_both_ways(ear: Ear, board_socket: BoardSocket) -> None:
    door, address = board_socket
    stream = await ear.open(address)
    board, _ = door.accept()
    with board:
        every_byte = bytes(range(256))
        board.sendall(every_byte)
        await ear.hears(every_byte)
        stream.write([every_byte])
        assert board.recv(4096) == every_byte
        stream.close()
        assert board.recv(4096) == b""


async def test_a_tcp_link_waits_for_nothing_and_hopes_for_no_dead(ear: Ear) -> None:
    door, address = listening()
    with door:
        stream = await ear.open(address)
        with socket.socket(fileno=os.dup(stream._fd)) as sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
            assert not os.get_inheritable(sock.fileno())
        stream.close()


async def test_a_board_that_closes_is_told(ear: Ear, board_socket: BoardSocket) -> None:
    door, address = board_socket
    stream = await ear.open(address)
    board, _ = door.accept()
    board.sendall(b"last words")
    board.close()
    await ear.until(lambda: bool(ear.lost))
    assert ear.received == b"last words"
    assert ear.lost == ["the board closed the link"]
    assert stream.closed


async def test_a_board_that_resets_is_told(ear: Ear) -> None:
    door, address = listening()
    with door:
        await ear.open(address)
        board, _ = door.accept()
        board.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        board.close()
        await ear.until(lambda: bool(ear.lost))
    assert ear.lost == ["the link to the board broke: connection reset by peer"]


async def test_a_write_to_a_board_that_is_gone_is_a_loss_and_no_error(
    ear: Ear, board_socket: BoardSocket
) -> None:
    door, address = board_socket
    stream = await ear.open(address)
    door.accept()[0].close()
    while not stream.closed:
        stream.write([b"x" * 50])
        await asyncio.sleep(0)
    await ear.until(lambda: bool(ear.lost))
    await asyncio.sleep(0)
    assert len(ear.lost) == 1


async def test_nobody_listening_is_refused(
    ear: Ear, board_socket: BoardSocket, tmp_path: Path
) -> None:
    door, address = board_socket
    door.close()
    assert "refused; no program listens" in (await refusal(ear, address)).detail
    missing = UnixAddress(str(tmp_path / "missing.sock"))
    assert "no such socket" in (await refusal(ear, missing)).detail


async def test_a_host_without_an_address_says_so(ear: Ear) -> None:
    for name in ("no-such-board.invalid", "a..b"):
        detail = (await refusal(ear, TcpAddress(name, 7000))).detail
        assert detail.endswith(f"no host of the name {name}")


async def test_a_socket_of_another_user_says_so(ear: Ear, tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "board.sock"))
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address.path)
        door.listen()
        lock_away(address.path)
        with as_nobody():
            assert "permission denied" in (await refusal(ear, address)).detail


async def test_a_unix_socket_that_is_crowded_is_busy(ear: Ear, tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "board.sock"))
    crowd: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address.path)
        door.listen(0)
        with suppress(BlockingIOError):
            while True:
                crowd.append(socket.socket(socket.AF_UNIX))
                crowd[-1].setblocking(False)
                crowd[-1].connect(address.path)
        assert "busy" in (await refusal(ear, address)).detail
        for one in crowd:
            one.close()


@pytest.fixture
async def mute_board() -> AsyncIterator[TcpAddress]:
    """A TCP port that neither accepts nor refuses, because its queue is full."""
    door, address = listening(backlog=0)
    crowd: list[socket.socket] = []
    with door:
        for _ in range(8):
            crowd.append(socket.socket())
            crowd[-1].setblocking(False)
            crowd[-1].connect_ex((address.host, address.port))
        yield address
        for one in crowd:
            one.close()


async def test_no_answer_in_time_is_unreachable(
    ear: Ear, mute_board: TcpAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_WITHIN_S", 0.05)
    assert "no answer in 0.05 s" in (await refusal(ear, mute_board)).detail


async def test_a_cancelled_opening_leaves_nothing_behind(
    ear: Ear, mute_board: TcpAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    connecting = asyncio.Event()
    loop = asyncio.get_running_loop()
    really = loop.sock_connect

    async def watched(sock: socket.socket, target: tuple[str, int]) -> None:
        connecting.set()
        await really(sock, target)

    monkeypatch.setattr(loop, "sock_connect", watched)
    opening = asyncio.create_task(ear.open(mute_board))
    async with asyncio.timeout(5):
        await connecting.wait()
    assert open_descriptors() != before
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert open_descriptors() == before


# Any stream, over a pair of sockets


@pytest.fixture
async def pair(ear: Ear) -> AsyncIterator[tuple[Stream, socket.socket]]:
    """A stream and the socket at its other end, which nobody reads but the test."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    theirs.settimeout(5)
    stream = Stream(ours.detach(), on_bytes=ear.on_bytes, on_closed=ear.on_closed)
    yield stream, theirs
    stream.close()
    theirs.close()


Pair = tuple[Stream, socket.socket]


def numbered(number: int) -> bytes:
    """A frame of 50 bytes that tells its number."""
    return f"{number:049d}".encode() + b"\0"


def block(stream: Stream) -> int:
    """Write numbered frames until some wait; how many were given to the stream."""
    given = 0
    while not stream._waiting:
        stream.write([numbered(given)])
        given += 1
    for _ in range(10):
        stream.write([numbered(given)])
        given += 1
    return given


async def drain(pair: Pair, size: int) -> bytes:
    """Read `size` bytes at the other end while the stream writes on."""
    loop = asyncio.get_running_loop()
    _, theirs = pair
    theirs.setblocking(False)
    octets = b""
    async with asyncio.timeout(10):
        while len(octets) < size:
            octets += await loop.sock_recv(theirs, 997)
    return octets


async def test_a_read_is_bounded_so_that_a_flood_cannot_starve_the_loop(
    ear: Ear, pair: Pair
) -> None:
    _, theirs = pair
    flood = os.urandom(60_000)
    theirs.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(theirs, flood)
    await ear.until(lambda: len(ear.received) == len(flood))
    assert ear.received == flood
    assert max(map(len, ear.pieces)) <= READ_MAX_BYTES


async def test_a_frame_is_written_at_once_when_there_is_room(pair: Pair) -> None:
    stream, theirs = pair
    stream.write([numbered(1), numbered(2)])
    assert theirs.recv(1000) == numbered(1) + numbered(2)


async def test_nothing_to_write_writes_nothing(pair: Pair) -> None:
    stream, theirs = pair
    stream.write([])
    stream.close()
    assert theirs.recv(10) == b""


async def test_frames_that_must_wait_come_whole_and_in_order(pair: Pair) -> None:
    stream, _ = pair
    given = block(stream)
    octets = await drain(pair, 50 * given)
    assert octets == b"".join(numbered(number) for number in range(given))
    assert not stream._blocked
    assert stream._waiting_bytes == 0


async def test_a_stop_goes_before_all_that_has_not_begun_and_tears_nothing(pair: Pair) -> None:
    stream, _ = pair
    given = block(stream)
    begun = given - len(stream._waiting) + stream._first_begun
    stream.write_first(STOP)
    octets = await drain(pair, 50 * given + len(STOP))
    frames = [frame + b"\0" for frame in octets.split(b"\0")[:-1]]
    before = [numbered(number) for number in range(begun)]
    after = [numbered(number) for number in range(begun, given)]
    assert frames == [*before, STOP, *after]
    assert len(after) >= 9


async def test_a_stop_waits_for_the_rest_of_a_frame_that_has_begun(pair: Pair) -> None:
    stream, _ = pair
    long_frame = b"L" * 50_000 + b"\0"
    stream.write([long_frame, numbered(1)])
    assert stream._first_begun
    stream.write_first(STOP)
    stream.write_first(STOP)
    octets = await drain(pair, len(long_frame) + 2 * len(STOP) + 50)
    assert octets == long_frame + STOP + STOP + numbered(1)
    assert not stream._first_begun


async def test_a_stop_is_written_at_once_when_there_is_room(pair: Pair) -> None:
    stream, theirs = pair
    stream.write_first(STOP)
    assert theirs.recv(100) == STOP


async def test_a_board_that_does_not_read_is_given_up_at_a_bound(ear: Ear, pair: Pair) -> None:
    stream, _ = pair
    block(stream)
    written = 0
    while not stream.closed:
        assert stream._waiting_bytes == sum(map(len, stream._waiting)) <= BACKLOG_MAX_BYTES
        stream.write([numbered(written)])
        written += 1
        assert written < 5000
    assert written > 1200
    await ear.until(lambda: bool(ear.lost))
    assert ear.lost == ["the board does not read"]
    assert not stream._waiting


async def test_one_write_beyond_the_bound_is_given_up_too(ear: Ear, pair: Pair) -> None:
    stream, _ = pair
    stream.write([b"x" * 1000] * 1000)
    await ear.until(lambda: bool(ear.lost))
    assert ear.lost == ["the board does not read"]


async def test_a_lossy_stream_loses_frames_but_never_a_part_of_one(ear: Ear) -> None:
    ours, theirs = socket.socketpair()
    stream = Stream(ours.detach(), on_bytes=ear.on_bytes, on_closed=ear.on_closed, lossy=True)
    with theirs:
        for number in range(20_000):
            stream.write([numbered(number)])
            assert len(stream._waiting) <= 1
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        octets = b""
        while theirs.fileno() >= 0 and (stream._waiting or not octets.endswith(b"\0")):
            octets += await loop.sock_recv(theirs, 65_536)
        stream.write([numbered(99_999)])
        while not octets.endswith(numbered(99_999)):
            octets += await loop.sock_recv(theirs, 65_536)
        stream.close()
    numbers = [int(frame) for frame in octets.split(b"\0")[:-1]]
    assert set(map(len, octets.split(b"\0")[:-1])) == {49}
    assert numbers == sorted(numbers)
    assert len(numbers) < 20_000
    assert not ear.lost


async def test_closing_is_no_loss_and_may_be_repeated(ear: Ear, pair: Pair) -> None:
    stream, theirs = pair
    for _ in range(3):
        stream.close()
    assert stream.closed
    assert theirs.recv(10) == b""
    await asyncio.sleep(0)
    assert ear.lost == []


async def test_the_number_of_a_closed_descriptor_serves_the_next_stream(
    ear: Ear, far: Ear, pair: Pair
) -> None:
    stream, _ = pair
    number = stream._fd
    block(stream)
    stream.close()
    ours, theirs = socket.socketpair()
    with theirs:
        if ours.fileno() == number:
            ours.detach()
        else:
            os.dup2(ours.fileno(), number)
            ours.close()
        following = Stream(number, on_bytes=far.on_bytes, on_closed=far.on_closed)
        theirs.sendall(b"for the next")
        await far.hears(b"for the next")
        following.close()
    assert ear.lost == []


async def test_closing_before_a_loss_was_told_keeps_it_untold(ear: Ear, pair: Pair) -> None:
    stream, _ = pair
    stream.write([b"x" * 1000] * 1000)
    assert stream.closed
    stream.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ear.lost == []


async def test_a_stream_may_be_closed_from_its_own_bytes(ear: Ear) -> None:
    ours, theirs = socket.socketpair()
    heard: list[bytes] = []

    def once(piece: bytes) -> None:
        heard.append(piece)
        stream.close()
        ear.on_bytes(piece)

    stream = Stream(ours.detach(), on_bytes=once, on_closed=ear.on_closed)
    with theirs:
        theirs.sendall(b"x" * (2 * READ_MAX_BYTES))
        await ear.until(lambda: bool(heard))
        await asyncio.sleep(0)
    assert heard == [b"x" * READ_MAX_BYTES]
    assert ear.lost == []


async def test_bytes_and_the_end_in_one_wake_up_are_both_heard(ear: Ear, pair: Pair) -> None:
    stream, theirs = pair
    block(stream)
    theirs.sendall(b"bye")
    theirs.close()
    await ear.until(lambda: bool(ear.lost))
    await asyncio.sleep(0)
    assert len(ear.lost) == 1
