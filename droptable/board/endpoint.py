"""A board as a stream of bytes: the link's session on one side, the board's law on the other. Pure.

Both homes of the board, the GPIO process and the simulator, are this and their own pins. It only
translates: each message that the session accepts becomes an ask of the controller, each answer a
message. It owns BOOT, WELCOME and TIME_REPLY, which are about the link and not the table.
"""

from dataclasses import dataclass

from droptable.board import controller, model
from droptable.board.drops import SAMPLE_US
from droptable.board.invariants import InvariantBrokenError, broken
from droptable.board.model import Feature, Inputs, LoadHistory, Outputs
from droptable.board.params import Params
from droptable.link import messages
from droptable.link.board_session import (
    Accepted,
    BoardSession,
    Heard,
    HelloRepeated,
    HostSilent,
    SessionOpened,
    VersionRefused,
)
from droptable.link.messages import PROTO_MAJOR, PROTO_MINOR, BoardMessage
from droptable.link.params import params_crc
from droptable.link.session import BOOT_EVERY_US


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the board is; `hw_id` has eight ASCII characters."""

    hw_id: str
    firmware: tuple[int, int, int]
    features: Feature
    boot_id: int
    reset_cause: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """What the board drives from now on, what it sends, and when to look again."""

    outputs: Outputs
    sent: bytes
    wake_us: int


class Endpoint:
    """One run of a board, from boot to reset."""

    def __init__(
        self,
        identity: Identity,
        *,
        params: Params | None,
        inputs: Inputs,
        loads: LoadHistory,
        now_us: int,
    ) -> None:
        self.session = BoardSession()
        self.state = controller.boot(
            boot_id=identity.boot_id,
            reset_cause=identity.reset_cause,
            features=identity.features,
            params=params,
            inputs=inputs,
            now_us=now_us,
        )
        self._identity = identity
        self._loads = loads
        self._boot_due_us = now_us

    @property
    def params(self) -> Params:
        """The parameters in force; whoever owns the storage keeps them when they change."""
        return self.state.params

    def advance(self, now_us: int, inputs: Inputs, received: bytes = b"") -> Advanced:
        """Let time pass to `now_us`, where the sensors say `inputs` and the host has sent bytes."""
        step = None
        answers: list[BoardMessage] = []
        refusals = b""
        for heard in self.session.receive(received, now_us):
            if isinstance(heard, SessionOpened):
                # Whoever opens a session has no use for what the one before was to be told.
                answers.clear()
            elif isinstance(heard, VersionRefused):
                refusals += self.session.send_refusal(heard, self._welcome())
            step = self._step(now_us, inputs, _asks(heard))
            answers += self._link_answers(heard, now_us)
            answers += (_message(answer, self._identity.boot_id) for answer in step.answers)
        if step is None:
            step = self._step(now_us, inputs, ())
            answers += (_message(answer, self._identity.boot_id) for answer in step.answers)
        if not self.session.live and now_us >= self._boot_due_us:
            self._boot_due_us = now_us + BOOT_EVERY_US
            answers.append(self._boot())
        sent = refusals + b"".join(map(self.session.send, sorted(answers, key=_rank)))
        return Advanced(step.outputs, sent, self._wake_us(step, now_us))

    def _step(self, now_us: int, inputs: Inputs, asks: tuple[model.Ask, ...]) -> controller.Step:
        step = controller.step(self.state, inputs, asks, now_us, self._loads)
        if found := broken(step.state, now_us):
            raise InvariantBrokenError("; ".join(found))
        self.state = step.state
        return step

    def _wake_us(self, step: controller.Step, now_us: int) -> int:
        dead_man_us = self.session.dead_man_us
        due_us = self._boot_due_us if dead_man_us is None else dead_man_us
        wake_us = due_us if step.wake_us is None else min(due_us, step.wake_us)
        return max(wake_us, now_us + 1)

    def _link_answers(self, heard: Heard, now_us: int) -> tuple[BoardMessage, ...]:
        """What is only about the link and not the table is answered here."""
        match heard:
            case SessionOpened() | HelloRepeated():
                return (self._welcome(),)
            case Accepted(message=messages.Time(host_us=host_us)):
                traffic = self.session.traffic
                discarded, lost = traffic.discarded % 65_536, traffic.lost % 65_536
                return (messages.TimeReply(host_us, now_us, discarded, lost),)
            case _:
                return ()

    def _boot(self) -> messages.Boot:
        who = self._identity
        return messages.Boot(PROTO_MAJOR, PROTO_MINOR, who.boot_id, who.reset_cause)

    def _welcome(self) -> messages.Welcome:
        who, events = self._identity, self.state.events
        return messages.Welcome(
            PROTO_MAJOR,
            PROTO_MINOR,
            *who.firmware,
            hw_id=who.hw_id,
            features=who.features,
            boot_id=who.boot_id,
            reset_cause=who.reset_cause,
            sections=len(self.state.sections),
            params_crc=params_crc(self.state.params.values()),
            first_event_seq=events.first_seq,
            next_event_seq=events.next_seq,
        )


def _rank(message: BoardMessage) -> int:
    """Where several wait: what a host asked for before STATUS before EVENT."""
    match message:
        case messages.Boot():
            return 3
        case messages.Event():
            return 2
        case messages.Status():
            return 1
        case _:
            return 0


def _asks(heard: Heard) -> tuple[model.Ask, ...]:
    """What the controller is asked."""
    match heard:
        case SessionOpened():
            return (model.Opened(),)
        case HostSilent():
            return (model.Lost(),)
        case Accepted():
            return _ask(heard)
        case _:
            return ()


def _ask(heard: Accepted) -> tuple[model.Ask, ...]:
    match heard.message:
        case messages.Beat(flags=flags):
            lease, hold = bool(flags & messages.Beat.LEASE), bool(flags & messages.Beat.HOLD)
            return (model.Beat(lease, hold),)
        case messages.Command() as m:
            return (
                model.Command(m.cmd_id, m.verb, m.section, m.expect, m.ttl_ms, heard.age_ms, m.arg),
            )
        case messages.ParamSet(cmd_id, section, key, value):
            return (model.ParamSet(cmd_id, section, key, value),)
        case messages.ParamGet(cmd_id, section, key):
            return (model.ParamGet(cmd_id, section, key),)
        case messages.EventAck(boot_id, event_seq):
            return (model.EventAck(boot_id, event_seq),)
        case messages.Stop(cmd_id):
            return (model.Stop(cmd_id, answer=heard.live_id),)
        case messages.TraceGet(boot_id, event_seq, index):
            return (model.TraceGet(boot_id, event_seq, index),)
        case _:
            return ()


def _message(answer: model.Answer, boot_id: int) -> BoardMessage:
    match answer:
        case model.Result(cmd_id, code, phase):
            return messages.Result(cmd_id, code, phase)
        case model.Param(cmd_id, section, key, value):
            return messages.Param(cmd_id, section, key, value)
        case model.Status() as s:
            thoracic, lumbar, pelvic = (
                messages.SectionStatus(
                    x.phase, x.fault, x.inputs, x.outputs, x.load_dn, x.tension_dn
                )
                for x in s.sections
            )
            return messages.Status(
                s.board_us, s.flags, s.supply_mv, s.air_kpa, thoracic, lumbar, pelvic
            )
        case model.Event() as e:
            a = e.a % 2**32
            return messages.Event(boot_id, e.event_seq, e.board_us, e.kind, e.section, a, e.b, e.c)
        case model.Trace() as t:
            return messages.Trace(t.boot_id, t.event_seq, SAMPLE_US, t.total, t.index, t.samples)
