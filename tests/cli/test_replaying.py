"""`droptable replay` and what the doctor says of the black box."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from droptable.blackbox.ring import FOLDER
from droptable.cli.doctor import SILENT_MAX_S, black_box_check
from droptable.cli.exits import ExitCode
from tests.blackbox.recorded import NOON, lines_of, put, segment_of_one_drop
from tests.cli.conftest import Command

FILE = "0000000001.jsonl.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A black box with one drop in it."""
    folder = tmp_path / "state" / FOLDER
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(segment_of_one_drop())
    return folder


def test_the_same_effects_are_code_0(droptable: Command, folder: Path) -> None:
    for place in (folder, folder / FILE):
        told = droptable("replay", str(place))
        assert told.code == ExitCode.DONE
        assert told.out.startswith(f"{FILE}\t{NOON.isoformat()}\t")
        assert told.out.endswith("the same effects\n")
        document = droptable("replay", str(place), "--json").document
        assert (document["schema"], document["same"]) == ("replay/1", True)
        assert document["segments"][0]["steps"] > 500


def test_another_effect_is_shown_and_code_8(droptable: Command, folder: Path) -> None:
    lines = lines_of(segment_of_one_drop())
    at = next(i for i, line in enumerate(lines) if "SendStop" in line)
    lines[at] = lines[at].replace("SendStop", "SendStart")
    put(folder, lines)
    told = droptable("replay", str(folder))
    assert told.code == ExitCode.FOUND_PROBLEM
    assert "the same effects up to there" in told.out
    for word in (f"step: {at - 1}", "time: 2026-03-01T12:00:0", "StopAsked", "SendStart"):
        assert word in told.out
    document = droptable("replay", str(folder), "--json").document
    assert document["same"] is False
    found = document["segments"][0]["difference"]
    assert found["step"] == at - 1
    assert "SendStart" in found["expected"]
    assert "SendStop" in found["got"]


def test_a_torn_end_is_said_and_damage_is_code_8(droptable: Command, folder: Path) -> None:
    content = segment_of_one_drop()
    (folder / FILE).write_bytes(content[:-3])
    told = droptable("replay", str(folder))
    assert told.code == ExitCode.DONE
    assert "torn off" in told.err
    (folder / FILE).write_bytes(content + b"noise")
    told = droptable("replay", str(folder), "--json")
    assert told.code == ExitCode.FOUND_PROBLEM
    assert "5 bytes are damaged" in told.err
    assert told.document["segments"][0]["lost_bytes"] == 5


def test_another_release_s_recording_is_refused_with_code_3(
    droptable: Command, folder: Path
) -> None:
    head, *rest = lines_of(segment_of_one_drop())
    put(folder, [head.replace('"program":"', '"program":"9'), *rest])
    told = droptable("replay", str(folder), "--json")
    assert told.code == ExitCode.REFUSED
    assert "RECORDING_FOREIGN" in told.err
    assert told.document["segments"][0]["problem"] == "RECORDING_FOREIGN"
    put(folder, lines_of(segment_of_one_drop())[1:], number=2)
    assert droptable("replay", str(folder)).code == ExitCode.FOUND_PROBLEM


def test_where_nothing_is_recorded_is_usage(droptable: Command, tmp_path: Path) -> None:
    assert droptable("replay", str(tmp_path)).code == ExitCode.USAGE
    told = droptable("replay", str(tmp_path / "nowhere"))
    assert told.code == ExitCode.USAGE
    assert "cannot be read" in told.err
    text = tmp_path / "text"
    text.write_text("hello")
    assert droptable("replay", str(text)).code == ExitCode.FOUND_PROBLEM


# The doctor


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A state directory that a daemon has: its lock is held."""
    directory = tmp_path / "state"
    directory.mkdir(exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield directory
    os.close(descriptor)


def test_the_doctor_finds_a_daemon_that_does_not_record(folder: Path, running: Path) -> None:
    assert black_box_check(running).ok
    seconds = (folder / FILE).stat().st_mtime
    os.utime(folder / FILE, (0, seconds - SILENT_MAX_S - 10))
    check = black_box_check(running)
    assert not check.ok
    assert "has not recorded" in check.finding
    assert check.remedy
    (folder / FILE).unlink()
    assert not black_box_check(running).ok


def test_without_a_daemon_nothing_need_be_recorded(tmp_path: Path, folder: Path) -> None:
    os.utime(folder / FILE, (0, 0))
    assert black_box_check(tmp_path / "state").ok
    assert black_box_check(tmp_path / "other").finding == "nothing is recorded yet"
