"""The configuration: layers, every finding at once with its place, and the board's parameters."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.core.limits import Preset
from droptable.daemon.config import (
    Config,
    ConfigInvalidError,
    json_schema,
    load,
    mqtt_password,
    split_address,
    state_dir,
)
from droptable.daemon.config_layers import KEYS
from droptable.daemon.config_model import field_at
from droptable.daemon.supervisor import settings_of
from droptable.link.params import TABLE_SECTION, Key
from droptable.sections import Section

SHIPPED = sorted((Path(__file__).parents[2] / "config").glob("*.toml"))
SIM = {"board.link": "sim"}

# Of the board link, section 5.
BOUNDS = {
    "cock_timeout_ms": (200, 5000),
    "lower_timeout_ms": (200, 8000),
    "drop_timeout_ms": (60, 500),
    "pin_timeout_ms": (20, 300),
    "settle_ms": (10, 100),
    "debounce_us": (0, 20000),
    "arm_window_max_ms": (1000, 60000),
    "load_max_dn": (1000, 30000),
    "tension_tolerance_dn": (10, 1000),
    "drop_height_um": (5000, 60000),
}
TABLE_BOUNDS = {
    "supply_min_mv": (4500, 30000),
    "air_min_kpa": (0, 1000),
    "coil_on_max_ms": (1000, 120000),
}
# What other keys have to agree with.
ALONE = {"arming.window_ms": 1000}


def written(folder: Path, text: str) -> Path:
    file = folder / "table.toml"
    file.write_text(text)
    return file


def findings(file: Path | None, env: dict[str, str] | None = None, **options: object) -> list[str]:
    dotted = {name.replace("__", "."): value for name, value in options.items()}
    with pytest.raises(ConfigInvalidError) as caught:
        load(file, env or {}, dotted)
    return [str(finding) for finding in caught.value.findings]


# What is shipped


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_every_shipped_file_is_valid(file: Path) -> None:
    assert isinstance(load(file, {}), Config)


def test_the_demo_shows_every_key_of_all_sections() -> None:
    demo = tomllib.loads((SHIPPED[0].parent / "demo.toml").read_text())
    keys = {name for path in KEYS if path[0] == "sections" for name in path[1:]}
    assert demo["sections"].keys() == keys


def test_every_key_tells_what_it_is_for_and_what_is_allowed() -> None:
    for path in KEYS:
        field = field_at(path)
        assert field is not None
        assert field.description, path
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        bounds = {name for each in field.metadata for name in ("ge", "le") if hasattr(each, name)}
        if field.annotation in (int, float, int | None):
            assert extra["unit"], path
            assert bounds == {"ge", "le"}, path
        else:
            assert "allowed" in extra or field.annotation is bool, path


def test_the_schema_knows_keys_of_all_sections_and_of_one() -> None:
    schema = json_schema()
    sections = schema["$defs"]["SectionsKeys"]["properties"]
    assert {"pelvic", "cock_timeout_ms"} <= sections.keys()
    assert schema["$defs"]["SectionKeys"]["properties"]["debounce_us"]["unit"] == "µs"


# The board's parameters


def test_the_board_is_given_every_parameter_but_the_tension() -> None:
    params = load(SHIPPED[0].parent / "demo.toml", {}).board_params()
    of_sections = set(Key) - {
        Key.TENSION_SET_DN,
        Key.SUPPLY_MIN_MV,
        Key.AIR_MIN_KPA,
        Key.COIL_ON_MAX_MS,
    }
    expected = {(int(section), int(key)) for section in Section for key in of_sections}
    expected |= {(TABLE_SECTION, key) for key in (16, 17, 18)}
    assert params.keys() == expected
    assert params[int(Section.PELVIC), 15] == 19_000
    assert params[255, 16] == 20_000


def test_what_is_not_calibrated_is_not_invented() -> None:
    params = load(None, {}, SIM).board_params()
    calibrated = {Key.LOAD_ZERO_RAW, Key.LOAD_SPAN_UN, Key.TENSION_ZERO, Key.TENSION_SPAN_UN}
    assert not {key for _, key in params} & calibrated


def test_a_calibrated_zero_of_0_is_a_value() -> None:
    params = load(None, {}, {**SIM, "sections.lumbar.load_zero_raw": 0}).board_params()
    assert params[int(Section.LUMBAR), 8] == 0
    assert (int(Section.PELVIC), 8) not in params


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
def test_a_section_takes_what_the_board_takes_and_no_more(
    name: str, bounds: tuple[int, int]
) -> None:
    for good in bounds:
        config = load(None, {}, {**SIM, **ALONE, f"sections.{name}": good})
        assert config.board_params()[0, int(Key[name.upper()])] == good
    for bad in (bounds[0] - 1, bounds[1] + 1):
        assert len(findings(None, **{"board__link": "sim", f"sections__{name}": bad})) == 1


@pytest.mark.parametrize(("name", "bounds"), TABLE_BOUNDS.items())
def test_the_table_takes_what_the_board_takes_and_no_more(
    name: str, bounds: tuple[int, int]
) -> None:
    for good in bounds:
        config = load(None, {}, {**SIM, **ALONE, f"board.{name}": good})
        assert config.board_params()[TABLE_SECTION, int(Key[name.upper()])] == good
    for bad in (bounds[0] - 1, bounds[1] + 1):
        assert len(findings(None, **{"board__link": "sim", f"board__{name}": bad})) == 1


@given(st.integers(5_000, 60_000), st.integers(5_000, 60_000))
def test_a_section_overlays_what_is_said_of_all(shared: int, own: int) -> None:
    config = load(
        None,
        {},
        {**SIM, "sections.drop_height_um": shared, "sections.pelvic.drop_height_um": own},
    )
    heights = [config.sections.of(section).drop_height_um for section in Section]
    assert heights == [shared, shared, own]


# Layers


def test_the_environment_overlays_the_file_and_options_overlay_both(tmp_path: Path) -> None:
    file = written(
        tmp_path, '[board]\nlink = "sim"\nbaud = 9600\n[mqtt]\nport = 1\nhost = "file"\n'
    )
    env = {"DROPTABLE__MQTT__PORT": "2", "DROPTABLE__MQTT__HOST": "env"}
    config = load(file, env, {"mqtt.host": "option"})
    assert (config.board.baud, config.mqtt.port, config.mqtt.host) == (9600, 2, "option")


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ALLOW_CLI_MOTION", "true", True),
        ("SECTIONS__COCK_TIMEOUT_MS", "1500", 1500),
        ("SECTIONS__PELVIC__TENSION_MIN_N", "12.5", 12.5),
        ("SECTIONS__LUMBAR__LOAD_ZERO_RAW", "-7", -7),
        ("MQTT__USERNAME", "true", "true"),
        ("MQTT__PROTOCOL", "5", "5"),
        ("BOARD__HW_ID", "12345678", "12345678"),
    ],
)
def test_a_text_of_the_environment_becomes_what_its_key_wants(
    variable: str, text: str, value: object
) -> None:
    config: object = load(None, {"DROPTABLE__BOARD__LINK": "sim", f"DROPTABLE__{variable}": text})
    path = variable.lower().split("__")
    if path[0] == "sections" and len(path) == 2:
        path.insert(1, "thoracic")
    for name in path:
        config = getattr(config, name)
    assert config == value
    assert type(config) is type(value)


def test_other_variables_are_nobody_s_business() -> None:
    env = {"DROPTABLE_URL": "x", "DROPTABLE_TOKEN": "y", "PATH": "z"}
    assert load(None, env, SIM) == load(None, {}, SIM)


# What is wrong


def test_everything_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[table]\n"
        'site = "a/b"\n'
        "[board]\n"
        'lnk = "sim"\n'
        "baud = 5\n"
        "[sections]\n"
        "cock_timeout_ms = 199\n"
        "[sections.pelvic]\n"
        "drop_height_um = 1.5\n"
        "[http]\n"
        "port = 80\n"
        "[mqqt]\n"
        "enabled = true\n",
    )
    assert findings(file, {"DROPTABLE__MQTT__PORT": "many"}) == [
        (
            f"{file}:2: table.site = 'a/b': allowed is 1 to 32 letters, digits, '_', '.' or '-', "
            "a letter or digit first"
        ),
        (
            f"{file}:3: board.link is missing; allowed is serial:DEVICE, tcp:HOST:PORT, unix:PATH, "
            "gpio or sim"
        ),
        f"{file}:4: board.lnk is not known; did you mean 'link'?",
        f"{file}:5: board.baud = 5: allowed is a whole number from 9600 to 4000000 baud",
        f"{file}:7: sections.cock_timeout_ms = 199: allowed is a whole number from 200 to 5000 ms",
        (
            f"{file}:9: sections.pelvic.drop_height_um = 1.5: allowed is a whole number from 5000 to "
            "60000 µm"
        ),
        f"{file}:11: http.port is not known here; it exists as mqtt.port",
        f"{file}:12: mqqt is not known; did you mean 'mqtt'?",
        (
            "environment: DROPTABLE__MQTT__PORT = 'many': allowed is a whole number from 1 to 65535 "
            "TCP port"
        ),
    ]


def test_a_misspelled_key_of_all_sections_is_told_once(tmp_path: Path) -> None:
    file = written(tmp_path, '[board]\nlink = "sim"\n[sections]\ncock_timout_ms = 2000\n')
    assert findings(file) == [
        f"{file}:4: sections.cock_timout_ms is not known; did you mean 'cock_timeout_ms'?"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[table\n", ":1: is not TOML: "),
        ('[table]\nsite = "a"\nsite = "b"\n', ":3: is not TOML: "),
        ("board = 5\n", ":1: board = 5: allowed is a table of keys with at least link"),
        ("", ": board.link is missing; allowed is serial:DEVICE"),
        ("[board.link]\nx = 1\n", ":1: board.link = {'x': 1}: allowed is serial:"),
        ("sections = 1\n[board]\nlink='sim'\n", ":1: sections = 1: allowed is a table of keys"),
    ],
)
def test_a_file_that_is_no_such_configuration_is_told_where(
    tmp_path: Path, text: str, told: str
) -> None:
    file = written(tmp_path, text)
    found = findings(file)
    assert any(f"{file}{told}" in finding for finding in found), found


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert f"{missing}: cannot be read: No such file or directory" in findings(missing)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert f"{binary}: is not text in UTF-8" in findings(binary)


@pytest.mark.parametrize("value", ["1", 1, "yes"])
def test_nothing_but_true_allows_motion_from_the_command_line(value: object) -> None:
    assert findings(None, board__link="sim", allow_cli_motion=value) == [
        f"command line: allow_cli_motion = {value!r}: allowed is true or false"
    ]
    assert load(None, {}, SIM).allow_cli_motion is False


@pytest.mark.parametrize(
    "link",
    ["serial:/dev/ttyACM0", "tcp:localhost:1", "tcp:[::1]:65535", "unix:/run/x", "sim"],
)
def test_a_link_of_each_kind_is_taken(link: str) -> None:
    assert load(None, {}, {"board.link": link}).board.link == link


@pytest.mark.parametrize(
    "link", ["", "serial:", "tcp:host", "tcp:a:65536", "unix:", "usb:1", "gpio:1", "SIM", "sim\n"]
)
def test_what_is_no_link_is_refused(link: str) -> None:
    assert len(findings(None, board__link=link)) == 1


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:80", "[::1]:8080", "127.9.9.9:1"])
def test_the_page_may_be_at_any_loopback_address(listen: str) -> None:
    assert load(None, {}, {**SIM, "http.listen": listen}).http.listen == listen


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:80", "192.168.0.1:80", "[::]:80", "127.0.0.1.evil:80", "8080", "localhost"]
)
def test_the_page_may_be_nowhere_else(listen: str) -> None:
    assert len(findings(None, board__link="sim", http__listen=listen)) == 1


def test_an_address_outside_is_told_beside_whatever_else_is_wrong() -> None:
    found = findings(None, http__listen="0.0.0.0:80", board__link="sim", board__supply_min_mv=1)
    assert len(found) == 2
    assert any("reachable from outside" in text for text in found)


def test_what_could_not_be_read_is_not_missing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[board\n")
    for file in (tmp_path / "none.toml", broken):
        assert len(findings(file)) == 1


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"id": "a"}, ["calibration_board", "calibration_expires"]),
        ({"id": "a", "board": "B"}, ["calibration_expires"]),
        ({"expires": "2027-01-31"}, ["calibration_id", "calibration_board"]),
    ],
)
def test_a_calibration_has_a_name_a_board_and_a_day(keys: dict[str, str], says: list[str]) -> None:
    wanted = {f"sections__pelvic__calibration_{name}": value for name, value in keys.items()}
    found = findings(None, board__link="sim", **wanted)
    assert len(found) == len(says)
    for name in says:
        assert any(f"{name} is missing; a calibration has all three" in text for text in found)


def test_a_calibration_ends_on_a_day_that_there_is() -> None:
    found = findings(
        None,
        board__link="sim",
        sections__pelvic__calibration_id="a",
        sections__pelvic__calibration_board="B",
        sections__pelvic__calibration_expires="2027-02-29",
    )
    assert len(found) == 1
    assert "is no day" in found[0]


@pytest.mark.parametrize(("percent", "allowed"), [(13, True), (12, False)])
def test_a_window_fits_into_what_a_coil_may_be_driven(percent: int, allowed: bool) -> None:
    wanted = {"arming.window_ms": 15_000, "arming.coil_duty_max_percent": percent, **SIM}
    if allowed:
        load(None, {}, wanted)
        return
    with pytest.raises(ConfigInvalidError, match="nothing could ever be armed"):
        load(None, {}, wanted)


def test_the_fingerprint_is_that_of_all_that_is_in_force() -> None:
    one, same = load(None, {}, SIM), load(None, {}, SIM)
    other = load(None, {}, {**SIM, "arming.window_ms": 1_000})
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_keys_that_contradict_each_other_are_told_together() -> None:
    told = findings(
        None,
        board__link="sim",
        arming__window_ms=15_000,
        sections__lumbar__arm_window_max_ms=14_999,
        sections__pelvic__tension_min_n=700.0,
        sections__pelvic__load_span_un=0,
    )
    assert told == [
        (
            "command line: arming.window_ms = 15000 ms is longer than "
            "sections.lumbar.arm_window_max_ms = 14999 ms: the board would refuse to arm"
        ),
        "command line: sections.pelvic.load_span_un must not be 0: every force would read as 0 N",
        "command line: sections.pelvic.tension_min_n = 700 N is not below tension_max_n = 700 N",
    ]


def test_the_window_may_not_outlast_the_coil() -> None:
    told = findings(None, board__link="sim", board__coil_on_max_ms=14_999)
    assert len(told) == 1
    assert "longer than board.coil_on_max_ms = 14999 ms" in told[0]
    load(None, {}, {**SIM, "board.coil_on_max_ms": 15_000})


# Secrets


def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = written(tmp_path, '[board]\nlink = "sim"\n[mqtt]\npassword = "hunter2"\n')
    (told,) = findings(file)
    assert told.startswith(f"{file}:4: mqtt.password is a secret")
    assert "hunter2" not in told


def test_a_password_comes_from_the_environment_and_is_never_shown() -> None:
    config = load(None, {"DROPTABLE__MQTT__PASSWORD": "hunter2"}, SIM)
    assert mqtt_password(config) == "hunter2"
    assert "hunter2" not in repr(config)
    assert "hunter2" not in config.model_dump_json()


def test_a_password_file_counts_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\r\nnot this\n")
    file = written(tmp_path, '[board]\nlink = "sim"\n[mqtt]\npassword_file = "secret"\n')
    assert mqtt_password(load(file, {})) == "hunter2"


@pytest.mark.parametrize("content", [None, "", "\nsecond", "\xff"])
def test_a_password_file_without_a_password_is_a_finding(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content.encode("latin-1"))
    file = written(tmp_path, '[board]\nlink = "sim"\n[mqtt]\npassword_file = "secret"\n')
    with pytest.raises(ConfigInvalidError, match=r"mqtt\.password_file"):
        mqtt_password(load(file, {}))


def test_two_passwords_are_a_contradiction() -> None:
    env = {"DROPTABLE__MQTT__PASSWORD": "a"}
    told = findings(None, env, board__link="sim", mqtt__password_file="b")
    assert len(told) == 1
    assert "keep one" in told[0]


# Places


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        ("/a", {"STATE_DIRECTORY": "/b", "XDG_STATE_HOME": "/c"}, "/a"),
        (None, {"STATE_DIRECTORY": "/b:/d", "XDG_STATE_HOME": "/c"}, "/b"),
        (None, {"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/c"}, "/c/droptable"),
        (None, {"XDG_STATE_HOME": "relative"}, "~/.local/state/droptable"),
        (None, {}, "~/.local/state/droptable"),
    ],
)
def test_the_state_directory_is_the_first_that_is_named(
    option: str | None, environment: dict[str, str], expected: str
) -> None:
    found = state_dir(Path(option) if option else None, environment)
    assert found == Path(expected).expanduser()


@pytest.mark.parametrize(
    ("address", "parts"),
    [("a:0", ("a", 0)), ("[::1]:65535", ("::1", 65535)), ("127.0.0.1:80", ("127.0.0.1", 80))],
)
def test_an_address_has_two_parts(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "a", ":1", "a:", "a:65536", "a:-1", "::1:80", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT|above 65535"):
        split_address(address)


# Presets


PRESET = {"section": "pelvic", "drops": 3, "window_s": 60, "tension_offset_n": 80.0}


def preset(**changes: object) -> dict[str, object]:
    keys = {**PRESET, **changes}
    return {**SIM, **{f"presets.three.{name}": value for name, value in keys.items()}}


def test_a_preset_has_a_name_and_the_core_gets_it_in_its_own_units() -> None:
    presets = settings_of(load(None, {}, preset(text="Three drops"))).presets
    assert presets == {"three": Preset(Section.PELVIC, 3, 60_000_000, 800, "Three drops")}


def test_there_are_as_many_presets_as_there_are_names() -> None:
    more = {f"presets.more.{name}": value for name, value in PRESET.items()}
    assert list(load(None, {}, {**preset(), **more}).presets) == ["three", "more"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"section": "neck"}, "allowed is thoracic, lumbar or pelvic"),
        ({"drops": 0}, "allowed is a whole number from 1 to 20 drops"),
        ({"drops": 21}, "allowed is a whole number from 1 to 20 drops"),
        ({"window_s": 9}, "allowed is a whole number from 10 to 900 s"),
        ({"window_s": 901}, "allowed is a whole number from 10 to 900 s"),
        ({"tension_offset_n": -0.1}, "allowed is a number from 0 to 500 N"),
        ({"tension_offset_n": 500.1}, "allowed is a number from 0 to 500 N"),
        ({"text": "x" * 81}, "allowed is at most 80 characters"),
        ({"drop": 3}, "did you mean 'drops'?"),
    ],
    ids=str,
)
def test_a_preset_that_is_none_is_told_with_what_would_be(
    change: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        load(None, {}, preset(**change))
    (found,) = [str(finding) for finding in caught.value.findings]
    assert "presets.three." in found
    assert said in found


def test_a_preset_without_a_section_or_a_proper_name_is_none() -> None:
    with pytest.raises(ConfigInvalidError, match=r"presets\.three\.section is missing"):
        load(None, {}, {**SIM, "presets.three.drops": 3})
    with pytest.raises(ConfigInvalidError):
        load(None, {}, {**SIM, "presets.a/b.section": "pelvic"})
