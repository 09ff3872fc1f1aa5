"""The hand around the simulated table: a port on which programs thrust, lie down and press pedals.

One JSON object a line, one line of answer. What can be done is said in `deeds.py`.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from droptable.link.transport import parse_tcp
from firmware_sim.deeds import DEEDS, Deed

LINE_MAX_BYTES = 4096
ANSWER_MAX_BYTES = 2**20
"""A whole history fits."""

ANSWER_WAIT_S = 5.0


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
            return {"ok": True, **self._act(DEEDS.validate_json(line))}
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
            reader, writer = await asyncio.open_connection(at.host, at.port, limit=ANSWER_MAX_BYTES)
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
