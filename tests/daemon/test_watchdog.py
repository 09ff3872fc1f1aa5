"""systemd hears of the daemon's life, over a real datagram socket, and its absence does no harm."""

import asyncio
import os
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from droptable.daemon.clock import SystemClock
from droptable.daemon.watchdog import Watchdog
from firmware_sim.virtual import VirtualClock, run_virtual


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's socket, in the file system or in Linux's abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        path = str(tmp_path / "notify")
        listening.bind(path if request.param == "path" else "\0" + path)
        listening.setblocking(False)
        yield listening


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    name = manager.getsockname()
    address = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return {"NOTIFY_SOCKET": address, **more}


def heard(manager: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines.append(manager.recv(4096).decode())
        except BlockingIOError:
            return lines


def live(*steps: Coroutine[Any, Any, None], until_s: float) -> None:
    """Let `steps` go on in virtual time, and end them after `until_s`."""

    async def main() -> None:
        tasks = [asyncio.create_task(step) for step in steps]
        await asyncio.sleep(until_s)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    run_virtual(main())


def test_the_manager_hears_each_stage_of_a_life(manager: socket.socket) -> None:
    watchdog = Watchdog(SystemClock(), environment(manager))
    watchdog.ready()
    watchdog.status("link live, 3 sections locked")
    watchdog.stopping()
    assert heard(manager) == ["READY=1", "STATUS=link live, 3 sections locked", "STOPPING=1"]


def test_a_status_cannot_smuggle_in_another_field(manager: socket.socket) -> None:
    Watchdog(SystemClock(), environment(manager)).status("drop\nSTOPPING=1\r\n")
    assert heard(manager) == ["STATUS=drop STOPPING=1"]


def test_beats_come_at_once_and_then_at_half_of_the_limit(manager: socket.socket) -> None:
    watchdog = Watchdog(VirtualClock(), environment(manager, WATCHDOG_USEC="2000000"))
    assert watchdog.beat_us == 1_000_000
    live(watchdog.run(lambda: True), until_s=3.5)
    assert heard(manager) == ["WATCHDOG=1"] * 4


def test_no_beat_while_not_healthy_and_beats_again_after(manager: socket.socket) -> None:
    watchdog = Watchdog(VirtualClock(), environment(manager, WATCHDOG_USEC="2000000"))
    answers = iter([True, False, False, True])
    live(watchdog.run(lambda: next(answers)), until_s=3.5)
    assert heard(manager) == ["WATCHDOG=1"] * 2


def test_a_loop_that_hangs_sends_no_beat_and_catches_none_up(manager: socket.socket) -> None:
    class Stalled(VirtualClock):
        """A clock on a loop that something holds for a minute."""

        async def sleep_until_us(self, at_us: int) -> None:
            await super().sleep_until_us(at_us + 60_000_000)

    watchdog = Watchdog(Stalled(), environment(manager, WATCHDOG_USEC="2000000"))
    live(watchdog.run(lambda: True), until_s=61.5)
    assert heard(manager) == ["WATCHDOG=1"] * 2


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "٣"},
        {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"},
    ],
)
async def test_nobody_beats_unasked(manager: socket.socket, more: dict[str, str]) -> None:
    watchdog = Watchdog(SystemClock(), environment(manager, **more), pid=4711)
    assert watchdog.beat_us is None
    await watchdog.run(lambda: True)  # returns: there is nothing to do
    assert heard(manager) == []


def test_this_process_is_the_one_that_is_asked(manager: socket.socket) -> None:
    asked = environment(manager, WATCHDOG_USEC="2000000", WATCHDOG_PID=str(os.getpid()))
    assert Watchdog(SystemClock(), asked).beat_us == 1_000_000


@pytest.mark.parametrize("address", [None, "", "relative/path", "vsock:2:1234"])
async def test_without_a_manager_it_is_silent(address: str | None) -> None:
    named = {} if address is None else {"NOTIFY_SOCKET": address}
    watchdog = Watchdog(SystemClock(), named | {"WATCHDOG_USEC": "2000000"})
    watchdog.ready()
    watchdog.status("alone")
    watchdog.stopping()
    await watchdog.run(lambda: True)


def test_a_manager_that_has_gone_does_not_fail_the_daemon(tmp_path: Path) -> None:
    watchdog = Watchdog(SystemClock(), {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    watchdog.ready()


def test_a_manager_that_does_not_read_never_holds_the_daemon(manager: socket.socket) -> None:
    watchdog = Watchdog(SystemClock(), environment(manager))
    for _ in range(10_000):
        watchdog.ready()
    assert 0 < len(heard(manager)) < 10_000
