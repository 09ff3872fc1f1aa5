"""Starts the demo's programs and ends them, each by the process that it started and no other."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

END_MAX_S = 5.0
"""After this a program that does not end on SIGTERM is killed."""

LAST_LINES = 5


@asynccontextmanager
async def running_program(
    command: tuple[str, ...], log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`command` in a process of its own, its messages in the file `log`; ended when this is left.

    Its stdout is a pipe, for what it announces.
    """
    with log.open("wb") as messages:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=messages,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield process
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End this one process, and wait until it has ended."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(END_MAX_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
    await process.communicate()


def last_words(log: Path) -> str:
    """The last lines of a program's messages, for a person."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-LAST_LINES:]) if lines else "it said nothing"
