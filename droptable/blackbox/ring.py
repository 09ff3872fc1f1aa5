"""The segments of the black box on disk: numbered files, the oldest removed to keep to a size.

It blocks as long as the disk does; only the recorder's own thread calls it.
"""

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

FOLDER = "black-box"
"""In the state directory."""

SUFFIX = ".jsonl.gz"

SEGMENTS = 16
"""So many full segments make a ring: the oldest sixteenth goes when the newest is full."""

FILES_MAX = 256
"""A daemon that is started again and again leaves as many short segments; more are not kept."""


def segments_in(folder: Path) -> list[Path]:
    """The segments in `folder`, the oldest first; OSError when it cannot be read."""
    return sorted(path for path in folder.iterdir() if _number(path) is not None)


def _number(path: Path) -> int | None:
    name = path.name.removesuffix(SUFFIX)
    return int(name) if path.name.endswith(SUFFIX) and name.isdecimal() else None


class Ring:
    """At most `size_bytes` in `folder`, but for one write. Everything raises OSError."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._size_bytes = size_bytes
        self._file: FileIO | None = None
        self._written_bytes = 0

    @property
    def full(self) -> bool:
        """Whether the segment has its share of the ring."""
        return self._written_bytes >= self._size_bytes // SEGMENTS

    def begin(self) -> None:
        """Start the next segment, and let go of the oldest to make room for it."""
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = segments_in(self._folder)
        self._make_room(kept)
        number = next(self._numbers_after(kept))
        path = self._folder / f"{number:010}{SUFFIX}"
        # Whoever works the table is named in it, as in the journal.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file, self._written_bytes = FileIO(descriptor, "w"), 0

    def write(self, packed: bytes) -> None:
        """Append to the segment, and hand it to the operating system."""
        if self._file is None:
            raise OSError("no segment is open")
        left = packed
        while left:
            left = left[self._file.write(left) :]
        self._written_bytes += len(packed)

    def close(self) -> None:
        """End the segment, if one is open."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _make_room(self, kept: list[Path]) -> None:
        """Remove the oldest until another whole segment fits."""
        sizes = [path.stat().st_size for path in kept]
        room = self._size_bytes - self._size_bytes // SEGMENTS
        while kept and (sum(sizes) > room or len(kept) >= FILES_MAX):
            kept.pop(0).unlink(missing_ok=True)
            sizes.pop(0)

    @staticmethod
    def _numbers_after(kept: list[Path]) -> Iterator[int]:
        newest = _number(kept[-1]) if kept else None
        yield 1 if newest is None else newest + 1
