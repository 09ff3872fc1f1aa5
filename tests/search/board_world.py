"""A board and what is around it, as a machine to search: sections of metal, hands, lines, a host.

The board is the real `controller.step`. Around it everything is as small as it can be: a section is
at the bottom, between or at the top, its pin in or out; it moves only as its outputs and a thrust
allow, but when it does is anybody's choice, and never is one too. Contacts may also be let loose
from the metal: then each of them may say anything at any time. Time passes in steps of 10 ms, of
which all of the board's times are multiples here, and in leaps to shortly before its next deadline.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace

from droptable.board import controller
from droptable.board.faults import FAULT_RULES
from droptable.board.model import (
    TABLE,
    Answer,
    Ask,
    Event,
    Fault,
    Inputs,
    Kind,
    Phase,
    SectionInputs,
)
from droptable.board.params import Params
from droptable.board.state import Line, SectionState, State
from droptable.board.switches import Switch
from tests.board.bench import EVERYTHING, SECTION_VALUES, SECTIONS, TABLE_VALUES

MS = 1_000
TICK_US = 10 * MS
START_US = 10_000_000
FRESH_US = 10**15
"""When a cell that works was asked last: always just now."""

FAR_US = 10**14
"""When the next STATUS is due: never. What is told is for other tests."""

SETTLE_US = 10 * MS
PIN_TIMEOUT_US = 20 * MS
COCK_TIMEOUT_US = LOWER_TIMEOUT_US = 200 * MS
DROP_TIMEOUT_US = 60 * MS
LOAD_MAX_DN = 10_000
SUPPLY_MIN_MV, AIR_MIN_KPA = 20_000, 400
FULL_MV, FULL_KPA, LOAD_DN, OVERLOAD_DN = 24_000, 600, 500, 20_000

QUICK_US = 150 * MS
SLOW_US = 1_000 * MS
FALL_MOMENTS_US = (10 * MS, 20 * MS, QUICK_US, QUICK_US + TICK_US, SLOW_US, SLOW_US + TICK_US)
"""How long a fall may have taken when it ends."""

BAD_MOMENTS_US = (50 * MS, 100 * MS, 200 * MS)
"""For how long a supply, a cell or a tension may have been off."""

BOTTOM, BETWEEN, TOP = range(3)


@dataclass(frozen=True, slots=True)
class Fall:
    """A way to the bottom that nothing lowered."""

    left_us: int
    """When it left the top; when it landed, if it did not come from there."""
    landed_us: int
    must_be_told: bool


@dataclass(frozen=True, slots=True)
class Body:
    """A section as a thing of metal."""

    place: int = BOTTOM
    pin_in: bool = True
    left_us: int | None = None
    """When a thrust made it leave the top; None unless it falls."""
    owed: Fall | None = None
    """A way down that has ended and is not told yet."""


@dataclass(frozen=True, slots=True)
class World:
    """A board and its surroundings at a moment."""

    board: State
    inputs: Inputs
    now_us: int
    wake_us: int | None
    bodies: tuple[Body, Body, Body]
    bad_us: tuple[tuple[str, int], ...] = ()
    """Each supply that is low, each cell or tension that is off, and since when."""
    full: bool = False
    """The host acknowledges nothing, and there are fewer than eight places left."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The host asks."""

    ask: Ask

    def __str__(self) -> str:
        return str(self.ask)


@dataclass(frozen=True, slots=True)
class Sensed:
    """Something of `Inputs` becomes `value`; of a section unless `at` is the table."""

    at: int
    name: str
    value: int | None

    def __str__(self) -> str:
        return f"{self.at}: {self.name} = {self.value}"


@dataclass(frozen=True, slots=True)
class Happens:
    """The metal of a section does something."""

    at: int
    what: str

    def __str__(self) -> str:
        return f"{self.at}: {self.what}"


@dataclass(frozen=True, slots=True)
class Passes:
    """Time passes."""

    duration_us: int

    def __str__(self) -> str:
        return f"{self.duration_us // MS} ms pass"


Move = Asked | Sensed | Happens | Passes
Moves = Callable[[World], Iterator[Move]]
Judge = Callable[["Taken"], list[str]]


@dataclass(frozen=True, slots=True)
class Taken:
    """One move, what it was taken from and what came of it."""

    before: World
    move: Move
    after: World
    answers: tuple[Answer, ...]
    events: tuple[Event, ...]
    owed: tuple[Fall | None, Fall | None, Fall | None]
    """What each section had to tell when the board was called."""


class Loads:
    """Cells that have always said the same."""

    def window(
        self, _section: int, from_us: int, to_us: int, step_us: int, /
    ) -> tuple[int | None, ...]:
        return (LOAD_DN,) * len(range(from_us, to_us, step_us))


LOADS = Loads()

STEADY = {
    1: COCK_TIMEOUT_US // MS,
    2: LOWER_TIMEOUT_US // MS,
    3: DROP_TIMEOUT_US // MS,
    4: PIN_TIMEOUT_US // MS,
    5: SETTLE_US // MS,
    6: 0,
    7: 1_000,
    10: LOAD_MAX_DN,
}


def params(**table: int) -> Params:
    """The shortest times that the contract allows, so that there are few moments to tell apart."""
    of_section = {**SECTION_VALUES, **STEADY}
    for name in ("debounce_us", "cock_timeout_ms", "lower_timeout_ms"):
        if name in table:
            of_section[{"debounce_us": 6, "cock_timeout_ms": 1}.get(name, 2)] = table[name]
    of_table = {**TABLE_VALUES, 16: SUPPLY_MIN_MV, 17: AIR_MIN_KPA}
    of_table[18] = table.get("coil_on_max_ms", 120_000)
    values = {(at, key): value for at in SECTIONS for key, value in of_section.items()}
    return Params(values | {(TABLE, key): value for key, value in of_table.items()})


def at_rest(stored: Params | None, **of_section: bool) -> World:
    """A table that has just been switched on: every section down, pinned and unknown.

    `of_section` is what the last section's sensors say otherwise.
    """
    sensed = SectionInputs(
        up=False,
        down=True,
        pin=True,
        load_raw=LOAD_DN,
        load_us=FRESH_US,
        tension_steps=SECTION_VALUES[11],
    )
    inputs = Inputs(
        (sensed, sensed, replace(sensed, **of_section)), supply_mv=FULL_MV, air_kpa=FULL_KPA
    )
    board = controller.boot(
        boot_id=1,
        reset_cause=1,
        features=EVERYTHING,
        params=stored,
        inputs=inputs,
        now_us=START_US,
    )
    board = _quiet(board, full=False)
    return World(board, inputs, START_US, START_US + SETTLE_US, (Body(), Body(), Body()))


# What a move does


def take(world: World, move: Move) -> Taken:
    """The world after a move: what it does to the metal and the lines, and then the board's step."""
    inputs, bodies, now_us, bad_us = world.inputs, world.bodies, world.now_us, world.bad_us
    asks: tuple[Ask, ...] = ()
    match move:
        case Asked():
            asks = (move.ask,)
        case Passes():
            now_us += move.duration_us
        case Happens():
            body = _happens(world, move)
            bodies = _with(bodies, move.at, body)
            inputs = _shown(inputs, move.at, body)
        case Sensed():
            inputs = _sensed(inputs, move)
            bad_us = _bad(world, move)
    step = controller.step(world.board, inputs, asks, now_us, LOADS)
    events = step.state.events.since(world.board.events)
    after = World(
        _quiet(step.state, full=world.full),
        inputs,
        now_us,
        step.wake_us,
        _told(step.state, bodies, events),
        bad_us,
        world.full,
    )
    first, second, third = (body.owed for body in bodies)
    return Taken(world, move, after, step.answers, events, (first, second, third))


def _quiet(board: State, *, full: bool) -> State:
    """The board after all it has told was acknowledged, unless the host acknowledges nothing."""
    if board.told_us == FAR_US and (full or not board.events.kept) and not board.traces:
        return board
    events = board.events if full else replace(board.events, kept=())
    return replace(board, events=events, told_us=FAR_US, resend_due_us=FAR_US, told=(), traces=())


def _happens(world: World, move: Happens) -> Body:
    body, now_us = world.bodies[move.at], world.now_us
    section = world.board.sections[move.at]
    match move.what:
        case "pin leaves":
            return replace(body, pin_in=False)
        case "pin enters":
            return replace(body, pin_in=True)
        case "rises":
            # The lift that takes it up again takes no fall from the top away.
            owed = body.owed if body.owed is not None and body.owed.must_be_told else None
            return replace(body, place=body.place + 1, owed=owed)
        case "sinks":
            return replace(body, place=body.place - 1)
        case "is thrust":
            return replace(body, place=BETWEEN, left_us=now_us)
        case "sags":
            # With a debounce time it was not away for long enough to have left the bottom.
            at_once = world.board.params.get(move.at, 6) == 0
            told = section.phase is Phase.COCKING and at_once
            # What the valve let go just now, and then fell, may be timed from there.
            left_us = section.left_top_us or now_us
            return Body(BOTTOM, body.pin_in, owed=Fall(left_us, now_us, told))
        case _:  # lands
            left_us = body.left_us or 0
            fall = Fall(left_us, now_us, now_us - left_us <= QUICK_US)
            return Body(BOTTOM, body.pin_in, owed=fall)


def _told(
    board: State, bodies: tuple[Body, Body, Body], events: tuple[Event, ...]
) -> tuple[Body, Body, Body]:
    """The bodies without the falls that these events tell of; some nobody can tell any more."""
    told = {event.section for event in events if event.kind is Kind.DROP}
    for at, (body, section) in enumerate(zip(bodies, board.sections, strict=True)):
        # While it is lowered, a top that was never believed is taken for a spike on the wire.
        edge_us = section.left_top_us
        unseen = edge_us is None or edge_us <= section.began_us
        spike = section.phase is Phase.LOWERING and unseen
        if body.owed is not None and at in told:
            bodies = _with(bodies, at, replace(body, owed=None))
        elif body.owed is not None and spike:
            bodies = _with(bodies, at, replace(body, owed=replace(body.owed, must_be_told=False)))
    return bodies


def _with(bodies: tuple[Body, Body, Body], at: int, body: Body) -> tuple[Body, Body, Body]:
    first, second, third = (body if at == each else bodies[each] for each in SECTIONS)
    return first, second, third


def _shown(inputs: Inputs, at: int, body: Body) -> Inputs:
    sensed = replace(
        inputs.sections[at],
        up=body.place == TOP,
        down=body.place == BOTTOM,
        pin=body.pin_in,
    )
    return _of_section(inputs, at, sensed)


def _of_section(inputs: Inputs, at: int, sensed: SectionInputs) -> Inputs:
    first, second, third = (sensed if at == each else inputs.sections[each] for each in SECTIONS)
    return replace(inputs, sections=(first, second, third))


def _sensed(inputs: Inputs, move: Sensed) -> Inputs:
    if move.at == TABLE:
        return replace(inputs, **{move.name: move.value})
    sensed = replace(inputs.sections[move.at], **{move.name: move.value})
    return _of_section(inputs, move.at, sensed)


GOOD = {
    "supply_mv": FULL_MV,
    "air_kpa": FULL_KPA,
    "load_raw": LOAD_DN,
    "load_us": FRESH_US,
    "tension_steps": SECTION_VALUES[11],
}


def _bad(world: World, move: Sensed) -> tuple[tuple[str, int], ...]:
    if move.name not in GOOD:
        return world.bad_us
    others = tuple(each for each in world.bad_us if each[0] != move.name)
    return others if move.value == GOOD[move.name] else (*others, (move.name, world.now_us))


# Time


def passing(world: World) -> Iterator[Move]:
    """Time passes to the next moment of interest; none, when nothing would ever change by itself.

    The moments are the board's own and the contract's: a board that forgets one is called at it too.
    """
    due_us = [] if world.wake_us is None else [world.wake_us]
    moments_us = [since_us + each for _, since_us in world.bad_us for each in BAD_MOMENTS_US]
    moments_us += [
        section.entered_us + LONGEST_US[section.phase]
        for section in world.board.sections
        if section.phase in LONGEST_US
    ]
    due_us += [each for each in moments_us if each > world.now_us]
    for section, body in zip(world.board.sections, world.bodies, strict=True):
        if section.phase is Phase.LOWERING:
            slowly_us = section.up.raw_since_us + QUICK_US + TICK_US
            due_us += [slowly_us] if slowly_us > world.now_us else []
        if body.left_us is not None:
            later_us = (body.left_us + each for each in FALL_MOMENTS_US)
            due_us += [next((each for each in later_us if each > world.now_us), FAR_US)]
    gap_us = min(due_us, default=FAR_US) - world.now_us
    if gap_us >= FAR_US - world.now_us:
        return
    yield Passes(min(gap_us, TICK_US) if gap_us <= 3 * TICK_US else gap_us - 2 * TICK_US)


# Which worlds are one


LONGEST_US = {
    Phase.COCKING: COCK_TIMEOUT_US,
    Phase.LOWERING: LOWER_TIMEOUT_US,
    Phase.DROPPING: DROP_TIMEOUT_US,
    Phase.SECURING: PIN_TIMEOUT_US + SETTLE_US,
    Phase.DROPPED: PIN_TIMEOUT_US + SETTLE_US,
}
"""The phases that time alone ends."""


def _stay(age_us: int, longest_us: int) -> int:
    """How long a phase has lasted: exactly at its beginning and near its end, and no matter between."""
    near = age_us <= 2 * TICK_US or age_us >= longest_us - 2 * TICK_US
    return age_us if near else -1


def _left(left_us: int) -> int:
    """How long something still lasts: exactly near its end, and over, and no matter otherwise."""
    return max(0, left_us) if left_us <= 60 * MS else FAR_US


def _fall_age(us: int, now_us: int) -> int:
    """For how long it has been away from the top: exactly at first, then within 150 ms, or 1 s."""
    age_us = now_us - us
    if age_us <= 2 * TICK_US:
        return age_us
    return next((limit for limit in (QUICK_US, SLOW_US) if age_us <= limit), SLOW_US + TICK_US)


def _age(us: int, now_us: int, most_us: int) -> int:
    return min(now_us - us, most_us)


CELL_SILENT = next(
    number for number, rule in enumerate(FAULT_RULES) if rule.when.__name__ == "_cell_calibrated"
)
OLDEST_US = tuple(
    0
    if number == CELL_SILENT
    else {
        Fault.PIN_STUCK_OUT: 10 * MS,
        Fault.SWITCHES_IMPLAUSIBLE: 10 * MS,
        Fault.UNCOMMANDED_DROP: 10 * MS,
        Fault.MOVED_WITHOUT_COMMAND: 10 * MS,
        Fault.LOAD_CELL: 200 * MS,
        Fault.OVERLOAD: 50 * MS,
        Fault.SUPPLY: 100 * MS,
        Fault.AIR: 100 * MS,
        Fault.TENSION: 200 * MS,
    }.get(rule.fault, 0)
    for number, rule in enumerate(FAULT_RULES)
)
"""How long the condition of a rule may last before its age means nothing any more. The others count
from the entry of the phase, or from the last sample, which are told apart already."""

_FROM_THE_TOP = frozenset({Phase.COCKING, Phase.COCKED, Phase.ARMED, Phase.DROPPING})


@dataclass(frozen=True, slots=True)
class Grain:
    """What a world can tell apart beyond what every world can."""

    loads: bool = False
    """The second after a thrust, and the five after the tension was written."""
    coils: bool = False
    """How long a coil has been driven."""


def key_of(world: World, grain: Grain) -> tuple[Hashable, ...]:
    """What is left of a world when nothing is kept that nothing depends on; times as ages."""
    board, now_us, inputs = world.board, world.now_us, world.inputs
    sections = tuple(
        [section_key(world, at, grain) for at in SECTIONS],
    )
    lines = (
        _line_key(board.estop, inputs.estop_open, now_us),
        _line_key(board.button, inputs.stop_button, now_us),
        _line_key(board.pedal, inputs.pedal_down, now_us),
    )
    host = (
        board.stopped,
        board.host_live,
        board.host_seen,
        board.beats,
        board.lease,
        board.beat_hold,
        board.maintenance,
        board.params_complete,
        world.full,
        board.events.free if world.full else 64,
    )
    bad = tuple(sorted((name, _age(us, now_us, 210 * MS)) for name, us in world.bad_us))
    tare = None if board.tare is None else (board.tare.section, now_us - board.tare.started_us)
    return (sections, lines, host, bad, tare)


def _line_key(line: Line, contact: bool, now_us: int) -> tuple[Hashable, ...]:
    since_us = line.changing_since_us
    return (line.active, contact, None if since_us is None else now_us - since_us)


def section_key(world: World, at: int, grain: Grain) -> tuple[Hashable, ...]:
    """One section's part of the key."""
    section, body, now_us = world.board.sections[at], world.bodies[at], world.now_us
    phase, outputs = section.phase, section.outputs
    driven = outputs.driven
    fall = None if body.left_us is None else _fall_age(body.left_us, now_us)
    owed = body.owed and (
        _age(body.owed.landed_us, now_us, 20 * MS),
        min(body.owed.landed_us - body.owed.left_us, SLOW_US + TICK_US),
        body.owed.must_be_told,
    )
    came: Hashable = None
    if phase in (Phase.SECURING, Phase.DROPPING):
        came = section.came_from
    elif phase in (Phase.UNKNOWN, Phase.FAULT):
        came = section.came_from in _FROM_THE_TOP
    return (
        phase,
        section.fault,
        came,
        _stay(now_us - section.entered_us, LONGEST_US[phase]) if phase in LONGEST_US else 0,
        (section.began_us + section.window_us - now_us, _age(section.entered_us, now_us, 20 * MS))
        if phase is Phase.ARMED
        else phase is Phase.COCKING and section.down.edge_us > section.entered_us,
        _switch_key(section.up, now_us, SETTLE_US),
        _switch_key(section.down, now_us, SETTLE_US),
        _switch_key(section.pin, now_us, PIN_TIMEOUT_US if driven else SETTLE_US),
        _way_down_key(section, now_us),
        tuple([(n, _since_key(n, us, now_us, grain)) for n, us in section.wrong_since]),
        outputs.lift | outputs.pin_withdrawn << 1 | outputs.lowering << 2,
        (
            _left(section.tension_written_us + 5_000 * MS - now_us),
            _left(section.excused_until_us - now_us),
        )
        if grain.loads
        else 0,
        (body.place, body.pin_in, fall, owed),
    )


def _since_key(number: int, since_us: int, now_us: int, grain: Grain) -> int:
    if grain.coils and FAULT_RULES[number].fault is Fault.DUTY:
        return now_us - since_us
    return _age(since_us, now_us, OLDEST_US[number])


def _switch_key(switch: Switch, now_us: int, steady_us: int) -> tuple[Hashable, ...]:
    return (
        switch.raw,
        switch.level,
        _age(switch.level_since_us, now_us, steady_us),
        _age(switch.raw_since_us, now_us, 10 * MS),
        None if switch.burst_us is None else _fall_age(switch.burst_us, now_us),
    )


def _way_down_key(section: SectionState, now_us: int) -> Hashable:
    """When it left the top, as far as a fall may still be made of it."""
    left_us, up = section.left_top_us, section.up
    if left_us is None and up.raw_since_us > up.level_since_us and not up.raw:
        return ("touched", _fall_age(up.raw_since_us, now_us))
    if left_us is None or (section.up.level and section.phase is not Phase.DROPPING):
        return None
    if not section.down.level:
        return _fall_age(left_us, now_us)
    took_us = section.down.edge_us - left_us
    return ("took", took_us < 0, took_us <= QUICK_US, took_us <= SLOW_US)
