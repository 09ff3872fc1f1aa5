"""A load is what a cell said lately, or nothing; a sample that cannot be right is none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from droptable.board.converters import Hx711, LgpioBus, Mcp3208
from droptable.board.load_cells import LoadCells
from droptable.board.model import Feature
from tests.gpio.test_pin_plan import HX711

Samples = tuple[int | None, int | None, int | None]


@dataclass
class Scripted:
    every_us: int = 1_000
    samples: list[Samples | None] = field(default_factory=list)

    def read(self) -> Samples | None:
        return self.samples.pop(0)

    def close(self) -> None:
        """Nothing is held."""


def cells(every_us: int, *taken: tuple[int, Samples | None]) -> LoadCells:
    made = LoadCells(Scripted(every_us, [samples for _, samples in taken]))
    for at_us, _ in taken:
        made.sample(at_us)
    return made


def test_without_a_converter_there_is_no_load_and_nothing_to_do() -> None:
    none = LoadCells(None)
    assert none.due_us is None
    assert none.features == Feature(0)
    none.sample(5)
    assert none.newest(0) == (None, 0)
    assert none.window(0, 0, 5_000, 1_000) == (None,) * 5


@pytest.mark.parametrize(
    ("every_us", "curves"), [(500, True), (1_000, True), (1_001, False), (12_500, False)]
)
def test_only_a_quick_converter_has_curves(every_us: int, curves: bool) -> None:
    features = LoadCells(Scripted(every_us)).features
    assert Feature.LOAD_CELLS | Feature.TARING in features
    assert (Feature.TRACES in features) is curves


def test_a_moment_has_the_newest_sample_before_it() -> None:
    made = cells(1_000, (1_000, (10, 20, 30)), (2_010, (11, 21, 31)), (3_000, (12, None, 32)))
    assert made.newest(0) == (12, 3_000)
    assert made.newest(1) == (None, 3_000)
    assert made.window(0, 0, 4_000, 1_000) == (None, 10, 10, 12)
    assert made.window(0, 2_010, 2_011, 1_000) == (11,)
    assert made.window(1, 3_000, 3_001, 1_000) == (None,)
    assert made.window(2, 2_500, 2_500, 1_000) == ()


def test_a_sample_does_not_stand_for_what_came_long_after_it() -> None:
    made = cells(1_000, (1_000, (10, 0, 0)), (9_000, (11, 0, 0)))
    assert made.window(0, 3_000, 10_000, 1_000) == (10, 10, None, None, None, None, 11)


def test_the_history_reaches_back_more_than_a_second() -> None:
    made = cells(1_000, *((us, (us, 0, 0)) for us in range(0, 3_000_000, 1_000)))
    assert made.window(0, 1_999_000, 2_000_000, 1_000) == (1_999_000,)
    assert made.window(0, 1_000_000, 1_001_000, 1_000) == (None,)


def test_who_is_late_samples_once_and_then_on_time() -> None:
    made = cells(1_000, (1_000, (1, 1, 1)), (9_500, (2, 2, 2)))
    assert made.due_us == 9_501
    assert LoadCells(Scripted(1_000)).due_us == 0


def test_no_new_sample_leaves_the_old_one_to_grow_old() -> None:
    assert cells(12_500, (1_000, (1, 2, 3)), (13_500, None)).newest(0) == (1, 1_000)


# An MCP3208


@dataclass
class Bus:
    """A chip as its datasheet has it, figure 6-1: start, single-ended, three bits of channel."""

    counts: dict[int, int] = field(default_factory=dict)
    floating: bytes = b""
    broken: bool = False
    closed: bool = False

    def transfer(self, sent: bytes) -> bytes:
        if self.broken:
            raise OSError("SPI0: bus error")
        if self.floating:
            return self.floating
        bits = int.from_bytes(sent)
        assert bits >> 18 == 1, "the start bit comes sixth"
        assert bits >> 17 & 1 == 1, "single-ended"
        value = self.counts[bits >> 14 & 0b111]
        # What the chip drives before the null bit is not defined.
        return (0xFF_E0_00 | value).to_bytes(3)

    def close(self) -> None:
        self.closed = True


def test_the_three_cells_are_channels_0_to_2() -> None:
    assert Mcp3208(Bus({0: 0x123, 1: 0xFFE, 2: 1})).read() == (0x123, 0xFFE, 1)


@pytest.mark.parametrize("counts", [0, 0xFFF])
def test_an_amplifier_at_its_rail_is_no_sample(counts: int) -> None:
    assert Mcp3208(Bus({0: counts, 1: 7, 2: 8})).read() == (None, 7, 8)


@pytest.mark.parametrize("noise", [b"\xff\xff\xff", b"\x00\x00\x00", b"\xff\xf7\x21"])
def test_a_chip_that_is_not_there_gives_no_sample(noise: bytes) -> None:
    assert Mcp3208(Bus(floating=noise)).read() == (None, None, None)


def test_a_bus_that_fails_gives_no_sample() -> None:
    assert Mcp3208(Bus(broken=True)).read() == (None, None, None)


def test_a_bus_that_cannot_be_opened_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Error(Exception):
        pass

    def refused(*_: int) -> int:
        raise Error("can't open spi device")

    # Importing the real one makes a pipe and a thread that never ends.
    monkeypatch.setitem(sys.modules, "lgpio", SimpleNamespace(error=Error, spi_open=refused))
    with pytest.raises(OSError, match="dtparam=spi=on"):
        LgpioBus()


# Three HX711


class Wires:
    """Three chips behind one clock: their bits come out one with each rise of the clock."""

    def __init__(self, *raws: int) -> None:
        self.raws = raws
        self.pulses = 0
        self.now_us = 0
        self.high_us = 3
        self.pins: dict[int, MockPin] = {}

    def factory(self) -> MockFactory:
        wires = self

        class Pin(MockPin):  # type: ignore[misc]
            def __init__(self, factory: MockFactory, info: Any) -> None:
                super().__init__(factory, info)
                wires.pins[int(info.name.removeprefix("GPIO"))] = self

            def _change_state(self, value: bool) -> bool:
                changed: bool = super()._change_state(value)
                if changed and self is wires.pins.get(9):
                    wires.clocked(value)
                return changed

        return MockFactory(pin_class=Pin)

    @property
    def data(self) -> list[MockPin]:
        return [self.pins[section.hx711_data or 0] for section in HX711.sections]

    def ready(self) -> None:
        self.pulses = 0
        for pin in self.data:
            pin.drive_low()

    def clocked(self, high: bool) -> None:
        if not high:
            self.now_us += self.high_us
            return
        self.pulses += 1
        for pin, raw in zip(self.data, self.raws, strict=True):
            bit = raw >> (24 - self.pulses) & 1 if self.pulses <= 24 else 1
            (pin.drive_high if bit else pin.drive_low)()


@pytest.fixture
def hx711() -> Iterator[Callable[..., tuple[Wires, Hx711]]]:
    made: list[Any] = []

    def make(*raws: int) -> tuple[Wires, Hx711]:
        wires = Wires(*raws)
        factory = wires.factory()
        chips = Hx711(HX711, factory, lambda: wires.now_us)
        made.extend((chips, factory))
        wires.ready()
        return wires, chips

    yield make
    for each in made:
        each.close()


def test_all_three_are_read_at_once_with_their_signs(hx711: Any) -> None:
    wires, chips = hx711(0x000001, 0xFFFFFF, 0x812345)
    assert chips.read() == (1, -1, 0x812345 - (1 << 24))
    assert wires.pulses == 25


def test_saturated_is_no_sample(hx711: Any) -> None:
    _, chips = hx711(0x7FFFFF, 0x800000, 0x7FFFFE)
    assert chips.read() == (None, None, 0x7FFFFE)


def test_one_that_is_not_ready_is_waited_for_by_nobody(hx711: Any) -> None:
    wires, chips = hx711(1, 2, 3)
    wires.data[1].drive_high()
    assert chips.read() is None
    assert wires.pulses == 0


def test_a_data_wire_that_is_broken_is_never_ready(hx711: Any) -> None:
    wires, _ = hx711(1, 2, 3)
    assert {pin.pull for pin in wires.data} == {"up"}


def test_a_clock_that_stayed_high_too_long_makes_no_sample(hx711: Any) -> None:
    wires, chips = hx711(1, 2, 3)
    wires.high_us = Hx711.HIGH_MAX_US + 1
    assert chips.read() is None
    wires.high_us = Hx711.HIGH_MAX_US
    wires.ready()
    assert chips.read() == (1, 2, 3)


def test_the_clock_rests_low() -> None:
    wires = Wires(1, 2, 3)
    with closing(wires.factory()) as factory, closing(Hx711(HX711, factory, lambda: 0)) as chips:
        assert not wires.pins[9].state
        wires.ready()
        chips.read()
        assert not wires.pins[9].state
