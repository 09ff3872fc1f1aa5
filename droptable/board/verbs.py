"""Which verb is allowed when: for each the phases, and the guards in the order of the contract. Pure.

A guard says why not. Where several apply the answer is the first of `GUARD_ORDER`, so that the
order in which a verb lists its guards does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

from droptable.board import params as p
from droptable.board.faults import cause_gone
from droptable.board.model import ANY_PHASE, NOTHING, TABLE, Code, Command, Feature, Phase, Verb
from droptable.board.state import MOVING, State, View

TTL_MIN_MS = 60
TTL_MAX_MS = 1000
BEATS_BEFORE_COMMANDS = 3
"""So that the age of a COMMAND rests on more than one sample of the host's clock."""

EVENT_PLACES_FOR_ARM = 8

GUARD_ORDER = (
    Code.NO_SESSION,
    Code.UNKNOWN,
    Code.UNSUPPORTED,
    Code.OUT_OF_RANGE,
    Code.EXPIRED,
    Code.STOPPED,
    Code.FAULTED,
    Code.WRONG_PHASE,
    Code.MAINTENANCE_ONLY,
    Code.NO_LEASE,
    Code.NOT_HELD,
    Code.OTHER_ARMED,
    Code.BUSY,
    Code.NO_POWER,
    Code.PARAMS_INCOMPLETE,
    Code.IMPLAUSIBLE,
)

Refuses = Callable[[View, Command], bool]
"""True when the guard stands against the command."""


@dataclass(frozen=True, slots=True)
class Guard:
    """One reason against a verb."""

    code: Code
    refuses: Refuses
    text: str
    """When it does, in words: `docs/states.md` is made of them."""


@dataclass(frozen=True, slots=True)
class VerbRule:
    """What a verb needs. `phases` is empty for the verbs of the table."""

    phases: frozenset[Phase]
    guards: tuple[Guard, ...]
    needs: Feature = NOTHING


def _busy_phase(view: View, phases: frozenset[Phase]) -> bool:
    return any(other.phase in phases for other in view.others)


def _any_phase(board: State, phases: frozenset[Phase]) -> bool:
    return any(section.phase in phases for section in board.sections)


_ARMED = frozenset({Phase.ARMED})
_IN_MOTION = MOVING | {Phase.SECURING}
_FAULT = frozenset({Phase.FAULT})


def _arm_window_out_of_range(view: View, ask: Command) -> bool:
    longest_ms = min(
        view.param(p.ARM_WINDOW_MAX_MS), view.board.params.get(TABLE, p.COIL_ON_MAX_MS)
    )
    return not 1 <= ask.arg <= longest_ms


def _not_at_the_top(view: View, _: Command) -> bool:
    section = view.section
    levels = (section.up.raw, section.up.level, section.pin.raw, section.pin.level)
    return not all(levels) or section.down.raw or section.down.level


def _cannot_home(view: View, _: Command) -> bool:
    silent = view.cell_calibrated and not view.load_valid
    return silent or view.settled_as not in HOME_PHASES


HOME_PHASES: dict[tuple[bool, bool, bool] | None, Phase] = {
    (False, True, True): Phase.LOCKED,
    (True, False, True): Phase.COCKED,
    (False, False, False): Phase.HALTED,
}
"""What the switches (up, down, pin), settled, say about a section that nobody knows."""


STOPPED = Guard(Code.STOPPED, lambda view, _: view.board.stopped, "stop is latched")
SELF_IN_FAULT = Guard(
    Code.FAULTED, lambda view, _: view.section.phase is Phase.FAULT, "the section is in FAULT"
)
ANY_IN_FAULT = Guard(
    Code.FAULTED, lambda view, _: _any_phase(view.board, _FAULT), "some section is in FAULT"
)
NO_LEASE = Guard(Code.NO_LEASE, lambda view, _: not view.board.lease, "the lease is not live")
NOT_HELD = Guard(
    Code.NOT_HELD, lambda view, _: not view.board.hold, "neither the tablet nor the pedal is held"
)
OTHER_ARMED = Guard(
    Code.OTHER_ARMED, lambda view, _: _busy_phase(view, _ARMED), "another section is ARMED"
)
OTHER_IN_MOTION = Guard(
    Code.BUSY,
    lambda view, _: _busy_phase(view, _IN_MOTION),
    "another section is moving or SECURING",
)
NO_POWER = Guard(
    Code.NO_POWER,
    lambda view, _: view.supply_low or view.air_low,
    "supply or air is below its minimum",
)
PARAMS_INCOMPLETE = Guard(
    Code.PARAMS_INCOMPLETE,
    lambda view, _: not view.board.params_complete,
    "a parameter that this board needs was never set",
)

MOTION = (NO_LEASE, OTHER_ARMED, OTHER_IN_MOTION, PARAMS_INCOMPLETE, STOPPED)
"""What stands against everything that withdraws a pin."""

VERB_RULES: dict[Verb, VerbRule] = {
    Verb.COCK: VerbRule(
        frozenset({Phase.LOCKED, Phase.HALTED}), (*MOTION, ANY_IN_FAULT, NOT_HELD, NO_POWER)
    ),
    Verb.ARM: VerbRule(
        frozenset({Phase.COCKED}),
        (
            *MOTION,
            ANY_IN_FAULT,
            NO_POWER,
            Guard(
                Code.OUT_OF_RANGE,
                _arm_window_out_of_range,
                "arg is not 1 to the smaller of arm_window_max_ms and coil_on_max_ms",
            ),
            Guard(
                Code.BUSY,
                lambda view, _: view.board.events.free < EVENT_PLACES_FOR_ARM,
                "fewer than 8 event places are free",
            ),
            Guard(
                Code.IMPLAUSIBLE,
                _not_at_the_top,
                "the switches do not say: up closed, pin closed, down open",
            ),
        ),
    ),
    Verb.DISARM: VerbRule(_ARMED, (SELF_IN_FAULT,)),
    Verb.LOCK: VerbRule(
        frozenset({Phase.COCKED, Phase.HALTED}), (*MOTION, SELF_IN_FAULT, NOT_HELD)
    ),
    Verb.HOME: VerbRule(
        frozenset({Phase.UNKNOWN}),
        (
            SELF_IN_FAULT,
            Guard(
                Code.IMPLAUSIBLE,
                _cannot_home,
                "the switches have not said one of the three places for the last settle_ms, or a "
                "calibrated load cell says nothing",
            ),
        ),
    ),
    Verb.CLEAR_FAULT: VerbRule(
        _FAULT,
        (
            Guard(
                Code.FAULTED,
                lambda view, _: view.section.phase is Phase.FAULT and not cause_gone(view),
                "the cause of the fault is still there",
            ),
            NO_LEASE,
        ),
    ),
    Verb.TARE: VerbRule(
        frozenset({Phase.LOCKED}),
        (
            SELF_IN_FAULT,
            Guard(
                Code.MAINTENANCE_ONLY,
                lambda view, _: not view.board.maintenance,
                "the board is not in maintenance mode",
            ),
            NO_LEASE,
            Guard(Code.BUSY, lambda view, _: view.board.tare is not None, "a taring is under way"),
        ),
        needs=Feature.TARING,
    ),
    Verb.MAINTENANCE: VerbRule(
        frozenset(),
        (
            Guard(
                Code.OUT_OF_RANGE, lambda _, ask: ask.arg not in (0, 1), "arg is neither 0 nor 1"
            ),
            Guard(
                Code.NO_LEASE,
                lambda view, ask: ask.arg == 1 and not view.board.lease,
                "to enter: the lease is not live",
            ),
            Guard(
                Code.OTHER_ARMED,
                lambda view, ask: ask.arg == 1 and _any_phase(view.board, _ARMED),
                "to enter: a section is ARMED",
            ),
            Guard(
                Code.BUSY,
                lambda view, ask: ask.arg == 1 and _any_phase(view.board, _IN_MOTION),
                "to enter: a section is moving or SECURING",
            ),
        ),
    ),
    Verb.RESET_STOP: VerbRule(
        frozenset(),
        (
            Guard(
                Code.STOPPED,
                lambda view, _: view.board.estop.active or view.board.button.active,
                "the e-stop chain is open or the local stop button pressed",
            ),
            NO_LEASE,
            Guard(Code.BUSY, lambda view, _: view.board.hold, "the tablet or the pedal is held"),
        ),
    ),
}


def refusal(view: View, ask: Command) -> Code | None:
    """Why `ask` is refused, the first reason of the contract; None when it may be carried out.

    `view` is that of the section, or of any section for a verb of the table.
    """
    board = view.board
    if not board.host_live:
        return Code.NO_SESSION
    try:
        verb = Verb(ask.verb)
    except ValueError:
        return Code.UNKNOWN
    if ask.section not in (0, 1, 2, TABLE):
        return Code.UNKNOWN
    rule = VERB_RULES[verb]
    of_table = not rule.phases
    if of_table != (ask.section == TABLE) or rule.needs not in board.features:
        return Code.UNSUPPORTED
    if not TTL_MIN_MS <= ask.ttl_ms <= TTL_MAX_MS:
        return Code.OUT_OF_RANGE
    against = {guard.code for guard in rule.guards if guard.refuses(view, ask)}
    early = board.beats < BEATS_BEFORE_COMMANDS or ask.age_ms > ask.ttl_ms
    if early and verb is not Verb.DISARM:
        against.add(Code.EXPIRED)
    if _in_wrong_phase(rule, view, ask):
        against.add(Code.WRONG_PHASE)
    return next((code for code in GUARD_ORDER if code in against), None)


def _in_wrong_phase(rule: VerbRule, view: View, ask: Command) -> bool:
    if not rule.phases:
        return False
    return view.section.phase not in rule.phases or ask.expect not in (
        ANY_PHASE,
        view.section.phase,
    )
