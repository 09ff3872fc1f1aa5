"""Whatever is wrong with a request is told as a problem document, and nothing is done."""

import json
from typing import Any

import httpx
import pytest

from droptable.api.problems import HTTP_PROBLEMS, PROBLEM_TYPE
from tests.api.conftest import TOKENS
from tests.api.fake import FakeGateway

TENSION = "/api/v1/sections/lumbar/tension"


def problem_of(answer: httpx.Response, code: str) -> dict[str, Any]:
    """The document, checked for everything that every problem document has."""
    assert answer.headers["content-type"] == PROBLEM_TYPE
    document: dict[str, Any] = answer.json()
    known = HTTP_PROBLEMS[code]
    assert answer.status_code == document["status"] == known.status
    assert document["code"] == code
    assert document["title"] == known.problem.meaning
    assert document["remedy"] == known.problem.remedy
    assert document["instance"] == answer.request.url.path
    assert document["type"].startswith("urn:droptable:problem:")
    return document


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("POST", "/nothing"),
        ("GET", "/api/v1/state/"),
        ("POST", "/api/v1/sections/cervical/cock"),
        ("POST", "/api/v1/sections/LUMBAR/cock"),
        ("POST", "/api/v1/sections/lumbar/drop"),
        ("POST", "/api/v1/sections/lumbar/clear_fault"),
        ("PUT", "/api/v1/sections/cervical/tension"),
        ("GET", "/api/v1/events/0"),
        ("GET", "/api/v1/events/-1"),
        ("GET", "/api/v1/events/drop"),
        ("GET", f"/api/v1/events/{2**63}"),
        ("GET", "/../routes.py"),
        ("GET", "/%2e%2e/routes.py"),
        ("GET", "/modules/.fetched"),
    ],
)
async def test_what_does_not_exist_is_404(
    gateway: FakeGateway, client: httpx.AsyncClient, method: str, path: str
) -> None:
    body = {"newton": 200} if method == "PUT" else None
    problem_of(await client.request(method, path, json=body), "NOT_FOUND")
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/stop", "POST"),
        ("PATCH", "/api/v1/lease", "DELETE, GET, POST"),
        ("GET", "/api/v1/sections/lumbar/arm", "POST"),
        ("POST", "/api/v1/sections/lumbar/tension", "PUT"),
        ("DELETE", "/api/v1/state", "GET"),
        ("POST", "/", "GET, HEAD"),
    ],
)
async def test_a_method_that_an_address_does_not_take_is_405_and_says_which_it_does(
    gateway: FakeGateway, client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    problem_of(answer, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allowed
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.newton"),
        ({"newton": "260"}, "body.newton"),
        ({"newton": True}, "body.newton"),
        ({"newton": None}, "body.newton"),
        ({"newton": -0.1}, "body.newton"),
        ({"newton": 1000.1}, "body.newton"),
        ({"newton": 1e999}, "body.newton"),
        ({"newton": 200, "force": 1}, "body.force"),
        ([200], "body"),
        (200, "body"),
    ],
)
async def test_a_body_with_the_wrong_content_is_422_and_says_where(
    gateway: FakeGateway, client: httpx.AsyncClient, body: Any, where: str
) -> None:
    answer = await client.put(
        TENSION, content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    document = problem_of(answer, "REQUEST_INVALID")
    assert where in [each["where"] for each in document["errors"]]
    assert gateway.asked == []


@pytest.mark.parametrize("newton", [0, 1000, 0.1])
async def test_a_tension_at_the_limits_of_the_format_is_the_daemons_to_judge(
    gateway: FakeGateway, client: httpx.AsyncClient, newton: float
) -> None:
    assert (await client.put(TENSION, json={"newton": newton})).status_code == 200
    assert gateway.asked[0][2] == newton


@pytest.mark.parametrize("content", [b"{", b"newton=200", b"\xff\xfe", b"[" * 5000])
async def test_a_body_that_is_not_json_is_400(
    gateway: FakeGateway, client: httpx.AsyncClient, content: bytes
) -> None:
    answer = await client.put(
        TENSION, content=content, headers={"Content-Type": "application/json"}
    )
    problem_of(answer, "REQUEST_MALFORMED")
    assert gateway.asked == []


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        f"after={2**63}",
        "limit=0",
        "limit=1001",
        "kind=Drop",
        "kind=drop'--",
        "section=cervical",
        "limti=5",
    ],
)
async def test_a_query_with_the_wrong_content_is_422(
    gateway: FakeGateway, client: httpx.AsyncClient, query: str
) -> None:
    document = problem_of(await client.get(f"/api/v1/events?{query}"), "REQUEST_INVALID")
    assert document["errors"][0]["where"] == f"query.{query.partition('=')[0]}"
    assert gateway.asked == []


async def test_what_was_sent_is_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.put(TENSION, json={"newton": "<script>whoever</script>"})
    assert "whoever" not in answer.text


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_body_above_16_kib_is_413(
    gateway: FakeGateway, client: httpx.AsyncClient, *, in_pieces: bool
) -> None:
    async def pieces() -> Any:
        for _ in range(17):
            yield b" " * 1024

    content = pieces() if in_pieces else b" " * (16 * 1024 + 1)
    answer = await client.put(
        TENSION, content=content, headers={"Content-Type": "application/json"}
    )
    problem_of(answer, "BODY_TOO_LARGE")
    assert gateway.asked == []


async def test_a_body_of_16_kib_is_read(gateway: FakeGateway, client: httpx.AsyncClient) -> None:
    content = b'{"newton": 200}'.ljust(16 * 1024)
    answer = await client.put(
        TENSION, content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        "Bearer ",
        "Bearer",
        "kT3-anna",
        "Basic a1QzLWFubmE=",
        f"Basic {TOKENS['anna']}",
        "Bearer anna",
        f"Bearer {TOKENS['anna']}x",
        "Bearer k\xfcche",
    ],
)
async def test_a_token_that_is_not_ours_is_401(
    gateway: FakeGateway, client: httpx.AsyncClient, header: str
) -> None:
    headers = {"Authorization": header.encode("latin-1")}
    for method, path in [("POST", "/api/v1/lease"), ("GET", "/api/v1/state")]:
        answer = await client.request(method, path, headers=headers)
        problem_of(answer, "TOKEN_UNKNOWN")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert gateway.asked == []


@pytest.mark.parametrize("name", TOKENS)
async def test_a_token_carries_its_name(
    gateway: FakeGateway, client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.post("/api/v1/lease", headers={"Authorization": f"bearer {TOKENS[name]}"})
    assert answer.status_code == 200
    assert gateway.asked == [("take_lease", name)]


async def test_an_error_of_our_own_shows_no_traceback(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.answer = RuntimeError("the secret of the house")
    answer = await client.post("/api/v1/lease")
    problem_of(answer, "INTERNAL")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_openapi_names_every_address_and_shows_what_a_problem_is(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    addresses = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert addresses == {
        "GET /state",
        "GET /readiness",
        "POST /stop",
        "POST /stop/reset",
        "GET /lease",
        "POST /lease",
        "DELETE /lease",
        "POST /lease/take-over",
        "POST /lease/answer",
        "GET /series",
        "POST /series",
        "DELETE /series",
        "POST /series/leg-length",
        "POST /sections/{section}/{verb}",
        "PUT /sections/{section}/tension",
        "GET /events",
        "GET /events/{seq}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }
    schemas = document["components"]["schemas"]
    assert {"ProblemShown", "FieldError", "Snapshot", "RefusedShown"} <= schemas.keys()
    assert "HTTPValidationError" not in schemas
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for each in part.values() for found in _references(each)]
    if isinstance(part, list):
        return [found for each in part for found in _references(each)]
    return []
