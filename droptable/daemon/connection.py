"""Keeps one board connected: opens the stream, runs the session over it, starts again when it breaks.

It never gives up and never decides anything about the table: bytes become news, and what the runner
sends becomes frames. STOP has a lane of its own past everything that waits to be written.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from droptable.daemon.clock import Clock
from droptable.errors import DroptableError
from droptable.link.host_session import Diagnosed, HostSession, News, Trouble
from droptable.link.messages import HostMessage
from droptable.link.session import Traffic

RETRY_FIRST_US = 100_000
RETRY_MOST_US = 2_000_000
"""A board that is plugged in again is found within this time."""

PROBLEM_OF: dict[Trouble, str] = {
    Trouble.SILENT: "LINK_SILENT",
    Trouble.GARBAGE: "LINK_GARBAGE",
    Trouble.VERSION: "LINK_VERSION",
    Trouble.SECOND_BOARD: "LINK_SECOND_BOARD",
}

REFUSED = frozenset({Trouble.VERSION, Trouble.SECOND_BOARD})


class Stream(Protocol):
    """Bytes both ways; see `link/transport.py`."""

    def write(self, frames: list[bytes]) -> None: ...
    def write_first(self, frame: bytes) -> None: ...
    def close(self) -> None: ...


class Opener(Protocol):
    """Opens a stream to the board; DroptableError says why it cannot be had."""

    def __call__(
        self, *, on_bytes: Callable[[bytes], None], on_closed: Callable[[str], None]
    ) -> Awaitable[Stream]: ...


class Listener(Protocol):
    """Who is told what happens on the link, in order, on the loop."""

    def stream_opened(self) -> None:
        """There is a stream, and a session is asked for."""

    def news(self, news: News) -> None:
        """Something of the session."""

    def trouble(self, code: str, detail: str, *, refused: bool) -> None:
        """There is no session; `code` is one of `errors.PROBLEMS`."""

    def settled(self) -> None:
        """All that had come was told; whatever follows from it may be sent now."""


class Connection:
    """One link, for as long as `run` runs."""

    def __init__(self, open_stream: Opener, clock: Clock, listener: Listener) -> None:
        self._open_stream = open_stream
        self._clock = clock
        self._listener = listener
        self._session = HostSession(clock.random_u32)
        self._stream: Stream | None = None
        self._lost: asyncio.Future[str] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> NoReturn:
        """Be connected, for ever; cancelled, close the stream and end."""
        retry_us = RETRY_FIRST_US
        while True:
            opened_us = self._clock.monotonic_us()
            try:
                await self._serve_one_stream()
            except DroptableError as error:
                self._listener.trouble(error.problem.code, error.detail, refused=False)
            self._listener.settled()
            if self._clock.monotonic_us() - opened_us > RETRY_MOST_US:
                retry_us = RETRY_FIRST_US
            # Up to half more, so that two daemons on one port do not stay in step.
            pause_us = round(retry_us * (1 + self._clock.random_float() / 2))
            await self._clock.sleep_until_us(self._clock.monotonic_us() + pause_us)
            retry_us = min(2 * retry_us, RETRY_MOST_US)

    # What the runner asks for

    @property
    def traffic(self) -> Traffic:
        """What was discarded and lost so far."""
        return self._session.traffic

    def send(self, message: HostMessage) -> None:
        """Send in the open session; without one the message is dropped, never kept for the next."""
        if self._session.open:
            self._session.send(message)

    def send_stop(self, cmd_id: int) -> None:
        """Send STOP now, before everything that waits; it needs no session, only a stream."""
        if self._stream is not None:
            self._stream.write_first(self._session.stop_frame(cmd_id))

    def set_beat(self, *, lease: bool, hold: bool) -> None:
        """Say so in every BEAT, the next one at once."""
        self._session.lease, self._session.hold = lease, hold
        self._session.beat(self._clock.monotonic_us())

    def reopen(self) -> None:
        """End the session and ask for a new one."""
        self._tell(self._session.reopen(self._clock.monotonic_us()))

    def flush(self) -> None:
        """Write what waits and be called again when the session has something to do."""
        if self._stream is None:
            return
        if frames := self._session.take_outgoing():
            self._stream.write(frames)
        if self._timer is not None:
            self._timer.cancel()
        wake_us = self._session.wake_us
        self._timer = None if wake_us is None else self._clock.call_at_us(wake_us, self._on_timer)

    # The stream

    async def _serve_one_stream(self) -> None:
        """Connect, and return the way of the world: with DroptableError when the stream is lost."""
        self._lost = asyncio.get_running_loop().create_future()
        self._stream = await self._open_stream(on_bytes=self._on_bytes, on_closed=self._on_closed)
        try:
            self._listener.stream_opened()
            self._session.stream_opened(self._clock.monotonic_us())
            self._settle()
            detail = await self._lost
        finally:
            self._stream.close()
            self._stream = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._tell(self._session.stream_closed())
        raise DroptableError("LINK_VANISHED", detail)

    def _on_bytes(self, received: bytes) -> None:
        self._tell(self._session.receive(received, self._clock.monotonic_us()))
        self._settle()

    def _on_timer(self) -> None:
        self._timer = None
        self._tell(self._session.advance(self._clock.monotonic_us()))
        self._settle()

    def _on_closed(self, detail: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(detail)

    def _tell(self, news: list[News]) -> None:
        for each in news:
            if isinstance(each, Diagnosed):
                code, refused = PROBLEM_OF[each.trouble], each.trouble in REFUSED
                self._listener.trouble(code, each.detail, refused=refused)
            else:
                self._listener.news(each)

    def _settle(self) -> None:
        self._listener.settled()
        self.flush()
