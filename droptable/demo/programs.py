"""Runs the demo's programs, each with a file for its messages."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from droptable.daemon.child import end, start

LAST_LINES = 5


@asynccontextmanager
async def running_program(
    command: tuple[str, ...], log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`command` in a process of its own, its messages in the file `log`; ended when this is left.

    Its stdout is a pipe, for what it announces.
    """
    with log.open("wb") as messages:
        process = await start(
            command, stdout=asyncio.subprocess.PIPE, stderr=messages, environment=environment
        )
    try:
        yield process
    finally:
        await end(process)


def last_words(log: Path) -> str:
    """The last lines of a program's messages, for a person."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-LAST_LINES:]) if lines else "it said nothing"
