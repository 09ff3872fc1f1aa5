"""What somebody beside the core knows who saw all that went in and out: told without looking at it.

Whoever judges a step goes by this and not by what the core believes of itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.model import Board, Control, Phase, Role, Verb
from droptable.sections import Section

MS = 1_000
S = 1_000_000

RUNS = {Verb.COCK: Phase.COCKING, Verb.LOCK: Phase.LOWERING}
ON_THE_WAY = (
    Phase.ARMED,
    Phase.COCKING,
    Phase.DROPPED,
    Phase.DROPPING,
    Phase.LOWERING,
    Phase.SECURING,
)
LONGEST_US = {Phase.COCKING: 2_500 * MS, Phase.LOWERING: 3_500 * MS}
"""The time-outs of the settings that are searched with, and half a second."""


@dataclass(frozen=True, slots=True)
class Finger:
    """A finger that a page was told the number of."""

    client: int
    intent: int
    actor: str
    role: Role
    control: Control
    section: Section
    phase: Phase
    pressed_us: int
    heard_us: int
    used: int = 0
    """How many commands it gave."""


@dataclass(frozen=True, slots=True)
class Out:
    """A COMMAND without an answer."""

    cmd_id: int
    verb: Verb
    section: Section | None
    sent_us: int


@dataclass(frozen=True, slots=True)
class Run:
    """A motion that somebody holds, or asked for without a finger."""

    cmd_id: int
    section: Section
    moving: Phase
    until_us: int
    intent: int | None = None
    pedal: bool = False
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """A STOP that is not confirmed."""

    cmd_id: int
    sent_us: int
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A series that runs."""

    id: str
    actor: str
    section: Section
    left: int
    until_us: int
    rested_us: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has it, and when they last showed that they are there."""

    holder: str
    client: int | None
    renewed_us: int


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for the lease."""

    actor: str
    client: int | None
    until_us: int


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen, as far as it still counts."""

    board: Board | None = None
    opened_us: int = 0
    heard_us: int | None = None
    round_us: int | None = None
    version: bool = False
    said: ev.StatusHeard | None = None
    """The newest STATUS, while the board is heard."""
    lease: Lease | None = None
    asker: Asker | None = None
    finger: Finger | None = None
    pedal_us: int | None = None
    """Since when a foot is on the pedal that was not there before."""
    run: Run | None = None
    out: tuple[Out, ...] = ()
    tension_out: Out | None = None
    stop: Stop | None = None
    series: Series | None = None
    armed_for: tuple[Section, str] | None = None
    """Which section was armed in which series."""
    closing_us: int | None = None
    withdrawn: bool = False
    """A lease has ended, and no STATUS has shown since that the board knows."""
    armed: bool = False
    """The board has taken an ARM, and no STATUS has come since."""
    beat: tuple[bool, bool] = (False, False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What the sections are in; UNKNOWN when nobody tells."""
        if self.said is None:
            return (Phase.UNKNOWN,) * 3
        return tuple(section.phase for section in self.said.sections)

    @property
    def slow(self) -> bool:
        return self.round_us is not None and self.round_us >= 100 * MS

    @property
    def stopped(self) -> bool:
        return self.said is not None and self.said.table.stopped


def heard(seen: Seen, event: ev.Event, now_us: int) -> Seen:
    """After what came in, and the time at which it came."""
    return _later(_take(_later(seen, now_us), event, now_us), now_us)


# Time


def _later(seen: Seen, now_us: int) -> Seen:
    if seen.heard_us is not None and now_us - seen.heard_us > 150 * MS:
        seen = _lost(seen)
    for late in seen.out:
        if now_us - late.sent_us >= 300 * MS:
            seen = _refused(seen, late.cmd_id)
    if seen.tension_out is not None and now_us - seen.tension_out.sent_us >= 300 * MS:
        seen = _less_tension(seen)
    if seen.lease is not None:
        busy = any(phase in ON_THE_WAY for phase in seen.phases)
        if now_us - seen.lease.renewed_us >= (2 * S if busy else 5 * S):
            seen = no_lease(seen)
    if seen.run is not None and now_us >= seen.run.until_us:
        seen = let_go(seen)
    if seen.series is not None and now_us >= seen.series.until_us:
        seen = no_series(seen)
    finger = seen.finger
    if finger is not None and (
        now_us - finger.heard_us > 250 * MS
        or (finger.control is Control.ARM and now_us - finger.pressed_us > 3000 * MS)
    ):
        seen = let_go(seen)
    return seen


def let_go(seen: Seen) -> Seen:
    """Nobody holds anything."""
    return replace(seen, finger=None, run=None)


def no_series(seen: Seen) -> Seen:
    """No series runs, and nobody holds one on."""
    finger = seen.finger
    if finger is not None and finger.control is Control.SERIES:
        seen = let_go(seen)
    if seen.run is not None and seen.run.pedal:
        seen = replace(seen, run=None)
    return replace(seen, series=None, pedal_us=None)


def no_lease(seen: Seen) -> Seen:
    """Nobody has the lease, so nobody does anything."""
    gone = seen.lease is not None
    return replace(no_series(let_go(seen)), lease=None, withdrawn=gone or seen.withdrawn)


def _less_tension(seen: Seen) -> Seen:
    """The board has not said what it has, so a finger that aims at it means nothing any more."""
    finger, out = seen.finger, seen.tension_out
    if aims(finger) and finger and out is not None and finger.section is out.section:
        seen = let_go(seen)
    return replace(seen, tension_out=None)


def _lost(seen: Seen) -> Seen:
    """The board is not heard."""
    stop = None if seen.stop is None else replace(seen.stop, answered=False)
    return replace(
        no_series(let_go(seen)),
        heard_us=None,
        said=None,
        out=(),
        armed=False,
        tension_out=None,
        stop=stop,
    )


# What comes in


def _take(seen: Seen, event: ev.Event, now_us: int) -> Seen:
    if isinstance(event, ev.LinkNews):
        return _link(seen, event, now_us)
    if isinstance(event, ev.BoardNews):
        return _board(seen, event, now_us)
    if isinstance(event, ev.Touch):
        return _touch(seen, event, now_us)
    return _other(seen, event, now_us)


def _link(seen: Seen, event: ev.LinkNews, now_us: int) -> Seen:
    match event:
        case ev.StreamOpened() | ev.SessionOver():
            return replace(_lost(seen), board=None, round_us=None)
        case ev.LinkTrouble(code=code):
            version = code == "LINK_VERSION"
            return replace(_lost(seen), board=None, round_us=None, version=version)
        case ev.WentStale():
            return seen if seen.board is None else _lost(seen)
        case ev.SessionOpened(board=board):
            return replace(_lost(seen), board=board, opened_us=now_us, round_us=None)
        case ev.RoundTrip(round_us=round_us):
            timed = replace(seen, round_us=None if seen.board is None else round_us)
            return replace(let_go(timed), pedal_us=None) if timed.slow else timed


def _board(seen: Seen, event: ev.BoardNews, now_us: int) -> Seen:
    match event:
        case ev.StatusHeard():
            return seen if seen.board is None else _status(seen, event, now_us)
        case ev.ResultHeard():
            return _result(seen, event)
        case ev.ParamHeard(cmd_id=cmd_id):
            mine = seen.tension_out is not None and seen.tension_out.cmd_id == cmd_id
            return replace(seen, tension_out=None) if mine else seen
        case ev.BoardEventHeard():
            return seen


def _touch(seen: Seen, event: ev.Touch, now_us: int) -> Seen:
    match event:
        case ev.Pressed() | ev.Holding() | ev.Released() | ev.CommitAsked():
            return _touched(_renewed(seen, now_us, event.client), event, now_us)
        case ev.Alive() | ev.Hidden():
            return _page(_renewed(seen, now_us, event.client), event)
        case ev.ClientLost():
            return _page(seen, event)


def _other(seen: Seen, event: ev.Event, now_us: int) -> Seen:
    match event:
        case ev.StopAsked():
            return no_series(let_go(seen))
        case ev.Closing():
            closing_us = now_us if seen.closing_us is None else seen.closing_us
            return replace(no_lease(seen), closing_us=closing_us, asker=None)
        case ev.LoopLooked(late_us=late_us):
            return replace(let_go(seen), pedal_us=None) if late_us >= 100 * MS else seen
        case ev.Asked():
            return _bound(seen, event, now_us)
    return seen


def _renewed(seen: Seen, now_us: int, client: int) -> Seen:
    """The socket of who has the lease has said something."""
    lease = seen.lease
    if lease is None or lease.client != client:
        return seen
    return replace(seen, lease=replace(lease, renewed_us=now_us))


def _goes_on(seen: Seen) -> bool:
    """Whether anything is under way that the holder of the lease began."""
    return bool(seen.out) or seen.armed or any(phase in ON_THE_WAY for phase in seen.phases)


def _bound(seen: Seen, asked: ev.Asked, now_us: int) -> Seen:
    """The holder goes on at another socket."""
    lease, action = seen.lease, asked.action
    if lease is None or not isinstance(action, ev.TakeLease) or action.client is None:
        return seen
    if lease.holder != asked.actor or asked.role < Role.OPERATOR or seen.closing_us is not None:
        return seen
    goes_on = _goes_on(seen)
    other = lease.client != action.client
    if other and (lease.client is not None or goes_on):
        seen = replace(let_go(seen), pedal_us=None, withdrawn=seen.withdrawn or goes_on)
    return replace(seen, lease=replace(lease, client=action.client, renewed_us=now_us))


def _touched(
    seen: Seen, event: ev.Pressed | ev.Holding | ev.Released | ev.CommitAsked, now_us: int
) -> Seen:
    finger = seen.finger
    if finger is None or isinstance(event, ev.Pressed):
        return seen
    if (finger.client, finger.intent) != (event.client, event.intent):
        return seen
    if isinstance(event, ev.Released):
        return let_go(seen)
    if isinstance(event, ev.Holding):
        return replace(seen, finger=replace(finger, heard_us=now_us))
    return seen


def _page(seen: Seen, event: ev.Alive | ev.Hidden | ev.ClientLost) -> Seen:
    if isinstance(event, ev.Alive):
        return seen
    if seen.finger is not None and seen.finger.client == event.client:
        seen = let_go(seen)
    lease = seen.lease
    if lease is not None and lease.client == event.client:
        if isinstance(event, ev.Hidden):
            return no_lease(seen)
        seen = replace(seen, lease=replace(lease, client=None))
    if isinstance(event, ev.ClientLost) and seen.asker and seen.asker.client == event.client:
        seen = replace(seen, asker=None)
    return seen


def _status(seen: Seen, event: ev.StatusHeard, now_us: int) -> Seen:
    before = seen
    seen = replace(seen, said=event, heard_us=now_us, version=False)
    seen = replace(_followed(seen, now_us), armed=False)
    under_way = any(each.verb in (Verb.COCK, Verb.ARM, Verb.LOCK) for each in seen.out)
    busy = event.table.lease_live or any(phase in ON_THE_WAY for phase in seen.phases)
    if not (busy or under_way):
        seen = replace(seen, withdrawn=False)
    if seen.stopped:
        seen = no_series(let_go(seen))
        if seen.stop is not None and seen.stop.answered:
            seen = replace(seen, stop=None)
    finger = seen.finger
    if aims(finger) and finger and seen.phases[finger.section] is not finger.phase:
        seen = let_go(seen)
    return _pedal(_in_series(seen, before, now_us), before, now_us)


def _in_series(seen: Seen, before: Seen, now_us: int) -> Seen:
    """What a STATUS means to a series."""
    series, armed_for = seen.series, seen.armed_for
    if series is not None and Phase.FAULT in seen.phases:
        seen = no_series(seen)
    elif series is not None and seen.phases[series.section] is not before.phases[series.section]:
        seen = replace(seen, series=replace(series, rested_us=now_us))
    if armed_for is not None and not seen.out and seen.phases[armed_for[0]] is Phase.COCKED:
        seen = replace(seen, armed_for=None)
    return seen


def _pedal(seen: Seen, before: Seen, now_us: int) -> Seen:
    """Whether a foot is there that counts: it came down while nothing else was held."""
    if seen.said is None or not seen.said.table.hold_pressed:
        by_foot = seen.run is not None and seen.run.pedal
        return replace(seen, pedal_us=None, run=None if by_foot else seen.run)
    was_up = before.said is not None and not before.said.table.hold_pressed
    free = seen.finger is None and seen.run is None and before.run is None
    if was_up and free and seen.series is not None:
        return replace(seen, pedal_us=now_us)
    return seen


def aims(finger: Finger | None) -> bool:
    """Whether a finger is on something that it has not begun yet."""
    return finger is not None and not finger.used and finger.control is not Control.SERIES


def _followed(seen: Seen, now_us: int) -> Seen:
    """A run lasts until the board says that its motion is over."""
    run = seen.run
    if run is None:
        return seen
    moves = seen.phases[run.section] is run.moving
    if moves and not run.begun:
        until_us = now_us + LONGEST_US[run.moving]
        return replace(seen, run=replace(run, begun=True, until_us=until_us))
    if moves or not run.begun:
        return seen
    goal = Phase.COCKED if run.moving is Phase.COCKING else Phase.LOCKED
    reached = seen.phases[run.section] in (goal, Phase.SECURING)
    if reached and (run.pedal or (seen.finger and seen.finger.control is Control.SERIES)):
        return replace(seen, run=None)
    return replace(let_go(seen), pedal_us=None)


def _result(seen: Seen, event: ev.ResultHeard) -> Seen:
    resetting = any(each.verb is Verb.RESET_STOP for each in seen.out)
    stop = seen.stop
    if stop is not None and (stop.cmd_id, 0) == (event.cmd_id, event.code) and not resetting:
        seen = replace(seen, stop=replace(stop, answered=True))
    tension = seen.tension_out
    if tension is not None and tension.cmd_id == event.cmd_id and event.code:
        seen = replace(seen, tension_out=None)
    if event.code:
        return _refused(seen, event.cmd_id)
    arms = any(
        each.section is not None and seen.phases[each.section] in (Phase.COCKED, Phase.ARMED)
        for each in seen.out
        if (each.cmd_id, each.verb) == (event.cmd_id, Verb.ARM)
    )
    seen = replace(seen, armed=seen.armed or arms)
    return replace(seen, out=_less(seen, event.cmd_id))


def _less(seen: Seen, cmd_id: int) -> tuple[Out, ...]:
    return tuple(each for each in seen.out if each.cmd_id != cmd_id)


def _refused(seen: Seen, cmd_id: int) -> Seen:
    """The board has refused a command, or said nothing for as long as one waits."""
    run, finger = seen.run, seen.finger
    armed = [each for each in seen.out if (each.cmd_id, each.verb) == (cmd_id, Verb.ARM)]
    in_series = finger is not None and finger.control is Control.SERIES
    if (run is not None and run.cmd_id == cmd_id) or (armed and (in_series or seen.pedal_us)):
        seen = replace(let_go(seen), pedal_us=None)
    return replace(seen, out=_less(seen, cmd_id))


# What goes out


def followed(seen: Seen, event: ev.Event, effects: Sequence[do.Effect], now_us: int) -> Seen:
    """After what the core has done about it."""
    for effect in effects:
        seen = _follow(seen, event, effect, now_us)
    refused = any(isinstance(each, do.Answer) and each.reasons for each in effects)
    lease, holder = seen.lease, event.actor if isinstance(event, ev.Asked) else None
    if lease is not None and lease.client is None and lease.holder == holder and not refused:
        seen = replace(seen, lease=replace(lease, renewed_us=now_us))
    return seen


def _follow(seen: Seen, event: ev.Event, effect: do.Effect, now_us: int) -> Seen:
    match effect:
        case do.SetBeat(lease=lease, hold=hold):
            return replace(seen, beat=(lease, hold))
        case do.SendStop(cmd_id=cmd_id):
            stop = seen.stop
            answered = stop is not None and stop.cmd_id == cmd_id and stop.answered
            return replace(no_series(let_go(seen)), stop=Stop(cmd_id, now_us, answered))
        case do.SendCommand():
            return _command(seen, event, effect, now_us)
        case do.SendParamSet(cmd_id=cmd_id, key=11, section=at) if _sets_tension(event):
            return replace(seen, tension_out=Out(cmd_id, Verb.HOME, Section(at), now_us))
        case do.Record():
            return _record(seen, event, effect, now_us)
        case do.Tell(client=client, intent=intent, over=over):
            return _told(seen, event, client, intent, over is not None, now_us)
    return seen


def _sets_tension(event: ev.Event) -> bool:
    return isinstance(event, ev.Asked) and isinstance(event.action, ev.SetTension)


def _command(seen: Seen, event: ev.Event, sent: do.SendCommand, now_us: int) -> Seen:
    out = Out(sent.cmd_id, sent.verb, sent.section, now_us)
    seen = replace(seen, out=(*seen.out, out))
    posted = isinstance(event, ev.Asked)
    finger = None if posted else seen.finger
    if finger is not None:
        used = replace(finger, used=finger.used + 1)
        seen = replace(seen, finger=None if finger.control is Control.ARM else used)
    if sent.section is not None and (moving := RUNS.get(sent.verb)) is not None:
        run = Run(sent.cmd_id, sent.section, moving, now_us + 300 * MS)
        pedal = not posted and finger is None
        intent = None if finger is None else finger.intent
        seen = replace(seen, run=replace(run, intent=intent, pedal=pedal))
    if seen.series is not None and not posted:
        if finger is None or finger.control is Control.SERIES:
            seen = replace(seen, series=replace(seen.series, rested_us=now_us))
            if sent.verb is Verb.ARM and sent.section is not None:
                seen = replace(
                    seen, armed_for=(sent.section, seen.series.id if seen.series else "")
                )
    elif sent.verb is Verb.ARM:
        seen = replace(seen, armed_for=None)
    return seen


def _record(seen: Seen, event: ev.Event, record: do.Record, now_us: int) -> Seen:
    match record.kind:
        case "lease_taken" | "lease_ended" | "take_over_asked" | "take_over_ended":
            return _of_lease(seen, event, record, now_us)
        case "series_started":
            assert record.section is not None
            data = record.data
            until_us = now_us + int(float(data["window_s"] or 0) * S)
            number, drops = str(data["series"]), int(data["drops"] or 0)
            series = Series(number, record.actor, record.section, drops, until_us, now_us)
            return replace(seen, series=series)
        case "series_ended":
            return no_series(seen)
        case "drop" if seen.armed_for is not None and seen.armed_for[0] is record.section:
            return _fell(replace(seen, armed_for=None), seen.armed_for[1])
    return seen


def _fell(seen: Seen, number: str) -> Seen:
    """A section fell that was armed in a series."""
    series = seen.series
    if series is None or series.id != number:
        return seen
    counted = replace(series, left=series.left - 1)
    return replace(seen, series=counted) if counted.left else no_series(seen)


def _of_lease(seen: Seen, event: ev.Event, record: do.Record, now_us: int) -> Seen:
    wanted, client = _wanted(event), None if seen.asker is None else seen.asker.client
    match record.kind:
        case "lease_taken" if record.data.get("cause") == "taken along":
            return seen
        case "lease_taken":
            if wanted is not None and wanted[0] == record.actor:
                client = wanted[1]
            return replace(seen, lease=Lease(record.actor, client, now_us), asker=None)
        case "lease_ended":
            return no_lease(seen)
        case "take_over_asked":
            client = None if wanted is None else wanted[1]
            asker = Asker(record.actor, client, now_us + 10 * S)
            return replace(no_series(let_go(seen)), asker=asker, withdrawn=True)
    kept = record.data["cause"] in ("kept", "asker gone", "daemon ends")
    return replace(seen, asker=None) if kept else seen


def _wanted(event: ev.Event) -> tuple[str, int | None] | None:
    """Who wants the lease, and at which socket."""
    if isinstance(event, ev.Asked) and isinstance(event.action, ev.TakeLease | ev.TakeOverLease):
        return event.actor, event.action.client
    return None


def _told(
    seen: Seen, event: ev.Event, client: int, intent: int | None, over: bool, now_us: int
) -> Seen:
    if isinstance(event, ev.Pressed) and not over and intent is not None and not seen.finger:
        finger = Finger(
            client,
            intent,
            event.actor,
            event.role,
            event.control,
            event.section,
            seen.phases[event.section],
            now_us,
            now_us,
        )
        lease = seen.lease
        if lease is not None:
            moved = lease.client != client and _goes_on(seen)
            lease = replace(lease, client=client, renewed_us=now_us)
            seen = replace(seen, withdrawn=seen.withdrawn or moved)
        return replace(seen, finger=finger, lease=lease)
    finger_now = seen.finger
    if (
        over
        and finger_now is not None
        and (finger_now.client, finger_now.intent) == (client, intent)
    ):
        return let_go(seen)
    return seen
