"""A board on a bench: scripted contacts, a host that says what it is told to, a clock in us.

It runs the law of the board alone. Time passes from one moment at which the board wants to be
called to the next, as it does on a real board; `every_us` calls it more often.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from droptable.board import controller
from droptable.board.model import (
    ANY_PHASE,
    TABLE,
    Answer,
    Ask,
    Beat,
    Code,
    Command,
    Event,
    EventAck,
    Fault,
    Feature,
    Flag,
    Inputs,
    Kind,
    Lost,
    Opened,
    Outputs,
    Param,
    ParamGet,
    ParamSet,
    Phase,
    Result,
    SectionInputs,
    SectionOutputs,
    Status,
    Stop,
    Verb,
)
from droptable.board.params import Params
from droptable.board.state import SectionState, State

MS = 1_000
S = 1_000_000
THORACIC, LUMBAR, PELVIC = 0, 1, 2
SECTIONS = (THORACIC, LUMBAR, PELVIC)

EVERYTHING = (
    Feature.LOAD_CELLS
    | Feature.TENSION_DRIVE
    | Feature.AIR_SENSOR
    | Feature.SUPPLY_SENSOR
    | Feature.PEDAL
    | Feature.TRACES
    | Feature.TARING
)

DEBOUNCE_US = 5 * MS
SETTLE_US = 20 * MS
PIN_TIMEOUT_US = 120 * MS
COCK_TIMEOUT_US = 2 * S
LOWER_TIMEOUT_US = 3 * S
DROP_TIMEOUT_US = 200 * MS
LOAD_MAX_DN = 15_000
TENSION_DN = 2_500
TOLERANCE_DN = 100
SUPPLY_MIN_MV = 20_000
AIR_MIN_KPA = 400
COIL_ON_MAX_US = 40 * S
WINDOW_MAX_MS = 30_000
BOOT_ID = 77

SECTION_VALUES = {
    1: COCK_TIMEOUT_US // MS,
    2: LOWER_TIMEOUT_US // MS,
    3: DROP_TIMEOUT_US // MS,
    4: PIN_TIMEOUT_US // MS,
    5: SETTLE_US // MS,
    6: DEBOUNCE_US,
    7: WINDOW_MAX_MS,
    8: 0,
    9: 100_000,  # a count is 0.1 N
    10: LOAD_MAX_DN,
    11: TENSION_DN,
    12: 0,
    13: 100_000,  # a step is 0.1 N
    14: TOLERANCE_DN,
    15: 20_000,
}
TABLE_VALUES = {16: SUPPLY_MIN_MV, 17: AIR_MIN_KPA, 18: COIL_ON_MAX_US // MS}

COMPLETE = Params(
    {(at, key): value for at in SECTIONS for key, value in SECTION_VALUES.items()}
    | {(TABLE, key): value for key, value in TABLE_VALUES.items()}
)


def params(changes: dict[tuple[int, int], int | None] | None = None) -> Params:
    """Complete parameters with some changed, or with None taken away."""
    values = COMPLETE.values()
    for where, value in (changes or {}).items():
        values.pop(where, None)
        if value is not None:
            values[where] = value
    return Params(values)


def everywhere(key: int, value: int) -> dict[tuple[int, int], int | None]:
    return dict.fromkeys([(at, key) for at in SECTIONS], value)


@dataclass
class Contacts:
    """What one section's sensors show; the load follows the clock unless the cell is frozen."""

    up: bool = False
    down: bool = True
    pin: bool = True
    load: int | None = 500
    load_us: int | None = None
    """When the newest sample was taken; None means now."""
    tension: int | None = None
    """Where the actuator stands; None means where it is told to be."""
    read_back: bool = False


class Loads:
    """What the cells have said, sampled whenever it was changed."""

    def __init__(self) -> None:
        self.said: list[list[tuple[int, int | None]]] = [[], [], []]

    def say(self, at: int, us: int, raw: int | None) -> None:
        self.said[at].append((us, raw))

    def at(self, section: int, us: int) -> int | None:
        found = None
        for since_us, raw in self.said[section]:
            if since_us <= us:
                found = raw
        return found

    def window(self, section: int, from_us: int, to_us: int, step_us: int, /) -> list[int | None]:
        return [self.at(section, us) for us in range(from_us, to_us, step_us)]


class Bench:
    """A board under test. `LOCKED`, `COCKED` and so on of a new one are reached by `to`."""

    def __init__(
        self,
        *,
        features: Feature = EVERYTHING,
        stored: Params | None = COMPLETE,
        contacts: tuple[Contacts, Contacts, Contacts] | None = None,
        now_us: int = 1 * S,
        every_us: int | None = None,
        **lines: int,
    ) -> None:
        self.features = features
        self.now_us = now_us
        self.every_us = every_us
        self.contacts = contacts or (Contacts(), Contacts(), Contacts())
        self.lines: dict[str, int] = lines
        self.loads = Loads()
        for at, of in enumerate(self.contacts):
            self.loads.say(at, 0, of.load)
        self.answers: list[Answer] = []
        self.cmd_id = 0
        self.wake_us: int | None = now_us
        self.targets = [0, 0, 0]
        self.state: State = controller.boot(
            boot_id=BOOT_ID,
            reset_cause=1,
            features=features,
            params=stored,
            inputs=self.inputs(),
            now_us=now_us,
        )
        self._obey()

    # Time and plant

    def inputs(self) -> Inputs:
        shown = tuple(self._shown(at) for at in SECTIONS)
        return Inputs(sections=(shown[0], shown[1], shown[2]), **self.lines)  # type: ignore[arg-type]

    def _shown(self, at: int) -> SectionInputs:
        of = self.contacts[at]
        return SectionInputs(
            of.up,
            of.down,
            of.pin,
            of.load,
            self.now_us if of.load_us is None else of.load_us,
            self.targets[at] if of.tension is None else of.tension,
            of.read_back,
        )

    def _obey(self) -> None:
        self.targets = [section.outputs.tension_steps for section in self.state.sections]

    def tick(self, *asks: Ask) -> list[Answer]:
        """One step, now."""
        step = controller.step(self.state, self.inputs(), asks, self.now_us, self.loads)
        self.state = step.state
        self.wake_us = step.wake_us
        self.answers += step.answers
        assert step.wake_us is None or step.wake_us > self.now_us
        assert step.outputs == self.all_outputs
        self._obey()
        return list(step.answers)

    def until(self, at_us: int) -> "Bench":
        """Let time pass to `at_us`, which is stepped too; beats come by hand."""
        while self._next_us() < at_us:
            self.now_us = self._next_us()
            self.tick()
        self.now_us = at_us
        self.tick()
        return self

    def _next_us(self) -> int:
        wishes = [self.wake_us] if self.wake_us is not None else []
        if self.every_us is not None:
            wishes.append(self.now_us + self.every_us)
        return min(wishes, default=10**18)

    def wait(self, duration_us: int) -> "Bench":
        return self.until(self.now_us + duration_us)

    def show(self, at: int, **changes: bool | int | None) -> "Bench":
        """Contacts change, now."""
        for name, value in changes.items():
            setattr(self.contacts[at], name, value)
        if "load" in changes:
            self.loads.say(at, self.now_us, self.contacts[at].load)
        self.tick()
        return self

    def line(self, **changes: int) -> "Bench":
        """Contacts or sensors of the table change, now."""
        self.lines.update(changes)
        self.tick()
        return self

    # Host

    def open(self, *, lease: bool = True, hold: bool = True) -> "Bench":
        self.tick(Opened())
        for _ in range(3):
            self.tick(Beat(lease, hold))
        return self

    def beat(self, *, lease: bool = True, hold: bool = True) -> "Bench":
        self.tick(Beat(lease, hold))
        return self

    def lose(self) -> "Bench":
        self.tick(Lost())
        return self

    def ask(
        self,
        verb: int,
        section: int,
        arg: int = 0,
        *,
        expect: int = ANY_PHASE,
        ttl_ms: int = 250,
        age_ms: int = 0,
        cmd_id: int | None = None,
    ) -> Code:
        """What the RESULT of a COMMAND says."""
        return self.command(
            Command(cmd_id or self.new_id(), verb, section, expect, ttl_ms, age_ms, arg)
        ).code

    def command(self, command: Command) -> Result:
        (result,) = (one for one in self.tick(command) if isinstance(one, Result))
        assert result.cmd_id == command.cmd_id
        return result

    def new_id(self) -> int:
        self.cmd_id += 1
        return self.cmd_id

    def set(self, section: int, key: int, value: int) -> Code | int:
        """The value now in force, or why not."""
        return self._param(self.tick(ParamSet(self.new_id(), section, key, value)))

    def get(self, section: int, key: int) -> Code | int:
        return self._param(self.tick(ParamGet(self.new_id(), section, key)))

    def _param(self, answers: Iterable[Answer]) -> Code | int:
        (answer,) = (one for one in answers if isinstance(one, Param | Result))
        return answer.value if isinstance(answer, Param) else answer.code

    def stop(self) -> "Bench":
        self.tick(Stop(self.new_id(), answer=True))
        return self

    def ack(self) -> "Bench":
        """All events so far are on the host's disk."""
        self.tick(EventAck(BOOT_ID, self.state.events.next_seq - 1))
        return self

    # Ways to a phase

    def to(self, phase: Phase, at: int = PELVIC) -> "Bench":
        """A board whose section `at` is in `phase`, the others LOCKED; the host live and holding."""
        if not self.state.host_live:
            self.open()
        if phase is Phase.UNKNOWN:
            return self.wait(SETTLE_US)
        if self.phase(PELVIC) is Phase.UNKNOWN:
            self.wait(SETTLE_US)
            for each in SECTIONS:
                assert self.ask(Verb.HOME, each) is Code.OK
        way = _WAYS[phase]
        for step in way:
            step(self, at)
        assert self.phase(at) is phase, self.phase(at)
        return self

    def cock(self, at: int) -> "Bench":
        assert self.ask(Verb.COCK, at) is Code.OK
        return self

    def pin_out(self, at: int) -> "Bench":
        return self.show(at, pin=False).wait(DEBOUNCE_US)

    def rise(self, at: int) -> "Bench":
        self.pin_out(at).show(at, down=False)
        return self.wait(200 * MS).show(at, up=True).wait(DEBOUNCE_US + SETTLE_US)

    def secure(self, at: int) -> "Bench":
        return self.show(at, pin=True).wait(DEBOUNCE_US + SETTLE_US)

    def arm(self, at: int, window_ms: int = 10_000) -> "Bench":
        assert self.ask(Verb.ARM, at, window_ms) is Code.OK
        return self.wait(10 * MS).pin_out(at)

    def break_away(self, at: int) -> "Bench":
        return self.show(at, up=False).wait(DEBOUNCE_US)

    def land(self, at: int) -> "Bench":
        return self.wait(40 * MS).show(at, down=True).wait(DEBOUNCE_US)

    def lock(self, at: int) -> "Bench":
        assert self.ask(Verb.LOCK, at) is Code.OK
        return self

    def halt(self, at: int) -> "Bench":
        """A hold that is released on the way up."""
        self.pin_out(at).show(at, down=False).wait(100 * MS)
        return self.beat(hold=False).beat(hold=True)

    def break_down(self, at: int) -> "Bench":
        return self.show(at, up=True, down=True).wait(10 * MS)

    # What there is to see

    def section(self, at: int = PELVIC) -> SectionState:
        return self.state.sections[at]

    def phase(self, at: int = PELVIC) -> Phase:
        return self.section(at).phase

    def fault(self, at: int = PELVIC) -> Fault:
        return self.section(at).fault

    @property
    def all_outputs(self) -> Outputs:
        first, second, third = (section.outputs for section in self.state.sections)
        return first, second, third

    def drives(self, at: int = PELVIC) -> str:
        """The coils of a section that have power: 'lift pin valve'."""
        driven: SectionOutputs = self.section(at).outputs
        named = (("lift", driven.lift), ("pin", driven.pin_withdrawn), ("valve", driven.lowering))
        return " ".join(name for name, on in named if on)

    @property
    def all_off(self) -> bool:
        return not any(outputs.driven for outputs in self.all_outputs)

    def events(self, kind: Kind | None = None) -> list[Event]:
        """What is in the event buffer."""
        return [one for one in self.state.events.kept if kind in (None, one.kind)]

    def told(self) -> list[Kind]:
        return [event.kind for event in self.events()]

    def event(self, kind: Kind) -> Event:
        """The newest of its kind."""
        return self.events(kind)[-1]

    def statuses(self) -> list[Status]:
        return [answer for answer in self.answers if isinstance(answer, Status)]

    @property
    def flags(self) -> Flag:
        return Flag(self.statuses()[-1].flags)

    @property
    def law(self) -> State:
        """The state without what is only about telling: what a refusal must leave alone."""
        return replace(self.state, remembered=(), told=(), told_us=0, resend_due_us=0)


_COCKED = (Bench.cock, Bench.rise, Bench.secure)
_WAYS = {
    Phase.LOCKED: (),
    Phase.COCKING: (Bench.cock,),
    Phase.SECURING: (Bench.cock, Bench.rise),
    Phase.COCKED: _COCKED,
    Phase.ARMED: (*_COCKED, Bench.arm),
    Phase.DROPPING: (*_COCKED, Bench.arm, Bench.break_away),
    Phase.DROPPED: (*_COCKED, Bench.arm, Bench.break_away, Bench.land),
    Phase.LOWERING: (*_COCKED, Bench.lock),
    Phase.HALTED: (Bench.cock, Bench.halt),
    Phase.FAULT: (Bench.break_down,),
}
