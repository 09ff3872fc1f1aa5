"""What must be told of each move, once and as it was; and of each fall that really happened."""

from collections.abc import Iterator

from droptable.board.model import (
    Beat,
    Command,
    Event,
    Fault,
    Kind,
    Lost,
    Opened,
    Phase,
    Stop,
    Verb,
)
from tests.board.bench import SECTIONS
from tests.search.board_world import (
    Asked,
    Fall,
    Taken,
)
from tests.search.contract_change import Change

P = Phase


def of_events(taken: Taken) -> Iterator[str]:
    was, now = taken.before.board, taken.after.board
    kinds = [event.kind for event in taken.events]
    if now.events.next_seq - was.events.next_seq != len(taken.events):
        yield "an event took a number and is not kept"
    for kind, happened in (
        (Kind.STOPPED, now.stopped and not was.stopped),
        (Kind.STOP_RESET, was.stopped and not now.stopped),
        (Kind.ESTOP_OPEN, now.estop.active and not was.estop.active),
        (Kind.ESTOP_CLOSED, was.estop.active and not now.estop.active),
        (Kind.LINK_UP, isinstance(taken.move, Asked) and isinstance(taken.move.ask, Opened)),
        (Kind.LINK_LOST, isinstance(taken.move, Asked) and isinstance(taken.move.ask, Lost)),
        (Kind.MAINTENANCE, now.maintenance is not was.maintenance),
        (Kind.PEDAL, now.pedal.active is not was.pedal.active),
    ):
        if kinds.count(kind) != happened and not taken.after.full:
            yield f"{kind.name} is told {kinds.count(kind)} times"
    for at in SECTIONS:
        if now.sections[at] is not was.sections[at] and not taken.after.full:
            yield from _of_section_events(Change(taken, at))


def _of_section_events(change: Change) -> Iterator[str]:
    was, now = change.was, change.now
    told = [event for event in change.taken.events if event.section == change.at]
    kinds = [event.kind for event in told]
    fell = now.phase in (P.DROPPING, P.DROPPED) or Kind.DROP in kinds
    cleared = change.obeyed(Verb.CLEAR_FAULT)
    disarmed = was.phase is P.ARMED and now.phase is not P.ARMED
    expected = (
        (Kind.ARMED, change.obeyed(Verb.ARM)),
        (Kind.FAULT, now.phase is P.FAULT and (was.phase is not P.FAULT or cleared)),
        (Kind.FAULT_CLEARED, cleared),
        (
            Kind.HALTED,
            now.phase is P.HALTED and was.phase is not P.HALTED,
        ),
        (Kind.COCKED, now.phase is P.COCKED and _was_cocking(change)),
        (Kind.LOCKED, now.phase is P.LOCKED and was.phase not in (P.LOCKED, P.UNKNOWN)),
    )
    for kind, happened in expected:
        failed = now.phase is P.FAULT and kind in (Kind.HALTED, Kind.COCKED, Kind.LOCKED)
        if kinds.count(kind) != happened and not (failed and kinds.count(kind) == 1):
            yield f"{kind.name} is told {kinds.count(kind)} times"
    if kinds.count(Kind.DISARMED) > disarmed or (
        disarmed and not fell and Kind.DISARMED not in kinds
    ):
        yield "the end of an arming is not told once"
    for event in told:
        if event.kind is Kind.DISARMED and event.a not in _why_disarmed(change):
            yield f"the end of an arming is told as {event.a}"
    moved = was.phase in (P.COCKING, P.LOWERING, P.HALTED)
    before = kinds[: kinds.index(Kind.FAULT)] if Kind.FAULT in kinds else [Kind.DROP]
    if moved and now.fault is Fault.UNCOMMANDED_DROP and Kind.DROP not in before:
        yield "the fault of a fall is told before its DROP"
    faults = [event.a for event in told if event.kind is Kind.FAULT]
    if faults and faults != [now.fault]:
        yield "a fault is told by another code"


def _why_disarmed(change: Change) -> tuple[int, ...]:
    """The contract's numbers for what may have ended an arming."""
    before, move = change.taken.before.board, change.taken.move
    match move:
        case Asked(ask=Command()):
            return (1,)
        case Asked(ask=Opened() | Lost()):
            return (4,)
        case Asked(ask=Beat()):
            return (3,)
        case Asked(ask=Stop()):
            return (5,)
        case _ if change.now.phase is P.FAULT:
            return (2, 7)
        case _ if change.board.estop.active and not before.estop.active:
            return (6,)
        case _ if change.board.button.active and not before.button.active:
            return (5,)
        case _:
            return (2,)


def _was_cocking(change: Change) -> bool:
    """Whether this is the end of a way up; one that begins at the top, pinned, is over at once."""
    came = change.was.came_from if change.was.phase is P.SECURING else change.was.phase
    return came is P.COCKING or change.obeyed(Verb.COCK)


def of_falls(taken: Taken) -> Iterator[str]:
    """Every quick fall is told once, when its end has been believed; no other is made up."""
    drops = [event for event in taken.events if event.kind is Kind.DROP]
    for drop in drops:
        fall = taken.owed[drop.section]
        if fall is None:
            yield "a DROP is told and nothing fell"
        elif not _tells(taken, drop, fall):
            yield "a fall is told otherwise than it was"
    if len({drop.section for drop in drops}) != len(drops):
        yield "a fall is told twice"
    for at, body in enumerate(taken.after.bodies):
        debounce_us = taken.after.board.params.get(at, 6)
        fall = body.owed
        if fall and fall.must_be_told and taken.after.now_us - fall.landed_us >= debounce_us:
            yield "a fall is not told"


def _tells(taken: Taken, drop: Event, fall: Fall) -> bool:
    """Whether a DROP has the times of a fall; a top that was touched again within the debounce time
    has not been reached again."""
    if (drop.board_us, drop.a) == (fall.landed_us, 0):
        return True
    early_us = fall.left_us - drop.board_us
    bounce_us = 2 * taken.after.board.params.get(drop.section, 6)
    return drop.board_us + drop.a == fall.landed_us and 0 <= early_us <= bounce_us
