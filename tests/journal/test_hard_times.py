"""Power cuts, full disks, missing rights: what was acknowledged is there, and nothing is half there."""

import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from droptable.journal.journal import Journal
from droptable.journal.verify import head, stored_events, verify

APPENDER = Path(__file__).with_name("appender.py")


def _start(path: Path, mode: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(APPENDER), str(path), mode], stdout=subprocess.PIPE
    )


def _run(path: Path, mode: str) -> str:
    run = subprocess.run(
        [sys.executable, str(APPENDER), str(path), mode],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


async def test_a_killed_writer_loses_nothing_that_it_acknowledged(
    tmp_path: Path, noon: Callable[[], datetime]
) -> None:
    dice = random.Random(7)
    acknowledged: dict[int, str] = {}
    for _ in range(10):
        with _start(tmp_path, "endless") as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(dice.uniform(0, 0.05))  # noqa: ASYNC251 - the moment of the cut
            writer.kill()
            lines = (first + writer.stdout.read()).decode().split("\n")[:-1]
        acknowledged.update((int(seq), own) for seq, own in (line.split() for line in lines))

        verdict = verify(tmp_path)
        assert verdict.ok, verdict.why
        journal = await Journal.open(tmp_path, table="t1", utc=noon)
        assert journal.head_seq >= max(acknowledged)
        await journal.close()

    stored = {event.seq: event.hash for event in stored_events(tmp_path)}
    assert list(stored) == list(range(1, len(stored) + 1))
    assert acknowledged.items() <= stored.items()
    assert len(acknowledged) > 100


def test_a_full_disk_fails_whole_batches_and_the_chain_goes_on_afterwards(tmp_path: Path) -> None:
    output = _run(tmp_path, "full")
    match = re.fullmatch(r"writable False refused 50\nwritable True recorded (\d+)\n", output)
    assert match, output
    verdict = verify(tmp_path)
    assert verdict.ok, verdict.why
    assert verdict.events == int(match[1]) > 100


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that everybody can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_state_directory_without_the_right_to_write_is_reported(open_path: Path) -> None:
    open_path.chmod(0o555)
    assert _run(open_path, "unprivileged").startswith("STATE_UNWRITABLE ")


def test_a_journal_without_the_right_to_write_is_reported(open_path: Path) -> None:
    assert _run(open_path, "brief") == "1\n"
    for file in open_path.iterdir():
        file.chmod(0o666 if file.name == "lock" else 0o444)
    open_path.chmod(0o555)
    assert _run(open_path, "unprivileged").startswith("STATE_UNWRITABLE ")


def test_a_journal_on_a_medium_that_cannot_be_written_can_be_verified(
    ten: tuple[Path, list[object]],
) -> None:
    path, events = ten
    # Without its log beside it, as on an archive's read-only medium.
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom droptable.journal.verify import verify\n"
        "if os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(verify(Path(sys.argv[1])))\n"
    )
    with tempfile.TemporaryDirectory() as name:
        archive = Path(name)
        for file in path.iterdir():
            (archive / file.name).write_bytes(file.read_bytes())
            (archive / file.name).chmod(0o444)
        archive.chmod(0o555)
        run = subprocess.run(
            [sys.executable, "-c", script, name], capture_output=True, text=True, check=False
        )
        archive.chmod(0o755)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Verdict(events=10, ")
    assert "why=None" in run.stdout
    assert head(path).seq == len(events)
