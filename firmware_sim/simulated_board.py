"""A board whose pins are the simulated mechanics: the code of the Pi over physics instead of wires.

It is moved by whoever owns it: bytes and the passing of time go in, bytes come out. Everything in
between happens in the order of its own times, so that a caller who is late changes nothing but when
the bytes leave.
"""

from collections.abc import Mapping
from dataclasses import replace

from droptable.board.endpoint import Endpoint, Identity
from droptable.board.event_buffer import CAPACITY
from droptable.board.model import Feature, Outputs, Phase, SectionOutputs
from droptable.board.params import Params
from firmware_sim.board_clock import BoardClock, TimedTable
from firmware_sim.board_faults import BrownOut, LostAcks
from firmware_sim.faults import OnBoard, SetFault
from firmware_sim.mechanics import Mechanics

FIRMWARE = (1, 0, 0)
ALL_FEATURES = (
    Feature.LOAD_CELLS
    | Feature.TENSION_DRIVE
    | Feature.AIR_SENSOR
    | Feature.SUPPLY_SENSOR
    | Feature.PEDAL
    | Feature.TRACES
    | Feature.SIMULATOR
    | Feature.TARING
)

POWER_ON = 1
BROWN_OUT = 2

BOOT_ID_MAX = 2**32 - 1

FLUTTERS = 2 * (CAPACITY + 8)
"""How often the pedal moves up or down to fill an event buffer, and some more."""


class SimulatedBoard:
    """One board and its table. Times are microseconds of the table's clock, from its start.

    `mechanics` is the table, for whoever plays the world around it; after touching it, call
    `touched` so that the board sees what was done. `outputs` is what the board drives. The board
    itself has a clock of its own, which begins at 0 with each boot.
    """

    def __init__(
        self,
        mechanics: Mechanics,
        *,
        boot_id: int,
        hw_id: str = "SIM00001",
        params: Mapping[tuple[int, int], int] | None = None,
        features: Feature = ALL_FEATURES,
    ) -> None:
        self.mechanics = mechanics
        self._identity = Identity(hw_id, FIRMWARE, features, boot_id, POWER_ON)
        self.outputs: Outputs = (SectionOutputs(), SectionOutputs(), SectionOutputs())
        self._table = TimedTable(mechanics)
        self._faults: dict[OnBoard, SetFault] = {}
        self._brown_out: BrownOut | None = None
        self._lost_acks: LostAcks | None = None
        self._endpoint = self._booted(Params(params))
        self._wake_us = mechanics.now_us

    def _booted(self, params: Params) -> Endpoint:
        return Endpoint(
            self._identity,
            params=params,
            inputs=self._table.inputs(),
            loads=self._table,
            now_us=self._table.clock.shows(self.mechanics.now_us),
        )

    @property
    def params(self) -> Mapping[tuple[int, int], int]:
        """The parameters that are set; they outlive a reset."""
        return self._endpoint.params.values()

    @property
    def params_version(self) -> Params:
        """Another object after each change of a parameter."""
        return self._endpoint.params

    @property
    def wake_us(self) -> int:
        """When something happens next by itself."""
        return self._next_us()

    def advance(self, to_us: int, received: bytes = b"") -> bytes:
        """Let time pass to `to_us` and then hear `received`; gives what the board has sent."""
        sent = bytearray()
        while (next_us := self._next_us()) <= to_us:
            sent += self._step(next_us, b"")
        return bytes(sent + self._step(to_us, received)) if received else self._idle(to_us, sent)

    def touched(self) -> bytes:
        """Have the board look at its sensors now, because someone did something to the table."""
        return self._step(self.mechanics.now_us, b"")

    def reset(self, cause: int, boot_id: int | None = None) -> bytes:
        """Reset the board: its outputs go off, it forgets all but its parameters, and boots."""
        self.restart(cause, boot_id)
        return self.touched()

    def restart(self, cause: int, boot_id: int | None = None) -> None:
        """Reset it, without giving it the time to say so."""
        if boot_id is None:
            boot_id = self._identity.boot_id % BOOT_ID_MAX + 1
        self._identity = replace(self._identity, boot_id=boot_id, reset_cause=cause)
        self._table.clock = BoardClock(self.mechanics.now_us, ppm=self._table.clock.ppm)
        self._endpoint = self._booted(self._endpoint.params)
        self._wake_us = self.mechanics.now_us

    # What is wrong with it

    @property
    def faults(self) -> tuple[SetFault, ...]:
        """The faults of the board itself; those of its table are the table's."""
        return tuple(self._faults.values())

    def set_fault(self, fault: SetFault) -> None:
        """Have the board with this fault from now on."""
        act = fault.fault.act
        if not isinstance(act, OnBoard):
            raise TypeError(f"{fault.fault.name} is a fault of the table")
        self._faults[act] = fault
        match act:
            case OnBoard.BROWN_OUT:
                self._brown_out = BrownOut(Phase(round(fault.value)), self._phases())
            case OnBoard.CLOCK_RATE:
                self._run_clock(round(fault.value * 10_000))
            case OnBoard.EVENTS_FULL:
                self._lost_acks = LostAcks()
                self.mechanics.flutter_pedal(FLUTTERS)

    def clear_fault(self, fault: SetFault) -> None:
        """The board no longer has it, if it had."""
        act = fault.fault.act
        if not isinstance(act, OnBoard) or self._faults.pop(act, None) is None:
            return
        match act:
            case OnBoard.BROWN_OUT:
                self._brown_out = None
            case OnBoard.CLOCK_RATE:
                self._run_clock(0)
            case OnBoard.EVENTS_FULL:
                self._lost_acks = None
                self.mechanics.flutter_pedal(0)

    def _run_clock(self, ppm: int) -> None:
        self._table.clock = self._table.clock.running(self.mechanics.now_us, ppm)
        # Look again at once: what it waits for comes sooner or later than it thought.
        self._wake_us = self.mechanics.now_us

    def _phases(self) -> tuple[Phase, ...]:
        return tuple(section.phase for section in self._endpoint.state.sections)

    # How it goes on

    def _next_us(self) -> int:
        event_us = self.mechanics.next_event_us()
        return self._wake_us if event_us is None else min(self._wake_us, event_us)

    def _idle(self, to_us: int, sent: bytearray) -> bytes:
        self.mechanics.advance(to_us)
        return bytes(sent)

    def _step(self, at_us: int, received: bytes) -> bytes:
        self.mechanics.advance(at_us)
        if self._lost_acks is not None:
            received = self._lost_acks.passes(received)
        sent = self._live(received)
        if self._brown_out is not None and self._brown_out.strikes(self._phases()):
            # What it was about to say goes down with it.
            self._faults.pop(OnBoard.BROWN_OUT)
            self._brown_out = None
            self.restart(BROWN_OUT)
            sent = self._live(b"")
        return sent

    def _live(self, received: bytes) -> bytes:
        """One step of the board at the table's present."""
        clock = self._table.clock
        try:
            advanced = self._endpoint.advance(
                clock.shows(self.mechanics.now_us), self._table.inputs(), received
            )
        except BaseException:
            # The actuators hold by themselves where they are told to be.
            thoracic, lumbar, pelvic = (
                SectionOutputs(tension_steps=driven.tension_steps) for driven in self.outputs
            )
            self._drive((thoracic, lumbar, pelvic))
            raise
        self._drive(advanced.outputs)
        self._wake_us = clock.first_us(advanced.wake_us)
        return advanced.sent

    def _drive(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self.mechanics.drive(outputs)
