"""What the contract answers to a COMMAND: the first of its reasons, or that it is taken."""

from collections.abc import Iterator

from droptable.board.model import (
    TABLE,
    Code,
    Command,
    Fault,
    Phase,
    Result,
    Verb,
)
from droptable.board.state import SectionState, State
from tests.board.bench import TENSION_DN, TOLERANCE_DN
from tests.search.board_world import (
    AIR_MIN_KPA,
    LOAD_MAX_DN,
    MS,
    SUPPLY_MIN_MV,
    Asked,
    Taken,
    World,
)

P = Phase


def of_answers(taken: Taken) -> Iterator[str]:
    move = taken.move
    if not (isinstance(move, Asked) and isinstance(move.ask, Command)):
        return
    results = [answer for answer in taken.answers if isinstance(answer, Result)]
    wanted = _remembered(taken.before.board, move.ask)
    if wanted is None:
        wanted = reason(taken.before, move.ask) or Code.OK
    if [(one.cmd_id, one.code) for one in results] != [(move.ask.cmd_id, wanted)]:
        yield f"answered {[one.code for one in results]} where the contract has {wanted.name}"


def _remembered(board: State, ask: Command) -> Code | None:
    known = dict(board.remembered).get(ask.cmd_id)
    return known.code if isinstance(known, Result) else None


MOVING = (P.COCKING, P.LOWERING, P.DROPPING, P.DROPPED)
MOTION = (Verb.COCK, Verb.ARM, Verb.LOCK)
NEEDS_HOLD = (Verb.COCK, Verb.LOCK)
NEEDS_POWER = (Verb.COCK, Verb.ARM)
NEEDS_LEASE = (*MOTION, Verb.CLEAR_FAULT, Verb.TARE, Verb.RESET_STOP)
OF_TABLE = (Verb.MAINTENANCE, Verb.RESET_STOP)
FROM: dict[Verb, tuple[Phase, ...]] = {
    Verb.COCK: (P.LOCKED, P.HALTED),
    Verb.ARM: (P.COCKED,),
    Verb.DISARM: (P.ARMED,),
    Verb.LOCK: (P.COCKED, P.HALTED),
    Verb.HOME: (P.UNKNOWN,),
    Verb.CLEAR_FAULT: (P.FAULT,),
    Verb.TARE: (P.LOCKED,),
}


def reason(world: World, ask: Command) -> Code | None:
    """The first of the contract's reasons against a command; None if it must be taken."""
    return next((code for code, stands in _reasons(world, ask) if stands), None)


def _reasons(world: World, ask: Command) -> Iterator[tuple[Code, bool]]:
    """Every reason in the contract's order, and whether it stands."""
    board, inputs = world.board, world.inputs
    yield Code.NO_SESSION, not board.host_live
    yield Code.UNKNOWN, ask.verb not in tuple(Verb) or ask.section not in (0, 1, 2, TABLE)
    verb = Verb(ask.verb)
    yield Code.UNSUPPORTED, (verb in OF_TABLE) != (ask.section == TABLE)
    at = ask.section if ask.section != TABLE else 0
    section = board.sections[at]
    others = [each.phase for n, each in enumerate(board.sections) if n != at or verb in OF_TABLE]
    entering = verb is Verb.MAINTENANCE and ask.arg == 1
    faults = [each.phase is P.FAULT for each in board.sections]
    yield Code.OUT_OF_RANGE, not 60 <= ask.ttl_ms <= 1000
    yield Code.OUT_OF_RANGE, verb is Verb.MAINTENANCE and ask.arg not in (0, 1)
    longest_ms = min(board.params.get(at, 7), board.params.get(TABLE, 18))
    yield Code.OUT_OF_RANGE, verb is Verb.ARM and not 1 <= ask.arg <= longest_ms
    old = ask.age_ms > ask.ttl_ms or board.beats < 3
    yield Code.EXPIRED, old and verb is not Verb.DISARM
    lines = board.estop.active or board.button.active
    yield Code.STOPPED, verb in MOTION and board.stopped
    yield Code.STOPPED, verb is Verb.RESET_STOP and lines
    itself = verb not in OF_TABLE and section.phase is P.FAULT
    yield Code.FAULTED, itself and verb is not Verb.CLEAR_FAULT
    yield Code.FAULTED, verb in NEEDS_POWER and any(faults)
    yield Code.FAULTED, itself and verb is Verb.CLEAR_FAULT and _cause_stands(world, at)
    believed = ask.expect in (0xFF, section.phase)
    yield (
        Code.WRONG_PHASE,
        verb not in OF_TABLE and (section.phase not in FROM[verb] or not believed),
    )
    yield Code.MAINTENANCE_ONLY, verb is Verb.TARE and not board.maintenance
    yield Code.NO_LEASE, (verb in NEEDS_LEASE or entering) and not board.lease
    held = board.beat_hold or board.pedal.active
    yield Code.NOT_HELD, verb in NEEDS_HOLD and not held
    yield Code.OTHER_ARMED, (verb in MOTION or entering) and P.ARMED in others
    moves = any(phase in (*MOVING, P.SECURING) for phase in others)
    yield Code.BUSY, (verb in MOTION or entering) and moves
    yield Code.BUSY, verb is Verb.ARM and len(board.events.kept) > 64 - 8
    yield Code.BUSY, verb is Verb.TARE and board.tare is not None
    yield Code.BUSY, verb is Verb.RESET_STOP and held
    low = inputs.supply_mv < SUPPLY_MIN_MV or inputs.air_kpa < AIR_MIN_KPA
    yield Code.NO_POWER, verb in NEEDS_POWER and low
    yield Code.PARAMS_INCOMPLETE, verb in MOTION and not board.params_complete
    yield Code.IMPLAUSIBLE, verb is Verb.ARM and not _at_the_top(section)
    yield Code.IMPLAUSIBLE, verb is Verb.HOME and not _known_place(world, at)


def _at_the_top(section: SectionState) -> bool:
    up, pin, down = section.up, section.pin, section.down
    return up.raw and up.level and pin.raw and pin.level and not down.raw and not down.level


def _known_place(world: World, at: int) -> bool:
    section, sensed = world.board.sections[at], world.inputs.sections[at]
    if sensed.load_raw is None or world.now_us - sensed.load_us >= 200 * MS:
        return False
    three = (section.up, section.down, section.pin)
    settle_us = world.board.params.get(at, 5) * MS
    if any(s.burst_us is not None or world.now_us - s.level_since_us < settle_us for s in three):
        return False
    places = ((False, True, True), (True, False, True), (False, False, False))
    return tuple(switch.level for switch in three) in places


def _cause_stands(world: World, at: int) -> bool:
    section, sensed, inputs = world.board.sections[at], world.inputs.sections[at], world.inputs
    up, down, raw = section.up, section.down, sensed.load_raw
    both = up.raw and down.raw
    stands = {
        Fault.PIN_STUCK_OUT: not section.pin.level and (up.level or down.level),
        Fault.SWITCHES_IMPLAUSIBLE: both,
        Fault.LOAD_CELL: raw is None or world.now_us - sensed.load_us >= 200 * MS,
        Fault.OVERLOAD: raw is not None and raw > LOAD_MAX_DN,
        Fault.SUPPLY: inputs.supply_mv < SUPPLY_MIN_MV,
        Fault.AIR: inputs.air_kpa < AIR_MIN_KPA,
        Fault.TENSION: abs(sensed.tension_steps - TENSION_DN) > TOLERANCE_DN,
        Fault.SELF_TEST: sensed.outputs_read_back or both,
        Fault.PARAMS: not world.board.params_complete,
    }
    return stands.get(section.fault, False)
