"""The whole system in virtual time beside the wall clock.

It is the world as `make world` runs it, with its faults: one table that is used without a pause. A
clinic's day has pauses, in which less happens, so a day is not slower than this.
"""

import asyncio
import json
import subprocess
import sys

from tests.bench.figures import Figure, at_least

NAMES = ("virtual_time_speed",)
BAR = 300.0
HOURS, HOURS_QUICK = 0.1, 0.002


async def measure(quick: bool) -> list[Figure]:
    """Some minutes of one seed."""
    hours = str(HOURS_QUICK if quick else HOURS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firmware_sim", "world", "--seed", "1", "--hours", hours, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    world = json.loads(said)
    note = f"{world['virtual_s']:.0f} s in {world['wall_s']:.1f} s, {world['events']} events"
    speed = world["virtual_s"] / world["wall_s"]
    return [at_least(NAMES[0], "s/s", value=speed, floor=1.0, bar=BAR, note=note)]
