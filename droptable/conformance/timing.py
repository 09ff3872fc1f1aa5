"""Section 6 as it is measured: clocks that are compared, and times that are kept."""

from collections.abc import Awaitable, Callable

from droptable.conformance.contract import (
    EDGE_ERROR,
    EDGE_ERROR_GPIO,
    GPIO_HW_ID,
    TimeLimit,
)
from droptable.conformance.model import Kept, Sample, Timing, expect
from droptable.conformance.moving import Moving

CLOCK_QUESTIONS = 20
"""Two clocks are compared as often, to find a quick way there and back."""


class Timed(Moving):
    """A board that is timed, by its own clock, the host's and that of the mechanics."""

    async def board_ahead(self) -> tuple[int, int]:
        """How far the board's clock is ahead of the host's: at least and at most."""
        return await self._ahead(self._board_us)

    async def mechanics_ahead(self) -> tuple[int, int]:
        """How far the mechanics' clock is ahead of the host's: at least and at most."""
        return await self._ahead(self.hands.now_us)

    async def clocks_apart(self) -> tuple[int, int]:
        """How far the board's clock is ahead of the mechanics': at least and at most."""
        board, mechanics = await self.board_ahead(), await self.mechanics_ahead()
        return board[0] - mechanics[1], board[1] - mechanics[0]

    async def _board_us(self) -> int:
        return (await self.time()).board_us

    async def _ahead(self, ask_us: Callable[[], Awaitable[int]]) -> tuple[int, int]:
        """Each answer was given between question and answer: the narrowest span of several."""
        clock = self.host.clock
        least: list[int] = []
        most: list[int] = []
        for _ in range(CLOCK_QUESTIONS):
            asked_us = clock.monotonic_us()
            told_us = await ask_us()
            least.append(told_us - clock.monotonic_us())
            most.append(told_us - asked_us)
        return max(least), min(most)

    @property
    def edge_limit(self) -> TimeLimit:
        """How exact the time of an up edge has to be on this board."""
        on_a_pi = self.welcome.hw_id.startswith(GPIO_HW_ID)
        return EDGE_ERROR_GPIO if on_a_pi else EDGE_ERROR

    def measured(self, limit: TimeLimit, took: Sample) -> None:
        """One sample of a time that boards must keep."""
        self.timings.setdefault(limit.name, Timing(limit)).samples.append(took)

    def expect_kept(self, limit: TimeLimit) -> None:
        timing = self.timings[limit.name]
        median_ms, worst_ms = (allowed_us / 1000 for allowed_us in timing.allowed(self.slack))
        expect(
            timing.kept(self.slack) is not Kept.NOT_KEPT,
            f"{limit.name} in at most {limit.at_most_us / 1000:g} ms (and a slack of {median_ms:g} ms "
            f"in the median, {worst_ms:g} ms at worst)",
            f"median {timing.median_us / 1000:.3f} ms, worst {timing.worst_us / 1000:.3f} ms of "
            f"{len(timing.samples)}, each give or take {timing.spread_us / 1000:.3f} ms",
        )
