"""Both ends over a wire that loses, spoils, delays and splits, but never reorders.

Whatever the wire does, nothing raises, and nothing that was sent in one session is acted on in
another. When the wire heals, the ends find each other within a second.
"""

from collections import deque
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from droptable.link.board_session import (
    Accepted,
    BoardSession,
    HelloRepeated,
    SessionOpened,
    VersionRefused,
)
from droptable.link.host_session import HostSession, Received, SessionOver, Welcomed
from droptable.link.messages import Command, Result, Stop, Time, TimeReply
from tests.link.samples import boot, status, welcome

MS = 1000
HEAL_WITHIN_MS = 1000
DELAY_MAX_MS = 20


class Wire:
    """One direction. While it is `ill` it loses, flips and holds bytes back."""

    def __init__(self, dice: Random) -> None:
        self.ill = False
        self._dice = dice
        self._under_way: deque[tuple[int, int]] = deque()
        self._newest_ms = 0

    def take(self, octets: bytes, now_ms: int) -> None:
        for octet in octets:
            fate = self._dice.random() if self.ill else 1.0
            if fate < 0.004:
                continue
            late = octet ^ 1 << self._dice.randrange(8) if fate < 0.008 else octet
            worst_ms = 300 if self.ill and fate < 0.01 else DELAY_MAX_MS
            arrival_ms = now_ms + self._dice.randrange(worst_ms) // (1 + self._dice.randrange(9))
            self._newest_ms = max(self._newest_ms, arrival_ms)
            self._under_way.append((self._newest_ms, late))

    def give(self, now_ms: int) -> bytes:
        """What has arrived, often not all of it at once."""
        arrived = bytearray()
        while self._under_way and self._under_way[0][0] <= now_ms:
            arrived.append(self._under_way.popleft()[1])
            if self._dice.random() < 0.02:
                break
        return bytes(arrived)

    def heal(self, now_ms: int) -> None:
        """What was held back by hundreds of milliseconds is gone with the illness."""
        self.ill = False
        self._under_way.clear()
        self._newest_ms = now_ms


class World:
    """A host, a board of nothing but a session, and the two wires between them."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.now_ms = 5_000
        self.host = HostSession(lambda: self.dice.randrange(1, 1 << 32))
        self.board = BoardSession()
        self.boot_id = 1
        self.to_board = Wire(self.dice)
        self.to_host = Wire(self.dice)
        self.host_sleeps_until_ms = 0
        self.acted = 0
        self.answered = 0
        self.opened = 0
        self.lost = 0
        self.host.stream_opened(self.now_ms * MS)

    def run(self, ms: int) -> None:
        for _ in range(ms):
            self.now_ms += 1
            self._host_turn()
            self._board_turn()

    def mischief(self) -> None:
        """What happens beside the wire's own illness."""
        match self.dice.randrange(12):
            case 0:
                self.host_sleeps_until_ms = self.now_ms + self.dice.randrange(700)
            case 1:
                self.lost += self.board.traffic.lost
                self.board = BoardSession()
                self.boot_id += 1
            case 2:
                self.host.stream_closed()
                self.host.stream_opened(self.now_ms * MS)
            case 3:
                self.to_board.take(self.host.stop_frame(1), self.now_ms)
            case 4 | 5 | 6:
                sick = self.dice.choice([self.to_board, self.to_host])
                sick.ill = not sick.ill
            case _:
                pass

    def heal(self) -> None:
        self.to_board.heal(self.now_ms)
        self.to_host.heal(self.now_ms)
        self.host_sleeps_until_ms = 0

    def _host_turn(self) -> None:
        if self.now_ms < self.host_sleeps_until_ms:
            return
        now_us = self.now_ms * MS
        session = self.host._id
        news = self.host.receive(self.to_host.give(self.now_ms), now_us)
        if self.host.wake_us is not None and self.host.wake_us <= now_us:
            news += self.host.advance(now_us)
        assert self.host.wake_us is not None
        assert self.host.wake_us > now_us
        for at, one in enumerate(news):
            match one:
                case Welcomed():
                    self.opened += 1
                case Received(message=Result(cmd_id=cmd_id)):
                    # Where the board said under which session it acted.
                    assert cmd_id == session >> 8 & 0xFFFF
                    self.answered += 1
                case SessionOver():
                    assert not any(isinstance(later, Received) for later in news[at:])
                case _:
                    pass
        if self.host.open and self.dice.random() < 0.05:
            host_ms = now_us // MS
            self.host.send(Command(1, 1, 0, 255, 250, host_ms, self.host._id - (1 << 31)))
        self.to_board.take(b"".join(self.host.take_outgoing()), self.now_ms)

    def _board_turn(self) -> None:
        now_us = self.now_ms * MS
        for heard in self.board.receive(self.to_board.give(self.now_ms), now_us):
            match heard:
                case SessionOpened() | HelloRepeated():
                    self._send(self.board.send(welcome(self.boot_id)))
                case VersionRefused():
                    pytest.fail("nobody here speaks another version")
                case Accepted(message=Command(arg=arg), live_id=live_id):
                    assert live_id == self.board.live
                    assert arg + (1 << 31) == self.board.id
                    self.acted += live_id
                    self._send(self.board.send(Result(self.board.id >> 8 & 0xFFFF, 0, 0)))
                case Accepted(message=Time(host_us=host_us)):
                    self._send(self.board.send(TimeReply(host_us, now_us, 0, 0)))
                case Accepted(message=Stop()) | _:
                    pass
        if self.now_ms % 20 == 0 and self.board.id:
            self._send(self.board.send(status(now_us, alive=self.board.live)))
        if self.now_ms % 500 == 0 and not self.board.live:
            self._send(self.board.send(boot(self.boot_id)))

    def _send(self, frame: bytes) -> None:
        self.to_host.take(frame, self.now_ms)

    @property
    def together(self) -> bool:
        return self.host.open and self.board.live and self.host._id == self.board.id


def test_on_a_sound_wire_one_session_opens_and_stays() -> None:
    world = World(seed=1)
    world.run(20_000)
    assert world.together
    assert world.opened == 1
    assert world.acted > 500
    assert world.answered > 500
    assert world.board.traffic.discarded == world.host.traffic.discarded == 0
    assert world.board.traffic.lost == world.host.traffic.lost == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(0)
def test_the_ends_find_each_other_within_a_second_of_the_wire_healing(seed: int) -> None:
    world = World(seed)
    for _ in range(3):
        for _ in range(15):
            world.run(world.dice.randrange(150))
            world.mischief()
        world.heal()
        world.run(HEAL_WITHIN_MS)
        assert world.together
        acted = world.acted
        world.run(400)
        assert world.together
        assert world.acted > acted


def test_the_mischief_is_real() -> None:
    world = World(seed=3)
    for _ in range(200):
        world.run(40)
        world.mischief()
    assert world.opened > 5
    assert world.lost > 0
    assert world.host.traffic.discarded > 20
