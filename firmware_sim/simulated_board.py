"""A board whose pins are the simulated mechanics: the code of the Pi over physics instead of wires.

It is moved by whoever owns it: bytes and the passing of time go in, bytes come out. Everything in
between happens in the order of its own times, so that a caller who is late changes nothing but when
the bytes leave.
"""

from collections.abc import Mapping
from dataclasses import replace

from droptable.board.endpoint import Endpoint, Identity
from droptable.board.model import Feature, Outputs, SectionOutputs
from droptable.board.params import Params
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


class SimulatedBoard:
    """One board and its table. Times are microseconds of the board's clock, from 0 at power-on.

    `mechanics` is the table, for whoever plays the world around it; after touching it, call
    `touched` so that the board sees what was done. `outputs` is what the board drives.
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
        self._endpoint = self._booted(Params(params))
        self._wake_us = mechanics.now_us

    def _booted(self, params: Params) -> Endpoint:
        return Endpoint(
            self._identity,
            params=params,
            inputs=self.mechanics.inputs(),
            loads=self.mechanics,
            now_us=self.mechanics.now_us,
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

    def reset(self, cause: int, boot_id: int) -> bytes:
        """Reset the board: its outputs go off, it forgets all but its parameters, and boots."""
        self._identity = replace(self._identity, boot_id=boot_id, reset_cause=cause)
        self._endpoint = self._booted(self._endpoint.params)
        return self._step(self.mechanics.now_us, b"")

    def _next_us(self) -> int:
        event_us = self.mechanics.next_event_us()
        return self._wake_us if event_us is None else min(self._wake_us, event_us)

    def _idle(self, to_us: int, sent: bytearray) -> bytes:
        self.mechanics.advance(to_us)
        return bytes(sent)

    def _step(self, at_us: int, received: bytes) -> bytes:
        self.mechanics.advance(at_us)
        advanced = self._endpoint.advance(at_us, self.mechanics.inputs(), received)
        self.outputs = advanced.outputs
        self.mechanics.drive(self.outputs)
        self._wake_us = advanced.wake_us
        return advanced.sent
