"""`docs/states.md`: the board's transition tables as a page, written from the tables themselves."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from droptable.board.model import Code, Disarmed, Fault, Phase, StopSource, Verb
from droptable.board.rows import AFTER_STOP, DISARMED_BY_STOP, ROWS, Row
from droptable.board.verbs import HOME_PHASES, TTL_MAX_MS, TTL_MIN_MS, VERB_RULES
from tools.board_tables import (
    AT_BOOT,
    PHASE_TEXT,
    VERB_TEXT,
    cleared_text,
    faults_in,
    guards_of,
    leads_to,
    outputs_text,
    phases_text,
    rules_of,
    switches_text,
)

T = TypeVar("T")

FIRST_CHECKS: dict[Code, str] = {
    Code.NO_SESSION: "the session is dead",
    Code.UNKNOWN: "there is no such verb or section",
    Code.UNSUPPORTED: "a verb of the table for a section or the other way round, "
    "or a feature that the board has not",
    Code.OUT_OF_RANGE: f"ttl_ms is not {TTL_MIN_MS} to {TTL_MAX_MS}",
    Code.EXPIRED: "older than its ttl_ms, or before the session's third BEAT; never for DISARM",
    Code.WRONG_PHASE: "the section is in none of the verb's phases, or not in the one that the "
    "host expects",
}


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table in Markdown."""
    columns = tuple(columns)
    yield "| " + " | ".join(columns) + " |"
    yield "|" + " --- |" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def _lines() -> Iterator[str]:
    yield from (
        "# The phases of a section",
        "",
        "<!-- Made by `make docs` from the tables of droptable/board; do not edit. -->",
        "",
        "What a board does with one section, whole. The page and its drawing are made from the tables",
        "that the board obeys (`droptable/board/rows.py`, `verbs.py`, `faults.py`), and a test keeps",
        "them equal. [board.md](board.md) explains the words.",
        "",
        "![The phases of a section](images/states.svg)",
        "",
        "Read the drawing like this: a phase in the upper band is, or begins, at the top; one in the",
        "lower band at the bottom. Blue arrows need a verb of the host. Black ones the section takes by",
        "itself. Purple ones are a STOP, from wherever it comes. The red numbers in a phase are the",
        "faults that lead from there to FAULT. ↻ is something that happens without leaving the phase.",
        "No blue arrow leads to DROPPING: nothing but a thrust makes a section fall.",
        "",
        "## Phases",
        "",
    )
    yield from table(
        ("no.", "phase", "means", "outputs", "faults that it may find"),
        (
            (
                str(int(phase)),
                phase.name,
                PHASE_TEXT[phase],
                outputs_text(phase),
                " ".join(str(int(fault)) for fault in faults_in(phase)),
            )
            for phase in Phase
        ),
    )
    yield from _own_ways()
    yield from _verbs()
    yield from _stop()
    yield from _faults()


def _own_ways() -> Iterator[str]:
    yield from (
        "## By its own switches and time",
        "",
        "Of the rows of a phase the first that applies is taken. They are looked at after every change",
        "of an input, every message, and whenever a time in them is over.",
        "",
    )
    yield from table(
        ("from", "on", "to", "tells"),
        ((row.phase.name, row.on, _target(row), _told(row)) for row in ROWS),
    )


def _target(row: Row) -> str:
    if row.to is row.phase:
        return "stays" if row.drop else "stays, the pin is let go"
    return f"FAULT {int(row.fault)} {row.fault.name}" if row.fault else row.to.name


def _told(row: Row) -> str:
    told = ["DROP"] if row.drop else []
    if row.disarmed is not None:
        told.append(_disarmed(row.disarmed))
    return ", ".join([*told, *(["FAULT"] if row.fault else [])])


def _disarmed(reason: Disarmed) -> str:
    return f"DISARMED {int(reason)} {reason.name}"


def _verbs() -> Iterator[str]:
    yield from ("## By a verb", "")
    yield from table(
        ("no.", "verb", "what it does", "in", "leads to"),
        (
            (
                str(int(verb)),
                verb.name,
                VERB_TEXT[verb],
                phases_text(VERB_RULES[verb].phases),
                leads_to(verb),
            )
            for verb in Verb
        ),
    )
    yield from ("HOME believes what the switches have said, unchanged, for the last settle_ms:", "")
    yield from table(
        ("switches", "leads to"),
        ((switches_text(switches), phase.name) for switches, phase in HOME_PHASES.items()),
    )
    yield from (
        "### What stands against it",
        "",
        "Of all that applies the answer is the first in the order of the result codes, which",
        "[board.md](board.md) lists. Every COMMAND is refused as",
        "",
    )
    yield from (f"- {code.name}: {text}" for code, text in FIRST_CHECKS.items())
    yield from ("", "and each verb by guards of its own:", "")
    yield from table(
        ("verb", "refused as", "when"),
        (
            (verb.name if first else "", guard.code.name, guard.text)
            for verb in Verb
            for first, guard in _marked(guards_of(verb))
        ),
    )


def _marked(items: Iterable[T]) -> Iterator[tuple[bool, T]]:
    for number, item in enumerate(items):
        yield number == 0, item


def _stop() -> Iterator[str]:
    yield from (
        "## By STOP",
        "",
        "A STOP frame, the e-stop chain or the local button latches stop for the whole table and takes",
        "each section there:",
        "",
    )
    yield from table(("from", "to"), ((phase.name, _after_stop(phase)) for phase in AFTER_STOP))
    reasons = ", ".join(
        f"{_disarmed(DISARMED_BY_STOP[source])} by {_SOURCES[source]}" for source in StopSource
    )
    yield from (f"A section that was ARMED tells {reasons}.", "")


_SOURCES = {
    StopSource.FRAME: "a frame",
    StopSource.ESTOP: "the e-stop",
    StopSource.BUTTON: "the button",
}


def _after_stop(phase: Phase) -> str:
    target = AFTER_STOP[phase]
    if phase in (Phase.COCKED, Phase.LOCKED):
        return "stays while its switches agree, else UNKNOWN"
    return "stays" if target is phase else target.name


def _faults() -> Iterator[str]:
    yield from (
        "## By a fault",
        "",
        "Each condition must hold without a break for its time. The first cause is kept, whatever comes",
        "after. All outputs of the section go off. CLEAR_FAULT leads to UNKNOWN once the cause is gone.",
        "",
    )
    yield from table(
        ("no.", "fault", "in", "raised when", "cleared"),
        (
            (
                str(int(fault)) if first else "",
                fault.name if first else "",
                where,
                when,
                cleared_text(fault) if first else "",
            )
            for fault in Fault
            if fault
            for first, (where, when) in _marked(_raised(fault))
        ),
    )


def _raised(fault: Fault) -> Iterator[tuple[str, str]]:
    for rule in rules_of(fault):
        yield phases_text(rule.phases), rule.text
    for row in ROWS:
        if row.fault is fault:
            yield row.phase.name, row.on
    if fault in AT_BOOT:
        yield Phase.UNKNOWN.name, AT_BOOT_TEXT[fault]


AT_BOOT_TEXT = {
    Fault.SELF_TEST: "at boot: an output reads back as driven, or up and down switch are closed",
    Fault.PARAMS: "at boot: the stored parameters fail their check",
}
