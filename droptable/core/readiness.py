"""May this be done, now, by this person: every reason why not, gravest first, never just the first.

Each check looks at one thing and says nothing when it is well; it starts from not knowing, so that a
table of which nothing is known has reasons against everything. No check can be switched off. The
board checks again by a law of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from droptable.core.faults import fault_text
from droptable.core.limits import ROUND_TRIP_MAX_US, SESSION_SETTLE_US, STATUS_STALE_US
from droptable.core.model import (
    MOVING,
    Health,
    Phase,
    Provision,
    SectionState,
    State,
    Table,
    Verb,
)
from droptable.core.reasons import Reason, reason
from droptable.sections import Section


class Wish(Enum):
    """What can be asked for, as far as checks differ."""

    COCK = "cock"
    ARM = "arm"
    LOCK = "lock"
    DISARM = "disarm"
    HOME = "home"
    CLEAR_FAULT = "clear its fault"
    TENSION = "set its tension"
    RESET_STOP = "reset the stop"


WISH_OF: dict[Verb, Wish] = {
    Verb.COCK: Wish.COCK,
    Verb.ARM: Wish.ARM,
    Verb.LOCK: Wish.LOCK,
    Verb.DISARM: Wish.DISARM,
    Verb.HOME: Wish.HOME,
    Verb.CLEAR_FAULT: Wish.CLEAR_FAULT,
    Verb.RESET_STOP: Wish.RESET_STOP,
}

PHASES: dict[Wish, frozenset[Phase]] = {
    Wish.COCK: frozenset({Phase.LOCKED, Phase.HALTED}),
    Wish.ARM: frozenset({Phase.COCKED}),
    Wish.LOCK: frozenset({Phase.COCKED, Phase.HALTED}),
    Wish.DISARM: frozenset({Phase.ARMED}),
    Wish.HOME: frozenset({Phase.UNKNOWN}),
    Wish.CLEAR_FAULT: frozenset({Phase.FAULT}),
    Wish.TENSION: frozenset({Phase.UNKNOWN, Phase.LOCKED, Phase.COCKED, Phase.HALTED, Phase.FAULT}),
}
"""The phases in which a section can be asked for something."""


@dataclass(frozen=True, slots=True)
class Question:
    """May `wish` be done at `section` by `actor`? `posted`: without a finger to watch."""

    state: State
    now_us: int
    wish: Wish
    section: Section
    actor: str | None
    posted: bool = False

    @property
    def target(self) -> SectionState:
        """The section that is asked about."""
        return self.state.sections[self.section]

    @property
    def others(self) -> Iterator[tuple[Section, SectionState]]:
        """The other two."""
        return ((at, self.state.sections[at]) for at in Section if at is not self.section)


Check = Callable[[Question], Iterator[Reason]]


def _closing(question: Question) -> Iterator[Reason]:
    if question.state.closing:
        yield reason("CLOSING")


def _link(question: Question) -> Iterator[Reason]:
    link = question.state.link
    if link.board is None:
        yield reason("LINK_DOWN")
        return
    silent = link.status_us is None or question.now_us - link.status_us > STATUS_STALE_US
    if silent or link.health is not Health.LIVE:
        yield reason("LINK_STALE")


def _board(question: Question) -> Iterator[Reason]:
    board, wanted = question.state.link.board, question.state.settings.hw_id
    if board is not None and wanted is not None and board.hw_id != wanted:
        yield reason("BOARD_FOREIGN", board.hw_id)


def _session(question: Question) -> Iterator[Reason]:
    link = question.state.link
    if link.board is not None and question.now_us - link.opened_us < SESSION_SETTLE_US:
        yield reason("SESSION_NEW")


def _slow(question: Question) -> Iterator[Reason]:
    round_us = question.state.link.round_us
    if round_us is not None and round_us > ROUND_TRIP_MAX_US:
        yield reason("LINK_SLOW", round_us // 1000)


def _stop(question: Question) -> Iterator[Reason]:
    if question.state.stop_wanted is not None:
        yield reason("STOP_UNCONFIRMED")
    if question.state.table is not None and question.state.table.stopped:
        yield reason("STOP_LATCHED")


def _estop(question: Question) -> Iterator[Reason]:
    if question.state.table is not None and question.state.table.estop_open:
        yield reason("ESTOP_OPEN")


def _journal(question: Question) -> Iterator[Reason]:
    if question.state.journal_failed:
        yield reason("JOURNAL_FAILED")


def _own_fault(question: Question) -> Iterator[Reason]:
    if question.target.phase is Phase.FAULT:
        yield _in_fault(question.section, question.target)


def _other_faults(question: Question) -> Iterator[Reason]:
    for at, section in question.others:
        if section.phase is Phase.FAULT:
            yield _in_fault(at, section)


def _in_fault(at: Section, section: SectionState) -> Reason:
    return reason("FAULT", at.label, fault_text(section.fault).code)


def _phase(question: Question) -> Iterator[Reason]:
    allowed = PHASES[question.wish]
    phase = question.target.phase
    if phase in allowed or phase is Phase.FAULT:
        return
    names = " or ".join(each.name for each in sorted(allowed))
    at, wish = question.section.label, question.wish.value
    yield reason("PHASE", at, phase.name, wish, remedy=(names,))


def _has_fault(question: Question) -> Iterator[Reason]:
    if question.target.phase is not Phase.FAULT:
        yield reason("NOT_IN_FAULT", question.section.label)


def _sensors(question: Question) -> Iterator[Reason]:
    section = question.target
    at_the_top = section.up and section.pin_in and not section.down
    at_the_bottom = section.down and section.pin_in and not section.up
    wrong = section.phase is Phase.COCKED and not at_the_top
    if wrong or (section.phase is Phase.LOCKED and not at_the_bottom):
        yield reason("SENSORS_DISAGREE", question.section.label)


def _params(question: Question) -> Iterator[Reason]:
    if question.state.params.stage is not Provision.PROVEN:
        yield reason("PARAMS_DIFFER")
    if question.state.table is not None and question.state.table.params_incomplete:
        yield reason("PARAMS_INCOMPLETE")


def _maintenance(question: Question) -> Iterator[Reason]:
    if question.state.table is not None and question.state.table.maintenance:
        yield reason("MAINTENANCE")


def _lease(question: Question) -> Iterator[Reason]:
    lease = question.state.lease
    if lease is None:
        yield reason("LEASE_NONE")
    elif lease.holder != question.actor:
        yield reason("LEASE_HELD", lease.holder)


def _cli_motion(question: Question) -> Iterator[Reason]:
    board = question.state.link.board
    allowed = question.state.settings.allow_cli_motion or (board is not None and board.simulator)
    if question.posted and not allowed:
        yield reason("CLI_MOTION")


def _others_armed(question: Question) -> Iterator[Reason]:
    for at, section in question.others:
        if section.phase is Phase.ARMED:
            yield reason("OTHER_ARMED", at.label)


def _others_moving(question: Question) -> Iterator[Reason]:
    for at, section in question.others:
        if section.phase in MOVING:
            yield reason("OTHER_MOVING", at.label)


def _busy(question: Question) -> Iterator[Reason]:
    if question.state.pending or question.state.hold is not None:
        yield reason("BUSY")


def _power(question: Question) -> Iterator[Reason]:
    table: Table | None = question.state.table
    if table is not None and table.supply_low:
        yield reason("SUPPLY_LOW")
    if table is not None and table.air_low:
        yield reason("AIR_LOW")


def _held(question: Question) -> Iterator[Reason]:
    if question.state.table is not None and question.state.table.hold_pressed:
        yield reason("HELD")


_UP = frozenset({Wish.COCK, Wish.ARM})
_MOTION = _UP | {Wish.LOCK}
_SECTION = frozenset(PHASES)
_ALL = frozenset(Wish)

CHECKS: tuple[tuple[Check, frozenset[Wish]], ...] = (
    (_link, _ALL),
    (_board, _ALL - {Wish.DISARM}),
    (_stop, _MOTION),
    (_estop, _MOTION | {Wish.RESET_STOP}),
    (_own_fault, _SECTION - {Wish.CLEAR_FAULT, Wish.TENSION}),
    (_other_faults, _UP),
    (_sensors, _MOTION),
    (_journal, _UP),
    (_phase, _SECTION - {Wish.CLEAR_FAULT}),
    (_has_fault, frozenset({Wish.CLEAR_FAULT})),
    (_others_armed, _MOTION),
    (_others_moving, _MOTION),
    (_power, _UP),
    (_maintenance, _MOTION),
    (_params, _MOTION),
    (_lease, _ALL - {Wish.HOME, Wish.DISARM}),
    (_held, frozenset({Wish.RESET_STOP})),
    (_cli_motion, _MOTION),
    (_slow, _MOTION),
    (_session, _ALL - {Wish.DISARM}),
    (_busy, _MOTION),
    (_closing, _ALL - {Wish.DISARM}),
)
"""Each check and what it applies to, the gravest first."""


def reasons(question: Question) -> tuple[Reason, ...]:
    """Every reason against, gravest first; empty means that it may be done."""
    return tuple(
        found for check, wishes in CHECKS if question.wish in wishes for found in check(question)
    )
