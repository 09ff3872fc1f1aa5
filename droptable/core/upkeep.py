"""What the daemon senses of its own machine: the disk's room, its loop, its clock, calibrations. Pure."""

from dataclasses import replace

from droptable.core.events import (
    CalibrationChanged,
    ClockStepped,
    DiskLooked,
    LoopLooked,
    UpkeepNews,
)
from droptable.core.licences import end_hold
from droptable.core.limits import LOOP_LATE_MAX_US
from droptable.core.turn import DAEMON, Turn


def take(turn: Turn, news: UpkeepNews) -> None:
    """Keep what was sensed; `readiness.py` judges it. A loop that is too late holds nothing."""
    state = turn.state
    match news:
        case DiskLooked(free_mb=free_mb):
            turn.state = replace(state, upkeep=replace(state.upkeep, disk_free_mb=free_mb))
        case LoopLooked(late_us=late_us):
            turn.state = replace(state, upkeep=replace(state.upkeep, late_us=late_us))
            if late_us >= LOOP_LATE_MAX_US:
                end_hold(turn)
        case ClockStepped(step_ms=step_ms):
            turn.record("clock_stepped", None, DAEMON, {"step_ms": step_ms})
        case CalibrationChanged(calibrations=calibrations):
            turn.state = replace(state, calibrations=calibrations)
