"""Cores with one mistake each, that the search must find: every check of every wish, every guard.

A mistake changes nothing before it is met. So each is searched from sound states of the world in
which it can be met, until something is wrong or the budget is used up.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from droptable.core import (
    commands,
    findings,
    gestures,
    licences,
    link_news,
    requests,
    series,
    step,
    stopping,
    take_over,
    turn,
)
from droptable.core.model import Control, Finger, Gesture, Role, State, Verb
from droptable.core.readiness import CHECKS, CHECKS_OF, Question, Wish
from droptable.core.turn import Turn
from droptable.sections import Section
from tests.core.bench import ANN
from tests.search.core_contract import misjudged
from tests.search.core_rooms import Room
from tests.search.core_world import World
from tests.search.harness import Finding, explore

STARTS = 40
BUDGET = 1_500
Where = Callable[[World], bool]


def anywhere(_world: World) -> bool:
    return True


@dataclass(frozen=True)
class Mutant:
    """One mistake: what it sets, in which module or table, and in which world it can be met."""

    name: str
    sets: tuple[tuple[Any, Any, Any], ...]
    room: str
    where: Where = field(default=anywhere, kw_only=True)
    same: str = field(default="", kw_only=True)
    """Why no step tells it from the sound core, if none does."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The core with this mistake."""
        was = [_swap(*each) for each in self.sets]
        try:
            yield
        finally:
            for (target, name, _), value in zip(self.sets, was, strict=True):
                _swap(target, name, value)

    def caught(self, room: Room, states: list[World]) -> Finding | None:
        """What a search of its room finds wrong with it, from sound states where it can be met."""
        met = [world for world in states if self.where(world)]
        starts = met[:: max(1, len(met) // STARTS)]
        with self.applied():
            found = explore(room, starts, most_transitions=BUDGET)
        return found.findings[0] if found.findings else None


@dataclass(frozen=True)
class Unchecked:
    """A wish without one of its checks: what people are told must miss it."""

    at: int
    wish: Wish

    @property
    def name(self) -> str:
        return f"{self.wish.name} without its check {CHECKS[self.at][0].__name__.strip('_')}"

    def caught(self, states: list[World]) -> bool:
        """Whether the second telling contradicts it in some state in which the check speaks."""
        check = CHECKS[self.at][0]
        whole = CHECKS_OF[self.wish]
        for world in states:
            asks = (world.core, world.now_us, self.wish, AT, ANN)
            if not any(check(Question(*asks, posted=True, role=role)) for role in ROLES):
                continue
            CHECKS_OF[self.wish] = tuple(each for each in whole if each is not check)
            try:
                if misjudged(world.core, world.seen, world.now_us, ANN, (AT,)):
                    return True
            finally:
                CHECKS_OF[self.wish] = whole
        return False


AT = Section.THORACIC
ROLES = (Role.OPERATOR, Role.VIEWER)


def _swap(target: Any, name: Any, value: Any) -> Any:
    if isinstance(target, dict):
        was, target[name] = target[name], value
    else:
        was = getattr(target, name)
        setattr(target, name, value)
    return was


UNCHECKED = tuple(
    Unchecked(at, wish)
    for at, (_, wishes) in enumerate(CHECKS)
    for wish in sorted(wishes, key=lambda wish: wish.value)
)


# By hand


def _nothing(*_args: Any, **_fields: Any) -> None:
    return None


def _none(*_args: Any, **_fields: Any) -> tuple[()]:
    return ()


def _never(_state: State) -> None:
    return None


def _commits_and_stays(turn_: Turn, gesture: Gesture) -> None:
    """A commit that leaves the finger where it is."""
    assert gesture.client is not None
    finger = Finger(gesture.client, gesture.intent)
    commands.send_command(turn_, None, Verb.ARM, gesture.section, finger=finger)


def _anyones(turn_: Turn, _client: int, _intent: int) -> Any:
    return turn_.state.gesture


def _renews_for_all(turn_: Turn, _who: Any) -> None:
    lease = turn_.state.lease
    if lease is not None:
        turn_.state = replace(turn_.state, lease=replace(lease, renewed_us=turn_.now_us))


def _ends_only_the_hold(turn_: Turn, *_args: Any) -> None:
    turn_.state = replace(turn_.state, hold=None)


def _ends_only_the_lease(turn_: Turn, _why: str) -> None:
    turn_.state = replace(turn_.state, lease=None)


def _confirms_at_once(turn_: Turn) -> None:
    table = turn_.state.table
    if table is not None and table.stopped:
        turn_.state = replace(turn_.state, stop_wanted=None)
    SOUND_STOP_STATUS(turn_)


def _believes_every_answer(turn_: Turn, result: Any) -> None:
    wanted = turn_.state.stop_wanted
    if wanted is not None and result.code == 0:
        turn_.state = replace(turn_.state, stop_wanted=replace(wanted, answered=True))


def _believes_while_resetting(turn_: Turn, result: Any) -> None:
    wanted = turn_.state.stop_wanted
    if wanted is not None and (wanted.cmd_id, 0) == (result.cmd_id, result.code):
        turn_.state = replace(turn_.state, stop_wanted=replace(wanted, answered=True))


def _anyone_answers(turn_: Turn, asked: Any, answer: Any) -> None:
    pending = turn_.state.take_over
    if pending is not None and answer.give:
        take_over._give(turn_, pending, "given")
    turn_.answer(asked.request)


def _counts_and_goes_on(turn_: Turn, at: Any) -> str | None:
    number = turn_.section(at).series
    turn_.keep(at, replace(turn_.section(at), series=None))
    return number


def _beats_without(**fields: Any) -> Callable[[State], tuple[bool, bool]]:
    """BEATs that do not see one of the things that take the lease out of them."""
    return lambda state: SOUND_BEAT(replace(state, **fields))


def _beats_over_slow_links(state: State) -> tuple[bool, bool]:
    return SOUND_BEAT(replace(state, link=replace(state.link, round_us=1)))


def _beats_for_anyone(state: State) -> tuple[bool, bool]:
    return (state.lease is not None, state.hold is not None)


SOUND_BEAT = turn.beat_flags
SOUND_STOP_STATUS = stopping.follow_status
LONG_US = 10**9


def _beat(name: str, wrong: Callable[[State], tuple[bool, bool]], room: str) -> Mutant:
    return Mutant(name, ((turn, "beat_flags", wrong),), room)


def _fingered(*controls: Control) -> Where:
    """States in which a finger is on one of these controls."""
    return lambda world: world.seen.finger is not None and world.seen.finger.control in controls


def _at_no_page(world: World) -> bool:
    return world.seen.lease is not None and world.seen.lease.client is None


def _wants_stop(world: World) -> bool:
    return world.seen.stop is not None


def _asks_for_it(world: World) -> bool:
    return world.seen.asker is not None


def _runs(world: World) -> bool:
    return world.seen.series is not None


def _finger(name: str, what: str, wrong: Any, room: str = "fingers", **more: Any) -> Mutant:
    return Mutant(name, ((gestures, what, wrong),), room, **more)


def _series(name: str, what: str, wrong: Any, **more: Any) -> Mutant:
    return Mutant(name, ((series, what, wrong),), "a series", **more)


def _stopping(name: str, what: str, wrong: Any, room: str = "STOP", **more: Any) -> Mutant:
    return Mutant(name, ((stopping, what, wrong),), room, **more)


ARM, COCK, LOCK = Control.ARM, Control.COCK, Control.LOCK
FINGERS = (
    _finger("a gap of a second is none", "FINGER_GAP_US", 10**6, where=_fingered(ARM, LOCK)),
    _finger("a touch arms", "ARM_HELD_MIN_US", 0, where=_fingered(ARM)),
    _finger("a finger of 899.999 ms arms", "ARM_HELD_MIN_US", 899_999, where=_fingered(ARM)),
    _finger("a hand that rests on ARM arms", "ARM_HELD_MAX_US", LONG_US, where=_fingered(ARM)),
    _finger("a touch lowers", "RUN_AFTER_US", 0),
    _finger("499.999 ms lower", "RUN_AFTER_US", 499_999, where=_fingered(LOCK)),
    _finger("a finger speaks for another", "_own", _anyones, where=_fingered(ARM, LOCK)),
    _finger("a changed phase ends no gesture", "follow_status", _nothing, where=_fingered(ARM)),
    _finger("no press is judged", "_against_press", _none),
    _finger("no finger is judged", "_against_finger", _none),
    _finger("what was pressed is not judged again", "_against", _none, "one section"),
    _finger("a commit leaves the finger", "_commit", _commits_and_stays, where=_fingered(ARM)),
    _finger("a gesture begins again and again", "note_begun", _nothing, where=_fingered(LOCK)),
    _finger("a hidden page keeps the lease", "_hide", _nothing),
    _finger("a lost socket keeps its finger", "_lose", _nothing),
    _finger("a finger that goes up stays", "end_hold", _nothing, where=_fingered(ARM, LOCK)),
    _finger("no end of a finger is awaited", "deadlines", _none, where=_fingered(ARM, LOCK)),
    _finger("a held control does nothing by itself", "_run_us", _never, where=_fingered(LOCK)),
    _finger("a second socket renews the lease", "renew_by_socket", _renews_for_all, "two people"),
    _finger("a press binds no lease", "bind_lease", _nothing, where=_at_no_page),
    _finger("who asked is kept though gone", "forget_asker", _nothing, "two people"),
)
LICENCES = (
    Mutant("a lease has no end", ((step.licences, "end_what_is_over", _nothing),), "two people"),
    Mutant("anyone renews the lease", ((requests, "renew_lease", _renews_for_all),), "two people"),
    Mutant(
        "a lease is taken from its holder", ((requests, "_held_by_another", _none),), "two people"
    ),
    Mutant("an ending daemon gives leases", ((requests, "_closing", _none),), "the end"),
    Mutant("a motion has no hold", ((commands, "begin_hold", _nothing),), "one section"),
    Mutant(
        "a hold does not end with its motion",
        ((link_news, "follow_hold", _nothing),),
        "one section",
    ),
    Mutant("a finger outlives its hold", ((licences, "end_hold", _ends_only_the_hold),), "fingers"),
    Mutant("a lease ends alone", ((gestures, "end_lease", _ends_only_the_lease),), "fingers"),
    Mutant(
        "a finger is moved with",
        ((requests, "_held", _none),),
        "one section",
        where=_fingered(ARM, LOCK, COCK),
    ),
    Mutant(
        "a page that moves keeps its finger",
        ((licences, "bind_lease", _nothing),),
        "fingers",
        same="requests.py and gestures.py call it by the name that they imported",
    ),
    Mutant("who holds goes on at another page", ((requests, "bind_lease", _nothing),), "fingers"),
)
TAKE_OVERS = (
    Mutant("a take-over ends no hold", ((take_over, "end_hold", _nothing),), "two people"),
    Mutant(
        "a take-over waits for ever",
        ((step.take_over, "settle", _nothing),),
        "two people",
        where=_asks_for_it,
    ),
    Mutant(
        "a take-over waits for a minute", ((take_over, "TAKE_OVER_US", 60_000_000),), "two people"
    ),
    Mutant(
        "anyone may give the lease",
        ((take_over, "take_answer", _anyone_answers),),
        "two people",
        where=_asks_for_it,
    ),
    Mutant("a viewer asks for the lease", ((take_over, "role_against", _none),), "two people"),
    Mutant(
        "a take-over ends no series",
        ((take_over, "end_series", _nothing),),
        "two people",
        same="no series runs in a world with two people; `invariants.py` has it",
    ),
    _beat(
        "the lease is told while it is asked for",
        _beats_without(take_over=None, withdrawn=False),
        "two people",
    ),
    _beat("the lease is handed on at once", _beats_without(withdrawn=False), "two people"),
)
BEATS = (
    Mutant(
        "the lease is told by an ending daemon",
        ((turn, "beat_flags", _beats_without(closing_us=None)),),
        "the end",
        same="its end takes the lease, and nobody is given another: the BEATs say so twice",
    ),
    _beat("the lease is told over a slow link", _beats_over_slow_links, "the link"),
    _beat("the lease is told to whoever is there", _beats_for_anyone, "the link"),
    Mutant(
        "what moves unheld keeps the lease", ((turn, "_astray", lambda _: False),), "one section"
    ),
    Mutant(
        "a series that is armed unheld keeps the lease",
        ((turn, "_armed", lambda *_: False),),
        "a series",
    ),
    Mutant("no BEAT follows", ((Turn, "tell_beat", _nothing),), "the link"),
)
STOPS = (
    _stopping("a STOP is never sent again", "STOP_RESEND_US", LONG_US),
    _stopping(
        "a STOP ends no hold", "end_hold", _nothing, "one section", where=_fingered(ARM, LOCK, COCK)
    ),
    _stopping("any STATUS confirms a STOP", "follow_status", _confirms_at_once, where=_wants_stop),
    _stopping("any OK answers a STOP", "take_answer", _believes_every_answer, where=_wants_stop),
    _stopping(
        "a STOP is believed while it is reset",
        "take_answer",
        _believes_while_resetting,
        where=lambda world: bool(world.seen.out),
    ),
    _stopping(
        "a lost board has answered",
        "forget_answer",
        _nothing,
        where=lambda world: world.seen.stop is not None and world.seen.stop.answered,
    ),
    _stopping("a new stream gets no STOP", "send_again", _nothing, where=_wants_stop),
    _stopping("a confirmed STOP is wanted for ever", "follow_status", _nothing, where=_wants_stop),
    _stopping("an ending daemon does not stop", "stop_when_restless", _nothing, "the end"),
    _stopping("an ending daemon keeps the lease", "end_lease", _nothing, "the end"),
    _stopping("a STOP ends no series", "end_series", _nothing, "a series"),
    Mutant("a grave fault stops nothing", ((findings, "_stop", _nothing),), "faults"),
    Mutant("no fault is found", ((findings, "find", _nothing),), "faults"),
    Mutant("one armed section hides another", ((findings, "TWO_ARMED", "AIR"),), "faults"),
    Mutant(
        "a fault that stands is cleared by anyone",
        ((findings, "_is_over", lambda *_: True),),
        "faults",
        same="the second telling asks the core what stands; tests/core has who ends it",
    ),
)
LINKS = (
    Mutant("a silent board is believed", ((link_news, "STATUS_STALE_US", LONG_US),), "the link"),
    Mutant(
        "a lost board keeps its phases", ((link_news, "_unknown", lambda each: each),), "the link"
    ),
    Mutant("a lost board may still answer", ((link_news, "give_up", _nothing),), "the link"),
    Mutant("a lost board leaves the hold", ((link_news, "end_hold", _nothing),), "one section"),
    Mutant(
        "no answer is no refusal",
        ((step.commands, "give_up_what_is_late", _nothing),),
        "one section",
    ),
    Mutant(
        "a refusal ends no hold", ((commands, "_end_what_it_was_for", _nothing),), "one section"
    ),
)
SERIES = (
    _series("a series does not pause", "SERIES_PAUSE_US", 0),
    _series(
        "a series begins at a touch",
        "DEEDS",
        {phase: (verb, 0) for phase, (verb, _) in series.DEEDS.items()},
    ),
    _series("a series goes on whatever stands against it", "_against", _none),
    _series(
        "a series is not counted",
        "count_drop",
        _nothing,
        same=("event_log.py calls it by the name that it imported; the next one has it"),
    ),
    Mutant(
        "a series has no count", ((step.event_log, "count_drop", _counts_and_goes_on),), "a series"
    ),
    _series("a series has no end", "end_what_is_over", _nothing, where=_runs),
    _series("a pedal that goes up holds on", "_follow_pedal", _nothing),
    _series("a pedal holds on what stands against it", "_against_all", _none),
    _series("a fault leaves a series", "follow_status", _nothing, where=_runs),
    _series("a series that was armed is armed for ever", "_forget_what_did_not_fall", _nothing),
    _series("a series does nothing by itself", "deadlines", _none, where=_runs),
)

MUTANTS = (*FINGERS, *LICENCES, *TAKE_OVERS, *BEATS, *STOPS, *LINKS, *SERIES)
