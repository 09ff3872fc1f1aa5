"""The worlds that are searched: each a board with a few things around it that may go on together.

One world with everything would be too large to be searched to its end; each of these is, or its
bound is said. What a world leaves out another has.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from droptable.board.event_buffer import CAPACITY
from droptable.board.model import (
    ANY_PHASE,
    TABLE,
    Beat,
    Command,
    Kind,
    Lost,
    Opened,
    Phase,
    Stop,
    Verb,
)
from droptable.board.params import Params
from droptable.board.state import State
from tests.board.bench import SECTION_VALUES, SECTIONS
from tests.search.board_contract import judge, judge_with_falls
from tests.search.board_world import (
    BETWEEN,
    BOTTOM,
    FRESH_US,
    FULL_KPA,
    FULL_MV,
    LOAD_DN,
    MS,
    OVERLOAD_DN,
    QUICK_US,
    START_US,
    TOP,
    Asked,
    Grain,
    Happens,
    Judge,
    Move,
    Moves,
    Passes,
    Sensed,
    World,
    at_rest,
    key_of,
    params,
    passing,
    take,
)

SECTION = 2
"""The section that moves where only one does."""

WINDOW_MS = 30
VERBS_OF_SECTION = (
    Verb.COCK,
    Verb.ARM,
    Verb.DISARM,
    Verb.LOCK,
    Verb.HOME,
    Verb.CLEAR_FAULT,
)


def command(board: State, verb: int, section: int, /, **changes: int) -> Asked:
    """A COMMAND that the board does not remember."""
    known = [cmd_id for cmd_id, _ in board.remembered]
    cmd_id = (known[-1] if known else 0) % 60_000 + 1
    arg = {Verb.ARM: WINDOW_MS}.get(verb, 0)  # type: ignore[call-overload]
    ask = Command(cmd_id, verb, section, ANY_PHASE, 250, 0, arg)
    return Asked(replace(ask, **changes) if changes else ask)


# Who does something


def commands(*verbs: Verb, sections: tuple[int, ...] = (SECTION,)) -> Moves:
    """The host commands any of `verbs`."""

    def moves(world: World) -> Iterator[Move]:
        for section in sections:
            for verb in verbs:
                yield command(world.board, verb, section)

    return moves


def resets(world: World) -> Iterator[Move]:
    """The host resets a stop."""
    yield command(world.board, Verb.RESET_STOP, TABLE)


def beats(*said: tuple[bool, bool]) -> Moves:
    """The host lives and says one of these of its lease and its hold."""

    def moves(world: World) -> Iterator[Move]:
        board = world.board
        for lease, hold in said:
            if (board.lease, board.beat_hold) != (lease, hold) or board.beats < 3:
                yield Asked(Beat(lease, hold))

    return moves


def lone_host(world: World) -> Iterator[Move]:
    """A host that comes when there is none, lives, holds and lets go, and is lost."""
    if not world.board.host_live:
        yield Asked(Opened())
    elif world.board.beats < 3:
        yield Asked(Beat(True, False))
    else:
        yield Asked(Lost())
        yield from LEASED(world)


LEASED = beats((False, False), (True, False), (True, True))
EVERY_BEAT = beats((False, False), (True, False), (False, True), (True, True))


def hosts(world: World) -> Iterator[Move]:
    """A host comes, in place of another too, and goes."""
    yield Asked(Opened())
    if world.board.host_live:
        yield Asked(Lost())


def stops(world: World) -> Iterator[Move]:
    """A STOP frame, again and again."""
    yield Asked(Stop(1, answer=True))


def line(name: str, *values: int) -> Moves:
    """A line or a supply of the table takes one of these values."""

    def moves(world: World) -> Iterator[Move]:
        for value in values:
            if getattr(world.inputs, name) != value:
                yield Sensed(TABLE, name, value)

    return moves


def metal(*sections: int, sags: bool = True) -> Moves:
    """The sections obey, when they please; thrusts come wherever only the tension holds."""

    def moves(world: World) -> Iterator[Move]:
        for at in sections:
            yield from _metal_of(world, at, sags=sags)

    return moves


def _metal_of(world: World, at: int, *, sags: bool) -> Iterator[Move]:
    body, section = world.bodies[at], world.board.sections[at]
    driven = section.outputs
    later = world.now_us > section.entered_us
    if body.left_us is not None:
        if world.now_us > body.left_us:
            yield Happens(at, "lands")
        return
    if body.pin_in:
        if driven.pin_withdrawn:
            yield Happens(at, "pin leaves")
        return
    if not driven.pin_withdrawn and body.place != BETWEEN:
        yield Happens(at, "pin enters")
    if driven.lift and body.place != TOP and later:
        yield Happens(at, "rises")
    if driven.lowering and body.place != BOTTOM and _slowly(world, at):
        yield Happens(at, "sinks")
    if body.place == TOP:
        yield Happens(at, "is thrust")
    if sags and body.place == BETWEEN and not driven.lowering and later and _slowly(world, at):
        yield Happens(at, "sags")


def _slowly(world: World, at: int) -> bool:
    """Whether the valve has had the time that it takes to let the section down."""
    left_us = world.board.sections[at].up.raw_since_us
    return world.bodies[at].place == TOP or world.now_us - left_us > QUICK_US


def loose(*names: str, at: int = SECTION) -> Moves:
    """Contacts of a section that may say anything at any time."""

    def moves(world: World) -> Iterator[Move]:
        for name in names:
            yield Sensed(at, name, not getattr(world.inputs.sections[at], name))

    return moves


def sensor(name: str, *values: int | None, at: int = SECTION) -> Moves:
    """A cell or an actuator of a section tells one of these."""

    def moves(world: World) -> Iterator[Move]:
        for value in values:
            if getattr(world.inputs.sections[at], name) != value:
                yield Sensed(at, name, value)

    return moves


ILL_FORMED: tuple[tuple[Verb, dict[str, int]], ...] = (
    (Verb.COCK, {"verb": 77}),
    (Verb.COCK, {"section": 3}),
    (Verb.COCK, {"section": TABLE}),
    (Verb.RESET_STOP, {"section": SECTION}),
    (Verb.COCK, {"ttl_ms": 59}),
    (Verb.COCK, {"ttl_ms": 1001}),
    (Verb.COCK, {"age_ms": 251}),
    (Verb.DISARM, {"age_ms": 251}),
    (Verb.COCK, {"expect": Phase.COCKED}),
    (Verb.ARM, {"expect": Phase.LOCKED}),
    (Verb.ARM, {"arg": 0}),
    (Verb.ARM, {"arg": 1001}),
    (Verb.ARM, {"arg": -1}),
    (Verb.MAINTENANCE, {"section": TABLE, "arg": 2}),
)


def ill_formed(world: World) -> Iterator[Move]:
    """Commands that no sound host sends, or that were under way for too long."""
    for verb, changes in ILL_FORMED:
        yield command(world.board, verb, changes.get("section", SECTION), **changes)


def arms_for_long(world: World) -> Iterator[Move]:
    """An arming in which a tension can be off for long enough."""
    yield command(world.board, Verb.ARM, SECTION, arg=300)


def repeats(world: World) -> Iterator[Move]:
    """The last cmd_id comes again, with a verb that would be taken, and one that would not."""
    for cmd_id, _ in world.board.remembered[-1:]:
        for verb in (Verb.COCK, Verb.ARM, Verb.LOCK, Verb.HOME):
            yield command(world.board, verb, SECTION, cmd_id=cmd_id)


def maintains(world: World) -> Iterator[Move]:
    """The host enters maintenance, leaves it, and tares."""
    yield command(world.board, Verb.MAINTENANCE, TABLE, arg=1)
    yield command(world.board, Verb.MAINTENANCE, TABLE)
    for section in (SECTION, 0):
        yield command(world.board, Verb.TARE, section)


# The worlds


PLAIN = Grain()


@dataclass(frozen=True)
class Room:
    """A world, as what may happen in it, from what it starts and what it can tell apart."""

    name: str
    about: str
    starts: tuple[World, ...]
    goes_on: tuple[Moves, ...]
    judges: Judge = judge_with_falls
    grain: Grain = PLAIN
    alike: bool = False
    """Its sections are interchangeable."""
    healthy: bool = True
    """A sound plant and a host of good will lead to rest from each of its states."""
    most_transitions: int | None = None
    """The budget of the everyday run; None where it is searched to its end."""

    def moves(self, world: World) -> Iterator[Move]:
        for going in self.goes_on:
            yield from going(world)
        yield from passing(world)

    def take(self, world: World, move: Move) -> tuple[World, list[str]]:
        try:
            taken = take(world, move)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as broke:
            return world, [f"the board broke: {broke!r}"]
        return taken.after, self.judges(taken)

    def key(self, world: World) -> Hashable:
        key = key_of(world, self.grain)
        return (frozenset_of(key[0]), *key[1:]) if self.alike else key

    def helps(self, move: Move) -> bool:
        """Time, metal that obeys, and a host that only clears, homes, resets, lives and holds nothing."""
        match move:
            case Passes():
                return True
            case Happens(what=what):
                return what in ("pin leaves", "pin enters", "lands", "sags")
            case Sensed(name=name, value=value):
                return (name, value) in WELL
            case Asked(ask=Command(verb=verb)):
                return verb in (Verb.RESET_STOP, Verb.CLEAR_FAULT, Verb.HOME)
            case Asked(ask=Beat(lease=lease, hold=hold)):
                return lease and not hold
            case Asked(ask=ask):
                return isinstance(ask, Opened)


def frozenset_of(sections: object) -> Hashable:
    """The sections without their places."""
    return tuple(sorted(map(repr, sections)))  # type: ignore[call-overload]


WELL = {
    ("estop_open", 0),
    ("stop_button", 0),
    ("pedal_down", 0),
    ("supply_mv", FULL_MV),
    ("air_kpa", FULL_KPA),
    ("load_raw", LOAD_DN),
    ("tension_steps", SECTION_VALUES[11]),
}


def woken(world: World) -> World:
    """A table that has been switched on for a while."""
    return take(world, Passes(20 * MS)).after


def homed(world: World, *sections: int) -> World:
    """A table whose host lives, with a lease and a hold, and whose sections are LOCKED."""
    world = woken(world)
    for ask in (Opened(), Beat(True, True), Beat(True, True), Beat(True, True)):
        world = take(world, Asked(ask)).after
    for section in sections:
        world = take(world, command(world.board, Verb.HOME, section)).after
    return world


def rested(world: World) -> World:
    return homed(world, *SECTIONS)


def cocked(world: World, at: int = SECTION) -> World:
    """The same with one section COCKED."""
    if not world.board.host_live:
        world = rested(world)
    world = take(world, command(world.board, Verb.COCK, at)).after
    for what in ("pin leaves", "rises", "rises"):
        world = take(world, Happens(at, what)).after
    for what in (None, "pin enters", None):
        for move in [Happens(at, what)] if what else list(passing(world)):
            world = take(world, move).after
    while world.board.sections[at].phase is not Phase.COCKED:
        (move,) = passing(world)
        world = take(world, move).after
    return world


def later(world: World) -> World:
    """The same when its tension has had its time."""
    return take(world, Passes(6_000 * MS)).after


def nearly(world: World, name: str, value: int | None, wait_us: int) -> World:
    """The same with something off for almost as long as it may."""
    at = TABLE if hasattr(world.inputs, name) else SECTION
    off = take(world, Sensed(at, name, value)).after
    return take(off, Passes(wait_us)).after


def cocking(world: World) -> World:
    """The same on its way up."""
    world = take(world, command(world.board, Verb.COCK, SECTION)).after
    return take(world, Happens(SECTION, "pin leaves")).after


def armed(world: World) -> World:
    """The same ARMED for longer than a tension may be off."""
    world = take(world, command(world.board, Verb.ARM, SECTION, arg=300)).after
    return take(world, Happens(SECTION, "pin leaves")).after


def lacking(world: World) -> World:
    """The same without one parameter that the board needs."""
    values = world.board.params.values()
    del values[TABLE, 16]
    board = replace(world.board, params=Params(values), params_complete=False)
    return replace(world, board=board)


def filled(world: World) -> World:
    """The same with an event buffer that has seven places left, and a host that frees none."""
    events = world.board.events
    for _ in range(CAPACITY - 7 - len(events.kept)):
        events = events.add(Kind.PEDAL, world.now_us, TABLE)
    return replace(world, board=replace(world.board, events=events), full=True)


def one_bad_thing(*things: Moves) -> Moves:
    """At most one supply, cell or tension is off at a time; it comes back as it pleases."""

    def moves(world: World) -> Iterator[Move]:
        for going in things:
            for move in going(world):
                if not world.bad_us or (
                    isinstance(move, Sensed) and move.name in dict(world.bad_us)
                ):
                    yield move

    return moves


OBEYS = (commands(*VERBS_OF_SECTION), resets, metal(SECTION))
HOLDS = beats((True, False), (True, True))
SHORT, BOUNCING = params(), params(debounce_us=10 * MS)
LONG = params(coil_on_max_ms=1_000, cock_timeout_ms=5_000, lower_timeout_ms=8_000)

ROOMS = (
    Room(
        "one section",
        "a section, its metal and every thrust; a host that comes, holds, lets go and is lost; STOP",
        (homed(at_rest(SHORT), 0, 1),),
        (*OBEYS, lone_host, stops),
    ),
    Room(
        "bouncing contacts",
        "the same with a debounce time, under a host that lives and holds or not",
        (homed(at_rest(BOUNCING), 0, 1),),
        (*OBEYS, HOLDS, stops),
        most_transitions=25_000,
    ),
    Room(
        "lying contacts",
        "contacts that say anything at any time, whatever the section does; STOP",
        (rested(at_rest(SHORT)), cocked(at_rest(SHORT))),
        (commands(*VERBS_OF_SECTION), resets, HOLDS, stops, loose("up", "down", "pin")),
        judges=judge,
        healthy=False,
        most_transitions=12_000,
    ),
    Room(
        "e-stop and button",
        "a section and its metal; the e-stop chain, the local stop button",
        (rested(at_rest(SHORT)),),
        (
            *OBEYS,
            beats((True, False), (True, True)),
            line("estop_open", 0, 1),
            line("stop_button", 0, 1),
            commands(Verb.TARE),
        ),
        most_transitions=15_000,
    ),
    Room(
        "power, load and tension",
        "a section and its metal; one low supply, one dead, silent or overloaded cell, one wrong"
        " tension at a time",
        (
            later(rested(at_rest(SHORT))),
            nearly(later(rested(at_rest(SHORT))), "load_raw", None, 180 * MS),
            nearly(cocking(later(rested(at_rest(SHORT)))), "supply_mv", 0, 80 * MS),
            nearly(cocking(later(rested(at_rest(SHORT)))), "air_kpa", 0, 70 * MS),
            nearly(armed(cocked(at_rest(SHORT))), "tension_steps", 0, 180 * MS),
        ),
        (
            *OBEYS,
            arms_for_long,
            one_bad_thing(
                line("supply_mv", 0, FULL_MV),
                line("air_kpa", 0, FULL_KPA),
                sensor("load_raw", None, OVERLOAD_DN, LOAD_DN),
                sensor("load_us", START_US, FRESH_US),
                sensor("tension_steps", 0, SECTION_VALUES[11]),
            ),
        ),
        grain=Grain(loads=True),
        most_transitions=20_000,
    ),
    Room(
        "the table",
        "sections at rest; hosts that replace each other, any BEAT, pedal, maintenance, taring,"
        " malformed, late and repeated commands, a full event buffer, missing parameters",
        (
            rested(at_rest(SHORT)),
            cocked(at_rest(SHORT)),
            filled(cocked(at_rest(SHORT))),
            lacking(rested(at_rest(SHORT))),
            lacking(cocked(at_rest(SHORT))),
        ),
        (
            commands(*VERBS_OF_SECTION),
            resets,
            hosts,
            EVERY_BEAT,
            line("pedal_down", 0, 1),
            maintains,
            ill_formed,
            repeats,
            stops,
        ),
        healthy=False,
        most_transitions=12_000,
    ),
    Room(
        "boot",
        "a board that finds itself damaged at boot, or its sensors at odds",
        tuple(
            homed(world)
            for world in (
                at_rest(SHORT, outputs_read_back=True),
                at_rest(SHORT, up=True),
                at_rest(None),
                at_rest(SHORT),
            )
        ),
        (commands(Verb.HOME, Verb.CLEAR_FAULT), loose("outputs_read_back", "up")),
        judges=judge,
        healthy=False,
    ),
    Room(
        "long on",
        "coils that are driven for as long as they may be, and longer",
        (rested(at_rest(LONG)), cocked(at_rest(LONG))),
        (commands(Verb.COCK, Verb.LOCK, Verb.CLEAR_FAULT, Verb.HOME), metal(SECTION, sags=False)),
        grain=Grain(coils=True),
        healthy=False,
    ),
    Room(
        "three sections",
        "all three sections and their metal under one host that holds; STOP",
        (rested(at_rest(SHORT)), cocked(cocked(at_rest(SHORT), 0), 1)),
        (
            commands(Verb.COCK, Verb.ARM, Verb.LOCK, Verb.HOME, sections=SECTIONS),
            resets,
            metal(*SECTIONS, sags=False),
            stops,
        ),
        alike=True,
        healthy=False,
        most_transitions=12_000,
    ),
)
"""What each world leaves out another has; see docs/verification.md."""
