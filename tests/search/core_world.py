"""The core in a small world: what may come in, how time passes, and which worlds are one."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.model import Control, Phase, Role, State, Verb
from droptable.core.readiness import Wish
from droptable.core.step import at_rest, step, wake_us
from droptable.sections import Section
from tests.core.bench import ANN, CALIBRATION, COMPLETE, PAGE, TABLE, UPKEEP, board, section
from tests.search.core_contract import judge
from tests.search.core_refusals import Asks, against
from tests.search.core_seen import MS, S, Seen, followed, heard

START_US = 1_000 * S
GRAIN_US = 10 * MS
"""Ages are told apart by this much."""


@dataclass(frozen=True, slots=True)
class World:
    """The core, and what was seen of it."""

    core: State
    now_us: int = START_US
    seen: Seen = field(default_factory=Seen)
    claim: ev.StatusHeard | None = None
    """What the board would say again."""
    asked: int = 0
    """How often somebody asked for something."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Time, with a STATUS every 100 ms if the board is heard, and a word of every finger that stays."""

    us: int
    heard: bool = True
    held: bool = True


Move = ev.Event | Passes


def advance(world: World, event: ev.Event) -> tuple[World, tuple[do.Effect, ...], list[str]]:
    """One step of the core, and what is wrong about it."""
    now_us, number = world.now_us, world.asked
    if isinstance(event, ev.Asked):
        number += 1
        event = replace(event, request=number)
    core, did = step(world.core, event, now_us)
    mid = heard(world.seen, event, now_us)
    seen = followed(mid, event, did, now_us)
    claim = event if isinstance(event, ev.StatusHeard) else world.claim
    wrong = judge(event, mid, core, seen, did, now_us)
    return World(core, now_us, seen, claim, number), did, wrong


def take(world: World, move: Move) -> tuple[World, list[str]]:
    """What follows from a move."""
    if not isinstance(move, Passes):
        after, _, wrong = advance(world, move)
        return after, wrong
    return _pass(world, move)


def _pass(world: World, passes: Passes) -> tuple[World, list[str]]:
    until_us, wrong = world.now_us + passes.us, list[str]()
    while world.now_us < until_us and not wrong:
        ends = [until_us, world.now_us + 100 * MS if passes.heard else until_us]
        due_us = wake_us(world.core)
        ends += () if due_us is None else (due_us,)
        world = replace(world, now_us=min(ends))
        said = _said_again(world) if passes.heard else None
        finger = world.seen.finger if passes.held else None
        for event in (
            ev.TimePassed(),
            None if finger is None else ev.Holding(finger.client, finger.intent),
            said,
        ):
            if event is not None and not wrong:
                world, _, wrong = advance(world, event)
    return world, wrong


def _said_again(world: World) -> ev.StatusHeard | None:
    return world.claim if world.seen.board is not None else None


# Which worlds are one


def key_of(world: World) -> Hashable:
    """What tells one world from another, as far as anything depends on it."""
    core, seen, now_us = world.core, world.seen, world.now_us

    def age(at_us: int | None, most_us: int) -> int | None:
        return None if at_us is None else min(now_us - at_us, most_us) // GRAIN_US

    def left(at_us: int | None) -> int | None:
        return None if at_us is None else (at_us - now_us) // GRAIN_US

    link, lease, asker, gesture, hold, series = (
        core.link,
        core.lease,
        core.take_over,
        core.gesture,
        core.hold,
        core.series,
    )
    return (
        (link.health, link.board, link.trouble, link.slow, link.round_us is None),
        (age(link.status_us, 151 * MS), age(link.opened_us, 160 * MS)),
        (core.table, _sections(core)),
        lease and (lease.holder, lease.client, left(core.lease_until_us)),
        asker and (asker.actor, asker.client, left(asker.until_us)),
        gesture
        and (
            gesture.client,
            gesture.actor,
            gesture.control,
            gesture.section,
            gesture.phase,
            gesture.begun,
            age(gesture.pressed_us, 3010 * MS),
            age(gesture.heard_us, 260 * MS),
        ),
        hold
        and (
            hold.section,
            hold.moving,
            hold.begun,
            hold.pedal,
            hold.intent is None,
            left(hold.until_us),
        ),
        series
        and (
            series.running
            and (
                series.section,
                series.drops - series.done,
                left(series.until_us),
                age(series.rested_us, 510 * MS),
            )
        ),
        tuple((p.verb, p.section, p.finger is None, age(p.sent_us, S)) for p in core.pending),
        core.tension_pending and age(core.tension_pending.sent_us, S),
        core.fall_back and age(core.fall_back.sent_us, S),
        core.stop_wanted and (core.stop_wanted.answered, age(core.stop_wanted.sent_us, S)),
        (core.params.stage, core.params.todo, core.params.rounds, len(core.params.values)),
        (core.events.next_seq - core.events.committed_seq, core.journal_failed),
        tuple(sorted((each.code, each.section) for each in core.faults) if core.faults else ()),
        (core.patient.gone, core.patient.unloaded_us is None),
        tuple(each and (each.hw_id, each.expires_us <= now_us) for each in core.calibrations),
        (core.upkeep, age(core.closing_us, 310 * MS)),
        (len(core.arms_us) >= core.settings.bounds.arms_per_minute_max),
        (seen.said is None, seen.stop is None, seen.stop and seen.stop.answered),
        (seen.armed_for is None, seen.pedal_us is None, seen.finger and seen.finger.used),
        (seen.run is None, seen.series is None, seen.beat, world.claim),
        (core.withdrawn, core.fall_back_tries.failed, seen.armed),
        tuple(
            (each.actor, left(each.until_us)) for each in core.turned_down if each.until_us > now_us
        ),
    )


def _sections(core: State) -> Hashable:
    return tuple(
        replace(
            each,
            armed_until_us=None,
            armed_board_us=None,
            last_drop=None,
        )
        for each in core.sections
    )


# What comes in


def said(*phases: Phase | object, **table: bool) -> ev.StatusHeard:
    """What a sound board says when its first sections are in these phases, the others LOCKED."""
    three = [*phases, *(Phase.LOCKED,) * 3][:3]
    sections = [each if not isinstance(each, Phase) else section(each) for each in three]
    thoracic, lumbar, pelvic = sections
    return ev.StatusHeard(replace(TABLE, **table), (thoracic, lumbar, pelvic))  # type: ignore[arg-type]


def asked(action: ev.Action, actor: str = ANN, role: Role = Role.OPERATOR) -> ev.Asked:
    return ev.Asked(1, actor, action, role)


def press(
    control: Control,
    at: Section = Section.THORACIC,
    *,
    client: int = PAGE,
    actor: str = ANN,
    current: bool = True,
) -> ev.Pressed:
    return ev.Pressed(client, actor, Role.OPERATOR, control, at, current)


def results(world: World, *codes: int) -> Iterator[ev.Event]:
    """What a board may answer to what is out, the STOP among it."""
    ids = [each.cmd_id for each in world.seen.out]
    ids += [] if world.seen.stop is None else [world.seen.stop.cmd_id]
    for cmd_id in ids:
        yield from (ev.ResultHeard(cmd_id, code) for code in codes)


def touches(world: World) -> Iterator[ev.Event]:
    """What a page may say of the newest finger, whether it is still there or not."""
    intent = world.core.next_intent - 1
    if intent:
        client = PAGE if world.seen.finger is None else world.seen.finger.client
        yield ev.Released(client, intent)
        yield ev.CommitAsked(client, intent)
        yield ev.Holding(client, intent)


# Beginnings


class Story:
    """How a world came to be: real steps, each of them judged."""

    def __init__(self, core: State) -> None:
        self.world = World(core)
        self.steps = 0

    def take(self, *moves: Move) -> "Story":
        for move in moves:
            self.steps += 1
            if isinstance(move, Passes):
                self.world, wrong = take(self.world, move)
            else:
                self.world, did, wrong = advance(self.world, move)
                self._answer(did)
            assert not wrong, (move, wrong)
        return self

    def _answer(self, did: Sequence[do.Effect]) -> None:
        """A board that says and takes its parameters."""
        for effect in did:
            if isinstance(effect, do.SendParamGet):
                at = (effect.section, effect.key)
                self.take(ev.ParamHeard(effect.cmd_id, *at, COMPLETE[at]))
            elif isinstance(effect, do.SendParamSet):
                self.take(ev.ParamHeard(effect.cmd_id, effect.section, effect.key, effect.value))

    def taken(self) -> "Story":
        """The board takes what is out."""
        return self.take(*results(self.world, 0))

    def ready(self, *phases: Phase, client: int | None = PAGE) -> "Story":
        """A sound table, its sections in `phases`, and ann, who has the lease and set the tensions."""
        self.take(
            ev.CalibrationChanged((CALIBRATION,) * 3),
            ev.DiskLooked(UPKEEP.disk_free_mb),
            ev.LoopLooked(0),
            ev.StreamOpened(),
            ev.SessionOpened(board(), restarted=False),
            said(*phases),
            ev.RoundTrip(MS),
            Passes(200 * MS),
            asked(ev.TakeLease(client)),
        )
        for at in Section:
            if phases[at : at + 1] not in ((Phase.ARMED,), (Phase.COCKING,)):
                self.take(asked(ev.SetTension(at, 1500)))
        return self


def home(world: World) -> tuple[int, list[str]]:
    """In how many steps people of good will, with a sound board, make the table usable; and what fails.

    They let go, restart the board, wait until whoever has the lease is gone, look at every section,
    take back the stop, and set the tensions. A daemon that is ending has to be at rest, no more.
    """
    story = Story(world.core)
    story.world = world
    boot_id = world.core.events.boot_id + 1
    resting = said(Phase.UNKNOWN, Phase.UNKNOWN, Phase.UNKNOWN, stopped=True)
    # Who asks for the lease gets it, and is gone; coils are counted for two minutes.
    story.take(ev.StopAsked("page"), ev.StreamOpened())
    story.take(ev.SessionOpened(board(boot_id=boot_id), restarted=True), ev.RoundTrip(MS), resting)
    story.taken().take(
        resting,
        Passes(121 * S, heard=False, held=False),
        resting,
        ev.JournalHealth(failed=False),
        ev.LoopLooked(0),
    )
    story.take(ev.DiskLooked(10_000), ev.CalibrationChanged((CALIBRATION,) * 3))
    story.take(Passes(200 * MS, held=False))
    if world.core.closing:
        return story.steps, [] if at_rest(story.world.core) else ["an ending daemon is not at rest"]
    story.take(asked(ev.TakeLease(PAGE)))
    for at in Section:
        story.take(asked(ev.Do(Verb.HOME, at))).taken()
        story.take(asked(ev.Do(Verb.CLEAR_FAULT, at), role=Role.TECHNICIAN)).taken()
    story.take(said(stopped=True), asked(ev.ResetStop())).taken().take(said())
    for at in Section:
        story.take(asked(ev.SetTension(at, 1500)))
    core, seen = story.world.core, story.world.seen
    left = against(Asks(core, seen, story.world.now_us, Wish.COCK, Section.THORACIC, ANN))
    usable = at_rest(core) and seen.stop is None and not left
    return story.steps, [] if usable else [f"{sorted(left)} is left for ever"]
