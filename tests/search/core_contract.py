"""What every step of the core must keep, whatever came in: judged from outside of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.faults import Action, fault_of
from droptable.core.invariants import broken
from droptable.core.model import Control, Phase, Role, State, Verb
from droptable.core.readiness import Question, Wish, reasons
from droptable.core.step import step, wake_us
from droptable.sections import Section
from tests.search.core_refusals import MOTION, Asks, against
from tests.search.core_seen import MS, RUNS, S, Seen

Claim = tuple[str, bool]
WISHES = {
    Verb.COCK: Wish.COCK,
    Verb.ARM: Wish.ARM,
    Verb.LOCK: Wish.LOCK,
    Verb.DISARM: Wish.DISARM,
    Verb.HOME: Wish.HOME,
    Verb.CLEAR_FAULT: Wish.CLEAR_FAULT,
    Verb.RESET_STOP: Wish.RESET_STOP,
}
LEAST_US = {Verb.COCK: 500 * MS, Verb.LOCK: 500 * MS, Verb.ARM: 900 * MS}
SILENT = (do.Record, do.Answer, do.Tell, do.SendStop, do.SetBeat, do.SendEventAck)
"""What may be done while the board is not heard: nothing of it moves anything."""
ANSWERS_LATER = (ev.Do, ev.ResetStop, ev.SetTension)


def judge(
    event: ev.Event, mid: Seen, core: State, seen: Seen, did: Sequence[do.Effect], now_us: int
) -> list[str]:
    """A sentence for everything that is wrong about a step. `mid`: what was known when it acted."""
    claims = (
        *((sentence, True) for sentence in broken(core)),
        *_of_sending(event, mid, core, did, now_us),
        *_of_beats(core, seen, now_us),
        *_of_stop(event, mid, core, seen, did, now_us),
        *_of_hands(core, seen, now_us),
        *_of_answers(event, mid, core, did, now_us),
        *_of_time(core, now_us),
    )
    return [sentence for sentence, wrong in claims if wrong]


# What is sent


def _of_sending(
    event: ev.Event, mid: Seen, core: State, did: Sequence[do.Effect], now_us: int
) -> Iterator[Claim]:
    commands = [each for each in did if isinstance(each, do.SendCommand)]
    yield "two commands in one step", len(commands) > 1
    if mid.said is None:
        wrong = [each for each in did if not isinstance(each, SILENT)]
        yield f"{wrong} is sent to a board that is not heard", bool(wrong)
    for sent in commands:
        yield from _of_command(event, mid, core, sent, now_us)


def _of_command(
    event: ev.Event, mid: Seen, core: State, sent: do.SendCommand, now_us: int
) -> Iterator[Claim]:
    at = Section.THORACIC if sent.section is None else sent.section
    posted = isinstance(event, ev.Asked)
    actor, role = _who(event, mid)
    wish = WISHES[sent.verb]
    then = _when_it_was_decided(core, sent)
    found = against(Asks(then, mid, now_us, wish, at, actor, role, posted))
    yield f"{sent.verb.name} is sent although {sorted(found)} stands against it", bool(found)
    said = reasons(Question(then, now_us, wish, at, actor, posted=posted, role=role))
    yield f"{sent.verb.name} is sent although the core has reasons", bool(said)
    expect = None if sent.section is None else int(mid.phases[at])
    yield f"{sent.verb.name} expects another phase than is said", sent.expect != expect
    yield f"{sent.verb.name} may arrive late", sent.ttl_ms != 250
    window_ms = core.settings.window_ms if sent.verb is Verb.ARM else 0
    yield f"{sent.verb.name} has a wrong window", sent.arg != window_ms
    if sent.verb is Verb.ARM:
        yield "two are armed", any(each.verb is Verb.ARM for each in mid.out)
        yield "another is armed", Phase.ARMED in mid.phases
    if posted:
        yield f"nobody asked for {sent.verb.name}", not _asked_for(event, sent)
        moves = wish in MOTION
        yield f"{sent.verb.name} beside a finger", moves and mid.finger is not None
    elif wish in MOTION:
        yield from _of_finger(event, mid, sent, now_us)
    else:
        yield f"nobody asked for {sent.verb.name}", True


def _asked_for(event: ev.Event, sent: do.SendCommand) -> bool:
    assert isinstance(event, ev.Asked)
    action = event.action
    if isinstance(action, ev.ResetStop):
        return sent.verb is Verb.RESET_STOP
    return action == ev.Do(sent.verb, sent.section or Section.THORACIC)


def _who(event: ev.Event, mid: Seen) -> tuple[str | None, Role]:
    if isinstance(event, ev.Asked):
        return event.actor, event.role
    if mid.finger is not None:
        return mid.finger.actor, mid.finger.role
    return (None if mid.series is None else mid.series.actor), Role.OPERATOR


def _when_it_was_decided(core: State, sent: do.SendCommand) -> State:
    """The state without what the sending itself has added to it."""
    pending = tuple(each for each in core.pending if each.cmd_id != sent.cmd_id)
    mine = core.hold is not None and core.hold.cmd_id == sent.cmd_id
    arms_us = core.arms_us[:-1] if sent.verb is Verb.ARM else core.arms_us
    return replace(core, pending=pending, hold=None if mine else core.hold, arms_us=arms_us)


def _of_finger(event: ev.Event, mid: Seen, sent: do.SendCommand, now_us: int) -> Iterator[Claim]:
    """A motion that nobody asked for by POST: whose finger or foot is it?"""
    verb, finger, series = sent.verb, mid.finger, mid.series
    name = verb.name
    if finger is None or finger.control is Control.SERIES:
        since_us = mid.pedal_us if finger is None else finger.pressed_us
        yield f"{name} without a finger or a foot", since_us is None
        yield f"{name} without a series", series is None or series.section is not sent.section
        yield f"{name} is no deed of a series", verb is Verb.LOCK
        if since_us is not None and series is not None:
            yield f"{name} in a series too soon after the press", now_us - since_us < LEAST_US[verb]
            yield f"{name} in a series without a pause", now_us - series.rested_us < 500 * MS
            told = mid.armed_for is None or isinstance(event, ev.BoardEventHeard)
            yield f"{name} in a series before its fall was told", not told
        return
    held_us = now_us - finger.pressed_us
    control = {Verb.ARM: Control.ARM, Verb.COCK: Control.COCK, Verb.LOCK: Control.LOCK}[verb]
    yield f"{name} by another control", finger.control is not control
    yield f"{name} at another section", finger.section is not sent.section
    yield f"{name} for the second time by one finger", finger.used > 0
    yield f"{name} by a finger of {held_us} us", held_us < LEAST_US[verb]
    yield f"{name} after a gap", now_us - finger.heard_us > 250 * MS
    lease = mid.lease
    yield f"{name} at another socket than the lease", lease is None or lease.client != finger.client
    yield f"{name} after the phase changed", mid.phases[finger.section] is not finger.phase
    if verb is Verb.ARM:
        commit = isinstance(event, ev.CommitAsked) and event.intent == finger.intent
        yield "ARM without its commit", not (commit and event.client == finger.client)
        yield f"ARM by a finger of {held_us} us", held_us > 3000 * MS


# What every BEAT says


def _of_beats(core: State, seen: Seen, now_us: int) -> Iterator[Claim]:
    lease, hold = seen.beat
    run, finger = seen.run, seen.finger
    if lease:
        yield "the lease is in the BEATs of a board that is not heard", seen.said is None
        yield "the lease is in the BEATs and nobody has it", seen.lease is None
        yield "the lease is in the BEATs while it is asked for", seen.asker is not None
        yield "the lease is in the BEATs of an ending daemon", seen.closing_us is not None
        yield "the lease is in the BEATs over a slow link", seen.slow
        yield "the lease is handed on before the board has lost it", seen.withdrawn
        moves = any(phase in RUNS.values() for phase in seen.phases)
        yield "the lease is in the BEATs while something moves unheld", moves and run is None
        yield "the lease is in the BEATs while a series is armed unheld", _armed_unheld(seen)
        hw_id = core.settings.hw_id
        foreign = seen.board is not None and hw_id is not None and seen.board.hw_id != hw_id
        yield "the lease is in the BEATs of a foreign board", foreign
    if hold:
        yield "a hold without a lease", not lease
        yield "a hold and nothing that is held", run is None or run.pedal
        by_finger = run is not None and run.intent is not None
        gone = finger is None or (run is not None and run.intent != finger.intent)
        yield "a hold by a finger that is gone", by_finger and gone
    sound = seen.said is not None and seen.lease is not None and not seen.withdrawn
    if sound and run is not None and not (run.pedal or _armed_unheld(seen)):
        yield "a hold is not in the BEATs", not hold


def _armed_unheld(seen: Seen) -> bool:
    if seen.armed_for is None or seen.phases[seen.armed_for[0]] is not Phase.ARMED:
        return False
    held = seen.finger is not None and seen.finger.control is Control.SERIES
    return not held and seen.pedal_us is None


# STOP


def _of_stop(
    event: ev.Event, mid: Seen, core: State, seen: Seen, did: Sequence[do.Effect], now_us: int
) -> Iterator[Claim]:
    stops = [each for each in did if isinstance(each, do.SendStop)]
    first = bool(did) and isinstance(did[0], do.SendStop)
    if isinstance(event, ev.StopAsked):
        yield "STOP is asked for and not sent first", not first
    if stops:
        yield "STOP is not sent before all else", not first
        yield "something is held at a STOP", core.hold is not None or core.gesture is not None
        yield "a series runs at a STOP", core.series is not None and core.series.running
    if mid.stop is not None or stops:
        confirmed = not stops and seen.stop is None
        yield "a STOP is forgotten", core.stop_wanted is None and not confirmed
    if seen.stop is not None:
        answered = core.stop_wanted is not None and core.stop_wanted.answered
        yield "a STOP is believed that was not answered", answered and not seen.stop.answered
        yield "a STOP is not sent again", now_us - seen.stop.sent_us >= 50 * MS
        streams = isinstance(event, ev.StreamOpened)
        yield "a STOP is not sent to a board that is there again", streams and not stops
    else:
        yield "a STOP is wanted that is confirmed", core.stop_wanted is not None
    if isinstance(event, ev.StatusHeard) and mid.said is event and not mid.stopped:
        yield "a fault that stops the table does not", _must_stop(event) and seen.stop is None
    if seen.closing_us is not None and now_us - seen.closing_us >= 300 * MS:
        moves = any(phase in (*RUNS.values(), Phase.ARMED) for phase in seen.phases)
        restless = (seen.said is None or moves) and not seen.stopped
        yield "an ending daemon leaves the table moving", restless and seen.stop is None


def _must_stop(said: ev.StatusHeard) -> bool:
    phases = [section.phase for section in said.sections]
    grave = any(
        section.phase is Phase.FAULT and fault_of(section.fault).action >= Action.STOP
        for section in said.sections
    )
    unknown = any(section.phase_number is not None for section in said.sections)
    return grave or unknown or phases.count(Phase.ARMED) > 1


# Lease, take-over, fingers, series


def _of_hands(core: State, seen: Seen, now_us: int) -> Iterator[Claim]:
    lease, finger, gesture = seen.lease, seen.finger, core.gesture
    if core.lease is not None:
        theirs = lease is not None and (lease.holder, lease.client) == (
            core.lease.holder,
            core.lease.client,
        )
        yield "someone has the lease who has not taken it, or is gone", not theirs
        renewed_us = None if lease is None else lease.renewed_us
        yield "a lease is renewed by someone else", core.lease.renewed_us != renewed_us
    else:
        yield "a lease is forgotten", lease is not None
    if core.take_over is not None:
        asks = seen.asker is not None and seen.asker.actor == core.take_over.actor
        yield "a lease is asked for by nobody", not asks
        until_us = None if seen.asker is None else seen.asker.until_us
        late = core.take_over.until_us != until_us or now_us >= core.take_over.until_us
        yield "who asks for the lease does not wait for ten seconds", late
    else:
        yield "who asks for the lease is forgotten", seen.asker is not None
    if gesture is not None and gesture.client is not None:
        there = finger is not None and finger.intent == gesture.intent
        yield "a finger counts that is not there", not there
    if gesture is not None and gesture.client is None:
        yield "a foot counts that is not there", seen.pedal_us is None
    if gesture is None:
        yield "a finger is forgotten", finger is not None
    if finger is not None and finger.control in (Control.COCK, Control.LOCK):
        waits = not finger.used and now_us - finger.pressed_us >= 500 * MS
        yield "a control that is held does nothing", waits
    in_series = any(each.series is not None for each in core.sections)
    yield "it is not told which section a series armed", in_series != (seen.armed_for is not None)
    if core.hold is not None:
        yield "a hold lasts longer than what it is for", seen.run is None
    if core.series is not None and core.series.running:
        yield "a series runs that is over", seen.series is None
    elif core.series is not None:
        yield "a series is forgotten", seen.series is not None
    yield "a command is awaited for too long", len(core.pending) != len(seen.out)


# Who asked is told


def _of_answers(
    event: ev.Event, mid: Seen, core: State, did: Sequence[do.Effect], now_us: int
) -> Iterator[Claim]:
    answers = [each for each in did if isinstance(each, do.Answer)]
    if isinstance(event, ev.Asked):
        mine = [each for each in answers if each.request == event.request]
        later = any(
            waits is not None and waits.request == event.request
            for waits in (*core.pending, core.tension_pending)
        )
        yield "who asked is not answered, once", len(mine) != (not later)
        refused = bool(mine and mine[0].reasons)
        yield from _of_leases(event, mid, refused=refused)
        if refused:
            sent = [each for each in did if isinstance(each, do.SendCommand)]
            yield "what is refused is sent", any(each.verb in WISHES for each in sent)
            leases = isinstance(event.action, ev.TakeLease) and mid.lease is None
            able = event.role >= Role.OPERATOR and mid.closing_us is None
            yield "a free lease is refused", leases and able
        elif isinstance(event.action, ev.TakeLease):
            holder = None if core.lease is None else core.lease.holder
            yield "the lease is said to be theirs and is not", holder != event.actor


def _of_leases(asked: ev.Asked, mid: Seen, *, refused: bool) -> Iterator[Claim]:
    """Who may have the lease, and who may give it."""
    wants = isinstance(asked.action, ev.TakeLease | ev.TakeOverLease)
    yield "a viewer takes the lease", wants and asked.role < Role.OPERATOR and not refused
    holds = mid.lease is not None and mid.lease.holder == asked.actor
    answers = isinstance(asked.action, ev.AnswerTakeOver)
    yield "someone else gives the lease", answers and not holds and not refused


# Time


def _of_time(core: State, now_us: int) -> Iterator[Claim]:
    due_us = wake_us(core)
    yield "something is due in the past", due_us is not None and due_us <= now_us
    until_us = now_us + 3600 * S if due_us is None else due_us - 1
    quiet = step(core, ev.TimePassed(), until_us) == (core, ())
    yield "something happens of which no end was told", not quiet


# What people are told before they touch anything


def misjudged(
    core: State, seen: Seen, now_us: int, actor: str, places: Sequence[Section]
) -> list[str]:
    """Wishes of which the core says other reasons than the second telling."""
    found = []
    for wish in Wish:
        for at in places:
            for role in (Role.OPERATOR, Role.VIEWER):
                asks = Asks(core, seen, now_us, wish, at, actor, role, posted=True)
                question = Question(core, now_us, wish, at, actor, posted=True, role=role)
                said = frozenset(each.code for each in reasons(question))
                told = against(asks)
                if said != told:
                    found.append(f"{wish.name} {at.label}: {sorted(said ^ told)}")
    return found
