"""The only caller of the core's `step`: turns what happens into events, and effects into deeds.

Messages of the link and events of the core meet here and nowhere else. It decides nothing. Every
step runs to its end on the loop, without an await in between, so there is no queue or lock that a
STOP could wait behind: `stop` has written its frame when it returns.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core import invariants, model
from droptable.core.limits import Settings
from droptable.core.reasons import Reason, reason
from droptable.core.step import at_rest, step, wake_us
from droptable.daemon.clock import Clock
from droptable.daemon.connection import Connection, Opener
from droptable.daemon.roles import role_of
from droptable.errors import DroptableError
from droptable.journal.event import BoardRef, Draft, Event
from droptable.link import host_session as session
from droptable.link import messages
from droptable.link.session import clock_ms

TABLE = 0xFF
ANY_PHASE = 0xFF

RETRY_RECORD_US = 1_000_000
"""How often the journal is tried again while it cannot be written."""

JOURNAL_STUCK_US = 20_000_000
"""A disk that has not answered for so long hangs; a service manager may try a new start."""

JOURNAL_SLOW_US = 1_000_000
"""A commit takes milliseconds; a journal that has not answered for so long counts as one that fails."""

RECORDING_MAX = 1024
"""How many records may wait for the journal's answer; one more is as good as refused."""

UNRECORDED_MAX = 256
"""How many events wait here for a journal that cannot be written; the board's wait there as well."""

log = structlog.get_logger(__name__)


class JournalPort(Protocol):
    """Where events are recorded; see `journal/journal.py`."""

    def append(self, draft: Draft) -> "asyncio.Future[Event]": ...


Witness = Callable[[model.State, ev.Event, int, tuple[do.Effect, ...] | Exception], None]
"""Is told of each step: the state before, the event, when, and the effects or the error."""


def _nobody(
    before: model.State, event: ev.Event, now_us: int, outcome: tuple[do.Effect, ...] | Exception
) -> None:
    """Where nobody records what happens."""


class _Recording(NamedTuple):
    """A record that was handed to the journal, which has not said yet what became of it."""

    record: do.Record
    outcome: "asyncio.Future[Event]"
    since_us: int


class Runner:
    """The table's state, and all that moves it. `watch` is called after each step that changed it."""

    def __init__(
        self,
        settings: Settings,
        *,
        open_stream: Opener,
        journal: JournalPort,
        clock: Clock,
        witness: Witness = _nobody,
    ) -> None:
        self.state = model.State(settings)
        self.connection = Connection(open_stream, clock, self)
        self._journal = journal
        self._clock = clock
        self._witness = witness
        self._watchers: list[Callable[[model.State, model.State], None]] = []
        self._happened: deque[ev.Event] = deque()
        self._stepping = False
        self._requests: dict[int, asyncio.Future[tuple[Reason, ...]]] = {}
        self._last_request = 0
        self._fingers: dict[int, Callable[[do.Tell], None]] = {}
        self._last_client = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us: int | None = None
        self._recording: deque[_Recording] = deque()
        self._unrecorded: dict[tuple[int, int], do.Record] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._rested = asyncio.Event()
        self._broken = asyncio.Event()
        self._error: Exception | None = None
        self._lapsed = False
        self._claimed: tuple[str, ...] = ()
        self._last_kept = 0

    async def run(self) -> None:
        """Be connected to the board until cancelled; raises what a step raised, wherever it ran."""
        connecting = asyncio.create_task(self.connection.run(), name="connection")
        breaking = asyncio.create_task(self._broken.wait(), name="broken")
        try:
            await asyncio.wait((connecting, breaking), return_when=asyncio.FIRST_COMPLETED)
            if self._error is not None:
                raise self._error
            await connecting
        finally:
            connecting.cancel()
            breaking.cancel()
            await asyncio.gather(connecting, breaking, return_exceptions=True)

    def watch(self, watcher: Callable[[model.State, model.State], None]) -> None:
        """Have `watcher(before, after)` called after each step that changed the state."""
        self._watchers.append(watcher)

    # People

    async def ask(self, actor: str, action: ev.Action) -> tuple[Reason, ...]:
        """Do `action` for `actor`; gives every reason why it was refused, none when it was done."""
        if isinstance(action, ev.TakeLease | ev.TakeOverLease) and not self._is_there(action):
            return (reason("PAGE_GONE"),)
        self._last_request += 1
        request = self._last_request
        answer: asyncio.Future[tuple[Reason, ...]] = asyncio.get_running_loop().create_future()
        self._requests[request] = answer
        try:
            self._take(ev.Asked(request, actor, action, role_of(actor)))
            return await answer
        finally:
            del self._requests[request]

    def _is_there(self, asked: ev.TakeLease | ev.TakeOverLease) -> bool:
        return asked.client is None or asked.client in self._fingers

    def join(self, tell: Callable[[do.Tell], None]) -> int:
        """A number for a socket that will speak of fingers; `tell` hears what becomes of them.

        It is called in the middle of a step: it may note what it is told, and no more.
        """
        self._last_client += 1
        self._fingers[self._last_client] = tell
        return self._last_client

    def leave(self, client: int) -> None:
        """The socket is gone, and with it every finger that it told of."""
        if self._fingers.pop(client, None) is not None:
            self._take(ev.ClientLost(client))

    def touch(self, touch: ev.Touch) -> None:
        """What a socket says of a finger; what comes of it is told before this returns."""
        self._take(touch)

    def stop(self, source: str) -> None:
        """STOP: past every queue, lock and await."""
        self._take(ev.StopAsked(source))

    def record(self, kind: str, data: dict[str, str | int | float | bool | None]) -> None:
        """Note something of the daemon's own life in the journal."""
        self._do_record(do.Record(kind, None, "daemon", data))

    def sense(self, sensed: ev.UpkeepNews) -> None:
        """What the daemon feels of the machine that it runs on; see `senses.py`."""
        self._take(sensed)

    def healthy(self) -> bool:
        """Whether the daemon does its work: no step has failed, and the journal's disk answers."""
        oldest = self._recording[0].since_us if self._recording else None
        stuck = oldest is not None and self._clock.monotonic_us() - oldest > JOURNAL_STUCK_US
        return self._error is None and not stuck

    async def close(self, limit_s: float) -> bool:
        """Make the table safe; whether it was seen to be at rest within `limit_s`."""
        self._take(ev.Closing())
        try:
            async with asyncio.timeout(limit_s):
                while not at_rest(self.state):
                    self._rested.clear()
                    await self._rested.wait()
        except TimeoutError:
            return False
        finally:
            for timer in (self._timer, self._retry, self._slow):
                if timer is not None:
                    timer.cancel()
        return True

    # The link: `connection.Listener`

    def stream_opened(self) -> None:
        self._take(ev.StreamOpened())

    def trouble(self, code: str, detail: str, *, refused: bool) -> None:
        link = self.state.link
        if (link.trouble, link.trouble_detail) != (code, detail):
            log.warning(str(DroptableError(code, detail)))
        self._take(ev.LinkTrouble(code, detail, refused))

    def news(self, news: session.News) -> None:
        if isinstance(news, session.Welcomed) and news.restarted:
            detail = f"board {news.welcome.hw_id}, reset cause {news.welcome.reset_cause}"
            log.warning(str(DroptableError("BOARD_RESTARTED", detail)))
        event = _event_of_news(news)
        if event is not None:
            self._take(event)

    def settled(self) -> None:
        """Nothing more has come for now: look at the clock once."""
        self._take(ev.TimePassed())

    # Steps

    def _take(self, event: ev.Event) -> None:
        """Step through `event` and whatever follows from it at once."""
        self._happened.append(event)
        if self._stepping:
            return
        before = self.state
        self._stepping = True
        try:
            while self._happened:
                self._step(self._happened.popleft())
        except Exception as error:
            # Most steps are taken in callbacks, where an exception would end nothing.
            self._error = error
            self._broken.set()
            raise
        finally:
            self._stepping = False
        self.connection.flush()
        self._arm_timer()
        if self.state != before:
            for watcher in self._watchers:
                watcher(before, self.state)
            if at_rest(self.state):
                self._rested.set()

    def _step(self, event: ev.Event) -> None:
        before, now_us = self.state, self._clock.monotonic_us()
        try:
            state, wanted = step(before, event, now_us)
        except Exception as error:
            self._make_safe()
            self._witness(before, event, now_us, error)
            raise
        if state.link.health is not before.link.health:
            log.info("board link", health=state.link.health.value)
        self.state = state
        try:
            try:
                for effect in wanted:
                    self._carry_out(effect)
            finally:
                # After the deeds: nothing of the table waits for it to be written down.
                self._witness(before, event, now_us, wanted)
        except Exception:
            self._make_safe()
            raise
        self._check()

    def _make_safe(self) -> None:
        """Whatever broke: STOP, and from now on no BEAT that lets anything go on."""
        self._lapsed = True
        try:
            self.connection.send_stop(0)
        finally:
            self.connection.set_beat(lease=False, hold=False)
            self.connection.flush()

    def _check(self) -> None:
        """A broken invariant first commands safe, then is recorded, then raised: once, as by then
        the daemon is ending, and its end takes steps too.
        """
        broken = () if self._error is not None else invariants.broken(self.state)
        claims = invariants.board_broken(self.state)
        doubted = bool(claims) and claims != self._claimed
        if broken:
            self._make_safe()
        elif doubted:
            self.connection.send_stop(0)
        if broken or doubted:
            self._happened.append(ev.StopAsked("daemon"))
            self.record("invariant_broken", {"what": "; ".join((*broken, *claims))})
        self._claimed = claims
        if broken:
            raise invariants.InvariantBrokenError("; ".join(broken))

    def _arm_timer(self) -> None:
        at_us = wake_us(self.state)
        if self._timer is not None:
            if at_us == self._timer_us:
                return
            self._timer.cancel()
        self._timer_us = at_us
        self._timer = None if at_us is None else self._clock.call_at_us(at_us, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._take(ev.TimePassed())

    # Deeds

    def _carry_out(self, effect: do.Effect) -> None:
        match effect:
            case do.SendStop(cmd_id=cmd_id):
                self.connection.send_stop(cmd_id)
            case do.SetBeat(lease=lease, hold=hold):
                lapsed = self._lapsed
                self.connection.set_beat(lease=lease and not lapsed, hold=hold and not lapsed)
            case do.ReopenSession():
                self.connection.reopen()
            case do.Record():
                self._do_record(effect)
            case do.Answer():
                self._do_answer(effect)
            case do.Tell(client=client):
                if (tell := self._fingers.get(client)) is not None:
                    tell(effect)
            case _:
                self.connection.send(self._message_of(effect))

    def _message_of(
        self, effect: do.SendCommand | do.SendParamGet | do.SendParamSet | do.SendEventAck
    ) -> messages.HostMessage:
        match effect:
            case do.SendParamGet(cmd_id, section, key):
                return messages.ParamGet(cmd_id, section, key)
            case do.SendParamSet(cmd_id, section, key, value):
                return messages.ParamSet(cmd_id, section, key, value)
            case do.SendEventAck(boot_id, event_seq):
                return messages.EventAck(boot_id, event_seq)
            case do.SendCommand() as command:
                return messages.Command(
                    command.cmd_id,
                    command.verb,
                    TABLE if command.section is None else command.section,
                    ANY_PHASE if command.expect is None else command.expect,
                    command.ttl_ms,
                    clock_ms(self._clock.monotonic_us()),
                    command.arg,
                )

    def _do_answer(self, answer: do.Answer) -> None:
        waiting = self._requests.get(answer.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.reasons)

    def _do_record(self, record: do.Record) -> None:
        if len(self._recording) >= RECORDING_MAX:
            self._not_recorded(record)
            return
        section = None if record.section is None else record.section.label
        heard = record.heard
        board = None if heard is None else BoardRef(heard.boot_id, heard.event_seq)
        draft = Draft(record.kind, section, record.actor, dict(record.data), board)
        recorded = self._journal.append(draft)
        self._recording.append(_Recording(record, recorded, self._clock.monotonic_us()))
        recorded.add_done_callback(self._take_outcomes)
        if self._slow is None:
            self._look_again_at_us(self._clock.monotonic_us() + JOURNAL_SLOW_US)

    def _look_again_at_us(self, at_us: int) -> None:
        self._slow = self._clock.call_at_us(at_us, self._look_at_the_journal)

    def _look_at_the_journal(self) -> None:
        """A journal that does not answer is not better than one that refuses."""
        self._slow = None
        if not self._recording:
            return
        now_us, slow_us = self._clock.monotonic_us(), self._recording[0].since_us + JOURNAL_SLOW_US
        if now_us >= slow_us:
            self._fail_journal("the journal does not answer")
        self._look_again_at_us(slow_us if now_us < slow_us else now_us + JOURNAL_SLOW_US)

    def _fail_journal(self, why: str) -> None:
        """Told once, and at once: no record that is older is waited for."""
        if not self.state.journal_failed:
            log.error(why)
            self._take(ev.JournalHealth(failed=True))

    def _take_outcomes(self, told: "asyncio.Future[Event]") -> None:
        """Take what became of the records in their own order, in whatever order it is told.

        The board's events are acknowledged in order: one that overtook another would never be. That
        one was refused is not waited with.
        """
        if not told.cancelled() and isinstance(error := told.exception(), DroptableError):
            self._fail_journal(str(error))
        while self._recording and self._recording[0].outcome.done():
            oldest = self._recording.popleft()
            self._recorded(oldest.record, oldest.outcome)

    def _recorded(self, record: do.Record, future: "asyncio.Future[Event]") -> None:
        """Tell the core what became of it; what was not recorded is tried again."""
        if future.cancelled():
            return
        heard, error = record.heard, future.exception()
        if error is None:
            if heard is not None:
                self._unrecorded.pop((heard.boot_id, heard.event_seq), None)
                self._take(ev.Committed(heard, future.result().seq, future.result().time))
            elif self.state.journal_failed:
                self._take(ev.JournalHealth(failed=False))
            return
        if not isinstance(error, DroptableError):
            raise error
        self._not_recorded(record)

    def _not_recorded(self, record: do.Record) -> None:
        """Keep it, have the board keep it too, and try again."""
        heard = record.heard
        self._keep_for_later(record)
        if heard is not None:
            self._take(ev.CommitFailed(heard.boot_id, heard.event_seq))
        else:
            self._take(ev.JournalHealth(failed=True))
        if self._retry is None and not self.state.closing:
            at_us = self._clock.monotonic_us() + RETRY_RECORD_US
            self._retry = self._clock.call_at_us(at_us, self._retry_records)

    def _keep_for_later(self, record: do.Record) -> None:
        """Keep what the journal did not take.

        The board keeps its own events too and sends them again, so each is kept once; but a board
        that is reset meanwhile has forgotten them, and then this is the only place.
        """
        heard = record.heard
        self._last_kept += 1
        at = (0, self._last_kept) if heard is None else (heard.boot_id, heard.event_seq)
        if len(self._unrecorded) < UNRECORDED_MAX:
            self._unrecorded.setdefault(at, record)
        else:
            log.error("no room for an event that could not be recorded", kind=record.kind)

    def _retry_records(self) -> None:
        self._retry = None
        again, self._unrecorded = self._unrecorded, {}
        for record in again.values():
            self._do_record(record)


# From the link's words to the core's


def _event_of_news(news: session.News) -> ev.Event | None:
    match news:
        case session.Welcomed(welcome=welcome, restarted=restarted):
            return ev.SessionOpened(_board_of(welcome), restarted)
        case session.SessionOver():
            return ev.SessionOver()
        case session.WentStale():
            return ev.WentStale()
        case session.RoundTrip(round_us=round_us):
            return ev.RoundTrip(round_us)
        case session.Received(message=message):
            return _event_of_message(message)
        case session.Diagnosed():
            return None


def _event_of_message(message: messages.Message) -> ev.Event | None:
    match message:
        case messages.Status():
            return _status_of(message)
        case messages.Event() as e:
            return ev.BoardEventHeard(
                e.boot_id, e.event_seq, e.board_us, e.kind, e.section, e.a, e.b, e.c
            )
        case messages.Result(cmd_id=cmd_id, code=code):
            return ev.ResultHeard(cmd_id, code)
        case messages.Param(cmd_id=cmd_id, section=section, key=key, value=value):
            return ev.ParamHeard(cmd_id, section, key, value)
        case messages.Text(level=level, text=text):
            log.log(10 * min(max(level, 1), 4), "the board says", text=text)
            return None
        case _:
            return None


FEATURE_LOAD_CELLS = 1 << 0
FEATURE_TENSION_DRIVE = 1 << 1
FEATURE_SIMULATOR = 1 << 6


def _board_of(welcome: messages.Welcome) -> model.Board:
    firmware = f"{welcome.fw_major}.{welcome.fw_minor}.{welcome.fw_patch}"
    return model.Board(
        hw_id=welcome.hw_id,
        firmware=firmware,
        boot_id=welcome.boot_id,
        simulator=bool(welcome.features & FEATURE_SIMULATOR),
        first_event_seq=welcome.first_event_seq,
        params_crc=welcome.params_crc,
        load_cells=bool(welcome.features & FEATURE_LOAD_CELLS),
        tension_drive=bool(welcome.features & FEATURE_TENSION_DRIVE),
    )


def _status_of(status: messages.Status) -> ev.StatusHeard:
    flags = status.flags
    table = model.Table(
        estop_open=bool(flags & 1 << 0),
        stopped=bool(flags & 1 << 1),
        lease_live=bool(flags & 1 << 3),
        hold_pressed=bool(flags & 1 << 4),
        supply_low=bool(flags & 1 << 5),
        air_low=bool(flags & 1 << 6),
        maintenance=bool(flags & 1 << 7),
        events_half_full=bool(flags & 1 << 8),
        params_incomplete=bool(flags & 1 << 9),
    )
    thoracic, lumbar, pelvic = map(_section_of, status.sections)
    return ev.StatusHeard(table, (thoracic, lumbar, pelvic))


def _section_of(heard: messages.SectionStatus) -> model.SectionState:
    inputs = heard.inputs
    known = heard.phase in PHASES
    return model.SectionState(
        phase=model.Phase(heard.phase) if known else model.Phase.UNKNOWN,
        phase_number=None if known else heard.phase,
        fault=heard.fault,
        up=bool(inputs & 1),
        down=bool(inputs & 2),
        pin_in=bool(inputs & 4),
        load_dn=heard.load_dn if inputs & 8 else None,
        tension_dn=heard.tension_dn,
    )


PHASES = frozenset(int(phase) for phase in model.Phase)
"""A phase that is not among them is one of a newer board: the section is UNKNOWN, and latched."""
