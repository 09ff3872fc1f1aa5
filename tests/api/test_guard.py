"""A page of another site, or a name that is not ours, gets no further than the guard."""

import httpx
import pytest

from droptable.api.app import create_app
from droptable.api.guard import host_of
from tests.api.fake import FakeGateway

OWN = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080", "LocalHost"]
)
async def test_the_loopbacks_names_are_ours(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/api/v1/state", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost@evil.example",
        "localhost:8080:80",
        "[::1",
        "::1",
        "127.0.0.2",
        "",
        " ",
    ],
)
async def test_another_name_is_misdirected_however_it_is_written(
    gateway: FakeGateway, client: httpx.AsyncClient, host: str
) -> None:
    for method, path in [("GET", "/api/v1/state"), ("POST", "/api/v1/lease"), ("GET", "/")]:
        answer = await client.request(method, path, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "FOREIGN_HOST")
    assert gateway.asked == []


async def test_a_host_that_the_daemon_was_given_is_ours(gateway: FakeGateway) -> None:
    app = create_app(gateway, hosts=["127.0.0.2"])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.2:81") as client:
        assert (await client.get("/api/v1/state")).status_code == 200


@pytest.mark.parametrize(
    ("authority", "host"), [("[::1]:80", "::1"), ("A.b:1", "a.b"), ("a b", ""), ("a/b", "")]
)
def test_the_host_of_an_authority(authority: str, host: str) -> None:
    assert host_of(authority) == host


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:8081",
        "https://127.0.0.1:8080",
        "http://localhost:8080",
        "http://127.0.0.1:8080.evil.example",
        "",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/lease"),
        ("DELETE", "/lease"),
        ("PUT", "/sections/lumbar/tension"),
        ("POST", "/sections/lumbar/arm"),
    ],
)
async def test_a_page_of_another_site_can_change_nothing(
    gateway: FakeGateway, client: httpx.AsyncClient, method: str, path: str, origin: str
) -> None:
    answer = await client.request(method, f"/api/v1{path}", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "FOREIGN_ORIGIN")
    assert gateway.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null", "Host": "evil.example"},
        {"Content-Length": "99999999"},
    ],
    ids=str,
)
async def test_a_stop_passes_the_guard_whoever_sends_it(
    gateway: FakeGateway, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post("/api/v1/stop", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"stop_sent": True})
    assert gateway.asked == [("stop", "http")]


@pytest.mark.parametrize("path", ["/api/v1/stop/reset", "/api/v1/stop/", "/api/v1//stop"])
async def test_nothing_but_a_stop_passes_it(
    gateway: FakeGateway, client: httpx.AsyncClient, path: str
) -> None:
    for headers, status in [({"Host": "evil.example"}, 421), ({"Origin": "null"}, 403)]:
        assert (await client.post(path, headers=headers)).status_code == status
    answer = await client.get("/api/v1/stop", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert gateway.asked == []


async def test_our_own_page_and_programs_without_an_origin_may(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    assert (await client.post("/api/v1/stop", headers={"Origin": OWN})).status_code == 200
    assert (await client.post("/api/v1/stop")).status_code == 200
    assert gateway.asked == [("stop", "http")] * 2


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/v1/state", "/nothing"])
async def test_every_answer_carries_the_security_headers(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["cache-control"] in ("no-store", "no-cache")


async def test_an_error_of_our_own_is_guarded_too(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.answer = RuntimeError("a bug")
    answer = await client.post("/api/v1/lease")
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
