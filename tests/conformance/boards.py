"""Boards for the conformance suite that run in the test's own process, in virtual time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from droptable.conformance.hands import Hands, HandsRefuse
from droptable.conformance.host import Wire
from droptable.conformance.model import STRICT, Check, Report, Slack
from droptable.conformance.run import prove
from droptable.conformance.suite import ALL_CHECKS
from firmware_sim.deeds import DEEDS, carry_out
from firmware_sim.mechanics import Mechanics
from firmware_sim.serve import ServedBoard
from firmware_sim.simulated_board import SimulatedBoard
from firmware_sim.virtual import VirtualClock, run_virtual

T = TypeVar("T")

NAMED = {check.name: check for check in ALL_CHECKS}

VIRTUAL_MAX_S = 3_600.0


class Mortal(ServedBoard):
    """A board's program that ends by its first error, as a real one would: it says nothing more."""

    dead = False

    def touch(self, hand: Callable[[Mechanics], T]) -> T:
        try:
            return super().touch(hand)
        except ValueError:
            raise
        except Exception as error:
            self._die()
            raise HandsRefuse(f"the board has ended: {error!r}") from error

    def _advance(self, received: bytes) -> None:
        try:
            if not self.dead:
                super()._advance(received)
        except Exception:  # noqa: BLE001 - whatever it is, it ends this board and not the test
            self._die()

    def _die(self) -> None:
        self.dead = True
        self.close()


@dataclass
class InProcess:
    """One simulated board with its hands, joined to a host without a line in between.

    What the hands have done is told so much later.
    """

    served: ServedBoard
    clock: VirtualClock
    told_after_us: int

    async def connect(
        self, on_bytes: Callable[[bytes], None], _on_closed: Callable[[str], None]
    ) -> Wire:
        line = _Line(self.served, on_bytes)
        self.served.connected(line)  # type: ignore[arg-type]  # the board's end of the same line
        return _HostEnd(line)

    async def ask(self, deed: dict[str, Any]) -> dict[str, Any]:
        wanted = DEEDS.validate_python(deed)
        try:
            done = self.served.touch(partial(carry_out, wanted, board=self.served.board))
        except ValueError as error:
            raise HandsRefuse(str(error)) from error
        await self.clock.sleep_until_us(self.clock.monotonic_us() + self.told_after_us)
        return done


class _Line:
    """What the board writes comes to the host at once."""

    def __init__(self, served: ServedBoard, on_bytes: Callable[[bytes], None]) -> None:
        self.served = served
        self.on_bytes = on_bytes
        self.cut = False

    def write(self, frames: Sequence[bytes]) -> None:
        if not self.cut:
            self.on_bytes(b"".join(frames))


class _HostEnd:
    def __init__(self, line: _Line) -> None:
        self._line = line

    def write(self, frames: Sequence[bytes]) -> None:
        if not self._line.cut:
            self._line.served.heard(b"".join(frames))

    def close(self) -> None:
        self._line.cut = True
        self._line.served.lost("the host has gone")


Made = Callable[[], SimulatedBoard]


def sound() -> SimulatedBoard:
    """A board as it leaves the factory."""
    return SimulatedBoard(Mechanics(seed=7), boot_id=0x1234)


def proven(
    checks: Sequence[Check] = ALL_CHECKS,
    *,
    made: Made = sound,
    hands: bool = True,
    seed: int = 0,
    empty: bool = False,
    slack: Slack = STRICT,
    told_after_us: int = 0,
) -> Report:
    """What the suite says of a board, by the contract's own times."""

    async def proof() -> Report:
        clock = VirtualClock(seed)
        served = Mortal(made(), clock, None)
        board = InProcess(served, clock, told_after_us)
        try:
            return await prove(
                board.connect,
                Hands(board.ask) if hands else None,
                clock,
                slack,
                checks,
                table_is_empty=empty,
            )
        finally:
            served.close()

    return run_virtual(proof(), seed=seed, limit_s=VIRTUAL_MAX_S)
