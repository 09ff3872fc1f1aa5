"""The board's law: what the table's coils do, given its switches and what a host asks. Pure.

Think of each section as a weight on a pin. The *pin* is the safety: a spring drives it in, power
withdraws it, and while it is in nothing falls. The *lift* raises the section, the *lowering valve*
lets it down, and without either it stays where it is. At the top, with the pin out, only the
*tension* holds it, until a thrust is stronger. All outputs off is therefore safe at every height,
and every surprise in this file ends there.

A section's life is a short loop. LOCKED at the bottom, it is COCKING while the lift runs under a
person's hold, SECURING while the pin goes in, and COCKED. ARMED, its pin is withdrawn for a
window; a thrust makes it DROPPING, the bottom DROPPED, the pin LOCKED again. Without a thrust it is
SECURING, then COCKED. LOWERING is the way down without a drop. HALTED is somewhere in between, after
a hold was released; FAULT is a finding that a person has to clear; UNKNOWN is everything that the
switches have not proven, and the beginning.

Four things move a section from phase to phase, and nothing else does:

- a verb of the host, if `verbs.py` has nothing against it (`BEGINS` says where it leads);
- its own switches and time, by the rows of `ROWS`, of which the first that applies is taken;
- a fault, by the conditions of `faults.py`, from any phase, the first cause kept;
- STOP, the e-stop or the local button, by `AFTER_STOP`.

No row, verb or fault drives an output directly: outputs follow from the phase (`outputs_for`), and
only ARMED, COCKING, LOWERING and a DROPPING that came from ARMED have any. There is no verb that
releases a section.

`step` is a function of its arguments. It says when it wants to be called again; being called
earlier does no harm, later makes deadlines late but never forgotten. The caller calls it at each
raw edge of an input with the edge's own time, so that time stamps are as good as the caller's clock.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from droptable.board import params as p
from droptable.board.event_buffer import RESEND_COUNT, RESEND_EVERY_US, EventBuffer
from droptable.board.faults import FAULT_RULES, self_test
from droptable.board.model import (
    TABLE,
    Answer,
    Ask,
    Beat,
    Code,
    Command,
    Disarmed,
    Event,
    EventAck,
    Fault,
    Feature,
    Flag,
    Inputs,
    Kind,
    LoadHistory,
    Lost,
    Opened,
    Outputs,
    Param,
    ParamGet,
    ParamSet,
    Phase,
    Result,
    SectionStatus,
    Status,
    Stop,
    StopSource,
    Trace,
    TraceGet,
    Verb,
)
from droptable.board.params import PARAM_RULES, Params, address_refusal
from droptable.board.state import (
    RESTING,
    TRACE_AFTER_US,
    TRACE_BEFORE_US,
    TRACE_STEP_US,
    TRACE_TOTAL,
    TRACES_KEPT,
    Line,
    SectionState,
    State,
    Tare,
    TraceRecord,
    View,
    load_dn,
    outputs_for,
    outputs_of,
    tension_steps,
)
from droptable.board.switches import Switch
from droptable.board.verbs import BEATS_BEFORE_COMMANDS, HOME_PHASES, refusal

STATUS_EVERY_US = 20_000

LINE_PAUSE_US = 10_000
"""How long a contact of the table must be quiet before its unsafe level is believed to be over."""

QUICK_FALL_US = 150_000
"""From the top to the bottom in less than this was a fall, whatever the phase called it."""

PEAK_BEFORE_US = 200_000
"""How long before the up edge the thrust's peak is looked for: preload and rise take that long."""

EXCUSED_AFTER_THRUST_US = 1_000_000
TARE_US = 500_000
TARE_STEP_US = 1_000
COMMANDS_REMEMBERED = 16
SAMPLES_PER_TRACE = 18
NO_SAMPLE = -32_768
_I16 = (-32_768, 32_767)
_U16 = (0, 65_535)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step gives: the state to keep, what to drive, what to send, when to call again."""

    state: State
    outputs: Outputs
    answers: tuple[Answer, ...]
    wake_us: int | None


def boot(
    *,
    boot_id: int,
    reset_cause: int,
    features: Feature,
    params: Params | None,
    inputs: Inputs,
    now_us: int,
) -> State:
    """The board as it wakes: every section UNKNOWN, nothing driven, nothing believed.

    `params` are the stored ones; None means that their store is damaged, which is a FAULT until
    they have been written again. A table whose e-stop chain is open wakes stopped.
    """
    kept = params or Params()
    sections = [_section_at_boot(inputs, at, kept, now_us) for at in range(3)]
    state = State(
        boot_id=boot_id,
        reset_cause=reset_cause,
        features=features,
        params=kept,
        params_complete=kept.complete(features),
        sections=(sections[0], sections[1], sections[2]),
        events=EventBuffer().add(Kind.BOOTED, now_us, TABLE, a=reset_cause),
        estop=Line(),
        button=Line(),
        pedal=Line(),
        status_due_us=now_us,
        resend_due_us=now_us,
    )
    turn = _Turn(state, inputs, now_us, _NoHistory())
    for at in range(3):
        turn.retarget_tension(at, turn.view(at).param(p.TENSION_SET_DN))
        if not self_test(turn.view(at)):
            turn.fail(at, Fault.SELF_TEST)
        elif params is None:
            turn.fail(at, Fault.PARAMS)
    turn.sense_table()
    return turn.board


def step(
    state: State, inputs: Inputs, asks: Iterable[Ask], now_us: int, loads: LoadHistory
) -> Step:
    """What follows from `state` when at `now_us` the sensors say `inputs` and the host `asks`.

    `now_us` never goes back. Asks are taken in order, after the sensors, before time's own rows.
    """
    turn = _Turn(state, inputs, now_us, loads)
    turn.sense_table()
    turn.sense_sections()
    for ask in asks:
        turn.take(ask)
    turn.run_rows()
    turn.run_faults()
    turn.drive()
    turn.finish_traces()
    turn.finish_tare()
    turn.report(state)
    return Step(turn.board, outputs_of(turn.board), tuple(turn.answers), turn.wake_us())


def _section_at_boot(inputs: Inputs, at: int, params: Params, now_us: int) -> SectionState:
    sensed = inputs.sections[at]
    return SectionState(
        phase=Phase.UNKNOWN,
        up=Switch.at_boot(sensed.up, now_us),
        down=Switch.at_boot(sensed.down, now_us),
        pin=Switch.at_boot(sensed.pin, now_us),
        entered_us=now_us,
        told_fall_us=now_us,
        tension_target_steps=sensed.tension_steps,
        tension_written_us=now_us,
        fault_since_us=(None,) * len(FAULT_RULES),
    )


class _NoHistory:
    """The loads before there were any."""

    def window(
        self, section: int, from_us: int, to_us: int, step_us: int
    ) -> tuple[int | None, ...]:
        return (None,) * ((to_us - from_us) // step_us)


# The rows of the table that need no verb


@dataclass(frozen=True, slots=True)
class Row:
    """While a section is in `phase` and `when` holds, `act` happens. `on` says it in words."""

    phase: Phase
    on: str
    when: Callable[[View], bool]
    act: Callable[["_Turn", int], None]


def _to(phase: Phase) -> Callable[["_Turn", int], None]:
    return lambda turn, at: turn.enter(at, phase)


def _disarm(why: Disarmed) -> Callable[["_Turn", int], None]:
    return lambda turn, at: turn.disarm(at, why)


def _not_held(view: View) -> bool:
    return not (view.board.may_move and view.board.hold)


def _up_settled(view: View) -> bool:
    return view.section.up.closed_for(view.settle_us, view.now_us)


def _down_settled(view: View) -> bool:
    return view.section.down.closed_for(view.settle_us, view.now_us)


def _pin_settled(view: View) -> bool:
    return view.section.pin.closed_for(view.settle_us, view.now_us)


def _secured_at_the_top(view: View) -> bool:
    return _pin_settled(view) and view.section.up.level and not view.section.down.level


def _secured_at_the_bottom(view: View) -> bool:
    return _pin_settled(view) and view.section.down.level and not view.section.up.level


def _left_the_top(view: View) -> bool:
    return not view.section.up.level


def _breaks_away_while_securing(view: View) -> bool:
    return not view.section.up.level and view.section.came_from in (Phase.ARMED, Phase.COCKING)


def _arrived(view: View) -> bool:
    """At the bottom by an edge that has not been accounted for."""
    section = view.section
    return section.down.level and section.down.edge_us > section.told_fall_us


def fall_us(view: View) -> int | None:
    """How long the way from the top to the bottom took, if it was a fall; else None.

    A section that was let fall may take until its drop would have timed out. Any other has been
    lowered unless it was quicker than a valve can be.
    """
    section = view.section
    if section.up.level or not section.down.level:
        return None
    took_us = section.down.edge_us - section.up.edge_us
    limit_us = QUICK_FALL_US
    if section.phase is Phase.DROPPING:
        limit_us = took_us
    elif section.phase in _UNWATCHED and section.came_from in _LET_FALL:
        limit_us = view.param_us(p.DROP_TIMEOUT_MS)
    return took_us if 0 < took_us <= limit_us else None


_UNWATCHED = frozenset({Phase.UNKNOWN, Phase.FAULT})
_LET_FALL = frozenset({Phase.ARMED, Phase.DROPPING, Phase.COCKING})


def _fell(view: View) -> bool:
    return _arrived(view) and fall_us(view) is not None


def _fell_while_cocking(view: View) -> bool:
    """At the bottom again after it was left: it cannot have come there by the lift."""
    return _arrived(view) and view.section.down.edge_us > view.section.entered_us


def _session_lost(view: View) -> bool:
    return not view.board.host_live


def _lease_lost(view: View) -> bool:
    return not view.board.lease


def _window_over(view: View) -> bool:
    return view.now_us - view.section.commanded_us >= view.section.window_us


def _arming_is_over(view: View) -> bool:
    """The pin need not be withdrawn any longer, although the section still falls."""
    lost = not view.board.may_move or view.board.stopped
    return lost and view.section.came_from is Phase.ARMED


ROWS: tuple[Row, ...] = (
    Row(
        Phase.COCKING,
        "down switch closes again after it was left",
        _fell_while_cocking,
        lambda turn, at: turn.fell_uncommanded(at),
    ),
    Row(Phase.COCKING, "hold, lease or session lost", _not_held, _to(Phase.HALTED)),
    Row(Phase.COCKING, "up switch for settle_ms", _up_settled, _to(Phase.SECURING)),
    Row(
        Phase.SECURING,
        "up switch opens, came from ARMED or COCKING",
        _breaks_away_while_securing,
        _to(Phase.DROPPING),
    ),
    Row(Phase.SECURING, "pin switch for settle_ms, up", _secured_at_the_top, _to(Phase.COCKED)),
    Row(
        Phase.SECURING,
        "pin switch for settle_ms, down",
        _secured_at_the_bottom,
        _to(Phase.LOCKED),
    ),
    Row(Phase.ARMED, "up switch opens", _left_the_top, _to(Phase.DROPPING)),
    Row(Phase.ARMED, "session lost", _session_lost, _disarm(Disarmed.SESSION_LOST)),
    Row(Phase.ARMED, "lease lost", _lease_lost, _disarm(Disarmed.LEASE_LOST)),
    Row(Phase.ARMED, "window over", _window_over, _disarm(Disarmed.WINDOW_OVER)),
    Row(
        Phase.DROPPING,
        "down switch closes",
        _arrived,
        lambda turn, at: turn.dropped(at),
    ),
    Row(
        Phase.DROPPING,
        "stop, lease or session lost",
        _arming_is_over,
        lambda turn, at: turn.let_the_pin_go(at),
    ),
    Row(Phase.DROPPED, "pin switch for settle_ms", _pin_settled, _to(Phase.LOCKED)),
    Row(
        Phase.LOWERING,
        "up switch opens and down closes within 150 ms",
        _fell,
        lambda turn, at: turn.fell_uncommanded(at),
    ),
    Row(Phase.LOWERING, "hold, lease or session lost", _not_held, _to(Phase.HALTED)),
    Row(Phase.LOWERING, "down switch for settle_ms", _down_settled, _to(Phase.SECURING)),
    Row(
        Phase.HALTED,
        "up switch opens and down closes within 150 ms",
        _fell,
        lambda turn, at: turn.fell_uncommanded(at),
    ),
    Row(
        Phase.UNKNOWN,
        "up switch opens and down closes, as a fall does",
        _fell,
        lambda turn, at: turn.record_drop(at),
    ),
    Row(
        Phase.FAULT,
        "up switch opens and down closes, as a fall does",
        _fell,
        lambda turn, at: turn.record_drop(at),
    ),
)
"""The transition table without its verbs, faults and STOP; the first row that applies is taken."""

ROWS_OF: dict[Phase, tuple[Row, ...]] = {
    phase: tuple(row for row in ROWS if row.phase is phase) for phase in Phase
}

BEGINS: dict[Verb, Phase] = {
    Verb.COCK: Phase.COCKING,
    Verb.ARM: Phase.ARMED,
    Verb.LOCK: Phase.LOWERING,
    Verb.CLEAR_FAULT: Phase.UNKNOWN,
}
"""Where a verb that is allowed leads, for those that lead to one place."""

AFTER_STOP: dict[Phase, Phase] = {
    Phase.UNKNOWN: Phase.UNKNOWN,
    Phase.LOCKED: Phase.LOCKED,
    Phase.COCKING: Phase.UNKNOWN,
    Phase.COCKED: Phase.COCKED,
    Phase.ARMED: Phase.SECURING,
    Phase.DROPPING: Phase.DROPPING,
    Phase.DROPPED: Phase.DROPPED,
    Phase.LOWERING: Phase.UNKNOWN,
    Phase.HALTED: Phase.UNKNOWN,
    Phase.FAULT: Phase.FAULT,
    Phase.SECURING: Phase.SECURING,
}
"""Where STOP leaves a section; COCKED and LOCKED only while their switches agree, else UNKNOWN."""

DISARMED_BY_STOP: dict[StopSource, Disarmed] = {
    StopSource.FRAME: Disarmed.STOP,
    StopSource.ESTOP: Disarmed.ESTOP,
    StopSource.BUTTON: Disarmed.STOP,
}


class _Turn:
    """One step under way: the state as it becomes, and what is to be sent."""

    def __init__(self, board: State, inputs: Inputs, now_us: int, loads: LoadHistory) -> None:
        self.board = board
        self.inputs = inputs
        self.now_us = now_us
        self.loads = loads
        self.answers: list[Answer] = []

    def view(self, at: int) -> View:
        return View(self.board, self.inputs, at, self.now_us)

    def section(self, at: int) -> SectionState:
        return self.board.sections[at]

    def keep(self, at: int, section: SectionState) -> None:
        sections = list(self.board.sections)
        sections[at] = section
        self.board = replace(self.board, sections=(sections[0], sections[1], sections[2]))

    def tell(self, kind: Kind, section: int, a: int = 0, b: int = 0, c: int = 0) -> None:
        self._tell_at(self.now_us, kind, section, a, b, c)

    def _tell_at(self, at_us: int, kind: Kind, section: int, a: int, b: int, c: int) -> Event:
        events = self.board.events.add(kind, at_us, section, a, b, c)
        self.board = replace(self.board, events=events)
        return events.kept[-1]

    # Sensing

    def sense_table(self) -> None:
        """The e-stop chain, the local stop button and the pedal; then STOP, if one of them says so."""
        self._sense_estop()
        self._sense_button()
        self._sense_pedal()

    def _sense_estop(self) -> None:
        line = _sense_line(self.board.estop, self.inputs.estop_open, True, self.now_us)
        if line is self.board.estop:
            return
        opened = line.active and not self.board.estop.active
        closed = self.board.estop.active and not line.active
        self.board = replace(self.board, estop=line)
        if opened:
            self.tell(Kind.ESTOP_OPEN, TABLE)
            self.stop(StopSource.ESTOP)
        if closed:
            self.tell(Kind.ESTOP_CLOSED, TABLE)

    def _sense_button(self) -> None:
        line = _sense_line(self.board.button, self.inputs.stop_button, True, self.now_us)
        pressed = line.active and not self.board.button.active
        if line is not self.board.button:
            self.board = replace(self.board, button=line)
        if pressed:
            self.stop(StopSource.BUTTON)

    def _sense_pedal(self) -> None:
        if Feature.PEDAL not in self.board.features:
            return
        line = _sense_line(self.board.pedal, self.inputs.pedal_down, False, self.now_us)
        if line is self.board.pedal:
            return
        changed = line.active is not self.board.pedal.active
        self.board = replace(self.board, pedal=line)
        if changed:
            self.tell(Kind.PEDAL, TABLE, a=int(line.active))

    def sense_sections(self) -> None:
        for at, section in enumerate(self.board.sections):
            sensed = self.inputs.sections[at]
            debounce_us = self.board.params.get(at, p.DEBOUNCE_US)
            up = section.up.sensed(sensed.up, self.now_us, debounce_us)
            down = section.down.sensed(sensed.down, self.now_us, debounce_us)
            pin = section.pin.sensed(sensed.pin, self.now_us, debounce_us)
            if up is not section.up or down is not section.down or pin is not section.pin:
                self.keep(at, replace(section, up=up, down=down, pin=pin))

    # Asks

    def take(self, ask: Ask) -> None:
        match ask:
            case Stop():
                self.stop(StopSource.FRAME)
                if ask.answer:
                    self.answers.append(Result(ask.cmd_id, Code.OK, 0))
            case Beat():
                self._take_beat(ask)
            case Command() | ParamSet():
                self._take_once(ask)
            case ParamGet():
                self.answers.append(self._param_of(ask))
            case EventAck():
                self._take_ack(ask)
            case TraceGet():
                self.answers.append(self._trace_of(ask))
            case Opened():
                self._take_opened()
            case Lost():
                self._lose_host()
                self.tell(Kind.LINK_LOST, TABLE)

    def _take_beat(self, beat: Beat) -> None:
        if not self.board.host_live:
            return
        beats = min(self.board.beats + 1, BEATS_BEFORE_COMMANDS)
        now = (beats, beat.lease, beat.hold)
        if now != (self.board.beats, self.board.lease, self.board.beat_hold):
            self.board = replace(self.board, beats=beats, lease=beat.lease, beat_hold=beat.hold)
            self.run_rows()

    def _take_opened(self) -> None:
        """A new host: whatever the last one was allowed is over before the new one is heard."""
        if self.board.host_live:
            self._lose_host()
        self.board = replace(
            self.board,
            host_live=True,
            host_seen=True,
            beats=0,
            remembered=(),
            status_due_us=self.now_us,
            resend_due_us=self.now_us,
        )
        self.tell(Kind.LINK_UP, TABLE)

    def _lose_host(self) -> None:
        self.board = replace(self.board, host_live=False, lease=False, beat_hold=False, tare=None)
        self.run_rows()
        self._leave_maintenance()

    def _take_ack(self, ack: EventAck) -> None:
        if ack.boot_id == self.board.boot_id:
            events = self.board.events.acknowledged(ack.event_seq).tell_lost(self.now_us)
            self.board = replace(self.board, events=events)

    def _take_once(self, ask: Command | ParamSet) -> None:
        """Answer from memory what was asked before in this session; else do it and remember."""
        known = dict(self.board.remembered)
        if ask.cmd_id in known:
            self.answers.append(known[ask.cmd_id])
            return
        answer = self._obey(ask) if isinstance(ask, Command) else self._set_param(ask)
        self.answers.append(answer)
        if self.board.host_live:
            remembered = (*self.board.remembered, (ask.cmd_id, answer))[-COMMANDS_REMEMBERED:]
            self.board = replace(self.board, remembered=remembered)

    def _obey(self, ask: Command) -> Result:
        at = ask.section if ask.section in (0, 1, 2) else 0
        code = refusal(self.board, self.view(at), ask)
        if code is None:
            self._begin(ask, at)
        phase = self.section(at).phase if ask.section in (0, 1, 2) else 0
        return Result(ask.cmd_id, code or Code.OK, phase)

    def _begin(self, ask: Command, at: int) -> None:
        match Verb(ask.verb):
            case Verb.COCK | Verb.ARM | Verb.LOCK | Verb.CLEAR_FAULT as verb:
                self._begin_phase(verb, ask, at)
            case Verb.DISARM:
                self.disarm(at, Disarmed.COMMAND)
            case Verb.HOME:
                self.enter(at, HOME_PHASES[self.view(at).settled_as])
            case Verb.TARE:
                tare = Tare(ask.cmd_id, at, self.now_us)
                self.board = replace(self.board, tare=tare)
            case Verb.MAINTENANCE:
                self._set_maintenance(entered=ask.arg == 1)
            case Verb.RESET_STOP:
                if self.board.stopped:
                    self.board = replace(self.board, stopped=False)
                    self.tell(Kind.STOP_RESET, TABLE)

    def _begin_phase(self, verb: Verb, ask: Command, at: int) -> None:
        cleared = self.section(at).fault
        window_us = ask.arg * 1000 if verb is Verb.ARM else 0
        self.enter(at, BEGINS[verb], commanded_us=self.now_us, window_us=window_us)
        if verb is Verb.ARM:
            self.tell(Kind.ARMED, at, a=ask.arg)
        if verb is Verb.CLEAR_FAULT:
            self.tell(Kind.FAULT_CLEARED, at, a=cleared)

    def _set_maintenance(self, *, entered: bool) -> None:
        if entered and not self.board.maintenance:
            self.board = replace(self.board, maintenance=True)
            self.tell(Kind.MAINTENANCE, TABLE, a=1)
        elif not entered:
            self._leave_maintenance()

    def _leave_maintenance(self) -> None:
        if self.board.maintenance:
            self.board = replace(self.board, maintenance=False, tare=None)
            self.tell(Kind.MAINTENANCE, TABLE, a=0)

    # Parameters

    def _set_param(self, ask: ParamSet) -> Result | Param:
        code = self._param_refusal(ask)
        if code is not None:
            return Result(ask.cmd_id, code, self._phase_of(ask.section))
        self.write_param(ask.section, ask.key, ask.value)
        return Param(ask.cmd_id, ask.section, ask.key, ask.value)

    def _param_refusal(self, ask: ParamSet) -> Code | None:
        if not self.board.host_live:
            return Code.NO_SESSION
        if (code := address_refusal(ask.section, ask.key, self.board.features)) is not None:
            return code
        if not PARAM_RULES[ask.key].takes(ask.value):
            return Code.OUT_OF_RANGE
        if ask.key == p.TENSION_SET_DN:
            still = RESTING | {Phase.COCKED, Phase.HALTED}
            return None if self.section(ask.section).phase in still else Code.WRONG_PHASE
        resting = all(section.phase in RESTING for section in self.board.sections)
        return None if resting else Code.WRONG_PHASE

    def write_param(self, section: int, key: int, value: int) -> None:
        params = self.board.params.with_value(section, key, value)
        complete = params.complete(self.board.features)
        self.board = replace(self.board, params=params, params_complete=complete)
        if key == p.TENSION_SET_DN:
            self.retarget_tension(section, value)

    def retarget_tension(self, at: int, tension_dn: int) -> None:
        """Send the tension actuator to a new place, and give it its time to get there.

        Without a drive, or before its set value or its span is known, it stays where it is.
        """
        known = self.board.params.stored(at, p.TENSION_SET_DN) is not None
        known = known and self.board.params.stored(at, p.TENSION_SPAN_UN) is not None
        steps = self.inputs.sections[at].tension_steps
        if known and Feature.TENSION_DRIVE in self.board.features:
            steps = tension_steps(self.board, at, tension_dn)
        self.keep(
            at,
            replace(self.section(at), tension_target_steps=steps, tension_written_us=self.now_us),
        )

    def _param_of(self, ask: ParamGet) -> Result | Param:
        code = address_refusal(ask.section, ask.key, self.board.features)
        value = self.board.params.stored(ask.section, ask.key) if code is None else None
        if value is None:
            code = code or Code.PARAMS_INCOMPLETE
            return Result(ask.cmd_id, code, self._phase_of(ask.section))
        return Param(ask.cmd_id, ask.section, ask.key, value)

    def _phase_of(self, section: int) -> int:
        return self.section(section).phase if section in (0, 1, 2) else 0

    # Phases

    def enter(
        self, at: int, phase: Phase, *, commanded_us: int | None = None, window_us: int = 0
    ) -> None:
        """Leave the section's phase for `phase`, and tell what the contract wants told."""
        before = self.section(at)
        if phase is before.phase:
            return
        after = replace(
            before,
            phase=phase,
            came_from=before.phase,
            entered_us=self.now_us,
            fault=Fault.NONE,
            commanded_us=before.commanded_us if commanded_us is None else commanded_us,
            window_us=window_us,
        )
        if before.phase in (Phase.ARMED, Phase.DROPPING):
            excused_until_us = self.now_us + EXCUSED_AFTER_THRUST_US
            after = replace(after, excused_until_us=excused_until_us)
        if before.phase is Phase.LOWERING and after.down.level:
            after = replace(after, told_fall_us=after.down.edge_us)
        self.keep(at, replace(after, outputs=outputs_for(after)))
        self._tell_entered(at, before, phase)

    def _tell_entered(self, at: int, before: SectionState, phase: Phase) -> None:
        since_command_us = self.now_us - before.commanded_us
        match phase, before.phase, before.came_from:
            case Phase.COCKED, Phase.SECURING, Phase.COCKING:
                self.tell(Kind.COCKED, at, a=since_command_us)
            case Phase.LOCKED, Phase.SECURING, _:
                self.tell(Kind.LOCKED, at, a=since_command_us)
            case Phase.LOCKED, Phase.DROPPED, _:
                self.tell(Kind.LOCKED, at, a=self.now_us - before.told_fall_us)
            case Phase.HALTED, _, _:
                self.tell(Kind.HALTED, at)
            case _:
                pass

    def disarm(self, at: int, why: Disarmed) -> None:
        self.enter(at, Phase.SECURING)
        self.tell(Kind.DISARMED, at, a=why)

    def let_the_pin_go(self, at: int) -> None:
        section = replace(self.section(at), came_from=Phase.SECURING)
        self.keep(at, replace(section, outputs=outputs_for(section)))

    def fail(self, at: int, fault: Fault) -> None:
        """Put the section in FAULT. The first cause is kept, whatever comes after."""
        before = self.section(at)
        if before.phase is Phase.FAULT:
            return
        was = before.came_from if before.phase is Phase.SECURING else before.phase
        self.enter(at, Phase.FAULT)
        self.keep(at, replace(self.section(at), fault=fault, came_from=was))
        if before.phase is Phase.ARMED:
            self.tell(Kind.DISARMED, at, a=Disarmed.FAULT)
        self.tell(Kind.FAULT, at, a=fault)

    def stop(self, source: StopSource) -> None:
        """Latch STOP and take every section to where it leaves it. Idempotent."""
        if not self.board.stopped:
            self.board = replace(self.board, stopped=True, tare=None)
            self.tell(Kind.STOPPED, TABLE, a=source)
        for at, section in enumerate(self.board.sections):
            target = AFTER_STOP[section.phase]
            if section.phase in (Phase.COCKED, Phase.LOCKED) and not _agrees(section):
                target = Phase.UNKNOWN
            if section.phase is Phase.ARMED:
                self.disarm(at, DISARMED_BY_STOP[source])
            else:
                self.enter(at, target)
            steps = self.inputs.sections[at].tension_steps
            self.keep(at, replace(self.section(at), tension_target_steps=steps))
        self.run_rows()

    # Falls

    def dropped(self, at: int) -> None:
        self.record_drop(at)
        self.enter(at, Phase.DROPPED)

    def fell_uncommanded(self, at: int) -> None:
        self.record_drop(at)
        self.fail(at, Fault.UNCOMMANDED_DROP)

    def record_drop(self, at: int) -> None:
        """The DROP of the arrival that the down switch has just shown, and its trace to come.

        Without an up edge that belongs to it, the down edge is its time and its fall takes 0.
        """
        section = self.section(at)
        down_us = section.down.edge_us
        took_us = fall_us(self.view(at)) or 0
        edge_us = down_us - took_us
        peak_dn = max(self._loads(at, edge_us - PEAK_BEFORE_US, down_us + TRACE_STEP_US), default=0)
        release_dn = next(iter(self._loads(at, edge_us, edge_us + TRACE_STEP_US)), 0)
        seq_before = self.board.events.next_seq
        event = self._tell_at(edge_us, Kind.DROP, at, took_us, peak_dn, release_dn)
        self.keep(at, replace(section, told_fall_us=down_us))
        recorded = event.event_seq >= seq_before and event.kind is Kind.DROP
        if recorded and Feature.TRACES in self.board.features:
            record = TraceRecord(event.event_seq, at, edge_us)
            self.board = replace(self.board, traces=(*self.board.traces, record)[-TRACES_KEPT:])

    def _loads(self, at: int, from_us: int, to_us: int) -> list[int]:
        """The loads of a window in 0.1 N, without those that do not exist."""
        raws = self.loads.window(at, from_us, to_us, TRACE_STEP_US)
        return [load_dn(self.board, at, raw) for raw in raws if raw is not None]

    # Time

    def run_rows(self) -> None:
        """Take rows until none applies. Each leads on, so a section can take a few at most."""
        for at in range(3):
            for _ in range(len(Phase)):
                if not self._run_row(at):
                    break

    def _run_row(self, at: int) -> bool:
        rows = ROWS_OF[self.section(at).phase]
        if not rows:
            return False
        view = self.view(at)
        row = next((row for row in rows if row.when(view)), None)
        if row is not None:
            row.act(self, at)
        return row is not None

    def run_faults(self) -> None:
        for at in range(3):
            view = self.view(at)
            section = view.section
            since_us = tuple(
                _held_since(rule.when(view), since, self.now_us)
                for rule, since in zip(FAULT_RULES, section.fault_since_us, strict=True)
            )
            if since_us != section.fault_since_us:
                self.keep(at, replace(section, fault_since_us=since_us))
            for rule, since in zip(FAULT_RULES, since_us, strict=True):
                if since is None or section.phase in rule.not_in:
                    continue
                if self.now_us - since >= rule.held_us(view):
                    self.fail(at, rule.fault)
                    break

    def drive(self) -> None:
        for at, section in enumerate(self.board.sections):
            outputs = outputs_for(section)
            if outputs != section.outputs:
                self.keep(at, replace(section, outputs=outputs))

    def finish_traces(self) -> None:
        due_us = self.now_us - TRACE_AFTER_US
        if not any(t.samples_dn is None and t.edge_us <= due_us for t in self.board.traces):
            return
        traces = tuple(
            self._finished(trace) if trace.samples_dn is None and trace.edge_us <= due_us else trace
            for trace in self.board.traces
        )
        self.board = replace(self.board, traces=traces)

    def _finished(self, trace: TraceRecord) -> TraceRecord:
        at = trace.section
        from_us, to_us = trace.edge_us - TRACE_BEFORE_US, trace.edge_us + TRACE_AFTER_US
        raws = self.loads.window(at, from_us, to_us, TRACE_STEP_US)
        samples = tuple(
            NO_SAMPLE if raw is None else _clamp(load_dn(self.board, at, raw), _I16) for raw in raws
        )
        return replace(trace, samples_dn=samples)

    def _trace_of(self, ask: TraceGet) -> Trace:
        known = (t for t in self.board.traces if t.event_seq == ask.event_seq)
        record = next(known, None) if ask.boot_id == self.board.boot_id else None
        if record is None:
            return Trace(ask.boot_id, ask.event_seq, total=0, index=ask.index, samples=())
        samples = (record.samples_dn or ())[ask.index : ask.index + SAMPLES_PER_TRACE]
        return Trace(ask.boot_id, ask.event_seq, TRACE_TOTAL, ask.index, samples)

    def finish_tare(self) -> None:
        tare = self.board.tare
        if tare is None:
            return
        if self.section(tare.section).phase is not Phase.LOCKED or not self.board.may_move:
            self.board = replace(self.board, tare=None)
            return
        if self.now_us - tare.started_us < TARE_US:
            return
        self.board = replace(self.board, tare=None)
        until_us = tare.started_us + TARE_US
        raws = self.loads.window(tare.section, tare.started_us, until_us, TARE_STEP_US)
        seen = [raw for raw in raws if raw is not None]
        if len(seen) == len(raws):
            zero = round(sum(seen) / len(seen))
            self.write_param(tare.section, p.LOAD_ZERO_RAW, zero)
            self.answers.append(Param(tare.cmd_id, tare.section, p.LOAD_ZERO_RAW, zero))

    # Reporting

    def report(self, before: State) -> None:
        """STATUS when due or when it says something new, then events: new ones, and old ones again."""
        if not self.board.host_seen:
            return
        flags = self._flags()
        news = (flags, _phases(self.board)) != (before.told_flags, _phases(before))
        if news or self.now_us >= self.board.status_due_us:
            self.answers.append(self._status(flags))
            due_us = self.now_us + STATUS_EVERY_US
            self.board = replace(self.board, status_due_us=due_us, told_flags=flags)
        again: tuple[Event, ...] = ()
        if self.now_us >= self.board.resend_due_us:
            again = self.board.events.kept[:RESEND_COUNT]
            due_us = self.now_us + RESEND_EVERY_US
            self.board = replace(self.board, resend_due_us=due_us)
        fresh = self.board.events.since(before.events)
        self.answers += again
        self.answers += (event for event in fresh if event not in again)

    def _flags(self) -> Flag:
        board, view = self.board, self.view(0)
        told = (
            (Flag.ESTOP_OPEN, board.estop.active),
            (Flag.STOP_LATCHED, board.stopped),
            (Flag.SESSION_ALIVE, board.host_live),
            (Flag.LEASE_LIVE, board.lease),
            (Flag.HOLD_PRESSED, board.hold),
            (Flag.SUPPLY_LOW, view.supply_low),
            (Flag.AIR_LOW, view.air_low),
            (Flag.MAINTENANCE, board.maintenance),
            (Flag.EVENTS_HALF_FULL, board.events.free < len(board.events.kept)),
            (Flag.PARAMS_INCOMPLETE, not board.params_complete),
        )
        return Flag(sum(flag.value for flag, holds in told if holds))

    def _status(self, flags: Flag) -> Status:
        has = self.board.features
        thoracic, lumbar, pelvic = (self._section_status(at) for at in range(3))
        return Status(
            self.now_us,
            flags,
            self.inputs.supply_mv if Feature.SUPPLY_SENSOR in has else 0,
            self.inputs.air_kpa if Feature.AIR_SENSOR in has else 0,
            (thoracic, lumbar, pelvic),
        )

    def _section_status(self, at: int) -> SectionStatus:
        view = self.view(at)
        section = view.section
        has_cells = Feature.LOAD_CELLS in self.board.features
        valid = has_cells and view.sensed.load_raw is not None
        outputs = section.outputs
        return SectionStatus(
            section.phase,
            section.fault,
            section.up.level | section.down.level << 1 | section.pin.level << 2 | valid << 3,
            outputs.lift | outputs.pin_withdrawn << 1 | outputs.lowering << 2,
            _clamp(view.load_dn, _I16) if valid else 0,
            _clamp(view.tension_dn, _U16),
        )

    def wake_us(self) -> int | None:
        """The next moment at which something happens by itself; None when nothing ever would."""
        due = [at_us for at_us in self._deadlines() if at_us is not None]
        return max(min(due), self.now_us + 1) if due else None

    def _deadlines(self) -> Iterable[int | None]:
        board = self.board
        for line in (board.estop, board.button, board.pedal):
            if line.changing_since_us is not None:
                yield line.changing_since_us + LINE_PAUSE_US
        if board.host_seen:
            yield board.status_due_us
            yield board.resend_due_us if board.events.kept else None
        if board.tare is not None:
            yield board.tare.started_us + TARE_US
        for trace in board.traces:
            yield trace.edge_us + TRACE_AFTER_US if trace.samples_dn is None else None
        for at in range(3):
            yield from self._section_deadlines(self.view(at))

    def _section_deadlines(self, view: View) -> Iterable[int | None]:
        section = view.section
        debounce_us, settle_us = view.param(p.DEBOUNCE_US), view.settle_us
        for switch in (section.up, section.down, section.pin):
            if switch.burst_us is not None:
                yield switch.decides_at_us(debounce_us)
            elif switch.level_since_us + settle_us > self.now_us:
                yield switch.level_since_us + settle_us
        if section.phase is Phase.ARMED:
            yield section.commanded_us + section.window_us
        for rule, since_us in zip(FAULT_RULES, section.fault_since_us, strict=True):
            if since_us is not None and section.phase is not Phase.FAULT:
                at_us = since_us + rule.held_us(view)
                yield at_us if at_us > self.now_us else None


def _sense_line(line: Line, contact: bool, quick_level: bool, now_us: int) -> Line:
    """A contact of the table: `quick_level` is believed at once, the other after a quiet pause."""
    if contact == line.active:
        return line if line.changing_since_us is None else Line(line.active)
    if contact == quick_level:
        return Line(contact)
    if line.changing_since_us is None:
        return Line(line.active, changing_since_us=now_us)
    return Line(contact) if now_us - line.changing_since_us >= LINE_PAUSE_US else line


def _agrees(section: SectionState) -> bool:
    """Whether the switches still say what COCKED or LOCKED claims."""
    end = section.up if section.phase is Phase.COCKED else section.down
    other = section.down if section.phase is Phase.COCKED else section.up
    closed = (end.raw, end.level, section.pin.raw, section.pin.level)
    return all(closed) and not (other.raw or other.level)


def _held_since(holds: bool, since_us: int | None, now_us: int) -> int | None:
    if not holds:
        return None
    return now_us if since_us is None else since_us


def _phases(board: State) -> tuple[tuple[Phase, Fault], ...]:
    return tuple((section.phase, section.fault) for section in board.sections)


def _clamp(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(value, bounds[1]))
