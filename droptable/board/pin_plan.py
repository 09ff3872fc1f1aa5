"""Which pin does what on a Raspberry Pi, and every reason why such a plan is refused. Pure.

The plan is checked twice: by the daemon, which names the key to correct, and by the board's own
process, which believes nobody. Numbers are GPIO numbers (BCM), not places on the header.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

HEADER_PINS = range(28)
"""What the 40-pin header carries."""

ID_PINS = (0, 1)
"""The bus of the ID EEPROM; the firmware drives it at power-up."""

LOW_AT_POWER_UP = range(9, 28)
"""GPIO 0 to 8 wake with their pull-ups on, 9 to 27 with their pull-downs (BCM2835 ARM Peripherals,
table 6-31, and RP1 Peripherals alike)."""

UART_PINS = (14, 15)
"""The serial console talks here while the Pi boots, unless it was switched off."""

SPI_PINS = (8, 9, 10, 11)
"""SPI0 with its first chip select, where the converter of the load cells sits."""

LoadCellKind = Literal["none", "mcp3208", "hx711"]


@dataclass(frozen=True, slots=True)
class SectionPins:
    """The pins of one section. Outputs drive high; inputs are contacts to ground."""

    lift: int
    pin: int
    """Withdraws the locking pin."""
    lowering: int
    up: int
    down: int
    pin_engaged: int
    hx711_data: int | None = None


@dataclass(frozen=True, slots=True)
class PinPlan:
    """All pins of one table, on one GPIO chip."""

    chip: int
    thoracic: SectionPins
    lumbar: SectionPins
    pelvic: SectionPins
    watchdog: int
    """Changes its level with every turn of the loop, for the relay in the supply of the coils."""
    estop: int
    """A contact that is closed while the e-stop chain is."""
    stop_button: int | None = None
    """A contact that opens when the button is pressed."""
    pedal: int | None = None
    """A contact that closes when the pedal is pressed."""
    load_cells: LoadCellKind = "none"
    hx711_clock: int | None = None

    @property
    def sections(self) -> tuple[SectionPins, SectionPins, SectionPins]:
        return self.thoracic, self.lumbar, self.pelvic


@dataclass(frozen=True, slots=True)
class Misplaced:
    """One thing that is wrong; `path` names the key of the plan that should change."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Use:
    path: tuple[str, ...]
    pin: int
    output: bool

    @property
    def name(self) -> str:
        return ".".join(self.path)


SECTION_OUTPUTS = ("lift", "pin", "lowering")
SECTION_INPUTS = ("up", "down", "pin_engaged")
TABLE_INPUTS = ("estop", "stop_button", "pedal")
SECTION_NAMES = ("thoracic", "lumbar", "pelvic")


def findings(plan: PinPlan) -> tuple[Misplaced, ...]:
    """Everything that is wrong with `plan`; empty means that its pins may be touched."""
    uses = tuple(_uses(plan))
    return (
        *_incomplete(plan),
        *(Misplaced(use.path, text) for use in uses for text in _unfit(use, plan.load_cells)),
        *_doubles(uses),
    )


def _uses(plan: PinPlan) -> Iterator[_Use]:
    for label, section in zip(SECTION_NAMES, plan.sections, strict=True):
        for name in SECTION_OUTPUTS:
            yield _Use((label, name), getattr(section, name), output=True)
        for name in SECTION_INPUTS:
            yield _Use((label, name), getattr(section, name), output=False)
        if section.hx711_data is not None:
            yield _Use((label, "hx711_data"), section.hx711_data, output=False)
    yield _Use(("watchdog",), plan.watchdog, output=True)
    for name in TABLE_INPUTS:
        if (pin := getattr(plan, name)) is not None:
            yield _Use((name,), pin, output=False)
    if plan.hx711_clock is not None:
        yield _Use(("hx711_clock",), plan.hx711_clock, output=True)


def _incomplete(plan: PinPlan) -> Iterator[Misplaced]:
    """The pins of an HX711 are there exactly when it is."""
    wanted = plan.load_cells == "hx711"
    pins = {("hx711_clock",): plan.hx711_clock} | {
        (label, "hx711_data"): section.hx711_data
        for label, section in zip(SECTION_NAMES, plan.sections, strict=True)
    }
    for path, pin in pins.items():
        if wanted and pin is None:
            yield Misplaced(path, 'is missing; load_cells = "hx711" needs it')
        if not wanted and pin is not None:
            yield Misplaced(
                path, f'is given, but load_cells = "{plan.load_cells}" has no use for it'
            )


def _unfit(use: _Use, cells: LoadCellKind) -> Iterator[str]:
    """What speaks against this pin for this use, whatever the others do."""
    at = f"= {use.pin}:"
    if use.pin not in HEADER_PINS:
        yield f"{at} the header has GPIO 0 to 27"
    elif use.pin in ID_PINS:
        yield f"{at} GPIO 0 and 1 belong to the ID EEPROM"
    elif cells == "mcp3208" and use.pin in SPI_PINS:
        yield f"{at} GPIO 8 to 11 are the SPI bus of the load cells' converter"
    elif use.output and use.pin not in LOW_AT_POWER_UP:
        yield f"{at} GPIO 2 to 8 power up high and would drive it; outputs take GPIO 9 to 27"
    elif use.output and use.pin in UART_PINS:
        yield f"{at} the serial console may talk on GPIO 14 and 15 while the Pi boots"


def _doubles(uses: tuple[_Use, ...]) -> Iterator[Misplaced]:
    first: dict[int, _Use] = {}
    for use in uses:
        if use.pin in first:
            yield Misplaced(use.path, f"= {use.pin}: already taken by {first[use.pin].name}")
        first.setdefault(use.pin, use)
