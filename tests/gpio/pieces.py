"""The board's loop over mock pins and a mock chip, on a clock that the test moves."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gpiod
from gpiod.line import Value
from gpiozero.pins.mock import MockFactory

from droptable.board.door import Door
from droptable.board.endpoint import Identity
from droptable.board.keepsakes import ParamsWriter
from droptable.board.load_cells import LoadCells
from droptable.board.loop import BoardLoop, Parts
from droptable.board.notices import Notices
from droptable.board.params import Params
from droptable.board.pins import InputLines, OutputPins
from droptable.board.process import FIRMWARE, features_of
from droptable.link.frames import Decoder, encode
from droptable.link.messages import FROM_BOARD, Hello, Message
from droptable.link.transport import UnixAddress
from firmware_sim.mock_pi import REFERENCE, MockChip

SESSION = 7


@dataclass
class Times:
    """A clock that stands until it is moved."""

    now_us: int = 1_000_000_000

    def __call__(self) -> int:
        return self.now_us


class Chip(MockChip):
    """A mock chip whose edges the test makes, and may lose."""

    def __init__(self, clock: Times) -> None:
        super().__init__(lambda: None)
        self._clock = clock
        self.settings: dict[tuple[int, ...], gpiod.LineSettings] = {}
        for closed in (REFERENCE.estop, REFERENCE.stop_button):
            assert closed is not None
            self.set(closed, True, 0)
        for pins in REFERENCE.sections:
            self.set(pins.down, True, 0)
            self.set(pins.pin_engaged, True, 0)

    def edge(self, offset: int, active: bool, ago_us: int = 0) -> None:
        self.set(offset, active, (self._clock() - ago_us) * 1_000)

    def lose(self, count: int) -> None:
        """The kernel had no room for the oldest `count` edges of the sections' contacts."""
        for _ in range(count):
            self._requests[REFERENCE.pelvic.up].events.popleft()

    def howl(self, offset: int, count: int, *, from_us: int, to_us: int) -> None:
        """A line changes `count` times between two moments before now, and ends as it began."""
        assert count % 2 == 0
        before = self._levels.get(offset, False)
        for at in range(count):
            self.edge(offset, before is (at % 2 == 1), from_us - (from_us - to_us) * at // count)

    def show_again(self, offset: int, ago_us: int) -> None:
        """A bounce that ended where it began: one interrupt, and the level of before."""
        active = self._levels[offset]
        self._levels[offset] = not active
        self.set(offset, active, (self._clock() - ago_us) * 1_000)


@dataclass
class Bench:
    clock: Times
    chip: Chip
    factory: MockFactory
    loop: BoardLoop
    writer: ParamsWriter
    path: str
    host: socket.socket | None = None
    decoder: Decoder = field(default_factory=lambda: Decoder(FROM_BOARD))

    def level(self, pin: int) -> bool:
        return bool(self.factory.pin(pin).state)

    def turn(self, after_us: int = 0) -> None:
        """One turn of the loop, with whatever waits at the door."""
        self.clock.now_us += after_us
        self.loop._ready = list(self.loop._parts.door.readers)
        self.loop.turn()

    def open(self) -> None:
        """A host with a session."""
        self.host = socket.socket(socket.AF_UNIX)
        self.host.connect(self.path)
        self.turn()
        self.send(Hello())
        self.turn()

    def send(self, message: Message, seq: int = 0) -> None:
        assert self.host is not None
        self.host.sendall(encode(seq, SESSION, message))

    def heard(self) -> list[Message]:
        """What the board has sent."""
        assert self.host is not None
        self.host.setblocking(False)
        try:
            received = self.host.recv(65_536)
        except BlockingIOError:
            return []
        return [frame.message for frame in self.decoder.feed(received)]


@contextmanager
def bench(folder: Path, params: Params | None = None, *, damaged: bool = False) -> Iterator[Bench]:
    """A loop on the reference wiring, without load cells; every switch says LOCKED."""
    clock = Times()
    chip = Chip(clock)
    factory = MockFactory()
    path = str(folder / "board")
    plan = REFERENCE
    with (
        closing(OutputPins(plan, factory)) as outputs,
        closing(InputLines(plan, chip.request_lines)) as lines,
        closing(Door(UnixAddress(path))) as door,
        closing(ParamsWriter(folder / "params")) as writer,
        closing(factory),
    ):
        cells = LoadCells(None)
        loop = BoardLoop(
            Parts(outputs, lines, cells, door, writer, Notices(())),
            Identity("PI000001", FIRMWARE, features_of(plan, cells), boot_id=99, reset_cause=1),
            None if damaged else params or Params(),
            clock,
            end_fd=0,
        )
        made = Bench(clock, chip, factory, loop, writer, path)
        try:
            yield made
        finally:
            if made.host is not None:
                made.host.close()


ACTIVE, INACTIVE = Value.ACTIVE, Value.INACTIVE
