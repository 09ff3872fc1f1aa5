"""The whole system in virtual time, one table, a clinic's day. There is nothing to measure yet."""

from tests.bench.figures import Figure, not_measured

NAMES = ("virtual_time_speed",)
AT_LEAST = 300.0
"""Virtual seconds in one of the wall clock; unlike the other bars this one is a least."""


async def measure(quick: bool) -> list[Figure]:
    """Say that it is missing."""
    return [not_measured(NAMES[0], "x", bar=AT_LEAST, why="nothing runs a clinic's day yet")]
