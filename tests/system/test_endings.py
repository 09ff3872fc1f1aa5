"""How the daemon ends: in good order and in time, and who is told about its life."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import Mosquitto
from tests.system.house import Daemon, Simulator, daemon, simulator

END_MAX_S = 2.0


async def ends_in_good_order(table: Daemon, sim: Simulator) -> list[str]:
    """SIGTERM: exit 0 in time, and the table rests before the process is gone.

    Gives the kinds of all that was recorded until then.
    """
    await table.let_go()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert await table.end() == 0
    assert loop.time() - began_s < END_MAX_S
    at_the_end = await sim.truth()
    # Longer than the board's own dead-man: it had nothing left to do.
    later = await sim.passes(400_000)
    assert later["height_um"] == at_the_end["height_um"]
    assert later["pin_in"] == at_the_end["pin_in"]
    assert "Traceback" not in table.said
    async with daemon(table.state_dir.parent, sim.link) as after:
        (stopped,) = await after.events("daemon_stopped")
        assert stopped["data"] == {"at_rest": True}
        # The daemon took the licence to move away, and saw what came of it, before it ended.
        for ended in await after.events("lease_ended"):
            assert ended["data"]["cause"] == "daemon ends"
        return [event["kind"] for event in await recorded(after, stopped["seq"])]


async def recorded(table: Daemon, before: int) -> list[dict[str, Any]]:
    """All events below `before`."""
    told = (await table.api.get("/events", params={"after": 0, "limit": 1000})).json()
    return [event for event in told["events"] if event["seq"] < before]


@pytest.mark.serial
async def test_idle(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link) as table:
        await table.live()
        await ends_in_good_order(table, sim)


@pytest.mark.serial
async def test_armed(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link) as table:
        await table.armed(sim)
        assert {"disarmed", "lease_ended"} <= set(await ends_in_good_order(table, sim))
        assert (await sim.truth())["pin_in"]


@pytest.mark.serial
async def test_cocking(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link) as table:
        await table.cocking(sim)
        assert "lease_ended" in await ends_in_good_order(table, sim)
        assert (await sim.truth())["height_um"] < 19_000


@pytest.mark.serial
async def test_with_a_page_that_watches_and_a_broker_that_hangs(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with (
            simulator(tmp_path) as sim,
            daemon(tmp_path, sim.link, mqtt=broker.port) as table,
        ):
            await table.armed(sim)
            watching = await asyncio.open_connection(*address_of(table))
            # Half a body: a request that is under way and cannot go on.
            watching[1].write(
                b"PUT /api/v1/sections/pelvic/tension HTTP/1.1\r\nHost: localhost\r\n"
                b'Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{"newton":'
            )
            broker.pause()
            try:
                await ends_in_good_order(table, sim)
            finally:
                broker.resume()
                watching[1].close()
                await watching[1].wait_closed()


@pytest.mark.serial
async def test_without_a_board(tmp_path: Path) -> None:
    async with daemon(tmp_path, f"unix:{tmp_path / 'nobody'}") as table:
        await table.until_problem("LINK_UNREACHABLE")
        began_s = asyncio.get_running_loop().time()
        assert await table.end() == 0
        assert asyncio.get_running_loop().time() - began_s < END_MAX_S


async def test_a_service_manager_hears_of_its_life(tmp_path: Path) -> None:
    async with (
        simulator(tmp_path) as sim,
        daemon(tmp_path, sim.link, WATCHDOG_USEC="100000") as table,
    ):
        ready_at = table.notices.index("READY=1")
        assert table.notices[ready_at - 1].startswith("STATUS=Serving http://127.0.0.1:")
        async with asyncio.timeout(10):
            while table.notices.count("WATCHDOG=1") < 5:
                await table.hear()
        table.process.terminate()
        async with asyncio.timeout(10):
            while table.running and "STOPPING=1" not in table.notices:
                await table.hear()
        assert await table.ended() == 0
        assert table.notices[-1] == "STOPPING=1"


async def test_two_daemons_never_share_a_state_directory(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link) as table:
        await table.live()
        (tmp_path / "second").mkdir()
        second = Daemon(tmp_path / "second", sim.link, state=table.state_dir)
        try:
            await second.launch()
            assert await second.ended() == 3
        finally:
            await second.leave()
        assert "STATE_LOCKED: " in second.said
        assert "Another daemon uses this state directory" in second.said
        assert "--state-dir" in second.said
        assert "Traceback" not in second.said
        # The second one never got as far as the board.
        await table.live()
        assert "LINK_VANISHED" not in table.said


def address_of(table: Daemon) -> tuple[str, int]:
    url = table.api.base_url
    assert url.port is not None
    return url.host, url.port
