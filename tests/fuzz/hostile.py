"""A host that says anything at any time, to a real board over real mechanics.

Its frames are whole, so every one of them reaches the board's session; what they say, in which order
and when is up to the dice. Whatever it says, `Watch` looks at the outputs and at what the sections
really do. The watch knows the contract and what was sent, and nothing of how the board decides.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from droptable.board.endpoint import Endpoint, Identity
from droptable.board.model import Feature, Outputs, Phase
from droptable.board.params import Params
from droptable.daemon.config import load
from droptable.link.frames import Decoder, encode
from droptable.link.messages import (
    FROM_BOARD,
    Beat,
    Command,
    EventAck,
    Hello,
    Message,
    ParamGet,
    ParamSet,
    Result,
    Status,
    Stop,
    Time,
    TraceGet,
)
from droptable.link.session import clock_ms
from droptable.sections import Section
from firmware_sim.mechanics import Mechanics
from tests.fuzz.fair import CONFIG

MS = 1_000
OFF_US = 5 * MS
"""STOP, e-stop, lost lease, released hold: the outputs are off after this."""

DEAD_US = 160 * MS
OFFSET_US = 2_300 * MS
"""For so long a BEAT from the future makes all that follow it look old."""

PIN_US = 300 * MS
THRUST_US = 2_000 * MS
"""How long a pin may take to be in again, and how long a thrust lasts, all of it."""

DEBOUNCE_MAX_US = 20 * MS
"""The longest that a board may take to believe a contact."""

COCK, ARM, DISARM, LOCK, HOME, CLEAR_FAULT, TARE, MAINTENANCE, RESET_STOP = range(1, 10)
TABLE = 0xFF
FEATURES = Feature(0xBF)
TENSION_DN = 4_000
TENSION_KEYS = (8, 9, 11, 12, 13)
"""With these a host could have the tension let go of a patient who only rests there; who sets them is
the operator's to decide, and what they may be the core's."""

SETTLED_US = 2_500 * MS
"""By then the drives have reached their tensions. Before, a section that a host has cocked under a
patient would fall at the top: the contract leaves that to the host."""

PATIENT_N = (250.0, 150.0, 200.0)


def params() -> Params:
    values = load(CONFIG, {}).board_params()
    return Params({**values, **{(int(at), 11): TENSION_DN for at in Section}})


@dataclass
class Watch:
    """What the board may drive, from what was sent and touched; a sentence for each time that it drives more."""

    broken: list[str] = field(default_factory=list)
    opened: bool = False
    beat_us: int = -DEAD_US
    """When a BEAT was last sent that the board may have taken."""
    lease: bool = False
    hold: bool = False
    said_us: int = 0
    """Since when the BEATs say so; it is not known of BEATs that the board may take for old."""
    doubt_until_us: int = 0
    stop_us: int | None = None
    """Since when there has been a STOP that no RESET_STOP took back."""
    estop_us: int | None = None
    button_us: int | None = None
    pedal: bool = False
    pedal_us: int = 0
    thrust_us: int = -10_000 * MS
    asked: set[int] = field(default_factory=set)
    """The sections that a COMMAND to move or arm came for in this very step."""
    driven: tuple[bool, ...] = (False, False, False)
    pin_open_us: list[int] = field(default_factory=lambda: [-(10**9)] * 3)
    """When each pin's contact was last seen open: it bounces, and a board may debounce it."""
    withdrawn_us: list[int] = field(default_factory=lambda: [-(10**9)] * 3)

    def look(self, outputs: Outputs, mechanics: Mechanics) -> None:
        now_us = mechanics.now_us
        for sentence, holds in (
            *self._of_host(outputs, now_us),
            *self._of_pins(outputs, mechanics),
        ):
            if holds:
                self.broken.append(f"at {now_us} us: {sentence}")
        self.driven = tuple(each.driven for each in outputs)
        for at in Section:
            if outputs[at].pin_withdrawn:
                self.withdrawn_us[at] = now_us

    def _of_host(self, outputs: Outputs, now_us: int) -> list[tuple[str, bool]]:
        driven = any(each.driven for each in outputs)
        raises = any(each.lift or each.lowering for each in outputs)
        certain = now_us >= self.doubt_until_us and now_us - self.said_us >= OFF_US

        def for_long(since_us: int | None) -> bool:
            return since_us is not None and now_us - since_us >= OFF_US

        held = self.hold or self.pedal or now_us - self.pedal_us < OFF_US
        begun = [at for at in Section if outputs[at].driven and not self.driven[at]]
        return [
            ("driven without a BEAT for too long", driven and now_us - self.beat_us > DEAD_US),
            ("driven without a lease", driven and certain and not self.lease),
            ("raised or lowered without a hold", raises and certain and not held),
            ("driven under STOP", driven and for_long(self.stop_us)),
            ("driven with the e-stop open", driven and for_long(self.estop_us)),
            ("driven with the button down", driven and for_long(self.button_us)),
            ("driven before any session", driven and not self.opened),
            ("begun without a command", any(at not in self.asked for at in begun)),
        ]

    def _of_pins(self, outputs: Outputs, mechanics: Mechanics) -> list[tuple[str, bool]]:
        now_us = mechanics.now_us
        for at, shown in zip(Section, mechanics.inputs().sections, strict=True):
            if not shown.pin:
                self.pin_open_us[at] = now_us
        return [
            ("two pins are driven", sum(each.pin_withdrawn for each in outputs) > 1),
            (
                "lift and lowering valve together",
                any(each.lift and each.lowering for each in outputs),
            ),
            (
                "a lift or valve against the pin",
                any(
                    (each.lift or each.lowering)
                    and (now_us - open_us > DEBOUNCE_MAX_US or not each.pin_withdrawn)
                    for each, open_us in zip(outputs, self.pin_open_us, strict=True)
                ),
            ),
        ]

    def look_at_fall(self, at: Section, up_edge_us: int) -> None:
        """A pin that is let go takes some milliseconds; a section may fall while it is on its way."""
        sentences = {
            "a fall although the pin was let go": up_edge_us - self.withdrawn_us[at] > PIN_US,
            "a fall that nobody thrust for": up_edge_us - self.thrust_us > THRUST_US,
        }
        for sentence, holds in sentences.items():
            if holds:
                self.broken.append(f"at {up_edge_us} us: {sentence}")


class HostileTable:
    """One board and whoever talks to it, from one seed. `thrusts`: hands thrust, too."""

    def __init__(self, seed: int, *, thrusts: bool) -> None:
        self.watch = Watch()
        self.seen: set[Phase] = set()
        self.codes: Counter[str] = Counter()
        self._dice = Random(seed)
        self._thrusts = thrusts
        self.mechanics = Mechanics(seed=seed)
        self.mechanics.patient(PATIENT_N)
        self._endpoint = Endpoint(
            Identity("FUZZ0001", (1, 0, 0), FEATURES, boot_id=7, reset_cause=1),
            params=params(),
            inputs=self.mechanics.inputs(),
            loads=self.mechanics,
            now_us=0,
        )
        self._wake_us = 0
        self._from_board = Decoder(FROM_BOARD)
        self._status: Status | None = None
        self._boot_id, self._event_seq = 7, 0
        self._session = self._old_session = 0
        self._seq = self._cmd_id = 0
        self._resets: dict[int, int] = {}
        self._falls = 0

    # Time

    def _until(self, to_us: int, received: bytes = b"") -> None:
        """Let time pass, each moment looked at; then the board hears `received`."""
        while True:
            event_us = self.mechanics.next_event_us()
            next_us = self._wake_us if event_us is None else min(self._wake_us, event_us)
            if next_us > to_us:
                break
            self._step(next_us, b"")
        self._step(to_us, received)

    def _step(self, at_us: int, received: bytes) -> None:
        self.mechanics.advance(at_us)
        advanced = self._endpoint.advance(at_us, self.mechanics.inputs(), received)
        self._hear(advanced.sent)
        self.watch.look(advanced.outputs, self.mechanics)
        self.watch.asked.clear()
        self.mechanics.drive(advanced.outputs)
        self._wake_us = advanced.wake_us
        self.seen |= {section.phase for section in self._endpoint.state.sections}
        for fall in self.mechanics.drops[self._falls :]:
            self.watch.look_at_fall(fall.section, fall.up_edge_us)
        self._falls = len(self.mechanics.drops)

    def _hear(self, sent: bytes) -> None:
        for frame in self._from_board.feed(sent):
            match frame.message:
                case Status() as status:
                    self._status = status
                case Result(cmd_id=cmd_id, code=code):
                    self.codes[str(code)] += 1
                    if code == 0 and cmd_id in self._resets:
                        self.watch.stop_us = None
                case message if type(message).__name__ == "Event":
                    self._event_seq = max(self._event_seq, message.event_seq)  # type: ignore[attr-defined]
                case _:
                    pass

    # What is done

    def live(self, deeds: int) -> None:
        """Do so many things, once the tensions are what they should be."""
        while self.mechanics.now_us < SETTLED_US:
            self._pass(45 * MS)
        for _ in range(deeds):
            gap_us = self._dice.choice((0, 1, 500, 5 * MS, 15 * MS, 40 * MS, 49 * MS, 200 * MS))
            if self._dice.random() < 0.01:
                gap_us = self._dice.choice((149 * MS, 151 * MS, 400 * MS, 1_500 * MS))
            self._pass(gap_us)
            if self._dice.random() < 0.04:
                self._touch()
            else:
                self._talk()
        self._until(self.mechanics.now_us + 2_000 * MS)

    def _pass(self, gap_us: int) -> None:
        """A host that wants to be heard beats meanwhile, and opens anew when it was lost."""
        until_us = self.mechanics.now_us + gap_us
        wants = self._dice.random() < 0.98
        lost = self._status is None or not self._status.flags & 4
        if wants and lost:
            self._open()
        while wants and until_us - self.mechanics.now_us > 45 * MS:
            self._until(self.mechanics.now_us + 45 * MS)
            self._beat()
        self._until(until_us)
        if wants and until_us - self.watch.beat_us > 45 * MS:
            self._beat()

    def _touch(self) -> None:
        dice, watch, now_us = self._dice, self.watch, self.mechanics.now_us
        match dice.choice(("estop", "button", "pedal", "thrust", "thrust", "thrust", "pedal")):
            case "estop":
                opened = watch.estop_us is None
                watch.estop_us = now_us if opened else None
                watch.stop_us = now_us if opened else watch.stop_us
                self.mechanics.estop(opened)
            case "button":
                down = watch.button_us is None
                watch.button_us = now_us if down else None
                watch.stop_us = now_us if down else watch.stop_us
                self.mechanics.stop_button(down)
            case "pedal":
                watch.pedal, watch.pedal_us = not watch.pedal, now_us
                self.mechanics.pedal(watch.pedal)
            case "thrust" if self._thrusts:
                watch.thrust_us = now_us
                peak_n = dice.choice((150.0, 400.0, 900.0))
                sections = self._endpoint.state.sections
                loose = [at for at in Section if sections[at].outputs.pin_withdrawn]
                at = dice.choice(loose or tuple(Section))
                self.mechanics.thrust(at, peak_n=peak_n, rise_ms=100.0)
        self._step(now_us, b"")

    def _talk(self) -> None:
        dice = self._dice
        says: Callable[[], None] = dice.choices(
            (
                *(self._beat, self._aim, self._say_anything, self._repeat),
                *(self._stop, self._open, self._mend),
            ),
            (60, 25, 12, 2, 0.4, 0.5, 0.8),
        )[0]
        says()

    def _send(
        self, message: Message, *, session: int | None = None, seq: int | None = None
    ) -> None:
        session = self._session if session is None else session
        frame = encode(self._take_seq() if seq is None else seq, session, message)
        self._step(self.mechanics.now_us, frame)

    def _take_seq(self) -> int:
        seq, self._seq = self._seq, (self._seq + self._dice.choice((1, 1, 1, 1, 2, 500))) % 65_536
        return seq

    def _open(self) -> None:
        """A new session; the board forgets all of the old one."""
        self._old_session, self._session = self._session, self._dice.randrange(1, 2**32)
        self._seq = self._dice.randrange(65_536)
        self._resets.clear()
        watch, now_us = self.watch, self.mechanics.now_us
        watch.opened, watch.beat_us = True, now_us
        watch.lease = watch.hold = False
        watch.said_us = watch.doubt_until_us = now_us
        self._send(Hello())

    def _beat(self, *, late_ms: int = 0) -> None:
        dice, watch, now_us = self._dice, self.watch, self.mechanics.now_us
        lease, hold = dice.random() < 0.985, dice.random() < 0.96
        if dice.random() < 0.01:
            # From the past the board does not take it, from the future it takes no other for long.
            late_ms = dice.choice((140, 160, 5_000, -1_000, 2**31))
            watch.doubt_until_us = now_us + OFFSET_US
        if watch.opened:
            watch.beat_us = now_us
        if (lease, hold) != (watch.lease, watch.hold):
            watch.lease, watch.hold, watch.said_us = lease, hold, now_us
        host_ms = (clock_ms(now_us) - late_ms) % 2**32
        self._send(Beat(Beat.LEASE * lease | Beat.HOLD * hold, host_ms))

    def _stop(self) -> None:
        """Under any session and any number."""
        self.watch.stop_us = self.mechanics.now_us
        session = self._dice.choice((self._session, 0, self._old_session))
        self._send(Stop(self._new_cmd_id()), session=session, seq=self._dice.randrange(65_536))

    def _aim(self) -> None:
        """Something that the table is in a state for, mostly."""
        dice, at = self._dice, self._dice.randrange(3)
        if self._status is not None and self._status.flags & 2 and dice.random() < 0.3:
            self._reset_stop()
            return
        phase = Phase.UNKNOWN if self._status is None else self._status.sections[at].phase
        verb = {
            Phase.UNKNOWN: HOME,
            Phase.LOCKED: COCK,
            Phase.HALTED: dice.choice((COCK, LOCK)),
            Phase.COCKED: dice.choice((ARM, ARM, ARM, LOCK)),
            Phase.ARMED: dice.choice((DISARM, ARM, COCK, LOCK)),
            Phase.FAULT: CLEAR_FAULT,
        }.get(Phase(phase), dice.randrange(1, 10))
        if verb in (COCK, LOCK) and dice.random() < 0.7:
            self._beat()
        self._command(verb, at, dice.choice((0xFF, int(phase))), 250, 0, 2_000)

    def _reset_stop(self) -> None:
        if self.watch.estop_us is not None:
            self.mechanics.estop(False)
            self.watch.estop_us = None
        if self.watch.button_us is not None:
            self.mechanics.stop_button(False)
            self.watch.button_us = None
        now_us = self.mechanics.now_us
        self.watch.hold, self.watch.said_us = False, now_us
        self.watch.beat_us, self.watch.lease = now_us, True
        self._send(Beat(Beat.LEASE, clock_ms(now_us)))
        self._command(RESET_STOP, TABLE, 0xFF, 250, 0, 0)

    def _command(
        self, verb: int, at: int, expect: int, ttl_ms: int, late_ms: int, arg: int
    ) -> None:
        cmd_id = self._new_cmd_id()
        if verb in (COCK, ARM, LOCK):
            self.watch.asked.add(at)
        if verb == RESET_STOP:
            self._resets[cmd_id] = 0
        if late_ms < 0:
            self.watch.doubt_until_us = self.mechanics.now_us + OFFSET_US
        host_ms = (clock_ms(self.mechanics.now_us) - late_ms) % 2**32
        self._send(Command(cmd_id, verb, at, expect, ttl_ms, host_ms, arg))

    def _new_cmd_id(self) -> int:
        self._cmd_id = (self._cmd_id + 1) % 65_536
        return self._cmd_id

    def _repeat(self) -> None:
        """A command that was sent before, or one under a session that is over: nothing may begin."""
        dice, asked = self._dice, self.watch.asked
        host_ms = clock_ms(self.mechanics.now_us)
        command = Command(self._cmd_id, dice.choice((COCK, ARM)), 2, 0xFF, 250, host_ms, 2_000)
        assert not asked
        if dice.random() < 0.5:
            self._send(command, session=self._old_session)
        else:
            seq = (self._seq - dice.randrange(1, 20)) % 65_536
            self._send(command, seq=seq)

    def _mend(self) -> None:
        """The parameters as they should be, so that the board gets out of what they led to."""
        for (at, key), value in params().values().items():
            self._send(ParamSet(self._new_cmd_id(), at, key, value))

    def _say_anything(self) -> None:
        """Any message with any numbers in it."""
        dice = self._dice
        message = dice.choice(
            (self._any_command, self._any_param, self._any_param, self._anything_else)
        )
        message()

    def _any_command(self) -> None:
        dice = self._dice
        self._command(
            dice.choice((*range(12), 255)),
            dice.choice((0, 1, 2, 3, TABLE)),
            dice.choice((0xFF, *range(12))),
            dice.choice((0, 59, 60, 250, 1_000, 1_001, 65_535)),
            dice.choice((0, 0, 0, 100, 149, 300, 5_000, -300)),
            dice.choice((0, 1, 2_000, 20_000, 60_000, -1, 2**31 - 1, -(2**31))),
        )

    def _any_param(self) -> None:
        dice, at = self._dice, self._dice.choice((0, 1, 2, 3, TABLE))
        key = dice.choice([key for key in (*range(21), 255) if key not in TENSION_KEYS])
        value = dice.choice((0, 1, 10, 100, 200, 500, 3_000, 20_000, -1, 2**31 - 1))
        if dice.random() < 0.3:
            self._send(ParamGet(self._new_cmd_id(), at, key))
        else:
            self._send(ParamSet(self._new_cmd_id(), at, key, value))

    def _anything_else(self) -> None:
        dice, now_us = self._dice, self.mechanics.now_us
        self._send(
            dice.choice(
                (
                    EventAck(
                        dice.choice((self._boot_id, 8)), dice.choice((self._event_seq, 10**6))
                    ),
                    Time(dice.choice((now_us, 0, 2**64 - 1))),
                    TraceGet(dice.choice((self._boot_id, 9)), self._event_seq, dice.randrange(600)),
                    Hello(proto_major=dice.choice((0, 2, 255))),
                )
            )
        )
