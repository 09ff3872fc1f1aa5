"""Whether the clock is synchronised is the kernel's to say."""

import ctypes

import pytest

from droptable.daemon import time_quality
from droptable.daemon.time_quality import kernel_time_quality


def test_the_answer_is_the_kernels() -> None:
    libc = ctypes.CDLL(None)
    state = libc.adjtimex(ctypes.create_string_buffer(256))
    assert state >= 0, "this kernel cannot be asked"
    assert kernel_time_quality() == ("unsynced" if state == 5 else "synced")


def test_asking_never_sets() -> None:
    before = ctypes.create_string_buffer(256)
    ctypes.CDLL(None).adjtimex(before)
    for _ in range(100):
        kernel_time_quality()
    assert time_quality._timex.raw[:4] == bytes(4), "modes is 0: nothing to set"


def test_a_system_that_cannot_be_asked_is_unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (None, lambda _: -1, lambda _: 5):
        monkeypatch.setattr(time_quality, "_adjtimex", answer)
        assert kernel_time_quality() == "unsynced"
    monkeypatch.setattr(time_quality, "_adjtimex", lambda _: 0)
    assert kernel_time_quality() == "synced"
