"""Each route asks the gateway exactly one thing, and shows its answer whole."""

from typing import Any

import httpx
import pytest

from droptable.daemon.outcome import Done, Refused
from droptable.daemon.snapshot import LeaseShown, Snapshot, TakeOverShown
from droptable.errors import DroptableError
from droptable.sections import Section
from tests.api.fake import (
    NOT_CONFIRMED,
    OTHER_LEASE,
    PRESET,
    FakeGateway,
    drop,
    refusing,
    section,
)

Action = tuple[str, str, Any, tuple[Any, ...]]

ACTIONS: list[Action] = [
    ("POST", "/stop/reset", None, ("reset_stop", "local")),
    ("POST", "/lease", None, ("take_lease", "local")),
    ("DELETE", "/lease", None, ("release_lease", "local")),
    (
        "PUT",
        "/sections/lumbar/tension",
        {"newton": 260.5},
        ("set_tension", Section.LUMBAR, 260.5, "local"),
    ),
    ("POST", "/lease/take-over", None, ("take_over", "local")),
    ("POST", "/lease/answer", {"give": False}, ("answer_take_over", "local", False)),
    ("POST", "/series", {"preset": "three"}, ("start_preset", "three", "local")),
    (
        "POST",
        "/series",
        {"section": "pelvic", "drops": 3, "window_s": 60.5},
        ("start_series", Section.PELVIC, 3, 60.5, "local"),
    ),
    ("DELETE", "/series", None, ("end_series", "local")),
    (
        "POST",
        "/series/leg-length",
        {"when": "after", "shorter": "left", "millimetres": 5.5},
        ("note_leg_length", "local", "left", 5.5, True),
    ),
    *(
        ("POST", f"/sections/{each.label}/{verb}", None, ("act", verb, each, "local"))
        for each in Section
        for verb in ("cock", "arm", "disarm", "lock", "home", "clear-fault")
    ),
]


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any) -> httpx.Response:
    return await client.request(method, f"/api/v1{path}", json=body)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[0]} {action[1]}")
async def test_an_action_reaches_the_gateway_once_and_its_detail_comes_back(
    gateway: FakeGateway, client: httpx.AsyncClient, action: Action
) -> None:
    method, path, body, asked = action
    gateway.answer = Done({"cmd_id": 7})
    answer = await ask(client, method, path, body)
    assert answer.status_code == 200
    assert answer.json() == {"done": {"cmd_id": 7}}
    assert gateway.asked == [asked]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[0]} {action[1]}")
async def test_a_refusal_is_409_with_every_reason(
    gateway: FakeGateway, client: httpx.AsyncClient, action: Action
) -> None:
    method, path, body, _ = action
    gateway.answer = refusing(OTHER_LEASE, NOT_CONFIRMED)
    answer = await ask(client, method, path, body)
    assert answer.status_code == 409
    assert answer.json() == {"refused": [OTHER_LEASE.model_dump(), NOT_CONFIRMED.model_dump()]}


async def test_a_lease_held_by_another_is_409_like_any_refusal(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.answer = refusing(OTHER_LEASE)
    answer = await client.post("/api/v1/lease")
    assert answer.status_code == 409
    assert [each["code"] for each in answer.json()["refused"]] == ["LEASE_HELD"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/series", {}),
        ("/series", {"preset": "three", "section": "pelvic", "drops": 3, "window_s": 60}),
        ("/series", {"section": "pelvic", "drops": 0, "window_s": 60}),
        ("/series", {"section": "pelvic", "drops": 21, "window_s": 60}),
        ("/series", {"section": "pelvic", "drops": 3, "window_s": 9.9}),
        ("/series", {"section": "pelvic", "drops": 3, "window_s": 901}),
        ("/series", {"section": "neck", "drops": 3, "window_s": 60}),
        ("/series/leg-length", {"when": "during", "shorter": "left", "millimetres": 5}),
        ("/series/leg-length", {"when": "after", "shorter": "both", "millimetres": 5}),
        ("/series/leg-length", {"when": "after", "shorter": "left", "millimetres": 60.1}),
        (
            "/series/leg-length",
            {"when": "after", "shorter": "left", "millimetres": 5, "patient": "A"},
        ),
        ("/lease/answer", {}),
        ("/lease/answer", {"give": "yes"}),
    ],
    ids=str,
)
async def test_a_body_that_does_not_fit_reaches_nobody(
    gateway: FakeGateway, client: httpx.AsyncClient, path: str, body: Any
) -> None:
    assert (await ask(client, "POST", path, body)).status_code == 422
    assert gateway.asked == []


async def test_the_series_is_shown_with_what_can_be_started(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    shown = (await client.get("/api/v1/series")).json()
    assert shown == {"series": None, "presets": [PRESET.model_dump()]}


def test_a_refusal_without_a_reason_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one reason"):
        Refused(())


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"headers": {"Authorization": "Bearer of-somebody-else"}},
        {"content": b"{not json", "headers": {"Content-Type": "application/json"}},
        {"content": b"x" * 20_000},
    ],
    ids=["bare", "unknown token", "junk body", "long body"],
)
async def test_stop_needs_nothing_and_cannot_be_refused(
    gateway: FakeGateway, client: httpx.AsyncClient, request_: dict[str, Any]
) -> None:
    gateway.answer = refusing()
    answer = await client.post("/api/v1/stop", **request_)
    assert (answer.status_code, answer.json()) == (200, {"stop_sent": True})
    assert gateway.asked == [("stop", "http")]


async def test_state_is_the_snapshot(gateway: FakeGateway, client: httpx.AsyncClient) -> None:
    shown = gateway.put(pelvic=section("ARMED", last_drop=drop()))
    answer = await client.get("/api/v1/state")
    assert answer.json()["schema"] == "state/1"
    assert Snapshot.model_validate_json(answer.content) == shown


async def test_lease_shows_the_holder(gateway: FakeGateway, client: httpx.AsyncClient) -> None:
    asker = TakeOverShown(by="bob", expires_ms=9000)
    gateway.change(lease=LeaseShown(holder="anna", expires_ms=1200, take_over=asker))
    assert (await client.get("/api/v1/lease")).json() == {
        "holder": "anna",
        "expires_ms": 1200,
        "take_over": {"by": "bob", "expires_ms": 9000},
    }


async def test_readiness_is_what_the_gateway_says(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/api/v1/readiness")).json() == gateway.readiness()


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", (0, 100, None, None)),
        ("?after=7&limit=1&kind=drop&section=pelvic", (7, 1, "drop", "pelvic")),
        ("?limit=1000", (0, 1000, None, None)),
        (f"?after={2**53 - 1}", (2**53 - 1, 100, None, None)),
    ],
)
async def test_events_are_asked_for_as_the_query_says(
    gateway: FakeGateway, client: httpx.AsyncClient, query: str, asked: tuple[Any, ...]
) -> None:
    gateway.journal = [{"seq": n} for n in range(1, 5)]
    answer = await client.get(f"/api/v1/events{query}")
    assert answer.status_code == 200
    assert gateway.asked == [("events", *asked)]
    assert answer.json() == {"events": gateway.journal[asked[0] : asked[0] + asked[1]]}


async def test_one_event_by_its_number(gateway: FakeGateway, client: httpx.AsyncClient) -> None:
    gateway.journal = [{"seq": 1, "kind": "drop", "data": {"fall_ms": 62.4}}]
    assert (await client.get("/api/v1/events/1")).json() == gateway.journal[0]
    assert (await client.get("/api/v1/events/2")).status_code == 404


@pytest.mark.parametrize("prefix", ["/api/v1", ""])
async def test_ready_only_while_nothing_is_wrong(
    gateway: FakeGateway, client: httpx.AsyncClient, prefix: str
) -> None:
    assert (await client.get(f"{prefix}/readyz")).json() == {"ready": True}
    gateway.wrong = ["the link is down", "the journal cannot be written"]
    answer = await client.get(f"{prefix}/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the link is down; the journal cannot be written"
    up = await client.get(f"{prefix}/healthz")
    assert (up.status_code, up.json()) == (200, {"up": True, "boot": gateway.boot})


async def test_a_broken_journal_is_told_with_its_code_and_remedy(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.answer = DroptableError("STATE_UNWRITABLE", "no space left on device")
    answer = await client.post("/api/v1/sections/pelvic/arm")
    assert answer.status_code == 503
    assert answer.json()["code"] == "STATE_UNWRITABLE"
    assert "free space" in answer.json()["remedy"]


async def test_metrics_are_those_of_the_table(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.change(age_ms=250)
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = set(answer.text.splitlines())
    assert {
        "droptable_status_age_seconds 0.25",
        "droptable_link_live 1.0",
        "droptable_state_seq 2.0",
        "droptable_journal_head_seq 41.0",
        "droptable_ws_clients 0.0",
        'droptable_drops_total{section="thoracic"} 3.0',
        'droptable_drops_total{section="pelvic"} 7.0',
    } <= lines
    assert (await client.get("/api/v1/metrics")).text == answer.text


async def test_an_age_that_nobody_knows_is_no_number(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.change(age_ms=None)
    assert "droptable_status_age_seconds NaN" in (await client.get("/metrics")).text
