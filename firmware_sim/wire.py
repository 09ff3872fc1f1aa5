"""A link in virtual time between a daemon and a board, as sick as its settings say.

Bytes arrive in order or not at all: they are split, delayed, corrupted, lost or held up, and now and
then the whole stream breaks. A wire moves bytes and understands none of them.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from droptable.daemon.clock import Clock


@dataclass(frozen=True, slots=True)
class WireSettings:
    """How sick a wire is; each chance is for one write."""

    delay_us: int = 200
    jitter_us: int = 300
    split: float = 0.1
    lose: float = 0.0
    corrupt: float = 0.0
    stall: float = 0.0
    stall_us: int = 400_000
    """How long a stalled wire keeps what it was given; it comes out all at once, late."""
    snap: float = 0.0
    """The stream breaks."""


HEALTHY = WireSettings()
SICK = WireSettings(split=0.3, lose=0.004, corrupt=0.004, stall=0.0008, snap=0.0002)


class Wire:
    """Both directions of one stream. `settings` may change while it runs; `faults` counts."""

    def __init__(self, clock: Clock, dice: Random, settings: WireSettings) -> None:
        self.settings = settings
        self.faults: Counter[str] = Counter()
        self.host = WireEnd(self, clock, dice)
        self.board = WireEnd(self, clock, dice)
        self.host.peer, self.board.peer = self.board, self.host

    def snap(self) -> None:
        """Break the stream: both ends learn of it, and what was on the way is gone."""
        self.faults["snap"] += 1
        for end in (self.host, self.board):
            end.lose("the wire broke")


class WireEnd:
    """One end: what is written here arrives at the peer. Stands in for `link.transport.Stream`."""

    def __init__(self, wire: Wire, clock: Clock, dice: Random) -> None:
        self.peer: WireEnd = self
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self.on_closed: Callable[[str], None] = lambda _: None
        self._wire = wire
        self._clock = clock
        self._dice = dice
        self._open = True
        self._under_way: deque[tuple[int, bytes]] = deque()
        self._last_us = 0

    def write(self, frames: Sequence[bytes]) -> None:
        """Send whole frames."""
        if self._open and frames:
            self._send(b"".join(frames))

    def write_first(self, frame: bytes) -> None:
        """STOP's lane; nothing waits in front of a wire, so it is the same."""
        self.write([frame])

    def close(self) -> None:
        """Let go of the stream; the peer learns of it."""
        if self._open:
            self._open = False
            self.peer.lose("the peer closed the link")

    def lose(self, detail: str) -> None:
        """The stream is gone."""
        if self._open:
            self._open = False
            self._clock.call_at_us(self._clock.monotonic_us(), lambda: self.on_closed(detail))

    def arrive(self, piece: bytes) -> None:
        """Bytes of the peer are here."""
        if self._open:
            self.on_bytes(piece)

    def _send(self, sent: bytes) -> None:
        sick, dice = self._wire.settings, self._dice
        if dice.random() < sick.snap:
            self._wire.snap()
            return
        if dice.random() < sick.lose:
            self._wire.faults["lose"] += 1
            return
        if dice.random() < sick.corrupt:
            self._wire.faults["corrupt"] += 1
            at = dice.randrange(len(sent))
            sent = sent[:at] + bytes([sent[at] ^ 1 << dice.randrange(8)]) + sent[at + 1 :]
        held_us = 0
        if dice.random() < sick.stall:
            self._wire.faults["stall"] += 1
            held_us = sick.stall_us
        cut = dice.randrange(len(sent)) if dice.random() < sick.split else 0
        for piece in (sent[:cut], sent[cut:]):
            if piece:
                self._schedule(piece, held_us)

    def _schedule(self, piece: bytes, held_us: int) -> None:
        """Have `piece` arrive, after whatever was sent before it."""
        delay_us = self._wire.settings.delay_us + self._dice.randrange(
            self._wire.settings.jitter_us + 1
        )
        at_us = max(self._clock.monotonic_us() + delay_us + held_us, self._last_us + 1)
        self._last_us = at_us
        self._under_way.append((at_us, piece))
        self._clock.call_at_us(at_us, self._deliver)

    def _deliver(self) -> None:
        """Hand over the oldest piece that is under way; a timer for each, so the count fits."""
        _, piece = self._under_way.popleft()
        self.peer.arrive(piece)
