"""Makes the snapshot that people and programs are shown out of the core's state. Pure.

Whatever is not known is shown as null and UNKNOWN, never as its last value: except the last drop,
which is past and stays true.
"""

from typing import Literal

from droptable.core.faults import fault_text
from droptable.core.model import Drop, Health, Link, Phase, SectionState, State
from droptable.core.readiness import Question, Wish, reasons
from droptable.core.reasons import Reason
from droptable.daemon.snapshot import (
    DropShown,
    FaultShown,
    LeaseShown,
    LinkShown,
    ReadyShown,
    ReasonShown,
    SectionShown,
    SectionsShown,
    Snapshot,
    StopShown,
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
        ),
        journal="failed" if state.journal_failed else "ok",
        sections=SectionsShown(thoracic=thoracic, lumbar=lumbar, pelvic=pelvic),
    )


def reasons_shown(found: tuple[Reason, ...]) -> tuple[ReasonShown, ...]:
    """The core's reasons as people are shown them."""
    return tuple(ReasonShown(code=r.code, text=r.text, remedy=r.remedy) for r in found)


def ready_shown(state: State, section: Section, now_us: int) -> ReadyShown:
    """Every reason against each action at one section, for whoever has the lease."""
    actor = None if state.lease is None else state.lease.holder

    def against(wish: Wish) -> tuple[ReasonShown, ...]:
        return reasons_shown(reasons(Question(state, now_us, wish, section, actor)))

    return ReadyShown(cock=against(Wish.COCK), arm=against(Wish.ARM), lock=against(Wish.LOCK))


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


def _fault(section: SectionState) -> FaultShown | None:
    if section.phase is not Phase.FAULT:
        return None
    known = fault_text(section.fault)
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
