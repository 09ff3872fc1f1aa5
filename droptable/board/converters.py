"""The converters of the load cells that are known: an MCP3208 on the SPI bus, or three HX711.

A converter reports counts; zero and span are parameters of the board. What it cannot vouch for (a
bus error, a chip that does not answer, an amplifier at its rail) is no sample.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

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


class Wires(Protocol):
    """A clock that is driven, and three data lines that are read at once."""

    def clock(self, high: bool) -> None:
        """Raises OSError."""

    def data(self) -> int:
        """Bits 0, 1 and 2: the levels of thoracic, lumbar and pelvic. Raises OSError."""

    def close(self) -> None: ...


class LgpioWires:
    """The wires of the plan's three HX711, through lgpio alone: one system call for each touch.

    gpiozero looks twice at a pin before it writes it, seventy-five times a read.
    """

    def __init__(self, plan: PinPlan) -> None:
        import lgpio  # noqa: PLC0415 - as above

        self._lgpio = lgpio
        self._clock = plan.hx711_clock
        data = [section.hx711_data for section in plan.sections]
        self._leader = data[0]
        try:
            self._handle = lgpio.gpiochip_open(plan.chip)
            lgpio.gpio_claim_output(self._handle, self._clock, 0)
            # Pulled up, a line whose wire is broken is never ready.
            lgpio.group_claim_input(self._handle, data, lgpio.SET_PULL_UP)
        except lgpio.error as error:
            raise OSError(f"the pins of the HX711: {error}") from None

    def clock(self, high: bool) -> None:
        try:
            self._lgpio.gpio_write(self._handle, self._clock, int(high))
        except self._lgpio.error as error:
            raise OSError(f"the clock of the HX711: {error}") from None

    def data(self) -> int:
        try:
            _, levels = self._lgpio.group_read(self._handle, self._leader)
        except self._lgpio.error as error:
            raise OSError(f"the data of the HX711: {error}") from None
        return int(levels)

    def close(self) -> None:
        with suppress(self._lgpio.error):
            self._lgpio.gpiochip_close(self._handle)


class Hx711:
    """Three chips with a data line each and one clock; 24 bits, 80 samples a second.

    It is read while coils are driven too, for a board that knows no load for 200 ms has a fault. So
    a read has a bound: it keeps STOP and the contacts waiting for a fifth of their 5 ms at most.
    """

    every_us = 12_500

    GAIN_128_PULSES = 25
    """24 for the bits, one more for channel A with gain 128 next time (HX711 datasheet, table 3)."""

    HIGH_MAX_US = 50
    """A clock that is high for 60 µs sends the chips to sleep; a read that came near it is no
    sample."""

    READ_MAX_US = 1_000
    """A read that takes longer is given up."""

    ALL = 0b111

    def __init__(self, wires: Wires, now_us: Callable[[], int]) -> None:
        self._wires = wires
        self._now_us = now_us
        self._asleep = False

    def read(self) -> Samples | None:
        """All three at once, as soon as all three are ready: a data line is low when its chip is.

        One that is given up, or fails, leaves the clock high and so the chips asleep; the next read
        wakes them, and they convert anew.
        """
        try:
            if self._asleep:
                self._wires.clock(False)
                self._asleep = False
            if self._wires.data() & self.ALL:
                return None
            raws = self._raws()
        except OSError:
            raws = None
        if raws is None:
            self._asleep = True
            with suppress(OSError):
                self._wires.clock(True)
            return None
        thoracic, lumbar, pelvic = map(_signed, raws)
        return thoracic, lumbar, pelvic

    def _raws(self) -> list[int] | None:
        """The bits of each chip; None when that took too long."""
        wires, now_us = self._wires, self._now_us
        raws = [0, 0, 0]
        began_us = now_us()
        for pulse in range(self.GAIN_128_PULSES):
            rose_us = now_us()
            wires.clock(True)
            wires.clock(False)
            fell_us = now_us()
            if fell_us - rose_us > self.HIGH_MAX_US or fell_us - began_us > self.READ_MAX_US:
                return None
            if pulse < 24:
                levels = wires.data()
                for at in range(3):
                    raws[at] = raws[at] << 1 | levels >> at & 1
        return raws

    def close(self) -> None:
        self._wires.close()


def _signed(raw: int) -> int | None:
    """Two's complement of 24 bits; None at either end of the scale, where the input is saturated."""
    if raw in (0x7F_FFFF, 0x80_0000):
        return None
    return raw - (1 << 24) if raw & 0x80_0000 else raw
