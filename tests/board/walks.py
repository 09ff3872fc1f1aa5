"""Walks over the board: anything that contacts, lines and hosts can do, in any order and at any time."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from droptable.board.model import (
    ANY_PHASE,
    TABLE,
    Answer,
    Ask,
    Beat,
    Command,
    Lost,
    Opened,
    ParamSet,
    Phase,
    Stop,
    Verb,
)
from tests.board.bench import DEBOUNCE_US, MS, SECTIONS, SETTLE_US, TENSION_DN, Bench, S
from tests.board.plant import Plant


@dataclass(frozen=True)
class Move:
    """After `gap_us`, `does` happens; `name` is for whoever reads a failure."""

    gap_us: int
    name: str
    does: Callable[[Bench], object]

    def __repr__(self) -> str:
        return f"+{self.gap_us} {self.name}"


def _shows(at: int, contact: str, value: bool | int | None) -> Callable[[Bench], object]:
    return lambda bench: bench.show(at, **{contact: value})


def _line(name: str, value: int) -> Callable[[Bench], object]:
    return lambda bench: bench.line(**{name: value})


def _asks(*asks: Ask) -> Callable[[Bench], object]:
    return lambda bench: bench.tick(*asks)


def _commands(verb: int, section: int, arg: int) -> Callable[[Bench], object]:
    return lambda bench: bench.tick(Command(bench.new_id(), verb, section, ANY_PHASE, 250, 0, arg))


def _sets(section: int, key: int, value: int) -> Callable[[Bench], object]:
    return lambda bench: bench.tick(ParamSet(bench.new_id(), section, key, value))


def go_on(bench: Bench) -> None:
    """The mechanism does what it is driven to do, and a hand thrusts at what is armed."""
    for at in range(3):
        of, phase = bench.contacts[at], bench.phase(at)
        driven = bench.section(at).outputs
        match phase:
            case Phase.COCKING if of.pin:
                of.pin = False
            case Phase.COCKING if driven.lift:
                of.up, of.down = not of.down, False
            case Phase.LOWERING if of.pin:
                of.pin = False
            case Phase.LOWERING if driven.lowering:
                of.down, of.up = not of.up, False
            case Phase.ARMED if of.pin:
                of.pin = False
            case Phase.ARMED:
                of.up = False
            case Phase.DROPPING:
                of.down = True
            case Phase.SECURING | Phase.DROPPED:
                of.pin = True
            case _:
                pass
    bench.tick()


def _host_wants(verb: Verb, at: int) -> Callable[[Bench], object]:
    """A host that is alive and held asks for it."""
    arg = 2_000 if verb is Verb.ARM else 0

    def does(bench: Bench) -> None:
        if not bench.state.host_live:
            bench.open()
        bench.tick(Beat(True, True))
        bench.tick(Command(bench.new_id(), verb, at, ANY_PHASE, 250, 0, arg))

    return does


_MOVES: list[tuple[str, Callable[[Bench], object]]] = [
    *(
        (f"{at} {contact}={value}", _shows(at, contact, value))
        for at in range(3)
        for contact in ("up", "down", "pin")
        for value in (False, True)
    ),
    *(
        (f"{at} load={load}", _shows(at, "load", load))
        for at in (1, 2)
        for load in (None, 500, 20_000)
    ),
    *(
        (f"{at} tension={steps}", _shows(at, "tension", steps))
        for at in (1, 2)
        for steps in (None, 0)
    ),
    *(
        (f"{name}={value}", _line(name, value))
        for name in ("estop_open", "stop_button", "pedal_down")
        for value in (0, 1)
    ),
    *(
        (f"{name}={value}", _line(name, value))
        for name, full in (("supply_mv", 24_000), ("air_kpa", 600))
        for value in (0, full)
    ),
    *(
        (f"lease={lease} hold={hold}", _asks(Beat(lease, hold)))
        for lease in (False, True)
        for hold in (False, True)
    ),
    ("opened", _asks(Opened(), Beat(True, True), Beat(True, True), Beat(True, True))),
    ("lost", _asks(Lost())),
    ("stop", _asks(Stop(1, answer=True))),
    (
        "reset",
        lambda bench: bench.tick(
            Beat(True, False), Command(bench.new_id(), Verb.RESET_STOP, TABLE, ANY_PHASE, 250, 0, 0)
        ),
    ),
    *((f"{verb.name} {at}", _commands(verb, at, 2_000)) for verb in Verb for at in (1, 2, TABLE)),
    *(
        (f"wants {verb.name} {at}", _host_wants(verb, at))
        for verb in (Verb.HOME, Verb.COCK, Verb.ARM, Verb.ARM, Verb.LOCK, Verb.CLEAR_FAULT)
        for at in (1, 2, 2)
    ),
    ("set tension", _sets(2, 11, 2_600)),
    ("set settle", _sets(2, 5, 30)),
    ("set debounce", _sets(2, 6, 0)),
    ("ack", Bench.ack),
    *[("goes on", go_on)] * 25,
]

GAPS_US = (
    0,
    1,
    MS,
    3 * MS,
    DEBOUNCE_US,
    10 * MS,
    SETTLE_US,
    DEBOUNCE_US + SETTLE_US,
    50 * MS,
    100 * MS,
    205 * MS,
    S,
)
GAPS = st.sampled_from(GAPS_US)
MOVES = st.builds(lambda gap_us, named: Move(gap_us, *named), GAPS, st.sampled_from(_MOVES))
WALKS = st.lists(MOVES, max_size=60)
PHASES = st.sampled_from(list(Phase))


def mend(bench: Bench) -> None:
    """A technician has been: everything is as it should be, faults and stop are over."""
    bench.lines.update(estop_open=0, stop_button=0, pedal_down=0, supply_mv=24_000, air_kpa=600)
    for of in bench.contacts:
        of.up, of.down, of.pin, of.load, of.tension = False, True, True, 500, None
    bench.open().wait(100 * MS)
    tell_all_is_well(bench)
    for at in SECTIONS:
        bench.set(at, 11, TENSION_DN)
    tell_all_is_well(bench)


def tell_all_is_well(bench: Bench) -> None:
    """A host that has looked at the table makes it ready."""
    bench.line(estop_open=0)
    if not bench.state.host_live:
        bench.open()
    bench.beat(hold=False)
    bench.ask(Verb.RESET_STOP, TABLE)
    bench.beat()
    for at in SECTIONS:
        if bench.phase(at) is Phase.FAULT:
            bench.ask(Verb.CLEAR_FAULT, at)
        if bench.phase(at) is Phase.UNKNOWN:
            bench.ask(Verb.HOME, at)


def series(bench: Bench) -> None:
    """The host's next step towards a drop of the pelvic section."""
    if bench.state.stopped or not bench.state.host_live:
        tell_all_is_well(bench)
    match bench.phase(2):
        case Phase.LOCKED | Phase.HALTED:
            _host_wants(Verb.COCK, 2)(bench)
        case Phase.COCKED:
            _host_wants(Verb.ARM, 2)(bench)
        case Phase.UNKNOWN | Phase.FAULT:
            tell_all_is_well(bench)
        case _:
            pass


def several(bench: Bench) -> None:
    """A few steps in which everybody does what they should."""
    for _ in range(4):
        series(bench)
        bench.wait(DEBOUNCE_US)
        go_on(bench)
        bench.wait(40 * MS)


LONG: list[Callable[[Bench], object]] = [
    *[does for name, does in _MOVES],
    *[go_on] * 60,
    *[mend] * 25,
    *[several] * 40,
    *(_host_wants(verb, 2) for verb in (Verb.COCK, Verb.ARM, Verb.LOCK) for _ in range(12)),
]
"""What happens in a long walk: mostly what should."""


def _thrusts(at: int) -> Callable[[Plant], object]:
    return lambda plant: plant.thrust(at)


HANDS: list[Callable[[Plant], object]] = [
    *[_thrusts(2)] * 150,
    *[_thrusts(1)] * 10,
    *(_host_wants(verb, 1) for verb in (Verb.COCK, Verb.ARM) for _ in range(6)),
    *(_host_wants(verb, at) for verb in (Verb.LOCK, Verb.DISARM) for at in (1, 2)),
    *[tell_all_is_well] * 5,
    *[series] * 180,
    *[Bench.beat] * 40,
    *[Bench.stop] * 2,
    Bench.lose,
    Bench.open,
    lambda plant: plant.beat(hold=False),
    lambda plant: plant.beat(lease=False),
    lambda plant: plant.line(estop_open=True),
    lambda plant: plant.line(estop_open=False),
]
"""Who has to do with a table that obeys."""


def walk(bench: Bench, moves: list[Move]) -> list[Answer]:
    """All that the board answers on its way."""
    for move in moves:
        if move.gap_us:
            bench.wait(move.gap_us)
        move.does(bench)
    bench.wait(7 * S)
    return bench.answers
