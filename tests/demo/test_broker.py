"""The demo's own broker: on loopback, ready when it is handed over, gone when it is left."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from droptable.demo import broker as demo_broker
from droptable.demo.broker import LOOPBACK, running_broker
from droptable.errors import DroptableError
from tests.brokers import free_port
from tests.mqtt.conftest import Station
from tests.mqtt.observer import observer, retained, until

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["mosquitto", "iotcore"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two brokers in turn."""
    if request.param == "iotcore":
        monkeypatch.setattr(demo_broker.shutil, "which", lambda *_, **__: None)
    return str(request.param)


async def test_it_listens_on_loopback_alone(tmp_path: Path, program: str) -> None:
    async with running_broker(tmp_path) as broker:
        assert broker.program == program
        listening = {
            connection.laddr
            for connection in psutil.Process(broker.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {(LOOPBACK, broker.port)}


async def test_the_table_can_use_it(tmp_path: Path, program: str) -> None:
    async with running_broker(tmp_path) as broker:
        station = Station(broker.port, protocol=broker.protocol)
        async with observer(broker.port) as seen:
            async with station.running():
                station.journal.commit(50)
                await until(lambda: len(seen.events()) == 50)
                assert seen.events() == [event.canonical() for event in station.journal.events]
                await until(lambda: station.cursor.seq == 50)
                await retained(broker.port, "state")
                await seen.say("command/stop", b"")
                await until(lambda: station.stops == ["mqtt"])
            await until(lambda: seen.payloads("availability") == [b"online", b"offline"])


async def test_it_listens_on_the_port_that_was_chosen(tmp_path: Path, program: str) -> None:
    port = free_port()
    async with running_broker(tmp_path, port) as broker:
        assert (broker.host, broker.port) == (LOOPBACK, port)


async def test_it_has_ended_when_it_is_left_and_its_port_is_free(
    tmp_path: Path, program: str
) -> None:
    async with running_broker(tmp_path) as broker:
        assert psutil.pid_exists(broker.pid)
    assert not psutil.pid_exists(broker.pid)
    async with running_broker(tmp_path, broker.port) as second:
        assert second.port == broker.port


async def test_a_broker_that_hangs_is_ended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_broker, "END_MAX_S", 0.2)
    async with running_broker(tmp_path) as broker:
        os.kill(broker.pid, signal.SIGSTOP)
    assert not psutil.pid_exists(broker.pid)


async def test_a_taken_port_is_refused_and_its_owner_is_not_mistaken_for_ours(
    tmp_path: Path, program: str
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DroptableError, match=f"{LOOPBACK}:{port}: address already in use"):
            async with running_broker(tmp_path, port):
                pass


async def test_a_broker_that_ends_at_once_leaves_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_broker, "_mosquitto_config", lambda _port: "no_such_key true\n")
    with pytest.raises(DroptableError, match=r"ended at once: .*mosquitto\.conf") as error:
        async with running_broker(tmp_path):
            pass
    assert error.value.problem.code == "BROKER_UNREACHABLE"


async def test_without_any_broker_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_broker.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(demo_broker, "find_spec", lambda _: None)
    with pytest.raises(DroptableError) as error:
        async with running_broker(tmp_path):
            pass
    assert error.value.problem.code == "NO_BROKER"
    assert "mosquitto" in str(error.value)


def test_the_broker_from_pypi_ends_when_whoever_started_it_is_gone() -> None:
    port = free_port()
    command = [sys.executable, "-m", "droptable.demo.pip_broker", "--port", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0
