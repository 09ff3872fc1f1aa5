"""What Home Assistant is told about the table, so that it shows it without being configured.

One retained document for the whole device (MQTT discovery by device, `PREFIX/device/ID/config`):
readings of `state`, and STOP, which is all that can be commanded. Values in, bytes out.
"""

import json
from typing import Any

from droptable import __version__
from droptable.mqtt.payloads import OFFLINE, ONLINE
from droptable.mqtt.settings import MqttSettings
from droptable.mqtt.topics import Topics
from droptable.sections import Section

Component = dict[str, Any]


def discovery_topic(settings: MqttSettings) -> str:
    """Where Home Assistant looks for the table."""
    return f"{settings.home_assistant}/device/{settings.client_id}/config"


def discovery_payload(settings: MqttSettings) -> bytes:
    """The table as a device."""
    topics = Topics(settings.site, settings.table)
    document = {
        "device": {
            "identifiers": [settings.client_id],
            "name": f"Drop table {settings.table}",
            "model": "drop table",
            "sw_version": __version__,
        },
        "origin": {"name": "droptable", "sw_version": __version__},
        "availability_topic": topics.availability,
        "payload_available": ONLINE.decode(),
        "payload_not_available": OFFLINE.decode(),
        "state_topic": topics.state,
        "qos": 1,
        "components": {
            name: component | {"unique_id": f"{settings.client_id}-{name}"}
            for name, component in _components(topics).items()
        },
    }
    return json.dumps(document).encode()


def _components(topics: Topics) -> dict[str, Component]:
    found: dict[str, Component] = {
        "link": _sensor("Link to the board", "value_json.link.state"),
        "stop": _problem("Stopped", "value_json.stop.latched"),
        "estop": _problem("E-stop chain open", "value_json.stop.estop_open"),
        "stop-now": {
            "platform": "button",
            "name": "STOP",
            "command_topic": topics.stop,
            "payload_press": "STOP",
            "retain": False,
        },
    }
    for section in Section:
        at, name = f"value_json.sections.{section.label}", section.label.capitalize()
        found |= {
            f"{section.label}-phase": _sensor(f"{name} phase", f"{at}.phase"),
            f"{section.label}-load": _force(f"{name} load", f"{at}.load_n"),
            f"{section.label}-tension": _force(f"{name} tension", f"{at}.tension.measured_n"),
            f"{section.label}-fall": _sensor(
                f"{name} last fall", f"({at}.last_drop or {{}}).fall_ms"
            )
            | {"unit_of_measurement": "ms", "device_class": "duration"},
        }
    return found


def _sensor(name: str, value: str) -> Component:
    return {"platform": "sensor", "name": name, "value_template": f"{{{{ {value} }}}}"}


def _force(name: str, value: str) -> Component:
    return _sensor(name, value) | {"unit_of_measurement": "N", "state_class": "measurement"}


def _problem(name: str, value: str) -> Component:
    """On when the table says so, and when it does not know: unknown is not well."""
    template = f"{{{{ 'OFF' if {value} == false else 'ON' }}}}"
    return {
        "platform": "binary_sensor",
        "name": name,
        "device_class": "problem",
        "value_template": template,
    }
