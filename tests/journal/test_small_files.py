"""A small file is whole, or as it was before; and a missing one is not a broken one."""

import subprocess
import sys
from pathlib import Path

import pytest

from droptable.journal.small_files import SMALL_MAX, read_small, write_atomically


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small"
    for content in (b"", b"a", b"x" * SMALL_MAX, b"b"):
        write_atomically(path, content)
        assert read_small(path) == content
    assert [file.name for file in tmp_path.iterdir()] == ["small"]


def test_missing_is_not_empty_and_not_unreadable(tmp_path: Path) -> None:
    assert read_small(tmp_path / "small") is None
    with pytest.raises(IsADirectoryError):
        read_small(tmp_path)


def test_what_is_too_long_is_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "small"
    with pytest.raises(ValueError, match="more than"):
        write_atomically(path, b"x" * (SMALL_MAX + 1))
    assert not path.exists()
    path.write_bytes(b"x" * (SMALL_MAX + 1))
    with pytest.raises(ValueError, match="longer"):
        read_small(path)


def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "small"
    write_atomically(path, b"old")
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from droptable.journal.small_files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    write_atomically(Path(sys.argv[1]), b'x' * 1000)\n"
        "except OSError:\n    print('refused')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "refused\n"
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["small"]
