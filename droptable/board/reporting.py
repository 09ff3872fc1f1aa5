"""What the board tells unasked, and when it has to be called again. Pure."""

from collections.abc import Iterator

from droptable.board import params as p
from droptable.board.asks import TARE_US
from droptable.board.drops import trace_due_us
from droptable.board.event_buffer import RESEND_COUNT, RESEND_EVERY_US
from droptable.board.faults import FAULT_RULES
from droptable.board.model import Event, Feature, Flag, Phase, SectionStatus, Status
from droptable.board.sensing import LINE_PAUSE_US
from droptable.board.state import I16, STATUS_EVERY_US, U16, State, View, clamp
from droptable.board.turn import SECTIONS, Turn


def report(turn: Turn, before: State) -> None:
    """STATUS when due or when it says something new, then events: old ones again, and new ones.

    Two STATUS never carry the same time, for the host believes only the first of them: news within
    the microsecond of the last one waits for the next.
    """
    if not turn.board.host_seen:
        return
    flags = _flags(turn)
    if _status_is_due(turn, flags):
        turn.answers.append(_status(turn, flags))
        turn.change(told_us=turn.now_us, told=_news(turn.board, flags))
    again: tuple[Event, ...] = ()
    if turn.board.events.kept and turn.now_us >= turn.board.resend_due_us:
        again = turn.board.events.kept[:RESEND_COUNT]
        turn.change(resend_due_us=turn.now_us + RESEND_EVERY_US)
    turn.answers += again
    turn.answers += (
        event for event in turn.board.events.since(before.events) if event not in again
    )


def _status_is_due(turn: Turn, flags: int) -> bool:
    since_us = turn.now_us - turn.board.told_us
    if since_us >= STATUS_EVERY_US:
        return True
    return since_us > 0 and turn.board.told != _news(turn.board, flags)


def _news(board: State, flags: int) -> tuple[int, ...]:
    """What of a STATUS is told at once when it changes."""
    first, second, third = board.sections
    return (
        flags,
        first.phase,
        second.phase,
        third.phase,
        first.fault,
        second.fault,
        third.fault,
    )


def _flags(turn: Turn) -> int:
    board, view = turn.board, turn.view(0)
    told = (
        (Flag.ESTOP_OPEN, board.estop.active),
        (Flag.STOP_LATCHED, board.stopped),
        (Flag.SESSION_ALIVE, board.host_live),
        (Flag.LEASE_LIVE, board.lease),
        (Flag.HOLD_PRESSED, board.hold),
        (Flag.SUPPLY_LOW, view.supply_low),
        (Flag.AIR_LOW, view.air_low),
        (Flag.MAINTENANCE, board.maintenance),
        (Flag.EVENTS_HALF_FULL, board.events.free < len(board.events.kept)),
        (Flag.PARAMS_INCOMPLETE, not board.params_complete),
    )
    return sum(int(flag) for flag, holds in told if holds)


def _status(turn: Turn, flags: int) -> Status:
    has, inputs = turn.board.features, turn.inputs
    thoracic, lumbar, pelvic = (_section_status(turn.view(at)) for at in SECTIONS)
    return Status(
        turn.now_us,
        flags,
        clamp(inputs.supply_mv, U16) if Feature.SUPPLY_SENSOR in has else 0,
        clamp(inputs.air_kpa, U16) if Feature.AIR_SENSOR in has else 0,
        (thoracic, lumbar, pelvic),
    )


def _section_status(view: View) -> SectionStatus:
    section, outputs, valid = view.section, view.section.outputs, view.load_valid
    return SectionStatus(
        section.phase,
        section.fault,
        section.up.level | section.down.level << 1 | section.pin.level << 2 | valid << 3,
        outputs.lift | outputs.pin_withdrawn << 1 | outputs.lowering << 2,
        clamp(view.load_dn, I16) if valid else 0,
        clamp(view.tension_dn, U16),
    )


def wake_us(turn: Turn) -> int | None:
    """The next moment at which something happens by itself; None when nothing ever would."""
    earliest_us = min(_deadlines(turn), default=None)
    return None if earliest_us is None else max(earliest_us, turn.now_us + 1)


def _deadlines(turn: Turn) -> Iterator[int]:
    board = turn.board
    if board.host_seen:
        yield _status_due_us(turn)
        if board.events.kept:
            yield board.resend_due_us
    for line in (board.estop, board.button, board.pedal):
        if line.changing_since_us is not None:
            yield line.changing_since_us + LINE_PAUSE_US
    if board.tare is not None:
        yield board.tare.started_us + TARE_US
    for trace in board.traces:
        if (due_us := trace_due_us(trace)) is not None:
            yield due_us
    for at in SECTIONS:
        yield from _section_deadlines(turn.view(at))


def _status_due_us(turn: Turn) -> int:
    news = turn.board.told_us == turn.now_us and turn.board.told != _news(turn.board, _flags(turn))
    return turn.now_us + 1 if news else turn.board.told_us + STATUS_EVERY_US


def _section_deadlines(view: View) -> Iterator[int]:
    section = view.section
    settle_us = view.settle_us
    for switch in (section.up, section.down, section.pin):
        if switch.burst_us is not None:
            yield switch.raw_since_us + view.param(p.DEBOUNCE_US)
        elif switch.level_since_us + settle_us > view.now_us:
            yield switch.level_since_us + settle_us
    if section.phase is Phase.ARMED:
        yield section.began_us + section.window_us
    for number, since_us in section.wrong_since:
        yield FAULT_RULES[number].due_us(view, since_us)
