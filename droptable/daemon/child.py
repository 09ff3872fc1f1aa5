"""Starts other programs and ends them, each by the process that it started and no other.

A child never outlives this process, however that ends, and hears no Ctrl-C of its own: whoever
started it ends it, in the order in which things need each other.
"""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from typing import IO

from droptable.daemon import leash

END_MAX_S = 5.0
"""After this a program that does not end on SIGTERM is killed."""


async def start(
    command: tuple[str, ...],
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """`command` in a process of its own. Call it in the main thread: the child ends with that."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
        *command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )


async def end(process: Process, within_s: float = END_MAX_S) -> None:
    """End this one process, and wait until it has ended."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(within_s):
                await process.communicate()
        except TimeoutError:
            process.kill()
    await process.communicate()
