"""A finger at a real socket of the real daemon, and a simulated table that moves by it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.system.house import LOOK_S, WAIT_MAX_S, Daemon, Simulator, daemon, simulator

pytestmark = pytest.mark.serial


async def test_a_daemon_that_just_started_refuses_to_arm_with_every_reason(tmp_path: Path) -> None:
    async with simulator(tmp_path) as table, daemon(tmp_path, table.host_link) as program:
        await program.live()
        await program.until(
            lambda s: "TENSION_OFF" not in codes(s["sections"]["pelvic"]["ready"]["arm"])
        )
        refused = codes(await program.refused("arm"))
    assert refused == ["PHASE", "LEASE_NONE", "TENSION_UNCONFIRMED", "NOBODY_LIES"]


def codes(reasons: list[dict[str, str]]) -> list[str]:
    return [reason["code"] for reason in reasons]


class Page:
    """What a tablet's page does: it shows the state, says that it is there, and tells of a finger."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.state: dict[str, Any] = {}
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._intent: int | None = None

    async def hear(self) -> None:
        async for text in self.socket:
            message = json.loads(text)
            if message["type"] == "state":
                self.state = message
            elif message["type"] == "over" and message["why"] == "unknown":
                # The last word of a finger and the end of its gesture have crossed on the way.
                continue
            elif message["type"] != "heartbeat":
                if message["type"] == "over":
                    self._intent = None
                self.heard.put_nowait(message)

    async def beat(self) -> None:
        while True:
            await self.say(type="alive")
            if self._intent is not None:
                await self.say(type="holding", intent=self._intent)
            await asyncio.sleep(0.1)

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def told(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_MAX_S):
            while (message := await self.heard.get())["type"] != kind:
                pass
        return message

    async def press(self, action: str, section: str = "pelvic") -> int:
        """A finger that stays."""
        seq = self.state["state_seq"]
        await self.say(type="press", action=action, section=section, state_seq=seq)
        intent: int = (await self.told("pressed"))["intent"]
        self._intent = intent
        return intent

    async def until_seen(self, phase: str, section: str = "pelvic") -> None:
        """What the page itself shows, so that a press is on this picture."""
        async with asyncio.timeout(WAIT_MAX_S):
            while self.state["sections"][section]["phase"] != phase:
                await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def page_of(table: Daemon) -> AsyncIterator[Page]:
    """A page that has the control."""
    url = httpx.URL(str(table.api.base_url)).copy_with(scheme="ws")
    async with connect(f"{url}ws", proxy=None) as socket:
        page = Page(socket)
        lanes = [asyncio.create_task(lane()) for lane in (page.hear, page.beat)]
        try:
            await page.say(type="lease_take")
            assert (await page.told("done"))["action"] == "lease_take"
            yield page
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)


@asynccontextmanager
async def table_of(tmp_path: Path) -> AsyncIterator[tuple[Simulator, Daemon, Page]]:
    """A table whose pelvic section may be cocked, and the page that has the control of it."""
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.host_link) as table:
        await table.homed(sim)
        await table.until(lambda s: not s["sections"]["pelvic"]["ready"]["cock"])
        await table.let_go()
        async with page_of(table) as page:
            yield sim, table, page


async def test_a_finger_cocks_and_arms_and_a_thrust_drops(tmp_path: Path) -> None:
    async with table_of(tmp_path) as (sim, table, page):
        await page.press("cock")
        shown = await table.until(lambda s: s["gesture"] is not None)
        assert shown["gesture"] | {"held_ms": 0} == {
            "by": "local",
            "means": "page",
            "action": "cock",
            "section": "pelvic",
            "held_ms": 0,
            "begun": shown["gesture"]["begun"],
        }
        assert (await page.told("over"))["why"] == "done"
        await table.until(lambda s: not s["sections"]["pelvic"]["ready"]["arm"])
        await page.until_seen("COCKED")
        intent = await page.press("arm")
        await page.say(type="commit", intent=intent)
        over = await page.told("over")
        assert over["why"] == "too-short"
        assert over["text"]
        intent = await page.press("arm")
        await table.until(lambda s: s["gesture"]["held_ms"] >= 920)
        await page.say(type="commit", intent=intent)
        await page.told("begun")
        assert (await page.told("over"))["why"] == "done"
        await table.until_phase("ARMED")
        drop = await table.dropped(sim)
        assert "series" not in drop["data"]


async def test_a_socket_that_is_torn_off_stops_what_its_finger_moves(tmp_path: Path) -> None:
    async with table_of(tmp_path) as (sim, table, page):
        await page.press("cock")
        while (await sim.truth())["height_um"] < 2_000:
            await asyncio.sleep(LOOK_S)
        page.socket.transport.abort()
        await table.until_phase("HALTED")
        assert (await table.state())["gesture"] is None
        height_um = (await sim.truth())["height_um"]
        truth = await sim.passes(500_000)
        assert truth["height_um"] == height_um
        assert (await table.section())["phase"] == "HALTED"


async def test_a_series_under_the_pedal_and_its_leg_lengths(tmp_path: Path) -> None:
    async with table_of(tmp_path) as (sim, table, page):
        wanted = {"section": "pelvic", "drops": 2, "window_s": 60.0}
        await table.do("POST", "/series", wanted)
        leg = {"when": "before", "shorter": "left", "millimetres": 6.0}
        await table.do("POST", "/series/leg-length", leg)
        await sim.hand(do="pedal", down=True)
        for _ in range(2):
            await table.until_phase("ARMED")
            while (await sim.truth())["pin_in"]:
                await asyncio.sleep(LOOK_S)
            await table.dropped(sim)
        await table.until(lambda s: s["series"]["ended"] == "count reached")
        await sim.hand(do="pedal", down=False)
        after = {"when": "after", "shorter": "neither", "millimetres": 0.0}
        await table.do("POST", "/series/leg-length", after)
        series = (await table.api.get("/series")).json()["series"]
        assert (series["drops"], series["done"]) == (2, 2)
        assert series["before"] == {"shorter": "left", "millimetres": 6.0}
        drops = await table.events("drop")
        assert [drop["data"]["series"] for drop in drops] == [series["id"]] * 2
        (ended,) = await table.events("series_ended")
        assert ended["data"] == {"series": series["id"], "cause": "count reached", "drops": 2}
        assert len(await table.events("leg_length")) == 2
        assert page.socket.close_code is None
