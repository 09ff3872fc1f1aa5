"""How a section gets from one phase to another, and what is told and driven on the way. Pure.

The only file that changes a phase. What leads where is data: `rows.py` and `faults.py`.
"""

from dataclasses import replace

from droptable.board.drops import record_drop
from droptable.board.faults import FAULT_RULES, RULES_IN
from droptable.board.model import TABLE, Disarmed, Fault, Kind, Phase, StopSource
from droptable.board.rows import AFTER_STOP, DISARMED_BY_STOP, QUICK_FALL_US, ROWS_OF, Row
from droptable.board.state import SectionState, outputs_for
from droptable.board.turn import SECTIONS, Turn

EXCUSED_AFTER_THRUST_US = 1_000_000
"""For so long after an arming the load may be what a thrust makes it."""


def enter(
    turn: Turn, at: int, phase: Phase, *, began_us: int | None = None, window_us: int = 0
) -> None:
    """Leave the section's phase for `phase`, and tell what the contract wants told."""
    before = turn.section(at)
    after = replace(
        before,
        phase=phase,
        came_from=before.phase,
        entered_us=turn.now_us,
        fault=Fault.NONE,
        began_us=before.began_us if began_us is None else began_us,
        window_us=window_us,
    )
    if before.phase in (Phase.ARMED, Phase.DROPPING):
        after = replace(after, excused_until_us=turn.now_us + EXCUSED_AFTER_THRUST_US)
    if phase is Phase.DROPPED:
        after = replace(after, began_us=after.down.edge_us)
    if phase is Phase.COCKING and not _is_falling(after):
        after = replace(after, left_top_us=None)
    turn.keep(at, replace(after, outputs=outputs_for(after)))
    _tell_entered(turn, at, before, phase)


def _is_falling(section: SectionState) -> bool:
    """Whether a section that is about to rise has left the top just now; else it was lowered then,
    and no fall that comes may be timed from that.
    """
    left_us = section.left_top_us
    return left_us is not None and section.entered_us - left_us <= QUICK_FALL_US


def _tell_entered(turn: Turn, at: int, before: SectionState, phase: Phase) -> None:
    took_us = turn.now_us - before.began_us
    match phase, before.phase, before.came_from:
        case Phase.COCKED, Phase.SECURING, Phase.COCKING:
            turn.tell(Kind.COCKED, at, a=took_us)
        case Phase.LOCKED, Phase.SECURING | Phase.DROPPED, _:
            turn.tell(Kind.LOCKED, at, a=took_us)
        case Phase.HALTED, _, _:
            turn.tell(Kind.HALTED, at)
        case _:
            pass


def disarm(turn: Turn, at: int, why: Disarmed) -> None:
    """Let the pin go back in, and say why."""
    enter(turn, at, Phase.SECURING)
    turn.tell(Kind.DISARMED, at, a=why)


def fail(turn: Turn, at: int, fault: Fault) -> None:
    """Put the section in FAULT. The first cause is kept, whatever comes after."""
    before = turn.section(at)
    if before.phase is Phase.FAULT:
        return
    was = before.came_from if before.phase is Phase.SECURING else before.phase
    enter(turn, at, Phase.FAULT)
    turn.keep(at, replace(turn.section(at), fault=fault, came_from=was, wrong_since=()))
    if before.phase is Phase.ARMED:
        turn.tell(Kind.DISARMED, at, a=Disarmed.FAULT)
    turn.tell(Kind.FAULT, at, a=fault)


def stop(turn: Turn, source: StopSource) -> None:
    """Latch STOP and take every section to where it leaves it. Idempotent."""
    if not turn.board.stopped:
        turn.change(stopped=True, tare=None)
        turn.tell(Kind.STOPPED, TABLE, a=source)
    for at in SECTIONS:
        _stop_section(turn, at, source)
    run_rows(turn)


def _stop_section(turn: Turn, at: int, source: StopSource) -> None:
    section = turn.section(at)
    target = AFTER_STOP[section.phase]
    if section.phase in (Phase.COCKED, Phase.LOCKED) and not _agrees(section):
        target = Phase.UNKNOWN
    if section.phase is Phase.ARMED:
        disarm(turn, at, DISARMED_BY_STOP[source])
    elif target is not section.phase:
        enter(turn, at, target)
    # The tension actuator stays where it is, and RESET_STOP does not send it on.
    steps = turn.inputs.sections[at].tension_steps
    turn.keep(at, replace(turn.section(at), tension_target_steps=steps))


def _agrees(section: SectionState) -> bool:
    """Whether the switches still say what COCKED or LOCKED claims."""
    end, other = section.up, section.down
    if section.phase is Phase.LOCKED:
        end, other = other, end
    closed = (end.raw, end.level, section.pin.raw, section.pin.level)
    return all(closed) and not (other.raw or other.level)


def run_rows(turn: Turn) -> None:
    """Take rows until none applies. Each leads on, so a section can take a few at most."""
    for at in SECTIONS:
        for _ in range(len(Phase)):
            if not _run_row(turn, at):
                break


def _run_row(turn: Turn, at: int) -> bool:
    view = turn.view(at)
    for row in ROWS_OF[view.section.phase]:
        if row.when(view):
            _take(turn, at, row)
            return True
    return False


def _take(turn: Turn, at: int, row: Row) -> None:
    if row.drop:
        record_drop(turn, at)
    if row.to is Phase.FAULT:
        fail(turn, at, row.fault)
    elif row.disarmed is not None:
        disarm(turn, at, row.disarmed)
    elif row.to is not row.phase:
        enter(turn, at, row.to)
    elif row.phase is Phase.DROPPING:
        _let_the_pin_go(turn, at)


def _let_the_pin_go(turn: Turn, at: int) -> None:
    """The arming is over while the section falls: from here it falls as one that was SECURING."""
    section = replace(turn.section(at), came_from=Phase.SECURING)
    turn.keep(at, replace(section, outputs=outputs_for(section)))


def drive(turn: Turn) -> None:
    """Let outputs follow what the pins' switches say."""
    for at, section in enumerate(turn.board.sections):
        outputs = outputs_for(section)
        if outputs != section.outputs:
            turn.keep(at, replace(section, outputs=outputs))


def run_faults(turn: Turn) -> None:
    """Raise every fault whose time has come; a fall that this ends is recorded at once."""
    failed = [at for at in SECTIONS if _run_faults_of(turn, at)]
    if failed:
        run_rows(turn)


def _run_faults_of(turn: Turn, at: int) -> bool:
    view = turn.view(at)
    section = view.section
    since = dict(section.wrong_since)
    wrong = tuple(
        (number, since.get(number, turn.now_us))
        for number, rule in RULES_IN[section.phase]
        if rule.when(view)
    )
    if wrong != section.wrong_since:
        turn.keep(at, replace(section, wrong_since=wrong))
    for number, since_us in wrong:
        rule = FAULT_RULES[number]
        if turn.now_us >= rule.due_us(view, since_us):
            fail(turn, at, rule.fault)
            return True
    return False
