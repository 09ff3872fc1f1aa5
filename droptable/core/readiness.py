"""May this be done, now, by this person: every reason why not, gravest first, never just the first.

Each check looks at one thing and says nothing when it is well; it starts from not knowing, so that a
table of which nothing is known has reasons against everything. No check can be switched off: the
configuration moves limits, within ranges. The board checks again by a law of its own.

The gravest first: what is doubtful as a whole, what stands still for good, what passes. Of equals
that comes first which a person has to do first: nobody sets a tension who has not the control.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from droptable.core import wear
from droptable.core.faults import LINK_VERSION, Action, Clearing, fault_named, fault_of
from droptable.core.limits import (
    COIL_WINDOW_US,
    EVENT_BACKLOG_MAX,
    LOOP_LATE_MAX_US,
    SESSION_SETTLE_US,
    STATUS_STALE_US,
)
from droptable.core.model import (
    MOVING,
    Health,
    Phase,
    Provision,
    Role,
    SectionState,
    Standing,
    State,
    Table,
    Verb,
)
from droptable.core.reasons import Reason, reason
from droptable.core.tension_checks import (
    is_up,
    load,
    tension_holds,
    tension_is_the_patients,
    tension_yields,
)
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
        "at rest",
    ),
}
"""The phases in which a section can be asked for something, and what a person calls them."""

SAID: dict[Phase, str] = {
    Phase.UNKNOWN: "has not been found yet",
    Phase.LOCKED: "is down",
    Phase.COCKING: "is on its way up",
    Phase.COCKED: "is up",
    Phase.ARMED: "is armed",
    Phase.DROPPING: "is falling",
    Phase.DROPPED: "has just fallen",
    Phase.LOWERING: "is on its way down",
    Phase.HALTED: "stands half-way",
    Phase.FAULT: "is in fault",
    Phase.SECURING: "is being pinned",
}
"""What a phase means to whoever stands beside the table."""

DONE: dict[Wish, str] = {
    Wish.COCK: "raised",
    Wish.ARM: "armed",
    Wish.LOCK: "lowered",
    Wish.TENSION: "given a tension",
}
"""What cannot be done with it."""

WAYS: dict[Wish, str] = {
    Wish.COCK: "Lower it by LOCK, or let it come to rest",
    Wish.ARM: "Raise it by COCK",
    Wish.LOCK: "Raise it by COCK, or let it come to rest",
    Wish.TENSION: "Let it come to rest",
}
"""How a person gets it to where it can be done."""


@dataclass(frozen=True, slots=True)
class Question:
    """May `wish` be done at `section` by `actor`? `posted`: without a finger to watch."""

    state: State
    now_us: int
    wish: Wish
    section: Section
    actor: str | None
    posted: bool = False
    role: Role = Role.VIEWER

    @property
    def target(self) -> SectionState:
        """The section that is asked about."""
        return self.state.sections[self.section]

    @property
    def others(self) -> Iterator[tuple[Section, SectionState]]:
        """The other two."""
        return ((at, self.state.sections[at]) for at in Section if at is not self.section)


Found = tuple[Reason, ...]
Check = Callable[[Question], Found]

WELL: Found = ()
"""What a check says when nothing is the matter."""


def _closing(question: Question) -> Found:
    return (reason("CLOSING"),) if question.state.closing else WELL


def _version(question: Question) -> Found:
    if question.state.link.board is None and question.state.link.trouble == LINK_VERSION:
        return (reason("LINK_VERSION"),)
    return WELL


def _link(question: Question) -> Found:
    link = question.state.link
    if link.board is None:
        return (reason("LINK_DOWN"),)
    silent = link.status_us is None or question.now_us - link.status_us > STATUS_STALE_US
    return (reason("LINK_STALE"),) if silent or link.health is not Health.LIVE else WELL


def _board(question: Question) -> Found:
    board = question.state.link.board
    if board is not None and question.state.foreign:
        return (reason("BOARD_FOREIGN", board.hw_id),)
    return WELL


def _restarted(question: Question) -> Found:
    at = question.section.label
    return (reason("BOARD_RESTARTED", at, remedy=(at,)),) if question.target.restarted else WELL


def _session(question: Question) -> Found:
    """A session is new until the board may take commands and it is known how soon they arrive."""
    link = question.state.link
    young = question.now_us - link.opened_us < SESSION_SETTLE_US
    new = link.board is not None and (young or link.round_us is None)
    return (reason("SESSION_NEW"),) if new else WELL


def _slow(question: Question) -> Found:
    link = question.state.link
    if link.slow and link.round_us is not None:
        return (reason("LINK_SLOW", link.round_us // 1000),)
    return WELL


def _latched(question: Question) -> Found:
    """Nothing is raised or armed; what has no trouble of its own may be lowered."""
    return tuple(
        _standing("LATCHED", each)
        for each in question.state.faults
        if fault_named(each.code).action is Action.LATCH
        and (question.wish is not Wish.LOCK or each.section in (None, question.section))
    )


def _cause_stands(question: Question) -> Found:
    return tuple(
        _standing("CAUSE_STANDS", each) for each in question.state.faults if _keeps_the_stop(each)
    )


def _keeps_the_stop(standing: Standing) -> bool:
    """A latch of one section does not: under it the others can be lowered, which nobody can under STOP.

    A latch of the whole table does: nothing can be done beside it.
    """
    action = fault_named(standing.code).action
    return action is Action.STOP or (action is Action.LATCH and standing.section is None)


def _standing(code: str, standing: Standing) -> Reason:
    fault = fault_named(standing.code)
    where = "" if standing.section is None else f" of the {standing.section.label} section"
    return reason(code, f"{standing.code}{where}", remedy=(fault.remedy, fault.clearing.label))


def _clearing(question: Question) -> Found:
    """Whether who asks may clear what stands against the section, and whether anybody may."""
    return tuple(
        reason(f"FAULT_NEEDS_{fault.clearing.name}", fault.code)
        for fault in map(fault_named, _codes_at(question))
        if fault.clearing is Clearing.RESTART
        or (fault.clearing is Clearing.TECHNICIAN and question.role < Role.TECHNICIAN)
    )


def _codes_at(question: Question) -> Iterable[str]:
    """What stands against the section, in the order in which it was found."""
    codes = dict.fromkeys(
        each.code for each in question.state.faults if each.section is question.section
    )
    if question.target.phase is Phase.FAULT:
        codes[fault_of(question.target.fault).code] = None
    return codes


def _stop_unconfirmed(question: Question) -> Found:
    return (reason("STOP_UNCONFIRMED"),) if question.state.stop_wanted is not None else WELL


def _stop_latched(question: Question) -> Found:
    table = question.state.table
    return (reason("STOP_LATCHED"),) if table is not None and table.stopped else WELL


def _estop(question: Question) -> Found:
    table = question.state.table
    return (reason("ESTOP_OPEN"),) if table is not None and table.estop_open else WELL


def _journal(question: Question) -> Found:
    return (reason("JOURNAL_FAILED"),) if question.state.journal_failed else WELL


def _disk(question: Question) -> Found:
    free_mb = question.state.upkeep.disk_free_mb
    least_mb = question.state.settings.bounds.disk_free_min_mb
    if free_mb is None:
        return (reason("DISK_UNKNOWN"),)
    return (reason("DISK_NEARLY_FULL", free_mb, least_mb),) if free_mb < least_mb else WELL


def _backlog(question: Question) -> Found:
    """The board's half-full buffer, or the daemon's own events that are not on disk."""
    table, events = question.state.table, question.state.events
    waiting = events.next_seq - 1 - events.committed_seq
    full = table is not None and table.events_half_full
    return (reason("EVENT_BACKLOG"),) if full or waiting > EVENT_BACKLOG_MAX else WELL


def _loop(question: Question) -> Found:
    late_us = question.state.upkeep.late_us
    if late_us is None:
        return (reason("LOOP_UNKNOWN"),)
    return (reason("LOOP_LATE", late_us // 1000),) if late_us >= LOOP_LATE_MAX_US else WELL


def _own_fault(question: Question) -> Found:
    if question.target.phase is Phase.FAULT:
        return (_in_fault(question.section, question.target),)
    return WELL


def _other_faults(question: Question) -> Found:
    return tuple(
        _in_fault(at, section) for at, section in question.others if section.phase is Phase.FAULT
    )


def _in_fault(at: Section, section: SectionState) -> Reason:
    return reason("FAULT", at.label, fault_of(section.fault).code)


def _phase(question: Question) -> Found:
    allowed, name = PHASES[question.wish]
    phase = question.target.phase
    # A section in FAULT has a reason of its own, and clearing comes before anything else.
    if phase in allowed or phase is Phase.FAULT:
        return WELL
    at, wish = question.section.label, question.wish
    known = phase is not Phase.UNKNOWN
    way = f"{WAYS[wish]}: it has to be {name}"
    remedy = way if known else f"Press HOME at it, or `droptable home {at}`"
    return (reason("PHASE", at, SAID[phase], phase.name, DONE[wish], remedy=(remedy,)),)


def _is_armed(question: Question) -> Found:
    if question.target.phase is not Phase.ARMED:
        return (reason("NOT_ARMED", question.section.label),)
    return WELL


def _is_unknown(question: Question) -> Found:
    phase, known = question.target.phase, not question.target.restarted
    if known and phase not in (Phase.UNKNOWN, Phase.FAULT):
        return (reason("NOT_UNKNOWN", question.section.label, phase.name),)
    return WELL


def _has_fault(question: Question) -> Found:
    return WELL if _codes_at(question) else (reason("NOT_IN_FAULT", question.section.label),)


def _sensors(question: Question) -> Found:
    """Where the section is said to be, and its switches; both ends at once is wrong anywhere."""
    section = question.target
    at_the_top = section.up and section.pin_in and not section.down
    at_the_bottom = section.down and section.pin_in and not section.up
    in_between = not (section.up or section.down or section.pin_in)
    agrees = {
        Phase.COCKED: at_the_top,
        Phase.LOCKED: at_the_bottom,
        # A pin that is in its hole a little off the stop: nobody can tell the board where that is.
        Phase.UNKNOWN: at_the_top or at_the_bottom or in_between,
    }
    agree = agrees.get(section.phase, not (section.up and section.down))
    return WELL if agree else (reason("SENSORS_DISAGREE", question.section.label),)


def _params(question: Question) -> Found:
    table = question.state.table
    differ = question.state.params.stage is not Provision.PROVEN
    found = (reason("PARAMS_DIFFER"),) if differ else WELL
    incomplete = table is not None and table.params_incomplete
    return (*found, reason("PARAMS_INCOMPLETE")) if incomplete else found


def _tensions_known(question: Question) -> Found:
    """While parameters are read or written a tension of someone else's would be taken for theirs."""
    known = question.state.params.stage in (Provision.PROVEN, Provision.WAITING)
    return WELL if known else (reason("PARAMS_DIFFER"),)


def _calibration(question: Question) -> Found:
    """By what forces are measured and set; a board that does neither needs none."""
    board, at = question.state.link.board, question.section
    if board is not None and not (board.load_cells or board.tension_drive):
        return WELL
    calibration = question.state.calibrations[at]
    if calibration is None:
        return (reason("CALIBRATION_MISSING", at.label, remedy=(at.label,)),)
    if board is not None and calibration.hw_id != board.hw_id:
        particulars = (calibration.id, at.label, calibration.hw_id)
        return (reason("CALIBRATION_FOREIGN", *particulars, remedy=(board.hw_id,)),)
    if question.now_us >= calibration.expires_us:
        return (reason("CALIBRATION_EXPIRED", calibration.id, at.label),)
    return WELL


def _withdraws(question: Question) -> bool:
    """Whether the section could fall by it: LOCK of one that is not up begins where it hangs anyway."""
    return question.wish is not Wish.LOCK or is_up(question.target)


def _load(question: Question) -> Found:
    return load(question.state, question.section) if _withdraws(question) else WELL


def _tension_owner(question: Question) -> Found:
    return tension_is_the_patients(question.state, question.section)


def _tension_holds(question: Question) -> Found:
    return tension_holds(question.state, question.section) if _withdraws(question) else WELL


def _tension_yields(question: Question) -> Found:
    return tension_yields(question.state, question.section)


def _maintenance(question: Question) -> Found:
    table = question.state.table
    return (reason("MAINTENANCE"),) if table is not None and table.maintenance else WELL


def role_against(role: Role) -> Found:
    """Whether someone of this role may do no more than look, and stop."""
    return (reason("ROLE", role.label),) if role < Role.OPERATOR else WELL


def _role(question: Question) -> Found:
    return role_against(question.role)


def _lease(question: Question) -> Found:
    lease = question.state.lease
    if lease is None:
        return (reason("LEASE_NONE"),)
    return (reason("LEASE_HELD", lease.holder),) if lease.holder != question.actor else WELL


def _take_over(question: Question) -> Found:
    take_over = question.state.take_over
    return WELL if take_over is None else (reason("TAKE_OVER", take_over.actor),)


def _cli_motion(question: Question) -> Found:
    board = question.state.link.board
    real = board is not None and not board.simulator
    if question.posted and real and not question.state.settings.allow_cli_motion:
        return (reason("CLI_MOTION"),)
    return WELL


def _others_armed(question: Question) -> Found:
    return tuple(
        reason("OTHER_ARMED", at.label)
        for at, section in question.others
        if section.phase is Phase.ARMED
    )


def _others_moving(question: Question) -> Found:
    return tuple(
        reason("OTHER_MOVING", at.label)
        for at, section in question.others
        if section.phase in MOVING
    )


def _busy(question: Question) -> Found:
    """One thing at a time; a DISARM waits for nothing but the DISARM of the same section."""
    state, wish = question.state, question.wish
    if wish is Wish.DISARM:
        busy = any(
            (each.verb, each.section) == (Verb.DISARM, question.section) for each in state.pending
        )
    elif wish is Wish.TENSION:
        busy = state.tension_pending is not None
    else:
        # Until the board is seen to have lost the last lease, nobody moves anything by the next.
        taken = state.hold is not None or (state.withdrawn and state.lease is not None)
        busy = bool(state.pending) or (wish in _MOTION and taken)
        # What moves has the tension that was looked at, not one that is on its way.
        on_its_way = state.tension_pending is not None or state.fall_back is not None
        busy = busy or (wish in _MOTION and on_its_way)
    return (reason("BUSY"),) if busy else WELL


def _power(question: Question) -> Found:
    table: Table | None = question.state.table
    low = table is not None and table.supply_low
    found = (reason("SUPPLY_LOW"),) if low else WELL
    return (*found, reason("AIR_LOW")) if table is not None and table.air_low else found


def _coil(question: Question) -> Found:
    """What was driven and what is asked for, together; so no window ends above the limit."""
    state, at = question.state, question.section
    coming_ms = (
        state.settings.window_ms
        if question.wish is Wish.ARM
        else state.settings.sections[at].cock_timeout_ms
    )
    driven_us = wear.driven_us(state, at, question.now_us)
    over_us = driven_us + coming_ms * 1000 - wear.driven_max_us(state)
    if over_us <= 0:
        return WELL
    particulars = (at.label, driven_us // 1_000_000, COIL_WINDOW_US // 1_000_000)
    return (reason("COIL_DUTY", *particulars, remedy=(over_us // 1_000_000 + 1,)),)


def _rate(question: Question) -> Found:
    arms = wear.arms_of_the_minute(question.state, question.now_us)
    many = arms >= question.state.settings.bounds.arms_per_minute_max
    return (reason("ARM_RATE", arms),) if many else WELL


def _held(question: Question) -> Found:
    table = question.state.table
    return (reason("HELD"),) if table is not None and table.hold_pressed else WELL


_UP = frozenset({Wish.COCK, Wish.ARM})
_MOTION = _UP | {Wish.LOCK}
_ALL = frozenset(Wish)
_RESTRAINED = _ALL - {Wish.DISARM}
"""All but what can only make the table safer."""

CHECKS: tuple[tuple[Check, frozenset[Wish]], ...] = (
    (_version, _ALL),
    (_link, _ALL),
    (_board, _RESTRAINED),
    (_latched, _MOTION),
    (_stop_unconfirmed, _MOTION | {Wish.RESET_STOP}),
    (_stop_latched, _MOTION),
    (_cause_stands, frozenset({Wish.RESET_STOP})),
    (_estop, _MOTION | {Wish.RESET_STOP}),
    (_own_fault, _MOTION | {Wish.HOME}),
    (_other_faults, _UP),
    (_clearing, frozenset({Wish.CLEAR_FAULT})),
    (_restarted, _MOTION),
    (_sensors, _MOTION | {Wish.HOME}),
    (_journal, _UP),
    (_disk, _UP),
    (_backlog, _UP),
    (_loop, _MOTION),
    (_phase, frozenset(PHASES)),
    (_is_armed, frozenset({Wish.DISARM})),
    (_is_unknown, frozenset({Wish.HOME})),
    (_has_fault, frozenset({Wish.CLEAR_FAULT})),
    (_others_armed, _MOTION),
    (_others_moving, _MOTION),
    (_power, _UP),
    (_coil, _UP),
    (_rate, frozenset({Wish.ARM})),
    (_maintenance, _MOTION),
    (_role, _RESTRAINED),
    (_lease, _RESTRAINED - {Wish.HOME}),
    (_take_over, _MOTION | {Wish.RESET_STOP, Wish.TENSION}),
    (_params, _MOTION),
    (_calibration, _UP),
    (_load, _MOTION | {Wish.HOME}),
    (_tension_owner, frozenset({Wish.ARM})),
    (_tension_holds, _MOTION),
    (_tension_yields, frozenset({Wish.ARM})),
    (_tensions_known, frozenset({Wish.TENSION})),
    (_held, frozenset({Wish.RESET_STOP})),
    (_cli_motion, _MOTION),
    (_slow, _MOTION),
    (_session, _RESTRAINED),
    (_busy, _ALL),
    (_closing, _RESTRAINED),
)
"""Each check and what it applies to, the gravest first."""

CHECKS_OF: dict[Wish, tuple[Check, ...]] = {
    wish: tuple(check for check, wishes in CHECKS if wish in wishes) for wish in Wish
}


def reasons(question: Question) -> tuple[Reason, ...]:
    """Every reason against, gravest first; empty means that it may be done."""
    return tuple(found for check in CHECKS_OF[question.wish] for found in check(question))
