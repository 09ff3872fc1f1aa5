"""The one way in which the daemon's idea of the table changes. Pure.

`step(state, event, now)` gives the state that follows and what the shell has to do about it, in
order. It never waits: what needs an answer from the board is kept as pending in the state, and the
answer, or its absence, is another event.

Three rules run through all of it.

*Unknown is unsafe.* Whenever the board cannot be believed (no session, a silent one, a restarted
board) every section becomes UNKNOWN, every hold ends and every pending command is answered as
failed. Nothing is remembered to be done later. Nothing but STOP is ever sent twice.

*The lease and the hold are the only licences to move.* Both are in every BEAT, and the board stops
by itself when one is gone. So the core needs no command to stop a motion: it ends the hold.

*STOP goes first and stays wanted* until a STATUS has shown it.

Time passes first in every step, so that an event never meets a lease that has expired, and what
follows from the whole state (BEAT flags, parameters) is settled last.
"""

from collections.abc import Iterable
from dataclasses import replace

from droptable.core.board_events import ARMED, DROP, Data, board_kind, drop_data
from droptable.core.effects import (
    Answer,
    Effect,
    Record,
    SendCommand,
    SendEventAck,
    SendParamSet,
    SendStop,
    SetBeat,
)
from droptable.core.events import (
    Action,
    Asked,
    BoardEventHeard,
    BoardNews,
    Closing,
    CommitFailed,
    Committed,
    Do,
    Event,
    JournalHealth,
    JournalNews,
    LinkNews,
    LinkTrouble,
    ParamHeard,
    ReleaseLease,
    ResetStop,
    ResultHeard,
    RoundTrip,
    SessionOpened,
    SessionOver,
    SetTension,
    StatusHeard,
    StopAsked,
    StreamOpened,
    TakeLease,
    TimePassed,
    WentStale,
)
from droptable.core.limits import (
    CLOSING_STOP_AFTER_US,
    COMMAND_TTL_MS,
    HOLD_MARGIN_US,
    PARAM_WAIT_US,
    RESULT_WAIT_US,
    ROUND_TRIP_MAX_US,
    STATUS_STALE_US,
    STOP_RESEND_US,
    TENSION_SET_KEY,
)
from droptable.core.model import (
    ACTIVE,
    Drop,
    EventLog,
    Health,
    Hold,
    Lease,
    Link,
    Pending,
    Phase,
    Provision,
    SectionState,
    State,
    StopWanted,
    TensionPending,
    Verb,
)
from droptable.core.provision import Provisioner
from droptable.core.readiness import WISH_OF, Question, Wish, reasons
from droptable.core.reasons import Reason, board_refused, reason
from droptable.sections import Section

OK = 0

DAEMON = "daemon"
"""The actor of what nobody asked for."""

BOARD = "board"
"""The actor of what the board tells."""


def step(state: State, event: Event, now_us: int) -> tuple[State, tuple[Effect, ...]]:
    """What follows from `event` at `now_us`, a monotonic clock in microseconds."""
    turn = _Turn(state, now_us)
    turn.pass_time()
    turn.take(event)
    turn.settle()
    return turn.state, tuple(turn.effects)


def wake_us(state: State) -> int | None:
    """When something is due by itself; None when nothing is."""
    return min(_deadlines(state), default=None)


def beat_flags(state: State) -> tuple[bool, bool]:
    """What every BEAT says: whether the lease is live, and whether someone holds the control."""
    round_us = state.link.round_us
    slow = round_us is not None and round_us > ROUND_TRIP_MAX_US
    lease = state.lease is not None and not state.closing and not slow
    return lease, lease and state.hold is not None


def at_rest(state: State) -> bool:
    """Whether no section is known to be armed or moving; an unknown table cannot be waited for."""
    return not any(section.phase in ACTIVE for section in state.sections)


def _deadlines(state: State) -> Iterable[int]:
    if state.lease_until_us is not None:
        yield state.lease_until_us
    if state.link.status_us is not None and state.link.health is Health.LIVE:
        yield state.link.status_us + STATUS_STALE_US + 1
    if state.hold is not None:
        yield state.hold.until_us
    for pending in state.pending:
        yield pending.sent_us + RESULT_WAIT_US
    if state.tension_pending is not None:
        yield state.tension_pending.sent_us + RESULT_WAIT_US
    if state.stop_wanted is not None:
        yield state.stop_wanted.sent_us + STOP_RESEND_US
    if state.params.cmd_id is not None:
        yield state.params.asked_us + PARAM_WAIT_US
    if state.closing_us is not None and not at_rest(state) and state.stop_wanted is None:
        yield state.closing_us + CLOSING_STOP_AFTER_US


class _Turn:
    """One step under way."""

    def __init__(self, state: State, now_us: int) -> None:
        self.state = state
        self.now_us = now_us
        self.effects: list[Effect] = []
        self._beat = beat_flags(state)

    # Time

    def pass_time(self) -> None:
        """Let everything be over whose time is over."""
        state, now_us = self.state, self.now_us
        if state.lease_until_us is not None and now_us >= state.lease_until_us:
            self._end_lease("expired")
        status_us = state.link.status_us
        if status_us is not None and now_us - status_us > STATUS_STALE_US:
            self._lose_board(Health.STALE)
        if state.hold is not None and now_us >= state.hold.until_us:
            self._end_hold()
        for pending in state.pending:
            if now_us - pending.sent_us >= RESULT_WAIT_US:
                self._resolve(pending, reason("BOARD_SILENT"))
        tension = self.state.tension_pending
        if tension is not None and now_us - tension.sent_us >= RESULT_WAIT_US:
            self._resolve_tension(tension, reason("BOARD_SILENT"))
        wanted = self.state.stop_wanted
        if wanted is not None and now_us - wanted.sent_us >= STOP_RESEND_US:
            self._send_stop()

    def settle(self) -> None:
        """What follows from the state as a whole."""
        if self._ends_restless():
            self._send_stop()
        provisioner = Provisioner(self.state, self.now_us)
        self.state = provisioner.advance()
        self.effects += provisioner.effects
        self._tell_beat()

    def _ends_restless(self) -> bool:
        """The daemon is ending, and the table has not come to rest by itself."""
        closing_us = self.state.closing_us
        if closing_us is None or self.state.stop_wanted is not None or at_rest(self.state):
            return False
        return self.now_us - closing_us >= CLOSING_STOP_AFTER_US

    def _tell_beat(self) -> None:
        """Have the BEATs say what is true; called before a command that rests on it, too."""
        beat = beat_flags(self.state)
        if beat != self._beat:
            self._beat = beat
            self.effects.append(SetBeat(*beat))

    # Events

    def take(self, event: Event) -> None:
        match event:
            case Asked():
                self._take_request(event)
            case StopAsked(source=source):
                self._take_stop(source)
            case Closing():
                self._close()
            case TimePassed():
                pass
            case Committed() | CommitFailed() | JournalHealth():
                self._take_journal_news(event)
            case StatusHeard() | BoardEventHeard() | ResultHeard() | ParamHeard():
                self._take_board_news(event)
            case _:
                self._take_link_news(event)

    def _take_link_news(self, event: LinkNews) -> None:
        match event:
            case StreamOpened() | SessionOver():
                self._lose_board(Health.OPENING)
            case WentStale():
                self._lose_board(Health.STALE)
            case LinkTrouble():
                self._take_trouble(event)
            case SessionOpened():
                self._open_session(event)
            case RoundTrip(round_us=round_us):
                self.state = replace(self.state, link=replace(self.state.link, round_us=round_us))

    def _take_board_news(self, event: BoardNews) -> None:
        match event:
            case StatusHeard():
                self._take_status(event)
            case BoardEventHeard():
                self._take_board_event(event)
            case ResultHeard():
                self._take_result(event)
            case ParamHeard():
                self._take_param(event)

    def _take_journal_news(self, event: JournalNews) -> None:
        match event:
            case Committed():
                self._take_commit(event)
            case CommitFailed():
                self._take_commit_failure(event)
            case JournalHealth(failed=failed):
                self.state = replace(self.state, journal_failed=failed)

    # The link

    def _take_trouble(self, trouble: LinkTrouble) -> None:
        self._lose_board(Health.REFUSED if trouble.refused else Health.DOWN)
        link = replace(self.state.link, trouble=trouble.code, trouble_detail=trouble.detail)
        self.state = replace(self.state, link=link)

    def _open_session(self, opened: SessionOpened) -> None:
        self._lose_board(Health.OPENING)
        board = opened.board
        data: Data = {"hw_id": board.hw_id, "firmware": board.firmware, "boot_id": board.boot_id}
        if opened.restarted:
            self._record("board_restarted", None, DAEMON, data)
        self._record("link_up", None, DAEMON, data)
        link = Link(Health.OPENING, board=board, opened_us=self.now_us)
        params = replace(
            self.state.params, stage=Provision.UNPROVEN, cmd_id=None, todo=(), read=False
        )
        self.state = replace(self.state, link=link, params=params)
        self._follow_events(board.boot_id, board.first_event_seq)

    def _follow_events(self, boot_id: int, first_seq: int) -> None:
        """Expect the oldest event that the board keeps; what it no longer has is told as lost."""
        log = self.state.events
        if log.boot_id != boot_id:
            log = EventLog(boot_id, next_seq=first_seq, committed_seq=first_seq - 1)
        elif first_seq > log.next_seq:
            data: Data = {"count": first_seq - log.next_seq, "boot_id": boot_id}
            self._record("events_lost", None, DAEMON, data)
            log = EventLog(boot_id, next_seq=first_seq, committed_seq=first_seq - 1)
        self.state = replace(self.state, events=log)

    def _lose_board(self, health: Health) -> None:
        """Believe nothing that the board said. What was under way has failed, and is over."""
        link = self.state.link
        if link.health is Health.LIVE:
            self._record("link_down", None, DAEMON, {})
        stale = health is Health.STALE
        lost = Link(health, board=link.board if stale else None, opened_us=link.opened_us)
        sections = tuple(_unknown(section) for section in self.state.sections)
        self.state = replace(
            self.state,
            link=replace(lost, trouble=link.trouble, trouble_detail=link.trouble_detail),
            table=None,
            sections=(sections[0], sections[1], sections[2]),
        )
        self._end_hold()
        for pending in self.state.pending:
            self._resolve(pending, reason("BOARD_SILENT"))
        if self.state.tension_pending is not None:
            self._resolve_tension(self.state.tension_pending, reason("BOARD_SILENT"))

    # The board

    def _take_status(self, heard: StatusHeard) -> None:
        if self.state.link.board is None:
            return
        link = replace(
            self.state.link,
            health=Health.LIVE,
            status_us=self.now_us,
            trouble=None,
            trouble_detail="",
        )
        old = self.state.sections
        sections = tuple(map(_merged, old, heard.sections))
        self.state = replace(
            self.state,
            link=link,
            table=heard.table,
            sections=(sections[0], sections[1], sections[2]),
        )
        if heard.table.stopped and self.state.stop_wanted is not None:
            self.state = replace(self.state, stop_wanted=None)
        self._follow_hold()

    def _follow_hold(self) -> None:
        """A hold without a finger lasts until the motion that it was for has ended."""
        hold = self.state.hold
        if hold is None:
            return
        moving = self.state.sections[hold.section].phase is hold.moving
        if hold.begun and not moving:
            self._end_hold()
        elif moving and not hold.begun:
            self.state = replace(self.state, hold=replace(hold, begun=True))

    def _take_board_event(self, heard: BoardEventHeard) -> None:
        """Record the next one; one that came before is acknowledged again, one too early ignored."""
        log = self.state.events
        if heard.boot_id != log.boot_id or heard.event_seq > log.next_seq:
            return
        if heard.event_seq < log.next_seq:
            if heard.event_seq <= log.committed_seq:
                self.effects.append(SendEventAck(log.boot_id, log.committed_seq))
            return
        self.state = replace(self.state, events=replace(log, next_seq=log.next_seq + 1))
        section = Section(heard.section) if heard.section in tuple(Section) else None
        if heard.kind == ARMED and section is not None:
            self._keep(section, armed_board_us=heard.board_us)
        kind = board_kind(heard)
        data = dict(kind.data(heard))
        if heard.kind == DROP and section is not None:
            data = dict(drop_data(heard, self.state.sections[section]))
        data["board_us"] = heard.board_us
        self.effects.append(Record(kind.name, section, BOARD, data, heard))

    def _take_commit(self, done: Committed) -> None:
        heard, log = done.heard, self.state.events
        if heard.kind == DROP and heard.section in tuple(Section):
            drop = Drop(done.seq, done.time, heard.a, heard.b, heard.c)
            self._keep(Section(heard.section), last_drop=drop)
        if heard.boot_id == log.boot_id and heard.event_seq == log.committed_seq + 1:
            log = replace(log, committed_seq=heard.event_seq)
            self.state = replace(self.state, events=log, journal_failed=False)
            self.effects.append(SendEventAck(log.boot_id, log.committed_seq))

    def _take_commit_failure(self, failed: CommitFailed) -> None:
        """Expect it again: the board keeps it, and everything after it, until it is recorded."""
        log = self.state.events
        if failed.boot_id == log.boot_id and failed.event_seq < log.next_seq:
            log = replace(log, next_seq=max(failed.event_seq, log.committed_seq + 1))
        self.state = replace(self.state, events=log, journal_failed=True)

    def _take_result(self, result: ResultHeard) -> None:
        for pending in self.state.pending:
            if pending.cmd_id == result.cmd_id:
                refused = None if result.code == OK else board_refused(result.code)
                self._resolve(pending, refused)
        tension = self.state.tension_pending
        if tension is not None and tension.cmd_id == result.cmd_id:
            self._resolve_tension(tension, board_refused(result.code))
        self.state = Provisioner.refused(self.state, result)

    def _take_param(self, param: ParamHeard) -> None:
        at = (param.section, param.key)
        values = {**self.state.params.values, at: param.value}
        self.state = replace(self.state, params=replace(self.state.params, values=values))
        tension = self.state.tension_pending
        if tension is not None and tension.cmd_id == param.cmd_id:
            self._resolve_tension(tension, None)
        self.state = Provisioner.answered(self.state, param)

    # People

    def _take_request(self, asked: Asked) -> None:
        lease = self.state.lease
        if lease is not None and lease.holder == asked.actor:
            self.state = replace(self.state, lease=replace(lease, renewed_us=self.now_us))
        match asked.action:
            case TakeLease():
                self._take_lease(asked)
            case ReleaseLease():
                self._release_lease(asked)
            case Do() | ResetStop() | SetTension() as action:
                self._take_action(asked, action)

    def _take_lease(self, asked: Asked) -> None:
        lease = self.state.lease
        if lease is not None and lease.holder != asked.actor:
            return self._answer(asked.request, reason("LEASE_HELD", lease.holder))
        if self.state.closing:
            return self._answer(asked.request, reason("CLOSING"))
        if lease is None:
            self.state = replace(self.state, lease=Lease(asked.actor, self.now_us))
            self._record("lease_taken", None, asked.actor, {})
        return self._answer(asked.request)

    def _release_lease(self, asked: Asked) -> None:
        lease = self.state.lease
        if lease is not None and lease.holder != asked.actor:
            return self._answer(asked.request, reason("LEASE_HELD", lease.holder))
        self._end_lease("released")
        return self._answer(asked.request)

    def _take_action(self, asked: Asked, action: Do | ResetStop | SetTension) -> None:
        found = reasons(self._question(asked, action))
        if isinstance(action, SetTension):
            found = (*_tension_range(self.state, action), *found)
        if found:
            return self._answer(asked.request, *found)
        match action:
            case Do():
                return self._command(asked, action.verb, action.section)
            case ResetStop():
                return self._command(asked, Verb.RESET_STOP, None)
            case SetTension():
                return self._send_tension(asked, action)

    def _question(self, asked: Asked, action: Action) -> Question:
        match action:
            case Do(verb=verb, section=section):
                wish = WISH_OF[verb]
            case SetTension(section=section):
                wish = Wish.TENSION
            case _:
                wish, section = Wish.RESET_STOP, Section.THORACIC
        return Question(self.state, self.now_us, wish, section, asked.actor, posted=True)

    def _command(self, asked: Asked, verb: Verb, section: Section | None) -> None:
        cmd_id = self._take_cmd_id()
        settings = self.state.settings
        window_ms = settings.window_ms if verb is Verb.ARM else 0
        if section is not None and verb in (Verb.COCK, Verb.LOCK):
            self._begin_hold(section, verb)
        self._tell_beat()
        expect = None if section is None else int(self.state.sections[section].phase)
        self.effects.append(
            SendCommand(cmd_id, verb, section, expect, COMMAND_TTL_MS, arg=window_ms)
        )
        pending = Pending(
            cmd_id, verb, section, self.now_us, asked.request, window_us=window_ms * 1000
        )
        self.state = replace(self.state, pending=(*self.state.pending, pending))

    def _begin_hold(self, section: Section, verb: Verb) -> None:
        limits = self.state.settings.sections[section]
        cocking = verb is Verb.COCK
        longest_ms = limits.cock_timeout_ms if cocking else limits.lower_timeout_ms
        until_us = self.now_us + longest_ms * 1000 + HOLD_MARGIN_US
        moving = Phase.COCKING if cocking else Phase.LOWERING
        hold = Hold(section, moving, begun=False, until_us=until_us)
        self.state = replace(self.state, hold=hold)

    def _send_tension(self, asked: Asked, action: SetTension) -> None:
        cmd_id = self._take_cmd_id()
        at, tension_dn = action.section, action.tension_dn
        self.effects.append(SendParamSet(cmd_id, at, TENSION_SET_KEY, tension_dn))
        if self.state.tension_pending is not None:
            self._resolve_tension(self.state.tension_pending, reason("BUSY"))
        pending = TensionPending(cmd_id, at, tension_dn, self.now_us, asked.request, asked.actor)
        self.state = replace(self.state, tension_pending=pending)

    def _resolve(self, pending: Pending, refused: Reason | None) -> None:
        """A command's answer has come, or will not."""
        left = tuple(each for each in self.state.pending if each is not pending)
        self.state = replace(self.state, pending=left)
        if refused is not None:
            if self.state.hold is not None and self.state.hold.section is pending.section:
                self._end_hold()
            return self._answer(pending.request, refused)
        if pending.verb is Verb.ARM and pending.section is not None:
            until_us = pending.sent_us + pending.window_us
            self._keep(pending.section, armed_until_us=until_us)
        return self._answer(pending.request)

    def _resolve_tension(self, pending: TensionPending, refused: Reason | None) -> None:
        self.state = replace(self.state, tension_pending=None)
        if refused is not None:
            return self._answer(pending.request, refused)
        self._keep(pending.section, tension_confirmed=True)
        data: Data = {"tension_n": pending.tension_dn / 10}
        self._record("tension_set", pending.section, pending.actor, data)
        return self._answer(pending.request)

    # Stop and end

    def _take_stop(self, source: str) -> None:
        self._send_stop()
        self._end_hold()
        self._record("stop_requested", None, source, {})

    def _send_stop(self) -> None:
        self.effects.append(SendStop(self._take_cmd_id()))
        self.state = replace(self.state, stop_wanted=StopWanted(self.now_us))

    def _close(self) -> None:
        self._end_lease("daemon ends")
        self.state = replace(self.state, closing_us=self.now_us)

    def _end_lease(self, why: str) -> None:
        lease = self.state.lease
        if lease is None:
            return
        self._end_hold()
        sections = [replace(each, tension_confirmed=False) for each in self.state.sections]
        self.state = replace(
            self.state, lease=None, sections=(sections[0], sections[1], sections[2])
        )
        self._record("lease_ended", None, lease.holder, {"cause": why})

    def _end_hold(self) -> None:
        if self.state.hold is not None:
            self.state = replace(self.state, hold=None)

    # Small things

    def _keep(
        self,
        section: Section,
        *,
        armed_board_us: int | None = None,
        armed_until_us: int | None = None,
        tension_confirmed: bool | None = None,
        last_drop: Drop | None = None,
    ) -> None:
        """Note what is given about one section."""
        old = self.state.sections[section]
        new = replace(
            old,
            armed_board_us=old.armed_board_us if armed_board_us is None else armed_board_us,
            armed_until_us=old.armed_until_us if armed_until_us is None else armed_until_us,
            tension_confirmed=old.tension_confirmed
            if tension_confirmed is None
            else tension_confirmed,
            last_drop=old.last_drop if last_drop is None else last_drop,
        )
        sections = list(self.state.sections)
        sections[section] = new
        self.state = replace(self.state, sections=(sections[0], sections[1], sections[2]))

    def _take_cmd_id(self) -> int:
        cmd_id = self.state.next_cmd_id
        self.state = replace(self.state, next_cmd_id=cmd_id % 0xFFFF + 1)
        return cmd_id

    def _answer(self, request: int, *against: Reason) -> None:
        self.effects.append(Answer(request, against))

    def _record(
        self,
        kind: str,
        section: Section | None,
        actor: str,
        data: Data,
    ) -> None:
        self.effects.append(Record(kind, section, actor, dict(data)))


def _unknown(section: SectionState) -> SectionState:
    """The section when the board cannot be believed: only what is past stays."""
    return SectionState(
        armed_board_us=section.armed_board_us,
        tension_confirmed=section.tension_confirmed,
        last_drop=section.last_drop,
    )


def _merged(old: SectionState, heard: SectionState) -> SectionState:
    """What the board says of a section now, with what the daemon knows beside it."""
    return replace(
        heard,
        armed_until_us=old.armed_until_us if heard.phase is Phase.ARMED else None,
        armed_board_us=old.armed_board_us,
        tension_confirmed=old.tension_confirmed,
        last_drop=old.last_drop,
    )


def _tension_range(state: State, action: SetTension) -> tuple[Reason, ...]:
    limits = state.settings.sections[action.section]
    if limits.tension_min_dn <= action.tension_dn <= limits.tension_max_dn:
        return ()
    lowest, highest = limits.tension_min_dn / 10, limits.tension_max_dn / 10
    wanted = action.tension_dn / 10
    return (reason("TENSION_RANGE", wanted, remedy=(lowest, highest)),)
