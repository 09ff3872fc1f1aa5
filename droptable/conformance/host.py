"""The host's end of the link as a check needs it: it can say anything, also what a host never would.

Unlike `link/host_session.py` it judges nothing by itself: it numbers frames, sends BEATs, keeps all
that was sent and came with its time, and waits for what a check names. Times are microseconds of
the host's clock.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from droptable.conformance.model import Mismatch
from droptable.conformance.telling import frame_in_words, news_of
from droptable.daemon.clock import Clock
from droptable.link.frames import Decoder, encode
from droptable.link.messages import FROM_BOARD, Beat, Boot, Hello, Message, Status
from droptable.link.session import BEAT_EVERY_US, clock_ms

TOLD_MAX = 60
"""So many lines of what happened are told of a check that failed."""


class Wire(Protocol):
    """An open way to the board."""

    def write(self, frames: Sequence[bytes]) -> None:
        """Send these bytes, in order."""

    def close(self) -> None:
        """Be gone, as a host whose cable was pulled out."""


Connect = Callable[[Callable[[bytes], None], Callable[[str], None]], Awaitable[Wire]]
"""Opens a way to the board. What comes is handed to the first callback, its end to the second."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame of the board, and when it came."""

    at_us: int
    seq: int
    session: int
    message: Message


@dataclass(frozen=True, slots=True)
class _Line:
    at_us: int
    sent: bool
    told: str


class Host:
    """One host. `lease` and `hold` are what its BEATs say; none are sent while `beating` is off."""

    def __init__(self, connect: Connect, clock: Clock) -> None:
        self.clock = clock
        self.session = 0
        self.seq = 0
        """Of the next frame."""
        self.lease = self.hold = False
        self.beat_us = 0
        """When the last BEAT was sent."""
        self.late_us = 0
        """How much later than due a BEAT has been sent, since this was last set to 0."""
        self.malformed: list[str] = []
        """What the board has sent since `forget` and the contract does not allow, in sentences."""
        self.heard: list[Heard] = []
        self._connect = connect
        self._wire: Wire | None = None
        self._decoder = Decoder(FROM_BOARD)
        self._board_seq: int | None = None
        self._board_us = -1
        self._lines: list[_Line] = []
        self._news: tuple[object, ...] = ()
        self._arrival = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None
        self._began_us = clock.monotonic_us()

    # The line

    async def connect(self) -> None:
        """Open the line, unless it is open."""
        if self._wire is None:
            self._decoder = Decoder(FROM_BOARD)
            self._wire = await self._connect(self._on_bytes, self._on_closed)

    def disconnect(self) -> None:
        """Pull the cable."""
        self.stop_beating()
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def forget(self) -> None:
        """A new check begins: what was before is of no interest to it."""
        self.heard.clear()
        self.malformed.clear()
        self._lines.clear()
        self._news = ()
        self._began_us = self.clock.monotonic_us()

    # What is sent

    def send(self, *messages: Message) -> int:
        """Frames of this session, all in one piece; gives when."""
        return self.send_bytes(b"".join(self.frame(message) for message in messages), *messages)

    def frame(
        self, message: Message, *, session: int | None = None, seq: int | None = None
    ) -> bytes:
        """The bytes of a frame; without a `seq` of its own it takes the next."""
        if seq is None:
            seq = self.seq
            self.seq = (self.seq + 1) % 65_536
        return encode(seq, self.session if session is None else session, message)

    def send_bytes(self, sent: bytes, *meaning: Message | str) -> int:
        """Any bytes; `meaning` is what they are to whoever reads of it."""
        now_us = self.clock.monotonic_us()
        for part in meaning:
            told = part if isinstance(part, str) else frame_in_words(part)
            self._lines.append(_Line(now_us, True, told))
        if self._wire is not None:
            self._wire.write([sent])
        return now_us

    @property
    def now_ms(self) -> int:
        """What BEATs and COMMANDs say of the time."""
        return clock_ms(self.clock.monotonic_us())

    def beat(self) -> int:
        """One BEAT, now."""
        flags = Beat.LEASE * self.lease | Beat.HOLD * self.hold
        beat = Beat(flags, self.now_ms)
        self.beat_us = self.clock.monotonic_us()
        if self._wire is not None:
            self._wire.write([self.frame(beat)])
        return self.beat_us

    def say(self, *, lease: bool | None = None, hold: bool | None = None) -> int:
        """Change what the BEATs say, and say it at once."""
        self.lease = self.lease if lease is None else lease
        self.hold = self.hold if hold is None else hold
        self._lines.append(
            _Line(self.clock.monotonic_us(), True, f"Beat lease={self.lease} hold={self.hold}")
        )
        return self.beat()

    def start_beating(self) -> None:
        """A BEAT every 50 ms from now on."""
        self.stop_beating()
        self._beating = asyncio.create_task(self._beat_on(), name="beats")

    def stop_beating(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None

    async def _beat_on(self) -> None:
        due_us = self.clock.monotonic_us()
        while True:
            self.beat()
            due_us += BEAT_EVERY_US
            await self.clock.sleep_until_us(due_us)
            late_us = self.clock.monotonic_us() - due_us
            if late_us > BEAT_EVERY_US:
                due_us += late_us
            self.late_us = max(self.late_us, late_us)

    def new_session(self, session: int | None = None) -> int:
        """Take another id, and give it; nothing is sent."""
        self.session = self.clock.random_u32() if session is None else session
        self.seq = 0
        return self.session

    def hello(self, message: Hello | None = None) -> int:
        """HELLO under the present id."""
        return self.send(message or Hello())

    # What comes

    def _on_bytes(self, received: bytes) -> None:
        now_us = self.clock.monotonic_us()
        before = self._decoder.discards.copy()
        for frame in self._decoder.feed(received):
            self._take(Heard(now_us, frame.seq, frame.session, frame.message))
        for reason in self._decoder.discards - before:
            self._complain(f"a frame that has to be discarded: {reason.value}")
        self._arrival.set()

    def _on_closed(self, detail: str) -> None:
        self._wire = None
        self._complain(detail)
        self._arrival.set()

    def _take(self, heard: Heard) -> None:
        self.heard.append(heard)
        message = heard.message
        if not isinstance(message, Boot):
            self._judge_seq(heard)
        if isinstance(message, Status):
            if message.board_us <= self._board_us:
                self._complain(f"a STATUS of {message.board_us} µs after {self._board_us} µs")
            self._board_us = message.board_us
            if news_of(message) == self._news:
                return
            self._news = news_of(message)
        self._lines.append(_Line(heard.at_us, False, frame_in_words(message)))

    def _judge_seq(self, heard: Heard) -> None:
        """Each frame under this session is one ahead of the one before; the first is a WELCOME."""
        if heard.session != self.session:
            return
        if heard.seq == 0 and type(heard.message).__name__ == "Welcome":
            self._board_us = -1
        elif self._board_seq is not None and heard.seq != (self._board_seq + 1) % 65_536:
            self._complain(f"seq {heard.seq} after {self._board_seq}")
        self._board_seq = heard.seq

    def _complain(self, sentence: str) -> None:
        self.malformed.append(sentence)
        self._lines.append(_Line(self.clock.monotonic_us(), False, f"!! {sentence}"))

    async def until(
        self, wanted: Callable[[Heard], bool], expected: str, *, within_us: int, since: int
    ) -> Heard:
        """The first frame from place `since` of `heard` on that is `wanted`; Mismatch if none comes."""
        deadline_us = self.clock.monotonic_us() + within_us
        timer = self.clock.call_at_us(deadline_us, self._arrival.set)
        at = since
        try:
            while True:
                while at < len(self.heard):
                    if wanted(self.heard[at]):
                        return self.heard[at]
                    at += 1
                if self.clock.monotonic_us() >= deadline_us:
                    raise Mismatch(expected, f"not within {within_us / 1000:g} ms")
                self._arrival.clear()
                await self._arrival.wait()
        finally:
            timer.cancel()

    async def pause(self, for_us: int) -> None:
        """Let time pass: only for what the contract counts in time itself."""
        await self.clock.sleep_until_us(self.clock.monotonic_us() + for_us)

    def story(self) -> tuple[str, ...]:
        """What was sent and came since `forget`, newest last; of STATUS only what changed."""
        lines = self._lines[-TOLD_MAX:]
        left_out = len(self._lines) - len(lines)
        told = [f"… {left_out} lines before"] if left_out else []
        for line in lines:
            since_ms = (line.at_us - self._began_us) / 1000
            told.append(f"{since_ms:10.3f} ms {'host  ' if line.sent else 'board '} {line.told}")
        return tuple(told)

    async def close(self) -> None:
        """Let go of the board."""
        beating = self._beating
        self.disconnect()
        if beating is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await beating
