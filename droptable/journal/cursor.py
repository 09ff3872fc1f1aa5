"""How far a sink has followed the journal: one number, kept in a small file of its own.

A file beside the journal and not a row in it: a cursor may be lost or late without harm, because
delivery is at least once, so it must neither wait for commits nor make them wait, and must not
share the fate of what may never be lost.
"""

import asyncio
import json
from pathlib import Path

from droptable.journal.small_files import read_small, write_atomically


class Cursor:
    """The highest seq that a sink has of the journal `epoch`; only ever grows.

    `advance` notes it at once and has it written off the loop, newest only, one write at a time.
    `finding` says why the cursor could not be read or written, None while all is well. A cursor of
    another epoch is not an error: the journal is a new one, and the sink has nothing of it.
    """

    def __init__(self, path: Path, epoch: str, seq: int, finding: str | None = None) -> None:
        self.epoch = epoch
        self.seq = seq
        self.finding = finding
        self._path = path
        self._written = seq
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    def load(cls, path: Path, epoch: str) -> "Cursor":
        """The cursor that `path` holds for this journal; at 0 when there is none to be believed."""
        try:
            content = read_small(path)
            seq = 0 if content is None else _seq_in(content, epoch)
        except (OSError, ValueError) as error:
            return cls(path, epoch, 0, f"{path.name} cannot be used, all is sent again: {error}")
        return cls(path, epoch, seq)

    def advance(self, seq: int) -> None:
        """The sink has all up to `seq`; a lower number than before says nothing new."""
        if seq <= self.seq:
            return
        self.seq = seq
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def flush(self) -> None:
        """Wait until the newest number is written, or could not be."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        while self._written < self.seq:
            seq = self.seq
            content = json.dumps({"epoch": self.epoch, "seq": seq}).encode()
            try:
                await asyncio.to_thread(write_atomically, self._path, content)
            except OSError as error:
                self.finding = f"{self._path.name} cannot be written: {error}"
                return
            self._written = seq
            self.finding = None


def _seq_in(content: bytes, epoch: str) -> int:
    fields = json.loads(content)
    match fields:
        case {"epoch": str(owner), "seq": int(seq)} if (
            len(fields) == 2 and type(seq) is int and seq >= 0
        ):
            return seq if owner == epoch else 0
    raise ValueError("it does not hold an epoch and a seq")
