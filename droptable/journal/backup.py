"""A copy of the journal as it is at one moment, taken beside a running daemon."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from droptable.journal import store
from droptable.journal.lock import sync_directory
from droptable.journal.verify import Verdict, verify


def back_up(path: Path, to: Path) -> Verdict:
    """Copy the journal at `path` (a state directory or the file) to the new file `to`, and verify it.

    The copy is durable when this returns; one that does not verify is kept, as what it is a copy of
    does not either. Raises FileExistsError, FileNotFoundError (there is no journal), OSError, and
    DroptableError JOURNAL_BROKEN when the file is none.
    """
    if to.exists():
        raise FileExistsError(to)
    beside = to.with_name(f".{to.name}.new")
    beside.unlink(missing_ok=True)
    try:
        with closing(store.open_for_reading(store.file_in(path))) as journal:
            _copy(journal, beside)
        # Not over a file that has come meanwhile.
        os.link(beside, to)
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(to.parent)
    return verify(to)


def _copy(journal: sqlite3.Connection, beside: Path) -> None:
    with closing(sqlite3.connect(beside)) as copy:
        journal.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    with beside.open("rb") as file:
        os.fsync(file.fileno())
