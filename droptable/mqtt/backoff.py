"""How long to wait before trying the broker again: doubling, bounded, and never in step.

Computes and waits; it does not know what is tried.
"""

from droptable.daemon.clock import Clock


class Backoff:
    """Pauses that double from `first_ms` to `most_ms`, each cut by chance to 50 to 100 %.

    Chance keeps the tables of a practice from returning to a restarted broker all at once.
    """

    def __init__(self, clock: Clock, first_ms: int, most_ms: int) -> None:
        self._clock = clock
        self._first_us = first_ms * 1000
        self._most_us = most_ms * 1000
        self._tries = 0

    def reset(self) -> None:
        """It worked: the next pause is short again."""
        self._tries = 0

    def next_pause_us(self) -> int:
        """The next pause, and count the try that follows it."""
        whole_us = min(self._most_us, self._first_us << min(self._tries, 32))
        self._tries += 1
        return round(whole_us * (0.5 + 0.5 * self._clock.random_float()))

    async def pause(self) -> None:
        """Wait for the next pause."""
        at_us = self._clock.monotonic_us() + self.next_pause_us()
        await self._clock.sleep_until_us(at_us)
