"""Boards with one mistake each, that the search must find: every guard, row, rule and entry once.

A mistake changes nothing before it is met. So a mutant is searched from states of the sound board
around where its mistake can be met, until something is wrong or the budget is used up.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from droptable.board import asks, controller, phases, rows, sensing, verbs
from droptable.board.faults import FAULT_RULES, RULES_IN, STILL_THERE
from droptable.board.model import (
    Code,
    Command,
    Disarmed,
    Fault,
    Phase,
    SectionOutputs,
    Verb,
)
from droptable.board.rows import AFTER_STOP, BEGINS, ROWS, ROWS_OF
from droptable.board.state import OFF, SectionState, outputs_for
from droptable.board.switches import Switch
from droptable.board.turn import Turn
from droptable.board.verbs import GUARD_ORDER, HOME_PHASES, VERB_RULES
from tests.search.board_rooms import SECTION, Room
from tests.search.board_world import Asked, World
from tests.search.contract_answers import reason
from tests.search.harness import Finding, explore

Where = Callable[[Room, World], bool]
STARTS = 24
BUDGET = 3_000


def anywhere(_room: Room, _world: World) -> bool:
    return True


def in_phase(*of: Phase) -> Where:
    """States in which the section that moves is in one of these phases."""
    return lambda _room, world: world.board.sections[SECTION].phase in of


def for_a_while(name: str, *of: Phase) -> Where:
    """States in one of these phases in which something has been off for some time."""

    def where(_room: Room, world: World) -> bool:
        long = any(
            each.startswith(name) and world.now_us - us >= 30_000 for each, us in world.bad_us
        )
        return long and world.board.sections[SECTION].phase in of

    return where


def refused(verb: Verb, code: Code) -> Where:
    """States in which this is the first reason against a command that somebody may send there."""

    def where(room: Room, world: World) -> bool:
        commands = (
            move.ask
            for move in room.moves(world)
            if isinstance(move, Asked) and isinstance(move.ask, Command)
        )
        return any(ask.verb == verb and reason(world, ask) is code for ask in commands)

    return where


def commanded(verb: Verb, *phases: Phase) -> Where:
    """States in one of these phases in which somebody may send the verb to that section."""

    def where(room: Room, world: World) -> bool:
        if world.board.sections[SECTION].phase not in phases or world.board.beats < 3:
            return False
        return any(
            isinstance(move, Asked) and isinstance(move.ask, Command) and move.ask.verb == verb
            for move in room.moves(world)
        )

    return where


@dataclass(frozen=True)
class Mutant:
    """One mistake: what it sets, in which module or table, and where it can be met."""

    name: str
    sets: tuple[tuple[Any, Any, Any], ...]
    where: Where = anywhere
    same: str = field(default="", kw_only=True)
    """Why no state of the board tells it from the sound one, if none does."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The board with this mistake."""
        was = [_swap(*each) for each in self.sets]
        try:
            yield
        finally:
            for (target, name, _), value in zip(self.sets, was, strict=True):
                _swap(target, name, value)

    def caught(self, room: Room, states: list[World]) -> Finding | None:
        """What a search of a room finds wrong with it, from sound states where it can be met."""
        met = [world for world in states if self.where(room, world)]
        starts = met[:: max(1, len(met) // STARTS)]
        with self.applied():
            found = explore(room, starts, most_transitions=BUDGET)
        return found.findings[0] if found.findings else None


def _swap(target: Any, name: Any, value: Any) -> Any:
    if isinstance(target, dict):
        was, target[name] = target[name], value
    else:
        was = getattr(target, name)
        setattr(target, name, value)
    return was


# Each entry of each table


def _without(at: int, of: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*of[:at], *of[at + 1 :])


def _guards() -> Iterator[Mutant]:
    for verb, rule in VERB_RULES.items():
        for at, guard in enumerate(rule.guards):
            less = replace(rule, guards=_without(at, rule.guards))
            name = f"{verb.name} without its guard {at}, {guard.code.name}"
            yield Mutant(name, ((VERB_RULES, verb, less),), refused(verb, guard.code))
        for phase in sorted(rule.phases):
            less = replace(rule, phases=rule.phases - {phase} or frozenset({Phase.DROPPED}))
            yield Mutant(
                f"{verb.name} refused in {phase.name}",
                ((VERB_RULES, verb, less),),
                commanded(verb, phase),
            )
        if rule.phases:
            for phase in sorted(set(Phase) - rule.phases):
                more = replace(rule, phases=rule.phases | {phase})
                yield Mutant(
                    f"{verb.name} allowed in {phase.name}",
                    ((VERB_RULES, verb, more),),
                    commanded(verb, phase),
                    same=SAME.get((verb, phase), ""),
                )


SAME = {
    (verb, Phase.FAULT): "FAULTED stands before WRONG_PHASE, and refuses it in FAULT all the same"
    for verb in (Verb.COCK, Verb.ARM, Verb.DISARM, Verb.LOCK, Verb.HOME, Verb.TARE)
}


def _rows() -> Iterator[Mutant]:
    for number, row in enumerate(ROWS):
        of = ROWS_OF[row.phase]
        less = _without(of.index(row), of)
        name = f"row {number}, {row.phase.name}: {row.on}"
        yield Mutant(f"without {name}", ((ROWS_OF, row.phase, less),), in_phase(row.phase))
        if row.drop:
            silent = tuple(replace(each, drop=False) if each is row else each for each in of)
            yield Mutant(f"no DROP by {name}", ((ROWS_OF, row.phase, silent),), in_phase(row.phase))


OFF_FOR = {
    Fault.LOAD_CELL: "load_",
    Fault.OVERLOAD: "load_raw",
    Fault.SUPPLY: "supply_mv",
    Fault.AIR: "air_kpa",
    Fault.TENSION: "tension_steps",
}
"""What has to be off for a fault."""


def _rules() -> Iterator[Mutant]:
    for number, rule in enumerate(FAULT_RULES):
        sets = tuple(
            (RULES_IN, phase, tuple(each for each in RULES_IN[phase] if each[0] != number))
            for phase in rule.phases
        )
        off = OFF_FOR.get(rule.fault)
        if off is None or (Phase.LOCKED in rule.phases and rule.fault is Fault.TENSION):
            where = in_phase(*rule.phases)
        else:
            where = for_a_while(off, *rule.phases)
        yield Mutant(f"without rule {number}, {rule.fault.name}", sets, where)
    for fault in STILL_THERE:
        yield Mutant(
            f"{fault.name} is cleared while its cause is there",
            ((STILL_THERE, fault, lambda _view: False),),
            lambda _room, world, fault=fault: world.board.sections[SECTION].fault is fault,
        )


def _places() -> Iterator[Mutant]:
    for phase, to in AFTER_STOP.items():
        other = {Phase.UNKNOWN: Phase.LOCKED}.get(phase, Phase.UNKNOWN)
        wrong = phase if to is not phase and phase is not Phase.ARMED else other
        yield Mutant(
            f"a stop leaves {phase.name} in {wrong.name}",
            ((AFTER_STOP, phase, wrong),),
            in_phase(phase),
            same="what is ARMED is disarmed, wherever the table says that it goes"
            if phase is Phase.ARMED
            else "",
        )
    for switches in HOME_PHASES:
        yield Mutant(
            f"HOME takes {switches} for DROPPED",
            ((HOME_PHASES, switches, Phase.DROPPED),),
            in_phase(Phase.UNKNOWN),
        )
    for verb, wrong in (
        (Verb.COCK, Phase.LOWERING),
        (Verb.ARM, Phase.DROPPING),
        (Verb.LOCK, Phase.COCKING),
        (Verb.CLEAR_FAULT, Phase.LOCKED),
    ):
        yield Mutant(f"{verb.name} begins {wrong.name}", ((BEGINS, verb, wrong),))


# What drives


def _driving(name: str, wrong: Callable[[SectionState], SectionOutputs], *of: Phase) -> Mutant:
    def mistaken(section: SectionState) -> SectionOutputs:
        return wrong(section) if section.phase in of else outputs_for(section)

    return Mutant(name, ((phases, "outputs_for", mistaken),), in_phase(*of))


def _pin_out(section: SectionState) -> bool:
    return not (section.pin.raw or section.pin.level)


def _outputs() -> Iterator[Mutant]:
    withdrawn = replace(OFF, pin_withdrawn=True)
    for phase in Phase:
        if phase not in (Phase.COCKING, Phase.LOWERING, Phase.ARMED):
            yield _driving(f"{phase.name} withdraws the pin", lambda _: withdrawn, phase)
    up, valve = Phase.COCKING, Phase.LOWERING
    yield _driving(
        "the lift does not wait for the pin", lambda _: SectionOutputs(True, True, False), up
    )
    yield _driving(
        "the lift looks at the level of the pin only",
        lambda s: SectionOutputs(not s.pin.level, True, False),
        up,
    )
    yield _driving(
        "the lift looks at the raw pin only",
        lambda s: SectionOutputs(not s.pin.raw, True, False),
        up,
    )
    yield _driving("the lift runs alone", lambda s: SectionOutputs(_pin_out(s), False, False), up)
    yield _driving(
        "the lift drives the valve too",
        lambda s: SectionOutputs(_pin_out(s), True, _pin_out(s)),
        up,
    )
    yield _driving(
        "the valve does not wait for the pin", lambda _: SectionOutputs(False, True, True), valve
    )
    yield _driving(
        "the valve opens alone", lambda s: SectionOutputs(False, False, _pin_out(s)), valve
    )
    yield _driving("LOWERING lifts", lambda s: SectionOutputs(_pin_out(s), True, False), valve)
    yield _driving("ARMED lifts", lambda s: SectionOutputs(_pin_out(s), True, False), Phase.ARMED)
    yield _driving(
        "ARMED opens the valve", lambda s: SectionOutputs(False, True, _pin_out(s)), Phase.ARMED
    )


# By hand


def _nothing(*_args: Any, **_fields: Any) -> None:
    return None


def _fails_anew(turn: Turn, at: int, fault: Fault) -> None:
    if turn.section(at).phase is Phase.FAULT:
        turn.keep(at, replace(turn.section(at), fault=fault))
    else:
        phases.fail(turn, at, fault)


def _fails_in_silence(turn: Turn, at: int, fault: Fault) -> None:
    phases.enter(turn, at, Phase.FAULT)
    turn.keep(at, replace(turn.section(at), fault=fault, wrong_since=()))


def _disarms_in_silence(turn: Turn, at: int, _why: Disarmed) -> None:
    phases.enter(turn, at, Phase.SECURING)


def _drops_twice(turn: Turn, at: int) -> None:
    section = turn.section(at)
    record_drop(turn, at)
    turn.keep(at, replace(turn.section(at), left_top_us=section.left_top_us))
    record_drop(turn, at)


def _never_forgets(turn: Turn, at: int) -> None:
    section = turn.section(at)
    record_drop(turn, at)
    turn.keep(at, replace(turn.section(at), left_top_us=section.left_top_us))


def _obeys_again(turn: Turn, ask: Any) -> None:
    turn.answers.append(asks._obey(turn, ask))


def _opens_and_keeps(turn: Turn) -> None:
    turn.change(host_live=True, host_seen=True, beats=0, remembered=())
    turn.tell(asks.Kind.LINK_UP, 0xFF)


def _loses_and_keeps_the_lease(turn: Turn) -> None:
    turn.change(host_live=False)


def _beats_in_silence(turn: Turn, beat: Any) -> None:
    turn.change(beats=3)


def _arms_for_long(turn: Turn, at: int, phase: Phase, **fields: int) -> None:
    fields["window_us"] = 10 * fields.get("window_us", 0)
    phases.enter(turn, at, phase, **fields)


record_drop = phases.record_drop


def _only_at(name: str, module: Any, what: str, wrong: Any, *of: Phase) -> Mutant:
    return Mutant(name, ((module, what, wrong),), in_phase(*of) if of else anywhere)


BY_HAND = (
    _only_at("no faults", controller, "run_faults", _nothing),
    _only_at("outputs do not follow the pin", controller, "drive", _nothing, Phase.COCKING),
    _only_at("a lost host changes no phase", asks, "_lose_host", _loses_and_keeps_the_lease),
    _only_at("a new session keeps the lease", asks, "_take_opened", _opens_and_keeps),
    _only_at("a BEAT is not heard", asks, "_take_beat", _beats_in_silence),
    _only_at("a repeated command is obeyed", asks, "_take_once", _obeys_again),
    _only_at("a STOP is not heard", asks, "stop", _nothing),
    _only_at("an open chain does not stop", sensing, "stop", _nothing),
    _only_at("the pedal is deaf", sensing, "_sense_pedal", _nothing),
    _only_at("the button is deaf", sensing, "_sense_button", _nothing),
    _only_at("the chain is deaf", sensing, "_sense_estop", _nothing),
    _only_at("a contact that allows is believed at once", sensing, "LINE_PAUSE_US", 0),
    _only_at("a stop believes switches that deny", phases, "_agrees", lambda _: True),
    _only_at("a stop believes no switch", phases, "_agrees", lambda _: False, Phase.COCKED),
    _only_at("a falling pin is not let go", phases, "_let_the_pin_go", _nothing, Phase.DROPPING),
    _only_at("no drop is recorded", phases, "record_drop", _nothing, Phase.DROPPING),
    _only_at("a drop is recorded twice", phases, "record_drop", _drops_twice, Phase.DROPPING),
    _only_at("a fall is never over", phases, "record_drop", _never_forgets),
    _only_at("an old up edge is kept", phases, "_is_falling", lambda _: True),
    _only_at("a fall is forgotten by a COCK", phases, "_is_falling", lambda _: False, Phase.HALTED),
    _only_at(
        "a top that was not believed is none",
        sensing,
        "_left_before_it_was_believed",
        _nothing,
        Phase.COCKING,
        Phase.HALTED,
        Phase.UNKNOWN,
    ),
    _only_at("a touch of the bottom is none", rows, "cut_short_us", _nothing, Phase.COCKING),
    _only_at(
        "a touch that was told is found again",
        Switch,
        "believed",
        lambda switch, _now_us: switch,
        Phase.COCKING,
    ),
    _only_at("a fault is told by nobody", phases, "fail", _fails_in_silence),
    _only_at("a disarming is told by nobody", phases, "disarm", _disarms_in_silence, Phase.ARMED),
    _only_at("nothing is told on entry", phases, "_tell_entered", _nothing),
    _only_at("no quick fall is one", rows, "QUICK_FALL_US", -1),
    _only_at("every slow way down is a fall", rows, "QUICK_FALL_US", 10**12),
    _only_at("a window lasts ten times as long", asks, "enter", _arms_for_long, Phase.COCKED),
    _only_at("a command of 59 ms is taken", verbs, "TTL_MIN_MS", 0),
    _only_at("a command of 1001 ms is taken", verbs, "TTL_MAX_MS", 10**6),
    _only_at("commands are taken before the third BEAT", verbs, "BEATS_BEFORE_COMMANDS", 0),
    Mutant(
        "a full buffer arms",
        ((verbs, "EVENT_PLACES_FOR_ARM", 0),),
        refused(Verb.ARM, Code.BUSY),
    ),
    _only_at("the reasons are told in another order", verbs, "GUARD_ORDER", GUARD_ORDER[::-1]),
)

MUTANTS = (*_guards(), *_rows(), *_rules(), *_places(), *_outputs(), *BY_HAND)
