"""A load is what a cell said lately, or nothing; a sample that cannot be right is none."""

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from droptable.board.converters import Hx711, LgpioBus, LgpioWires, Mcp3208
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


@dataclass
class Chips:
    """Three chips behind one clock: their bits come out one with each rise of the clock."""

    raws: tuple[int, ...]
    now_us: int = 0
    high_us: int = 3
    low_us: int = 3
    touches: int = 0
    pulses: int = 0
    high: bool = False
    levels: int = 0b111
    broken: bool = False

    def ready(self) -> None:
        self.pulses, self.levels = 0, 0

    def clock(self, high: bool) -> None:
        self._touched()
        self.now_us += self.high_us if self.high else 0
        self.high = high
        if high:
            self.pulses += 1
            bits = (raw >> (24 - self.pulses) & 1 if self.pulses <= 24 else 1 for raw in self.raws)
            self.levels = sum(bit << at for at, bit in enumerate(bits))

    def data(self) -> int:
        self._touched()
        self.now_us += self.low_us
        return self.levels

    def close(self) -> None:
        """Nothing is held."""

    def _touched(self) -> None:
        self.touches += 1
        if self.broken:
            raise OSError("gone")


def hx711(*raws: int) -> tuple[Chips, Hx711]:
    chips = Chips(raws)
    chips.ready()
    return chips, Hx711(chips, lambda: chips.now_us)


def test_all_three_are_read_at_once_with_their_signs() -> None:
    chips, cells = hx711(0x000001, 0xFFFFFF, 0x812345)
    assert cells.read() == (1, -1, 0x812345 - (1 << 24))
    assert chips.pulses == 25
    assert not chips.high
    # Three for each bit, two for the gain, and one look whether they are ready.
    assert chips.touches == 24 * 3 + 2 + 1


def test_saturated_is_no_sample() -> None:
    _, cells = hx711(0x7FFFFF, 0x800000, 0x7FFFFE)
    assert cells.read() == (None, None, 0x7FFFFE)


@pytest.mark.parametrize("late", [0b001, 0b010, 0b100])
def test_one_that_is_not_ready_is_waited_for_by_nobody(late: int) -> None:
    chips, cells = hx711(1, 2, 3)
    chips.levels = late
    assert cells.read() is None
    assert chips.pulses == 0
    assert not chips.high


def test_a_clock_that_stayed_high_too_long_makes_no_sample_and_the_chips_start_anew() -> None:
    chips, cells = hx711(1, 2, 3)
    chips.high_us = Hx711.HIGH_MAX_US + 1
    assert cells.read() is None
    assert chips.pulses == 2, "given up after the first, with the clock high: asleep"
    assert chips.high
    chips.high_us = Hx711.HIGH_MAX_US
    chips.levels = 0b111
    assert cells.read() is None
    assert not chips.high, "awake, and not ready yet"
    chips.high_us = 3
    chips.ready()
    assert cells.read() == (1, 2, 3)


def test_a_read_that_takes_long_is_given_up_within_its_bound() -> None:
    chips, cells = hx711(1, 2, 3)
    chips.low_us = 100
    assert cells.read() is None
    assert Hx711.READ_MAX_US < chips.now_us <= Hx711.READ_MAX_US + 2 * 103
    assert chips.high


def test_lines_that_are_gone_give_no_sample_until_they_are_back() -> None:
    chips, cells = hx711(1, 2, 3)
    chips.broken = True
    assert cells.read() is None
    chips.broken = False
    chips.ready()
    assert cells.read() == (1, 2, 3)


class Lgpio(SimpleNamespace):
    """What is used of lgpio, with a note of each call."""

    SET_PULL_UP = 32

    class error(Exception):  # noqa: N801 - its name there
        pass

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*what: Any) -> Any:
            if name == self._broken:
                raise self.error("GPIO busy")
            self.calls.append((name, *what))
            return {"gpiochip_open": 5, "group_read": [3, 0b101]}.get(name, 0)

        return call


def test_the_wires_of_the_hx711_are_claimed_once_and_touched_by_one_call_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lgpio = Lgpio()
    monkeypatch.setitem(sys.modules, "lgpio", lgpio)
    wires = LgpioWires(HX711)
    wires.clock(True)
    wires.clock(False)
    assert wires.data() == 0b101
    wires.close()
    assert lgpio.calls == [
        ("gpiochip_open", 0),
        ("gpio_claim_output", 5, 9, 0),
        ("group_claim_input", 5, [10, 11, 8], Lgpio.SET_PULL_UP),
        ("gpio_write", 5, 9, 1),
        ("gpio_write", 5, 9, 0),
        ("group_read", 5, 10),
        ("gpiochip_close", 5),
    ]


@pytest.mark.parametrize("broken", ["gpiochip_open", "gpio_claim_output", "group_claim_input"])
def test_wires_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", Lgpio(broken))
    with pytest.raises(OSError, match="the pins of the HX711: GPIO busy"):
        LgpioWires(HX711)


@pytest.mark.parametrize("broken", ["gpio_write", "group_read"])
def test_a_wire_that_is_gone_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", Lgpio(broken))
    wires = LgpioWires(HX711)
    with pytest.raises(OSError, match="GPIO busy"):
        (wires.data if broken == "group_read" else lambda: wires.clock(True))()
