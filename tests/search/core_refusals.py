"""What stands against a wish, told a second time: from the specification, and from what was seen.

Nothing here looks at `readiness.py` or at the numbers of `limits.py`. Which STATUS said what, which
command is out, who has the lease and which STOP is wanted is taken from whoever saw it go by; only
what nobody outside can see (parameters, calibrations, the journal, what stands) is the core's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from droptable.core.faults import Action, Clearing, fault_named, fault_of
from droptable.core.model import Phase, Provision, Role, SectionState, State
from droptable.core.readiness import Wish
from droptable.sections import Section
from tests.search.core_seen import MS, S, Seen

UP = frozenset({Wish.COCK, Wish.ARM})
MOTION = UP | {Wish.LOCK}
ANY = frozenset(Wish)
LESS_SAFE = ANY - {Wish.DISARM}

FROM = {
    Wish.COCK: (Phase.LOCKED, Phase.HALTED),
    Wish.ARM: (Phase.COCKED,),
    Wish.LOCK: (Phase.COCKED, Phase.HALTED),
    Wish.TENSION: (Phase.UNKNOWN, Phase.LOCKED, Phase.COCKED, Phase.HALTED),
}
NOWHERE = SectionState()
WAYS = (Phase.COCKING, Phase.LOWERING, Phase.DROPPING, Phase.DROPPED, Phase.SECURING)
PROVEN_OR_WAITING = (Provision.PROVEN, Provision.WAITING)


@dataclass(frozen=True, slots=True)
class Asks:
    """Who wants what, where, and all that is known at that moment."""

    core: State
    seen: Seen
    now_us: int
    wish: Wish
    at: Section
    actor: str | None
    role: Role = Role.OPERATOR
    posted: bool = False

    @property
    def here(self) -> SectionState:
        return NOWHERE if self.seen.said is None else self.seen.said.sections[self.at]

    @property
    def elsewhere(self) -> Iterator[SectionState]:
        said = self.seen.said
        return iter(()) if said is None else (said.sections[at] for at in Section if at != self.at)

    def says(self, flag: str) -> bool:
        """What the newest STATUS says of the table."""
        return self.seen.said is not None and bool(getattr(self.seen.said.table, flag))


Says = Callable[[Asks], bool]


def _stands(asks: Asks) -> Iterator[Action]:
    for each in asks.core.faults:
        if asks.wish is not Wish.LOCK or each.section in (None, asks.at):
            yield fault_named(each.code).action


def _keeps_the_stop(asks: Asks) -> bool:
    """A latched section is no reason to keep the others from being lowered, which STOP does."""
    return any(
        fault_named(each.code).action is Action.STOP
        or (fault_named(each.code).action is Action.LATCH and each.section is None)
        for each in asks.core.faults
    )


def _clearings(asks: Asks) -> list[Clearing]:
    codes = [each.code for each in asks.core.faults if each.section is asks.at]
    if asks.here.phase is Phase.FAULT:
        codes.append(fault_of(asks.here.fault).code)
    return [fault_named(code).clearing for code in codes]


def _switches_wrong(asks: Asks) -> bool:
    up, down, pin = asks.here.up, asks.here.down, asks.here.pin_in
    match asks.here.phase:
        case Phase.COCKED:
            return (up, down, pin) != (True, False, True)
        case Phase.LOCKED:
            return (up, down, pin) != (False, True, True)
        case Phase.UNKNOWN:
            sound = ((True, False, True), (False, True, True), (False, False, False))
            return (up, down, pin) not in sound
    return up and down


def _busy(asks: Asks) -> bool:
    out, moves = asks.seen.out, asks.wish in MOTION
    if asks.wish is Wish.DISARM:
        return any((each.verb.label, each.section) == ("disarm", asks.at) for each in out)
    if asks.wish is Wish.TENSION:
        return asks.seen.tension_out is not None
    tension = asks.seen.tension_out is not None or asks.core.fall_back is not None
    taken = asks.seen.withdrawn and asks.seen.lease is not None
    return bool(out) or (moves and (tension or taken or asks.seen.run is not None))


def _driven_too_long(asks: Asks) -> bool:
    wear, from_us = asks.core.wear[asks.at], asks.now_us - 120 * S
    spans = list(wear.spans)
    if wear.since_us is not None:
        spans.append((wear.since_us, asks.now_us))
    driven_us = sum(max(0, until - max(since, from_us)) for since, until in spans)
    settings = asks.core.settings
    arm_ms, cock_ms = settings.window_ms, settings.sections[asks.at].cock_timeout_ms
    coming_us = 1000 * (arm_ms if asks.wish is Wish.ARM else cock_ms)
    return driven_us + coming_us > 120 * S * settings.bounds.coil_duty_max_percent // 100


def _calibrated(asks: Asks) -> str:
    calibration, board = asks.core.calibrations[asks.at], asks.seen.board
    if calibration is None:
        return "CALIBRATION_MISSING"
    if board is not None and calibration.hw_id != board.hw_id:
        return "CALIBRATION_FOREIGN"
    return "CALIBRATION_EXPIRED" if asks.now_us >= calibration.expires_us else ""


def _whose_tension(asks: Asks) -> str:
    mine = asks.core.sections[asks.at]
    if mine.tension_left:
        return "TENSION_LEFT"
    return "" if mine.tension_confirmed else "TENSION_UNCONFIRMED"


def _tension(asks: Asks) -> set[str]:
    """What the section would do with its pin out; one that is not up hangs by its tension anyway."""
    found, here = set[str](), asks.here
    up = here.phase is Phase.COCKED or (here.phase is Phase.HALTED and here.up)
    if asks.seen.said is None or (asks.wish is Wish.LOCK and not up):
        return found
    if here.load_dn is None:
        found.add("LOAD_UNKNOWN")
    set_dn = asks.core.params.values.get((int(asks.at), 11))
    tolerance_dn = asks.core.settings.board_params[int(asks.at), 14]
    if set_dn is None:
        known = asks.core.params.stage in PROVEN_OR_WAITING
        return found | {"TENSION_UNKNOWN"} if known else found
    if here.tension_dn is None or abs(here.tension_dn - set_dn) > tolerance_dn:
        found.add("TENSION_OFF")
    if here.load_dn is None:
        return found
    if set_dn <= max(0, here.load_dn) + tolerance_dn:
        found.add("TENSION_LOW")
    if set_dn > max(0, here.load_dn) + asks.core.settings.bounds.tension_over_load_max_dn:
        found.add("NOBODY_LIES" if here.load_dn < 300 else "TENSION_HIGH")
    return found


def _foreign(asks: Asks) -> bool:
    board, wanted = asks.seen.board, asks.core.settings.hw_id
    return board is not None and wanted is not None and board.hw_id != wanted


def _disk(asks: Asks) -> int | None:
    return asks.core.upkeep.disk_free_mb


def _late(asks: Asks) -> int | None:
    return asks.core.upkeep.late_us


def _session_new(asks: Asks) -> bool:
    seen = asks.seen
    young = asks.now_us - seen.opened_us < 160 * MS
    return seen.board is not None and (young or seen.round_us is None)


def _backlog(asks: Asks) -> bool:
    events = asks.core.events
    return asks.says("events_half_full") or events.next_seq - events.committed_seq > 17


RULES: tuple[tuple[str, frozenset[Wish], Says], ...] = (
    ("CLOSING", LESS_SAFE, lambda a: a.seen.closing_us is not None),
    ("LINK_VERSION", ANY, lambda a: a.seen.board is None and a.seen.version),
    ("LINK_DOWN", ANY, lambda a: a.seen.board is None),
    ("LINK_STALE", ANY, lambda a: a.seen.board is not None and a.seen.said is None),
    ("BOARD_FOREIGN", LESS_SAFE, _foreign),
    ("LATCHED", MOTION, lambda a: Action.LATCH in _stands(a)),
    ("CAUSE_STANDS", frozenset({Wish.RESET_STOP}), _keeps_the_stop),
    ("STOP_UNCONFIRMED", MOTION | {Wish.RESET_STOP}, lambda a: a.seen.stop is not None),
    ("STOP_LATCHED", MOTION, lambda a: a.says("stopped")),
    ("ESTOP_OPEN", MOTION | {Wish.RESET_STOP}, lambda a: a.says("estop_open")),
    ("FAULT", MOTION | {Wish.HOME}, lambda a: a.here.phase is Phase.FAULT),
    ("FAULT", UP, lambda a: any(each.phase is Phase.FAULT for each in a.elsewhere)),
    (
        "FAULT_NEEDS_TECHNICIAN",
        frozenset({Wish.CLEAR_FAULT}),
        lambda a: a.role < Role.TECHNICIAN and Clearing.TECHNICIAN in _clearings(a),
    ),
    (
        "FAULT_NEEDS_RESTART",
        frozenset({Wish.CLEAR_FAULT}),
        lambda a: Clearing.RESTART in _clearings(a),
    ),
    ("NOT_IN_FAULT", frozenset({Wish.CLEAR_FAULT}), lambda a: not _clearings(a)),
    ("BOARD_RESTARTED", MOTION, lambda a: a.core.sections[a.at].restarted),
    ("SENSORS_DISAGREE", MOTION | {Wish.HOME}, _switches_wrong),
    ("JOURNAL_FAILED", UP, lambda a: a.core.journal_failed),
    ("DISK_UNKNOWN", UP, lambda a: _disk(a) is None),
    ("DISK_NEARLY_FULL", UP, lambda a: (_disk(a) or 200) < 200),
    ("EVENT_BACKLOG", UP, _backlog),
    ("LOOP_UNKNOWN", MOTION, lambda a: _late(a) is None),
    ("LOOP_LATE", MOTION, lambda a: (_late(a) or 0) >= 100 * MS),
    (
        "PHASE",
        frozenset(FROM),
        lambda a: a.here.phase not in (*FROM[a.wish], Phase.FAULT),
    ),
    ("NOT_ARMED", frozenset({Wish.DISARM}), lambda a: a.here.phase is not Phase.ARMED),
    (
        "NOT_UNKNOWN",
        frozenset({Wish.HOME}),
        lambda a: (
            a.here.phase not in (Phase.UNKNOWN, Phase.FAULT) and not a.core.sections[a.at].restarted
        ),
    ),
    ("OTHER_ARMED", MOTION, lambda a: any(each.phase is Phase.ARMED for each in a.elsewhere)),
    ("OTHER_MOVING", MOTION, lambda a: any(each.phase in WAYS for each in a.elsewhere)),
    ("SUPPLY_LOW", UP, lambda a: a.says("supply_low")),
    ("AIR_LOW", UP, lambda a: a.says("air_low")),
    ("COIL_DUTY", UP, _driven_too_long),
    (
        "ARM_RATE",
        frozenset({Wish.ARM}),
        lambda a: (
            sum(a.now_us - us < 60 * S for us in a.core.arms_us)
            >= a.core.settings.bounds.arms_per_minute_max
        ),
    ),
    ("MAINTENANCE", MOTION, lambda a: a.says("maintenance")),
    ("PARAMS_DIFFER", MOTION, lambda a: a.core.params.stage is not Provision.PROVEN),
    (
        "PARAMS_DIFFER",
        frozenset({Wish.TENSION}),
        lambda a: a.core.params.stage not in PROVEN_OR_WAITING,
    ),
    ("PARAMS_INCOMPLETE", MOTION, lambda a: a.says("params_incomplete")),
    *(
        (code, UP, lambda a, code=code: _calibrated(a) == code)
        for code in ("CALIBRATION_MISSING", "CALIBRATION_FOREIGN", "CALIBRATION_EXPIRED")
    ),
    *(
        (code, MOTION, lambda a, code=code: code in _tension(a))
        for code in ("TENSION_UNKNOWN", "TENSION_OFF", "TENSION_LOW")
    ),
    *(
        (code, frozenset({Wish.ARM}), lambda a, code=code: code in _tension(a))
        for code in ("TENSION_HIGH", "NOBODY_LIES")
    ),
    *(
        (code, frozenset({Wish.ARM}), lambda a, code=code: _whose_tension(a) == code)
        for code in ("TENSION_LEFT", "TENSION_UNCONFIRMED")
    ),
    ("LOAD_UNKNOWN", MOTION | {Wish.HOME}, lambda a: "LOAD_UNKNOWN" in _tension(a)),
    ("ROLE", LESS_SAFE, lambda a: a.role is Role.VIEWER),
    ("LEASE_NONE", LESS_SAFE - {Wish.HOME}, lambda a: a.seen.lease is None),
    (
        "LEASE_HELD",
        LESS_SAFE - {Wish.HOME},
        lambda a: a.seen.lease is not None and a.seen.lease.holder != a.actor,
    ),
    ("TAKE_OVER", MOTION | {Wish.RESET_STOP, Wish.TENSION}, lambda a: a.seen.asker is not None),
    ("HELD", frozenset({Wish.RESET_STOP}), lambda a: a.says("hold_pressed")),
    (
        "CLI_MOTION",
        MOTION,
        lambda a: (
            a.posted
            and a.seen.board is not None
            and not (a.seen.board.simulator or a.core.settings.allow_cli_motion)
        ),
    ),
    ("LINK_SLOW", MOTION, lambda a: a.seen.slow),
    ("SESSION_NEW", LESS_SAFE, _session_new),
    ("BUSY", ANY, _busy),
)

RULES_OF = {
    wish: tuple((code, says) for code, wishes, says in RULES if wish in wishes) for wish in Wish
}


def against(asks: Asks) -> frozenset[str]:
    """The code of every reason against it."""
    return frozenset(code for code, says in RULES_OF[asks.wish] if says(asks))
