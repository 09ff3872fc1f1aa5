"""Tells systemd that the daemon is ready, what it does, and that it still lives.

The protocol is sd_notify's: lines of NAME=value in one datagram to the socket that the environment
names. It may not fail the daemon: without that socket, or with a service manager that has gone, the
table works on. It keeps no deadline of the table either: it only lets a daemon that hangs be
started again, while the board is safe by itself.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

from droptable.daemon.clock import Clock

BEATS_PER_LIMIT = 2
"""sd_watchdog_enabled(3) advises to beat at half of the limit."""


class Watchdog:
    """A service manager's view of this process; silent when no service manager asked for it."""

    def __init__(
        self,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
        *,
        pid: int | None = None,
    ) -> None:
        """Read who is to be told from `environment`; `pid` is this process unless it is given."""
        self._clock = clock
        self._address = _address(environment)
        self.beat_us = _beat_us(environment, os.getpid() if pid is None else pid)

    def ready(self) -> None:
        """Tell that start-up is over."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """Tell that shutdown has begun."""
        self._tell("STOPPING=1")

    def status(self, sentence: str) -> None:
        """Show `sentence` in `systemctl status`; line ends become spaces, as they end a field."""
        self._tell("STATUS=" + " ".join(sentence.split()))

    async def run(self, healthy: Callable[[], bool]) -> None:
        """Beat while `healthy()`, until cancelled; return at once when nobody listens for beats.

        It runs on the loop that it vouches for: a loop that hangs sends no beat, and neither does
        one that turns but says that it is not healthy.
        """
        if self._address is None or self.beat_us is None:
            return
        while True:
            if healthy():
                self._tell("WATCHDOG=1")
            # From now, not from the last due time: after a stall there is nothing to catch up on.
            await self._clock.sleep_until_us(self._clock.monotonic_us() + self.beat_us)

    def _tell(self, line: str) -> None:
        if self._address is None:
            return
        # Never waits, never fails: the manager may restart, and its socket may be full.
        with contextlib.suppress(OSError), _datagrams() as telling:
            telling.sendto(line.encode(), self._address)


def _datagrams() -> socket.socket:
    telling = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    telling.setblocking(False)
    return telling


def _address(environment: Mapping[str, str]) -> str | None:
    """The socket to tell; a leading @ stands for the NUL of Linux's abstract namespace."""
    named = environment.get("NOTIFY_SOCKET", "")
    match named[:1]:
        case "/":
            return named
        case "@":
            return "\0" + named[1:]
        case _:
            return None


def _beat_us(environment: Mapping[str, str], pid: int) -> int | None:
    """How often to beat, None when no beat is asked for, or when it is asked of another process."""
    limit = environment.get("WATCHDOG_USEC", "")
    if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
        return None
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return max(1, int(limit) // BEATS_PER_LIMIT)
