"""A trace is there as it was, or the reader is told why not."""

import hashlib
from pathlib import Path

import pytest

from droptable.thrusts.shelf import LoadTrace, Shelf, TraceDamaged, as_csv, as_json, loads_n

EPOCH = "e" * 32


def a_trace(drop_seq: int = 7, count: int = 512) -> LoadTrace:
    load_n = loads_n([-32_768, *range(1, count)])
    return LoadTrace(
        epoch=EPOCH, drop_seq=drop_seq, section="pelvic", dt_us=1000, edge=256, load_n=load_n
    )


def the_file(state_dir: Path, drop_seq: int = 7) -> Path:
    return state_dir / "traces" / EPOCH / f"{drop_seq}.json"


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, EPOCH)
    digests = {number: shelf.keep(a_trace(number)) for number in (7, 8)}
    for number, digest in digests.items():
        assert shelf.read(number, digest) == a_trace(number)
        assert hashlib.sha256(the_file(tmp_path, number).read_bytes()).hexdigest() == digest


def test_what_was_never_kept_is_not_there(tmp_path: Path) -> None:
    assert Shelf(tmp_path, EPOCH).read(7, "0" * 64) is None
    digest = Shelf(tmp_path, EPOCH).keep(a_trace())
    assert Shelf(tmp_path, "f" * 32).read(7, digest) is None


def test_a_changed_file_is_found_out(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, EPOCH)
    digest = shelf.keep(a_trace())
    path = the_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"0.1", b"0.2", 1))
    with pytest.raises(TraceDamaged, match="drop 7 is not what was recorded"):
        shelf.read(7, digest)


def test_a_file_that_is_no_trace_is_found_out(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, EPOCH)
    shelf.keep(a_trace())
    the_file(tmp_path).write_bytes(b"{}")
    with pytest.raises(TraceDamaged, match="another version"):
        shelf.read(7, hashlib.sha256(b"{}").hexdigest())
    the_file(tmp_path).write_bytes(b" " * 70_000)
    with pytest.raises(TraceDamaged, match="longer"):
        shelf.read(7, "0" * 64)


def test_the_longest_trace_fits(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, EPOCH)
    trace = a_trace().model_copy(update={"load_n": loads_n([-32_767] * 4096)})
    assert shelf.read(7, shelf.keep(trace)) == trace


def test_as_a_table() -> None:
    lines = as_csv(a_trace()).splitlines()
    assert lines[0] == "time_ms,load_n"
    assert lines[1] == "-256.0,"
    assert lines[257] == "0.0,25.6"
    assert lines[512] == "255.0,51.1"


def test_as_a_document() -> None:
    assert LoadTrace.model_validate_json(as_json(a_trace())) == a_trace()
