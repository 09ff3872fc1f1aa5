"""The board's loop at the pins: contacts and bytes in, one turn of the law, coils and bytes out.

A plain `select` and no event loop: the kernel's timers wake it to the microsecond where those of
asyncio are late by milliseconds, nothing else is ever scheduled between a contact and its coil, and
what a turn does can be read from top to bottom. Nothing in a turn waits: not for the host, not for
a file, not for a converter.

The watchdog turns over at the end of a turn and nowhere else, so that it says: contacts were read,
the law was asked, the coils are what it wants. A loop that hangs or dies stops saying so, and the
relay in the supply of the coils opens by itself.
"""

import select
from collections.abc import Callable
from dataclasses import dataclass

from droptable.board.door import Door
from droptable.board.endpoint import Advanced, Endpoint, Identity
from droptable.board.keepsakes import ParamsWriter
from droptable.board.load_cells import LoadCells
from droptable.board.model import Inputs, SectionInputs
from droptable.board.notices import Notices
from droptable.board.params import Params
from droptable.board.pin_plan import SECTION_INPUTS
from droptable.board.pins import InputLines, LineEdge, OutputPins
from droptable.link.messages import TextLevel

TURN_EVERY_US = 5_000
"""The loop turns at least this often, also when nothing happens: the relay falls 100 ms after."""

LATE_US = 25_000
"""A turn this much later than it was due is worth a line in somebody's log."""

READ_BACK_EVERY_US = 100_000
"""How often the coils' own pins are read: a self-test that failed can be cleared as soon."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop joins; whoever made them closes them."""

    outputs: OutputPins
    lines: InputLines
    cells: LoadCells
    door: Door
    writer: ParamsWriter
    notices: Notices


class BoardLoop:
    """One run of the board, from boot to the end of its process.

    `now_us` is CLOCK_MONOTONIC, the clock of the kernel's edges. The board's own begins at 0.
    """

    def __init__(
        self,
        parts: Parts,
        identity: Identity,
        params: Params | None,
        now_us: Callable[[], int],
        *,
        end_fd: int,
    ) -> None:
        self._parts = parts
        self._now_us = now_us
        self._began_us = now_us()
        self._end_fd = end_fd
        self._active = list(parts.lines.active)
        self._line_of = {name: line for line, name in enumerate(parts.lines.names)}
        self._wrongly_driven = parts.outputs.wrongly_driven()
        self._read_back_us = 0
        self._lost_told = 0
        self._at_us = 0
        self._turned_us = 0
        self._ready: list[int] = []
        self.endpoint = Endpoint(
            identity, params=params, inputs=self._inputs(), loads=parts.cells, now_us=0
        )
        self._stored = self.endpoint.params
        self._wake_us = 0

    def run(self) -> None:
        """Turn until `end_fd` says that it is over. Whatever is raised: the coils are off first."""
        try:
            while not self._wait():
                self.turn()
        finally:
            self._parts.outputs.safe()

    def turn(self) -> None:
        """Take in what happened, ask the law, and do what it says."""
        # Before the edges are read: one that is stamped later is still to come, or taken as it is.
        now_us = self._board_us()
        self._look_back(now_us)
        sent, known_us = self._see_edges(now_us)
        sent += self._advance(known_us, self._parts.door.receive(self._ready)).sent
        self._parts.outputs.drive(self._advanced.outputs)
        self._tell()
        self._parts.door.send(sent + self._parts.notices.frames(self.endpoint.session))
        self._keep_params()
        self._parts.outputs.beat()
        self._turned_us = now_us

    # Time

    def _board_us(self) -> int:
        return self._now_us() - self._began_us

    def _wait(self) -> bool:
        """Until something happens or is due, sampling the load meanwhile; whether it is all over."""
        parts = self._parts
        # What waits at the door is taken at once, a piece in each turn.
        pause_us = 0 if parts.door.waiting else TURN_EVERY_US
        until_us = min(self._wake_us, self._turned_us + pause_us)
        readers = (self._end_fd, *parts.lines.fds, *parts.door.readers)
        while True:
            now_us = self._board_us()
            if parts.cells.due_us is not None and now_us >= parts.cells.due_us:
                parts.cells.sample(now_us)
                now_us = self._board_us()
            due_us = until_us if parts.cells.due_us is None else min(until_us, parts.cells.due_us)
            wait_s = max(0, due_us - now_us) / 1e6
            ready, room, _ = select.select(readers, parts.door.writers, (), wait_s)
            if ready or room or self._board_us() >= until_us:
                self._ready = ready
                self._note_lateness(until_us)
                return self._end_fd in ready

    def _note_lateness(self, until_us: int) -> None:
        late_us = self._board_us() - until_us
        if late_us > LATE_US:
            self._say(TextLevel.WARNING, f"the board's loop was {late_us // 1000} ms late")

    # In

    def _see_edges(self, now_us: int) -> tuple[bytes, int]:
        """Have the law see the edges, in order, each at its own time; what that sends, and up to when
        the contacts are known: to `now_us`, or not so far while more edges wait.

        Then the law's time stays behind too, for an edge that waits must not be taken for a later
        one; but what stops the table is acted on at once.
        """
        seen = self._parts.lines.read()
        latest_us = self._board_us()
        sent = self._see(seen.urgent, self._at_us)
        if seen.urgent:
            self._parts.outputs.drive(self._advanced.outputs)
        sent += self._see(seen.edges, latest_us)
        if seen.until_us is None:
            return sent, now_us
        return sent, min(now_us, seen.until_us - self._began_us)

    def _see(self, edges: list[LineEdge], latest_us: int) -> bytes:
        """Time never goes back: an edge that the kernel shows only now, but stamped before the last
        turn, is taken at that turn's time. None lies beyond `latest_us`.
        """
        sent = b""
        for edge in edges:
            self._active[edge.line] = edge.active
            at_us = latest_us if edge.at_us is None else edge.at_us - self._began_us
            sent += self._advance(min(at_us, latest_us), b"").sent
        return sent

    def _advance(self, at_us: int, received: bytes) -> Advanced:
        self._at_us = max(self._at_us, at_us)
        self._advanced = self.endpoint.advance(self._at_us, self._inputs(), received)
        self._wake_us = self._advanced.wake_us
        return self._advanced

    def _inputs(self) -> Inputs:
        thoracic, lumbar, pelvic = (self._section_inputs(number) for number in range(3))
        return Inputs(
            (thoracic, lumbar, pelvic),
            estop_open=not self._closed("estop"),
            stop_button="stop_button" in self._line_of and not self._closed("stop_button"),
            pedal_down="pedal" in self._line_of and self._closed("pedal"),
        )

    def _closed(self, name: str) -> bool:
        return self._active[self._line_of[name]]

    def _section_inputs(self, number: int) -> SectionInputs:
        first = number * len(SECTION_INPUTS)
        up, down, pin = self._active[first : first + len(SECTION_INPUTS)]
        raw, at_us = self._parts.cells.newest(number)
        return SectionInputs(
            up, down, pin, raw, at_us, 0, outputs_read_back=self._wrongly_driven[number]
        )

    def _look_back(self, now_us: int) -> None:
        if now_us < self._read_back_us:
            return
        self._read_back_us = now_us + READ_BACK_EVERY_US
        before, self._wrongly_driven = self._wrongly_driven, self._parts.outputs.wrongly_driven()
        if any(self._wrongly_driven) and self._wrongly_driven != before:
            self._say(TextLevel.ERROR, "a coil's pin is high although it is told to be off")

    # Out

    def _tell(self) -> None:
        """What a person should know of what the loop has just seen."""
        parts = self._parts
        if parts.lines.lost > self._lost_told:
            lost, self._lost_told = parts.lines.lost - self._lost_told, parts.lines.lost
            self._say(
                TextLevel.WARNING,
                f"{lost} edges lost, {self._lost_told} since boot; contacts read anew",
            )
        if (problem := parts.writer.problem()) is not None:
            self._say(TextLevel.ERROR, f"parameters are not stored: {problem}")

    def _say(self, level: TextLevel, sentence: str) -> None:
        self._parts.notices.say(level, sentence)

    def _keep_params(self) -> None:
        if self.endpoint.params is not self._stored:
            self._stored = self.endpoint.params
            self._parts.writer.keep(self._stored.values())
