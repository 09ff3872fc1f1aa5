"""The other end of the link bench, a process of its own: an echo and a canned board.

Run with two descriptors: bytes on the first are echoed, the second is a board that answers each
COMMAND with a RESULT that lies ready. It ends when its stdin does.
"""

import os
import select
import sys
import time

from droptable.link.frames import DELIMITER, Decoder, encode
from droptable.link.messages import (
    FROM_HOST,
    BoardMessage,
    Command,
    Hello,
    Result,
    Status,
    Time,
    TimeReply,
)
from tests.bench.scripted_board import ALIVE, LOCKED, ScriptedBoard, section_status

STATUS_EVERY_S = 0.02


class CannedBoard:
    """Its next RESULT is encoded before it is asked for."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = Decoder(FROM_HOST)
        self._partial = b""
        self._session = 0
        self._seq = 0
        self._cmd_id = 0
        self._ready = b""

    def hear(self) -> None:
        """Answer what has come."""
        *frames, self._partial = (self._partial + os.read(self._fd, 4096)).split(DELIMITER)
        for frame in frames:
            # Behind COBS's first byte stands the type, which is never 0.
            if len(frame) > 1 and frame[1] == Command.TYPE:
                os.write(self._fd, self._ready)
                self._cmd_id = self._cmd_id % 0xFFFF + 1
                self._prepare()
            elif frame:
                self._answer(frame)

    def status(self) -> None:
        """Say that nothing has changed."""
        if self._session:
            idle = section_status(LOCKED)
            self._send(Status(time.monotonic_ns() // 1000, ALIVE, 24_000, 600, idle, idle, idle))

    def _answer(self, encoded: bytes) -> None:
        for frame in self._decoder.feed(encoded + DELIMITER):
            match frame.message:
                case Hello():
                    self._session, self._seq, self._cmd_id = frame.session, 0, 1
                    self._send(ScriptedBoard().welcome())
                case Time(host_us):
                    self._send(TimeReply(host_us, time.monotonic_ns() // 1000, 0, 0))
                case _:
                    pass

    def _send(self, message: BoardMessage) -> None:
        os.write(self._fd, encode(self._seq, self._session, message))
        self._prepare()

    def _prepare(self) -> None:
        self._seq = (self._seq + 1) % 65_536
        self._ready = encode(self._seq, self._session, Result(self._cmd_id, 0, LOCKED))


def main() -> None:
    """Serve both until nobody is left."""
    echo, link = (int(number) for number in sys.argv[1:3])
    stdin = sys.stdin.fileno()
    board = CannedBoard(link)
    poll = select.poll()
    for fd in (echo, link, stdin):
        poll.register(fd, select.POLLIN)
    due_s = 0.0
    while True:
        now_s = time.monotonic()
        if now_s >= due_s:
            board.status()
            due_s = now_s + STATUS_EVERY_S
        for fd, _ in poll.poll(STATUS_EVERY_S * 1000 / 2):
            if fd == stdin:
                return
            if fd == echo:
                os.write(echo, os.read(echo, 4096))
            else:
                board.hear()


if __name__ == "__main__":
    main()
