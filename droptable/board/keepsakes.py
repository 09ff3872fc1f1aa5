"""What the GPIO board keeps while it has no power: its parameters, and which boot it was last.

Both are small files. Writing one may take the card a second, so that a thread of its own does it
and the loop at the pins never waits.
"""

import json
import os
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FORMAT = "board-params/1"

POWER_ON, SOFTWARE, UNKNOWN = 1, 5, 0
"""Causes of a reset, as the board link numbers them."""

KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Values = Mapping[tuple[int, int], int]


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    format: str
    check: int
    rows: list[tuple[int, int, int]]


def read_params(path: Path) -> dict[tuple[int, int], int] | None:
    """What is stored: nothing for a board that was never told any; None for a damaged store."""
    try:
        stored = _Stored.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        return None
    if stored.format != FORMAT or stored.check != _check(stored.rows):
        return None
    return {(section, key): value for section, key, value in stored.rows}


def write_params(path: Path, values: Values) -> None:
    """Replace what is stored, whole and for good, or leave it as it was. Raises OSError."""
    rows = [(section, key, value) for (section, key), value in sorted(values.items())]
    document = {"format": FORMAT, "check": _check(rows), "rows": rows}
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(rows: list[tuple[int, int, int]]) -> int:
    return zlib.crc32(json.dumps(rows).encode())


def reset_cause(path: Path, kernel_boot_id: Path = KERNEL_BOOT_ID) -> int:
    """Why this board starts: with the machine, or again since. `path` remembers the machine's boot.

    Whether the machine lost its power or was restarted, a program cannot know.
    """
    try:
        boot = kernel_boot_id.read_text()
        again = path.exists() and path.read_text() == boot
        path.write_text(boot)
    except (OSError, UnicodeDecodeError):
        return UNKNOWN
    return SOFTWARE if again else POWER_ON


class ParamsWriter:
    """Writes the newest parameters behind the loop's back; those in between are never written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted: Values | None = None
        self._problem: str | None = None
        self._news = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="parameters", daemon=True)
        self._thread.start()

    def keep(self, values: Values) -> None:
        """Have `values` written as soon as the card takes them."""
        with self._news:
            self._wanted = values
            self._news.notify()

    def problem(self) -> str | None:
        """Why the last write failed, told once; None when there is nothing to tell."""
        problem, self._problem = self._problem, None
        return problem

    def close(self) -> None:
        """Write what is still wanted, and end."""
        with self._news:
            self._ending = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._ending or self._wanted is not None)
                values, self._wanted = self._wanted, None
            if values is None:
                return
            try:
                write_params(self._path, values)
            except OSError as error:
                self._problem = error.strerror or str(error)
