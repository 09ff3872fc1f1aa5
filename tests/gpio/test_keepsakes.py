"""Parameters outlive the power, whole or not at all, and a damaged store is found."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from droptable.board import keepsakes
from droptable.board.keepsakes import ParamsWriter, read_params, reset_cause, write_params

VALUES = {(0, 1): 2_000, (2, 8): -5, (255, 18): 30_000}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "params.json"


def test_what_was_written_is_read(path: Path) -> None:
    write_params(path, VALUES)
    assert read_params(path) == VALUES
    write_params(path, {})
    assert read_params(path) == {}
    assert [*path.parent.iterdir()] == [path]


def test_a_board_that_never_was_told_any_has_none(path: Path) -> None:
    assert read_params(path) == {}


def test_a_store_that_cannot_be_read_is_damaged(path: Path) -> None:
    path.mkdir()
    assert read_params(path) is None


def test_no_damage_passes_for_parameters(path: Path) -> None:
    write_params(path, VALUES)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for changed in (whole[at] ^ 1, whole[at] ^ 0x10):
            path.write_bytes(whole[:at] + bytes((changed,)) + whole[at + 1 :])
            assert read_params(path) in (None, VALUES), at
        path.write_bytes(whole[:at])
        assert read_params(path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": "board-params/2"},
        {"check": 0},
        {"rows": [[0, 1, 2_001], [2, 8, -5], [255, 18, 30_000]]},
        {"rows": [[0, 1], [2, 8, -5]]},
        {"rows": "none"},
        {"more": 1},
    ],
)
def test_another_document_is_a_damaged_store(path: Path, change: dict[str, object]) -> None:
    write_params(path, VALUES)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert read_params(path) is None


def test_a_write_that_fails_leaves_what_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(path, VALUES)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keepsakes.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_params(path, {})
    monkeypatch.undo()
    assert read_params(path) == VALUES
    assert [*path.parent.iterdir()] == [path]


def test_it_is_on_the_disk_before_it_takes_the_old_ones_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(fd: int) -> None:
        order.append("folder" if Path(f"/proc/self/fd/{fd}").is_dir() else "file")
        fsync(fd)

    def replaced(self: Path, target: Path) -> Path:
        order.append("replace")
        return replace(self, target)

    monkeypatch.setattr(keepsakes.os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_params(path, VALUES)
    assert order == ["file", "replace", "folder"]


def test_the_writer_ends_with_the_newest_written(path: Path) -> None:
    with closing(ParamsWriter(path)) as writer:
        for value in range(50):
            writer.keep({(0, 1): value})
    assert read_params(path) == {(0, 1): 49}


def test_what_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    with closing(ParamsWriter(tmp_path / "gone" / "params")) as writer:
        writer.keep(VALUES)
    assert writer.problem() == "No such file or directory"
    assert writer.problem() is None


# Why the board starts


def test_the_first_start_since_the_machine_booted_is_power_on(tmp_path: Path) -> None:
    kernel, ours = tmp_path / "kernel", tmp_path / "ours"
    kernel.write_text("boot-a\n")
    assert reset_cause(ours, kernel) == 1
    assert reset_cause(ours, kernel) == 5
    kernel.write_text("boot-b\n")
    assert reset_cause(ours, kernel) == 1


def test_what_cannot_be_known_is_unknown(tmp_path: Path) -> None:
    assert reset_cause(tmp_path / "ours", tmp_path / "none") == 0
    kernel = tmp_path / "kernel"
    kernel.write_text("boot-a")
    assert reset_cause(tmp_path / "no" / "folder", kernel) == 0
    (tmp_path / "ours").write_bytes(b"\xff\xfe")
    assert reset_cause(tmp_path / "ours", kernel) == 0


def test_this_machine_has_a_boot_id(tmp_path: Path) -> None:
    assert [reset_cause(tmp_path / "ours") for _ in range(2)] == [1, 5]
