"""Stands in for a Raspberry Pi at a table: mock pins, a mock of the kernel's chip, the mechanics.

Above these pins runs the code of the Pi, unchanged. The edges have the times at which the mechanics
made them, however late they are looked at, as those of a kernel have.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import gpiod
from gpiod.line import Value
from gpiozero.pins.mock import MockFactory, MockPin

from droptable.board.door import Door
from droptable.board.keepsakes import reset_cause
from droptable.board.model import Feature, Inputs, Outputs, SectionOutputs
from droptable.board.pin_plan import (
    SECTION_INPUTS,
    SECTION_NAMES,
    SECTION_OUTPUTS,
    TABLE_INPUTS,
    PinPlan,
    SectionPins,
)
from droptable.daemon.clock import SystemClock
from droptable.link.transport import UnixAddress
from firmware_sim.mechanics import Mechanics, MechanicsSettings

T = TypeVar("T")

RELAY_HOLDS_US = 100_000
"""How long the relay in the supply of the coils holds without the watchdog: docs/wiring.md."""

SAMPLE_LASTS_US = 5_000
"""An older one is none; sound cells take one each millisecond."""

TENSION_STEPS = 1_480
"""Somebody has set the tension of each section by hand, to about 320 N."""

REFERENCE = PinPlan(
    chip=0,
    thoracic=SectionPins(lift=16, pin=12, lowering=13, up=2, down=3, pin_engaged=4),
    lumbar=SectionPins(lift=17, pin=18, lowering=19, up=5, down=6, pin_engaged=7),
    pelvic=SectionPins(lift=20, pin=21, lowering=22, up=14, down=15, pin_engaged=23),
    watchdog=24,
    estop=25,
    stop_button=26,
    pedal=27,
    load_cells="mcp3208",
)
"""The pin table of docs/wiring.md."""


class MockChip:
    """What is used of gpiod: requests of lines, their levels, and their edges as a kernel has them."""

    def __init__(self, catch_up: Callable[[], None]) -> None:
        self._catch_up = catch_up
        self._lock = threading.Lock()
        self._levels: dict[int, bool] = {}
        self._requests: dict[int, MockRequest] = {}

    def request_lines(
        self,
        path: str,
        *,
        consumer: str,
        config: dict[tuple[int, ...], gpiod.LineSettings],
        event_buffer_size: int,
    ) -> "MockRequest":
        """As `gpiod.request_lines`: what was before it nobody has seen."""
        del path, consumer
        offsets = [offset for offsets in config for offset in offsets]
        with self._lock:
            request = MockRequest(offsets, event_buffer_size, self.get_values, self._catch_up)
            self._requests |= dict.fromkeys(offsets, request)
        return request

    def get_values(self, offsets: list[int]) -> list[Value]:
        """The level of each line now."""
        self._catch_up()
        with self._lock:
            levels = [self._levels.get(offset, False) for offset in offsets]
        return [Value.ACTIVE if level else Value.INACTIVE for level in levels]

    def set(self, offset: int, active: bool, at_ns: int) -> None:
        """A contact is closed or open from `at_ns` on; the kernel sees the edge."""
        with self._lock:
            if self._levels.get(offset, False) is active:
                return
            self._levels[offset] = active
            if (request := self._requests.get(offset)) is not None:
                request.put(offset, active, at_ns)


class MockRequest:
    """Some lines of the chip, and a queue of their edges that drops the oldest when it is full."""

    def __init__(
        self,
        offsets: list[int],
        event_buffer_size: int,
        levels: Callable[[list[int]], list[Value]],
        catch_up: Callable[[], None],
    ) -> None:
        self.events: deque[gpiod.EdgeEvent] = deque(maxlen=event_buffer_size)
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._offsets = offsets
        self._levels = levels
        self._catch_up = catch_up
        self._seqnos = dict.fromkeys(offsets, 0)
        self._lock = threading.Lock()
        self._released = False

    def get_values(self) -> list[Value]:
        return self._levels(self._offsets)

    def wait_edge_events(self, timeout: float) -> bool:
        del timeout
        self._catch_up()
        return bool(self.events)

    def read_edge_events(self, max_events: int) -> list[gpiod.EdgeEvent]:
        with self._lock:
            events = [self.events.popleft() for _ in range(min(max_events, len(self.events)))]
            if not self.events:
                with suppress(BlockingIOError):
                    os.eventfd_read(self.fd)
        return events

    def release(self) -> None:
        with self._lock:
            self._released = True
            os.close(self.fd)

    def put(self, offset: int, active: bool, at_ns: int) -> None:
        """The kernel saw an edge."""
        with self._lock:
            if self._released:
                return
            self._seqnos[offset] += 1
            kind = gpiod.EdgeEvent.Type.RISING_EDGE if active else gpiod.EdgeEvent.Type.FALLING_EDGE
            seqno = self._seqnos[offset]
            self.events.append(gpiod.EdgeEvent(kind.value, at_ns, offset, 0, seqno))
            os.eventfd_write(self.fd, 1)


class MockPi:
    """The mechanics in real time, between mock pins and mock chip. Two threads use it."""

    hw_id = "PI0000EF"
    features = Feature.SIMULATOR

    def __init__(self, plan: PinPlan, *, seed: int) -> None:
        self._plan = plan
        self._now_us = SystemClock().monotonic_us
        self._lock = threading.RLock()
        as_built = MechanicsSettings()
        thoracic, lumbar, pelvic = (
            replace(section, start_tension_steps=TENSION_STEPS) for section in as_built.sections
        )
        self.mechanics = Mechanics(
            replace(as_built, sections=(thoracic, lumbar, pelvic)), seed=seed
        )
        self._began_us = self._now_us()
        self._beat_us: int | None = None
        self._chip = MockChip(self.catch_up)
        self.request_lines = self._chip.request_lines
        self._pins: dict[int, MockPin] = {}
        self._door: Door | None = None
        self._reset_cause: int | None = None
        self.reset_fd = os.eventfd(0, os.EFD_NONBLOCK)
        """Can be read once the board is to be reset."""
        self._show()

    # As the machine of the board

    def pin_factory(self) -> MockFactory:
        return MockFactory(pin_class=self._pin_class())

    def converter(self, plan: PinPlan, now_us: Callable[[], int]) -> "TableConverter | None":
        del now_us
        return None if plan.load_cells == "none" else TableConverter(self)

    @contextmanager
    def door(self, address: UnixAddress) -> Iterator[Door]:
        """The same for every life of the board: a cable stays plugged in while a board is reset."""
        if self._door is None:
            self._door = Door(address)
        yield self._door

    def reset_cause(self, note: Path) -> int:
        """What `reset` was told; before that, what is found as on a Pi."""
        return reset_cause(note) if self._reset_cause is None else self._reset_cause

    # What holds it

    def reset(self, cause: int) -> None:
        """Have the board's program end where it stands, to be started anew."""
        self._reset_cause = cause
        os.eventfd_write(self.reset_fd, 1)

    def was_reset(self) -> bool:
        """Whether that is why it ended; told once."""
        try:
            os.eventfd_read(self.reset_fd)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Nothing of it stays."""
        if self._door is not None:
            self._door.close()
        os.close(self.reset_fd)

    def _pin_class(self) -> type[MockPin]:
        pi = self

        class WiredPin(MockPin):  # type: ignore[misc]
            """A pin with a wire on it."""

            def __init__(self, factory: MockFactory, info: Any) -> None:
                pi._pins[int(info.name.removeprefix("GPIO"))] = self
                super().__init__(factory, info)

            def _change_state(self, value: bool) -> bool:
                changed: bool = super()._change_state(value)
                if changed and self.function == "output":
                    pi.driven(self.info.name)
                return changed

        return WiredPin

    # The table

    def catch_up(self) -> None:
        """Let the table be where it is by now."""
        with self._lock:
            to_us = self._now_us() - self._began_us
            while (due_us := self._due_us()) is not None and due_us <= to_us:
                self.mechanics.advance(due_us)
                self._drive()
                self._show()
            self.mechanics.advance(max(to_us, self.mechanics.now_us))

    def driven(self, name: str) -> None:
        """A pin has another level."""
        with self._lock:
            self.catch_up()
            if name == f"GPIO{self._plan.watchdog}":
                held, self._beat_us = self._relay_holds, self.mechanics.now_us
                if held:
                    return
            self._drive()
            self._show()

    def touch(self, hand: Callable[[Mechanics], T]) -> T:
        """Have `hand` do something to the table now."""
        with self._lock:
            self.catch_up()
            answer = hand(self.mechanics)
            self._show()
            return answer

    def load_raw(self) -> tuple[int | None, int | None, int | None]:
        """What the cells' converter says; nothing of a cell that has sampled nothing lately."""
        with self._lock:
            self.catch_up()
            oldest_us = self.mechanics.now_us - SAMPLE_LASTS_US
            thoracic, lumbar, pelvic = (
                sensed.load_raw if sensed.load_us > oldest_us else None
                for sensed in self.mechanics.inputs().sections
            )
            return thoracic, lumbar, pelvic

    def wait_us(self) -> int:
        """How long nothing will happen by itself, as far as known."""
        with self._lock:
            self.catch_up()
            due_us = self._due_us()
            ahead_us = RELAY_HOLDS_US if due_us is None else due_us - self.mechanics.now_us
            return max(0, min(ahead_us, RELAY_HOLDS_US))

    @property
    def coils(self) -> dict[str, list[str]]:
        """The coils whose pin is high, relay or not, by section."""
        return {
            label: [name for name in SECTION_OUTPUTS if self._high(getattr(pins, name))]
            for label, pins in zip(SECTION_NAMES, self._plan.sections, strict=True)
        }

    def _due_us(self) -> int | None:
        """When something changes next: in the table, or the relay, which falls once."""
        relay_us = None if self._beat_us is None else self._beat_us + RELAY_HOLDS_US
        if relay_us is not None and relay_us <= self.mechanics.now_us:
            relay_us = None
        moments = (self.mechanics.next_event_us(), relay_us)
        return min((us for us in moments if us is not None), default=None)

    @property
    def _relay_holds(self) -> bool:
        beat_us = self._beat_us
        return beat_us is not None and self.mechanics.now_us < beat_us + RELAY_HOLDS_US

    def _drive(self) -> None:
        holds = self._relay_holds
        thoracic, lumbar, pelvic = (
            SectionOutputs(
                holds and self._high(pins.lift),
                holds and self._high(pins.pin),
                holds and self._high(pins.lowering),
                TENSION_STEPS,
            )
            for pins in self._plan.sections
        )
        outputs: Outputs = (thoracic, lumbar, pelvic)
        self.mechanics.drive(outputs)

    def _high(self, pin: int) -> bool:
        found = self._pins.get(pin)
        return found is not None and bool(found.function == "output" and found.state)

    def _show(self) -> None:
        """Have the contacts' lines be what the table's contacts are."""
        at_ns = (self._began_us + self.mechanics.now_us) * 1_000
        for offset, closed in _contacts(self._plan, self.mechanics.inputs()):
            self._chip.set(offset, closed, at_ns)


class TableConverter:
    """The load cells of the table, as quick as an ADC on SPI."""

    every_us = 1_000

    def __init__(self, pi: MockPi) -> None:
        self._pi = pi

    def read(self) -> tuple[int | None, int | None, int | None]:
        return self._pi.load_raw()

    def close(self) -> None:
        """Nothing is held."""


def _contacts(plan: PinPlan, inputs: Inputs) -> Iterator[tuple[int, bool]]:
    """Each wired contact, and whether it is closed; e-stop and stop button open when pressed."""
    for pins, sensed in zip(plan.sections, inputs.sections, strict=True):
        for name, closed in zip(SECTION_INPUTS, (sensed.up, sensed.down, sensed.pin), strict=True):
            yield getattr(pins, name), closed
    table = (not inputs.estop_open, not inputs.stop_button, inputs.pedal_down)
    for name, closed in zip(TABLE_INPUTS, table, strict=True):
        if (pin := getattr(plan, name)) is not None:
            yield pin, closed
