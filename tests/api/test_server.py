"""The server binds on the loopback only, is ready when it says so, and ends within a second."""

import asyncio
import signal
import socket
from contextlib import suppress

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from droptable.api.app import create_app
from droptable.api.server import bind, serve
from droptable.errors import DroptableError
from tests.api.fake import FakeGateway
from tests.api.served import served


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.2", "::1", "[::1]"]
)
def test_the_loopback_is_bound_at_once(host: str) -> None:
    try:
        sock = bind(host, 0)
    except DroptableError as error:
        if ":" in host and "assign" in error.detail:
            pytest.skip("this machine has no IPv6 loopback")
        raise
    with sock:
        assert sock.getsockname()[1] > 0
        with socket.socket(sock.family) as client:
            client.connect(sock.getsockname())


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "", "example.org", "127.1.example", "127.0.0.1 "]
)
def test_anything_but_the_loopback_is_refused(host: str) -> None:
    with pytest.raises(DroptableError) as refused:
        bind(host, 0)
    assert refused.value.problem.code == "HTTP_NOT_LOOPBACK"


def test_an_address_in_use_is_refused_and_nothing_stays_open() -> None:
    with bind("127.0.0.1", 0) as taken:
        with pytest.raises(DroptableError) as refused:
            bind("127.0.0.1", taken.getsockname()[1])
        assert refused.value.problem.code == "HTTP_BUSY"


async def test_it_serves_over_a_real_socket(gateway: FakeGateway) -> None:
    async with served(gateway) as server, httpx.AsyncClient(base_url=server.http) as client:
        assert (await client.get("/api/v1/healthz")).status_code == 200
        answer = await client.get("/")
        assert answer.status_code == 200
        assert "server" not in answer.headers
        assert (await client.post("/api/v1/stop")).json() == {"stop_sent": True}
        long = await client.put("/api/v1/sections/lumbar/tension", content=b" " * 20_000)
        assert long.status_code == 413


async def test_stop_acts_before_its_body_has_arrived(gateway: FakeGateway) -> None:
    async with served(gateway) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{"
        )
        async with asyncio.timeout(5):
            assert b"200 OK" in await reader.readline()
        assert gateway.asked == [("stop", "http")]
        writer.close()
        await writer.wait_closed()


async def test_it_ends_within_a_second_with_sockets_open(gateway: FakeGateway) -> None:
    loop = asyncio.get_running_loop()
    async with served(gateway) as server, connect(server.ws, proxy=None) as client:
        await client.recv()
        began = loop.time()
        await server.end()
        assert loop.time() - began < 1
        with pytest.raises(ConnectionClosed):
            await _hear_forever(client)
    assert gateway.watchers == 0


async def test_a_request_that_hangs_gets_a_second_and_no_more(gateway: FakeGateway) -> None:
    forever = asyncio.Event()

    async def hang() -> None:
        await forever.wait()

    gateway.before_answer = hang
    loop = asyncio.get_running_loop()
    async with served(gateway) as server, httpx.AsyncClient(base_url=server.http) as http:
        asking = asyncio.create_task(http.post("/api/v1/lease"))
        await gateway.until_asked("take_lease", "local")
        began = loop.time()
        await server.end()
        assert loop.time() - began < 2
        with suppress(httpx.HTTPError):
            await asking


async def _hear_forever(client: ClientConnection) -> None:
    while True:
        await client.recv()


async def test_the_same_port_can_be_served_again_at_once(gateway: FakeGateway) -> None:
    async with served(gateway) as server, httpx.AsyncClient(base_url=server.http) as client:
        await client.get("/api/v1/healthz")
    async with (
        served(gateway, port=server.port) as again,
        httpx.AsyncClient(base_url=again.http) as client,
    ):
        assert (await client.get("/api/v1/healthz")).status_code == 200


async def test_it_leaves_the_signals_alone(gateway: FakeGateway) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with served(gateway):
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


async def test_it_says_ready_only_once_it_accepts(gateway: FakeGateway) -> None:
    sock = bind("127.0.0.1", 0)
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(create_app(gateway), sock, ready))
    assert not ready.is_set()
    async with asyncio.timeout(5):
        await ready.wait()
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(b"GET /api/v1/healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert b"200" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    assert sock.fileno() == -1
