"""The worlds in which the core is searched: each a few things that may happen in any order.

One world with everything would never be searched to its end; what one leaves out another has.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from droptable.core import events as ev
from droptable.core.limits import Bounds
from droptable.core.model import Calibration, Control, Phase, Role, SectionState, State, Verb
from droptable.sections import Section
from tests.core.bench import ANN, BOB, CALIBRATION, OTHER_PAGE, PAGE, board, section, settings
from tests.search.core_contract import misjudged
from tests.search.core_seen import MS, S
from tests.search.core_world import (
    START_US,
    Move,
    Passes,
    Story,
    World,
    asked,
    key_of,
    press,
    results,
    said,
    take,
    touches,
)

THORACIC, LUMBAR, _ = Section
PHASES = tuple(phase for phase in Phase if phase is not Phase.UNKNOWN)
SILENCE = Passes(100 * MS, heard=False, held=False)
LONG_SILENCE = Passes(200 * MS, heard=False, held=False)
HALF = Passes(500 * MS)
LET_BE = Passes(500 * MS, held=False)
LONG = Passes(2_000 * MS, held=False)


@dataclass(frozen=True)
class Room:
    """A world: where it begins, and what may happen in it."""

    name: str
    starts: Callable[[], tuple[World, ...]]
    ways: Callable[[World], Iterator[Move]]
    most_transitions: int
    places: tuple[Section, ...] = (THORACIC,)

    def moves(self, world: World) -> Iterator[Move]:
        return self.ways(world)

    def take(self, world: World, move: Move) -> tuple[World, list[str]]:
        after, wrong = take(world, move)
        if not wrong:
            wrong = misjudged(after.core, after.seen, after.now_us, ANN, self.places)
        return after, wrong

    def key(self, world: World) -> Hashable:
        return key_of(world)

    def helps(self, _move: Move) -> bool:
        return False


def _story(bounds: Bounds | None = None) -> Story:
    wanted = settings("BENCH001")
    return Story(State(wanted if bounds is None else replace(wanted, bounds=bounds)))


def _at(*phases: Phase) -> World:
    return _story().ready(*phases).world


def _at_each(*phases: Phase) -> Callable[[], tuple[World, ...]]:
    return lambda: tuple(map(_at, phases))


# Fingers and motions that are on their way


def _held(control: Control, phase: Phase, us: int) -> Story:
    """A finger that has been on a control for so long."""
    return _story().ready(phase).take(press(control), Passes(us))


def _raised() -> Story:
    """A section that a finger raises."""
    return _held(Control.COCK, Phase.LOCKED, 510 * MS).taken().take(said(Phase.COCKING))


def _one_section_starts() -> tuple[World, ...]:
    arms = _held(Control.ARM, Phase.COCKED, S)
    lowers = _story().ready(Phase.COCKED).take(asked(ev.Do(Verb.LOCK, THORACIC)))
    lowers.taken().take(said(Phase.LOWERING))
    return (_at(Phase.LOCKED), _at(Phase.COCKED), arms.world, _raised().world, lowers.world)


def _two_people_starts() -> tuple[World, ...]:
    armed = _story().ready(Phase.COCKED, client=None).take(asked(ev.Do(Verb.ARM, THORACIC)))
    asks = _story().ready(Phase.COCKED).take(asked(ev.TakeOverLease(OTHER_PAGE), BOB))
    return (_at(Phase.COCKED), armed.taken().take(said(Phase.ARMED)).world, asks.world)


def _stop_starts() -> tuple[World, ...]:
    wanted = _story().ready(Phase.COCKED).take(ev.StopAsked("page"))
    stopped = _story().ready(Phase.COCKED).take(said(Phase.COCKED, stopped=True))
    resetting = stopped.take(asked(ev.ResetStop()))
    lowers = _held(Control.LOCK, Phase.COCKED, 510 * MS)
    return (_at(Phase.COCKED), wanted.world, resetting.world, lowers.world)


def _link_starts() -> tuple[World, ...]:
    return (_at(Phase.COCKED), _raised().world)


def _two_sections_starts() -> tuple[World, ...]:
    return (_at(Phase.COCKED), _held(Control.ARM, Phase.COCKED, S).world)


# One section, its finger and its board


def _one_section(world: World) -> Iterator[Move]:
    yield from (said(phase) for phase in PHASES)
    yield from results(world, 0, 1)
    yield from (press(control) for control in (Control.COCK, Control.LOCK, Control.ARM))
    yield from touches(world)
    for verb in (Verb.COCK, Verb.ARM, Verb.LOCK, Verb.DISARM):
        yield asked(ev.Do(verb, THORACIC))
    yield ev.StopAsked("page")
    yield from (SILENCE, LONG_SILENCE, HALF, LET_BE)


# A finger, to the microsecond


def _fingers(world: World) -> Iterator[Move]:
    yield from (press(control) for control in (Control.COCK, Control.LOCK, Control.ARM))
    yield press(Control.ARM, client=OTHER_PAGE)
    yield press(Control.COCK, actor=BOB)
    yield press(Control.ARM, current=False)
    yield from touches(world)
    yield from (ev.Hidden(PAGE), ev.ClientLost(PAGE), ev.Alive(PAGE))
    finger = world.seen.finger
    if finger is not None:
        yield ev.CommitAsked(OTHER_PAGE, finger.intent)
        yield ev.Released(finger.client, finger.intent + 1)
        for us in (500 * MS, 900 * MS, 3_000 * MS):
            for at_us in (finger.pressed_us + us - 1, finger.pressed_us + us + 1):
                if at_us > world.now_us:
                    yield Passes(at_us - world.now_us)
                    yield Passes(at_us - world.now_us - 1) if at_us - 1 > world.now_us else LET_BE
        for at_us in (finger.heard_us + 250 * MS, finger.heard_us + 250 * MS + 1):
            if at_us > world.now_us:
                yield Passes(at_us - world.now_us, held=False)
    yield from (asked(ev.TakeLease(PAGE)), asked(ev.TakeLease(OTHER_PAGE)))
    phase = Phase.UNKNOWN if world.seen.said is None else world.seen.phases[0]
    yield said(Phase.COCKED if phase is not Phase.COCKED else Phase.LOCKED)
    yield from (said(Phase.COCKING), said(Phase.ARMED))
    yield from results(world, 0, 12)


# Two operators


def _two_people(world: World) -> Iterator[Move]:
    for actor, page in ((ANN, PAGE), (BOB, OTHER_PAGE)):
        yield asked(ev.TakeLease(page), actor)
        yield asked(ev.ReleaseLease(), actor)
        yield asked(ev.TakeOverLease(page), actor)
        yield asked(ev.AnswerTakeOver(give=True), actor)
        yield asked(ev.AnswerTakeOver(give=False), actor)
        yield asked(ev.Do(Verb.ARM, THORACIC), actor)
        yield asked(ev.Do(Verb.COCK, THORACIC), actor)
        yield press(Control.LOCK, client=page, actor=actor)
        yield from (ev.Hidden(page), ev.ClientLost(page), ev.Alive(page))
    yield asked(ev.TakeOverLease(), BOB, Role.VIEWER)
    yield asked(ev.TakeLease(OTHER_PAGE), BOB, Role.VIEWER)
    yield from (said(phase) for phase in (Phase.LOCKED, Phase.COCKED, Phase.ARMED, Phase.COCKING))
    yield from results(world, 0)
    yield asked(ev.SetTension(THORACIC, 1500))
    yield from (HALF, LONG, Passes(9_900 * MS, held=False), SILENCE)


# STOP, and its end


def _stop(world: World) -> Iterator[Move]:
    yield ev.StopAsked("page")
    yield from results(world, 0, 1)
    yield ev.ResultHeard(60_000, 0)
    yield asked(ev.ResetStop())
    yield asked(ev.ResetStop(), BOB)
    for phase in (Phase.LOCKED, Phase.COCKED, Phase.ARMED, Phase.HALTED, Phase.LOWERING):
        yield said(phase, stopped=True)
        yield said(phase)
    yield said(Phase.COCKED, stopped=True, estop_open=True)
    yield said(Phase.COCKED, stopped=True, hold_pressed=True)
    yield asked(ev.Do(Verb.ARM, THORACIC))
    yield from (press(Control.LOCK), press(Control.ARM))
    yield from (ev.SessionOver(), ev.StreamOpened(), ev.WentStale())
    yield ev.SessionOpened(board(), restarted=False)
    yield ev.RoundTrip(MS)
    yield from (SILENCE, Passes(20 * MS, heard=False), HALF, Passes(49 * MS, heard=False))


# The link


def _link(world: World) -> Iterator[Move]:
    yield from (ev.StreamOpened(), ev.SessionOver(), ev.WentStale())
    yield ev.SessionOpened(board(), restarted=False)
    yield ev.SessionOpened(board(boot_id=2), restarted=True)
    yield ev.SessionOpened(board(hw_id="OTHER001"), restarted=False)
    yield ev.LinkTrouble("LINK_VANISHED", "gone")
    yield ev.LinkTrouble("LINK_VERSION", "2", refused=True)
    yield from (ev.RoundTrip(MS), ev.RoundTrip(99_999), ev.RoundTrip(100_000))
    yield from (said(phase) for phase in (Phase.LOCKED, Phase.COCKED, Phase.ARMED, Phase.COCKING))
    yield said(Phase.UNKNOWN)
    yield from results(world, 0)
    yield asked(ev.TakeLease(PAGE))
    for verb in (Verb.ARM, Verb.COCK, Verb.HOME, Verb.DISARM):
        yield asked(ev.Do(verb, THORACIC))
    yield from (press(Control.COCK), press(Control.ARM))
    yield from touches(world)
    yield from (SILENCE, LONG_SILENCE, HALF, Passes(159 * MS), Passes(151 * MS, heard=False))


# Faults, and contacts that lie


def _lying() -> Iterator[SectionState]:
    for phase in (Phase.COCKED, Phase.LOCKED, Phase.UNKNOWN, Phase.HALTED):
        for up, down, pin_in in ((True, True, True), (False, False, True), (True, False, False)):
            yield replace(section(phase), up=up, down=down, pin_in=pin_in)
    yield replace(section(Phase.UNKNOWN), phase_number=77)
    yield from (replace(section(Phase.COCKED), load_dn=load) for load in (None, 1_499, -20))
    yield from (replace(section(Phase.COCKED), tension_dn=dn) for dn in (None, 1_000, 1_505))


LYING = tuple(_lying())
FAULTS = (*range(1, 17), 200)


def _faults(world: World) -> Iterator[Move]:
    yield from (said(section(Phase.FAULT, fault=number)) for number in FAULTS)
    yield from (said(each) for each in LYING)
    yield said(Phase.LOCKED, section(Phase.FAULT, fault=13))
    yield said(Phase.ARMED, Phase.ARMED)
    for phase in (Phase.LOCKED, Phase.COCKED, Phase.ARMED):
        yield said(phase)
    yield said(Phase.COCKED, stopped=True)
    for role in (Role.OPERATOR, Role.TECHNICIAN):
        yield asked(ev.Do(Verb.CLEAR_FAULT, THORACIC), role=role)
    for verb in (Verb.ARM, Verb.COCK, Verb.HOME, Verb.LOCK):
        yield asked(ev.Do(verb, THORACIC))
    yield asked(ev.Do(Verb.LOCK, LUMBAR))
    yield asked(ev.ResetStop())
    yield ev.SessionOpened(board(boot_id=2), restarted=True)
    yield from results(world, 0, 1)
    yield from (press(Control.ARM), HALF, LONG_SILENCE, asked(ev.TakeLease(PAGE)))


# A series


def _series_starts() -> tuple[World, ...]:
    own = asked(ev.StartOwnSeries("s", THORACIC, 2, 20 * S))
    started = _story().ready(Phase.LOCKED).take(own)
    cocked = _story().ready(Phase.COCKED).take(own)
    held = _story().ready(Phase.COCKED).take(own, press(Control.SERIES), Passes(910 * MS)).taken()
    foot = _story().ready(Phase.LOCKED).take(own, said(Phase.LOCKED, hold_pressed=True))
    foot.take(Passes(510 * MS)).taken().take(said(Phase.COCKING, hold_pressed=True))
    armed = _story().ready(Phase.COCKED).take(own, said(Phase.COCKED, hold_pressed=True))
    armed.take(Passes(910 * MS)).taken().take(said(Phase.ARMED, hold_pressed=True))
    last = _story().ready(Phase.COCKED).take(asked(ev.StartOwnSeries("l", THORACIC, 1, 20 * S)))
    last.take(press(Control.SERIES), Passes(910 * MS)).taken().take(said(Phase.ARMED))
    short = _story().ready(Phase.LOCKED).take(asked(ev.StartOwnSeries("b", THORACIC, 2, S)))
    short.take(Passes(600 * MS))
    told = (started, cocked, held, foot, armed, last, short)
    return tuple(story.world for story in told)


def _drop(world: World, kind: int = 7) -> ev.BoardEventHeard:
    events = world.core.events
    return ev.BoardEventHeard(events.boot_id, events.next_seq, 5 * S, kind, 0, 9, 9, 9)


def _series(world: World) -> Iterator[Move]:
    yield asked(ev.StartOwnSeries("t", THORACIC, 1, 3 * S))
    yield asked(ev.StartSeries("p", "three"))
    yield asked(ev.EndSeries(), BOB)
    yield press(Control.SERIES)
    yield from touches(world)
    for phase in (
        Phase.LOCKED,
        Phase.COCKING,
        Phase.COCKED,
        Phase.ARMED,
        Phase.DROPPED,
        Phase.HALTED,
        Phase.FAULT,
    ):
        yield said(phase)
    phase = world.seen.phases[0] if world.seen.said is not None else Phase.LOCKED
    yield said(phase, hold_pressed=True)
    yield said(phase, hold_pressed=True, maintenance=True)
    yield from results(world, 0, 1)
    if world.core.events.next_seq - world.core.events.committed_seq < 4:
        yield from (_drop(world), _drop(world, kind=6))
    yield from (ev.StopAsked("page"), ev.Hidden(PAGE), ev.Alive(PAGE))
    yield from (HALF, Passes(400 * MS), LET_BE, LONG_SILENCE, asked(ev.Do(Verb.COCK, THORACIC)))


# What stands against it


def _spoiled_starts() -> tuple[World, ...]:
    bounds = Bounds(700, arms_per_minute_max=1, coil_duty_max_percent=13)
    armed = _story(bounds).ready(Phase.COCKED).take(asked(ev.Do(Verb.ARM, THORACIC))).taken()
    driven = _story(bounds).ready(Phase.LOCKED).take(said(Phase.ARMED), Passes(14 * S, held=False))
    commanded = Story(State(replace(settings(), bounds=bounds))).ready(Phase.COCKED)
    return (
        _at(Phase.LOCKED),
        _at(Phase.COCKED),
        _at(Phase.HALTED),
        _at(Phase.ARMED),
        _story().ready(Phase.COCKED).take(said(Phase.COCKED, stopped=True)).world,
        _story().ready(Phase.LOCKED).take(said(Phase.UNKNOWN)).world,
        _story().ready(Phase.LOCKED).take(said(section(Phase.FAULT, fault=5))).world,
        armed.take(said(Phase.COCKED)).world,
        driven.take(said(Phase.LOCKED), asked(ev.TakeLease(PAGE))).world,
        commanded.world,
    )


SPOILT = {"supply_low", "air_low", "maintenance", "params_incomplete", "events_half_full"}
FLAGS = sorted(SPOILT | {"estop_open", "hold_pressed", "stopped"})
CALIBRATIONS = (
    None,
    Calibration("c", "OTHER001", expires_us=10**15),
    Calibration("c", "BENCH001", expires_us=START_US + 1),
)


def _spoilt(world: World) -> Iterator[Move]:
    claim = world.claim
    if claim is not None:
        for flag in FLAGS:
            yield replace(claim, table=replace(claim.table, **{flag: True}))
        first, second, third = claim.sections
        for phase in (Phase.ARMED, Phase.LOWERING, Phase.FAULT):
            yield replace(claim, sections=(first, section(phase), third))
        yield replace(claim, sections=(replace(first, up=True, down=True), second, third))
        for load_dn in (None, 2_000, 790, 200):
            yield replace(claim, sections=(replace(first, load_dn=load_dn), second, third))
        yield replace(claim, sections=(replace(first, tension_dn=900), second, third))
    yield from (ev.JournalHealth(failed=True), ev.DiskLooked(None), ev.DiskLooked(199))
    yield from (ev.LoopLooked(100_000), ev.LoopLooked(99_999), ev.Closing())
    for calibration in CALIBRATIONS:
        yield ev.CalibrationChanged((calibration, CALIBRATION, CALIBRATION))
    yield from (_drop(world, kind=4), ev.RoundTrip(100_000), ev.StopAsked("page"))
    yield from (ev.SessionOver(), ev.LinkTrouble("LINK_VERSION", "2", refused=True), ev.WentStale())
    yield ev.SessionOpened(board(boot_id=2), restarted=True)
    yield ev.SessionOpened(board(hw_id="OTHER001"), restarted=False)
    yield ev.SessionOpened(board(simulator=False), restarted=False)
    yield ev.SessionOpened(board({}), restarted=False)
    yield from (asked(ev.TakeOverLease(), BOB), asked(ev.ReleaseLease()))
    yield from (asked(ev.TakeLease(PAGE)), asked(ev.TakeLease(), BOB))
    for verb in Verb:
        if verb is not Verb.RESET_STOP:
            yield asked(ev.Do(verb, THORACIC))
    yield asked(ev.Do(Verb.COCK, THORACIC), role=Role.VIEWER)
    yield from (asked(ev.ResetStop()), asked(ev.SetTension(THORACIC, 1_600)))
    yield from results(world, 0)
    yield Passes(S)


# Two sections


def _two_sections(world: World) -> Iterator[Move]:
    now = world.seen.phases if world.seen.said is not None else (Phase.LOCKED,) * 3
    for phase in (Phase.LOCKED, Phase.COCKED, Phase.ARMED, Phase.COCKING, Phase.DROPPED):
        yield said(phase, now[1])
        yield said(now[0], phase)
    for at in (THORACIC, LUMBAR):
        for verb in (Verb.COCK, Verb.ARM, Verb.DISARM):
            yield asked(ev.Do(verb, at))
        yield press(Control.ARM, at)
        yield press(Control.COCK, at)
    yield from touches(world)
    yield from results(world, 0, 1)
    yield from (HALF, LET_BE, SILENCE)


# The end of the daemon


def _ending(world: World) -> Iterator[Move]:
    yield ev.Closing()
    yield ev.StopAsked("page")
    for phase in (Phase.LOCKED, Phase.COCKED, Phase.ARMED, Phase.COCKING):
        yield said(phase)
    yield said(Phase.LOCKED, stopped=True)
    yield asked(ev.TakeLease(PAGE))
    yield asked(ev.TakeOverLease(OTHER_PAGE), BOB)
    yield from (asked(ev.Do(verb, THORACIC)) for verb in (Verb.COCK, Verb.ARM, Verb.DISARM))
    yield press(Control.COCK)
    yield from results(world, 0)
    yield from (SILENCE, LONG_SILENCE, HALF, Passes(299 * MS), ev.SessionOver())


BOTH = (THORACIC, LUMBAR)
ROOMS = (
    Room("one section", cache(_one_section_starts), _one_section, 3_000),
    Room("fingers", cache(_at_each(Phase.COCKED)), _fingers, 3_000),
    Room("two people", cache(_two_people_starts), _two_people, 3_000),
    Room("STOP", cache(_stop_starts), _stop, 3_000),
    Room("the link", cache(_link_starts), _link, 3_000),
    Room("faults", cache(_at_each(Phase.COCKED)), _faults, 3_000),
    Room("a series", cache(_series_starts), _series, 3_000),
    Room("what stands against it", cache(_spoiled_starts), _spoilt, 3_000, BOTH),
    Room("two sections", cache(_two_sections_starts), _two_sections, 3_000, BOTH),
    Room("the end", cache(_at_each(Phase.COCKED, Phase.ARMED)), _ending, 3_000),
)
