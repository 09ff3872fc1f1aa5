"""The table at a real broker: what subscribers see, and what no broker can do to it."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from droptable.mqtt.event_stream import WINDOW
from tests.brokers import Mosquitto, free_port
from tests.mqtt.conftest import Station
from tests.mqtt.doubles import snapshot
from tests.mqtt.observer import BASE, WAIT_MAX_S, observer, retained, until

ROOT = Path(__file__).parents[2]


def in_order_of_first_arrival(payloads: list[bytes]) -> list[bytes]:
    return list(dict.fromkeys(payloads))


def as_recorded(station: Station, first: int = 1) -> list[bytes]:
    return [event.canonical() for event in station.journal.events[first - 1 :]]


# --- what is published ---------------------------------------------------------------------------


async def test_events_arrive_in_order_and_byte_for_byte(broker: Mosquitto, protocol: str) -> None:
    station = Station(broker.port, protocol=protocol)
    station.journal.commit(200)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.cursor.seq == 200)
        station.journal.commit(100, "drop")
        await until(lambda: station.cursor.seq == 300)
        await until(lambda: len(seen.events()) >= 300)
        assert seen.events() == as_recorded(station)
        assert station.cursor.steps == list(range(1, 301))
        assert len(seen.payloads("event/drop")) == 100
        assert station.publisher.problem is None


async def test_a_commit_goes_out_without_reading_the_journal(broker: Mosquitto) -> None:
    station = Station(broker.port)
    station.journal.commit()
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.cursor.seq == 1)
        reads = station.journal.reads
        for seq in range(2, 50):
            station.journal.commit()
            await until(lambda seq=seq: station.cursor.seq == seq)
        assert station.journal.reads == reads
        await until(lambda: len(seen.events()) == 49)
        assert seen.events() == as_recorded(station)


async def test_publication_begins_above_the_cursor(broker: Mosquitto) -> None:
    station = Station(broker.port, after=7)
    station.journal.commit(10)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.cursor.seq == 10 and len(seen.events()) >= 3)
        assert seen.events() == as_recorded(station, first=8)


async def test_a_cursor_of_another_journal_hides_nothing(broker: Mosquitto) -> None:
    station = Station(broker.port, after=1000)
    station.journal.commit(3)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: len(seen.events()) == 3)
        assert seen.events() == as_recorded(station)


async def test_state_is_retained_and_names_nobody(broker: Mosquitto, protocol: str) -> None:
    station = Station(broker.port, protocol=protocol)
    shown = snapshot(state_seq=5, holder="Dr. A. Example")
    station.table.show(shown)
    async with station.running():
        state = json.loads(await retained(broker.port, "state"))
        expected = shown.model_dump(mode="json", by_alias=True)
        assert state.keys() == expected.keys()
        assert state["lease"] == {"holder": "held", "expires_ms": 1000, "take_over": None}
        assert state["sections"]["pelvic"]["ready"]["arm"][0] == {
            "code": "LEASE_ELSEWHERE",
            "text": "someone moves the table.",
            "remedy": "Ask someone to let go.",
            "doc": "docs/reasons.md#lease_elsewhere",
        }
        assert "Example" not in json.dumps(state)
        assert state["link"] == expected["link"]


async def test_state_follows_changes_at_most_five_times_a_second(broker: Mosquitto) -> None:
    station = Station(broker.port)
    clock = asyncio.get_running_loop()
    async with observer(broker.port) as seen, station.running():
        await until(lambda: len(seen.payloads("state")) == 1)
        began_s = clock.time()
        for state_seq in range(2, 400):
            station.table.show(snapshot(state_seq=state_seq))
            await asyncio.sleep(0)
        await until(lambda: b'"state_seq":399' in seen.payloads("state")[-1])
        elapsed_s = clock.time() - began_s
        # One for each 200 ms that passed, and one that was due at the beginning.
        assert len(seen.payloads("state")) - 1 <= elapsed_s / 0.2 + 1
    assert station.table.readers == 0


async def test_a_snapshot_without_a_change_is_not_repeated(broker: Mosquitto) -> None:
    station = Station(broker.port)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: len(seen.payloads("state")) == 1)
        station.table.show(snapshot(state_seq=1))
        await until(lambda: not station.table._changed.is_set())
        station.table.show(snapshot(state_seq=2))
        await until(lambda: len(seen.payloads("state")) >= 2)
        assert [json.loads(state)["state_seq"] for state in seen.payloads("state")] == [1, 2]


async def test_the_head_is_retained_and_follows_the_journal(broker: Mosquitto) -> None:
    station = Station(broker.port)
    station.journal.commit(3)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.cursor.seq == 3)
        station.journal.commit(40)
        journal = station.journal
        newest = {"epoch": journal.epoch, "seq": 43, "hash": journal.head_hash}
        await until(lambda: json.loads((seen.payloads("ledger/head") or [b"0"])[-1]) == newest)
        assert json.loads(await retained(broker.port, "ledger/head")) == newest


async def test_availability_says_online_and_on_a_clean_end_offline(
    broker: Mosquitto, protocol: str
) -> None:
    station = Station(broker.port, protocol=protocol)
    async with observer(broker.port) as seen:
        async with station.running():
            await until(lambda: seen.payloads("availability") == [b"online"])
            assert await retained(broker.port, "availability") == b"online"
        await until(lambda: len(seen.payloads("availability")) >= 2)
        assert seen.payloads("availability") == [b"online", b"offline"]
    assert await retained(broker.port, "availability") == b"offline"


async def test_a_clean_end_is_one_for_the_broker_too(broker: Mosquitto, protocol: str) -> None:
    """`offline` is said by us; the last will is for when nobody can speak any more."""
    station = Station(broker.port, protocol=protocol)
    async with observer(broker.port) as seen:
        async with station.running():
            await until(lambda: seen.payloads("availability") == [b"online"])
        await until(lambda: seen.payloads("availability") == [b"online", b"offline"])
    assert "Client droptable-s1-t1 disconnected." in broker.stop()


async def test_when_the_daemon_is_killed_its_last_will_says_offline(broker: Mosquitto) -> None:
    async with observer(broker.port) as seen:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.mqtt.lone_publisher", str(broker.port), cwd=ROOT
        )
        try:
            await until(lambda: seen.payloads("availability") == [b"online"])
        finally:
            process.kill()
            await process.wait()
        await until(lambda: seen.payloads("availability") == [b"online", b"offline"])
    assert await retained(broker.port, "availability") == b"offline"


# --- what the broker may say ---------------------------------------------------------------------


async def test_a_live_stop_is_obeyed_whatever_it_says(broker: Mosquitto, protocol: str) -> None:
    station = Station(broker.port, protocol=protocol)
    payloads = [b"", b"STOP", b"\xff\x00 not JSON", b"x" * 1_000_000]
    async with observer(broker.port) as seen, station.running():
        await until(lambda: bool(seen.payloads("availability")))
        for count, payload in enumerate(payloads, start=1):
            await seen.say("command/stop", payload)
            await until(lambda count=count: len(station.stops) == count)
        assert station.stops == ["mqtt"] * len(payloads)
        assert station.publisher.problem is None


async def test_a_retained_stop_is_ignored_and_found(broker: Mosquitto, protocol: str) -> None:
    station = Station(broker.port, protocol=protocol)
    async with observer(broker.port) as seen:
        await seen.say("command/stop", b"STOP", retain=True)
        async with station.running():
            await until(lambda: station.publisher.findings.counts["retained STOP"] == 1)
            assert station.stops == []
            # What is published live counts, even if the broker is told to keep it too.
            await seen.say("command/stop", b"STOP", retain=True)
            await until(lambda: station.stops == ["mqtt"])


async def test_a_stop_that_was_sent_while_we_were_away_is_not_obeyed_later(
    broker: Mosquitto, protocol: str
) -> None:
    station = Station(broker.port, protocol=protocol)
    async with observer(broker.port) as seen:
        async with station.running():
            await until(lambda: seen.payloads("availability") == [b"online"])
        await seen.say("command/stop", b"STOP")
        async with station.running():
            await until(lambda: seen.payloads("availability") == [b"online", b"offline", b"online"])
            await seen.say("command/stop", b"now")
            await until(lambda: bool(station.stops))
            assert station.stops == ["mqtt"]


async def test_a_stop_passes_a_flood_of_other_messages(broker: Mosquitto) -> None:
    station = Station(broker.port)
    async with observer(broker.port, f"{BASE}/availability") as seen, station.running():
        await until(lambda: bool(seen.messages))
        for _ in range(500):
            await seen.client.publish(f"{BASE}/ledger/replay", b"junk", qos=0)
        await seen.say("command/stop", b"")
        await until(lambda: station.stops == ["mqtt"])
        assert station.publisher.findings.counts["malformed"] == 500


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"epoch": "%s", "seq": "2"}',
        b'{"epoch": "%s", "seq": -1}',
        b'{"epoch": "%s", "seq": 1.5}',
        b'{"epoch": "%s", "seq": true}',
        b'{"epoch": "%s", "seq": 4}',
        b'{"epoch": "%s", "seq": 99999999999999999999999999}',
        b'{"epoch": "foreign", "seq": 2}',
        b'{"seq": 2}',
        b"[" * 1000,
        b'{"epoch": "%s", "seq": 2, "more": "' + b"x" * 2000 + b'"}',
    ],
)
async def test_what_a_sink_cannot_have_said_is_ignored_and_found(
    broker: Mosquitto, payload: bytes
) -> None:
    station = Station(broker.port, sink=True)
    station.journal.commit(3)
    said = payload.replace(b"%s", station.journal.epoch.encode())
    async with observer(broker.port) as seen, station.running():
        await until(lambda: bool(seen.payloads("availability")))
        await seen.say("ledger/committed", said)
        await until(lambda: station.publisher.findings.counts.total() == 1)
        assert station.cursor.steps == []
        await seen.say("ledger/committed", json.dumps({"epoch": station.journal.epoch, "seq": 3}))
        await until(lambda: station.cursor.seq == 3)


async def test_with_a_sink_only_its_word_moves_the_cursor(broker: Mosquitto) -> None:
    station = Station(broker.port, sink=True)
    station.journal.commit(20)
    async with observer(broker.port) as seen:
        async with station.running():
            await until(lambda: len(seen.events()) == 20)
            assert station.cursor.seq == 0
            await seen.say("ledger/committed", _committed(station, 12), retain=True)
            await until(lambda: station.cursor.seq == 12)
            # An older word, such as one that was retained, takes nothing back.
            await seen.say("ledger/committed", _committed(station, 4))
            await seen.say("command/stop", b"")
            await until(lambda: bool(station.stops))
            assert station.cursor.seq == 12
        seen.messages.clear()
        async with station.running():
            await until(lambda: len(seen.events()) >= 8)
            assert seen.events() == as_recorded(station, first=13)


async def test_what_a_sink_confirms_while_the_journal_is_read_is_not_sent(
    broker: Mosquitto,
) -> None:
    station = Station(broker.port, sink=True)
    station.journal.commit(60)
    station.journal.may_read.clear()
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.journal.reads == 1)
        await seen.say("ledger/committed", _committed(station, 50))
        await until(lambda: station.cursor.seq == 50)
        station.journal.may_read.set()
        await until(lambda: len(seen.events()) >= 10)
        assert seen.events() == as_recorded(station, first=51)


async def test_without_a_sink_nobody_can_move_the_cursor(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto(acl=f"topic readwrite #\ntopic deny {BASE}/event/#\n")
    station = Station(broker.port)
    station.journal.commit(5)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.code == "BROKER_REFUSED")
        await seen.say("ledger/committed", _committed(station, 5))
        await seen.say("command/stop", b"")
        await until(lambda: bool(station.stops))
        assert station.cursor.seq == 0


async def test_a_sink_gets_a_range_again(broker: Mosquitto, protocol: str) -> None:
    station = Station(broker.port, protocol=protocol)
    station.journal.commit(30)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: len(seen.events()) == 30)
        seen.messages.clear()
        await seen.say("ledger/replay", _replay(station, 5, 22))
        await until(lambda: len(seen.events()) >= 18)
        assert seen.events() == as_recorded(station)[4:22]
        assert station.cursor.steps == list(range(1, 31))
        seen.messages.clear()
        await seen.say("ledger/replay", _replay(station, 29, 10**9))
        await until(lambda: len(seen.events()) >= 2)
        assert seen.events() == as_recorded(station)[28:]


async def test_requests_for_replay_are_bounded(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto()
    station = Station(broker.port)
    station.journal.commit(3000)
    async with observer(broker.port, f"{BASE}/availability") as seen, station.running():
        await until(lambda: station.cursor.seq == 3000)
        for _ in range(40):
            await seen.client.publish(f"{BASE}/ledger/replay", _replay(station, 1, 3000), qos=0)
        await until(lambda: station.publisher.findings.counts["too many replays"] > 0)
        # What is new does not wait for what is old.
        station.journal.commit()
        await until(lambda: station.cursor.seq == 3001)
        assert station.publisher.findings.counts["too many replays"] >= 31


# --- when the broker fails -----------------------------------------------------------------------


async def test_a_broker_that_restarts_loses_nothing_and_keeps_the_order(
    mosquitto: Callable[..., Mosquitto], protocol: str
) -> None:
    broker = mosquitto(extra="persistence true\nmax_queued_messages 10000")
    session = {"identifier": "sink", "clean_session": False}
    station = Station(broker.port, protocol=protocol)
    async with observer(broker.port, **session) as before:
        async with station.running():
            station.journal.commit(300)
            await until(lambda: len(before.events()) > 20)
            broker.stop()
            station.journal.commit(300)
            await until(lambda: station.code == "BROKER_UNREACHABLE")
            broker.start()
            async with observer(broker.port, **session) as after:
                await until(lambda: station.cursor.seq == 600)
                station.journal.commit(10)
                await until(lambda: station.cursor.seq == 610)
                await until(lambda: as_recorded(station)[-1] in after.events())
                arrived = before.events() + after.events()
        assert in_order_of_first_arrival(arrived) == as_recorded(station)
        assert station.publisher.problem is None
        # The observer's own first connection was lost with the broker.
        before.client._disconnected.exception()


async def test_what_a_killed_broker_lost_a_sink_gets_again(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto()
    station = Station(broker.port, sink=True)
    async with station.running():
        async with observer(broker.port) as before:
            station.journal.commit(50)
            await until(lambda: len(before.events()) == 50)
            await before.say("ledger/committed", _committed(station, 30))
            await until(lambda: station.cursor.seq == 30)
            broker.kill()
            await until(lambda: station.code == "BROKER_UNREACHABLE")
        station.journal.commit(25)
        broker.start()
        async with observer(broker.port) as after:
            await until(lambda: station.code is None)
            # Whoever subscribes too late asks for what it misses.
            await after.say("ledger/replay", _replay(station, 31, 75))
            await until(lambda: set(as_recorded(station, first=31)) <= set(after.events()))
            assert len(set(after.events())) == 45


async def test_a_broker_that_hangs_is_noticed_while_events_wait(
    broker: Mosquitto, protocol: str
) -> None:
    station = Station(broker.port, protocol=protocol, publish_timeout_s=0.4, connect_timeout_s=0.4)
    async with station.running():
        station.journal.commit(5)
        await until(lambda: station.cursor.seq == 5)
        broker.pause()
        station.journal.commit(2000)
        await until(lambda: station.code == "BROKER_UNREACHABLE")
        assert station.cursor.seq == 5
        broker.resume()
        await until(lambda: station.cursor.seq == 2005)
        assert station.code is None


async def test_a_broker_that_hangs_is_noticed_while_nothing_happens(broker: Mosquitto) -> None:
    station = Station(broker.port, keepalive_s=1, connect_timeout_s=0.4)
    async with station.running():
        station.journal.commit()
        await until(lambda: station.cursor.seq == 1)
        broker.pause()
        await until(lambda: station.code == "BROKER_UNREACHABLE")
        broker.resume()


async def test_the_end_does_not_wait_for_a_broker_that_hangs(broker: Mosquitto) -> None:
    async with observer(broker.port, f"{BASE}/availability") as seen:
        # Leaving `running` fails if it takes longer than a second.
        async with Station(broker.port).running() as station:
            station.journal.commit(5)
            await until(lambda: station.cursor.seq == 5)
            broker.pause()
            station.journal.commit(WINDOW * 3)
        broker.resume()
        # Nobody could say goodbye: the last will does, or the farewell that lay in the socket.
        await until(lambda: seen.payloads("availability")[-1:] == [b"offline"])


async def test_a_port_without_a_broker_is_one_problem_told_once() -> None:
    station = Station(free_port())
    with capture_logs() as logs:
        async with station.running():
            station.journal.commit(3)
            await until(lambda: station.code == "BROKER_UNREACHABLE")
            for _ in range(3):
                first = station.publisher.problem
                await until(lambda first=first: station.publisher.problem is not first)
    assert [line["event"] for line in logs] == ["broker_problem"]
    assert logs[0]["code"] == "BROKER_UNREACHABLE"
    assert "connection refused" in str(station.publisher.problem)
    assert "exc_info" not in logs[0]


async def test_problem_and_recovery_are_each_told_once(broker: Mosquitto) -> None:
    station = Station(broker.port)
    with capture_logs() as logs:
        async with station.running():
            station.journal.commit(3)
            await until(lambda: station.cursor.seq == 3)
            broker.stop()
            await until(lambda: station.code == "BROKER_UNREACHABLE")
            broker.start()
            await until(lambda: station.code is None)
    told = [line["event"] for line in logs]
    assert told == ["broker_ok", "broker_problem", "broker_ok"]


async def test_a_wrong_password_is_a_refusal(
    mosquitto: Callable[..., Mosquitto], protocol: str
) -> None:
    broker = mosquitto(users={"table": "right"})
    with capture_logs() as logs:
        wrong = Station(broker.port, protocol=protocol, username="table", password="wrong")
        async with wrong.running():
            await until(lambda: wrong.code == "BROKER_REFUSED")
            assert "Not authorized" in str(wrong.publisher.problem)
    assert "wrong" not in str(logs)
    right = Station(broker.port, protocol=protocol, username="table", password="right")
    async with right.running():
        right.journal.commit(3)
        await until(lambda: right.cursor.seq == 3)


async def test_under_mqtt_5_an_event_that_is_refused_is_not_taken_for_delivered(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto(acl=f"topic readwrite #\ntopic deny {BASE}/event/drop\n")
    station = Station(broker.port)
    async with observer(broker.port) as seen, station.running():
        station.journal.commit(3)
        station.journal.commit(1, "drop")
        station.journal.commit(1)
        await until(lambda: station.code == "BROKER_REFUSED")
        assert f"{BASE}/event/drop: Not authorized" in str(station.publisher.problem)
        await until(lambda: station.cursor.seq == 3)
        # The rest works: STOP is heard, the state is shown.
        await seen.say("command/stop", b"")
        await until(lambda: station.stops == ["mqtt"])
        assert station.cursor.seq == 3
        assert seen.payloads("state")
        assert not seen.payloads("event/drop")


async def test_events_flow_on_when_the_refusal_is_lifted(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto(acl=f"topic readwrite #\ntopic deny {BASE}/event/drop\n")
    station = Station(broker.port)
    station.journal.commit(3, "drop")
    async with observer(broker.port) as seen, station.running():
        await until(lambda: station.code == "BROKER_REFUSED")
        broker.allow("topic readwrite #\n")
        await until(lambda: station.cursor.seq == 3)
        assert station.code is None
        await until(lambda: len(seen.events()) >= 3)
        assert in_order_of_first_arrival(seen.events()) == as_recorded(station)


async def test_under_mqtt_3_a_refused_publication_breaks_nothing(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    """It cannot be seen: a 3.1.1 broker acknowledges what it throws away. A sink would see it."""
    broker = mosquitto(acl=f"topic readwrite #\ntopic deny {BASE}/event/drop\n")
    station = Station(broker.port, protocol="3.1.1", sink=True)
    station.journal.commit(1, "drop")
    station.journal.commit(1)
    async with observer(broker.port) as seen, station.running():
        await until(lambda: len(seen.events()) == 1)
        assert station.cursor.seq == 0
        assert station.publisher.problem is None


async def test_a_broker_that_refuses_everything_refuses_the_table(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto(acl="topic read nothing\n")
    station = Station(broker.port)
    async with station.running():
        station.journal.commit(3)
        await until(lambda: station.code == "BROKER_REFUSED")
        assert station.cursor.seq == 0


async def test_two_tables_with_one_name_do_not_fight_without_a_pause(broker: Mosquitto) -> None:
    one, other = Station(broker.port, retry_most_ms=300), Station(broker.port, retry_most_ms=300)
    clock = asyncio.get_running_loop()
    with capture_logs() as logs:
        async with one.running(), other.running():
            began_s = clock.time()
            await until(lambda: clock.time() - began_s > 1.0)
    # With pauses of 150 to 300 ms each loses a handful of times a second, not hundreds.
    assert sum(line["event"] == "broker_problem" for line in logs) < 30


async def test_an_end_while_connecting_is_quick_and_clean() -> None:
    async def silence(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        await ended.wait()
        writer.close()

    met, ended = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(WAIT_MAX_S), Station(port, connect_timeout_s=30.0).running():
            await met.wait()
        ended.set()


def _committed(station: Station, seq: int) -> str:
    return json.dumps({"epoch": station.journal.epoch, "seq": seq})


def _replay(station: Station, first: int, last: int) -> str:
    return json.dumps({"epoch": station.journal.epoch, "from": first, "to": last})
