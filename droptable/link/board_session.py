"""The board's end of the link: which frames count, for which session, and when the host is dead.

Bytes go in; what a board has to act on comes out, in order: a session that opened, a host that fell
silent, and the messages that passed every test of the contract. It judges frames, never the table:
a message that it hands on may still be refused. Nothing in here moves anything.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from droptable.link.frames import Decoder, Discard, Frame, encode
from droptable.link.messages import (
    FROM_HOST,
    PROTO_MAJOR,
    Beat,
    BoardMessage,
    Boot,
    Command,
    Hello,
    Message,
    Stop,
)
from droptable.link.session import (
    DEAD_MAN_US,
    STALE_FRAME_MS,
    FrameAge,
    SequenceCounter,
    SequenceWindow,
    Traffic,
)

DISARM = 3
"""The one verb that is never too old."""

_DEAD_IDS_KEPT = 16


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A HELLO opened a session: answer WELCOME, disarm, allow nothing that was allowed before."""


@dataclass(frozen=True, slots=True)
class HelloRepeated:
    """The HELLO of the live session came again: answer WELCOME and do nothing else."""


@dataclass(frozen=True, slots=True)
class VersionRefused:
    """A HELLO of another major version: answer WELCOME under its id, and go on as before."""

    session: int


@dataclass(frozen=True, slots=True)
class HostSilent:
    """The dead-man: outputs off, lease gone, the session is dead."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message to act on. `age_ms` is 0 for one that carries no time.

    `live_id` is whether the frame carried the id of the live session: a STOP may come under any id,
    and everything else under that of the session that died last.
    """

    message: Message
    age_ms: int
    live_id: bool


Heard = SessionOpened | HelloRepeated | VersionRefused | HostSilent | Accepted


class BoardSession:
    """A board's sessions, one after the other. `live` says whether a host holds one now."""

    def __init__(self) -> None:
        self.live = False
        self.id = 0
        """The session that is live or died last; 0 before the first."""
        self.traffic = Traffic()
        self._decoder = Decoder(FROM_HOST)
        self._decoder.discards = self.traffic.discards
        self._window = SequenceWindow()
        self._age = FrameAge()
        self._seq = SequenceCounter()
        self._boot_seq = SequenceCounter()
        self._dead_ids: deque[int] = deque(maxlen=_DEAD_IDS_KEPT)
        self._beat_us = 0

    @property
    def dead_man_us(self) -> int | None:
        """When the host will be taken for dead unless a BEAT comes; None without a live session."""
        return self._beat_us + DEAD_MAN_US if self.live else None

    def receive(self, received: bytes, now_us: int) -> Iterator[Heard]:
        """What `received`, which may be empty, and the passing of time up to `now_us` mean.

        To be taken to its end. Each frame is judged when its turn comes, so that what is sent in
        answer to one goes under its session, and not under that of a HELLO which came right after.
        """
        if self.live and now_us - self._beat_us >= DEAD_MAN_US:
            self.live = False
            yield HostSilent()
        for frame in self._decoder.feed(received):
            judged = self._judge(frame, now_us)
            if isinstance(judged, Discard):
                self.traffic.discards[judged] += 1
            else:
                yield judged

    def send(self, message: BoardMessage) -> bytes:
        """The frame of `message` under the session that is live or died last."""
        if isinstance(message, Boot):
            return encode(self._boot_seq.take(), 0, message)
        return encode(self._seq.take(), self.id, message)

    def send_refusal(self, refused: VersionRefused, welcome: BoardMessage) -> bytes:
        """The WELCOME that answers a HELLO of another version; no session is touched."""
        return encode(0, refused.session, welcome)

    def _judge(self, frame: Frame, now_us: int) -> Heard | Discard:
        match frame.message:
            case Stop():
                live_id = self.live and frame.session == self.id
                return Accepted(frame.message, age_ms=0, live_id=live_id)
            case Hello(proto_major=major):
                return self._judge_hello(frame, major, now_us)
            case _:
                return self._judge_in_session(frame, now_us)

    def _judge_in_session(self, frame: Frame, now_us: int) -> Heard | Discard:
        if frame.session != self.id or self.id == 0:
            return Discard.SESSION
        if (skipped := self._window.accept(frame.seq)) is None:
            return Discard.SEQUENCE
        self.traffic.lost += skipped
        return self._judge_age(frame.message, now_us)

    def _judge_hello(self, frame: Frame, major: int, now_us: int) -> Heard | Discard:
        if frame.session == 0:
            return Discard.SESSION
        if major != PROTO_MAJOR:
            return VersionRefused(frame.session)
        if self.live and frame.session == self.id:
            return HelloRepeated()
        if frame.session in self._dead_ids or frame.session == self.id:
            return Discard.SESSION
        if self.id:
            self._dead_ids.append(self.id)
        self.id, self.live, self._beat_us = frame.session, True, now_us
        self._window = SequenceWindow(last=frame.seq)
        self._age = FrameAge()
        self._seq = SequenceCounter()
        return SessionOpened()

    def _judge_age(self, message: Message, now_us: int) -> Heard | Discard:
        match message:
            case Beat(host_ms=host_ms):
                age_ms = self._age.of(host_ms, now_us)
                if age_ms > STALE_FRAME_MS:
                    return Discard.STALE
                if self.live:
                    self._beat_us = now_us
            case Command(host_ms=host_ms, verb=verb):
                age_ms = self._age.of(host_ms, now_us)
                if age_ms > STALE_FRAME_MS and verb != DISARM:
                    return Discard.STALE
            case _:
                age_ms = 0
        return Accepted(message, age_ms, live_id=self.live)
