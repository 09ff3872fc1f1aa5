"""A publisher as a process of its own, to be killed: `python -m tests.mqtt.lone_publisher PORT`."""

import asyncio
import sys

from tests.mqtt.conftest import Station


async def serve(port: int) -> None:
    async with Station(port).running():
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
