"""What is granted is so, what is not is told, and neither keeps the board from running."""

import json
import os
import subprocess
import sys
from typing import Any

LOOK = """
import gc, json, os, resource, sys
from droptable.board.realtime import RealTime, ask_for
wishes = json.loads(sys.argv[1])
if wishes.pop("poor", False):
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    if os.geteuid() == 0:
        os.setgid(65534); os.setuid(65534)
answers = ask_for(RealTime(**wishes))
locked = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmLck")][0]
print(json.dumps({
    "answers": [[a.granted, a.text] for a in answers],
    "policy": os.sched_getscheduler(0) & 0xff, "priority": os.sched_getparam(0).sched_priority,
    "cpus": sorted(os.sched_getaffinity(0)), "locked_kb": int(locked), "frozen": gc.get_freeze_count(),
}))
"""


def asked(**wishes: Any) -> dict[str, Any]:
    """A process of its own asks, for what is granted lasts as long as it does."""
    wishes = {"priority": 0, "cpu": None, "lock_memory": False, "freeze_collector": False, **wishes}
    command = [sys.executable, "-c", LOOK, json.dumps(wishes)]
    told = subprocess.run(command, capture_output=True, check=True, text=True)
    shown: dict[str, Any] = json.loads(told.stdout)
    return shown


def test_without_wishes_nothing_is_asked() -> None:
    shown = asked()
    assert shown["answers"] == []
    assert shown["policy"] == os.SCHED_OTHER
    assert shown["frozen"] == 0


def test_the_collector_is_frozen_when_that_is_wished_and_it_is_told() -> None:
    shown = asked(freeze_collector=True)
    assert shown["answers"] == [[True, "garbage collector frozen"]]
    assert shown["frozen"] > 5_000


def test_every_wish_is_granted_or_refused_as_it_is_told() -> None:
    cpu = min(os.sched_getaffinity(0))
    shown = asked(priority=7, cpu=cpu, lock_memory=True)
    granted = dict(zip(("memory", "core", "priority"), shown["answers"], strict=True))
    assert granted["memory"][0] is (shown["locked_kb"] > 1_000)
    assert granted["core"] == [True, f"on core {cpu}"]
    assert shown["cpus"] == [cpu]
    assert granted["priority"][0] is (shown["policy"] == os.SCHED_FIFO)
    assert shown["priority"] == (7 if granted["priority"][0] else 0)
    assert all(len(text) <= 52 for _, text in shown["answers"])


def test_a_core_that_is_not_there_is_refused() -> None:
    assert asked(cpu=255)["answers"] == [[False, "not on core 255: invalid argument"]]


def test_one_who_may_nothing_is_told_so_and_runs_all_the_same() -> None:
    shown = asked(priority=50, lock_memory=True, poor=True)
    assert shown["answers"] == [
        [False, "memory not locked: limit is not infinity"],
        [False, "no SCHED_FIFO 50: operation not permitted"],
    ]
    assert shown["policy"] == os.SCHED_OTHER
    assert shown["locked_kb"] == 0
