"""The host's end of the link: opens sessions, beats, notices silence, restarts and impostors.

Bytes and time go in; news and frames to send come out. It keeps a session alive and says what it
sees; what that means for the table is the core's to decide. Nothing is resumed here: each session
begins with nothing but a WELCOME, and nothing that was sent in one is ever sent again in the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from droptable.link.frames import DELIMITER, Decoder, Discard, Frame, encode
from droptable.link.messages import (
    FROM_BOARD,
    PROTO_MAJOR,
    Beat,
    Boot,
    Hello,
    HostMessage,
    Message,
    Status,
    Stop,
    Time,
    TimeReply,
    Welcome,
)
from droptable.link.session import (
    BEAT_EVERY_US,
    LINK_STALE_US,
    ROUND_TRIP_MAX_US,
    TIME_EVERY_US,
    SequenceCounter,
    SequenceWindow,
    Traffic,
    clock_ms,
)

HELLO_RETRY_US = 250_000
"""Longer than the dead-man: a HELLO whose answer was lost is followed by one with a new id."""

REOPEN_AFTER_US = 500_000
"""A board that has said nothing for this long is asked for a new session."""

REFUSED_RETRY_US = 2_000_000
"""How often a board of another version, or two boards on one link, are looked at again."""

DIAGNOSE_AFTER_US = 2_000_000
"""A microcontroller's boot loader may take this long before anything answers."""

_GARBAGE_FRAMES = 3
_GARBAGE = (Discard.COBS, Discard.LENGTH, Discard.CRC, Discard.TYPE)
"""What noise, a wrong speed or another device look like; the other reasons are a board's frames."""

_SESSION_ALIVE = 1 << 2


class Trouble(Enum):
    """Why there is no session, once there has been time for one."""

    SILENT = auto()
    GARBAGE = auto()
    VERSION = auto()
    SECOND_BOARD = auto()


@dataclass(frozen=True, slots=True)
class Welcomed:
    """A session is open. `restarted`: the board's boot_id is not the one of the session before."""

    welcome: Welcome
    restarted: bool


@dataclass(frozen=True, slots=True)
class Received:
    """A message of the board in the open session."""

    message: Message


@dataclass(frozen=True, slots=True)
class WentStale:
    """No valid STATUS for 150 ms: nothing that the board last said is true any more."""


@dataclass(frozen=True, slots=True)
class SessionOver:
    """The session is over; a new one is asked for, and nothing of this one goes on."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A TIME exchange. While the answer is overdue `board_us` is None, `round_us` what has passed."""

    round_us: int
    board_us: int | None


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """There is no session, and this is why. `detail` is for a person."""

    trouble: Trouble
    detail: str


News = Welcomed | Received | WentStale | SessionOver | RoundTrip | Diagnosed


class _State(Enum):
    CLOSED = auto()
    OPENING = auto()
    OPEN = auto()
    REFUSED = auto()


class HostSession:
    """One host's sessions over one stream. `lease` and `hold` are the flags of every BEAT.

    `new_id` gives a random session id that is never 0. Frames to send collect in order until
    `take_outgoing`; `stop_frame` goes past them.
    """

    def __init__(self, new_id: Callable[[], int]) -> None:
        self.lease = False
        self.hold = False
        self.traffic = Traffic()
        self._new_id = new_id
        self._state = _State.CLOSED
        self._outgoing: list[bytes] = []
        self._boot_id: int | None = None
        self._begin_stream(0)

    # The stream

    def stream_opened(self, now_us: int) -> None:
        """A stream to a board is there: ask for a session."""
        self._begin_stream(now_us)
        self._open(now_us)

    def stream_closed(self) -> list[News]:
        """The stream is gone, and with it the session."""
        was_open = self._state is _State.OPEN
        self._state = _State.CLOSED
        self._outgoing.clear()
        return [SessionOver()] if was_open else []

    def receive(self, received: bytes, now_us: int) -> list[News]:
        """What the bytes of the board mean, in order."""
        news: list[News] = []
        if self._state is _State.CLOSED:
            return news
        for frame in self._decoder.feed(received):
            heard = self._judge(frame, now_us)
            if isinstance(heard, Discard):
                self.traffic.discards[heard] += 1
            else:
                news += heard
        return news

    def advance(self, now_us: int) -> list[News]:
        """What is due by `now_us`: BEAT, TIME, HELLO again, and the news of the board's silence."""
        match self._state:
            case _State.CLOSED:
                return []
            case _State.OPENING | _State.REFUSED:
                return self._advance_opening(now_us)
            case _State.OPEN:
                return self._advance_open(now_us)

    @property
    def wake_us(self) -> int | None:
        """When `advance` has something to do next; None while there is no stream."""
        match self._state:
            case _State.CLOSED:
                return None
            case _State.OPENING | _State.REFUSED:
                return self._retry_us
            case _State.OPEN:
                silent_us = REOPEN_AFTER_US if self._stale else LINK_STALE_US
                due = [self._beat_due_us, self._time_due_us, self._status_at_us + silent_us]
                if self._time_sent_us is not None and not self._time_overdue:
                    due.append(self._time_sent_us + ROUND_TRIP_MAX_US)
                return min(due)

    # Sending

    @property
    def open(self) -> bool:
        """Whether there is a session, so that `send` reaches a board."""
        return self._state is _State.OPEN

    def send(self, message: HostMessage) -> None:
        """Queue `message` in the open session. Raises RuntimeError when there is none."""
        if not self.open:
            raise RuntimeError("there is no session; nothing is kept for the next one")
        self._queue(message)

    def beat(self, now_us: int) -> None:
        """Queue a BEAT now, because a flag changed; the next one is due a full period later."""
        if self.open:
            flags = Beat.LEASE * self.lease | Beat.HOLD * self.hold
            self._queue(Beat(flags, clock_ms(now_us)))
            self._beat_due_us = now_us + BEAT_EVERY_US

    def stop_frame(self, cmd_id: int) -> bytes:
        """A STOP to be written before all else; it needs no session."""
        if self.open:
            return encode(self._seq.take(), self._id, Stop(cmd_id))
        return encode(0, 0, Stop(cmd_id))

    def take_outgoing(self) -> list[bytes]:
        """The frames that wait to be written, oldest first; they are the caller's from here."""
        frames, self._outgoing = self._outgoing, []
        return frames

    def reopen(self, now_us: int) -> list[News]:
        """End the session, if there is one, and ask for a new one."""
        if self._state is _State.CLOSED:
            return []
        over: list[News] = [SessionOver()] if self.open else []
        self._open(now_us)
        return over

    # Inside

    def _begin_stream(self, now_us: int) -> None:
        self._decoder = Decoder(FROM_BOARD)
        self._decoder.discards = self.traffic.discards
        self._begin_opening(now_us)
        self._outgoing.clear()
        self._open_session(0, now_us)

    def _begin_opening(self, now_us: int) -> None:
        """From here on it is counted how long no session comes, and why."""
        self._opening_since_us = now_us
        self._garbage_before = self._garbage
        self._told: Trouble | None = None

    @property
    def _garbage(self) -> int:
        return sum(self.traffic.discards[reason] for reason in _GARBAGE)

    def _open_session(self, session_id: int, now_us: int) -> None:
        """Forget all of the session before."""
        self._id = session_id
        self._welcome: Welcome | None = None
        self._seq = SequenceCounter()
        self._window = SequenceWindow()
        self._status_us = -1
        self._status_at_us = now_us
        self._stale = False
        self._beat_due_us = now_us
        self._time_due_us = now_us
        self._time_sent_us: int | None = None
        self._time_overdue = False
        self._retry_us = now_us + HELLO_RETRY_US

    def _open(self, now_us: int) -> None:
        if self._state in (_State.OPEN, _State.CLOSED):
            self._begin_opening(now_us)
        self._state = _State.OPENING
        self._outgoing.clear()
        self._open_session(self._new_id(), now_us)
        # A zero first, so that half a frame of an earlier host, or noise, cannot swallow the HELLO.
        self._outgoing.append(DELIMITER + encode(self._seq.take(), self._id, Hello()))

    def _queue(self, message: HostMessage) -> None:
        self._outgoing.append(encode(self._seq.take(), self._id, message))

    def _judge(self, frame: Frame, now_us: int) -> list[News] | Discard:
        match frame.message:
            case Boot() as boot:
                return self._hear_boot(boot, now_us) if frame.session == 0 else Discard.SESSION
            case Welcome() as welcome:
                if frame.session != self._id:
                    return Discard.SESSION
                return self._hear_welcome(frame.seq, welcome, now_us)
            case _:
                return self._judge_in_session(frame, now_us)

    def _judge_in_session(self, frame: Frame, now_us: int) -> list[News] | Discard:
        if not self.open or frame.session != self._id:
            return Discard.SESSION
        if not self._in_sequence(frame.seq):
            return Discard.SEQUENCE
        match frame.message:
            case Status() as status:
                return self._hear_status(status, now_us)
            case TimeReply() as reply:
                return self._hear_time(reply, now_us)
            case message:
                return [Received(message)]

    def _in_sequence(self, seq: int) -> bool:
        """Whether a frame may come now; those skipped before it are counted as lost."""
        if (skipped := self._window.accept(seq)) is None:
            return False
        self.traffic.lost += skipped
        return True

    def _hear_boot(self, boot: Boot, now_us: int) -> list[News]:
        """The board says that it has no live session: if that is news, ask for a new one."""
        if boot.proto_major != PROTO_MAJOR:
            return self._refuse(Trouble.VERSION, _version_detail(boot.proto_major), now_us)
        return self.reopen(now_us) if self.open else []

    def _hear_welcome(self, seq: int, welcome: Welcome, now_us: int) -> list[News] | Discard:
        if welcome.proto_major != PROTO_MAJOR:
            return self._refuse(Trouble.VERSION, _version_detail(welcome.proto_major), now_us)
        if self._welcome is not None:
            if (welcome.hw_id, welcome.boot_id) != (self._welcome.hw_id, self._welcome.boot_id):
                names = f"{self._welcome.hw_id} and {welcome.hw_id}"
                return self._refuse(Trouble.SECOND_BOARD, f"{names} both answered", now_us)
            return [] if self._in_sequence(seq) else Discard.SEQUENCE
        if self._state is _State.REFUSED:
            return Discard.SESSION
        if not self._in_sequence(seq):
            return Discard.SEQUENCE
        self._welcome = welcome
        self._state = _State.OPEN
        self._told = None
        self._status_at_us = now_us
        self._beat_due_us = now_us
        self._time_due_us = now_us
        restarted = self._boot_id is not None and self._boot_id != welcome.boot_id
        self._boot_id = welcome.boot_id
        return [Welcomed(welcome, restarted)]

    def _hear_status(self, status: Status, now_us: int) -> list[News] | Discard:
        if status.board_us <= self._status_us:
            return Discard.STALE
        self._status_us, self._status_at_us, self._stale = status.board_us, now_us, False
        if not status.flags & _SESSION_ALIVE:
            return self.reopen(now_us)
        return [Received(status)]

    def _hear_time(self, reply: TimeReply, now_us: int) -> list[News]:
        if self._time_sent_us != reply.host_us:
            return []
        self._time_sent_us = None
        return [RoundTrip(now_us - reply.host_us, reply.board_us)]

    def _refuse(self, trouble: Trouble, detail: str, now_us: int) -> list[News]:
        """End or open no session; say why once, and look again later however often it is said."""
        news: list[News] = [SessionOver()] if self.open else []
        if self._state is not _State.REFUSED:
            self._state = _State.REFUSED
            self._outgoing.clear()
            self._retry_us = now_us + REFUSED_RETRY_US
        if self._told is not trouble:
            self._told = trouble
            news.append(Diagnosed(trouble, detail))
        return news

    def _advance_opening(self, now_us: int) -> list[News]:
        if now_us < self._retry_us:
            return []
        self._open(now_us)
        if self._told is not None or now_us - self._opening_since_us < DIAGNOSE_AFTER_US:
            return []
        garbage = self._garbage - self._garbage_before
        if garbage >= _GARBAGE_FRAMES:
            self._told = Trouble.GARBAGE
            return [Diagnosed(self._told, f"{garbage} frames were not frames of a board")]
        self._told = Trouble.SILENT
        return [Diagnosed(self._told, "no answer to HELLO")]

    def _advance_open(self, now_us: int) -> list[News]:
        news: list[News] = []
        silent_us = now_us - self._status_at_us
        if silent_us >= LINK_STALE_US and not self._stale:
            self._stale = True
            news.append(WentStale())
        if silent_us >= REOPEN_AFTER_US:
            return [*news, *self.reopen(now_us)]
        if now_us >= self._beat_due_us:
            self.beat(now_us)
        if now_us >= self._time_due_us:
            self._time_sent_us, self._time_overdue = now_us, False
            self._time_due_us = now_us + TIME_EVERY_US
            self._queue(Time(now_us))
        elif self._time_sent_us is not None and not self._time_overdue:
            round_us = now_us - self._time_sent_us
            if round_us >= ROUND_TRIP_MAX_US:
                self._time_overdue = True
                news.append(RoundTrip(round_us, None))
        return news


def _version_detail(major: int) -> str:
    return f"the board speaks version {major}, this daemon version {PROTO_MAJOR}"
