"""Runs a program that ends when whoever started it has ended, however that was, `kill -9` included.

It is run by its path, without the rest of the package: `python leash.py PARENT COMMAND...`. The
kernel of Linux does it; elsewhere the program runs all the same, without a leash.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent ends; an exec keeps it."""

NOT_RUN = 127


def main(parent: str, *command: str) -> str | int:
    """Become `command`; returns, with what to say, only when that cannot be."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        # It ended before the leash was on.
        return NOT_RUN
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
