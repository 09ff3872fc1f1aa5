"""Home Assistant is told about the table when that is wanted, and nothing that is not there."""

import json
import re
from typing import Any

from droptable.mqtt.discovery import discovery_payload, discovery_topic
from droptable.mqtt.payloads import state_payload
from tests.brokers import Mosquitto
from tests.mqtt.conftest import Station, quick_settings
from tests.mqtt.doubles import snapshot
from tests.mqtt.observer import observer, until

TOPIC = "homeassistant/device/droptable-s1-t1/config"
SETTINGS = quick_settings(1, home_assistant="homeassistant")
DEVICE: dict[str, Any] = json.loads(discovery_payload(SETTINGS))


def test_every_reading_is_one_of_the_state() -> None:
    state = json.loads(state_payload(snapshot(state_seq=1)))
    paths = [
        match
        for component in DEVICE["components"].values()
        for match in re.findall(r"value_json((?:\.\w+)+)", component.get("value_template", ""))
    ]
    assert len(paths) == len(DEVICE["components"]) - 1
    for path in paths:
        found = state
        for name in path.split(".")[1:]:
            assert name in found, path
            found = found[name]


def test_stop_is_all_that_can_be_commanded() -> None:
    commands = [each for each in DEVICE["components"].values() if "command_topic" in each]
    assert [(each["command_topic"], each["retain"]) for each in commands] == [
        ("droptable/v1/s1/t1/command/stop", False)
    ]


def test_ids_are_unique_among_all_tables() -> None:
    other = json.loads(discovery_payload(quick_settings(1, table="t2", home_assistant="ha")))
    ids = [
        component["unique_id"]
        for device in (DEVICE, other)
        for component in device["components"].values()
    ]
    assert len(set(ids)) == len(ids)
    assert discovery_topic(SETTINGS) == TOPIC


async def test_it_is_told_when_that_is_wanted(broker: Mosquitto, protocol: str) -> None:
    station = Station(broker.port, protocol=protocol, home_assistant="homeassistant")
    async with station.running():
        for retained in (False, True):
            async with observer(broker.port, "homeassistant/#") as seen:
                await until(lambda heard=seen.messages: bool(heard))
            (told,) = seen.messages
            assert str(told.topic) == TOPIC
            assert json.loads(bytes(told.payload)) == DEVICE
            assert told.retain or not retained


async def test_and_otherwise_nothing_outside_the_tables_own_topics(broker: Mosquitto) -> None:
    async with observer(broker.port, "#") as seen:
        async with Station(broker.port).running():
            await until(lambda: any(str(each.topic).endswith("/head") for each in seen.messages))
        await until(lambda: any(bytes(each.payload) == b"offline" for each in seen.messages))
        assert all(str(each.topic).startswith("droptable/v1/s1/t1/") for each in seen.messages)
