"""A plan of pins that could drive a coil by itself, or one pin from two sides, is refused."""

import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from droptable.board.pin_plan import (
    SECTION_INPUTS,
    SECTION_NAMES,
    SECTION_OUTPUTS,
    PinPlan,
    SectionPins,
    findings,
)
from droptable.daemon.config import ConfigInvalidError, load
from droptable.errors import DroptableError
from firmware_sim.mock_pi import REFERENCE

SHIPPED = Path(__file__).parents[2] / "config" / "gpio.toml"
PATHS = [
    *((section, name) for section in SECTION_NAMES for name in SECTION_OUTPUTS + SECTION_INPUTS),
    *((name,) for name in ("watchdog", "estop", "stop_button", "pedal")),
]
OUTPUTS = [path for path in PATHS if path[-1] in (*SECTION_OUTPUTS, "watchdog")]
INPUTS = [path for path in PATHS if path not in OUTPUTS]
HX711 = replace(
    REFERENCE,
    load_cells="hx711",
    hx711_clock=9,
    thoracic=replace(REFERENCE.thoracic, hx711_data=10),
    lumbar=replace(REFERENCE.lumbar, hx711_data=11),
    pelvic=replace(REFERENCE.pelvic, hx711_data=8),
)


def with_pin(path: tuple[str, ...], pin: int, plan: PinPlan = REFERENCE) -> PinPlan:
    if len(path) == 1:
        return replace(plan, **{path[0]: pin})
    section: SectionPins = getattr(plan, path[0])
    return replace(plan, **{path[0]: replace(section, **{path[1]: pin})})


def told(plan: PinPlan) -> list[str]:
    return [f"{'.'.join(each.path)} {each.text}" for each in findings(plan)]


def pin_of(path: tuple[str, ...]) -> int:
    found: object = REFERENCE
    for name in path:
        found = getattr(found, name)
    assert isinstance(found, int)
    return found


def test_the_reference_wiring_is_the_shipped_one_and_fit() -> None:
    config = load(SHIPPED, {})
    assert config.gpio is not None
    assert config.gpio.pin_plan() == REFERENCE
    assert told(REFERENCE) == []
    assert told(HX711) == []


def test_the_reference_wiring_uses_each_pin_that_there_is_once() -> None:
    pins = [pin_of(path) for path in PATHS]
    assert sorted([*pins, 8, 9, 10, 11]) == list(range(2, 28))


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_pin_with_two_uses_is_refused_with_both_named(path: tuple[str, ...]) -> None:
    for other in PATHS:
        if other != path:
            found = told(with_pin(path, pin_of(other)))
            assert any("already taken by" in text for text in found), (path, other)
            names = {".".join(path), ".".join(other)}
            assert any(all(name in text for name in names) for text in found)


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("pin", [-1, 0, 1, 28])
def test_a_pin_that_is_not_to_be_had_is_refused(path: tuple[str, ...], pin: int) -> None:
    assert len(told(with_pin(path, pin))) == 1


@pytest.mark.parametrize("path", OUTPUTS, ids=".".join)
@pytest.mark.parametrize("pin", range(2, 9))
def test_an_output_that_would_be_driven_by_the_pull_at_power_up_is_refused(
    path: tuple[str, ...], pin: int
) -> None:
    plan = replace(with_pin(path, pin), load_cells="none")
    assert any("power up high" in text and text.startswith(".".join(path)) for text in told(plan))


@pytest.mark.parametrize("path", OUTPUTS, ids=".".join)
@pytest.mark.parametrize("pin", [14, 15])
def test_an_output_where_the_console_may_talk_is_refused(path: tuple[str, ...], pin: int) -> None:
    assert any("serial console" in text for text in told(with_pin(path, pin)))


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("pin", range(8, 12))
def test_a_pin_of_the_bus_is_refused_while_the_converter_is_there(
    path: tuple[str, ...], pin: int
) -> None:
    plan = with_pin(path, pin)
    assert any("SPI" in text for text in told(plan))
    free = told(replace(plan, load_cells="none"))
    assert not any("SPI" in text for text in free)
    assert bool(free) == (pin == 8 and path in OUTPUTS)


@pytest.mark.parametrize("path", INPUTS, ids=".".join)
def test_an_input_may_power_up_high(path: tuple[str, ...]) -> None:
    assert told(replace(with_pin(path, 8), load_cells="none")) == []


def test_the_pins_of_an_hx711_are_there_exactly_when_it_is() -> None:
    for cells in ("none", "mcp3208"):
        assert len([t for t in told(replace(HX711, load_cells=cells)) if "no use" in t]) == 4  # type: ignore[arg-type]
    assert len(told(replace(REFERENCE, load_cells="hx711"))) == 4
    assert any("power up high" in text for text in told(replace(HX711, hx711_clock=7)))


# The configuration


def written(folder: Path, **changes: object) -> Path:
    """The shipped file, with other pins."""
    tree = tomllib.loads(SHIPPED.read_text())
    for dotted, value in changes.items():
        *tables, name = dotted.split("__")
        at = tree["gpio"]
        for table in tables:
            at = at[table]
        at[name] = value
    lines = ['[board]\nlink = "gpio"']
    for name, table in {"": tree["gpio"], **{n: tree["gpio"][n] for n in SECTION_NAMES}}.items():
        lines.append(f"[gpio{'.' if name else ''}{name}]")
        keys = {key: value for key, value in table.items() if not isinstance(value, dict)}
        lines += [
            f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
            for key, value in keys.items()
            if value is not None
        ]
    file = folder / "table.toml"
    file.write_text("\n".join(lines))
    return file


def test_a_plan_that_is_wrong_names_the_line_to_correct(tmp_path: Path) -> None:
    file = written(tmp_path, pelvic__lift=16, watchdog=3)
    with pytest.raises(ConfigInvalidError) as caught:
        load(file, {})
    found = [str(finding) for finding in caught.value.findings]
    lines = file.read_text().splitlines()
    line = lines.index("lift = 16", lines.index("[gpio.pelvic]")) + 1
    taken = f":{line}: gpio.pelvic.lift = 16: already taken by thoracic.lift"
    assert any(taken in text for text in found), found
    assert any("gpio.watchdog = 3: GPIO 2 to 8 power up high" in f for f in found)


def test_gpio_without_pins_is_refused() -> None:
    with pytest.raises(ConfigInvalidError, match="needs the table") as caught:
        load(None, {}, {"board.link": "gpio"})
    assert isinstance(caught.value, DroptableError)


def test_a_missing_pin_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, estop=None)
    with pytest.raises(ConfigInvalidError) as caught:
        load(file, {})
    assert [str(f) for f in caught.value.findings] == [
        f"{file}:3: gpio.estop is missing; allowed is a whole number from 0 to 27 GPIO number"
    ]


def test_the_plan_reaches_the_process_as_it_is(tmp_path: Path) -> None:
    config = load(written(tmp_path, pedal=None, stop_button=None), {})
    assert config.gpio is not None
    plan = asdict(config.gpio.pin_plan())
    assert plan["pedal"] is None
    assert plan["thoracic"]["lift"] == 16


# The documentation


def test_the_wiring_page_has_the_pins_of_the_reference_wiring() -> None:
    page = (SHIPPED.parents[1] / "docs" / "wiring.md").read_text()
    rows = {
        cells[0]: cells[1:]
        for line in page.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) >= 4
    }
    named = {
        "lift": "lift",
        "pin": "pin, withdraws",
        "lowering": "lowering valve",
        "up": "up switch",
        "down": "down switch",
        "pin_engaged": "pin engaged",
    }
    for name, title in named.items():
        shown = [int(cell.split()[0]) for cell in rows[title][1:4]]
        assert shown == [getattr(section, name) for section in REFERENCE.sections]
    table = {
        "watchdog": "watchdog",
        "estop": "e-stop, spare contact of K1",
        "stop_button": "stop button at the table",
        "pedal": "pedal",
    }
    for name, title in table.items():
        assert int(rows[title][1].split()[0]) == getattr(REFERENCE, name)
