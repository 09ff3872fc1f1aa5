"""Topics, payloads, pauses and findings: what needs no broker."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from structlog.testing import capture_logs

from droptable.daemon.clock import SystemClock
from droptable.daemon.snapshot import (
    GestureShown,
    LeaseShown,
    SeriesShown,
    Snapshot,
    TakeOverShown,
)
from droptable.mqtt.backoff import Backoff
from droptable.mqtt.payloads import committed_from, replay_from, state_payload
from droptable.mqtt.problems import Findings, PublicationRefused, Standing, unreachable
from droptable.mqtt.settings import MqttSettings
from droptable.mqtt.topics import Topics
from tests.mqtt.doubles import snapshot


class Dice(SystemClock):
    """A clock whose dice were thrown before."""

    def __init__(self, thrown: float) -> None:
        super().__init__()
        self._thrown = thrown

    def random_float(self) -> float:
        return self._thrown


def test_topics_are_those_of_the_contract() -> None:
    topics = Topics("practice", "table-1")
    base = "droptable/v1/practice/table-1"
    assert topics.availability == f"{base}/availability"
    assert topics.state == f"{base}/state"
    assert topics.event("drop") == f"{base}/event/drop"
    assert topics.head == f"{base}/ledger/head"
    assert topics.subscribed == (
        f"{base}/command/stop",
        f"{base}/ledger/committed",
        f"{base}/ledger/replay",
    )


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a#", "$SYS", "a b", "\0", "é", "x" * 33])
def test_a_name_that_is_not_one_level_of_a_topic_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        MqttSettings(site=name, table="t")
    with pytest.raises(ValidationError):
        MqttSettings(site="s", table=name)


def test_the_password_is_never_shown() -> None:
    settings = MqttSettings(site="s", table="t", username="u", password="very secret")  # type: ignore[arg-type]
    assert "very secret" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_an_ipv6_host_is_written_in_brackets() -> None:
    assert MqttSettings(site="s", table="t", host="::1").address == "[::1]:1883"


@given(payload=st.binary(max_size=2000))
def test_no_payload_of_a_sink_raises(payload: bytes) -> None:
    committed_from(payload)
    replay_from(payload)


@given(first=st.integers(), last=st.integers())
def test_a_replay_is_a_range_of_seqs_or_nothing(first: int, last: int) -> None:
    asked = replay_from(json.dumps({"epoch": "e", "from": first, "to": last}).encode())
    if 1 <= first <= last:
        assert asked is not None
        assert (asked.first, asked.last) == (first, last)
    else:
        assert asked is None


def test_what_a_later_sink_says_besides_is_no_reason_not_to_understand_it() -> None:
    said = committed_from(b'{"epoch": "e", "seq": 7, "since": "yesterday"}')
    assert said is not None
    assert (said.epoch, said.seq) == ("e", 7)


@given(holder=st.none() | st.text(min_size=1, max_size=40))
def test_the_shown_state_keeps_its_schema_and_loses_the_name(holder: str | None) -> None:
    shown = state_payload(snapshot(state_seq=1, holder=holder))
    state = Snapshot.model_validate_json(shown)
    assert state.lease.holder == (None if holder is None else "held")
    assert state.model_copy(update={"lease": None, "sections": None}) == snapshot(
        state_seq=1
    ).model_copy(update={"lease": None, "sections": None})


def test_a_name_goes_from_sentences_and_from_nothing_else() -> None:
    state = json.loads(state_payload(snapshot(state_seq=1, holder="Ask")))
    reason = state["sections"]["lumbar"]["ready"]["cock"][0]
    assert reason["text"] == "someone moves the table."
    # "someone someone" is clumsy; a name that stays would be worse.
    assert reason["remedy"] == "someone someone to let go."
    assert reason["code"] == "LEASE_ELSEWHERE"
    assert state["sections"]["lumbar"]["phase"] == "LOCKED"


def test_whoever_is_at_a_control_or_asks_for_it_loses_their_name_too() -> None:
    shown = snapshot(state_seq=1, holder="Ask").model_copy(
        update={
            "lease": LeaseShown(
                holder="Ask", expires_ms=9, take_over=TakeOverShown(by="Eva", expires_ms=9)
            ),
            "gesture": GestureShown(
                by="Ask", means="page", action="cock", section="pelvic", held_ms=1, begun=False
            ),
            "series": SeriesShown(
                id="5eed",
                by="Bob",
                section="pelvic",
                preset=None,
                drops=3,
                done=0,
                left_ms=0,
                ended="asked",
                before=None,
                after=None,
            ),
        }
    )
    told = state_payload(shown).decode()
    assert not any(name in told for name in ("Ask", "Eva", "Bob"))
    assert Snapshot.model_validate_json(told).series is not None


@given(thrown=st.floats(0, 1, exclude_max=True), tries=st.integers(0, 200))
def test_pauses_double_up_to_the_longest_and_begin_anew(thrown: float, tries: int) -> None:
    backoff = Backoff(Dice(thrown), first_ms=100, most_ms=1500)
    pauses = [backoff.next_pause_us() for _ in range(tries + 1)]
    for count, pause_us in enumerate(pauses):
        whole_us = min(1_500_000, 100_000 * 2**count)
        assert whole_us / 2 <= pause_us <= whole_us
    backoff.reset()
    assert backoff.next_pause_us() <= 100_000


def test_a_flood_of_findings_is_counted_and_does_not_flood_the_log() -> None:
    findings = Findings()
    with capture_logs() as logs:
        for _ in range(1000):
            findings.found("malformed", "t")
        findings.found("retained STOP", "t")
    assert findings.counts == {"malformed": 1000, "retained STOP": 1}
    assert len(logs) == 11


def test_a_problem_is_told_when_its_code_changes_and_not_for_every_attempt() -> None:
    standing = Standing()
    assert standing.problem is None
    with capture_logs() as logs:
        for attempt in range(5):
            standing.lost(unreachable(f"attempt {attempt}"))
        standing.connected()
        standing.note("events", PublicationRefused("event/drop: Not authorized"))
        standing.note("head", PublicationRefused("ledger/head: Not authorized"))
        standing.note("events", None)
        assert standing.problem is not None
        standing.note("head", None)
        assert standing.problem is None
    assert [line.get("code", line["event"]) for line in logs] == [
        "BROKER_UNREACHABLE",
        "broker_ok",
        "BROKER_REFUSED",
        "broker_ok",
    ]
