"""A core on a bench: a clock in microseconds, a board that says what it is told to, people who ask.

Every step keeps every promise that holds for any step: no invariant is broken, nothing is due in
the past, no one is answered twice, and no ARM goes out that was not ready in that very state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar
from zlib import crc32

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.invariants import broken
from droptable.core.limits import (
    SESSION_SETTLE_US,
    TENSION_SET_KEY,
    Preset,
    SectionLimits,
    Settings,
)
from droptable.core.model import (
    ACTIVE,
    HELD_PHASES,
    Board,
    Calibration,
    Control,
    Health,
    Phase,
    Role,
    SectionState,
    State,
    Table,
    Upkeep,
    Verb,
)
from droptable.core.overs import Over
from droptable.core.provision import EVERY
from droptable.core.readiness import Question, Wish, reasons
from droptable.core.reasons import OK, Reason
from droptable.core.step import beat_flags, step, wake_us
from droptable.sections import Section

MS = 1_000
S = 1_000_000

THORACIC, LUMBAR, PELVIC = Section
ANN, BOB = "ann", "bob"
PAGE, OTHER_PAGE = 1, 2

LIMITS = SectionLimits(
    cock_timeout_ms=2000, lower_timeout_ms=3000, tension_min_dn=500, tension_max_dn=2500
)
TENSION_DN = 1500
LOAD_DN = 800
PRESET = Preset(
    Section.THORACIC, drops=3, window_us=60 * S, tension_offset_dn=TENSION_DN - LOAD_DN, text=""
)
TENSIONS = frozenset((int(at), TENSION_SET_KEY) for at in Section)
CONFIGURED = {at: 7 + index for index, at in enumerate(EVERY) if at not in TENSIONS}
COMPLETE = {**CONFIGURED, **dict.fromkeys(sorted(TENSIONS), TENSION_DN)}
"""What a board has that was provisioned before."""

TABLE = Table(
    stopped=False,
    estop_open=False,
    supply_low=False,
    air_low=False,
    maintenance=False,
    lease_live=False,
    hold_pressed=False,
    params_incomplete=False,
)

UPKEEP = Upkeep(disk_free_mb=10_000, late_us=0)
CALIBRATION = Calibration("bench", "BENCH001", expires_us=10**15)

AT_THE_TOP = frozenset({Phase.COCKED, Phase.ARMED})
AT_THE_BOTTOM = frozenset({Phase.LOCKED, Phase.DROPPED})


def crc(values: Mapping[tuple[int, int], int]) -> int:
    return crc32(repr(sorted(values.items())).encode())


def settings(hw_id: str | None = None, *, allow_cli_motion: bool = False) -> Settings:
    return Settings(
        window_ms=15_000,
        sections=(LIMITS, LIMITS, LIMITS),
        board_params=CONFIGURED,
        params_crc=crc,
        hw_id=hw_id,
        allow_cli_motion=allow_cli_motion,
        presets={"three": PRESET},
    )


def board(
    values: Mapping[tuple[int, int], int] = COMPLETE,
    *,
    hw_id: str = "BENCH001",
    boot_id: int = 1,
    first_event_seq: int = 1,
    simulator: bool = True,
) -> Board:
    return Board(hw_id, "1.0.0", boot_id, simulator, first_event_seq, crc(values))


def section(phase: Phase, *, fault: int = 0) -> SectionState:
    """What a sound board says of a section in `phase`; in FAULT, unless told, COCK_TIMEOUT."""
    return SectionState(
        phase,
        fault or int(phase is Phase.FAULT),
        up=phase in AT_THE_TOP,
        down=phase in AT_THE_BOTTOM,
        pin_in=phase in (Phase.COCKED, Phase.LOCKED),
        load_dn=LOAD_DN,
        tension_dn=TENSION_DN,
    )


E = TypeVar("E", bound=do.Effect)


class Bench:
    """The core and its clock. `did` are the effects of the last step, `all` those of every one."""

    def __init__(self, wanted: Settings | None = None) -> None:
        calibrations = (CALIBRATION, CALIBRATION, CALIBRATION)
        self.state = State(wanted or settings(), upkeep=UPKEEP, calibrations=calibrations)
        self.now_us = 10 * S
        self.did: tuple[do.Effect, ...] = ()
        self.all: list[do.Effect] = []
        self.asked: list[int] = []
        self.phases = [Phase.LOCKED] * 3
        self.table = TABLE
        self.beat = beat_flags(self.state)
        self.withdrawn = False
        self.values: dict[tuple[int, int], int] = dict(COMPLETE)

    # Steps

    def take(self, event: ev.Event) -> tuple[do.Effect, ...]:
        before = self.state
        self.state, self.did = step(before, event, self.now_us)
        self.all += self.did
        self._check(event, before)
        return self.did

    def _check(self, event: ev.Event, before: State) -> None:
        assert broken(self.state) == ()
        due_us = wake_us(self.state)
        assert due_us is None or due_us > self.now_us
        # Until then nothing happens by itself: no end has been forgotten among the deadlines.
        quiet_us = self.now_us + 3600 * S if due_us is None else due_us - 1
        assert step(self.state, ev.TimePassed(), quiet_us) == (self.state, ())
        for effect in self.did:
            match effect:
                case do.Answer(request=request):
                    assert request in self.asked, "nobody waits for this answer"
                    self.asked.remove(request)
                case do.SetBeat(lease=lease, hold=hold):
                    self.beat = (lease, hold)
                case do.SendCommand(verb=Verb.ARM):
                    self._check_arm(event, before, effect)
                case do.SendCommand(verb=Verb.COCK | Verb.LOCK):
                    self._check_motion(event, effect)
                case _:
                    pass
        assert self.beat == beat_flags(self.state)
        self._check_fingers()
        self._check_withdrawn(event)

    def _check_arm(self, event: ev.Event, before: State, sent: do.SendCommand) -> None:
        match event:
            case ev.Asked(actor=actor, action=action):
                assert action == ev.Do(Verb.ARM, sent.section)
                # Nothing was late before this ARM, or it would not be in the state that it was
                # decided on.
                decided, _ = step(before, ev.TimePassed(), self.now_us)
            case ev.CommitAsked():
                decided, _ = step(before, ev.TimePassed(), self.now_us)
                gesture = decided.gesture
                assert gesture is not None, "a finger that is not there has armed"
                assert (gesture.client, gesture.intent) == (event.client, event.intent)
                assert (gesture.control, gesture.section) == (Control.ARM, sent.section)
                assert 900 * MS <= self.now_us - gesture.pressed_us <= 3000 * MS
                assert self.now_us - gesture.heard_us <= 250 * MS
                actor = gesture.actor
            case _:
                gesture, series = self.state.gesture, self.state.series
                assert gesture is not None, "nobody holds the series that arms"
                assert series is not None
                assert (gesture.control, gesture.section) == (Control.SERIES, sent.section)
                assert series.running
                assert series.done < series.drops
                assert self.now_us - gesture.pressed_us >= 900 * MS
                decided = replace(self.state, pending=(), arms_us=before.arms_us)
                actor = gesture.actor
        assert sent.section is not None
        posted = isinstance(event, ev.Asked)
        question = Question(
            *(decided, self.now_us, Wish.ARM, sent.section, actor),
            posted=posted,
            role=Role.OPERATOR,
        )
        assert reasons(question) == ()

    def _check_motion(self, event: ev.Event, sent: do.SendCommand) -> None:
        """It was asked for without a finger, or a control has been held for long enough."""
        if isinstance(event, ev.Asked):
            assert event.action == ev.Do(sent.verb, sent.section)
            return
        gesture = self.state.gesture
        assert gesture is not None, "nobody holds what moves"
        controls = {Verb.COCK: {Control.COCK, Control.SERIES}, Verb.LOCK: {Control.LOCK}}
        assert gesture.control in controls[sent.verb]
        assert gesture.section is sent.section
        assert self.now_us - gesture.pressed_us >= 500 * MS

    def _check_withdrawn(self, event: ev.Event) -> None:
        """What was armed under one lease is not handed on with the next."""
        state = self.state
        if isinstance(event, ev.StatusHeard):
            moves = any(each.phase in ACTIVE for each in state.sections)
            under_way = any(each.verb in (Verb.COCK, Verb.ARM, Verb.LOCK) for each in state.pending)
            if not (event.table.lease_live or moves or under_way):
                self.withdrawn = False
        if {"lease_ended", "take_over_asked"} & set(self.recorded()):
            self.withdrawn = True
        if self.withdrawn:
            assert self.beat == (False, False), "a lease is handed on unseen"

    def _check_fingers(self) -> None:
        """No finger counts that is not heard of, and nothing goes on that nobody holds."""
        state, gesture = self.state, self.state.gesture
        if gesture is not None and gesture.client is not None:
            assert self.now_us - gesture.heard_us <= 250 * MS
        moving = any(each.phase in HELD_PHASES for each in state.sections)
        assert not (moving and state.hold is None and self.beat[0]), "motion without a hold"
        for at, each in zip(Section, state.sections, strict=True):
            if each.series is not None and each.phase is Phase.ARMED and self.beat[0]:
                assert gesture is not None, "armed in a series that nobody holds"
                assert (gesture.control, gesture.section) == (Control.SERIES, at)
        if state.take_over is not None:
            assert self.beat == (False, False)

    def found(self, kind: type[E]) -> list[E]:
        """Those of the last step's effects."""
        return [effect for effect in self.did if isinstance(effect, kind)]

    def ever(self, kind: type[E]) -> list[E]:
        """Those of all effects so far."""
        return [effect for effect in self.all if isinstance(effect, kind)]

    def one(self, kind: type[E]) -> E:
        (effect,) = self.found(kind)
        return effect

    def recorded(self) -> list[str]:
        return [record.kind for record in self.found(do.Record)]

    # Time

    def later(self, us: int) -> tuple[do.Effect, ...]:
        """Let time pass without a word from the board, waking whenever something is due."""
        until_us, did = self.now_us + us, []
        while (due_us := wake_us(self.state)) is not None and due_us <= until_us:
            self.now_us = due_us
            did += self.take(ev.TimePassed())
        self.now_us = until_us
        did += self.take(ev.TimePassed())
        self.did = tuple(did)
        return self.did

    def heard_for(self, us: int) -> tuple[do.Effect, ...]:
        """Let time pass with a STATUS every 20 ms."""
        until_us, did = self.now_us + us, []
        while self.now_us < until_us:
            did += self.later(min(20 * MS, until_us - self.now_us))
            did += self.status()
        self.did = tuple(did)
        return self.did

    # The board

    def status(self, **table: bool) -> tuple[do.Effect, ...]:
        self.table = replace(self.table, **table)
        thoracic, lumbar, pelvic = map(section, self.phases)
        return self.take(ev.StatusHeard(self.table, (thoracic, lumbar, pelvic)))

    def phase(self, at: Section, phase: Phase) -> tuple[do.Effect, ...]:
        """The board says that one section has come to `phase`."""
        self.phases[at] = phase
        return self.status()

    def open(self, who: Board | None = None, *, restarted: bool = False) -> tuple[do.Effect, ...]:
        self.take(ev.StreamOpened())
        return self.take(ev.SessionOpened(who or board(self.values), restarted))

    def answer_params(self, limit: int = 1000) -> None:
        """Answer what is asked about parameters as a board does, until nothing is."""
        for _ in range(limit):
            asked = [e for e in self.did if isinstance(e, do.SendParamGet | do.SendParamSet)]
            if not asked:
                return
            for each in asked:
                self.answer_param(each)
        raise AssertionError("parameters are asked about for ever")

    def answer_param(self, asked: do.SendParamGet | do.SendParamSet) -> None:
        at = (asked.section, asked.key)
        if isinstance(asked, do.SendParamSet):
            self.values[at] = asked.value
        if at in self.values:
            self.take(ev.ParamHeard(asked.cmd_id, *at, self.values[at]))
        else:
            self.result(asked.cmd_id, 11)

    def result(self, cmd_id: int, code: int = OK) -> tuple[do.Effect, ...]:
        return self.take(ev.ResultHeard(cmd_id, code))

    def event(
        self,
        seq: int,
        kind: int,
        at: int = THORACIC,
        *,
        boot_id: int = 1,
        board_us: int = 5 * S,
        a: int = 0,
        b: int = 0,
        c: int = 0,
    ) -> ev.BoardEventHeard:
        heard = ev.BoardEventHeard(boot_id, seq, board_us, kind, at, a, b, c)
        self.take(heard)
        return heard

    # People

    def ask(self, action: ev.Action, actor: str = ANN) -> tuple[Reason, ...] | None:
        """Ask; the reasons against it, or None while the board has not answered."""
        request = len(self.all) + self.now_us
        self.asked.append(request)
        self.take(ev.Asked(request, actor, action, Role.OPERATOR))
        answers = [answer for answer in self.found(do.Answer) if answer.request == request]
        return answers[0].reasons if answers else None

    def refused(self, action: ev.Action, actor: str = ANN) -> list[str]:
        against = self.ask(action, actor)
        assert against, "it was not refused"
        assert self.found(do.SendCommand) == []
        return [reason.code for reason in against]

    def sent(self, action: ev.Action, actor: str = ANN) -> do.SendCommand:
        assert self.ask(action, actor) is None
        return self.one(do.SendCommand)

    def stop(self, source: str = "page") -> do.SendStop:
        self.take(ev.StopAsked(source))
        return self.one(do.SendStop)

    # Fingers

    def press(
        self,
        control: Control,
        at: Section = THORACIC,
        *,
        client: int = PAGE,
        actor: str = ANN,
        current: bool = True,
    ) -> do.Tell:
        """A finger comes down; what the page is told of it."""
        self.take(ev.Pressed(client, actor, Role.OPERATOR, control, at, current))
        return self.told(client)[-1]

    def pressed(self, control: Control, at: Section = THORACIC, *, client: int = PAGE) -> int:
        """A press that is taken; its number."""
        told = self.press(control, at, client=client)
        assert (told.over, told.reasons) == (None, ())
        assert told.intent is not None
        return told.intent

    def held_for(self, us: int, intent: int, *, client: int = PAGE) -> tuple[do.Effect, ...]:
        """Time passes, and the page tells of the finger every 100 ms."""
        until_us, did = self.now_us + us, []
        while self.now_us < until_us:
            did += self.heard_for(min(100 * MS, until_us - self.now_us))
            did += self.take(ev.Holding(client, intent))
        self.did = tuple(did)
        return self.did

    def told(self, client: int = PAGE) -> list[do.Tell]:
        """What a page was told in the last step."""
        return [told for told in self.found(do.Tell) if told.client == client]

    def over(self, client: int = PAGE) -> list[Over]:
        """How gestures of a page have ended in the last step."""
        return [told.over for told in self.told(client) if told.over is not None]

    # Scenes

    def ready(self, *phases: Phase, lease: str | None = ANN) -> "Bench":
        """A live, proven board whose sections are in `phases`, and someone who has the lease."""
        self.phases = [*phases, *self.phases][:3] if phases else self.phases
        self.open()
        self.status()
        self.answer_params()
        self.take(ev.RoundTrip(1 * MS))
        self.heard_for(SESSION_SETTLE_US)
        assert self.state.link.health is Health.LIVE
        if lease is not None:
            assert self.ask(ev.TakeLease(), lease) == ()
            self.confirm()
        return self

    def confirm(self) -> None:
        """Whoever has the lease answers for the tensions that the board has."""
        thoracic, lumbar, pelvic = (
            replace(each, tension_confirmed=True, tension_left=False)
            for each in self.state.sections
        )
        self.state = replace(self.state, sections=(thoracic, lumbar, pelvic))

    def codes(self, wish: Wish, at: Section = THORACIC, actor: str | None = ANN) -> list[str]:
        question = Question(
            self.state, self.now_us, wish, at, actor, posted=True, role=Role.OPERATOR
        )
        return [reason.code for reason in reasons(question)]

    def arm(self, at: Section = THORACIC) -> None:
        """Arm a cocked section, all the way to ARMED."""
        sent = self.sent(ev.Do(Verb.ARM, at))
        self.result(sent.cmd_id)
        self.phase(at, Phase.ARMED)


def codes_of(answers: Iterable[do.Answer]) -> list[str]:
    return [reason.code for answer in answers for reason in answer.reasons]
