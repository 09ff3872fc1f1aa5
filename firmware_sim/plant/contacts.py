"""A switch contact that bounces: it shows the first edge at once, then chatters until it settles.

It knows nothing of what moves it. The same seed gives the same chatter.
"""

from collections import deque
from random import Random

from firmware_sim.plant.settings import BounceSettings

CHATTERS_MAX = 5
"""How often at most a contact opens and closes again after its first edge."""

SHAPE = 1.2
"""Of the beta distribution of bounce times: most short, few long, none beyond the maximum."""


class Contact:
    """One switch; `closed` is what a pin of the board would read at this moment."""

    def __init__(self, bounce: BounceSettings, seed: str, *, closed: bool = False) -> None:
        self.closed = closed
        self.pressed = closed
        """What it shows once it has settled."""
        self._bounce = bounce
        self._dice = Random(seed)
        self._edges_us: deque[int] = deque()

    def move(self, now_us: int, *, closed: bool) -> None:
        """The contact is now pushed together, or let go; nothing happens if it already was."""
        if closed == self.pressed:
            return
        self.pressed = closed
        self.closed = closed
        self._edges_us = self._chatter(now_us)

    def chatters(self, bounce: BounceSettings) -> None:
        """From its next move on it bounces like this."""
        self._bounce = bounce

    def flutter(self, now_us: int, times: int, every_us: int) -> None:
        """It opens and closes `times` times, an even number, and ends as it is pushed."""
        self.closed = self.pressed
        self._edges_us = deque(now_us + every_us * n for n in range(1, times + 1))

    def advance(self, now_us: int) -> None:
        """Let the edges pass that are due."""
        while self._edges_us and self._edges_us[0] <= now_us:
            self._edges_us.popleft()
            self.closed = not self.closed

    @property
    def next_edge_us(self) -> int | None:
        return self._edges_us[0] if self._edges_us else None

    def _chatter(self, now_us: int) -> deque[int]:
        """The edges after the first one: an even number, so that the contact ends settled."""
        if not self._bounce.max_us:
            return deque()
        # A beta distribution over (0, max) has the mean max * a / (a + b).
        tail = SHAPE * (self._bounce.max_us / self._bounce.mean_us - 1)
        lasts_us = int(self._bounce.max_us * self._dice.betavariate(SHAPE, tail))
        pairs = min(self._dice.randint(1, CHATTERS_MAX), lasts_us // 2)
        if pairs == 0:
            return deque()
        between = self._dice.sample(range(1, lasts_us), 2 * pairs - 1)
        return deque(now_us + us for us in sorted((*between, lasts_us)))
