"""A link in memory between the daemon's connection and a simulated board, in virtual time.

It can be pulled, put back, muted, garbled and shared by a second board. Bytes keep their order
whatever the loop's seed; the board does everything at the right time of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from droptable.daemon.clock import Clock
from droptable.errors import DroptableError
from droptable.link.frames import Decoder, Frame
from droptable.link.messages import FROM_HOST, Beat, Message
from firmware_sim.simulated_board import SimulatedBoard

DELAY_US = 500
"""One way; a USB serial adapter takes about this long."""


class Lane:
    """Bytes one way, in order, `DELAY_US` late."""

    def __init__(self, clock: Clock, deliver: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._deliver = deliver
        self._waiting: deque[bytes] = deque()

    def send(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self._clock.call_at_us(self._clock.monotonic_us() + DELAY_US, self._deliver_next)

    def _deliver_next(self) -> None:
        self._deliver(self._waiting.popleft())


class HostEnd:
    """The daemon's end of the wire: a `connection.Stream`. Dead after `close` or a pull."""

    def __init__(
        self, wire: "Wire", on_bytes: Callable[[bytes], None], on_closed: Callable[[str], None]
    ) -> None:
        self.on_bytes = on_bytes
        self.on_closed = on_closed
        self.alive = True
        self._wire = wire

    def write(self, frames: list[bytes]) -> None:
        if self.alive:
            self._wire.from_host(b"".join(frames))

    def write_first(self, frame: bytes) -> None:
        self.write([frame])

    def close(self) -> None:
        self.alive = False


class Wire:
    """One board and the daemon that may or may not reach it. Call `open` as an Opener."""

    def __init__(self, board: SimulatedBoard, clock: Clock) -> None:
        self.board = board
        self.unplugged = False
        self.muted = False
        """What the host writes is lost: to the board, a daemon that is frozen."""
        self.deaf = False
        """What the board sends is lost."""
        self.opened_us: list[int] = []
        """When somebody tried to open it, with or without success."""
        self.heard: list[tuple[int, Frame]] = []
        """Every frame that reached the board, and when."""
        self.garble: Callable[[bytes], bytes] = bytes
        self._clock = clock
        self._end: HostEnd | None = None
        self._decoder = Decoder(FROM_HOST)
        self._to_board = Lane(clock, self._board_hears)
        self._to_host = Lane(clock, self._host_hears)
        self._timer: asyncio.TimerHandle | None = None
        self.catch_up()

    async def open(
        self, *, on_bytes: Callable[[bytes], None], on_closed: Callable[[str], None]
    ) -> HostEnd:
        self.opened_us.append(self._clock.monotonic_us())
        if self.unplugged:
            raise DroptableError("LINK_UNREACHABLE", "serial:/dev/test: no such port")
        self._end = HostEnd(self, on_bytes, on_closed)
        return self._end

    def pull(self) -> None:
        """Unplug it: the host's operating system notices at once, the board only by silence."""
        self.unplugged = True
        end, self._end = self._end, None
        if end is not None:
            end.alive = False
            asyncio.get_running_loop().call_soon(end.on_closed, "the board closed the link")

    def inject(self, noise: bytes) -> None:
        """Let the host hear something that the board did not send."""
        self._to_host.send(noise)

    def from_host(self, chunk: bytes) -> None:
        if not self.muted:
            self._to_board.send(chunk)

    def catch_up(self) -> None:
        """Let the board live up to the present."""
        self._advance(b"")

    def send(self, sent: bytes) -> None:
        """What the board says, on its way."""
        if sent and not self.deaf:
            self._to_host.send(self.garble(sent))

    def messages(self, kind: type[Message]) -> list[tuple[int, Message]]:
        """The messages of one kind that reached the board, and when."""
        return [(at, f.message) for at, f in self.heard if isinstance(f.message, kind)]

    @property
    def last_beat_us(self) -> int:
        """When the board heard the newest BEAT."""
        return self.messages(Beat)[-1][0]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _board_hears(self, chunk: bytes) -> None:
        now_us = self._clock.monotonic_us()
        self.heard += ((now_us, frame) for frame in self._decoder.feed(chunk))
        self._advance(chunk)

    def _host_hears(self, chunk: bytes) -> None:
        if self._end is not None and self._end.alive:
            self._end.on_bytes(chunk)

    def _advance(self, received: bytes) -> None:
        self.send(self.board.advance(self._clock.monotonic_us(), received))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at_us(self.board.wake_us, self.catch_up)
