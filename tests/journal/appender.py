"""A program that appends as fast as it can and prints each number once it is acknowledged.

Run by the tests that kill it, fill its disk or take its rights: `appender.py STATE_DIR MODE`.
"""

import asyncio
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from droptable.errors import DroptableError
from droptable.journal.event import BoardRef, Draft
from droptable.journal.journal import Journal, JournalUnwritable

NOBODY = 65534


def _now() -> datetime:
    return datetime.now(UTC)


def _draft(number: int) -> Draft:
    return Draft("drop", "pelvic", "board", {"fall_ms": 45.2}, BoardRef(os.getpid(), number))


async def endless(path: Path) -> None:
    """Eight producers; killed from outside."""
    journal = await Journal.open(path, table="t1", utc=_now)
    numbers = iter(range(1, 1_000_000))

    async def produce() -> None:
        while True:
            event = await journal.append(_draft(next(numbers)))
            os.write(1, f"{event.seq} {event.hash}\n".encode())

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(produce())


async def full(path: Path) -> None:
    """Append until files may not grow any more, then give the room back and append again."""
    journal = await Journal.open(path, table="t1", utc=_now)
    heard: list[int] = []
    journal.on_commit(lambda event: heard.append(event.seq))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, most))
    recorded = refused = 0
    for start in range(1, 100_000, 10):
        batch = [journal.append(_draft(start + place)) for place in range(10)]
        outcomes = await asyncio.gather(*batch, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, JournalUnwritable)]
        assert len(failures) in {0, 10}, "a batch is recorded whole or not at all"
        recorded += 10 - len(failures)
        refused += len(failures)
        if refused >= 50:
            break
    print("writable", journal.writable, "refused", refused, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    event = await journal.append(_draft(1_000_000))
    assert event.seq == recorded + 1, "numbers of what was refused are used again"
    assert heard == list(range(1, recorded + 2)), "each recorded event was told once"
    print("writable", journal.writable, "recorded", event.seq, flush=True)
    await journal.close()


async def unprivileged(path: Path) -> None:
    """Open as somebody who has no rights there, whoever runs the tests."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        await Journal.open(path, table="t1", utc=_now)
    except DroptableError as error:
        print(error.problem.code, error.detail)


async def brief(path: Path) -> None:
    """One event, then a close in good order."""
    journal = await Journal.open(path, table="t1", utc=_now)
    print((await journal.append(_draft(1))).seq)
    await journal.close()


if __name__ == "__main__":
    modes = {"brief": brief, "endless": endless, "full": full, "unprivileged": unprivileged}
    asyncio.run(modes[sys.argv[2]](Path(sys.argv[1])))
