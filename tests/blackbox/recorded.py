"""A practice whose every step is recorded, for the tests of recording and replay."""

import gzip
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from droptable.blackbox.recorder import Recorder
from droptable.blackbox.recording import Codecs, member
from droptable.blackbox.replay import Replayed, replay
from droptable.blackbox.ring import Ring
from droptable.core.events import Event
from droptable.core.model import State
from droptable.daemon.runner import Witness
from droptable.link.params import params_crc
from firmware_sim.virtual import run_virtual
from tests.daemon.practice import Practice, Scene

CODECS = Codecs({"params_crc": params_crc})
MIB = 2**20
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
END_MAX_S = 20.0

Seen = tuple[State, Event, int, Any]


def recorder(folder: Path) -> Recorder:
    return Recorder(Ring(folder, 8 * MIB), CODECS, run="abc", utc=lambda: NOON)


def played(scene: Scene, witness: Witness, seed: int = 0) -> None:
    """Play `scene` in virtual time, with a witness of each step."""

    async def play() -> None:
        practice = Practice(seed)
        practice.runner._witness = witness
        try:
            await scene(practice)
        finally:
            await practice.end()

    run_virtual(play(), seed=seed, limit_s=900)


async def one_drop(practice: Practice) -> None:
    """From nothing to a drop, and a STOP at the end."""
    await practice.armed()
    practice.thrust()
    await practice.thrust_is_over()
    practice.gateway.stop("page")
    await practice.passes(200_000)


@cache
def steps_of_one_drop() -> tuple[Seen, ...]:
    """All steps of `one_drop`."""
    seen: list[Seen] = []
    played(one_drop, lambda *step: seen.append(step))
    return tuple(seen)


def recorded(steps: tuple[Seen, ...], folder: Path) -> list[Path]:
    """The segments that these steps make."""
    box = recorder(folder)
    for step in steps:
        box.saw(*step)
    box.close(END_MAX_S)
    return sorted(folder.iterdir())


@cache
def segment_of_one_drop() -> bytes:
    with TemporaryDirectory(prefix="droptable-test-") as directory:
        (path,) = recorded(steps_of_one_drop(), Path(directory))
        return path.read_bytes()


def replayed(place: Path) -> list[Replayed]:
    return list(replay(place, CODECS))


def lines_of(content: bytes) -> list[str]:
    return gzip.decompress(content).decode().splitlines()


def put(folder: Path, lines: list[str], number: int = 1) -> Path:
    path = folder / f"{number:010}.jsonl.gz"
    path.write_bytes(member("".join(f"{line}\n" for line in lines)))
    return path
