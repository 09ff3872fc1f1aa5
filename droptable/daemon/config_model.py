"""What can be configured: every key with its unit, range, default and description.

The model alone; it reads no file and no environment (`config_layers.py` does), and it carries
secrets but never shows them. A `Config` that exists is valid and free of contradictions.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from droptable.board.pin_plan import PinPlan, SectionPins, findings
from droptable.core.limits import COIL_WINDOW_US
from droptable.link.params import TABLE_SECTION, Key
from droptable.sections import Section

ADDRESS_PATTERN = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}"
"""HOST:PORT; an IPv6 host stands in brackets."""

LINK_PATTERN = rf"^(?:serial:.+|unix:.+|tcp:{ADDRESS_PATTERN}|gpio|sim)$"

LINK_FORMS = "serial:DEVICE, tcp:HOST:PORT, unix:PATH, gpio or sim"

PORT_MAX = 65_535

I32_MAX = 2**31 - 1

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
"""A level of an MQTT topic and a part of file names: neither `/`, `+`, `#` nor blanks."""

HardwareId = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,8}$")]

Address = Annotated[str, StringConstraints(pattern=f"^{ADDRESS_PATTERN}$")]


def key(
    default: Any,
    description: str,
    *,
    unit: str | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    allowed: str | None = None,
) -> Any:
    """A key of the configuration; `...` as default means that it has to be given.

    `allowed` says in words what a pattern says in signs; numbers are described by their range.
    """
    extra = {"unit": unit, "allowed": allowed}
    return Field(
        default,
        description=description,
        ge=at_least,
        le=at_most,
        json_schema_extra={name: text for name, text in extra.items() if text is not None},
    )


class Keys(BaseModel):
    """A table of the file: frozen, its values of exactly the stated type, no other names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TableKeys(Keys):
    """Which table this is."""

    site: Name = key(
        "local",
        "Where the table stands; a level of every MQTT topic",
        allowed="1 to 32 letters, digits, '_', '.' or '-', a letter or digit first",
    )
    name: Name = key(
        "table",
        "The table's name; a level of every MQTT topic and a field of every journal entry",
        allowed="1 to 32 letters, digits, '_', '.' or '-', a letter or digit first",
    )


class BoardKeys(Keys):
    """The board and what it keeps for the whole table."""

    link: Annotated[str, StringConstraints(pattern=LINK_PATTERN, max_length=400)] = key(
        ..., "How the board is reached", allowed=LINK_FORMS
    )
    baud: int = key(
        500_000,
        "Speed of a serial link; other links ignore it",
        unit="baud",
        at_least=9_600,
        at_most=4_000_000,
    )
    hw_id: HardwareId | None = key(
        None,
        "Only the board with this hardware id is accepted; without it any board is",
        allowed="1 to 8 printable ASCII characters",
    )
    supply_min_mv: int = key(
        20_000,
        "Below this supply voltage nothing is moved or armed",
        unit="mV",
        at_least=4_500,
        at_most=30_000,
    )
    air_min_kpa: int = key(
        400,
        "Below this air pressure nothing is moved or armed",
        unit="kPa",
        at_least=0,
        at_most=1_000,
    )
    coil_on_max_ms: int = key(
        30_000,
        "A coil that is driven longer than this is switched off, with a fault",
        unit="ms",
        at_least=1_000,
        at_most=120_000,
    )


class SectionKeys(Keys):
    """One section. The calibrated keys have no default: a made-up calibration is worse than none.

    Bounds of the board's own parameters: board link, section 5; the board enforces them itself.
    """

    cock_timeout_ms: int = key(
        2_000, "Cocking may take this long", unit="ms", at_least=200, at_most=5_000
    )
    lower_timeout_ms: int = key(
        4_000, "Lowering may take this long", unit="ms", at_least=200, at_most=8_000
    )
    drop_timeout_ms: int = key(
        300, "A fall may take this long", unit="ms", at_least=60, at_most=500
    )
    pin_timeout_ms: int = key(
        150, "The pin may take this long to move", unit="ms", at_least=20, at_most=300
    )
    settle_ms: int = key(
        50, "A switch counts after it was steady this long", unit="ms", at_least=10, at_most=100
    )
    # Common snap-action switches bounce for up to 6.2 ms (J. Ganssle, "A Guide to Debouncing").
    debounce_us: int = key(
        8_000, "Changes of a switch within this are bounce", unit="µs", at_least=0, at_most=20_000
    )
    arm_window_max_ms: int = key(
        20_000,
        "The board refuses to arm for longer than this",
        unit="ms",
        at_least=1_000,
        at_most=60_000,
    )
    load_zero_raw: int | None = key(
        None,
        "Calibrated: what the load cell reads without any load",
        unit="counts",
        at_least=-I32_MAX - 1,
        at_most=I32_MAX,
    )
    load_span_un: int | None = key(
        None,
        "Calibrated: force for each count of the load cell; not 0",
        unit="µN/count",
        at_least=-I32_MAX - 1,
        at_most=I32_MAX,
    )
    # Half of a person of 150 kg who sits on one section weighs 0.7 kN; a thrust peaks at 1 kN.
    load_max_dn: int = key(
        20_000,
        "More than this, except during a thrust, is an overload",
        unit="0.1 N",
        at_least=1_000,
        at_most=30_000,
    )
    tension_zero: int | None = key(
        None,
        "Calibrated: where the tension actuator stands without tension",
        unit="steps",
        at_least=-I32_MAX - 1,
        at_most=I32_MAX,
    )
    tension_span_un: int | None = key(
        None,
        "Calibrated: tension for each step of the actuator; not 0",
        unit="µN/step",
        at_least=-I32_MAX - 1,
        at_most=I32_MAX,
    )
    tension_tolerance_dn: int = key(
        200,
        "Measured and set tension may differ by this",
        unit="0.1 N",
        at_least=10,
        at_most=1_000,
    )
    drop_height_um: int = key(
        20_000, "How far the section falls", unit="µm", at_least=5_000, at_most=60_000
    )
    calibration_id: Name | None = key(
        None,
        "Calibrated: the name of the calibration that these values come from",
        allowed="1 to 32 letters, digits, '_', '.' or '-', a letter or digit first",
    )
    calibration_board: HardwareId | None = key(
        None,
        "Calibrated: the hardware id of the board that it was made with",
        allowed="1 to 8 printable ASCII characters",
    )
    calibration_expires: (
        Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None
    ) = key(
        None,
        "Calibrated: the last day, UTC, on which it is valid",
        allowed='a date such as "2027-01-31"',
    )
    tension_min_n: float = key(
        100.0, "Lowest tension that may be set", unit="N", at_least=0, at_most=1_000
    )
    tension_max_n: float = key(
        700.0, "Highest tension that may be set", unit="N", at_least=0, at_most=1_000
    )


def _show_shared_keys(schema: dict[str, Any]) -> None:
    shared = SectionKeys.model_json_schema()["properties"]
    schema["properties"] = {**shared, **schema["properties"]}


class SectionsKeys(Keys):
    """The three sections; in the file, keys in `[sections]` itself are for all three."""

    model_config = ConfigDict(json_schema_extra=_show_shared_keys)

    thoracic: SectionKeys = Field(default_factory=SectionKeys, description="The thoracic section")
    lumbar: SectionKeys = Field(default_factory=SectionKeys, description="The lumbar section")
    pelvic: SectionKeys = Field(default_factory=SectionKeys, description="The pelvic section")

    def of(self, section: Section) -> SectionKeys:
        """The keys of one section."""
        return (self.thoracic, self.lumbar, self.pelvic)[section]


class ArmingKeys(Keys):
    """Arming a section."""

    window_ms: int = key(
        15_000,
        "A section stays armed this long for the thrust",
        unit="ms",
        at_least=1_000,
        at_most=60_000,
    )
    tension_over_load_max_n: float = key(
        300.0,
        "The tension may exceed what presses on the section by this; a thrust has to overcome it",
        unit="N",
        at_least=50,
        at_most=600,
    )
    # The lightest section of a child who lies there presses with some 60 N.
    unloaded_below_n: float = key(
        30.0,
        "With less than this on every section nobody lies on the table",
        unit="N",
        at_least=5,
        at_most=200,
    )
    patient_timeout_s: int = key(
        60,
        "When nobody has lain on the table for this long, the next one is another patient",
        unit="s",
        at_least=5,
        at_most=3_600,
    )
    arms_per_minute_max: int = key(
        20,
        "The table arms no more often than this, all sections together",
        unit="arms a minute",
        at_least=1,
        at_most=60,
    )
    coil_duty_max_percent: int = key(
        50,
        "A pin's coil is driven for no more than this share of two minutes",
        unit="percent",
        at_least=5,
        at_most=100,
    )


class PresetKeys(Keys):
    """A series of drops that the practice has a name for. It moves nothing by itself."""

    section: Literal["thoracic", "lumbar", "pelvic"] = key(
        ..., "The section that drops", allowed="thoracic, lumbar or pelvic"
    )
    drops: int = key(3, "How many drops it is for", unit="drops", at_least=1, at_most=20)
    window_s: int = key(
        180,
        "The series ends after this long, whatever happened",
        unit="s",
        at_least=10,
        at_most=900,
    )
    # Practitioners set the load plus 50 to 150 N; as much as 500 N holds against most thrusts.
    tension_offset_n: float = key(
        80.0,
        "The tension that it means is what lies on the section and this much more",
        unit="N",
        at_least=0,
        at_most=500,
    )
    text: Annotated[str, StringConstraints(max_length=80)] = key(
        "", "What people are told that it is for", allowed="at most 80 characters"
    )


ANY_NAME = "NAME"
"""Stands for whatever people call a preset."""

Presets = dict[Name, PresetKeys]


class HttpKeys(Keys):
    """The tablet page and the API."""

    listen: Address = key(
        "127.0.0.1:8080",
        "Address of the page and the API; port 0 takes any free one",
        allowed="HOST:PORT of this machine's loopback, such as 127.0.0.1:8080",
    )

    @property
    def host(self) -> str:
        """The host of `listen`, an IPv6 address without its brackets."""
        return split_address(self.listen)[0]

    @property
    def port(self) -> int:
        """The port of `listen`; 0 takes any free one."""
        return split_address(self.listen)[1]


class MqttKeys(Keys):
    """The broker that drops and the state are sent to."""

    enabled: bool = key(True, "Whether there is a broker; without, the journal still keeps all")
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]+$", max_length=253)] = key(
        "127.0.0.1", "The broker's host", allowed="a host name or an IP address"
    )
    port: int = key(1_883, "The broker's port", unit="TCP port", at_least=1, at_most=PORT_MAX)
    username: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = key(
        None, "User at the broker; without, none is sent", allowed="1 to 256 characters"
    )
    password_file: Annotated[str, StringConstraints(min_length=1)] | None = key(
        None,
        "File whose first line is the password; a relative path counts from this file's folder",
        allowed="a path",
    )
    password: SecretStr | None = key(
        None,
        "The password itself; from the environment only (DROPTABLE__MQTT__PASSWORD)",
        allowed="a text, never in a file of configuration",
    )
    protocol: Literal["3.1.1", "5"] = key("5", "Version of MQTT", allowed="'3.1.1' or '5'")
    sink: bool = key(
        False,
        "Whether a sink confirms what is durable with it on `ledger/committed`; "
        "without, a PUBACK has to do",
    )
    home_assistant: Name | None = key(
        None,
        "Where Home Assistant looks for devices, `homeassistant` unless that was changed there; "
        "without, it is told nothing",
        allowed="1 to 32 letters, digits, '_', '.' or '-', a letter or digit first",
    )


class BlackBoxKeys(Keys):
    """What the daemon was told, in order, so that it can be played again."""

    # A table at rest fills 1 kB each second: 64 MiB reach back over most of a day.
    size_mib: int = key(
        64,
        "How much of the disk the recording may take; the oldest goes first",
        unit="MiB",
        at_least=8,
        at_most=4_096,
    )


def pin_key(default: Any, description: str) -> Any:
    """The key of a pin; which pins suit which use is judged by `board/pin_plan.py`."""
    return key(default, description, unit="GPIO number", at_least=0, at_most=27)


class SectionPinKeys(Keys):
    """The pins of one section, by GPIO number (BCM), not by place on the header."""

    lift: int = pin_key(..., "Output: drives the lift's valve or motor")
    pin: int = pin_key(..., "Output: drives the coil that withdraws the locking pin")
    lowering: int = pin_key(..., "Output: drives the lowering valve")
    up: int = pin_key(..., "Input: the up switch, closed to ground at the top")
    down: int = pin_key(..., "Input: the down switch, closed to ground at the bottom")
    pin_engaged: int = pin_key(
        ..., "Input: the pin's switch, closed to ground while the pin is in its hole"
    )
    hx711_data: int | None = pin_key(None, "Input: data of the section's HX711, if there is one")


class GpioKeys(Keys):
    """The pins of this machine, for link = "gpio": docs/wiring.md has the reference wiring."""

    chip: int = key(
        0, "The GPIO chip of the header, /dev/gpiochipN", unit="number", at_least=0, at_most=15
    )
    thoracic: SectionPinKeys = Field(description="The pins of the thoracic section")
    lumbar: SectionPinKeys = Field(description="The pins of the lumbar section")
    pelvic: SectionPinKeys = Field(description="The pins of the pelvic section")
    watchdog: int = pin_key(..., "Output: turns over while the board's loop does its work")
    estop: int = pin_key(..., "Input: closed to ground while the e-stop chain is closed")
    stop_button: int | None = pin_key(
        None, "Input: the stop button at the table, closed to ground until it is pressed"
    )
    pedal: int | None = pin_key(None, "Input: the pedal, closed to ground while it is pressed")
    load_cells: Literal["none", "mcp3208", "hx711"] = key(
        "none", "What reads the load cells", allowed="none, mcp3208 or hx711"
    )
    hx711_clock: int | None = pin_key(None, "Output: the clock of all three HX711")
    realtime_priority: int = key(
        50,
        "SCHED_FIFO priority of the board's loop, where the system allows it; 0 for none",
        unit="priority",
        at_least=0,
        at_most=90,
    )
    cpu: int | None = key(
        None, "The core that the board's loop runs on", unit="core", at_least=0, at_most=255
    )
    lock_memory: bool = key(True, "Whether the board's memory is locked, where it may be")
    freeze_collector: bool = key(
        True, "Whether the garbage collector leaves alone what lives when the board's loop begins"
    )

    def pin_plan(self) -> PinPlan:
        """The pins as the board's own process takes them."""
        sections = (self.thoracic, self.lumbar, self.pelvic)
        thoracic, lumbar, pelvic = (SectionPins(**dict(section)) for section in sections)
        return PinPlan(
            chip=self.chip,
            thoracic=thoracic,
            lumbar=lumbar,
            pelvic=pelvic,
            watchdog=self.watchdog,
            estop=self.estop,
            stop_button=self.stop_button,
            pedal=self.pedal,
            load_cells=self.load_cells,
            hx711_clock=self.hx711_clock,
        )


class JournalKeys(Keys):
    """What is recorded for good."""

    keep_days: int | None = key(
        None,
        "How long events are kept that the broker, or the sink, has; without, for ever",
        unit="days",
        at_least=30,
        at_most=36_500,
    )
    disk_free_min_mb: int = key(
        200,
        "With less room than this on the disk of the state directory nothing is cocked or armed",
        unit="MB",
        at_least=10,
        at_most=100_000,
    )


class LogKeys(Keys):
    """What is logged, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = key(
        "info", "The least grave messages that are shown", allowed="debug, info, warning or error"
    )


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two keys that are valid alone and not together; `path` is the one to correct."""

    path: tuple[str, ...]
    text: str


class Config(Keys):
    """The whole configuration of one daemon."""

    allow_cli_motion: bool = key(
        False,
        "Whether the command line may move a table whose board is not a simulator; "
        "it stands above every [table] of the file",
    )
    table: TableKeys = Field(default_factory=TableKeys, description="Which table this is")
    board: BoardKeys = Field(description="The board and what it keeps for the whole table")
    sections: SectionsKeys = Field(
        default_factory=SectionsKeys, description="Keys of all sections, and of each one"
    )
    gpio: GpioKeys | None = Field(
        None, description='The pins of this machine, for link = "gpio" only'
    )
    arming: ArmingKeys = Field(default_factory=ArmingKeys, description="Arming a section")
    presets: Presets = Field(
        default_factory=dict, max_length=32, description="Series of drops, by their names"
    )
    http: HttpKeys = Field(default_factory=HttpKeys, description="The tablet page and the API")
    mqtt: MqttKeys = Field(default_factory=MqttKeys, description="The broker")
    journal: JournalKeys = Field(
        default_factory=JournalKeys, description="What is recorded for good"
    )
    black_box: BlackBoxKeys = Field(
        default_factory=BlackBoxKeys, description="The recording of what the daemon was told"
    )
    log: LogKeys = Field(default_factory=LogKeys, description="What is logged")

    @model_validator(mode="after")
    def _without_contradictions(self) -> Self:
        found = tuple(_contradictions(self))
        if found:
            text = "; ".join(f"{'.'.join(each.path)} {each.text}" for each in found)
            raise PydanticCustomError("contradiction", "{text}", {"text": text, "found": found})
        return self

    def fingerprint(self) -> str:
        """SHA-256 over all that is in force; secrets are in it as blanks."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def board_params(self) -> dict[tuple[int, int], int]:
        """The board's parameters in the wire's units, by (section, key); the table is 255.

        Without tension_set_dn, which is set anew for every patient, and without what is not
        calibrated: a board that needs it then refuses to move.
        """
        params = {
            (int(section), number): value
            for section in Section
            for number, value in _wire_values(self.sections.of(section))
        }
        return params | {
            (TABLE_SECTION, number): value for number, value in _wire_values(self.board)
        }


def _wire_values(keys: Keys) -> Iterator[tuple[int, int]]:
    for name, value in keys:
        if name.upper() in Key.__members__ and value is not None:
            yield int(Key[name.upper()]), value


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; an IPv6 host loses its brackets. ValueError if it is neither."""
    if not re.fullmatch(ADDRESS_PATTERN, address):
        raise ValueError(f"{address!r} is not HOST:PORT")
    host, _, port = address.rpartition(":")
    if int(port) > PORT_MAX:
        raise ValueError(f"port {port} is above {PORT_MAX}")
    return host.strip("[]"), int(port)


def _contradictions(config: Config) -> Iterator[Contradiction]:
    yield from _address_contradictions(config)
    if config.mqtt.password is not None and config.mqtt.password_file is not None:
        yield Contradiction(("mqtt", "password_file"), "and a password are both given; keep one")
    yield from _window_contradictions(config)
    yield from _gpio_contradictions(config)
    for section in Section:
        yield from _section_contradictions(config, section)


def listen_contradictions(listen: str) -> Iterator[Contradiction]:
    """What is wrong with the address of the page, whatever else there is."""
    try:
        host, _ = split_address(listen)
    except ValueError as error:
        yield Contradiction(("http", "listen"), str(error))
    else:
        if not _is_loopback(host):
            yield Contradiction(
                ("http", "listen"),
                f"{listen} is reachable from outside this machine, without TLS; "
                "listen on a loopback address such as 127.0.0.1:8080",
            )


def _address_contradictions(config: Config) -> Iterator[Contradiction]:
    yield from listen_contradictions(config.http.listen)
    if config.board.link.startswith("tcp:"):
        try:
            split_address(config.board.link.removeprefix("tcp:"))
        except ValueError as error:
            yield Contradiction(("board", "link"), str(error))


def _gpio_contradictions(config: Config) -> Iterator[Contradiction]:
    """Pins that are given must be fit, whether they are used or not."""
    if config.gpio is not None:
        for wrong in findings(config.gpio.pin_plan()):
            yield Contradiction(("gpio", *wrong.path), wrong.text)
    elif config.board.link == "gpio":
        yield Contradiction(
            ("board", "link"), '= "gpio" needs the table [gpio]: which pin is wired to what'
        )


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or re.fullmatch(r"127(?:\.\d{1,3}){3}", host) is not None


def _section_contradictions(config: Config, section: Section) -> Iterator[Contradiction]:
    keys = config.sections.of(section)
    at = ("sections", section.label)
    if keys.tension_min_n >= keys.tension_max_n:
        yield Contradiction(
            (*at, "tension_min_n"),
            f"= {keys.tension_min_n:g} N is not below tension_max_n = {keys.tension_max_n:g} N",
        )
    yield from _calibration_contradictions(at, keys)
    for name in ("load_span_un", "tension_span_un"):
        if getattr(keys, name) == 0:
            yield Contradiction((*at, name), "must not be 0: every force would read as 0 N")


CALIBRATION_KEYS = ("calibration_id", "calibration_board", "calibration_expires")


def _calibration_contradictions(at: tuple[str, ...], keys: SectionKeys) -> Iterator[Contradiction]:
    """A calibration is a name, a board and a day, or there is none."""
    missing = [name for name in CALIBRATION_KEYS if getattr(keys, name) is None]
    if 0 < len(missing) < len(CALIBRATION_KEYS):
        for name in missing:
            yield Contradiction((*at, name), "is missing; a calibration has all three")
    if keys.calibration_expires is not None:
        try:
            date.fromisoformat(keys.calibration_expires)
        except ValueError:
            yield Contradiction(
                (*at, "calibration_expires"), f"= {keys.calibration_expires} is no day"
            )


def _window_contradictions(config: Config) -> Iterator[Contradiction]:
    """The board refuses a longer window, for it drives the pin's coil as long as the window."""
    limits_ms = {
        f"sections.{section.label}.arm_window_max_ms": config.sections.of(section).arm_window_max_ms
        for section in Section
    } | {"board.coil_on_max_ms": config.board.coil_on_max_ms}
    name, limit_ms = min(limits_ms.items(), key=lambda limit: limit[1])
    if config.arming.window_ms > limit_ms:
        yield Contradiction(
            ("arming", "window_ms"),
            f"= {config.arming.window_ms} ms is longer than {name} = {limit_ms} ms: "
            "the board would refuse to arm",
        )
    share = config.arming.coil_duty_max_percent
    if config.arming.window_ms * 1000 > COIL_WINDOW_US * share // 100:
        yield Contradiction(
            ("arming", "window_ms"),
            f"= {config.arming.window_ms} ms is more than coil_duty_max_percent = {share} % of "
            f"{COIL_WINDOW_US // 1_000_000} s: nothing could ever be armed",
        )


def field_at(path: tuple[str, ...]) -> FieldInfo | None:
    """The field that `path` names; a key in `[sections]` itself counts. None: there is none."""
    fields: Mapping[str, FieldInfo] = _fields_of(Config)
    field: FieldInfo | None = None
    for name in path:
        field = fields.get(name, fields.get(ANY_NAME))
        if field is None:
            return None
        fields = _fields_of(field.annotation)
    return field


def _fields_of(annotation: object) -> Mapping[str, FieldInfo]:
    if annotation == Presets:
        return {ANY_NAME: FieldInfo(annotation=PresetKeys, description=PresetKeys.__doc__)}
    if annotation is SectionsKeys:
        return {**SectionsKeys.model_fields, **SectionKeys.model_fields}
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Keys):
            return kind.model_fields
    return {}


def is_table(field: FieldInfo) -> bool:
    """Whether the field is a table of keys rather than a key."""
    return bool(_fields_of(field.annotation))


def names_at(path: tuple[str, ...]) -> tuple[str, ...]:
    """The names that exist in the table at `path`; none if it is not a table."""
    field = field_at(path)
    return tuple(_fields_of(Config if field is None else field.annotation))


def every_key(path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key that there is, tables left out, keys of all sections once."""
    above = field_at(path)
    for name, field in _fields_of(Config if above is None else above.annotation).items():
        if field.annotation is SectionKeys:
            continue
        if is_table(field):
            yield from every_key((*path, name))
        else:
            yield (*path, name)
