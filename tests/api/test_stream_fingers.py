"""The socket passes on what a page feels at once, and a finger never outlives its socket."""

import asyncio
import json
from typing import Any

import pytest

from droptable.api import stream
from droptable.api.stream import EndedError, Outbox
from droptable.daemon.outcome import Done, Felt
from droptable.sections import Section
from tests.api.fake import NOT_COCKED, OTHER_LEASE, FakeGateway
from tests.api.served import Served
from tests.api.test_stream import client_of, hear, server

__all__ = ["server"]

PRESS = {"type": "press", "action": "arm", "section": "pelvic", "state_seq": 7}


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        (PRESS, ("press", "arm", Section.PELVIC, 7)),
        ({"type": "holding", "intent": 3}, ("holding", 3)),
        ({"type": "release", "intent": 3}, ("release", 3)),
        ({"type": "commit", "intent": 3}, ("commit", 3)),
        ({"type": "alive"}, ("alive",)),
        ({"type": "hidden"}, ("hidden",)),
        ({"type": "lease_take_over"}, ("take_over", "local")),
        ({"type": "lease_give"}, ("answer_take_over", "local", True)),
        ({"type": "lease_keep"}, ("answer_take_over", "local", False)),
    ],
    ids=lambda each: each["type"] if isinstance(each, dict) else "",
)
async def test_each_message_reaches_the_gateway_once(
    gateway: FakeGateway, server: Served, message: dict[str, Any], asked: tuple[Any, ...]
) -> None:
    async with client_of(server) as client:
        await client.send(json.dumps(message))
        await gateway.until_asked(*asked)
    assert gateway.asked == [asked]


@pytest.mark.parametrize(
    "message",
    [
        {**PRESS, "action": "home"},
        {**PRESS, "section": "neck"},
        {**PRESS, "state_seq": -1},
        {**PRESS, "state_seq": "7"},
        {**PRESS, "actor": "anna"},
        {"type": "press"},
        {"type": "holding"},
        {"type": "holding", "intent": 0},
        {"type": "commit", "intent": "3"},
        {"type": "alive", "intent": 3},
    ],
    ids=str,
)
async def test_a_finger_that_is_told_of_wrongly_moves_nothing(
    gateway: FakeGateway, server: Served, message: dict[str, Any]
) -> None:
    async with client_of(server) as client:
        await client.send(json.dumps(message))
        assert (await hear(client, "error"))["code"] == "MESSAGE_MALFORMED"
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("felt", "told"),
    [
        (Felt(4), {"type": "pressed", "intent": 4}),
        (Felt(4, begun=True), {"type": "begun", "intent": 4}),
        (
            Felt(4, over="gap", text="Press again."),
            {"type": "over", "intent": 4, "why": "gap", "text": "Press again.", "refused": []},
        ),
        (
            Felt(None, over="refused", reasons=(OTHER_LEASE, NOT_COCKED)),
            {
                "type": "refused",
                "action": "press",
                "refused": [OTHER_LEASE.model_dump(), NOT_COCKED.model_dump()],
            },
        ),
    ],
    ids=lambda each: each["type"] if isinstance(each, dict) else "",
)
async def test_what_comes_of_a_finger_is_told(
    gateway: FakeGateway, server: Served, felt: Felt, told: dict[str, Any]
) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        gateway.hands[0].tell(felt)
        assert await hear(client, str(told["type"])) == told


async def test_a_finger_waits_for_no_lease_that_hangs(gateway: FakeGateway, server: Served) -> None:
    release = asyncio.Event()

    async def hang() -> None:
        await release.wait()

    gateway.before_answer = hang
    async with client_of(server) as client:
        await client.send('{"type": "lease_take"}')
        await gateway.until_asked("take_lease", "local")
        await client.send('{"type": "release", "intent": 1}')
        await gateway.until_asked("release", 1)
        release.set()
        await hear(client, "done")


@pytest.mark.parametrize("message", ["", b"\x00", "x" * 5000], ids=["left", "bytes", "too big"])
async def test_however_a_socket_ends_its_finger_is_gone(
    gateway: FakeGateway, server: Served, message: str | bytes
) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        if message:
            await client.send(message)
            await client.wait_closed()
    await gateway.until(lambda: gateway.hands[0].gone)


async def test_a_socket_that_breaks_off_without_a_word_takes_its_finger_with_it(
    gateway: FakeGateway, server: Served
) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        client.transport.abort()
        await gateway.until(lambda: gateway.hands[0].gone)


async def test_the_finger_is_gone_in_the_turn_in_which_the_socket_is() -> None:
    """Before anything else is awaited, and although the other lanes still have work to do."""
    gateway, turns = FakeGateway(), []

    class Socket:
        async def receive(self) -> dict[str, Any]:
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(lambda: turns.append(gateway.hands[0].gone))
            return {"type": "websocket.disconnect"}

        async def send_text(self, text: str) -> None:
            await asyncio.Event().wait()

    socket: Any = Socket()
    await stream.Conversation(socket, gateway, stream.Audience(), "anna").run()
    assert turns == [True]


async def test_when_the_gateway_ends_so_do_the_fingers(
    gateway: FakeGateway, server: Served
) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        gateway.end()
        await client.wait_closed()
    assert gateway.hands[0].gone


async def test_a_client_that_is_told_much_without_reading_is_shown_out() -> None:
    outbox = Outbox()
    for _ in range(stream.REPLIES_MAX + 1):
        outbox.tell({"type": "pressed", "intent": 1})
    with pytest.raises(EndedError) as ended:
        await outbox.next()
    assert ended.value.code == stream.POLICY


async def test_a_lease_by_a_socket_is_renewed_by_that_socket(
    gateway: FakeGateway, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = []

    async def take_lease(actor: str, client: int | None = None) -> Done:
        clients.append((actor, client))
        return Done()

    monkeypatch.setattr(gateway, "take_lease", take_lease)
    async with client_of(server), client_of(server) as second:
        await second.send('{"type": "lease_take"}')
        await hear(second, "done")
    assert clients == [("local", gateway.hands[1].client)]
