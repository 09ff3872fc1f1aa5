"""The board's end: which frames count, for which session, and when the host is dead."""

import pytest

from droptable.link.board_session import (
    Accepted,
    BoardSession,
    Heard,
    HelloRepeated,
    HostSilent,
    SessionOpened,
    VersionRefused,
)
from droptable.link.frames import DELIMITER, Decoder, Discard, encode
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
    Stop,
    Time,
    TraceGet,
    Welcome,
)
from droptable.link.session import DEAD_MAN_US
from tests.link.samples import boot, status, welcome

MS = 1000
COCK, DISARM = 1, 3


class Host:
    """Frames of a host, numbered by hand or one after the other."""

    def __init__(self, board: BoardSession, session: int = 0x5EED, seq: int = 0) -> None:
        self.board = board
        self.session = session
        self.seq = seq

    def frame(self, message: Message, seq: int | None = None) -> bytes:
        if seq is None:
            seq, self.seq = self.seq, (self.seq + 1) % 65_536
        return encode(seq, self.session, message)

    def says(self, message: Message, now_us: int, seq: int | None = None) -> list[Heard]:
        return list(self.board.receive(self.frame(message, seq), now_us))

    def opens(self, now_us: int = 0) -> "Host":
        assert self.says(Hello(), now_us) == [SessionOpened()]
        return self


@pytest.fixture
def board() -> BoardSession:
    return BoardSession()


@pytest.fixture
def host(board: BoardSession) -> Host:
    return Host(board).opens()


def command(verb: int = COCK, host_ms: int = 0) -> Command:
    return Command(1, verb, 0, 0xFF, 250, host_ms)


def beat(now_us: int) -> Beat:
    """A BEAT that arrives at once, of a host whose clock is the board's."""
    return Beat(3, now_us // MS)


def heard(board: BoardSession, received: bytes, now_us: int) -> list[Heard]:
    return list(board.receive(received, now_us))


def discarded(board: BoardSession) -> dict[Discard, int]:
    return {reason: count for reason, count in board.traffic.discards.items() if count}


# Opening


def test_a_board_begins_without_a_session(board: BoardSession) -> None:
    assert not board.live
    assert board.id == 0
    assert board.dead_man_us is None
    assert heard(board, b"", 10**9) == []


@pytest.mark.parametrize(
    "message",
    [Beat(0, 0), command(), ParamSet(1, 0, 5, 50), ParamGet(1, 0, 5), EventAck(1, 1), Time(5)],
    ids=lambda message: type(message).__name__,
)
def test_without_a_session_all_but_hello_and_stop_are_discarded(
    board: BoardSession, message: Message
) -> None:
    for session in (0, 0x5EED):
        assert Host(board, session).says(message, 0) == []
    assert discarded(board) == {Discard.SESSION: 2}
    assert board.traffic.lost == 0


def test_a_hello_opens_a_session_under_its_id(board: BoardSession) -> None:
    Host(board, session=42).opens()
    assert board.live
    assert board.id == 42
    assert board.dead_man_us == DEAD_MAN_US


def test_a_hello_without_an_id_opens_nothing(board: BoardSession) -> None:
    assert Host(board, session=0).says(Hello(), 0) == []
    assert not board.live
    assert discarded(board) == {Discard.SESSION: 1}


@pytest.mark.parametrize("first", [0, 1, 40_000, 65_535])
def test_the_hello_sets_the_expected_seq(board: BoardSession, first: int) -> None:
    host = Host(board, seq=first).opens()
    assert host.says(beat(0), 0) == [Accepted(beat(0), 0, live_id=True)]
    assert host.says(beat(0), 0, seq=first) == []
    assert discarded(board) == {Discard.SEQUENCE: 1}
    assert board.traffic.lost == 0


def test_a_repeated_hello_of_the_live_session_changes_nothing(
    board: BoardSession, host: Host
) -> None:
    host.says(beat(0), 0)
    board.send(status(1))
    assert host.says(Hello(), 100 * MS, seq=0) == [HelloRepeated()]
    assert host.says(Hello(), 100 * MS, seq=500) == [HelloRepeated()]
    assert board.dead_man_us == DEAD_MAN_US, "a HELLO is no BEAT"
    assert host.says(beat(100 * MS), 100 * MS) == [
        Accepted(beat(100 * MS), 0, live_id=True),
    ]
    assert sent_seq(board.send(status(2))) == 1, "our seq goes on"


def sent_seq(frame: bytes) -> int:
    (decoded,) = Decoder(FROM_BOARD).feed(frame)
    return decoded.seq


def test_a_new_hello_replaces_the_session(board: BoardSession, host: Host) -> None:
    board.send(welcome())
    board.send(status(1))
    other = Host(board, session=0xBEEF, seq=7).opens(now_us=100 * MS)
    assert board.id == 0xBEEF
    assert board.dead_man_us == 100 * MS + DEAD_MAN_US
    assert sent_seq(board.send(welcome())) == 0
    assert host.says(beat(0), 100 * MS) == []
    assert discarded(board) == {Discard.SESSION: 1}
    assert other.says(beat(0), 100 * MS) != []


def test_the_id_of_a_replaced_session_opens_nothing_more(board: BoardSession, host: Host) -> None:
    Host(board, session=0xBEEF).opens()
    assert host.says(Hello(), 0, seq=0) == []
    assert board.id == 0xBEEF
    assert discarded(board) == {Discard.SESSION: 1}


def test_the_id_of_a_dead_session_opens_nothing_more(board: BoardSession, host: Host) -> None:
    assert heard(board, b"", DEAD_MAN_US) == [HostSilent()]
    assert host.says(Hello(), DEAD_MAN_US, seq=0) == []
    assert not board.live
    assert discarded(board) == {Discard.SESSION: 1}


def test_sixteen_dead_ids_are_remembered(board: BoardSession) -> None:
    for session in range(1, 18):
        Host(board, session).opens()
    for session in range(1, 17):
        assert Host(board, session).says(Hello(), 0) == []
    assert board.id == 17


@pytest.mark.parametrize("major", [0, 2, 255])
def test_another_version_is_refused_and_the_session_before_goes_on(
    board: BoardSession, host: Host, major: int
) -> None:
    board.send(welcome())
    stranger = Host(board, session=0xBEEF)
    assert stranger.says(Hello(proto_major=major), 100 * MS) == [VersionRefused(0xBEEF)]
    assert board.live
    assert board.id == host.session
    assert board.dead_man_us == DEAD_MAN_US
    (answer,) = Decoder(FROM_BOARD).feed(board.send_refusal(VersionRefused(0xBEEF), welcome()))
    assert (answer.session, answer.seq) == (0xBEEF, 0)
    assert isinstance(answer.message, Welcome)
    assert sent_seq(board.send(status(1))) == 1
    assert host.says(beat(100 * MS), 100 * MS) != []
    assert stranger.says(beat(100 * MS), 100 * MS) == []


def test_another_version_opens_no_first_session(board: BoardSession) -> None:
    assert Host(board).says(Hello(proto_major=2), 0) == [VersionRefused(0x5EED)]
    assert not board.live
    assert board.id == 0


def test_another_minor_version_is_welcome(board: BoardSession) -> None:
    assert Host(board).says(Hello(proto_minor=9), 0) == [SessionOpened()]


# STOP


@pytest.mark.parametrize("seq", [0, 1, 2, 40_000, 65_535])
@pytest.mark.parametrize("session", [0, 0x5EED, 0xBEEF])
def test_a_stop_counts_under_any_session_and_any_seq(
    board: BoardSession, host: Host, session: int, seq: int
) -> None:
    host.says(beat(0), 0)
    stopper = Host(board, session)
    for _ in range(2):
        live_id = session == host.session
        assert stopper.says(Stop(5), 0, seq=seq) == [Accepted(Stop(5), 0, live_id=live_id)]
    assert not discarded(board)
    assert host.says(beat(0), 0) != [], "a STOP moves no seq"
    assert board.traffic.lost == 0


def test_a_stop_counts_before_the_first_session(board: BoardSession) -> None:
    assert Host(board, session=0).says(Stop(0), 0) == [Accepted(Stop(0), 0, live_id=False)]


def test_a_stop_of_a_dead_session_counts_and_is_not_of_the_live_one(
    board: BoardSession, host: Host
) -> None:
    heard(board, b"", DEAD_MAN_US)
    assert host.says(Stop(5), DEAD_MAN_US) == [Accepted(Stop(5), 0, live_id=False)]
    assert not board.live


def test_a_stop_does_not_feed_the_dead_man(board: BoardSession, host: Host) -> None:
    host.says(Stop(5), 100 * MS)
    assert board.dead_man_us == DEAD_MAN_US


# The dead-man


def test_the_host_is_dead_after_exactly_150_ms(board: BoardSession, host: Host) -> None:
    assert heard(board, b"", 149_999) == []
    assert board.live
    assert heard(board, b"", 150_000) == [HostSilent()]
    assert not board.live
    assert board.dead_man_us is None
    assert heard(board, b"", 10**9) == [], "it dies once"


def test_beats_feed_the_dead_man(board: BoardSession, host: Host) -> None:
    for at_us in range(0, 10_000_000, 149_999):
        assert host.says(beat(at_us), at_us) == [Accepted(beat(at_us), 0, live_id=True)]
        assert board.dead_man_us == at_us + DEAD_MAN_US


@pytest.mark.parametrize(
    "message",
    [command(), ParamSet(1, 0, 5, 50), ParamGet(1, 0, 5), EventAck(1, 1), Time(5)],
    ids=lambda message: type(message).__name__,
)
def test_nothing_but_a_beat_feeds_the_dead_man(
    board: BoardSession, host: Host, message: Message
) -> None:
    host.says(message, 0)
    assert len(host.says(message, 1 * MS)) == 1
    assert board.dead_man_us == DEAD_MAN_US


def test_a_beat_that_comes_too_late_revives_nothing(board: BoardSession, host: Host) -> None:
    late = beat(150_000)
    assert host.says(late, 150_000) == [HostSilent(), Accepted(late, 0, live_id=False)]
    assert not board.live
    for at_us in range(150_000, 400_000, 50_000):
        host.says(beat(at_us), at_us)
    assert not board.live
    assert board.dead_man_us is None


def test_a_dead_session_is_still_served(board: BoardSession, host: Host) -> None:
    board.send(welcome())
    heard(board, b"", DEAD_MAN_US)
    served = (ParamGet(1, 0, 5), Time(5), EventAck(1, 1), TraceGet(1, 1, 0), command())
    for message in served:
        assert host.says(message, DEAD_MAN_US) == [Accepted(message, 0, live_id=False)]
    assert sent_seq(board.send(Result(1, 14, 0))) == 1
    (answer,) = Decoder(FROM_BOARD).feed(board.send(status(9, alive=False)))
    assert answer.session == host.session


def test_after_the_dead_man_a_new_session_lives(board: BoardSession, host: Host) -> None:
    heard(board, b"", DEAD_MAN_US)
    Host(board, session=0xBEEF).opens(now_us=DEAD_MAN_US)
    assert board.live
    assert board.dead_man_us == 2 * DEAD_MAN_US


def test_a_hello_that_comes_with_the_dead_man_is_told_after_it(
    board: BoardSession, host: Host
) -> None:
    told = Host(board, session=0xBEEF).says(Hello(), DEAD_MAN_US)
    assert told == [HostSilent(), SessionOpened()]


# Sequence, loss and age


def test_skipped_frames_are_counted_as_lost(board: BoardSession, host: Host) -> None:
    assert len(host.says(beat(0), 0, seq=5)) == 1
    assert board.traffic.lost == 4
    assert host.says(beat(0), 0, seq=5) == []
    assert host.says(beat(0), 0, seq=3) == []
    assert host.says(beat(0), 0, seq=(5 + 32_768) % 65_536) == []
    assert discarded(board) == {Discard.SEQUENCE: 3}
    assert board.traffic.lost == 4


def test_a_discarded_beat_does_not_feed_the_dead_man(board: BoardSession, host: Host) -> None:
    host.says(beat(0), 0)
    assert host.says(beat(100 * MS), 100 * MS, seq=1) == []
    assert Host(board, session=0xBEEF).says(beat(100 * MS), 100 * MS, seq=2) == []
    assert board.dead_man_us == DEAD_MAN_US


def test_a_frame_of_another_session_is_not_asked_for_its_seq(
    board: BoardSession, host: Host
) -> None:
    Host(board, session=0xBEEF).says(beat(0), 0, seq=0)
    assert discarded(board) == {Discard.SESSION: 1}


def test_a_stale_beat_does_not_feed_the_dead_man_but_its_seq_counts(
    board: BoardSession, host: Host
) -> None:
    host.says(Beat(0, 0), 0)
    host.says(Beat(0, 100), 100 * MS)
    assert host.says(Beat(0, 49), 200 * MS, seq=3) == []
    assert discarded(board) == {Discard.STALE: 1}
    assert board.dead_man_us == 100 * MS + DEAD_MAN_US
    assert host.says(Beat(0, 200), 200 * MS, seq=3) == []
    assert discarded(board) == {Discard.STALE: 1, Discard.SEQUENCE: 1}


def test_exactly_150_ms_is_not_yet_stale(board: BoardSession, host: Host) -> None:
    host.says(Beat(0, 0), 0)
    host.says(Beat(0, 100), 100 * MS)
    late = Beat(0, 50)
    assert host.says(late, 200 * MS) == [Accepted(late, 150, live_id=True)]


def test_a_stale_command_is_discarded_and_a_disarm_never(board: BoardSession, host: Host) -> None:
    host.says(Beat(0, 0), 0)
    host.says(Beat(0, 100), 100 * MS)
    for verb in (1, 2, 4, 5, 6, 7, 8, 9):
        assert host.says(command(verb, host_ms=40), 200 * MS) == []
    assert discarded(board) == {Discard.STALE: 8}
    disarm = command(DISARM, host_ms=40)
    assert host.says(disarm, 200 * MS) == [Accepted(disarm, 160, live_id=True)]


def test_a_hello_forgets_the_clock_of_the_session_before(board: BoardSession, host: Host) -> None:
    host.says(Beat(0, 10_000), 0)
    other = Host(board, session=0xBEEF).opens()
    assert other.says(Beat(0, 0), 0) == [Accepted(Beat(0, 0), 0, live_id=True)]


def test_frames_that_were_discarded_for_their_seq_do_not_set_the_clock(
    board: BoardSession, host: Host
) -> None:
    host.says(Beat(0, 0), 0)
    host.says(Beat(0, 10_000), 0, seq=1)
    assert host.says(Beat(0, 0), 0) == [Accepted(Beat(0, 0), 0, live_id=True)]


# Sending


def test_boot_has_a_session_and_a_counter_of_its_own(board: BoardSession, host: Host) -> None:
    board.send(welcome())
    for expected in range(3):
        (decoded,) = Decoder(FROM_BOARD).feed(board.send(boot()))
        assert (decoded.seq, decoded.session) == (expected, 0)
    assert sent_seq(board.send(status(1))) == 1
    Host(board, session=0xBEEF).opens()
    assert sent_seq(board.send(boot())) == 3
    assert sent_seq(board.send(welcome())) == 0


def test_garbage_is_counted_and_moves_nothing(board: BoardSession, host: Host) -> None:
    assert heard(board, b"\x11\x22\x33" + DELIMITER + b"\xff" * 300 + DELIMITER, 0) == []
    assert board.traffic.discarded == 2
    assert board.dead_man_us == DEAD_MAN_US
    assert len(host.says(beat(0), 0)) == 1


def test_frames_of_one_read_are_heard_in_their_order(board: BoardSession) -> None:
    host = Host(board)
    together = [host.frame(message) for message in (Hello(), beat(0), command(), Stop(2))]
    told = heard(board, b"".join(together), 0)
    kinds = [type(one.message) if isinstance(one, Accepted) else type(one) for one in told]
    assert kinds == [SessionOpened, Beat, Command, Stop]


def test_an_answer_goes_under_the_session_that_asked(board: BoardSession, host: Host) -> None:
    """Also when the HELLO of the next host came in the same read."""
    next_host = Host(board, session=0xBEEF)
    together = host.frame(Time(5)) + next_host.frame(Hello()) + next_host.frame(Time(6))
    answers = [board.send(status(at)) for at, _ in enumerate(board.receive(together, 0))]
    sent = Decoder(FROM_BOARD).feed(b"".join(answers))
    assert [(frame.session, frame.seq) for frame in sent] == [
        (host.session, 0),
        (0xBEEF, 0),
        (0xBEEF, 1),
    ]
