"""The socket of the page: the newest state to whoever watches, STOP and the lease back.

A client that does not read loses updates, then its socket; it never costs another one anything.
Each client has four lanes that share only its outbox, so STOP waits neither for a lease nor for
a write. Nothing about the table is decided or remembered here.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from fastapi import WebSocket
from pydantic import JsonValue, ValidationError
from starlette.websockets import WebSocketDisconnect

from droptable.api.auth import actor_of
from droptable.api.door import Gateway
from droptable.api.problems import HTTP_PROBLEMS, ApiError, problem_response
from droptable.api.schemas import MESSAGE, LeaseMessage, StopMessage
from droptable.daemon.outcome import Done, Refused
from droptable.daemon.snapshot import Snapshot
from droptable.errors import DroptableError

MESSAGE_MAX_BYTES = 4096
"""Many times the longest message that a page has to send."""

BEAT_S = 0.4
"""The page calls a link delayed after 1.5 s: three beats may be lost before anyone worries."""

BLOCKED_MAX_S = 3.0
"""By then the page shows every section as UNKNOWN anyway."""

REPLIES_MAX = 16
"""Answers that wait for a client; one that asks more without reading is not a page."""

LEASE_ASKS_MAX = 4

GOING_AWAY = 1001
UNSUPPORTED = 1003
POLICY = 1008
TOO_BIG = 1009


@dataclass(slots=True)
class Audience:
    """All sockets together: how many there may be, how many there are, and what came of them."""

    clients_max: int = 32
    clients: int = 0
    too_slow: int = 0
    _newest: Snapshot | None = None
    _newest_json: str = ""

    def json_of(self, snapshot: Snapshot) -> str:
        """The snapshot's fields as JSON without the opening brace, encoded once for everyone."""
        if self._newest is not snapshot:
            self._newest_json = snapshot.model_dump_json(by_alias=True)[1:]
            self._newest = snapshot
        return self._newest_json


class EndedError(Exception):
    """This conversation is over; `code` is what the close frame says, None when nobody listens."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(code)


class Outbox:
    """What one client has yet to be sent: a few replies, and only the newest state."""

    def __init__(self) -> None:
        self._replies: deque[str] = deque()
        self._state: Snapshot | None = None
        self._filled = asyncio.Event()

    def reply(self, message: Mapping[str, JsonValue]) -> None:
        """Queue an answer; EndedError when the client asks without reading what it is told."""
        if len(self._replies) >= REPLIES_MAX:
            raise EndedError(POLICY)
        self._replies.append(json.dumps(message))
        self._filled.set()

    def show(self, snapshot: Snapshot) -> None:
        """Replace the state that waits."""
        self._state = snapshot
        self._filled.set()

    async def next(self) -> str | Snapshot:
        """The next thing to send, replies first."""
        await self._filled.wait()
        if self._replies:
            item: str | Snapshot | None = self._replies.popleft()
        else:
            item, self._state = self._state, None
        if not self._replies and self._state is None:
            self._filled.clear()
        if item is None:
            raise AssertionError("an outbox is only filled by a reply or a state")
        return item


class Conversation:
    """One client, from accept to close."""

    def __init__(self, socket: WebSocket, gateway: Gateway, audience: Audience, actor: str) -> None:
        self._socket = socket
        self._gateway = gateway
        self._audience = audience
        self._actor = actor
        self._outbox = Outbox()
        self._lease_asks: asyncio.Queue[LeaseMessage] = asyncio.Queue(LEASE_ASKS_MAX)
        self._you = json.dumps(actor)

    async def run(self) -> None:
        """Talk until one side has had enough."""
        code: int | None = None
        try:
            async with asyncio.TaskGroup() as lanes:
                for lane in (self._read(), self._write(), self._watch(), self._keep_lease()):
                    lanes.create_task(lane)
        except* EndedError as ended:
            code = next((each.code for each in _leaves(ended) if each.code is not None), None)
        if code is not None:
            await self._close(code)

    async def _read(self) -> NoReturn:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise EndedError(None)
            text = message.get("text")
            if text is None:
                raise EndedError(UNSUPPORTED)
            if len(text.encode()) > MESSAGE_MAX_BYTES:
                raise EndedError(TOO_BIG)
            self._take(text)

    def _take(self, text: str) -> None:
        """One message, acted on before anything is awaited."""
        try:
            message = MESSAGE.validate_json(text)
        except ValidationError as error:
            self._outbox.reply(_complaint(_complaint_code(error)))
            return
        match message:
            case StopMessage():
                self._gateway.stop("page")
                self._outbox.reply({"type": "stop_sent"})
            case LeaseMessage():
                try:
                    self._lease_asks.put_nowait(message)
                except asyncio.QueueFull:
                    self._outbox.reply(_complaint("LEASE_BUSY"))

    async def _write(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + BEAT_S
        while True:
            # Looked at first, so that a flood of states does not crowd the beat out.
            if loop.time() >= beat_at:
                beat_at = loop.time() + BEAT_S
                await self._send(self._beat())
            try:
                async with asyncio.timeout_at(beat_at):
                    item = await self._outbox.next()
            except TimeoutError:
                continue
            await self._send(self._encode(item))

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(BLOCKED_MAX_S):
                await self._socket.send_text(text)
        except TimeoutError:
            self._audience.too_slow += 1
            # No close frame: it could not be sent either, and waiting for it is what hurts.
            raise EndedError(None) from None
        except WebSocketDisconnect:
            raise EndedError(None) from None

    async def _watch(self) -> NoReturn:
        self._outbox.show(self._gateway.snapshot())
        async for snapshot in self._gateway.changes():
            self._outbox.show(snapshot)
        raise EndedError(GOING_AWAY)

    async def _keep_lease(self) -> NoReturn:
        while True:
            asked = (await self._lease_asks.get()).type
            try:
                if asked == "lease_take":
                    outcome = await self._gateway.take_lease(self._actor)
                else:
                    outcome = await self._gateway.release_lease(self._actor)
            except DroptableError as error:
                problem = error.problem
                self._outbox.reply(_error(problem.code, str(error), problem.remedy))
                continue
            match outcome:
                case Done(detail):
                    self._outbox.reply({"type": "done", "action": asked, "detail": dict(detail)})
                case Refused(reasons):
                    shown: list[JsonValue] = [reason.model_dump() for reason in reasons]
                    self._outbox.reply({"type": "refused", "action": asked, "refused": shown})

    def _encode(self, item: str | Snapshot) -> str:
        if isinstance(item, str):
            return item
        return f'{{"type":"state","you":{self._you},{self._audience.json_of(item)}'

    def _beat(self) -> str:
        snapshot = self._gateway.snapshot()
        return json.dumps(
            {
                "type": "heartbeat",
                "boot": snapshot.boot,
                "state_seq": snapshot.state_seq,
                "age_ms": snapshot.age_ms,
            }
        )

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(BLOCKED_MAX_S):
                await self._socket.close(code)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            # RuntimeError: starlette's word for a socket that the other side closed meanwhile.
            return


async def converse(socket: WebSocket, gateway: Gateway, audience: Audience) -> None:
    """Serve one socket; too many of them, or a wrong token, are told so over HTTP."""
    path = socket.url.path
    try:
        actor = actor_of(socket)
    except ApiError as error:
        await socket.send_denial_response(
            problem_response(error.known.problem.code, error.detail, path)
        )
        return
    if audience.clients >= audience.clients_max:
        detail = f"{audience.clients_max} sockets are open"
        await socket.send_denial_response(problem_response("TOO_MANY_CLIENTS", detail, path))
        return
    audience.clients += 1
    try:
        await socket.accept()
        await Conversation(socket, gateway, audience, actor).run()
    finally:
        audience.clients -= 1


def _leaves(group: BaseExceptionGroup[EndedError]) -> list[EndedError]:
    """The lanes' endings; the group is one level deep because lanes open no groups of their own."""
    return [each for each in group.exceptions if isinstance(each, EndedError)]


def _complaint_code(error: ValidationError) -> str:
    """Which problem a message is that does not fit the schema."""
    unknown = any(each["type"] == "union_tag_invalid" for each in error.errors())
    return "MESSAGE_UNKNOWN" if unknown else "MESSAGE_MALFORMED"


def _complaint(code: str) -> dict[str, JsonValue]:
    problem = HTTP_PROBLEMS[code].problem
    return _error(code, problem.meaning, problem.remedy)


def _error(code: str, text: str, remedy: str) -> dict[str, JsonValue]:
    return {"type": "error", "code": code, "text": text, "remedy": remedy}
