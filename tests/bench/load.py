"""Clients of the API, a process of their own: each asks for the state again as soon as it has it.

Run with the port and how many; it prints a line when all are connected and ends when its stdin
does, with the number of answers on stdout.
"""

import asyncio
import sys

from tests.bench.raw_http import RawHttp


async def _ask_on(port: int, answers: list[int]) -> None:
    with RawHttp(port) as http:
        request = http.request("GET", "/api/v1/state")
        while True:
            await http.send(request)
            answers[0] += 1


async def _load(port: int, clients: int) -> None:
    answers = [0]
    asking = [asyncio.create_task(_ask_on(port, answers)) for _ in range(clients)]
    print("asking", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    print(answers[0], flush=True)


if __name__ == "__main__":
    asyncio.run(_load(int(sys.argv[1]), int(sys.argv[2])))
