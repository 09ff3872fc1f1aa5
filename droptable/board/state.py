"""What the board remembers from one step to the next, and how its conditions look at it. Pure."""

from dataclasses import dataclass

from droptable.board import params as p
from droptable.board.event_buffer import EventBuffer
from droptable.board.model import (
    TABLE,
    Answer,
    Fault,
    Feature,
    Inputs,
    Outputs,
    Phase,
    SectionInputs,
    SectionOutputs,
)
from droptable.board.params import Params
from droptable.board.switches import Switch

MOVING = frozenset({Phase.COCKING, Phase.LOWERING, Phase.DROPPING, Phase.DROPPED})
"""The phases in which a section is, or may be, on its way."""

RESTING = frozenset({Phase.LOCKED, Phase.UNKNOWN, Phase.FAULT})
"""The phases in which parameters may change under a section."""

OFF = SectionOutputs()

STATUS_EVERY_US = 20_000

TENSION_KEYS = (p.TENSION_SET_DN, p.TENSION_ZERO, p.TENSION_SPAN_UN)
"""The parameters that say where the tension actuator has to be."""

CELL_SILENT_US = 200_000
"""A load cell whose newest sample is older says nothing about the load any more."""

I16 = (-32_768, 32_767)
U16 = (0, 65_535)
I32 = (-(2**31), 2**31 - 1)


@dataclass(frozen=True, slots=True)
class SectionState:
    """One section."""

    phase: Phase
    up: Switch
    down: Switch
    pin: Switch
    entered_us: int
    """When the phase was entered."""
    came_from: Phase = Phase.UNKNOWN
    """The phase before; for a FAULT in SECURING, the phase that SECURING came from."""
    fault: Fault = Fault.NONE
    began_us: int = 0
    """When the COMMAND of the motion or of the arming came; in DROPPED, when the fall ended."""
    window_us: int = 0
    """How long it stays armed from then on."""
    left_top_us: int | None = None
    """The raw edge at which it left the top, if it has been at the bottom since only to end that."""
    excused_until_us: int = 0
    """Until then the load may be what a thrust makes it."""
    tension_target_steps: int = 0
    tension_written_us: int = 0
    outputs: SectionOutputs = OFF
    wrong_since: tuple[tuple[int, int], ...] = ()
    """Each rule of `faults.FAULT_RULES`, by its number, whose condition holds, and since when."""


@dataclass(frozen=True, slots=True)
class Line:
    """A single contact of the table: one of its levels counts at once, the other after a pause."""

    active: bool = False
    changing_since_us: int | None = None


@dataclass(frozen=True, slots=True)
class Tare:
    """A taring under way."""

    cmd_id: int
    section: int
    started_us: int


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """The load around a drop. `samples_dn` is None until the last of them is there."""

    event_seq: int
    section: int
    edge_us: int
    samples_dn: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The whole board."""

    boot_id: int
    reset_cause: int
    features: Feature
    params: Params
    """None of a feature that the board has not: what is not set raises no fault."""
    params_complete: bool
    sections: tuple[SectionState, SectionState, SectionState]
    events: EventBuffer
    estop: Line
    button: Line
    pedal: Line
    stopped: bool = False
    host_live: bool = False
    host_seen: bool = False
    """There is a session, live or dead: someone to send a STATUS to."""
    beats: int = 0
    """BEATs of this session, as far as it matters."""
    lease: bool = False
    beat_hold: bool = False
    maintenance: bool = False
    remembered: tuple[tuple[int, Answer], ...] = ()
    tare: Tare | None = None
    traces: tuple[TraceRecord, ...] = ()
    told_us: int = 0
    """When the last STATUS was sent."""
    told: tuple[int, ...] = ()
    """What of it is told at once when it changes: the flags, each phase and fault."""
    resend_due_us: int = 0

    @property
    def hold(self) -> bool:
        """Whether someone holds a control, the tablet's or the pedal."""
        return self.beat_hold or self.pedal.active

    @property
    def may_move(self) -> bool:
        """Whether a host that lives says that its operator has the lease."""
        return self.host_live and self.lease


class View:
    """One section in its surroundings, as conditions and guards look at it."""

    __slots__ = ("board", "inputs", "now_us", "number", "section", "sensed")

    def __init__(self, board: State, inputs: Inputs, number: int, now_us: int) -> None:
        self.board = board
        self.inputs = inputs
        self.number = number
        self.section: SectionState = board.sections[number]
        self.sensed: SectionInputs = inputs.sections[number]
        self.now_us = now_us

    def param(self, key: int) -> int:
        """The section's value of a parameter."""
        return self.board.params.get(self.number, key)

    def param_us(self, key_ms: int) -> int:
        """The section's value of a parameter in milliseconds, as microseconds."""
        return self.board.params.get(self.number, key_ms) * 1000

    @property
    def settle_us(self) -> int:
        return self.param_us(p.SETTLE_MS)

    @property
    def others(self) -> tuple[SectionState, ...]:
        """The other two sections."""
        return tuple(s for at, s in enumerate(self.board.sections) if at != self.number)

    @property
    def load_valid(self) -> bool:
        """Whether there is a load cell, and what it said last is still true."""
        return (
            self.sensed.load_raw is not None
            and self.now_us - self.sensed.load_us < CELL_SILENT_US
            and Feature.LOAD_CELLS in self.board.features
        )

    @property
    def load_dn(self) -> int:
        """What presses on the section, in 0.1 N; 0 without a sample or the cell's span."""
        raw = self.sensed.load_raw
        return 0 if raw is None else load_dn(self.board, self.number, raw)

    @property
    def cell_calibrated(self) -> bool:
        """Whether the zero and the span of the section's load cell are known."""
        stored, at = self.board.params.stored, self.number
        return None not in (stored(at, p.LOAD_ZERO_RAW), stored(at, p.LOAD_SPAN_UN))

    @property
    def tension_known(self) -> bool:
        """Whether what the tension is set to means a place of the actuator."""
        stored, at = self.board.params.stored, self.number
        return None not in (
            stored(at, p.TENSION_SET_DN),
            stored(at, p.TENSION_ZERO),
            stored(at, p.TENSION_SPAN_UN),
        )

    @property
    def may_hang(self) -> bool:
        """Whether nothing but the tension may be holding the section at the top.

        Where its phase is known, it does so at the top only; in UNKNOWN and FAULT a switch may lie.
        """
        up, down, pin = self.section.up, self.section.down, self.section.pin
        if (pin.raw and pin.level) or (down.raw and down.level):
            return False
        return up.raw or up.level or self.section.phase in (Phase.UNKNOWN, Phase.FAULT)

    @property
    def tension_dn(self) -> int:
        """The tension that the actuator measures, in 0.1 N; 0 without its span."""
        steps = self.sensed.tension_steps - self.param(p.TENSION_ZERO)
        return steps * self.param(p.TENSION_SPAN_UN) // 100_000

    @property
    def settled_as(self) -> tuple[bool, bool, bool] | None:
        """Up, down and pin, when all three have been certain for the settle time."""
        switches = (self.section.up, self.section.down, self.section.pin)
        if not all(switch.steady_for(self.settle_us, self.now_us) for switch in switches):
            return None
        return (switches[0].level, switches[1].level, switches[2].level)

    @property
    def supply_low(self) -> bool:
        return self.inputs.supply_mv < self.board.params.get(TABLE, p.SUPPLY_MIN_MV)

    @property
    def air_low(self) -> bool:
        return self.inputs.air_kpa < self.board.params.get(TABLE, p.AIR_MIN_KPA)


def load_dn(board: State, section: int, raw: int) -> int:
    """A load cell's count as force in 0.1 N, by the section's zero and span."""
    zero = board.params.get(section, p.LOAD_ZERO_RAW)
    return (raw - zero) * board.params.get(section, p.LOAD_SPAN_UN) // 100_000


def tension_steps(params: Params, section: int) -> int:
    """Where the tension actuator has to be for the tension that is set; its span must be known."""
    set_un = params.get(section, p.TENSION_SET_DN) * 100_000
    steps = round(set_un / params.get(section, p.TENSION_SPAN_UN))
    return params.get(section, p.TENSION_ZERO) + steps


def clamp(value: int, bounds: tuple[int, int]) -> int:
    """The nearest value that a field of the wire holds."""
    return max(bounds[0], min(value, bounds[1]))


def outputs_for(section: SectionState) -> SectionOutputs:
    """What the section's phase drives: the pin first, and lift or valve once it is seen to be out.

    A falling section keeps its pin withdrawn only as long as the arming behind it is good; that is
    over once `came_from` says SECURING.
    """
    pin_out = not (section.pin.raw or section.pin.level)
    withdrawn = lift = lowering = False
    match section.phase:
        case Phase.COCKING:
            withdrawn, lift = True, pin_out
        case Phase.LOWERING:
            withdrawn, lowering = True, pin_out
        case Phase.ARMED:
            withdrawn = True
        case Phase.DROPPING:
            withdrawn = section.came_from is Phase.ARMED
        case _:
            pass
    return SectionOutputs(lift, withdrawn, lowering, section.tension_target_steps)


def outputs_of(board: State) -> Outputs:
    """What the board drives now."""
    thoracic, lumbar, pelvic = board.sections
    return thoracic.outputs, lumbar.outputs, pelvic.outputs
