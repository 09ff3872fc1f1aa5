"""Small files that are either whole and durable or as they were before; never half written.

`read_small` keeps "missing" (None) apart from "there, but not to be understood", which is for the
caller to find: the first is a fresh start, the second a finding that someone must see.
"""

import os
from pathlib import Path

from droptable.journal.lock import sync_directory

SMALL_MAX = 65_536
"""The longest file that counts as small, in bytes."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: written beside it, synced, renamed, the folder synced.

    Raises OSError; then the file is what it was. One writer for each path at a time.
    """
    if len(content) > SMALL_MAX:
        raise ValueError(f"{len(content)} bytes for {path.name}, more than {SMALL_MAX}")
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def read_small(path: Path) -> bytes | None:
    """What `path` holds, None when there is no such file.

    Raises OSError when it cannot be read, ValueError when it is longer than `SMALL_MAX`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SMALL_MAX + 1)
    except FileNotFoundError:
        return None
    if len(content) > SMALL_MAX:
        raise ValueError(f"{path} is longer than {SMALL_MAX} bytes")
    return content
