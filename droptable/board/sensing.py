"""What the sensors say, taken into the state: lines of the table, switches of the sections. Pure."""

from dataclasses import replace

from droptable.board import params as p
from droptable.board.model import TABLE, Feature, Kind, Phase, SectionInputs, StopSource
from droptable.board.phases import stop
from droptable.board.rows import QUICK_FALL_US
from droptable.board.state import Line, SectionState
from droptable.board.switches import Switch
from droptable.board.turn import Turn

LINE_PAUSE_US = 10_000
"""How long a contact of the table must be quiet before the level is believed that allows more."""


def sense(turn: Turn) -> None:
    """The whole table as it is now; and STOP, if one of its contacts says so."""
    _sense_sections(turn)
    sense_table(turn)


def sense_table(turn: Turn) -> None:
    """The e-stop chain, the local stop button and the pedal."""
    _sense_estop(turn)
    _sense_button(turn)
    _sense_pedal(turn)


def _sense_estop(turn: Turn) -> None:
    before = turn.board.estop
    line = _line(before, turn.inputs.estop_open, True, turn.now_us)
    if line is before:
        return
    turn.change(estop=line)
    if line.active and not before.active:
        turn.tell(Kind.ESTOP_OPEN, TABLE)
        stop(turn, StopSource.ESTOP)
    elif before.active and not line.active:
        turn.tell(Kind.ESTOP_CLOSED, TABLE)


def _sense_button(turn: Turn) -> None:
    before = turn.board.button
    line = _line(before, turn.inputs.stop_button, True, turn.now_us)
    if line is before:
        return
    turn.change(button=line)
    if line.active and not before.active:
        stop(turn, StopSource.BUTTON)


def _sense_pedal(turn: Turn) -> None:
    if Feature.PEDAL not in turn.board.features:
        return
    before = turn.board.pedal
    line = _line(before, turn.inputs.pedal_down, False, turn.now_us)
    if line is before:
        return
    turn.change(pedal=line)
    if line.active is not before.active:
        turn.tell(Kind.PEDAL, TABLE, a=int(line.active))


def _line(line: Line, contact: bool, quick_level: bool, now_us: int) -> Line:
    """A contact of the table: `quick_level` is believed at once, the other after a quiet pause."""
    if contact == line.active:
        return line if line.changing_since_us is None else Line(line.active)
    if contact == quick_level:
        return Line(contact)
    if line.changing_since_us is None:
        return Line(line.active, changing_since_us=now_us)
    return Line(contact) if now_us - line.changing_since_us >= LINE_PAUSE_US else line


def _sense_sections(turn: Turn) -> None:
    for at, section in enumerate(turn.board.sections):
        sensed = turn.inputs.sections[at]
        if _says_something(section, sensed):
            debounce_us = turn.board.params.get(at, p.DEBOUNCE_US)
            turn.keep(at, _sensed(section, sensed, turn.now_us, debounce_us))


def _says_something(section: SectionState, sensed: SectionInputs) -> bool:
    """Whether a contact has changed or is still bouncing: a table at rest costs nothing more."""
    up, down, pin = section.up, section.down, section.pin
    moved = sensed.up != up.raw or sensed.down != down.raw or sensed.pin != pin.raw
    return moved or (up.burst_us, down.burst_us, pin.burst_us) != (None, None, None)


def _sensed(
    section: SectionState, sensed: SectionInputs, now_us: int, debounce_us: int
) -> SectionState:
    up = section.up.sensed(sensed.up, now_us, debounce_us)
    down = section.down.sensed(sensed.down, now_us, debounce_us)
    pin = section.pin.sensed(sensed.pin, now_us, debounce_us)
    left_top_us = section.left_top_us
    if section.down.level and not down.level:
        left_top_us = None
    if section.up.level and not up.level and section.phase is not Phase.DROPPING:
        left_top_us = up.edge_us
    if down.level and not section.down.level and _has_no_edge(section, left_top_us):
        left_top_us = _left_before_it_was_believed(section, up, down) or left_top_us
    return replace(section, up=up, down=down, pin=pin, left_top_us=left_top_us)


def _has_no_edge(section: SectionState, left_top_us: int | None) -> bool:
    """Whether it has not been seen to leave the top since the COMMAND of its motion."""
    return left_top_us is None or left_top_us <= section.began_us


def _left_before_it_was_believed(section: SectionState, up: Switch, down: Switch) -> int | None:
    """When a section left the top so soon that the up switch was never believed to be closed, if it
    is at the bottom as quickly as only a fall brings it there; while it is lowered, a spike on the
    wire is likelier than that.
    """
    touched = up.raw_since_us > up.level_since_us and not up.raw
    quick = 0 <= down.edge_us - up.raw_since_us <= QUICK_FALL_US
    lowered = section.phase is Phase.LOWERING
    return up.raw_since_us if touched and quick and not lowered else None
