"""The lock on a state directory: a journal has one writer, or its numbers mean nothing.

The lock is the kernel's (`flock`), so it ends with the process however that ends; the file's text
only says who holds it. The file is never removed: two openers must always meet at the same one.
"""

import fcntl
import os
from pathlib import Path

from droptable.errors import DroptableError

LOCK_NAME = "lock"


class StateLock:
    """The exclusive right to write in a state directory, from `__init__` to `release`.

    Raises DroptableError STATE_LOCKED when another process (or another part of this one) has it,
    STATE_UNWRITABLE when the directory cannot be made or written.
    """

    def __init__(self, state_dir: Path) -> None:
        path = state_dir / LOCK_NAME
        try:
            _make_directory(state_dir)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DroptableError("STATE_UNWRITABLE", f"{path}: {error.strerror}") from error
        try:
            self._take(state_dir)
        except BaseException:
            self.release()
            raise

    def _take(self, state_dir: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            raise DroptableError(
                "STATE_LOCKED", f"{state_dir} is in use by process {holder or '(unknown)'}"
            ) from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise DroptableError("STATE_UNWRITABLE", f"{state_dir}: {error.strerror}") from error

    def release(self) -> None:
        """Give the right up; doing so twice is allowed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable: a file without its name is lost all the same."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_directory(directory: Path) -> None:
    """Like `mkdir -p`, closed to other users, and durable."""
    if directory.is_dir():
        return
    if directory.parent != directory:
        _make_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory.parent)
