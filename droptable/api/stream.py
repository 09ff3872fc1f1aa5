"""The socket of the page: the newest state to whoever watches; STOP, the lease and fingers back.

A client that does not read loses updates, then its socket; it never costs another one anything.
Each client has four lanes that share only its outbox, so STOP waits neither for a lease nor for
a write, and a finger waits for nothing either. Nothing about the table is decided or remembered
here: of a finger not even its number.
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
from droptable.api.schemas import (
    MESSAGE,
    FingerMessage,
    LeaseAsk,
    LeaseMessage,
    PageMessage,
    PressMessage,
    StopMessage,
)
from droptable.daemon.outcome import Done, Felt, Outcome, Refused
from droptable.daemon.snapshot import Snapshot
from droptable.errors import DroptableError
from droptable.sections import section_named

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
        self._overfull = False
        self._state: Snapshot | None = None
        self._filled = asyncio.Event()

    def reply(self, message: Mapping[str, JsonValue]) -> None:
        """Queue an answer; EndedError when the client asks without reading what it is told."""
        if len(self._replies) >= REPLIES_MAX:
            raise EndedError(POLICY)
        self._replies.append(json.dumps(message))
        self._filled.set()

    def tell(self, message: Mapping[str, JsonValue]) -> None:
        """Queue a word that nobody waits for here; it is `next` that ends who does not read."""
        try:
            self.reply(message)
        except EndedError:
            self._overfull = True

    def show(self, snapshot: Snapshot) -> None:
        """Replace the state that waits."""
        self._state = snapshot
        self._filled.set()

    async def next(self) -> str | Snapshot:
        """The next thing to send, replies first."""
        await self._filled.wait()
        if self._overfull:
            raise EndedError(POLICY)
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
        self._hand = gateway.join(actor, self._feel)
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
        finally:
            # A lane that was cancelled before its first turn has no end of its own.
            self._hand.lost()
        if code is not None:
            await self._close(code)

    async def _read(self) -> NoReturn:
        try:
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
        finally:
            # In the same turn of the loop: a finger whose socket is gone holds nothing.
            self._hand.lost()

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
            case PressMessage(action=action, section=section, state_seq=state_seq):
                self._hand.press(action, section_named(section), state_seq)
            case FingerMessage():
                self._finger(message)
            case PageMessage(type=kind):
                self._hand.alive() if kind == "alive" else self._hand.hidden()

    def _finger(self, said: FingerMessage) -> None:
        match said.type:
            case "holding":
                self._hand.holding(said.intent)
            case "release":
                self._hand.release(said.intent)
            case "commit":
                self._hand.commit(said.intent)

    def _feel(self, felt: Felt) -> None:
        """What came of a finger, in the words of the socket."""
        shown: list[JsonValue] = [reason.model_dump() for reason in felt.reasons]
        if felt.intent is None:
            self._outbox.tell({"type": "refused", "action": "press", "refused": shown})
        elif felt.over is not None:
            said: dict[str, JsonValue] = {"intent": felt.intent, "why": felt.over}
            self._outbox.tell({"type": "over", **said, "text": felt.text, "refused": shown})
        else:
            kind = "begun" if felt.begun else "pressed"
            self._outbox.tell({"type": kind, "intent": felt.intent})

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
                outcome = await self._ask_for_lease(asked)
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

    async def _ask_for_lease(self, asked: LeaseAsk) -> Outcome:
        gateway, actor, client = self._gateway, self._actor, self._hand.client
        match asked:
            case "lease_take":
                return await gateway.take_lease(actor, client)
            case "lease_release":
                return await gateway.release_lease(actor)
            case "lease_take_over":
                return await gateway.take_over(actor, client)
            case "lease_give":
                return await gateway.answer_take_over(actor, give=True)
            case "lease_keep":
                return await gateway.answer_take_over(actor, give=False)

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
