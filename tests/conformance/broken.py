"""Boards that each break the contract in one place, to see that the suite finds it.

A defect is made the way a firmware author would make it: a row or guard of the law left out, a
number of the contract mistyped, or a frame treated in another way between wire and law.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cobs import cobs
from google_crc32c import value as crc32c

from droptable.board import faults, params, rows, verbs
from droptable.board.model import Code, Disarmed, Fault, Phase, StopSource, Verb
from droptable.link.frames import Decoder, Frame, encode
from droptable.link.messages import (
    FROM_BOARD,
    FROM_HOST,
    Beat,
    Boot,
    Command,
    Event,
    Message,
    Result,
    Stop,
    Welcome,
)
from firmware_sim.mechanics import Mechanics
from firmware_sim.simulated_board import SimulatedBoard
from tests.conformance.boards import Made, sound

Law = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong, and the check that speaks of it."""

    name: str
    caught_by: str
    made: Made = sound
    law: Law | None = None


# Between wire and law


class Meddled(SimulatedBoard):
    """A board whose frames pass through two functions on their way in and out."""

    def __init__(
        self,
        hears: Callable[[Frame], Iterable[Frame]] = lambda frame: (frame,),
        says: Callable[[Frame], Iterable[Frame]] = lambda frame: (frame,),
    ) -> None:
        self._hears, self._says = hears, says
        self._from_host, self._from_board = Decoder(FROM_HOST), Decoder(FROM_BOARD)
        super().__init__(Mechanics(seed=7), boot_id=0x1234)

    def _live(self, received: bytes) -> bytes:
        heard = _bytes(self._from_host.feed(received), self._hears)
        return _bytes(self._from_board.feed(super()._live(heard)), self._says)


def _bytes(frames: Iterable[Frame], changed: Callable[[Frame], Iterable[Frame]]) -> bytes:
    return b"".join(
        encode(frame.seq, frame.session, frame.message)
        for original in frames
        for frame in changed(original)
    )


def _meddled(
    *,
    hears: Callable[[Frame], Iterable[Frame]] | None = None,
    says: Callable[[Frame], Iterable[Frame]] | None = None,
) -> Made:
    same = lambda frame: (frame,)  # noqa: E731 - as short as what it stands for
    return lambda: Meddled(hears or same, says or same)


def _saying(kind: type[Message], change: Callable[[Message], Message]) -> Made:
    """Every message of one type is said otherwise."""

    def says(frame: Frame) -> Iterable[Frame]:
        told = frame.message
        yield replace(frame, message=change(told)) if isinstance(told, kind) else frame

    return _meddled(says=says)


def _silent_about(kind: type[Message], which: Callable[[Message], bool] = lambda _: True) -> Made:
    """Messages of one type are never sent; the others are numbered without a gap."""

    def made() -> SimulatedBoard:
        seqs: dict[int, int] = {}

        def says(frame: Frame) -> Iterable[Frame]:
            if isinstance(frame.message, kind) and which(frame.message):
                return
            if isinstance(frame.message, Welcome):
                seqs[frame.session] = frame.seq
            seq = seqs.get(frame.session, frame.seq)
            seqs[frame.session] = (seq + 1) % 65_536
            yield replace(frame, seq=seq)

        return Meddled(says=says)

    return made


class ForgivingOfCrc(SimulatedBoard):
    """Puts the CRC right of whatever comes."""

    def __init__(self) -> None:
        super().__init__(Mechanics(seed=7), boot_id=0x1234)

    def _live(self, received: bytes) -> bytes:
        return super()._live(b"".join(map(_mended, received.split(b"\0"))))


def _mended(piece: bytes) -> bytes:
    try:
        body = bytes(cobs.decode(piece))
    except cobs.DecodeError:
        return piece + b"\0"
    if len(body) < 11:
        return piece + b"\0"
    return bytes(cobs.encode(body[:-4] + crc32c(body[:-4]).to_bytes(4, "little"))) + b"\0"


class Late(SimulatedBoard):
    """Says everything 8 ms after it should."""

    late_us = 8_000

    def __init__(self, mechanics: Mechanics, **known: Any) -> None:
        self._waiting: list[tuple[int, bytes]] = []
        super().__init__(mechanics, **known)

    def _next_us(self) -> int:
        due = [due_us for due_us, _ in self._waiting[:1]]
        return min([super()._next_us(), *due])

    def _live(self, received: bytes) -> bytes:
        now_us = self.mechanics.now_us
        if said := super()._live(received):
            self._waiting.append((now_us + self.late_us, said))
        due = [said for due_us, said in self._waiting if due_us <= now_us]
        self._waiting = [one for one in self._waiting if one[0] > now_us]
        return b"".join(due)


class ForgetsItsEvents(SimulatedBoard):
    """Sends an event once and takes it for acknowledged."""

    def __init__(self) -> None:
        super().__init__(Mechanics(seed=7), boot_id=0x1234)
        self._told: set[int] = set()

    def _live(self, received: bytes) -> bytes:
        said = b""
        for frame in Decoder(FROM_BOARD).feed(super()._live(received)):
            again = isinstance(frame.message, Event) and frame.message.event_seq in self._told
            if isinstance(frame.message, Event):
                self._told.add(frame.message.event_seq)
            # An empty lot in its place keeps the numbers of the frames.
            told = Boot(1, 0, 0x1234, 1) if again else frame.message
            said += encode(frame.seq, 0 if again else frame.session, told)
        return said


class KeepsDriving(SimulatedBoard):
    """Tells the truth about its phases, and leaves the coils on for longer."""

    longer_us = 20_000

    def __init__(self, mechanics: Mechanics, **known: Any) -> None:
        self._off_us: int | None = None
        super().__init__(mechanics, **known)

    def _live(self, received: bytes) -> bytes:
        before = self.outputs
        said = super()._live(received)
        ended = any(
            was.driven and not now.driven for was, now in zip(before, self.outputs, strict=True)
        )
        if ended and self._off_us is None:
            self._off_us = self.mechanics.now_us + self.longer_us
        if self._off_us is not None:
            if self.mechanics.now_us < self._off_us:
                self.outputs = before
                self.mechanics.drive(before)
                self._wake_us = min(self._wake_us, self._off_us)
            else:
                self._off_us = None
        return said


class Tardy(KeepsDriving, Late):
    """Does and says everything 8 ms late."""

    longer_us = 8_000


def _built(kind: type[KeepsDriving] | type[Late]) -> Made:
    return lambda: kind(Mechanics(seed=7), boot_id=0x1234)


TOO_LATE_BY_8_MS = (
    *("command-to-result", "stop-to-off", "lease-to-off", "estop-to-off"),
    *("hold-to-off-in-cocking", "hold-to-off-in-lowering", "phase-to-status"),
)
"""The checks that a tardy board fails, also in real time."""


# What a frame may be turned into


def _always_young() -> Made:
    """Believes no frame to be old: it takes the time at which each comes."""

    def made() -> SimulatedBoard:
        board: SimulatedBoard

        def hears(frame: Frame) -> Iterable[Frame]:
            told = frame.message
            if isinstance(told, Beat | Command):
                now_ms = board.mechanics.now_us // 1_000
                yield replace(frame, message=replace(told, host_ms=now_ms))
            else:
                yield frame

        board = Meddled(hears=hears)
        return board

    return made


def _never_remembers() -> Made:
    """Gives every COMMAND an id of its own, and the RESULT the host's again."""

    def made() -> SimulatedBoard:
        given: list[int] = []

        def hears(frame: Frame) -> Iterable[Frame]:
            told = frame.message
            if isinstance(told, Command):
                given.append(told.cmd_id)
                yield replace(frame, message=replace(told, cmd_id=len(given) % 65_536))
            else:
                yield frame

        def says(frame: Frame) -> Iterable[Frame]:
            told = frame.message
            if isinstance(told, Result) and 0 < told.cmd_id <= len(given):
                yield replace(frame, message=replace(told, cmd_id=given[told.cmd_id - 1]))
            else:
                yield frame

        return Meddled(hears=hears, says=says)

    return made


def _deaf_to_foreign_stops(frame: Frame) -> Iterable[Frame]:
    if not (isinstance(frame.message, Stop) and frame.session == 0):
        yield frame


def _event(change: Callable[[Event], Event]) -> Made:
    return _saying(Event, lambda told: change(told) if isinstance(told, Event) else told)


def _drop_late(event: Event) -> Event:
    return replace(event, board_us=event.board_us + 300) if event.kind == 7 else event


def _lock_unsaid(event: Event) -> Event:
    return replace(event, a=0) if event.kind == 8 else event


# In the law


def _number(where: str, value: object) -> Law:
    """Another number than the contract's."""
    return lambda monkeypatch: monkeypatch.setattr(where, value)


def without_guard(verb: Verb, code: Code) -> Law:
    """A guard of a verb left out."""

    def law(monkeypatch: pytest.MonkeyPatch) -> None:
        rule = verbs.VERB_RULES[verb]
        kept = tuple(guard for guard in rule.guards if guard.code is not code)
        assert kept != rule.guards
        monkeypatch.setitem(verbs.VERB_RULES, verb, replace(rule, guards=kept))
        # Without its guard HOME would have no place to go to.
        anywhere = defaultdict(lambda: Phase.LOCKED, verbs.HOME_PHASES)
        monkeypatch.setattr("droptable.board.asks.HOME_PHASES", anywhere)

    return law


def without_fault(fault: Fault) -> Law:
    """A fault that is never raised."""

    def law(monkeypatch: pytest.MonkeyPatch) -> None:
        for phase in Phase:
            kept = tuple(rule for rule in faults.RULES_IN[phase] if rule[1].fault is not fault)
            monkeypatch.setitem(faults.RULES_IN, phase, kept)

    return law


def _slow_to_see(fault: Fault, after_us: int) -> Law:
    """A fault that is raised only after it has been there for longer."""

    def law(monkeypatch: pytest.MonkeyPatch) -> None:
        for phase, known in faults.RULES_IN.items():
            slower = tuple(
                (number, replace(rule, due_us=lambda _, since_us: since_us + after_us))
                if rule.fault is fault
                else (number, rule)
                for number, rule in known
            )
            monkeypatch.setitem(faults.RULES_IN, phase, slower)
        by_number = tuple(
            replace(rule, due_us=lambda _, since_us: since_us + after_us)
            if rule.fault is fault
            else rule
            for rule in faults.FAULT_RULES
        )
        for file in ("faults", "phases", "reporting"):
            monkeypatch.setattr(f"droptable.board.{file}.FAULT_RULES", by_number)

    return law


def without_row(phase: Phase, to: Phase) -> Law:
    """A row of the transition table left out."""

    def law(monkeypatch: pytest.MonkeyPatch) -> None:
        kept = tuple(row for row in rows.ROWS_OF[phase] if row.to is not to)
        assert kept != rows.ROWS_OF[phase]
        monkeypatch.setitem(rows.ROWS_OF, phase, kept)

    return law


def _after_stop(phase: Phase, to: Phase) -> Law:
    return lambda monkeypatch: monkeypatch.setitem(rows.AFTER_STOP, phase, to)


def _bound(key: int, **wrong: int | bool) -> Law:
    rule = replace(params.PARAM_RULES[key], **wrong)  # type: ignore[arg-type]  # its own fields
    return lambda monkeypatch: monkeypatch.setitem(params.PARAM_RULES, key, rule)


def _clears_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(faults.STILL_THERE, Fault.SWITCHES_IMPLAUSIBLE, lambda _: False)


class AnyMajor(int):
    """No version is another one."""

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = int.__hash__


class AnySequence:
    """Accepts every number."""

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def accept(self, _seq: int) -> int:
        return 0


GUARDED_BY: dict[tuple[Verb, Code], str] = {
    (Verb.COCK, Code.NO_LEASE): "no-lease",
    (Verb.COCK, Code.NOT_HELD): "not-held",
    (Verb.COCK, Code.OTHER_ARMED): "other-sections",
    (Verb.COCK, Code.BUSY): "other-sections",
    (Verb.COCK, Code.STOPPED): "stopped",
    (Verb.COCK, Code.FAULTED): "another-in-fault",
    (Verb.COCK, Code.NO_POWER): "low-supply",
    (Verb.COCK, Code.PARAMS_INCOMPLETE): "parameters-incomplete",
    (Verb.ARM, Code.NO_LEASE): "no-lease",
    (Verb.ARM, Code.OTHER_ARMED): "other-sections",
    (Verb.ARM, Code.BUSY): "arm-without-event-places",
    (Verb.ARM, Code.STOPPED): "stopped",
    (Verb.ARM, Code.FAULTED): "another-in-fault",
    (Verb.ARM, Code.NO_POWER): "low-air",
    (Verb.ARM, Code.OUT_OF_RANGE): "arm-window",
    (Verb.ARM, Code.IMPLAUSIBLE): "arm-implausible",
    (Verb.DISARM, Code.FAULTED): "verbs-in-unknown-and-fault",
    (Verb.LOCK, Code.NO_LEASE): "no-lease",
    (Verb.LOCK, Code.NOT_HELD): "not-held",
    (Verb.LOCK, Code.OTHER_ARMED): "other-sections",
    (Verb.LOCK, Code.BUSY): "other-sections",
    (Verb.LOCK, Code.STOPPED): "stopped",
    (Verb.LOCK, Code.FAULTED): "another-in-fault",
    (Verb.HOME, Code.FAULTED): "verbs-in-unknown-and-fault",
    (Verb.HOME, Code.IMPLAUSIBLE): "home-implausible",
    (Verb.CLEAR_FAULT, Code.FAULTED): "cause-not-gone",
    (Verb.CLEAR_FAULT, Code.NO_LEASE): "another-in-fault",
    (Verb.TARE, Code.FAULTED): "verbs-in-unknown-and-fault",
    (Verb.TARE, Code.MAINTENANCE_ONLY): "tare-guards",
    (Verb.TARE, Code.NO_LEASE): "tare-guards",
    (Verb.MAINTENANCE, Code.OUT_OF_RANGE): "maintenance",
    (Verb.MAINTENANCE, Code.NO_LEASE): "no-lease",
    (Verb.MAINTENANCE, Code.OTHER_ARMED): "other-sections",
    (Verb.MAINTENANCE, Code.BUSY): "other-sections",
    (Verb.RESET_STOP, Code.STOPPED): "reset-stop-under-estop",
    (Verb.RESET_STOP, Code.NO_LEASE): "reset-stop-guards",
    (Verb.RESET_STOP, Code.BUSY): "reset-stop-guards",
}
"""Every guard of the law, and the check that finds it missing."""

RAISED_BY: dict[Fault, str] = {
    Fault.COCK_TIMEOUT: "cock-timeout",
    Fault.LOWER_TIMEOUT: "lower-timeout",
    Fault.DROP_TIMEOUT: "drop-timeout",
    Fault.PIN_STUCK_IN: "pin-stuck-in",
    Fault.PIN_STUCK_OUT: "pin-lost-at-rest",
    Fault.SWITCHES_IMPLAUSIBLE: "switches-implausible",
    Fault.UNCOMMANDED_DROP: "top-lost",
    Fault.MOVED_WITHOUT_COMMAND: "bottom-lost",
    Fault.LOAD_CELL: "load-cell-silent",
    Fault.OVERLOAD: "overload",
    Fault.SUPPLY: "supply",
    Fault.AIR: "air",
    Fault.TENSION: "tension-at-rest",
    Fault.DUTY: "duty",
}
"""Every fault that is raised while running, and the check that finds it missing."""

ROW_SEEN_BY: dict[tuple[Phase, Phase], str] = {
    (Phase.COCKING, Phase.FAULT): "fall-while-cocking",
    (Phase.COCKING, Phase.HALTED): "hold-released",
    (Phase.COCKING, Phase.SECURING): "cocking",
    (Phase.SECURING, Phase.DROPPING): "fall-while-securing",
    (Phase.SECURING, Phase.COCKED): "cocking",
    (Phase.SECURING, Phase.LOCKED): "lowering",
    (Phase.ARMED, Phase.DROPPING): "drop",
    (Phase.ARMED, Phase.SECURING): "window-over",
    (Phase.DROPPING, Phase.DROPPED): "drop",
    (Phase.DROPPING, Phase.DROPPING): "stop-during-a-fall",
    (Phase.DROPPED, Phase.LOCKED): "drop",
    (Phase.LOWERING, Phase.FAULT): "fall-while-lowering",
    (Phase.LOWERING, Phase.HALTED): "hold-released",
    (Phase.LOWERING, Phase.SECURING): "lowering",
    (Phase.FAULT, Phase.FAULT): "fall-after-a-fault",
}
"""Every row of the law that the contract has as well, and the check that finds it missing."""

ROWS_OF_OUR_OWN = {(Phase.HALTED, Phase.FAULT), (Phase.UNKNOWN, Phase.UNKNOWN)}
"""Falls that the contract does not speak of: docs/decisions/0002."""

OUT_OF_REACH = {
    # A parameter cannot be unset, so no section of an incomplete board is ever at the top.
    (Verb.ARM, Code.PARAMS_INCOMPLETE),
    (Verb.LOCK, Code.PARAMS_INCOMPLETE),
    # The contract says nothing of a second TARE.
    (Verb.TARE, Code.BUSY),
}
"""Guards whose lack no host can see."""

DEFECTS = (
    # Frames
    Defect("acts on frames whose CRC is wrong", "discard-crc", ForgivingOfCrc),
    Defect(
        "acts on repeated and late frames",
        "discard-sequence",
        law=_number("droptable.link.board_session.SequenceWindow", AnySequence),
    ),
    Defect(
        "acts on frames of any age",
        "discard-stale",
        law=_number("droptable.link.board_session.STALE_FRAME_MS", 10**9),
    ),
    Defect("takes no frame for old", "expired", _always_young()),
    # Sessions
    Defect(
        "waits 200 ms for a BEAT",
        "beat-to-off",
        law=_number("droptable.link.board_session.DEAD_MAN_US", 200_000),
    ),
    Defect(
        "has no dead-man",
        "dead-man",
        law=_number("droptable.link.board_session.DEAD_MAN_US", 10**12),
    ),
    Defect(
        "forgets which sessions are dead",
        "dead-ids",
        law=_number("droptable.link.board_session._DEAD_IDS_KEPT", 0),
    ),
    Defect(
        "speaks with hosts of any version",
        "other-version",
        law=_number("droptable.link.board_session.PROTO_MAJOR", AnyMajor()),
    ),
    Defect(
        "is deaf to a STOP without a session",
        "stop-in-every-session-state",
        _meddled(hears=_deaf_to_foreign_stops),
    ),
    Defect("sends no BOOT", "dead-session-is-told", _silent_about(Boot)),
    Defect(
        "sends a STATUS every 50 ms",
        "status-every-20-ms",
        law=lambda monkeypatch: (
            [
                monkeypatch.setattr(f"droptable.board.{file}.STATUS_EVERY_US", 50_000)
                for file in ("reporting", "asks")
            ]
            and None
        ),
    ),
    # Commands
    Defect("does again what it has done", "at-most-once", _never_remembers()),
    Defect(
        "remembers eight commands",
        "sixteen-remembered",
        law=_number("droptable.board.asks.COMMANDS_REMEMBERED", 8),
    ),
    Defect(
        "takes a ttl of 2 s", "ttl-bounds", law=_number("droptable.board.verbs.TTL_MAX_MS", 2000)
    ),
    Defect(
        "obeys before the third BEAT",
        "before-the-third-beat",
        law=_number("droptable.board.verbs.BEATS_BEFORE_COMMANDS", 2),
    ),
    Defect(
        "tells the wrong reason of several",
        "order-of-reasons",
        law=_number("droptable.board.verbs.GUARD_ORDER", tuple(reversed(verbs.GUARD_ORDER))),
    ),
    Defect("answers 8 ms late", "command-to-result", _built(Late)),
    Defect(
        "tells of a phase with the next STATUS that is due",
        "phase-to-status",
        law=_number("droptable.board.reporting._news", lambda *_: ()),
    ),
    Defect("leaves the coils on for 20 ms", "stop-to-off", _built(KeepsDriving)),
    *(Defect(f"is 8 ms late at {name}", name, _built(Tardy)) for name in TOO_LATE_BY_8_MS),
    # Guards
    *(
        Defect(f"{verb.name} without its guard {code.name}", check, law=without_guard(verb, code))
        for (verb, code), check in GUARDED_BY.items()
    ),
    # Rows
    *(
        Defect(f"no way from {phase.name} to {to.name}", check, law=without_row(phase, to))
        for (phase, to), check in ROW_SEEN_BY.items()
    ),
    Defect(
        "knows after STOP where a section is that moved",
        "stop-on-the-way",
        law=_after_stop(Phase.COCKING, Phase.HALTED),
    ),
    Defect("clears a FAULT by STOP", "stop-in-fault", law=_after_stop(Phase.FAULT, Phase.UNKNOWN)),
    Defect(
        "says that the e-stop disarmed where STOP did",
        "stop-in-armed",
        law=lambda monkeypatch: monkeypatch.setitem(
            rows.DISARMED_BY_STOP, StopSource.FRAME, Disarmed.ESTOP
        ),
    ),
    # Faults
    *(
        Defect(f"never raises {fault.name}", check, law=without_fault(fault))
        for fault, check in RAISED_BY.items()
    ),
    Defect(
        "waits 30 ms where 10 are asked",
        "switches-implausible",
        law=_slow_to_see(Fault.SWITCHES_IMPLAUSIBLE, 30_000),
    ),
    Defect("clears a fault whose cause is there", "cause-not-gone", law=_clears_anything),
    # Events
    Defect("never sends an event again", "sent-again", ForgetsItsEvents),
    Defect(
        "keeps 32 events",
        "events-lost",
        law=_number("droptable.board.event_buffer.CAPACITY", 32),
    ),
    Defect("stamps a DROP 0.3 ms late", "edge-is-timed", _event(_drop_late)),
    Defect("does not say how long a LOCKED took", "lowering", _event(_lock_unsaid)),
    Defect(
        "arms without places for events",
        "arm-without-event-places",
        law=_number("droptable.board.verbs.EVENT_PLACES_FOR_ARM", 0),
    ),
    # Parameters
    Defect("takes a settle_ms of 9", "bounds", law=_bound(params.SETTLE_MS, minimum=9)),
    Defect("takes a span of 0", "bounds", law=_bound(params.LOAD_SPAN_UN, zero_allowed=True)),
    Defect(
        "refuses an arm window of a minute",
        "bounds",
        law=_bound(params.ARM_WINDOW_MAX_MS, maximum=59_999),
    ),
)
