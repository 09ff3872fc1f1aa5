"""A bench for one simulated board: the least of a host, and a hand at its pelvic section."""

from collections.abc import Callable
from typing import TypeVar

from droptable.board.model import Code, Fault, Kind, Phase
from droptable.link.frames import Decoder, Frame, encode
from droptable.link.messages import (
    FROM_BOARD,
    Beat,
    Command,
    Event,
    Hello,
    Result,
    Status,
)
from droptable.sections import Section
from firmware_sim.faults import Scope, fault_named, wanted
from firmware_sim.mechanics import Mechanics
from firmware_sim.plant.thrust import PRESETS
from firmware_sim.simulated_board import SimulatedBoard

T = TypeVar("T")

SESSION = 7
COCK, ARM, LOCK, HOME, CLEAR_FAULT = 1, 2, 4, 5, 6

VALUES = (
    *(2_000, 4_000, 300, 150, 50, 8_000, 20_000),
    *(8_388, 50_000, 20_000, 3_200, 200, 250_000, 200, 19_000),
)
PARAMS = {
    **{(section, key): value for section in range(3) for key, value in enumerate(VALUES, start=1)},
    (255, 16): 20_000,
    (255, 17): 400,
    (255, 18): 30_000,
}


class Host:
    """The least of a host: it beats, and keeps all that it hears."""

    def __init__(self, board: SimulatedBoard) -> None:
        self.board = board
        self.session = SESSION
        self.frames: list[Frame] = []
        self._decoder = Decoder(FROM_BOARD)
        self._seq = 0
        self._cmd_id = 0

    def hear(self, sent: bytes) -> None:
        self.frames += self._decoder.feed(sent)

    def say(self, at_us: int, *messages: object) -> None:
        frames = b""
        for message in messages:
            frames += encode(self._seq, self.session, message)  # type: ignore[arg-type]
            self._seq += 1
        self.hear(self.board.advance(at_us, frames))

    def beat_until(self, to_us: int, *, lease: bool = True, hold: bool = True) -> None:
        """Beat every 50 ms from the present on."""
        flags = Beat.LEASE * lease | Beat.HOLD * hold
        for at_us in range(self.board.mechanics.now_us, to_us, 50_000):
            self.say(at_us, Beat(flags, at_us // 1000))
        self.hear(self.board.advance(to_us))

    def command(self, verb: int, *, arg: int = 0) -> None:
        self._cmd_id += 1
        now_us = self.board.mechanics.now_us
        self.say(now_us, Command(self._cmd_id, verb, 2, 0xFF, 250, now_us // 1000, arg))

    @property
    def status(self) -> Status:
        return [f.message for f in self.frames if isinstance(f.message, Status)][-1]

    def of(self, kind: type[T]) -> list[T]:
        return [frame.message for frame in self.frames if isinstance(frame.message, kind)]


PELVIC = Section.PELVIC
BEAT_US = 50_000
STILL = (Phase.LOCKED, Phase.COCKED, Phase.HALTED, Phase.FAULT, Phase.UNKNOWN)


class Bench:
    """A simulated board with a host, and what a person does at its pelvic section.

    The person holds the lease all the time, and the control while a section moves.
    """

    def __init__(self, *, seed: int = 1) -> None:
        self.board = SimulatedBoard(Mechanics(seed=seed), boot_id=5, params=PARAMS)
        self.table = self.board.mechanics
        self.host = Host(self.board)
        self.connect()
        self.live(1_500)
        self.command(HOME)
        self.live(100)
        assert self.phase is Phase.LOCKED

    # Time

    @property
    def now_us(self) -> int:
        return self.table.now_us

    def live(self, ms: float, *, hold: bool = False) -> None:
        """Beat for so long."""
        self.host.beat_until(self.now_us + round(ms * 1_000), hold=hold)

    def until(
        self, holds: Callable[[], bool], *, within_ms: int = 12_000, hold: bool = False
    ) -> int:
        """Beat until it holds; how long that took, in microseconds, to the beat."""
        began_us = self.now_us
        while not holds():
            assert self.now_us - began_us < within_ms * 1_000, (self.phase, self.fault)
            self.live(50, hold=hold)
        return self.now_us - began_us

    # What the host knows

    @property
    def phase(self) -> Phase:
        return Phase(self.host.status.sections[PELVIC].phase)

    @property
    def fault(self) -> Fault:
        return Fault(self.host.status.sections[PELVIC].fault)

    def events(self, kind: Kind) -> list[Event]:
        """Each event of this kind once, in order, of all boots."""
        heard = (frame.message for frame in self.host.frames)
        found = {
            (message.boot_id, message.event_seq): message
            for message in heard
            if isinstance(message, Event) and message.kind == kind
        }
        return list(found.values())

    @property
    def result(self) -> int:
        """The code of the newest RESULT."""
        return [f.message for f in self.host.frames if isinstance(f.message, Result)][-1].code

    # What is done

    def connect(self) -> None:
        """Open a session, another one than the last."""
        self.host.session += 1
        self.host.say(self.now_us, Hello())

    def touch(self, hand: Callable[[Mechanics], None]) -> None:
        hand(self.table)
        self.host.hear(self.board.touched())

    def set_fault(self, name: str, value: float | None = None) -> None:
        fault = wanted(name, _section(name), value)
        where = self.board if fault.fault.scope is Scope.BOARD else self.table
        where.set_fault(fault)
        self.host.hear(self.board.touched())

    def clear_fault(self, name: str) -> None:
        fault = wanted(name, _section(name), None)
        self.table.clear_fault(fault)
        self.board.clear_fault(fault)
        self.host.hear(self.board.touched())

    def command(self, verb: int, *, arg: int = 0) -> int:
        """Say it to the board; the code of its RESULT."""
        self.host.command(verb, arg=arg)
        return self.result

    def move(self, verb: int) -> None:
        """Cock or lock under a hold, until the section is still again."""
        self.live(60, hold=True)
        assert self.command(verb) == Code.OK
        self.live(50, hold=True)
        self.until(lambda: self.phase in STILL, hold=True)

    def arm(self) -> None:
        assert self.command(ARM, arg=15_000) == Code.OK
        self.live(50)

    def thrust(self) -> None:
        self.touch(lambda table: table.thrust_like(PELVIC, PRESETS["impulse"]))

    def mend(self) -> None:
        """Do what a person does to have the section COCKED again, whatever it is now."""
        for _ in range(8):
            match self.phase:
                case Phase.COCKED:
                    return
                case Phase.FAULT:
                    self.command(CLEAR_FAULT)
                case Phase.UNKNOWN:
                    self.live(200)
                    self.command(HOME)
                case Phase.LOCKED | Phase.HALTED:
                    self.move(COCK)
                case _:
                    pass
            self.live(300)
        raise AssertionError(f"{self.phase!r} {self.fault!r} cannot be mended")

    def drop_once(self) -> None:
        """From COCKED: one drop, recorded once and truly."""
        happened, recorded = len(self.table.drops), len(self.events(Kind.DROP))
        self.arm()
        self.thrust()
        self.until(lambda: self.phase is Phase.LOCKED)
        assert len(self.table.drops) == happened + 1
        assert len(self.events(Kind.DROP)) == recorded + 1
        assert self.events(Kind.DROP)[-1].a == self.table.drops[-1].fall_us


def _section(name: str) -> Section | None:
    return PELVIC if fault_named(name).scope is Scope.SECTION else None
