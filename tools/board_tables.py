"""The board's tables as rows of words: what `docs/states.md` and its drawing are made of.

It reads `droptable/board` and repeats nothing of it but what a phase and a verb are for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from droptable.board.faults import FAULT_RULES, STILL_THERE_TEXT, FaultRule
from droptable.board.model import Fault, Phase, SectionOutputs, Verb
from droptable.board.rows import AFTER_STOP, BEGINS, ROWS
from droptable.board.state import SectionState, outputs_for
from droptable.board.switches import Switch
from droptable.board.verbs import GUARD_ORDER, HOME_PHASES, VERB_RULES, Guard

PHASE_TEXT: dict[Phase, str] = {
    Phase.UNKNOWN: "its switches have proven nothing",
    Phase.LOCKED: "down, the pin in",
    Phase.COCKING: "the lift raises it",
    Phase.COCKED: "up, the pin in",
    Phase.ARMED: "up, only the tension holds it",
    Phase.DROPPING: "it falls",
    Phase.DROPPED: "down, the pin on its way in",
    Phase.LOWERING: "the valve lets it down",
    Phase.HALTED: "somewhere in between, at rest",
    Phase.FAULT: "a finding that a person has to clear",
    Phase.SECURING: "the pin on its way in",
}

VERB_TEXT: dict[Verb, str] = {
    Verb.COCK: "raise the section while somebody holds",
    Verb.ARM: "withdraw the pin for `arg` milliseconds, or until a thrust",
    Verb.DISARM: "let the pin back in",
    Verb.LOCK: "lower the section while somebody holds",
    Verb.HOME: "believe the switches of an UNKNOWN section",
    Verb.CLEAR_FAULT: "leave FAULT once its cause is gone",
    Verb.TARE: "take the load of the next 500 ms as the cell's zero",
    Verb.MAINTENANCE: "enter (`arg` 1) or leave (`arg` 0) maintenance mode",
    Verb.RESET_STOP: "take back the latched stop",
}

Cause = Literal["verb", "row", "stop", "fault"]


@dataclass(frozen=True, slots=True)
class Transition:
    """A way from one phase to another, or back to itself, and what it takes."""

    source: Phase
    target: Phase
    cause: Cause
    label: str


def transitions() -> Iterator[Transition]:
    """Every transition that the tables know, those by a fault included."""
    yield from _by_verb()
    for row in ROWS:
        cause: Cause = "fault" if row.to is Phase.FAULT is not row.phase else "row"
        label = str(row.fault.value) if cause == "fault" else row.on
        if row.drop and row.to is row.phase:
            label += ": DROP recorded"
        yield Transition(row.phase, row.to, cause, label)
    yield from _by_stop()
    for rule in FAULT_RULES:
        for phase in sorted(rule.phases):
            yield Transition(phase, Phase.FAULT, "fault", str(rule.fault.value))
    for fault in AT_BOOT:
        yield Transition(Phase.UNKNOWN, Phase.FAULT, "fault", str(fault.value))


AT_BOOT = tuple(fault for fault in Fault if fault and fault not in {r.fault for r in FAULT_RULES})
"""The faults that no rule raises: they are found when the board wakes, in UNKNOWN."""


def _by_verb() -> Iterator[Transition]:
    for verb, target in BEGINS.items():
        for phase in sorted(VERB_RULES[verb].phases):
            yield Transition(phase, target, "verb", verb.name)
    for switches, target in HOME_PHASES.items():
        label = f"{Verb.HOME.name}: {switches_text(switches)}"
        yield Transition(Phase.UNKNOWN, target, "verb", label)
    yield Transition(Phase.ARMED, Phase.SECURING, "verb", Verb.DISARM.name)


def _by_stop() -> Iterator[Transition]:
    for phase, target in AFTER_STOP.items():
        if target is not phase:
            yield Transition(phase, target, "stop", "STOP")
        elif phase in (Phase.COCKED, Phase.LOCKED):
            yield Transition(phase, Phase.UNKNOWN, "stop", "STOP, if its switches disagree")


def switches_text(switches: tuple[bool, bool, bool] | None) -> str:
    """Which of up, down and pin are closed."""
    closed = [name for name, on in zip(("up", "down", "pin"), switches or (), strict=False) if on]
    return " and ".join(closed) + " closed" if closed else "none closed"


def outputs_text(phase: Phase) -> str:
    """What a section drives in `phase`, with the pin in, out, and after an arming that is over."""
    pinned, out = _outputs(phase, pin=True), _outputs(phase, pin=False)
    if not out.driven:
        return "none"
    words = ["pin withdrawn"]
    if not _outputs(phase, pin=False, came_from=Phase.SECURING).driven:
        words = ["pin withdrawn while the arming lasts"]
    moved = {"lift": out.lift, "lowering valve": out.lowering}
    words += [f"{name} once the pin switch is open" for name, driven in moved.items() if driven]
    if pinned.lift or pinned.lowering:
        raise ValueError(f"{phase.name} moves against its pin")
    return "; ".join(words)


def _outputs(phase: Phase, *, pin: bool, came_from: Phase = Phase.ARMED) -> SectionOutputs:
    open_, pinned = Switch.at_boot(False, 0), Switch.at_boot(pin, 0)
    return outputs_for(SectionState(phase, open_, open_, pinned, 0, came_from=came_from))


def faults_in(phase: Phase) -> tuple[Fault, ...]:
    """The faults that lead from `phase` to FAULT, ascending."""
    numbers = {
        int(way.label) for way in transitions() if way.source is phase and way.cause == "fault"
    }
    return tuple(Fault(number) for number in sorted(numbers))


def guards_of(verb: Verb) -> list[Guard]:
    """The guards of `verb` in the order in which they answer."""
    return sorted(VERB_RULES[verb].guards, key=lambda guard: GUARD_ORDER.index(guard.code))


def rules_of(fault: Fault) -> list[FaultRule]:
    """The rules that raise `fault` while running."""
    return [rule for rule in FAULT_RULES if rule.fault is fault]


def phases_text(phases: frozenset[Phase]) -> str:
    """A set of phases in words, by what is missing where that is shorter."""
    if not phases:
        return "the table"
    missing = frozenset(Phase) - phases - {Phase.FAULT}
    if Phase.FAULT not in phases and len(missing) < len(phases):
        but = "".join(f", {phase.name}" for phase in sorted(missing))
        return f"any but FAULT{but}"
    return ", ".join(phase.name for phase in sorted(phases))


def leads_to(verb: Verb) -> str:
    """Where `verb` takes its section."""
    targets = {way.target for way in _by_verb() if way.label.partition(":")[0] == verb.name}
    return " or ".join(phase.name for phase in sorted(targets)) or "nothing moves"


def cleared_text(fault: Fault) -> str:
    """What has to be over before `fault` can be cleared."""
    there = STILL_THERE_TEXT.get(fault)
    return "at once" if there is None else f"not while {there}"
