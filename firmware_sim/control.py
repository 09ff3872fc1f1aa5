"""The hand around the simulated table: a port on which programs thrust, lie down and press pedals.

One JSON object a line, one line of answer. It reaches the mechanics only, never the board: whatever
is done here could be done to a real table with hands and feet.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from droptable.link.transport import parse_tcp
from droptable.sections import Section, section_named
from firmware_sim.mechanics import Mechanics

LINE_MAX_BYTES = 4096
ANSWER_WAIT_S = 5.0

Load = Annotated[float, Field(ge=0, le=3_000)]
SectionName = Literal["thoracic", "lumbar", "pelvic"]


class _Deed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Thrust(_Deed):
    """A practitioner thrusts."""

    do: Literal["thrust"]
    section: SectionName
    peak_n: float = Field(gt=0, le=3_000)
    rise_ms: float = Field(gt=0, le=2_000)
    preload_n: float = Field(50.0, ge=0, le=500)


class Patient(_Deed):
    """A patient lies down with these loads on the sections, newtons; null: gets off."""

    do: Literal["patient"]
    load_n: tuple[Load, Load, Load] | None = Field(strict=False)


class Pedal(_Deed):
    """Someone steps on the pedal, or off."""

    do: Literal["pedal"]
    down: bool


class EStop(_Deed):
    """The red button is pushed, or released."""

    do: Literal["estop"]
    open: bool


class Supply(_Deed):
    """The supply voltage changes."""

    do: Literal["supply"]
    mv: int = Field(ge=0, le=65_535)


class Air(_Deed):
    """The air pressure changes."""

    do: Literal["air"]
    kpa: int = Field(ge=0, le=65_535)


class Truth(_Deed):
    """What the sections really do."""

    do: Literal["truth"]


Deed = Annotated[Thrust | Patient | Pedal | EStop | Supply | Air | Truth, Field(discriminator="do")]
_DEEDS: TypeAdapter[Deed] = TypeAdapter(Deed)


def carry_out(deed: Deed, mechanics: Mechanics) -> dict[str, Any]:
    """Do it to the table, at its present moment; what there is to say about it."""
    match deed:
        case Thrust():
            mechanics.thrust(
                section_named(deed.section),
                peak_n=deed.peak_n,
                rise_ms=deed.rise_ms,
                preload_n=deed.preload_n,
            )
        case Patient(load_n=load_n):
            mechanics.patient(load_n)
        case Pedal(down=down):
            mechanics.pedal(down)
        case EStop(open=opened):
            mechanics.estop(opened)
        case Supply(mv=mv):
            mechanics.supply(mv)
        case Air(kpa=kpa):
            mechanics.air(kpa)
        case Truth():
            return _truth(mechanics)
    return {}


def _truth(mechanics: Mechanics) -> dict[str, Any]:
    shown = {}
    for section in Section:
        truth = mechanics.truth(section)
        shown[section.label] = {
            "height_um": truth.height_um,
            "pin_in": truth.pin_in,
            "falling": truth.falling,
            "drops": truth.drops,
        }
    return {"now_us": mechanics.now_us, "sections": shown}


class ControlPort:
    """Listens for deeds; `act` does one at the table's present and gives the answer."""

    def __init__(self, act: Callable[[Deed], dict[str, Any]]) -> None:
        self._act = act
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> str:
        """Listen; gives the address as HOST:PORT, with the port that was free if 0 was asked."""
        self._server = await asyncio.start_server(self._on_client, host, port, limit=LINE_MAX_BYTES)
        bound_host, bound_port = self._server.sockets[0].getsockname()[:2]
        return f"{bound_host}:{bound_port}"

    async def close(self) -> None:
        """Stop listening and let everyone go."""
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        if client is not None:
            self._clients.add(client)
            client.add_done_callback(self._clients.discard)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # Gone, a line without an end, or the simulator ends: in each case this client's loss.
            pass
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"ok": True, **self._act(_DEEDS.validate_json(line))}
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            return {"ok": False, "error": f"{where}: {first['msg']}"}
        except ValueError as error:
            # What each value allows, and all of them together do not.
            return {"ok": False, "error": str(error)}


class ControlError(Exception):
    """The simulator could not be asked; the message is for a person."""


class DeedRefused(ControlError):
    """The simulator does not do that."""


async def ask(address: str, deed: dict[str, Any]) -> dict[str, Any]:
    """Have the simulator that listens at HOST:PORT do something; raises ControlError."""
    try:
        at = parse_tcp(address)
        async with asyncio.timeout(ANSWER_WAIT_S):
            reader, writer = await asyncio.open_connection(at.host, at.port)
            try:
                writer.write(json.dumps(deed).encode() + b"\n")
                answer = json.loads(await reader.readline() or b"null")
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, ValueError) as error:
        raise ControlError(_unanswered(address, str(error) or "no answer")) from error
    if not isinstance(answer, dict) or "ok" not in answer:
        raise ControlError(_unanswered(address, "what answers is none"))
    if not answer.pop("ok"):
        raise DeedRefused(f"the simulator refused: {answer['error']}")
    return answer


def _unanswered(address: str, why: str) -> str:
    return (
        f"no simulator answers at {address}: {why}; start one with "
        "`droptable-sim serve --link LINK --control HOST:PORT`"
    )
