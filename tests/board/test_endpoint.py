"""A board as a stream of bytes: sessions, the dead-man and the order of answers, up to the outputs."""

from collections.abc import Iterable

import pytest

from droptable.board.endpoint import Advanced, Endpoint, Identity
from droptable.board.model import TABLE, Code, Disarmed, Feature, Flag, Kind, Phase, Verb
from droptable.link.frames import Decoder, encode
from droptable.link.messages import (
    FROM_BOARD,
    Beat,
    BoardMessage,
    Boot,
    Command,
    Event,
    EventAck,
    Hello,
    Message,
    Param,
    ParamGet,
    ParamSet,
    Result,
    Status,
    Stop,
    Time,
    TimeReply,
    Trace,
    TraceGet,
    Welcome,
)
from droptable.link.params import params_crc
from tests.board.bench import (
    BOOT_ID,
    COMPLETE,
    DEBOUNCE_US,
    EVERYTHING,
    MS,
    PELVIC,
    SECTIONS,
    SETTLE_US,
    Bench,
    S,
)

DEAD_MAN_US = 150 * MS
IDENTITY = Identity("TEST0001", (1, 2, 3), EVERYTHING, BOOT_ID, reset_cause=1)
BOTH = Beat.LEASE | Beat.HOLD


class Table:
    """A board with its host: real frames between them, the bench's contacts beneath."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.now_us = self.bench.now_us
        self.board = Endpoint(
            IDENTITY,
            params=COMPLETE,
            inputs=self.bench.inputs(),
            loads=self.bench.loads,
            now_us=self.now_us,
        )
        self.session, self.seq, self.cmd_id = 0x5EED, 0, 0
        self.beat_flags: int | None = None
        """What the host beats every 50 ms; None: it is silent."""
        self.beat_due_us = 0
        self.decoder = Decoder(FROM_BOARD)
        self.frames: list[tuple[int, int, BoardMessage]] = []
        self.last: Advanced | None = None
        self.sent = 0

    def frame(
        self, message: Message, *, session: int | None = None, seq: int | None = None
    ) -> bytes:
        if seq is None:
            seq, self.seq = self.seq, self.seq + 1
        return encode(seq, self.session if session is None else session, message)

    def hear(self, *frames: bytes) -> list[BoardMessage]:
        """The board reads all of it at once; what it answers to that."""
        self.bench.now_us = self.now_us
        self.bench.targets = [
            section.outputs.tension_steps for section in self.board.state.sections
        ]
        self.last = self.board.advance(self.now_us, self.bench.inputs(), b"".join(frames))
        assert self.last.wake_us > self.now_us
        told = [
            (frame.session, frame.seq, frame.message) for frame in self.decoder.feed(self.last.sent)
        ]
        self.sent = len(self.last.sent)
        self.frames += told  # type: ignore[arg-type]
        return [message for _, _, message in told]  # type: ignore[misc]

    def say(self, *messages: Message) -> list[BoardMessage]:
        return self.hear(*(self.frame(message) for message in messages))

    def wait(self, duration_us: int) -> "Table":
        until_us = self.now_us + duration_us
        while True:
            assert self.last is not None
            due_us = self.last.wake_us
            if self.beat_flags is not None:
                due_us = min(due_us, self.beat_due_us)
            if due_us > until_us:
                break
            self.now_us = max(due_us, self.now_us)
            self.beat()
        self.now_us = until_us
        self.hear()
        return self

    def beat(self) -> None:
        if self.beat_flags is None or self.now_us < self.beat_due_us:
            self.hear()
            return
        self.beat_due_us = self.now_us + 50 * MS
        self.say(Beat(self.beat_flags, self.now_us // MS))

    def open(self, flags: int = BOTH) -> "Table":
        self.say(Hello())
        self.beat_flags, self.beat_due_us = flags, self.now_us
        return self.wait(100 * MS)

    def ask(self, verb: Verb, section: int = PELVIC, arg: int = 0) -> Code:
        (result,) = (
            one for one in self.say(self.command(verb, section, arg)) if type(one) is Result
        )
        return Code(result.code)

    def command(self, verb: Verb, section: int = PELVIC, arg: int = 0) -> Command:
        self.cmd_id += 1
        return Command(self.cmd_id, verb, section, 0xFF, 250, self.now_us // MS, arg)

    def show(self, **contacts: bool) -> "Table":
        for name, value in contacts.items():
            setattr(self.bench.contacts[PELVIC], name, value)
        self.hear()
        return self

    def phase(self) -> Phase:
        return self.board.state.sections[PELVIC].phase

    @property
    def all_off(self) -> bool:
        assert self.last is not None
        return not any(outputs.driven for outputs in self.last.outputs)

    def locked(self) -> "Table":
        self.open()
        for at in SECTIONS:
            assert self.ask(Verb.HOME, at) is Code.OK
        return self

    def cocking(self) -> "Table":
        self.locked()
        assert self.ask(Verb.COCK) is Code.OK
        return self.show(pin=False).wait(DEBOUNCE_US).show(down=False).wait(100 * MS)

    def armed(self) -> "Table":
        self.cocking().show(up=True).wait(DEBOUNCE_US + SETTLE_US)
        self.show(pin=True).wait(DEBOUNCE_US + SETTLE_US)
        assert self.ask(Verb.ARM, arg=10_000) is Code.OK
        return self.show(pin=False).wait(20 * MS)

    def told(self, kind: type[Message], since: int = 0) -> list[BoardMessage]:
        return [message for _, _, message in self.frames[since:] if isinstance(message, kind)]

    def events(self) -> list[Kind]:
        return [event.kind for event in self.board.state.events.kept]


def names(messages: Iterable[Message]) -> list[str]:
    return [type(message).__name__ for message in messages]


# Sessions


def test_a_board_boots_and_says_so_every_500_ms_until_it_has_a_host() -> None:
    table = Table()
    assert table.hear() == [Boot(1, 0, BOOT_ID, 1)]
    table.wait(2 * S)
    assert [(session, seq) for session, seq, _ in table.frames] == [(0, n) for n in range(5)]
    table.open().wait(S)
    assert len(table.told(Boot)) == 5


def test_a_welcome_comes_first_and_says_who_the_board_is() -> None:
    table = Table()
    answers = table.say(Hello())
    assert names(answers) == ["Welcome", "Status", "Event", "Event"]
    assert answers[0] == Welcome(
        1,
        0,
        1,
        2,
        3,
        "TEST0001",
        EVERYTHING,
        BOOT_ID,
        reset_cause=1,
        sections=3,
        params_crc=params_crc(COMPLETE.values()),
        first_event_seq=1,
        next_event_seq=3,
    )
    assert [(session, seq) for session, seq, _ in table.frames] == [(0x5EED, n) for n in range(4)]


def test_a_repeated_hello_is_welcomed_and_does_nothing_else() -> None:
    table = Table().armed()
    before = table.board.state.sections
    answers = table.hear(table.frame(Hello(), seq=0))
    assert names(answers)[0] == "Welcome"
    assert table.board.state.sections == before
    assert table.phase() is Phase.ARMED
    assert table.events().count(Kind.LINK_UP) == 1


def test_another_version_is_told_ours_and_the_session_goes_on() -> None:
    table = Table().armed()
    answers = table.hear(table.frame(Hello(2, 0), session=0xBEEF, seq=0))
    assert names(answers) == ["Welcome"]
    assert table.frames[-1][:2] == (0xBEEF, 0)
    assert table.phase() is Phase.ARMED
    table.wait(S)
    assert table.phase() is Phase.ARMED


@pytest.mark.parametrize(
    ("reach", "phase"), [(Table.cocking, Phase.HALTED), (Table.armed, Phase.SECURING)]
)
def test_a_session_replaced_while_something_moves_turns_it_off(reach: object, phase: Phase) -> None:
    table = Table()
    assert callable(reach)
    reach(table)
    assert not table.all_off
    answers = table.hear(table.frame(Hello(), session=0xBEEF, seq=0))
    assert names(answers)[0] == "Welcome"
    assert table.phase() is phase
    assert table.all_off
    assert not table.board.state.lease


def test_what_the_old_session_asked_is_not_answered_to_the_new_one() -> None:
    table = Table().locked()
    cock = table.frame(table.command(Verb.COCK))
    answers = table.hear(cock, table.frame(Hello(), session=0xBEEF, seq=0))
    assert names(answers)[0] == "Welcome"
    assert not [one for one in answers if isinstance(one, Result)]
    assert [seq for _, seq, _ in table.frames[-len(answers) :]] == list(range(len(answers)))
    assert table.phase() is Phase.HALTED


def test_a_session_that_died_stays_dead() -> None:
    table = Table().open()
    table.beat_flags = None
    table.wait(200 * MS)
    since = len(table.frames)
    table.hear(table.frame(Hello(), seq=0))
    assert not table.told(Welcome, since)
    assert not table.board.session.live


# The dead-man


@pytest.mark.parametrize(
    ("reach", "phase", "why"),
    [(Table.cocking, Phase.HALTED, None), (Table.armed, Phase.SECURING, Disarmed.SESSION_LOST)],
)
def test_outputs_are_off_150_ms_after_the_last_beat(
    reach: object, phase: Phase, why: Disarmed | None
) -> None:
    table = Table()
    assert callable(reach)
    reach(table)
    table.beat_flags = None
    assert table.board.session.dead_man_us is not None
    dead_us = table.board.session.dead_man_us
    assert dead_us - table.now_us <= DEAD_MAN_US
    table.wait(dead_us - table.now_us - 1)
    assert not table.all_off
    assert table.last is not None
    assert table.last.wake_us == dead_us, "the board wakes by itself"
    table.wait(1)
    assert table.all_off
    assert table.phase() is phase
    assert Kind.LINK_LOST in table.events()
    told = [event.a for event in table.board.state.events.kept if event.kind is Kind.DISARMED]
    assert told == ([why] if why else [])


def test_a_hello_alone_keeps_no_session_alive() -> None:
    table = Table()
    table.say(Hello())
    table.wait(DEAD_MAN_US - 1)
    assert table.board.session.live
    table.wait(1)
    assert not table.board.session.live


def test_a_beat_that_is_played_again_feeds_no_dead_man_and_gives_no_lease() -> None:
    table = Table().open()
    held = table.frame(Beat(BOTH, table.now_us // MS))
    table.hear(held)
    table.say(Beat(0, table.now_us // MS))
    assert not table.board.state.lease
    due_us = table.board.session.dead_man_us
    table.now_us += 10 * MS
    table.hear(held)
    assert not table.board.state.lease
    assert table.board.session.dead_man_us == due_us


def test_a_stale_beat_gives_nothing() -> None:
    table = Table().open(flags=0)
    old_ms = table.now_us // MS - 151
    table.say(Beat(BOTH, old_ms))
    assert not table.board.state.lease


def test_a_dead_session_is_told_of_and_served_but_not_obeyed() -> None:
    table = Table().locked()
    table.beat_flags = None
    table.wait(DEAD_MAN_US)
    since = len(table.frames)
    assert table.ask(Verb.HOME) is Code.NO_SESSION
    assert table.say(ParamSet(900, PELVIC, 5, 30)) == [Result(900, Code.NO_SESSION, Phase.LOCKED)]
    assert table.say(ParamGet(901, PELVIC, 5)) == [Param(901, PELVIC, 5, 20)]
    (reply,) = table.say(Time(123))
    assert isinstance(reply, TimeReply)
    assert (reply.host_us, reply.board_us) == (123, table.now_us)
    (trace,) = table.say(TraceGet(BOOT_ID, 1, 0))
    assert isinstance(trace, Trace)
    assert trace.total == 0
    table.say(EventAck(BOOT_ID, 2))
    assert table.board.state.events.first_seq == 3
    table.wait(S)
    statuses = table.told(Status, since)
    assert len(statuses) >= 50
    assert not any(Flag.SESSION_ALIVE & status.flags for status in statuses)  # type: ignore[union-attr]
    assert {session for session, _, message in table.frames[since:] if type(message) is Status} == {
        table.session
    }
    assert len(table.told(Boot, since)) in (2, 3)


def test_the_first_boot_after_the_host_died_comes_at_once() -> None:
    table = Table().open()
    table.beat_flags = None
    assert table.board.session.dead_man_us is not None
    table.wait(table.board.session.dead_man_us - table.now_us)
    assert isinstance(table.frames[-1][2], Boot)


def test_maintenance_ends_with_the_host() -> None:
    table = Table().locked()
    assert table.ask(Verb.MAINTENANCE, TABLE, 1) is Code.OK
    table.beat_flags = None
    table.wait(DEAD_MAN_US)
    assert not table.board.state.maintenance


# Order and time


def test_each_ask_of_one_read_is_answered_and_results_come_first() -> None:
    table = Table().locked().wait(5 * MS)
    answers = table.say(
        table.command(Verb.COCK),
        Beat(Beat.LEASE, table.now_us // MS),
        Time(7),
        ParamGet(900, PELVIC, 5),
        table.command(Verb.HOME),
    )
    assert names(answers) == ["Result", "TimeReply", "Param", "Result", "Status", "Event"]
    assert [result.code for result in answers if isinstance(result, Result)] == [
        Code.OK,
        Code.WRONG_PHASE,
    ]
    assert table.phase() is Phase.HALTED, "the hold was released between them"


def test_the_host_never_sees_two_statuses_of_one_time() -> None:
    table = Table().locked().wait(5 * MS)
    table.say(table.command(Verb.COCK), Beat(Beat.LEASE, table.now_us // MS))
    table.say(Beat(0, table.now_us // MS))
    table.wait(100)
    times = [status.board_us for status in table.told(Status)]  # type: ignore[union-attr]
    assert times == sorted(set(times))
    last = table.told(Status)[-1]
    assert isinstance(last, Status)
    assert last.pelvic.phase == Phase.HALTED
    assert not last.flags & Flag.LEASE_LIVE


@pytest.mark.parametrize("session", [0x5EED, 0xBEEF, 0])
@pytest.mark.parametrize("reach", [Table.cocking, Table.armed])
def test_a_stop_under_any_session_turns_all_off_in_the_same_step(
    reach: object, session: int
) -> None:
    table = Table()
    assert callable(reach)
    reach(table)
    answers = table.hear(table.frame(Stop(9), session=session, seq=40_000))
    assert table.all_off
    stopped = Result(9, Code.OK, 0)
    assert (stopped in answers) is (session == table.session)
    assert any(isinstance(one, Status) and one.flags & Flag.STOP_LATCHED for one in answers)


def test_a_stop_before_any_session_is_latched_for_the_first_one_to_see() -> None:
    table = Table()
    table.hear(table.frame(Stop(0), session=0, seq=0))
    answers = table.say(Hello())
    assert [one for one in answers if isinstance(one, Status) and one.flags & Flag.STOP_LATCHED]


@pytest.mark.parametrize(
    "act",
    [
        lambda table: table.say(Beat(Beat.LEASE, table.now_us // MS)),
        lambda table: table.say(Beat(Beat.HOLD, table.now_us // MS)),
        lambda table: table.bench.lines.update(estop_open=True) or table.hear(),
        lambda table: table.bench.lines.update(stop_button=True) or table.hear(),
    ],
)
def test_what_ends_a_motion_ends_it_in_the_same_step(act: object) -> None:
    table = Table().cocking()
    assert not table.all_off
    assert callable(act)
    act(table)
    assert table.all_off
    assert isinstance(table.told(Status)[-1], Status)


def test_a_command_that_comes_again_is_answered_again_and_done_once() -> None:
    table = Table().locked()
    cock = table.command(Verb.COCK)
    first = table.say(cock)[0]
    table.say(Beat(Beat.LEASE, table.now_us // MS))
    assert table.phase() is Phase.HALTED
    assert table.say(cock)[0] == first
    assert table.phase() is Phase.HALTED


def test_a_command_grows_old_on_its_way() -> None:
    table = Table().locked().wait(50 * MS)
    table.cmd_id += 1
    old = Command(table.cmd_id, Verb.COCK, PELVIC, 0xFF, 60, table.now_us // MS - 61)
    assert table.say(old)[0] == Result(table.cmd_id, Code.EXPIRED, Phase.LOCKED)
    table.say(Command(table.cmd_id + 1, Verb.COCK, PELVIC, 0xFF, 1000, table.now_us // MS - 151))
    assert table.phase() is Phase.LOCKED
    assert table.cmd_id + 1 not in dict(table.board.state.remembered)


def test_a_time_is_answered_with_what_was_thrown_away() -> None:
    table = Table().open()
    table.hear(b"\x01\x02\x03\x00")
    table.seq += 4
    (reply,) = (one for one in table.say(Time(5)) if isinstance(one, TimeReply))
    assert (reply.discarded, reply.lost) == (1, 4)


def test_a_drop_travels_with_its_trace() -> None:
    table = Table().armed()
    left_us = table.now_us
    table.show(up=False).wait(40 * MS).show(down=True).wait(DEBOUNCE_US)
    (drop,) = (one for one in table.told(Event) if isinstance(one, Event) and one.kind == Kind.DROP)
    assert (drop.boot_id, drop.board_us, drop.section) == (BOOT_ID, left_us, PELVIC)
    assert (drop.a, drop.b, drop.c) == (40 * MS, 500, 500)
    table.wait(300 * MS)
    (trace,) = (
        one for one in table.say(TraceGet(BOOT_ID, drop.event_seq, 500)) if isinstance(one, Trace)
    )
    assert (trace.dt_us, trace.total, trace.index, trace.samples) == (1000, 512, 500, (500,) * 12)


def test_parameters_in_force_are_seen_by_whoever_keeps_them() -> None:
    table = Table().open()
    before = table.board.params
    table.say(ParamSet(900, PELVIC, 5, 30))
    assert table.board.params.get(PELVIC, 5) == 30
    assert table.board.params is not before


def test_a_board_without_features_says_so() -> None:
    bench = Bench(features=Feature(0))
    board = Endpoint(
        Identity("BARE0001", (1, 0, 0), Feature(0), 5, 3),
        params=None,
        inputs=bench.inputs(),
        loads=bench.loads,
        now_us=0,
    )
    sent = board.advance(0, bench.inputs(), encode(0, 9, Hello())).sent
    welcome = Decoder(FROM_BOARD).feed(sent)[0].message
    assert isinstance(welcome, Welcome)
    assert (welcome.features, welcome.params_crc, welcome.reset_cause) == (0, 0, 3)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_bytes_may_come_in_any_pieces(size: int) -> None:
    table = Table().locked()
    stream = table.frame(table.command(Verb.COCK)) + table.frame(Time(7))
    for start in range(0, len(stream), size):
        table.hear(stream[start : start + size])
    assert table.phase() is Phase.COCKING
    assert table.told(TimeReply)
