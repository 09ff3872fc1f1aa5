"""Plays one drop from finger to broker, as a person would: through the API, at the real programs.

Each step says what it waited for, so that a miss names the step and the reason.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiomqtt
import httpx

from droptable.daemon.clock import Clock, SystemClock
from droptable.demo.stage import Stage
from droptable.errors import DroptableError
from droptable.sections import Section

SECTION = Section.PELVIC
PATIENT_N = (250.0, 150.0, 200.0)
TENSION_N = 320.0
"""120 N above what rests on the section: within the 50 to 150 N that practitioners set."""
TENSION_NEAR_N = 10.0
THRUST = {"peak_n": 400.0, "rise_ms": 120.0, "preload_n": 60.0}
"""A usual pelvic thrust: 200 to 600 N at its peak, 80 to 170 ms to rise."""

STEP_MAX_S = 8.0
LOOK_EVERY_US = 20_000
RENEW_EVERY_US = 700_000

Say = Callable[[str], None]


async def play_once(stage: Stage, say: Say) -> dict[str, Any]:
    """The drop as it came back from the broker. DroptableError DEMO_STEP names what was missed."""
    try:
        return await _played(stage, SystemClock(), say)
    except aiomqtt.MqttError as error:
        raise DroptableError("DEMO_STEP", f"the broker: {error}") from error


async def _played(stage: Stage, clock: Clock, say: Say) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {stage.token}"}
    async with (
        aiomqtt.Client(stage.broker.host, stage.broker.port) as subscriber,
        httpx.AsyncClient(base_url=f"{stage.page}api/v1", headers=headers) as api,
    ):
        await subscriber.subscribe(f"{stage.topics}/event/drop", qos=1)
        player = _Player(stage, api, clock, say)
        seq = await player.play()
        drop: dict[str, Any] = await player.step(
            "drop back from the broker", _drop(subscriber, seq)
        )
        return drop


async def _drop(subscriber: aiomqtt.Client, seq: int) -> dict[str, Any]:
    """The event of this number; the broker may still have older ones to hand over."""
    async for message in subscriber.messages:
        event: dict[str, Any] = json.loads(message.payload)
        if event["seq"] == seq:
            return event
    raise DroptableError("DEMO_STEP", "the broker closed the connection")


class _Player:
    """One run through a section's life."""

    def __init__(self, stage: Stage, api: httpx.AsyncClient, clock: Clock, say: Say) -> None:
        self._stage = stage
        self._api = api
        self._clock = clock
        self._say = say
        self._began_us = clock.monotonic_us()
        self._against: str | None = None
        """What was last seen that was not as it should be."""

    async def play(self) -> int:
        """Lie down, take the control, home, set the tension, cock, arm, thrust; the drop's number."""
        act = f"/sections/{SECTION.label}"
        await self.step("patient lies down", self._hand({"do": "patient", "load_n": PATIENT_N}))
        await self.step("board is known", self._until(_known))
        await self.step("control taken", self._ask("POST", "/lease"))
        async with self._kept_lease():
            await self.step("homed", self._ask("POST", f"{act}/home"))
            await self.step("section is LOCKED", self._until(_in("LOCKED")))
            tension = self._ask("PUT", f"{act}/tension", {"newton": TENSION_N})
            await self.step(f"tension of {TENSION_N:.0f} N asked for", tension)
            await self.step("tension reached", self._until(_tense))
            await self.step("may be cocked", self._until(_ready("cock")))
            await self.step("cocking", self._ask("POST", f"{act}/cock"))
            await self.step("section is COCKED", self._until(_in("COCKED")))
            await self.step("may be armed", self._until(_ready("arm")))
            await self.step("arming", self._ask("POST", f"{act}/arm"))
            await self.step("section is ARMED", self._until(_in("ARMED")))
            before = _section(await self._state())["last_drop"]
            thrust = {"do": "thrust", "section": SECTION.label, **THRUST}
            await self.step("practitioner thrusts", self._hand(thrust))
            await self.step("section is LOCKED again", self._until(_dropped_after(before)))
            seq: int = _section(await self._state())["last_drop"]["seq"]
        return seq

    async def step(self, name: str, doing: Awaitable[Any]) -> Any:
        """Do one thing, and say when it was done; DroptableError when it was refused or missed."""
        try:
            async with asyncio.timeout(STEP_MAX_S):
                result = await doing
        except TimeoutError:
            why = (self._against or "no answer").rstrip(".")
            raise DroptableError("DEMO_STEP", f"{name}: not in {STEP_MAX_S:g} s: {why}") from None
        except DroptableError as error:
            raise DroptableError("DEMO_STEP", f"{name}: {error.detail}") from error
        except (httpx.HTTPError, aiomqtt.MqttError, OSError, ValueError) as error:
            raise DroptableError("DEMO_STEP", f"{name}: {type(error).__name__} {error}") from error
        seconds = (self._clock.monotonic_us() - self._began_us) / 1e6
        self._against = None
        self._say(f"{seconds:7.3f} s  {name}")
        return result

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = await self._api.request(method, path, json=body)
        if not answer.is_success:
            raise DroptableError("DEMO_STEP", f"{method} {path}: {_refusal(answer)}")

    async def _hand(self, deed: dict[str, Any]) -> None:
        """Do something to the simulated table."""
        host, _, port = self._stage.control.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(json.dumps(deed).encode() + b"\n")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()
        if not answer["ok"]:
            raise DroptableError("DEMO_STEP", f"the simulator refused: {answer['error']}")

    async def _until(self, holds: Callable[[dict[str, Any]], str | None]) -> None:
        """Look at the state until `holds` has nothing against it any more."""
        while (against := holds(await self._state())) is not None:
            self._against = against
            await self._clock.sleep_until_us(self._clock.monotonic_us() + LOOK_EVERY_US)

    async def _state(self) -> dict[str, Any]:
        answer = await self._api.get("/state")
        if not answer.is_success:
            raise DroptableError("DEMO_STEP", f"GET /state: {_refusal(answer)}")
        state: dict[str, Any] = answer.json()
        return state

    @asynccontextmanager
    async def _kept_lease(self) -> AsyncIterator[None]:
        """Hold on to the control, and give it back."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            # Shielded from what went wrong before; it ends by itself within seconds anyway.
            with suppress(httpx.HTTPError):
                await self._api.delete("/lease")

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep_until_us(self._clock.monotonic_us() + RENEW_EVERY_US)
            await self._ask("POST", "/lease")


def _refusal(answer: httpx.Response) -> str:
    """Why not, for a person."""
    try:
        told = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    reasons = told.get("refused", [])
    return "; ".join(f"{r['code']}: {r['text']}" for r in reasons) or str(told)


def _section(state: dict[str, Any]) -> dict[str, Any]:
    section: dict[str, Any] = state["sections"][SECTION.label]
    return section


def _known(state: dict[str, Any]) -> str | None:
    """The board is heard, and its parameters are proven: nothing of the link is against motion."""
    if state["link"]["state"] != "live":
        return state["link"]["problem"] or f"the link is {state['link']['state']}"
    codes = {reason["code"] for reason in _section(state)["ready"]["cock"]}
    waiting = codes & {"PARAMS_DIFFER", "PARAMS_INCOMPLETE", "SESSION_NEW", "LINK_STALE"}
    return ", ".join(sorted(waiting)) or None


def _in(phase: str) -> Callable[[dict[str, Any]], str | None]:
    def against(state: dict[str, Any]) -> str | None:
        seen = _section(state)["phase"]
        why = state["link"]["problem"] or f"it is {seen}"
        return None if seen == phase else why

    return against


def _dropped_after(before: dict[str, Any] | None) -> Callable[[dict[str, Any]], str | None]:
    def against(state: dict[str, Any]) -> str | None:
        if _section(state)["last_drop"] == before:
            return f"no drop; it is {_section(state)['phase']}"
        return _in("LOCKED")(state)

    return against


def _tense(state: dict[str, Any]) -> str | None:
    measured_n = _section(state)["tension"]["measured_n"]
    near = measured_n is not None and abs(measured_n - TENSION_N) < TENSION_NEAR_N
    return None if near else f"{measured_n} N"


def _ready(verb: str) -> Callable[[dict[str, Any]], str | None]:
    def against(state: dict[str, Any]) -> str | None:
        return "; ".join(r["code"] for r in _section(state)["ready"][verb]) or None

    return against
