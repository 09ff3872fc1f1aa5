"""STOP from everywhere that it may come from, and what it takes to take one back."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomqtt
import httpx
import pytest
from websockets.asyncio.client import connect

from tests.brokers import LOOPBACK, Mosquitto
from tests.system.house import LOOK_S, Daemon, Simulator, daemon, run, simulator

pytestmark = pytest.mark.serial

STOP_TOPIC = "droptable/v1/demo/table-1/command/stop"


def page_url(table: Daemon) -> httpx.URL:
    return httpx.URL(str(table.api.base_url))


async def by_http(table: Daemon, _port: int, _tmp_path: Path) -> None:
    # Without a body, a token or a lease.
    async with httpx.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.post(f"{page_url(table)}stop")).status_code == 200


async def by_socket(table: Daemon, _port: int, _tmp_path: Path) -> None:
    async with connect(f"{page_url(table).copy_with(scheme='ws')}ws", proxy=None) as socket:
        await socket.send('{"type": "stop"}')
        async with asyncio.timeout(5):
            while json.loads(await socket.recv())["type"] != "stop_sent":
                pass


async def by_mqtt(_table: Daemon, port: int, _tmp_path: Path) -> None:
    async with aiomqtt.Client(LOOPBACK, port) as client:
        await client.publish(STOP_TOPIC, b"", qos=1)


async def by_command_line(table: Daemon, _port: int, tmp_path: Path) -> None:
    url = str(page_url(table)).removesuffix("/api/v1/")
    program = await run(tmp_path, "droptable", "stop", "--url", url)
    assert program.process.returncode == 0, program.said
    assert program.stdout == b"stopped\n"


async def by_signal(table: Daemon, _port: int, _tmp_path: Path) -> None:
    table.process.send_signal(signal.SIGUSR1)


LANES: dict[str, Callable[[Daemon, int, Path], Awaitable[None]]] = {
    "http": by_http,
    "page": by_socket,
    "mqtt": by_mqtt,
    "signal": by_signal,
}


async def armed_again(table: Daemon, sim: Simulator) -> None:
    """Take the stop back, as an operator who has the lease, and arm."""
    await table.do("POST", "/stop/reset")
    await table.until(lambda s: s["stop"]["latched"] is False)
    await table.until(lambda s: not s["sections"]["pelvic"]["ready"]["arm"])
    await table.do("POST", "/sections/pelvic/arm")
    await table.until_phase("ARMED")
    while (await sim.truth())["pin_in"]:
        await asyncio.sleep(LOOK_S)


async def stepped(table: Daemon, sim: Simulator, *, down: bool) -> None:
    """A foot on the pedal, or off it, as the board has seen."""
    await sim.hand(do="pedal", down=down)
    while not any(each["data"]["down"] is down for each in await table.events("pedal")):
        await asyncio.sleep(LOOK_S)


async def stopped(table: Daemon, sim: Simulator) -> None:
    """The board is stopped, as it has confirmed, and the pin is in."""
    await table.until(lambda s: s["stop"]["latched"] and not s["stop"]["unconfirmed"])
    while not (await sim.truth())["pin_in"]:
        await asyncio.sleep(LOOK_S)
    await table.until_phase("COCKED")


async def test_stop_comes_through_from_everywhere_and_is_in_the_journal(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        async with (
            simulator(tmp_path) as sim,
            daemon(tmp_path, sim.link, mqtt=broker.port) as table,
        ):
            await table.armed(sim)
            for lane in (*LANES.values(), by_command_line):
                await lane(table, broker.port, tmp_path)
                await stopped(table, sim)
                assert "STOP_LATCHED" in {each["code"] for each in await table.refused("arm")}
                if lane is not by_command_line:
                    await armed_again(table, sim)
            told = [event["actor"] for event in await table.events("stop_requested")]
            assert told == [*LANES, "http"]


async def test_a_stop_is_not_confirmed_until_the_board_shows_it(tmp_path: Path) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.host_link) as table:
        await table.live()
        sim.process.send_signal(signal.SIGSTOP)
        try:
            await table.do("POST", "/stop")
            shown = await table.until(lambda s: s["link"]["state"] != "live")
            assert shown["stop"]["unconfirmed"] is True
            assert shown["stop"]["latched"] is None
        finally:
            sim.process.send_signal(signal.SIGCONT)
        await table.until(lambda s: s["stop"]["latched"] and not s["stop"]["unconfirmed"])


async def test_a_stop_is_taken_back_only_with_its_cause_gone_by_who_has_the_lease(
    tmp_path: Path,
) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.host_link) as table:
        await table.live()
        await sim.hand(do="estop", open=True)
        await table.until(lambda s: s["stop"]["latched"])

        async def refused() -> set[str]:
            answer = await table.api.post("/stop/reset")
            return {each["code"] for each in answer.json()["refused"]}

        assert await refused() == {"ESTOP_OPEN", "LEASE_NONE"}
        await table.take_control()
        assert await refused() == {"ESTOP_OPEN"}
        await sim.hand(do="estop", open=False)
        await table.until(lambda s: not s["stop"]["estop_open"])
        assert (await table.state())["stop"]["latched"] is True, "it does not take itself back"
        await stepped(table, sim, down=True)
        assert await refused() == {"HELD"}
        await stepped(table, sim, down=False)
        await table.do("POST", "/stop/reset")
        await table.until(lambda s: s["stop"]["latched"] is False)
