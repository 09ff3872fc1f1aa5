"""The load traces, one small file for each drop, beside the journal.

A file is written whole or not at all, before the journal's `trace` event tells its SHA-256; so an
event always has its file, and a file that was changed is found out.
"""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from droptable.journal.small_files import read_small, write_atomically

FOLDER = "traces"

NO_SAMPLE_DN = -32_768
"""How the board spells a sample that does not exist."""


class LoadTrace(BaseModel):
    """The load on a section around one of its drops."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_: str = Field("trace/1", alias="schema")
    epoch: str
    drop_seq: int = Field(description="The drop's number in the journal")
    section: str
    dt_us: int = Field(gt=0, description="From one sample to the next")
    edge: int = Field(description="The sample at which the section left the top")
    load_n: list[float | None] = Field(description="All that pressed on it; null: no sample")


@dataclass(frozen=True, slots=True)
class TraceDamaged(Exception):
    """There is a file, and it is not what was written; `why` is for a person."""

    why: str

    def __str__(self) -> str:
        return self.why


class Shelf:
    """The traces of one journal. Blocking: call it off the loop."""

    def __init__(self, state_dir: Path, epoch: str) -> None:
        self._directory = state_dir / FOLDER / epoch

    def keep(self, trace: LoadTrace) -> str:
        """Write it, durably, and give the SHA-256 of the file. Raises OSError."""
        content = trace.model_dump_json(by_alias=True).encode()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(trace.drop_seq), content)
        return hashlib.sha256(content).hexdigest()

    def read(self, drop_seq: int, sha256: str) -> LoadTrace | None:
        """The trace of a drop, None when there is no file. Raises OSError, TraceDamaged."""
        try:
            content = read_small(self._path(drop_seq))
        except ValueError as error:
            raise TraceDamaged(str(error)) from error
        if content is None:
            return None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise TraceDamaged(f"the trace of drop {drop_seq} is not what was recorded")
        try:
            return LoadTrace.model_validate_json(content)
        except ValidationError as error:
            raise TraceDamaged(f"the trace of drop {drop_seq} is of another version") from error

    def _path(self, drop_seq: int) -> Path:
        return self._directory / f"{drop_seq}.json"


def loads_n(samples_dn: Sequence[int]) -> list[float | None]:
    """The board's samples in newtons."""
    return [None if each == NO_SAMPLE_DN else each / 10 for each in samples_dn]


def as_csv(trace: LoadTrace) -> str:
    """Time from the up edge in milliseconds, and load in newtons; an empty field: no sample."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("time_ms", "load_n"))
    for at, load_n in enumerate(trace.load_n):
        rows.writerow(((at - trace.edge) * trace.dt_us / 1000, "" if load_n is None else load_n))
    return text.getvalue()


def as_json(trace: LoadTrace) -> str:
    """The document as it lies in its file, for people."""
    return json.dumps(trace.model_dump(by_alias=True), indent=2) + "\n"
