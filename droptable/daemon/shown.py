"""Makes the snapshot that people and programs are shown out of the core's state. Pure.

Whatever is not known is shown as null and UNKNOWN, never as its last value: except the last drop,
which is past and stays true.
"""

from functools import lru_cache
from typing import Literal

from droptable.core.faults import fault_named, fault_of
from droptable.core.limits import Preset
from droptable.core.model import (
    Drop,
    Health,
    LegLength,
    Link,
    Phase,
    Role,
    SectionState,
    Standing,
    State,
)
from droptable.core.readiness import Question, Wish, reasons
from droptable.core.reasons import Reason
from droptable.daemon.snapshot import (
    DropShown,
    FaultShown,
    GestureShown,
    LeaseShown,
    LegLengthShown,
    LinkShown,
    PresetShown,
    ReadyShown,
    ReasonShown,
    SectionShown,
    SectionsShown,
    SeriesShown,
    Snapshot,
    StandingShown,
    StopShown,
    TakeOverShown,
    TensionShown,
)
from droptable.errors import PROBLEMS
from droptable.sections import Section

TENSION_SET_KEY = 11


def snapshot_of(state: State, now_us: int, *, table: str, boot: str, state_seq: int) -> Snapshot:
    """The whole table at `now_us`. Readiness is that of whoever has the lease."""
    link = state.link
    live = link.health is Health.LIVE
    thoracic, lumbar, pelvic = (_section(state, at, now_us) for at in Section)
    known = state.table
    return Snapshot(
        schema="state/1",
        table=table,
        boot=boot,
        state_seq=state_seq,
        age_ms=None if link.status_us is None else (now_us - link.status_us) // 1000,
        link=_link(link),
        stop=StopShown(
            latched=known.stopped if known is not None and live else None,
            unconfirmed=state.stop_wanted is not None,
            estop_open=known.estop_open if known is not None and live else None,
        ),
        lease=LeaseShown(
            holder=None if state.lease is None else state.lease.holder,
            expires_ms=_left_ms(state.lease_until_us, now_us),
            take_over=_take_over(state, now_us),
        ),
        journal="failed" if state.journal_failed else "ok",
        faults=tuple(map(_standing, state.faults)),
        gesture=_gesture(state, now_us),
        series=series_shown(state, now_us),
        sections=SectionsShown(thoracic=thoracic, lumbar=lumbar, pelvic=pelvic),
    )


def reasons_shown(found: tuple[Reason, ...]) -> tuple[ReasonShown, ...]:
    """The core's reasons as people are shown them."""
    return tuple(map(_reason, found))


@lru_cache(maxsize=512)
def _reason(found: Reason) -> ReasonShown:
    """The same few are shown again and again: making them is most of the work of a snapshot."""
    return ReasonShown(code=found.code, text=found.text, remedy=found.remedy, doc=found.doc)


def ready_shown(state: State, section: Section, now_us: int) -> ReadyShown:
    """Every reason against each action at one section, for whoever has the lease."""
    actor = None if state.lease is None else state.lease.holder

    def against(wish: Wish) -> tuple[ReasonShown, ...]:
        # Who has the lease is an operator, or it would not have been given.
        question = Question(state, now_us, wish, section, actor, role=Role.OPERATOR)
        return reasons_shown(reasons(question))

    return ReadyShown(cock=against(Wish.COCK), arm=against(Wish.ARM), lock=against(Wish.LOCK))


def presets_shown(state: State) -> tuple[PresetShown, ...]:
    """Every preset, with the tension that it means for whoever lies there."""
    return tuple(
        PresetShown(
            name=name,
            text=preset.text,
            section=preset.section.label,
            drops=preset.drops,
            window_s=preset.window_us / 1_000_000,
            tension_offset_n=preset.tension_offset_dn / 10,
            tension_n=_newton(_meant_dn(state.sections[preset.section], preset)),
        )
        for name, preset in state.settings.presets.items()
    )


def series_shown(state: State, now_us: int) -> SeriesShown | None:
    """The series that runs, or the last one."""
    series = state.series
    if series is None:
        return None
    return SeriesShown(
        id=series.id,
        by=series.actor,
        section=series.section.label,
        preset=series.preset,
        drops=series.drops,
        done=series.done,
        left_ms=max(0, (series.until_us - now_us) // 1000) if series.running else 0,
        ended=series.ended,
        before=_leg_length(series.before),
        after=_leg_length(series.after),
    )


def _leg_length(found: LegLength | None) -> LegLengthShown | None:
    if found is None:
        return None
    return LegLengthShown(shorter=found.shorter, millimetres=found.by_um / 1000)


def _meant_dn(section: SectionState, preset: Preset) -> int | None:
    return None if section.load_dn is None else section.load_dn + preset.tension_offset_dn


def _take_over(state: State, now_us: int) -> TakeOverShown | None:
    pending = state.take_over
    if pending is None:
        return None
    return TakeOverShown(by=pending.actor, expires_ms=max(0, (pending.until_us - now_us) // 1000))


def _gesture(state: State, now_us: int) -> GestureShown | None:
    gesture = state.gesture
    if gesture is None:
        return None
    return GestureShown(
        by=gesture.actor,
        means="pedal" if gesture.client is None else "page",
        action=gesture.control.value,
        section=gesture.section.label,
        held_ms=(now_us - gesture.pressed_us) // 1000,
        begun=gesture.begun,
    )


def _section(state: State, at: Section, now_us: int) -> SectionShown:
    section = state.sections[at]
    return SectionShown(
        phase=section.phase.name,
        fault=_fault(section),
        height=_height(section),
        load_n=_newton(section.load_dn),
        tension=TensionShown(
            set_n=_tension_set_n(state, at),
            measured_n=_newton(section.tension_dn),
            confirmed=section.tension_confirmed,
        ),
        armed_until_ms=_left_ms(section.armed_until_us, now_us),
        last_drop=_drop(section.last_drop),
        ready=ready_shown(state, at, now_us),
    )


def _standing(standing: Standing) -> StandingShown:
    known = fault_named(standing.code)
    return StandingShown(
        code=standing.code,
        section=None if standing.section is None else standing.section.label,
        text=known.text,
        remedy=known.remedy,
        cleared=known.clearing.label,
    )


def _fault(section: SectionState) -> FaultShown | None:
    if section.phase is not Phase.FAULT:
        return None
    known = fault_of(section.fault)
    return FaultShown(code=known.code, text=known.text, remedy=known.remedy)


def _height(section: SectionState) -> Literal["up", "down", "between", "unknown"]:
    if section.phase is Phase.UNKNOWN or (section.up and section.down):
        return "unknown"
    if section.up:
        return "up"
    return "down" if section.down else "between"


def _tension_set_n(state: State, at: Section) -> float | None:
    """What the board was told; not known unless the board is heard."""
    if state.link.health is not Health.LIVE:
        return None
    return _newton(state.params.values.get((int(at), TENSION_SET_KEY)))


def _drop(drop: Drop | None) -> DropShown | None:
    if drop is None:
        return None
    return DropShown(
        seq=drop.seq,
        time=drop.time,
        fall_ms=drop.fall_us / 1000 if drop.fall_us else None,
        peak_n=drop.peak_dn / 10,
        release_n=drop.release_dn / 10,
    )


def _link(link: Link) -> LinkShown:
    board = link.board
    return LinkShown(
        state=link.health.value,
        problem=_problem(link),
        board=None if board is None else board.hw_id,
        firmware=None if board is None else board.firmware,
        simulator=board is not None and board.simulator,
        round_trip_ms=None if link.round_us is None else link.round_us / 1000,
    )


def _problem(link: Link) -> str | None:
    """What is wrong and what to do, while there is no session."""
    if link.trouble is None or link.health is Health.LIVE:
        return None
    problem = PROBLEMS[link.trouble]
    return f"{problem.code}: {link.trouble_detail}. {problem.meaning} {problem.remedy}"


def _newton(force_dn: int | None) -> float | None:
    return None if force_dn is None else force_dn / 10


def _left_ms(until_us: int | None, now_us: int) -> int | None:
    return None if until_us is None else max(0, (until_us - now_us) // 1000)
