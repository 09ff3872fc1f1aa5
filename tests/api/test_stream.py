"""The socket shows the newest state, carries STOP past everything, and no client costs another."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from droptable.api import stream
from droptable.api.stream import EndedError, Outbox
from droptable.daemon.outcome import Done
from droptable.errors import DroptableError
from tests.api.conftest import TOKENS
from tests.api.fake import OTHER_LEASE, FakeGateway, refusing, section, snapshot
from tests.api.served import Served, served


@pytest.fixture
async def server(gateway: FakeGateway) -> AsyncIterator[Served]:
    async with served(gateway, tokens=TOKENS, clients_max=3) as server:
        yield server


@asynccontextmanager
async def client_of(server: Served, **options: Any) -> AsyncIterator[ClientConnection]:
    async with connect(server.ws, proxy=None, **options) as client:
        yield client


async def hear(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this kind."""
    async with asyncio.timeout(10):
        while True:
            message: dict[str, Any] = json.loads(await client.recv())
            if message["type"] == kind:
                return message


async def closed(client: ClientConnection) -> int:
    """Wait for the server to close, and say how it did."""
    async with asyncio.timeout(10):
        while True:
            try:
                await client.recv()
            except ConnectionClosed as end:
                return 1006 if end.rcvd is None else end.rcvd.code


async def test_the_first_message_is_the_whole_state(gateway: FakeGateway, server: Served) -> None:
    async with client_of(server) as client:
        first = json.loads(await client.recv())
    shown = json.loads(gateway.snapshot().model_dump_json(by_alias=True))
    assert first == {"type": "state", "you": "local", **shown}


async def test_every_client_sees_a_change(gateway: FakeGateway, server: Served) -> None:
    async with client_of(server) as one, client_of(server) as other:
        for client in (one, other):
            await hear(client, "state")
        gateway.put(pelvic=section("COCKING"))
        for client in (one, other):
            state = await hear(client, "state")
            assert state["sections"]["pelvic"]["phase"] == "COCKING"
            assert state["state_seq"] == gateway.snapshot().state_seq


async def test_after_a_burst_the_newest_state_arrives(gateway: FakeGateway, server: Served) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        for _ in range(500):
            last = gateway.put(pelvic=section("COCKING"))
        seen = []
        while not seen or seen[-1] != last.state_seq:
            seen.append((await hear(client, "state"))["state_seq"])
    assert seen == sorted(set(seen))
    assert len(seen) < 500


async def test_a_heartbeat_comes_at_least_every_half_second_even_in_a_flood(
    gateway: FakeGateway, server: Served
) -> None:
    loop = asyncio.get_running_loop()
    async with client_of(server) as client:
        await hear(client, "state")
        async with asyncio.TaskGroup() as tasks:
            flood = tasks.create_task(_flood(gateway))
            times = []
            for _ in range(4):
                beat = await hear(client, "heartbeat")
                times.append(loop.time())
            flood.cancel()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    # The design allows 500 ms; the rest is what a loaded machine adds.
    assert max(gaps) < 0.75
    assert beat["boot"] == gateway.boot
    assert beat["age_ms"] == 12


async def _flood(gateway: FakeGateway) -> None:
    while True:
        gateway.put(pelvic=section("COCKING"))
        await asyncio.sleep(0)


async def test_stop_reaches_the_gateway_and_is_answered(
    gateway: FakeGateway, server: Served
) -> None:
    async with client_of(server) as client:
        await client.send('{"type": "stop"}')
        await hear(client, "stop_sent")
    assert gateway.asked == [("stop", "page")]


async def test_stop_does_not_wait_for_a_lease_that_hangs(
    gateway: FakeGateway, server: Served
) -> None:
    release = asyncio.Event()

    async def hang() -> None:
        await release.wait()

    gateway.before_answer = hang
    async with client_of(server) as client:
        await client.send('{"type": "lease_take"}')
        await gateway.until_asked("take_lease", "local")
        await client.send('{"type": "stop"}')
        await hear(client, "stop_sent")
        release.set()
        assert (await hear(client, "done"))["action"] == "lease_take"


async def test_more_asks_about_the_lease_than_can_wait_are_told_so(
    gateway: FakeGateway, server: Served
) -> None:
    release = asyncio.Event()

    async def hang() -> None:
        await release.wait()

    gateway.before_answer = hang
    async with client_of(server) as client:
        await client.send('{"type": "lease_take"}')
        await gateway.until_asked("take_lease", "local")
        for _ in range(stream.LEASE_ASKS_MAX + 1):
            await client.send('{"type": "lease_take"}')
        assert (await hear(client, "error"))["code"] == "LEASE_BUSY"
        release.set()


async def test_the_lease_is_taken_and_given_back(gateway: FakeGateway, server: Served) -> None:
    gateway.answer = Done({"expires_ms": 5000})
    headers = {"Authorization": f"Bearer {TOKENS['anna']}"}
    async with client_of(server, additional_headers=headers) as client:
        assert (await hear(client, "state"))["you"] == "anna"
        await client.send('{"type": "lease_take"}')
        done = await hear(client, "done")
        assert done == {"type": "done", "action": "lease_take", "detail": {"expires_ms": 5000}}
        assert gateway.snapshot().lease.holder == "anna"
        await client.send('{"type": "lease_release"}')
        assert (await hear(client, "done"))["action"] == "lease_release"
    assert gateway.asked == [("take_lease", "anna"), ("release_lease", "anna")]


async def test_a_refused_lease_names_every_reason(gateway: FakeGateway, server: Served) -> None:
    gateway.answer = refusing(OTHER_LEASE)
    async with client_of(server) as client:
        await client.send('{"type": "lease_take"}')
        refused = await hear(client, "refused")
    assert refused["action"] == "lease_take"
    assert refused["refused"] == [OTHER_LEASE.model_dump()]


async def test_a_broken_journal_is_told_and_the_socket_lives(
    gateway: FakeGateway, server: Served
) -> None:
    gateway.answer = DroptableError("STATE_UNWRITABLE", "no space")
    async with client_of(server) as client:
        await client.send('{"type": "lease_take"}')
        assert (await hear(client, "error"))["code"] == "STATE_UNWRITABLE"
        await client.send('{"type": "stop"}')
        await hear(client, "stop_sent")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "MESSAGE_MALFORMED"),
        ("stop", "MESSAGE_MALFORMED"),
        ("[]", "MESSAGE_MALFORMED"),
        ("{}", "MESSAGE_MALFORMED"),
        ('{"type": null}', "MESSAGE_UNKNOWN"),
        ('{"type": "act", "verb": "home"}', "MESSAGE_UNKNOWN"),
        ('{"type": "STOP"}', "MESSAGE_UNKNOWN"),
        ('{"type": "stop", "section": "lumbar"}', "MESSAGE_MALFORMED"),
        ("[" * 2000, "MESSAGE_MALFORMED"),
    ],
)
async def test_a_message_that_is_none_is_told_and_the_socket_lives(
    gateway: FakeGateway, server: Served, text: str, code: str
) -> None:
    async with client_of(server) as client:
        await client.send(text)
        error = await hear(client, "error")
        assert error["code"] == code
        assert error["text"]
        assert error["remedy"]
        assert gateway.asked == []
        await client.send('{"type": "stop"}')
        await hear(client, "stop_sent")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b'{"type": "stop"}', 1003),
        ('{"type": "stop"}'.ljust(4097), 1009),
        ("\u00e9" * 2049, 1009),
    ],
)
async def test_a_message_of_the_wrong_kind_or_size_closes_the_socket(
    gateway: FakeGateway, server: Served, message: str | bytes, code: int
) -> None:
    async with client_of(server) as client:
        await client.send(message)
        assert await closed(client) == code
    await gateway.until(lambda: gateway.watchers == 0)
    assert gateway.asked == []


async def test_a_message_of_4096_bytes_is_read(gateway: FakeGateway, server: Served) -> None:
    async with client_of(server) as client:
        await client.send('{"type": "stop"}'.ljust(4096))
        await hear(client, "stop_sent")


async def test_a_client_that_leaves_is_forgotten(gateway: FakeGateway, server: Served) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        assert gateway.watchers == 1
    await gateway.until(lambda: gateway.watchers == 0)


async def test_one_client_too_many_is_told_so_and_may_come_when_another_left(
    gateway: FakeGateway, server: Served
) -> None:
    async with client_of(server), client_of(server):
        async with client_of(server):
            await gateway.until(lambda: gateway.watchers == 3)
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.ws, proxy=None)
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body)["code"] == "TOO_MANY_CLIENTS"
        await gateway.until(lambda: gateway.watchers == 2)
        async with client_of(server) as client:
            await hear(client, "state")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
    ],
)
async def test_a_foreign_page_or_token_gets_no_socket(
    gateway: FakeGateway, server: Served, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(server.ws, proxy=None, additional_headers=headers)
    assert refused.value.response.status_code == status
    assert refused.value.response.headers["content-type"] == "application/problem+json"
    assert gateway.watchers == 0


async def test_a_socket_for_another_host_is_misdirected(server: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            f"ws://evil.example:{server.port}/api/v1/ws",
            proxy=None,
            host="127.0.0.1",
            port=server.port,
        )
    assert refused.value.response.status_code == 421


async def test_our_own_page_gets_a_socket(server: Served) -> None:
    async with client_of(server, additional_headers={"Origin": server.http}) as client:
        await hear(client, "state")


async def test_a_client_that_does_not_read_costs_no_other_anything(
    gateway: FakeGateway, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BLOCKED_MAX_S", 0.5)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", server.port))
        await loop.sock_sendall(deaf, _handshake(server))
        async with client_of(server) as client:
            await gateway.until(lambda: gateway.watchers == 2)
            longest = 0.0
            async with asyncio.timeout(20):
                while gateway.watchers == 2:
                    shown = gateway.put(pelvic=section("COCKING"))
                    began = loop.time()
                    while (await hear(client, "state"))["state_seq"] != shown.state_seq:
                        pass
                    longest = max(longest, loop.time() - began)
            assert longest < 0.4
            async with httpx.AsyncClient() as http:
                metrics = (await http.get(f"{server.http}/metrics")).text
    assert "droptable_ws_too_slow_total 1.0" in metrics
    assert "droptable_ws_clients 1.0" in metrics


def _handshake(server: Served) -> bytes:
    lines = [
        "GET /api/v1/ws HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_a_client_that_asks_without_reading_is_shown_out() -> None:
    outbox = Outbox()
    for _ in range(stream.REPLIES_MAX):
        outbox.reply({"type": "stop_sent"})
    with pytest.raises(EndedError) as ended:
        outbox.reply({"type": "stop_sent"})
    assert ended.value.code == 1008


async def test_an_outbox_gives_replies_first_and_only_the_newest_state() -> None:
    outbox = Outbox()
    newest = snapshot(state_seq=3)
    outbox.show(snapshot(state_seq=2))
    outbox.show(newest)
    outbox.reply({"type": "stop_sent"})
    assert await outbox.next() == '{"type": "stop_sent"}'
    assert await outbox.next() is newest
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await outbox.next()


async def test_when_the_gateway_ends_so_do_the_sockets(
    gateway: FakeGateway, server: Served
) -> None:
    async with client_of(server) as client:
        await hear(client, "state")
        gateway.end()
        assert await closed(client) == 1001
