"""The black box keeps to its size, and nothing that happens to its disk happens to the table."""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from droptable.blackbox.recorder import BATCH_MAX_CHARS, RETRY_US, WAITING_MAX, Recorder
from droptable.blackbox.recording import read
from droptable.blackbox.ring import FILES_MAX, Ring, segments_in
from droptable.core.events import Event, StopAsked, TimePassed
from droptable.core.model import State
from tests.blackbox.recorded import (
    CODECS,
    NOON,
    Seen,
    one_drop,
    played,
    recorded,
    recorder,
    replayed,
    steps_of_one_drop,
)
from tests.daemon.practice import Practice

STEPS = steps_of_one_drop()


class TellingRing(Ring):
    """Tells when something was written, so that a test is never ahead of the disk."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        super().__init__(folder, size_bytes)
        self.written = threading.Semaphore(0)

    def write(self, packed: bytes) -> None:
        super().write(packed)
        self.written.release()


class InStep:
    """A recorder whose every batch is on disk before the next step is taken."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.ring = TellingRing(folder, size_bytes)
        self.box = Recorder(self.ring, CODECS, run="abc", utc=lambda: NOON)

    def saw(self, *step: Any) -> None:
        self.box.saw(*step)
        if not self.box._lines:
            assert self.ring.written.acquire(timeout=20)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def over_and_over(from_us: int = 0) -> Iterator[Seen]:
    """Steps without an end, of growing time."""
    now_us = from_us
    for before, event, _, done in cycle(STEPS):
        now_us += 20_000
        yield before, event, now_us, done


def test_the_ring_keeps_to_its_size_and_each_segment_can_be_played(tmp_path: Path) -> None:
    size_bytes = 160_000
    box = InStep(tmp_path, size_bytes)
    shift_us = STEPS[-1][2] - STEPS[0][2]
    for turn in range(60):
        for before, event, now_us, done in STEPS:
            box.saw(before, event, now_us + turn * shift_us, done)
        assert size_of(tmp_path) <= size_bytes + BATCH_MAX_CHARS
    box.box.close(20)
    kept = segments_in(tmp_path)
    assert kept[0].name > "0000000001"
    assert len(kept) > 3
    assert size_of(tmp_path) > size_bytes // 2
    numbers = [int(path.name.split(".")[0]) for path in kept]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(again.problem is None and again.lost is None for again in replayed(tmp_path))


def test_a_long_recording_comes_out_the_same_across_its_segments(tmp_path: Path) -> None:
    async def a_while(practice: Practice) -> None:
        await one_drop(practice)
        await practice.passes(8_000_000)

    taken: list[Seen] = []
    box = InStep(tmp_path, 48_000)
    played(a_while, lambda *step: (taken.append(step), box.saw(*step)))
    box.box.close(20)
    found = replayed(tmp_path)
    assert len(found) > 2
    assert all(again.same for again in found)
    assert sum(again.steps for again in found) == len(taken)


def test_many_short_runs_leave_a_bounded_number_of_files(tmp_path: Path) -> None:
    for _ in range(FILES_MAX + 10):
        ring = Ring(tmp_path, 2**30)
        ring.begin()
        ring.close()
    kept = segments_in(tmp_path)
    assert len(kept) == FILES_MAX
    assert int(kept[-1].name.split(".")[0]) == FILES_MAX + 10


def test_the_recording_is_its_owner_s_alone(tmp_path: Path) -> None:
    (path,) = recorded(STEPS[:5], tmp_path / "box")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_else_lies_in_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "x.jsonl.gz").write_text("mine too")
    recorded(STEPS[:5], tmp_path)
    assert len(segments_in(tmp_path)) == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3


@contextmanager
def no_file_longer_than(size_bytes: int) -> Iterator[None]:
    """A disk that takes no more: writes beyond it fail, as on a full one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def take_until(box: Recorder, steps: Iterator[Seen], *, finding: bool) -> None:
    """Take steps until there is a finding, or none any more."""
    for _, step in zip(range(2_000_000), steps, strict=False):
        box.saw(*step)
        if (box.finding is not None) is finding:
            return
    raise AssertionError("nothing changed")


def test_a_full_disk_is_a_finding_and_the_recording_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    box = recorder(tmp_path)
    steps = over_and_over()
    with no_file_longer_than(6_000):
        take_until(box, steps, finding=True)
        assert "cannot be written" in str(box.finding)
        full = segments_in(tmp_path)
        for _, step in zip(range(RETRY_US // 20_000 - 100), steps, strict=False):
            box.saw(*step)
        # Nobody knocks at a full disk with every step.
        assert segments_in(tmp_path) == full
    take_until(box, steps, finding=False)
    box.close(20)
    assert box.finding is None
    kept = segments_in(tmp_path)
    assert len(kept) >= 2
    first, last = replayed(kept[0])[0], replayed(kept[-1])[0]
    assert first.lost is None or first.lost.torn
    assert last.problem is None


def test_a_folder_that_cannot_be_made_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    box = recorder(tmp_path / "file" / "box")
    take_until(box, over_and_over(), finding=True)
    box.close(20)
    assert "Not a directory" in str(box.finding)


class HungRing(Ring):
    """A disk that does not answer until it is let."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        super().__init__(folder, size_bytes)
        self.answers = threading.Event()

    def write(self, packed: bytes) -> None:
        self.answers.wait()
        super().write(packed)


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[tuple[Recorder, HungRing]]:
    ring = HungRing(tmp_path, 2**23)
    box = Recorder(ring, CODECS, run="abc", utc=lambda: NOON)
    yield box, ring
    ring.answers.set()
    box.close(20)


def test_a_hung_disk_costs_a_gap_and_bounded_memory(hung: tuple[Recorder, HungRing]) -> None:
    box, ring = hung
    steps = over_and_over()
    take_until(box, steps, finding=True)
    assert "behind" in str(box.finding)
    for _, step in zip(range(5_000), steps, strict=False):
        box.saw(*step)
    waiting = list(box._writer._waiting.queue)
    assert len(waiting) <= WAITING_MAX
    assert max(len(text) for _, text in waiting if text) < 2 * BATCH_MAX_CHARS
    assert len(box._lines) < 5_000
    ring.answers.set()
    take_until(box, steps, finding=False)


def test_an_ending_daemon_does_not_wait_for_a_hung_disk(hung: tuple[Recorder, HungRing]) -> None:
    box, _ = hung
    for step in STEPS:
        box.saw(*step)
    began_s = perf_counter()
    box.close(0.05)
    assert perf_counter() - began_s < 1


@pytest.mark.serial
def test_no_step_waits_for_a_hung_disk(hung: tuple[Recorder, HungRing]) -> None:
    """As quick while the disk hangs as when it answers; a thousandth may be the machine's doing."""
    box, _ = hung
    took_s = []
    for _, step in zip(range(20_000), over_and_over(), strict=False):
        began_s = perf_counter()
        box.saw(*step)
        took_s.append(perf_counter() - began_s)
    assert box.finding is not None
    assert sorted(took_s)[-20] < 0.002


def test_a_value_that_cannot_be_written_is_a_finding_and_fails_nothing(tmp_path: Path) -> None:
    before, _, now_us, _ = STEPS[0]
    box = recorder(tmp_path)
    box.saw(before, object(), now_us, ())  # type: ignore[arg-type]
    assert "cannot be recorded" in str(box.finding)
    box.saw(before, StopAsked("page"), now_us + RETRY_US, ())
    box.close(20)
    assert box.finding is None
    (again,) = replayed(tmp_path)
    # The step count goes on through the gap.
    assert again.difference is not None
    assert again.difference.step == 1


def test_a_finding_is_logged_once_and_its_end_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _, now_us, _ = STEPS[0]
    box = recorder(tmp_path)
    bad: Event = object()  # type: ignore[assignment]
    for turn in range(5):
        box.saw(before, bad, now_us + turn * RETRY_US, ())
    box.saw(before, TimePassed(), now_us + 9 * RETRY_US, ())
    box.close(20)
    said = capsys.readouterr().out
    assert said.count("BLACK_BOX_GAP") == 1
    assert said.count("records again") == 1


def test_state_is_what_the_state_was_before_the_first_step(tmp_path: Path) -> None:
    state: State = STEPS[40][0]
    recorded(STEPS[40:], tmp_path)
    head, _, _ = read(CODECS, next(tmp_path.iterdir()).read_bytes())
    assert head.state == state
