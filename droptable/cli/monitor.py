"""Listens to a board for as long as somebody wants to read: the whole of `droptable link monitor`.

It sends nothing, unless it is told to open a session; then it sends HELLO, BEATs without a lease,
and TIME, by which nothing can move. It acknowledges no event, so none is lost by looking.
"""

import asyncio
from collections.abc import Callable

from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.output import say
from droptable.daemon.clock import Clock
from droptable.daemon.connection import PROBLEM_OF
from droptable.errors import PROBLEMS, DroptableError
from droptable.link.capture import Capture, Piece
from droptable.link.host_session import (
    DIAGNOSE_AFTER_US,
    Diagnosed,
    HostSession,
    News,
    Trouble,
)
from droptable.link.transport import Address, Stream, open_stream

Show = Callable[[Piece], None]


class Monitor:
    """One look at one link. `show` gets each piece as it comes; `count` frames are enough."""

    def __init__(self, clock: Clock, show: Show, *, count: int | None, session: bool) -> None:
        self.frames = 0
        self._clock = clock
        self._show = show
        self._count = count
        self._session = HostSession(clock.random_u32) if session else None
        self._capture = Capture()
        self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stream: Stream | None = None
        self._ended: asyncio.Future[None] | None = None

    @property
    def trouble(self) -> Trouble:
        """Why nothing was heard, if nothing was."""
        return Trouble.GARBAGE if self._pieces or self._capture.unended else Trouble.SILENT

    async def run(self, address: Address) -> None:
        """Listen until enough was heard. Raises DroptableError when there is no link any more."""
        self._ended = asyncio.get_running_loop().create_future()
        self._stream = await open_stream(
            address, on_bytes=self._on_bytes, on_closed=self._on_closed
        )
        try:
            now_us = self._clock.monotonic_us()
            if self._session is None:
                self._arm(now_us + DIAGNOSE_AFTER_US, self._on_silence)
            else:
                self._session.stream_opened(now_us)
                self._flush(self._session)
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._stream.close()

    def _on_bytes(self, received: bytes) -> None:
        for piece in self._capture.feed(received):
            if self._over:
                return
            self._heard(piece)
        if self._session is not None:
            self._say_news(self._session.receive(received, self._clock.monotonic_us()))
            self._flush(self._session)

    def _heard(self, piece: Piece) -> None:
        self._pieces += 1
        self.frames += piece.discard is None
        try:
            self._show(piece)
        except CommandError as error:
            # Whoever reads stdout has left; a callback of the loop has nobody else to tell.
            self._end(error)
        if self.frames == self._count:
            self._end(None)

    def _on_closed(self, detail: str) -> None:
        self._end(DroptableError("LINK_VANISHED", detail))

    @property
    def _over(self) -> bool:
        return self._ended is None or self._ended.done()

    def _end(self, why: Exception | None) -> None:
        if self._ended is None or self._ended.done():
            return
        if why is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(why)

    def _on_silence(self) -> None:
        if not self.frames:
            say_trouble(self.trouble, "no frame came in 2 s")

    # The session, if there is one

    def _flush(self, session: HostSession) -> None:
        if self._stream is not None and (frames := session.take_outgoing()):
            self._stream.write(frames)
        if session.wake_us is not None:
            self._arm(session.wake_us, self._on_timer)

    def _on_timer(self) -> None:
        if self._session is not None:
            self._say_news(self._session.advance(self._clock.monotonic_us()))
            self._flush(self._session)

    def _say_news(self, news: list[News]) -> None:
        for each in news:
            if isinstance(each, Diagnosed):
                say_trouble(each.trouble, each.detail)

    def _arm(self, at_us: int, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at_us(at_us, callback)


def say_trouble(trouble: Trouble, detail: str) -> None:
    """Tell a person what seems to be wrong with the link, and what to look at."""
    problem = PROBLEMS[PROBLEM_OF[trouble]]
    say(f"{problem.code}: {detail}. {problem.remedy}")


async def listen(
    address: Address,
    show: Show,
    *,
    clock: Clock,
    session: bool,
    count: int | None,
    timeout_s: float | None,
) -> None:
    """Show what is heard until `count` frames or `timeout_s`; CommandError when that was too little."""
    monitor = Monitor(clock, show, count=count, session=session)
    try:
        async with asyncio.timeout(timeout_s):
            await monitor.run(address)
    except TimeoutError:
        if not monitor.frames:
            say_trouble(monitor.trouble, f"no frame came in {timeout_s:g} s")
        if count is not None or not monitor.frames:
            wanted = "" if count is None else f" of {count}"
            text = f"{monitor.frames}{wanted} frames within {timeout_s:g} s."
            raise CommandError(ExitCode.TIMEOUT, text) from None
