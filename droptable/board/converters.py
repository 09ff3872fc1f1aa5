"""The converters of the load cells that are known: an MCP3208 on the SPI bus, or three HX711.

A converter reports counts; zero and span are parameters of the board. What it cannot vouch for (a
bus error, a chip that does not answer, an amplifier at its rail) is no sample.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Protocol

from gpiozero import DigitalOutputDevice, InputDevice
from gpiozero.pins import Factory

from droptable.board.pin_plan import PinPlan

Samples = tuple[int | None, int | None, int | None]


class Bus(Protocol):
    """An SPI bus with one chip selected."""

    def transfer(self, sent: bytes) -> bytes:
        """Clock `sent` out; what came in meanwhile. Raises OSError."""

    def close(self) -> None: ...


class LgpioBus:
    """SPI0, first chip select, through lgpio."""

    RATE_HZ = 1_000_000
    """An MCP3208 takes 2 MHz at 5 V and 1 MHz at 2.7 V (datasheet DS21298)."""

    def __init__(self) -> None:
        import lgpio  # noqa: PLC0415 - it makes a pipe and a thread as soon as it is imported

        self._lgpio = lgpio
        try:
            self._handle = lgpio.spi_open(0, 0, self.RATE_HZ, 0)
        except lgpio.error as error:
            raise OSError(
                f"SPI0 cannot be opened: {error}; enable it with dtparam=spi=on"
            ) from None

    def transfer(self, sent: bytes) -> bytes:
        try:
            _, received = self._lgpio.spi_xfer(self._handle, sent)
        except self._lgpio.error as error:
            raise OSError(f"SPI0: {error}") from None
        return bytes(received)

    def close(self) -> None:
        with suppress(self._lgpio.error):
            self._lgpio.spi_close(self._handle)


class Mcp3208:
    """Twelve bits, eight channels; thoracic, lumbar and pelvic cells on channels 0, 1 and 2."""

    every_us = 1_000

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def read(self) -> Samples:
        return self._channel(0), self._channel(1), self._channel(2)

    def close(self) -> None:
        self._bus.close()

    def _channel(self, channel: int) -> int | None:
        """One conversion, single-ended; the datasheet's figure 6-1 places the bits like this."""
        command = bytes((0b110 | channel >> 2, channel << 6 & 0xFF, 0))
        try:
            received = self._bus.transfer(command)
        except OSError:
            return None
        null_bit, counts = received[1] & 0x10, (received[1] & 0x0F) << 8 | received[2]
        # Without a chip the line floats, and the bit that is always 0 is not. At either end of the
        # scale the amplifier stands at its rail, or its wire is broken.
        return counts if not null_bit and 0 < counts < 0xFFF else None


class Hx711:
    """Three chips with a data line each and one clock; 24 bits, 80 samples a second."""

    every_us = 12_500

    GAIN_128_PULSES = 25
    """24 for the bits, one more for channel A with gain 128 next time (HX711 datasheet, table 3)."""

    HIGH_MAX_US = 50
    """A clock that is high for 60 µs sends the chips to sleep; a read that came near it is no
    sample, and the chips start anew."""

    def __init__(self, plan: PinPlan, factory: Factory, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        with ExitStack() as undo:
            clock = DigitalOutputDevice(plan.hx711_clock, pin_factory=factory)
            self._clock = undo.enter_context(clock)
            self._data = tuple(
                # Pulled up, a line whose wire is broken is never ready; `value` is 1 while it is low.
                undo.enter_context(
                    InputDevice(section.hx711_data, pull_up=True, pin_factory=factory)
                )
                for section in plan.sections
            )
            self._undo = undo.pop_all()

    def read(self) -> Samples | None:
        """All three at once, as soon as all three are ready: a data line is low when its chip is."""
        if not all(line.value for line in self._data):
            return None
        raws = [0, 0, 0]
        quick = True
        for pulse in range(self.GAIN_128_PULSES):
            rose_us = self._now_us()
            self._clock.value = True
            self._clock.value = False
            quick = quick and self._now_us() - rose_us <= self.HIGH_MAX_US
            if pulse < 24:
                for at, line in enumerate(self._data):
                    raws[at] = raws[at] << 1 | (not line.value)
        if not quick:
            return None
        thoracic, lumbar, pelvic = map(_signed, raws)
        return thoracic, lumbar, pelvic

    def close(self) -> None:
        self._undo.close()


def _signed(raw: int) -> int | None:
    """Two's complement of 24 bits; None at either end of the scale, where the input is saturated."""
    if raw in (0x7F_FFFF, 0x80_0000):
        return None
    return raw - (1 << 24) if raw & 0x80_0000 else raw
