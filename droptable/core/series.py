"""A series: drops of one section, one after the other, under a hold that somebody keeps up. Pure.

Starting one moves nothing. It goes on only while a *hold* lasts that began after it was started: the
finger of a `series` gesture, or a foot on the pedal. Under it the section is cocked, armed, and after
its drop cocked and armed again; each time the table is judged anew, and one reason against ends the
hold. Where the hold ends, so does what it keeps up: the motion, and the arming too, since `turn` tells
the board of no lease while a section of a series is armed that nobody holds for. To go on takes a
new press. The series itself lasts until its drops are counted, its window is over, or the lease ends.

No tension is set here. What a preset means is worked out from what lies on the section, and a person
sets it, or the series does not start.
"""

from collections.abc import Iterator
from dataclasses import replace

from droptable.core.board_events import Data
from droptable.core.commands import send_command
from droptable.core.events import (
    Asked,
    EndSeries,
    NoteLegLength,
    SeriesAction,
    StartOwnSeries,
    StartSeries,
)
from droptable.core.licences import end_hold, end_series, note_begun
from droptable.core.limits import (
    ARM_HELD_MIN_US,
    RUN_AFTER_US,
    SERIES_PAUSE_US,
    SERIES_TENSION_OFF_DN,
    Preset,
)
from droptable.core.model import Control, Gesture, Phase, Role, Series, State, Verb
from droptable.core.overs import Over
from droptable.core.readiness import WISH_OF, Question, reasons, role_against
from droptable.core.reasons import Reason, reason
from droptable.core.tensions import set_dn
from droptable.core.turn import Turn
from droptable.sections import Section

DEEDS = {
    Phase.LOCKED: (Verb.COCK, RUN_AFTER_US),
    Phase.HALTED: (Verb.COCK, RUN_AFTER_US),
    Phase.COCKED: (Verb.ARM, ARM_HELD_MIN_US),
}
"""What a series does next with a section that rests, and for how long the hold must have lasted."""


def take(turn: Turn, asked: Asked, action: SeriesAction) -> None:
    """Answer what a person asks of a series."""
    match action:
        case StartSeries():
            _start_preset(turn, asked, action)
        case StartOwnSeries():
            _start(turn, asked, action)
        case EndSeries():
            _end(turn, asked)
        case NoteLegLength():
            _note(turn, asked, action)


def against_going_on(turn: Turn, section: Section, actor: str, role: Role) -> tuple[Reason, ...]:
    """Every reason why a series is not to be held at `section` by `actor`."""
    series = turn.state.series
    none = series is None or not series.running or series.section is not section
    absent = (reason("SERIES_NONE"),) if none else ()
    return (*_against_all(turn, section, actor, role), *absent)


def end_what_is_over(turn: Turn) -> None:
    """Its window is over."""
    series = turn.state.series
    if series is not None and series.running and turn.now_us >= series.until_us:
        end_series(turn, "window over")


def follow_status(turn: Turn, before: State) -> None:
    """After a STATUS: what became of the section, and of the pedal."""
    _forget_what_did_not_fall(turn)
    series = turn.state.series
    if series is None or not series.running:
        return
    at = series.section
    if any(section.phase is Phase.FAULT for section in turn.state.sections):
        end_series(turn, "fault")
    elif turn.section(at).phase is not before.sections[at].phase:
        turn.state = replace(turn.state, series=replace(series, rested_us=turn.now_us))
    _follow_pedal(turn, before)


def count_drop(turn: Turn, at: Section) -> str | None:
    """A section fell: the series that it belongs to, if one armed it."""
    number, series = turn.section(at).series, turn.state.series
    turn.keep(at, replace(turn.section(at), series=None))
    if series is not None and series.running and series.id == number:
        counted = replace(series, done=series.done + 1)
        turn.state = replace(turn.state, series=counted)
        if counted.done >= counted.drops:
            end_series(turn, "count reached")
    return number


def go_on_when_due(turn: Turn) -> None:
    """Do the next thing, if the hold has lasted for it and nothing is against it now."""
    due_us, series, gesture = _due_us(turn.state), turn.state.series, turn.state.gesture
    if due_us is None or turn.now_us < due_us or series is None or gesture is None:
        return None
    verb, _ = DEEDS[turn.section(series.section).phase]
    if against := _against(turn, verb, series.section, gesture.actor, gesture.role):
        return end_hold(turn, Over.REFUSED, *against)
    turn.state = replace(turn.state, series=replace(series, rested_us=turn.now_us))
    note_begun(turn)
    return send_command(turn, None, verb, series.section, series=series.id)


def deadlines(state: State) -> Iterator[int]:
    """When something of it is due by itself."""
    if state.series is not None and state.series.running:
        yield state.series.until_us
    if (due_us := _due_us(state)) is not None:
        yield due_us


def _due_us(state: State) -> int | None:
    """When it goes on by the hold that there is; None while nothing is to be done."""
    series, gesture = state.series, state.gesture
    if series is None or gesture is None or gesture.control is not Control.SERIES:
        return None
    section = state.sections[series.section]
    # Until its fall is told of, a section that is down again may have been the last.
    awaited = section.series == series.id
    if section.phase not in DEEDS or awaited or state.pending or state.hold is not None:
        return None
    _, held_us = DEEDS[section.phase]
    return max(gesture.pressed_us + held_us, series.rested_us + SERIES_PAUSE_US)


# Starting and ending


def _start_preset(turn: Turn, asked: Asked, wanted: StartSeries) -> None:
    preset = turn.state.settings.presets.get(wanted.preset)
    if preset is None:
        return turn.answer(asked.request, reason("PRESET_UNKNOWN", wanted.preset))
    own = StartOwnSeries(wanted.id, preset.section, preset.drops, preset.window_us)
    return _start(turn, asked, own, wanted.preset, *_against_tension(turn.state, preset))


def _start(
    turn: Turn, asked: Asked, wanted: StartOwnSeries, preset: str | None = None, *also: Reason
) -> None:
    at, state = wanted.section, turn.state
    running = state.series is not None and state.series.running
    against = (
        *_against_all(turn, at, asked.actor, asked.role),
        *also,
        *((reason("SERIES_RUNNING"),) if running else ()),
    )
    if against:
        return turn.answer(asked.request, *against)
    series = Series(
        wanted.id,
        asked.actor,
        asked.role,
        at,
        preset,
        wanted.drops,
        until_us=turn.now_us + wanted.window_us,
        rested_us=turn.now_us,
    )
    turn.state = replace(state, series=series)
    data: Data = {
        "series": series.id,
        "preset": preset,
        "drops": series.drops,
        "window_s": wanted.window_us / 1_000_000,
        "tension_n": _newton(set_dn(state, at)),
        "load_n": _newton(state.sections[at].load_dn),
    }
    turn.record("series_started", at, asked.actor, data)
    return turn.answer(asked.request)


def _end(turn: Turn, asked: Asked) -> None:
    """Anyone may, as anyone may disarm."""
    series = turn.state.series
    if series is None or not series.running:
        return turn.answer(asked.request, reason("SERIES_NONE"))
    end_series(turn, "asked", asked.actor)
    return turn.answer(asked.request)


def _note(turn: Turn, asked: Asked, note: NoteLegLength) -> None:
    series = turn.state.series
    if against := role_against(asked.role):
        return turn.answer(asked.request, *against)
    if series is None:
        return turn.answer(asked.request, reason("SERIES_NONE"))
    if note.after is series.running or (not note.after and series.done > 0):
        return turn.answer(asked.request, reason("LEG_TIME"))
    kept = replace(series, after=note.found) if note.after else replace(series, before=note.found)
    turn.state = replace(turn.state, series=kept)
    data: Data = {
        "series": series.id,
        "when": "after" if note.after else "before",
        "shorter": note.found.shorter,
        "millimetres": note.found.by_um / 1000,
    }
    turn.record("leg_length", series.section, asked.actor, data)
    return turn.answer(asked.request)


# Reasons


def _against_all(turn: Turn, section: Section, actor: str, role: Role) -> tuple[Reason, ...]:
    """What is against the next deed, and of arming all that is not put right by cocking first."""
    phase = turn.section(section).phase
    verb = Verb.ARM if phase is Phase.COCKED else Verb.COCK
    found = _against(turn, verb, section, actor, role)
    later = _against(turn, Verb.ARM, section, actor, role)
    return (*found, *(each for each in later if each.code != "PHASE" and each not in found))


def _against(
    turn: Turn, verb: Verb, section: Section, actor: str, role: Role
) -> tuple[Reason, ...]:
    return reasons(Question(turn.state, turn.now_us, WISH_OF[verb], section, actor, role=role))


def _against_tension(state: State, preset: Preset) -> Iterator[Reason]:
    """A preset that is not what is set is another one's, or for another patient."""
    load_dn, tension_dn = state.sections[preset.section].load_dn, set_dn(state, preset.section)
    if load_dn is None:
        yield reason("SERIES_LOAD", preset.section.label)
    elif (
        tension_dn is None
        or abs(tension_dn - load_dn - preset.tension_offset_dn) > SERIES_TENSION_OFF_DN
    ):
        meant_n = (load_dn + preset.tension_offset_dn) / 10
        yield reason("SERIES_TENSION", meant_n, remedy=(meant_n,))


def _newton(force_dn: int | None) -> float | None:
    return None if force_dn is None else force_dn / 10


# The pedal


def _follow_pedal(turn: Turn, before: State) -> None:
    """The pedal holds a series on once it was seen to go down while nothing else was held.

    It is read from STATUS, which is true now, and not from the events, which may be told again.
    """
    table, gesture, series = turn.state.table, turn.state.gesture, turn.state.series
    if table is None or series is None or not series.running:
        return None
    if gesture is not None and gesture.client is None and not table.hold_pressed:
        return end_hold(turn, Over.RELEASED)
    was_up = before.table is not None and not before.table.hold_pressed
    free = gesture is None and turn.state.hold is None and before.hold is None
    if table.hold_pressed and was_up and free:
        return _step_on_pedal(turn, series)
    return None


def _step_on_pedal(turn: Turn, series: Series) -> None:
    if _against_all(turn, series.section, series.actor, series.role):
        return
    intent = turn.take_intent()
    turn.state = replace(
        turn.state,
        gesture=Gesture(
            intent,
            None,
            series.actor,
            series.role,
            Control.SERIES,
            series.section,
            turn.section(series.section).phase,
            pressed_us=turn.now_us,
            heard_us=turn.now_us,
        ),
    )


def _forget_what_did_not_fall(turn: Turn) -> None:
    """A section that is up with its pin in was armed and has not fallen."""
    if turn.state.pending:
        return
    for at in Section:
        section = turn.section(at)
        if section.series is not None and section.phase is Phase.COCKED:
            turn.keep(at, replace(section, series=None))
