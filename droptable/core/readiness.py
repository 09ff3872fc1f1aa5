"""May this be done, now, by this person: every reason why not, gravest first, never just the first.

Each check looks at one thing and says nothing when it is well; it starts from not knowing, so that a
table of which nothing is known has reasons against everything. No check can be switched off. The
board checks again by a law of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from droptable.core.faults import fault_text
from droptable.core.limits import SESSION_SETTLE_US, STATUS_STALE_US
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

PHASES: dict[Wish, tuple[frozenset[Phase], str]] = {
    Wish.COCK: (frozenset({Phase.LOCKED, Phase.HALTED}), "LOCKED or HALTED"),
    Wish.ARM: (frozenset({Phase.COCKED}), "COCKED"),
    Wish.LOCK: (frozenset({Phase.COCKED, Phase.HALTED}), "COCKED or HALTED"),
    Wish.TENSION: (
        frozenset({Phase.UNKNOWN, Phase.LOCKED, Phase.COCKED, Phase.HALTED, Phase.FAULT}),
        "rest",
    ),
}
"""The phases in which a section can be asked for something, and what a person calls them."""


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
    board = question.state.link.board
    if board is not None and question.state.foreign:
        yield reason("BOARD_FOREIGN", board.hw_id)


def _session(question: Question) -> Iterator[Reason]:
    """A session is new until the board may take commands and it is known how soon they arrive."""
    link = question.state.link
    young = question.now_us - link.opened_us < SESSION_SETTLE_US
    if link.board is not None and (young or link.round_us is None):
        yield reason("SESSION_NEW")


def _slow(question: Question) -> Iterator[Reason]:
    link = question.state.link
    if link.slow and link.round_us is not None:
        yield reason("LINK_SLOW", link.round_us // 1000)


def _stop_unconfirmed(question: Question) -> Iterator[Reason]:
    if question.state.stop_wanted is not None:
        yield reason("STOP_UNCONFIRMED")


def _stop_latched(question: Question) -> Iterator[Reason]:
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
    allowed, name = PHASES[question.wish]
    phase = question.target.phase
    # A section in FAULT has a reason of its own, and clearing comes before anything else.
    if phase not in allowed and phase is not Phase.FAULT:
        at, wish = question.section.label, question.wish.value
        known = phase is not Phase.UNKNOWN
        remedy = f"Bring it to {name}" if known else f"Home it (`droptable home {at}`)"
        yield reason("PHASE", at, phase.name, wish, remedy=(remedy,))


def _is_armed(question: Question) -> Iterator[Reason]:
    if question.target.phase is not Phase.ARMED:
        yield reason("NOT_ARMED", question.section.label)


def _is_unknown(question: Question) -> Iterator[Reason]:
    phase = question.target.phase
    if phase not in (Phase.UNKNOWN, Phase.FAULT):
        yield reason("NOT_UNKNOWN", question.section.label, phase.name)


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


def _tensions_known(question: Question) -> Iterator[Reason]:
    """While parameters are read or written a tension of someone else's would be taken for theirs."""
    if question.state.params.stage not in (Provision.PROVEN, Provision.WAITING):
        yield reason("PARAMS_DIFFER")


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
    real = board is not None and not board.simulator
    if question.posted and real and not question.state.settings.allow_cli_motion:
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
    """One thing at a time; a DISARM waits for nothing but the DISARM of the same section."""
    state, wish = question.state, question.wish
    if wish is Wish.DISARM:
        busy = any(
            (each.verb, each.section) == (Verb.DISARM, question.section) for each in state.pending
        )
    elif wish is Wish.TENSION:
        busy = state.tension_pending is not None
    else:
        busy = bool(state.pending) or (wish in _MOTION and state.hold is not None)
    if busy:
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
_ALL = frozenset(Wish)
_RESTRAINED = _ALL - {Wish.DISARM}
"""All but what can only make the table safer."""

CHECKS: tuple[tuple[Check, frozenset[Wish]], ...] = (
    (_link, _ALL),
    (_board, _RESTRAINED),
    (_stop_unconfirmed, _MOTION | {Wish.RESET_STOP}),
    (_stop_latched, _MOTION),
    (_estop, _MOTION | {Wish.RESET_STOP}),
    (_own_fault, _MOTION | {Wish.HOME}),
    (_other_faults, _UP),
    (_sensors, _MOTION),
    (_journal, _UP),
    (_phase, frozenset(PHASES)),
    (_is_armed, frozenset({Wish.DISARM})),
    (_is_unknown, frozenset({Wish.HOME})),
    (_has_fault, frozenset({Wish.CLEAR_FAULT})),
    (_others_armed, _MOTION),
    (_others_moving, _MOTION),
    (_power, _UP),
    (_maintenance, _MOTION),
    (_params, _MOTION),
    (_tensions_known, frozenset({Wish.TENSION})),
    (_lease, _RESTRAINED - {Wish.HOME}),
    (_held, frozenset({Wish.RESET_STOP})),
    (_cli_motion, _MOTION),
    (_slow, _MOTION),
    (_session, _RESTRAINED),
    (_busy, _ALL),
    (_closing, _RESTRAINED),
)
"""Each check and what it applies to, the gravest first."""


def reasons(question: Question) -> tuple[Reason, ...]:
    """Every reason against, gravest first; empty means that it may be done."""
    return tuple(
        found for check, wishes in CHECKS if question.wish in wishes for found in check(question)
    )
