"""Records every step of the core, without ever delaying or failing the table.

The loop only turns a step into a line of text. A thread of its own packs the lines and writes them;
between the two is a bounded queue. Whatever goes wrong (a full disk, one that hangs, a value that
cannot be written) costs the recording a gap and is told in the log: the black box is there to
explain what happened, and no safety rests on it. After a gap a new segment begins, with the state
that the table was in then.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from droptable.blackbox.recording import Codecs, Head, Outcome, head_text, member, step_text
from droptable.blackbox.ring import Ring
from droptable.core.events import Event
from droptable.core.model import State
from droptable.errors import DroptableError

BATCH_US = 1_000_000
"""A process that is killed loses what it did in this time; a shorter one packs worse."""

BATCH_MAX_CHARS = 65_536

WAITING_MAX = 64
"""A disk that is this many batches behind does not keep up: a minute at rest, and at most 4 MB."""

RETRY_US = 10_000_000
"""How long after a gap the recording is tried again."""

_Batch = tuple[int, str]
"""The number of a recording without a gap, and some lines of it."""

log = structlog.get_logger(__name__)


class Recorder:
    """The black box of one run of a daemon; `saw` is the runner's witness."""

    def __init__(
        self, ring: Ring, codecs: Codecs, *, run: str, utc: Callable[[], datetime]
    ) -> None:
        self._codecs = codecs
        self._run = run
        self._utc = utc
        self._writer = _Writer(ring)
        self._part = 0
        self._under_way = False
        self._lines: list[str] = []
        self._chars = 0
        self._step = 0
        self._step_us = 0
        self._batch_us = 0
        self._retry_us = 0

    @property
    def finding(self) -> str | None:
        """What is wrong with the recording; None when it goes on."""
        return self._writer.finding

    def saw(self, before: State, event: Event, now_us: int, outcome: Outcome) -> None:
        """Record a step: from `before`, by `event` at `now_us`. Never waits, never raises."""
        try:
            self._note(before, event, now_us, outcome)
        except Exception as error:  # noqa: BLE001 - the table goes on without its black box
            self._break_off(now_us, f"a step cannot be recorded: {error!r}")
        self._step += 1

    def close(self, limit_s: float) -> None:
        """Have the rest written, as far as the disk takes it within `limit_s`."""
        if self._under_way:
            self._hand_over(self._step_us)
        self._writer.end(limit_s)

    def _note(self, before: State, event: Event, now_us: int, outcome: Outcome) -> None:
        if not self._under_way:
            if now_us < self._retry_us:
                return
            self._begin(before, now_us)
        line = step_text(self._codecs, now_us - self._step_us, event, outcome)
        self._step_us = now_us
        self._lines.append(line)
        self._chars += len(line)
        if now_us - self._batch_us >= BATCH_US or self._chars >= BATCH_MAX_CHARS:
            self._hand_over(now_us)

    def _begin(self, before: State, now_us: int) -> None:
        head = Head(self._run, self._step, self._utc().isoformat(), now_us, before)
        self._lines, self._chars = [head_text(self._codecs, head)], 0
        self._step_us = self._batch_us = now_us
        self._part += 1
        self._under_way = True

    def _hand_over(self, now_us: int) -> None:
        """Give the lines to the writer; where it is behind or has failed, the recording breaks off."""
        batch = (self._part, "".join(f"{line}\n" for line in self._lines))
        self._lines, self._chars, self._batch_us = [], 0, now_us
        if not self._writer.take(batch):
            self._break_off(now_us, f"the disk is {WAITING_MAX} batches behind")
        elif self._writer.failed_part == self._part:
            self._stop_for_a_while(now_us)
        elif self._writer.full_part == self._part:
            self._under_way = False

    def _break_off(self, now_us: int, why: str) -> None:
        self._writer.tell(why)
        self._stop_for_a_while(now_us)

    def _stop_for_a_while(self, now_us: int) -> None:
        self._under_way = False
        self._lines = []
        self._retry_us = now_us + RETRY_US


class _Writer:
    """The thread that packs and writes. Its fields are read by the loop, each whole by itself."""

    def __init__(self, ring: Ring) -> None:
        self.finding: str | None = None
        self.failed_part = 0
        self.full_part = 0
        self._ring = ring
        self._part = 0
        self._waiting: queue.Queue[_Batch | None] = queue.Queue(WAITING_MAX)
        # A daemon that ends does not wait for a disk that hangs.
        self._thread = threading.Thread(target=self._write_all, name="black box", daemon=True)
        self._thread.start()

    def take(self, batch: _Batch) -> bool:
        """Write it soon; False when too much waits already."""
        try:
            self._waiting.put_nowait(batch)
        except queue.Full:
            return False
        return True

    def end(self, limit_s: float) -> None:
        """Write what waits, if the disk takes it in time, and end."""
        if self._waiting.full():
            # Nobody else puts anything in, so the end has a place now.
            with suppress(queue.Empty):
                self._waiting.get_nowait()
        self._waiting.put_nowait(None)
        self._thread.join(limit_s)

    def tell(self, why: str) -> None:
        """Something is wrong with the recording; said once, until it goes on."""
        if self.finding is None:
            log.warning(str(DroptableError("BLACK_BOX_GAP", why)))
        self.finding = why

    def _write_all(self) -> None:
        while (batch := self._waiting.get()) is not None:
            if batch[0] != self.failed_part:
                self._write(*batch)
        self._ring.close()

    def _write(self, part: int, text: str) -> None:
        try:
            if part != self._part:
                self._ring.begin()
                self._part = part
            self._ring.write(member(text))
        except OSError as error:
            self.failed_part = part
            self.tell(f"it cannot be written: {error.strerror or error}")
            return
        if self._ring.full:
            self.full_part = part
        if self.finding is not None:
            self.finding = None
            log.info("the black box records again")
