"""How a board and the hands around its table are reached in the real world: a link, a control port."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from droptable.conformance.hands import HandsGone, HandsRefuse
from droptable.conformance.host import Connect, Wire
from droptable.link.transport import Address, open_stream, parse_tcp

ANSWER_MAX_BYTES = 2**20
"""A whole history of the mechanics fits."""

ANSWER_WITHIN_S = 5.0


def connect_to(address: Address) -> Connect:
    """Opens the board's link, again each time it is called."""

    async def connect(on_bytes: Callable[[bytes], None], on_closed: Callable[[str], None]) -> Wire:
        return await open_stream(address, on_bytes=on_bytes, on_closed=on_closed)

    return connect


class ControlPort:
    """Asks what listens at a control port, one deed after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, deed: dict[str, Any]) -> dict[str, Any]:
        """Have it done. HandsRefuse for what cannot be done, HandsGone when nobody answers."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                self._writer.write(json.dumps(deed).encode() + b"\n")
                answer = json.loads(await self._reader.readline() or b"null")
        except (OSError, ValueError, TimeoutError) as error:
            raise HandsGone(f"the control port does not answer: {error}") from error
        if not isinstance(answer, dict) or "ok" not in answer:
            raise HandsGone("what answers at the control port is none")
        if not answer.pop("ok"):
            raise HandsRefuse(str(answer.get("error")))
        return answer


@asynccontextmanager
async def control_port(where: str) -> AsyncIterator[ControlPort]:
    """The control port at HOST:PORT. HandsGone if that is no address or nobody is there."""
    try:
        at = parse_tcp(where)
        reader, writer = await asyncio.open_connection(at.host, at.port, limit=ANSWER_MAX_BYTES)
    except ValueError as error:
        raise HandsGone(str(error)) from error
    except OSError as error:
        raise HandsGone(f"no control port at {where}: {error.strerror or error}") from error
    try:
        yield ControlPort(reader, writer)
    finally:
        writer.close()
