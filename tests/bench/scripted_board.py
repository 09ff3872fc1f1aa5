"""A board that does what a bench tells it, at the moment it is told, and notes when it heard STOP.

It keeps the contract of the link by the board's own session. What is at its pins is scripted: a
bench needs drops by the hundred, and none of them is an adjustment.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from droptable.link import messages
from droptable.link.board_session import (
    Accepted,
    BoardSession,
    Heard,
    HelloRepeated,
    SessionOpened,
)
from droptable.link.params import params_crc
from droptable.link.session import STATUS_EVERY_US
from droptable.link.transport import Stream
from droptable.link.transport_listen import UnixAddress, listen

BOOT_ID = 0x5EED
DROP = 7
PELVIC = 2
LOCKED, COCKED = 1, 3
UP, DOWN, PIN_IN, LOAD_VALID = 1, 2, 4, 8
STOPPED, ALIVE = 1 << 1, 1 << 2
NEVER_SET = 11
FEATURES = 0b11_1111


class ScriptedBoard:
    """Its sections are LOCKED unless `show` says otherwise; every COMMAND is OK."""

    def __init__(self) -> None:
        self.stop_heard: asyncio.Future[int] | None = None
        """Resolved with `time.perf_counter_ns` when the next STOP is heard."""
        self._session = BoardSession()
        self._stream: Stream | None = None
        self._params: dict[tuple[int, int], int] = {}
        self._phases = [LOCKED, LOCKED, LOCKED]
        self._stopped = False
        self._event_seq = 0
        self._began_us = _now_us()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def served(self, path: Path) -> AsyncIterator[str]:
        """Serve on a Unix socket; the link to it."""
        listener = await listen(
            UnixAddress(str(path)),
            on_bytes=self._hear,
            on_connected=self._connected,
            on_closed=self._lost,
        )
        self._tick()
        try:
            yield str(listener.address)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            listener.close()

    def drop(self) -> int:
        """A section drops: write the EVENT. `time.perf_counter_ns` of just before."""
        self._event_seq += 1
        board_us = self._board_us()
        fall_us, peak_dn, release_dn = 48_000, 4120, 3170
        began_ns = time.perf_counter_ns()
        self._send(
            messages.Event(
                BOOT_ID, self._event_seq, board_us, DROP, PELVIC, fall_us, peak_dn, release_dn
            )
        )
        return began_ns

    def show(self, section: int, phase: int) -> None:
        """A section's phase changes: say so at once."""
        self._phases[section] = phase
        self._send(self._status())

    # The link

    def _connected(self, stream: Stream) -> None:
        self._stream = stream

    def _lost(self, _detail: str) -> None:
        self._stream = None

    def _hear(self, received: bytes) -> None:
        heard_ns = time.perf_counter_ns()
        for heard in self._session.receive(received, _now_us()):
            self._answer(heard, heard_ns)

    def _answer(self, heard: Heard, heard_ns: int) -> None:
        match heard:
            case SessionOpened() | HelloRepeated():
                self._send(self.welcome())
                self._send(self._status())
            case Accepted(message=messages.Stop()):
                if self.stop_heard is not None and not self.stop_heard.done():
                    self.stop_heard.set_result(heard_ns)
                self._stopped = True
                self._send(self._status())
            case Accepted(message=messages.Time(host_us)):
                self._send(messages.TimeReply(host_us, self._board_us(), 0, 0))
            case Accepted(message=messages.Command(cmd_id=cmd_id)):
                self._send(messages.Result(cmd_id, 0, LOCKED))
            case Accepted(message=messages.ParamSet(cmd_id, section, key, value)):
                self._params[section, key] = value
                self._send(messages.Param(cmd_id, section, key, value))
            case Accepted(message=messages.ParamGet(cmd_id, section, key)):
                value = self._params.get((section, key))
                if value is None:
                    self._send(messages.Result(cmd_id, NEVER_SET, 0))
                else:
                    self._send(messages.Param(cmd_id, section, key, value))
            case _:
                pass

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(STATUS_EVERY_US / 1e6, self._tick)
        # Its own dead-man, which only a received byte or the time can trip.
        self._hear(b"")
        if self._session.id:
            self._send(self._status())

    def _send(self, message: messages.BoardMessage) -> None:
        if self._stream is not None:
            self._stream.write([self._session.send(message)])

    def _board_us(self) -> int:
        return _now_us() - self._began_us

    def welcome(self) -> messages.Welcome:
        """Who it is, in a session that begins."""
        return messages.Welcome(
            *(1, 0, 1, 0, 0),
            hw_id="BENCH001",
            features=FEATURES,
            boot_id=BOOT_ID,
            reset_cause=1,
            sections=3,
            params_crc=params_crc(self._params),
            first_event_seq=1,
            next_event_seq=self._event_seq + 1,
        )

    def _status(self) -> messages.Status:
        flags = ALIVE * self._session.live | STOPPED * self._stopped
        thoracic, lumbar, pelvic = (section_status(phase) for phase in self._phases)
        return messages.Status(self._board_us(), flags, 24_000, 600, thoracic, lumbar, pelvic)


def section_status(phase: int) -> messages.SectionStatus:
    """A section of this phase whose switches agree with it, and someone lies on it."""
    height = DOWN if phase == LOCKED else UP
    return messages.SectionStatus(phase, 0, height | PIN_IN | LOAD_VALID, 0, 2000, 3200)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
