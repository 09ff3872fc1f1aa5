"""The host's end: opening, beating, silence, restarts, impostors, and round trips."""

from itertools import count

import pytest

from droptable.link.frames import DELIMITER, Decoder, Discard, Frame, encode
from droptable.link.host_session import (
    Diagnosed,
    HostSession,
    News,
    Received,
    RoundTrip,
    SessionOver,
    Trouble,
    Welcomed,
    WentStale,
)
from droptable.link.messages import (
    FROM_HOST,
    Beat,
    Hello,
    Message,
    ParamGet,
    Result,
    Status,
    Stop,
    Text,
    Time,
    TimeReply,
)
from tests.link.samples import boot, status, welcome

MS = 1000
START = 7_000 * MS


class Board:
    """A board that says only what a test makes it say."""

    def __init__(self, host: HostSession) -> None:
        self.host = host
        self.now_us = START
        self.seq = 0
        self.board_us = 0
        self.wire = b""

    def frame(self, message: Message, seq: int | None = None, session: int | None = None) -> bytes:
        if seq is None:
            seq, self.seq = self.seq, (self.seq + 1) % 65_536
        return encode(seq, self.host._id if session is None else session, message)

    def says(
        self, message: Message, seq: int | None = None, session: int | None = None
    ) -> list[News]:
        return self.host.receive(self.frame(message, seq, session), self.now_us)

    def boots(self, boot_id: int = 77, proto_major: int = 1) -> list[News]:
        return self.says(boot(boot_id, proto_major), seq=0, session=0)

    def reports(self, *, alive: bool = True) -> list[News]:
        self.board_us += 20 * MS
        return self.says(status(self.board_us, alive=alive))

    def hears(self) -> list[Frame]:
        self.wire += b"".join(self.host.take_outgoing())
        heard, self.wire = Decoder(FROM_HOST).feed(self.wire), b""
        return heard

    def waits(self, ms: float) -> list[News]:
        """Time passes and the host does at each wake-up what is due."""
        news: list[News] = []
        until = self.now_us + int(ms * MS)
        while self.host.wake_us is not None and self.host.wake_us <= until:
            self.now_us = max(self.now_us, self.host.wake_us)
            news += self.host.advance(self.now_us)
            self.wire += b"".join(self.host.take_outgoing())
            assert self.host.wake_us is None or self.host.wake_us > self.now_us
        self.now_us = until
        return news

    def lives(self, ms: int) -> list[News]:
        """Time passes and STATUS comes every 20 ms, which is no news here."""
        news: list[News] = []
        for _ in range(ms // 20):
            news += self.waits(20)
            news += [one for one in self.reports() if not isinstance(one, Received)]
        return news

    def opens(self, boot_id: int = 77) -> list[News]:
        self.seq, self.board_us = 0, 0
        return self.says(welcome(boot_id))


@pytest.fixture
def host() -> HostSession:
    return HostSession(count(0x1000).__next__)


@pytest.fixture
def board(host: HostSession) -> Board:
    """The other end of a stream that has just opened."""
    host.stream_opened(START)
    return Board(host)


@pytest.fixture
def met(board: Board) -> Board:
    """The other end of an open session, its first BEAT and TIME taken."""
    board.hears()
    board.opens()
    board.waits(0)
    board.hears()
    return board


def discarded(host: HostSession) -> dict[Discard, int]:
    return {reason: number for reason, number in host.traffic.discards.items() if number}


def messages(frames: list[Frame]) -> list[Message]:
    return [frame.message for frame in frames]


def beats(frames: list[Frame]) -> list[Beat]:
    return [frame.message for frame in frames if isinstance(frame.message, Beat)]


# Opening


def test_without_a_stream_nothing_is_due_said_or_heard(host: HostSession) -> None:
    assert host.wake_us is None
    assert host.advance(10**12) == []
    assert host.receive(encode(0, 0, boot(proto_major=9)), 0) == []
    assert host.reopen(0) == []
    assert host.take_outgoing() == []
    assert host.wake_us is None
    assert not host.open


def test_a_stream_is_greeted_with_a_hello_of_a_new_session(board: Board) -> None:
    (greeting,) = board.host.take_outgoing()
    assert greeting == DELIMITER + encode(0, 0x1000, Hello(1, 0))


def test_half_a_frame_of_an_earlier_host_does_not_swallow_the_hello(board: Board) -> None:
    decoder = Decoder(FROM_HOST)
    decoder.feed(encode(9, 9, Beat(0, 0))[:7])
    frames = decoder.feed(b"".join(board.host.take_outgoing()))
    assert messages(frames) == [Hello()]


def test_a_welcome_opens_the_session_and_beats_begin_at_once(board: Board) -> None:
    board.hears()
    board.host.lease = True
    assert board.opens() == [Welcomed(welcome(), restarted=False)]
    assert board.host.open
    assert board.waits(0) == []
    sent = board.hears()
    assert messages(sent) == [Beat(1, 7000), Time(START)]
    assert [frame.seq for frame in sent] == [1, 2]
    assert {frame.session for frame in sent} == {0x1000}


def test_an_unanswered_hello_is_followed_by_one_with_a_new_id(board: Board) -> None:
    board.waits(249)
    assert [frame.session for frame in board.hears()] == [0x1000]
    board.waits(1)
    (again,) = board.hears()
    assert (again.session, again.seq, again.message) == (0x1001, 0, Hello())
    assert board.says(welcome(), session=0x1000) == []
    assert discarded(board.host) == {Discard.SESSION: 1}
    assert not board.host.open
    assert len(board.opens()) == 1


@pytest.mark.parametrize("session", [0, 1, 0x1001])
def test_a_welcome_of_another_session_opens_nothing(board: Board, session: int) -> None:
    assert board.says(welcome(), session=session) == []
    assert not board.host.open


def test_before_the_welcome_nothing_of_the_board_counts(board: Board) -> None:
    for message in (status(5), Result(1, 0, 0), Text(1, "x"), TimeReply(START, 5, 0, 0)):
        assert board.says(message) == []
    assert discarded(board.host) == {Discard.SESSION: 4}


def test_a_welcome_out_of_sequence_opens_nothing(board: Board) -> None:
    assert board.says(welcome(), seq=40_000) == []
    assert discarded(board.host) == {Discard.SEQUENCE: 1}
    assert not board.host.open


def test_a_message_without_a_session_is_refused_and_not_kept(board: Board) -> None:
    board.hears()
    with pytest.raises(RuntimeError, match="no session"):
        board.host.send(ParamGet(1, 0, 5))
    board.opens()
    assert board.hears() == []


def test_what_waits_is_not_carried_into_the_next_session(met: Board) -> None:
    met.host.send(ParamGet(1, 0, 5))
    met.host.reopen(met.now_us)
    assert messages(met.hears()) == [Hello()]


def test_each_session_numbers_its_frames_from_zero(met: Board) -> None:
    met.host.send(ParamGet(1, 0, 5))
    assert [frame.seq for frame in met.hears()] == [3]
    met.host.reopen(met.now_us)
    assert [frame.seq for frame in met.hears()] == [0]


def test_a_lost_stream_ends_the_session_and_the_next_begins_a_new_one(met: Board) -> None:
    met.host.send(ParamGet(1, 0, 5))
    met.host.receive(met.frame(status(1))[:9], met.now_us)
    assert met.host.stream_closed() == [SessionOver()]
    assert met.host.stream_closed() == []
    assert met.host.wake_us is None
    assert met.hears() == []
    met.host.stream_opened(met.now_us)
    (hello,) = met.hears()
    assert (hello.session, hello.seq) == (0x1001, 0)
    assert met.opens() == [Welcomed(welcome(), restarted=False)], "no half frame is left over"


# Beating


def test_beats_come_every_50_ms(met: Board) -> None:
    met.lives(1000)
    assert [beat.host_ms for beat in beats(met.hears())] == list(range(7050, 8001, 50))


def test_a_stall_is_not_followed_by_a_burst_of_beats(met: Board) -> None:
    met.now_us += 140 * MS
    met.waits(0)
    met.waits(49)
    assert len(beats(met.hears())) == 1
    met.waits(1)
    assert len(beats(met.hears())) == 1


@pytest.mark.parametrize(("lease", "hold", "flags"), [(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3)])
def test_a_beat_says_whether_lease_and_hold_are_live(
    met: Board, lease: int, hold: int, flags: int
) -> None:
    met.host.lease, met.host.hold = bool(lease), bool(hold)
    met.host.beat(met.now_us)
    assert beats(met.hears()) == [Beat(flags, 7000)]


def test_a_beat_for_a_changed_flag_puts_the_next_a_full_period_off(met: Board) -> None:
    met.waits(30)
    met.host.hold = True
    met.host.beat(met.now_us)
    met.waits(60)
    assert beats(met.hears()) == [Beat(2, 7030), Beat(2, 7080)]


def test_without_a_session_there_is_no_beat(board: Board) -> None:
    board.hears()
    board.host.beat(board.now_us)
    assert board.hears() == []


# STOP


def test_a_stop_in_a_session_carries_its_id_and_goes_past_what_waits(met: Board) -> None:
    met.host.send(ParamGet(1, 0, 5))
    stop = met.host.stop_frame(9)
    assert stop == encode(4, 0x1000, Stop(9))
    assert messages(met.hears()) == [ParamGet(1, 0, 5)]


def test_a_stop_needs_no_session(host: HostSession) -> None:
    anyone = encode(0, 0, Stop(9))
    assert host.stop_frame(9) == anyone
    host.stream_opened(START)
    assert host.stop_frame(9) == anyone
    assert messages(Decoder(FROM_HOST).feed(b"".join(host.take_outgoing()))) == [Hello()]


# Silence


def test_the_link_is_stale_after_150_ms_without_a_status(met: Board) -> None:
    met.says(TimeReply(START, 5, 0, 0))
    met.reports()
    assert met.waits(149.999) == []
    assert met.waits(0.001) == [WentStale()]
    assert met.waits(300) == [], "it is told once"
    assert met.host.open


def test_only_a_status_keeps_the_link_fresh(met: Board) -> None:
    met.waits(100)
    met.says(Text(1, "still here"))
    met.says(Result(1, 0, 0))
    assert WentStale() in met.waits(50)


def test_a_status_makes_a_stale_link_fresh_again(met: Board) -> None:
    met.waits(200)
    assert met.reports() == [Received(status(met.board_us))]
    assert met.waits(149) == []
    assert met.waits(1) == [WentStale()]


def test_half_a_second_of_silence_asks_for_a_new_session(met: Board) -> None:
    assert SessionOver() not in met.waits(499.999)
    met.hears()
    assert met.waits(0.001) == [SessionOver()]
    assert not met.host.open
    (hello,) = met.hears()
    assert (hello.session, hello.message) == (0x1001, Hello())


def test_a_host_that_stalled_itself_says_stale_before_over(met: Board) -> None:
    met.now_us += 600 * MS
    assert met.waits(0) == [WentStale(), SessionOver()]


def test_a_status_that_is_not_newer_is_discarded_and_keeps_nothing_fresh(met: Board) -> None:
    met.says(status(1000))
    met.waits(100)
    assert met.says(status(1000)) == []
    assert met.says(status(999)) == []
    assert discarded(met.host) == {Discard.STALE: 2}
    assert WentStale() in met.waits(50)
    assert met.says(status(1001)) == [Received(status(1001))]
    assert met.host.traffic.lost == 0, "its seq counts as accepted"


def test_a_new_session_takes_any_first_board_time(met: Board) -> None:
    met.says(status(10**9))
    met.host.reopen(met.now_us)
    met.opens()
    assert met.says(status(0)) == [Received(status(0))]


def test_a_status_without_the_alive_flag_ends_the_session(met: Board) -> None:
    assert met.reports(alive=False) == [SessionOver()]
    assert messages(met.hears()) == [Hello()]


def test_what_follows_the_end_of_a_session_in_the_same_read_is_not_believed(met: Board) -> None:
    ended = met.frame(status(1, alive=False))
    news = met.host.receive(ended + met.frame(status(2)), met.now_us)
    assert news == [SessionOver()]
    assert discarded(met.host) == {Discard.SESSION: 1}


# Restarts


def test_a_boot_in_a_session_ends_it_and_the_restart_is_told(met: Board) -> None:
    assert met.boots(boot_id=78) == [SessionOver()]
    assert messages(met.hears()) == [Hello()]
    assert met.opens(boot_id=78) == [Welcomed(welcome(78), restarted=True)]


def test_a_boot_of_the_same_start_is_no_restart(met: Board) -> None:
    met.boots()
    assert met.opens() == [Welcomed(welcome(), restarted=False)]


def test_a_boot_while_a_hello_is_under_way_starts_nothing_over(board: Board) -> None:
    board.hears()
    assert board.boots() == []
    assert board.hears() == []
    assert len(board.opens()) == 1


def test_a_boot_under_a_session_is_discarded(met: Board) -> None:
    assert met.says(boot(78)) == []
    assert discarded(met.host) == {Discard.SESSION: 1}
    assert met.host.open


def test_boots_have_a_counter_of_their_own_that_is_not_checked(board: Board) -> None:
    for seq in (5, 5, 3, 60_000):
        assert board.says(boot(), seq=seq, session=0) == []
    assert not discarded(board.host)
    assert len(board.opens()) == 1
    assert board.host.traffic.lost == 0


def test_a_restart_is_told_across_streams(met: Board) -> None:
    met.host.stream_closed()
    met.host.stream_opened(met.now_us)
    assert met.opens(boot_id=78) == [Welcomed(welcome(78), restarted=True)]


# Sequence


def test_repeated_and_old_frames_are_discarded_and_gaps_counted(met: Board) -> None:
    assert len(met.says(Result(1, 0, 0), seq=4)) == 1
    assert met.host.traffic.lost == 3
    assert met.says(Result(1, 0, 0), seq=4) == []
    assert met.says(Result(1, 0, 0), seq=2) == []
    assert discarded(met.host) == {Discard.SEQUENCE: 2}
    assert met.host.traffic.lost == 3


def test_a_repeated_welcome_is_no_news_and_takes_part_in_the_sequence(met: Board) -> None:
    assert met.says(welcome(), seq=3) == []
    assert met.host.traffic.lost == 2
    assert met.says(welcome(), seq=3) == []
    assert discarded(met.host) == {Discard.SEQUENCE: 1}
    assert met.host.open


def test_a_message_of_the_session_is_handed_on_as_it_came(met: Board) -> None:
    assert met.says(Result(1, 14, 3)) == [Received(Result(1, 14, 3))]
    assert met.says(Text(2, "hello")) == [Received(Text(2, "hello"))]


# Why there is no session


def test_silence_is_told_after_two_seconds_and_once(board: Board) -> None:
    assert board.waits(1999) == []
    assert board.waits(1) == [Diagnosed(Trouble.SILENT, "no answer to HELLO")]
    assert board.waits(10_000) == []
    assert len(board.hears()) == 48, "it goes on asking"


def test_garbage_is_told_as_garbage(board: Board) -> None:
    for _ in range(3):
        board.host.receive(b"\x31\x32" + DELIMITER, board.now_us)
    (told,) = board.waits(2000)
    assert isinstance(told, Diagnosed)
    assert told.trouble is Trouble.GARBAGE
    assert told.detail.startswith("3 frames")


def test_two_spoilt_frames_are_not_yet_garbage(board: Board) -> None:
    board.host.receive(b"\x31\x32" + DELIMITER + b"\x33\x34" + DELIMITER, board.now_us)
    assert board.waits(2000) == [Diagnosed(Trouble.SILENT, "no answer to HELLO")]


def test_frames_of_a_dead_session_are_silence_and_no_garbage(board: Board) -> None:
    for seq in range(100):
        board.says(status(seq, alive=False), seq=seq, session=0x999)
    assert discarded(board.host) == {Discard.SESSION: 100}
    assert board.waits(2000) == [Diagnosed(Trouble.SILENT, "no answer to HELLO")]


def test_the_time_without_a_session_is_counted_from_its_end(met: Board) -> None:
    met.lives(5000)
    met.host.reopen(met.now_us)
    assert met.waits(1999) == []
    assert len(met.waits(1)) == 1


def test_another_version_is_refused(board: Board) -> None:
    told = board.says(welcome(proto_major=2))
    assert told == [Diagnosed(Trouble.VERSION, "the board speaks version 2, this daemon version 1")]
    assert not board.host.open
    with pytest.raises(RuntimeError):
        board.host.send(ParamGet(1, 0, 5))


def test_a_boot_of_another_version_is_refused_even_in_a_session(met: Board) -> None:
    first, second = met.boots(proto_major=2)
    assert first == SessionOver()
    assert isinstance(second, Diagnosed)
    assert second.trouble is Trouble.VERSION


def test_a_refused_board_is_told_once_and_looked_at_every_two_seconds(board: Board) -> None:
    board.hears()
    told: list[News] = []
    for _ in range(16):
        told += board.boots(proto_major=2)
        told += board.waits(500)
    assert len(told) == 1
    hellos = board.hears()
    assert len(hellos) == 4, "BOOTs that go on do not put the next look off"
    assert messages(hellos) == [Hello()] * 4


def test_a_board_of_the_right_version_is_taken_at_the_next_look(board: Board) -> None:
    board.says(welcome(proto_major=2))
    board.hears()
    assert board.says(welcome()) == []
    assert discarded(board.host) == {Discard.SESSION: 1}
    assert board.waits(2000) == []
    assert len(board.opens()) == 1


@pytest.mark.parametrize(("hw_id", "boot_id"), [("SIM00002", 77), ("SIM00001", 78)])
def test_two_boards_on_one_link_are_both_refused(met: Board, hw_id: str, boot_id: int) -> None:
    news = met.says(welcome(boot_id, hw_id), seq=0)
    detail = f"SIM00001 and {hw_id} both answered"
    assert news == [SessionOver(), Diagnosed(Trouble.SECOND_BOARD, detail)]
    assert not met.host.open
    assert met.reports() == []
    met.hears()
    assert met.waits(1999) == []
    assert met.hears() == []
    met.waits(1)
    assert messages(met.hears()) == [Hello()]


def test_two_boards_that_stay_are_told_each_time_they_were_believed(met: Board) -> None:
    told = met.says(welcome(hw_id="SIM00002"), seq=0)
    met.waits(2000)
    told += met.opens()
    told += met.says(welcome(hw_id="SIM00002"), seq=0)
    assert [type(news) for news in told] == [
        SessionOver,
        Diagnosed,
        Welcomed,
        SessionOver,
        Diagnosed,
    ]


# Round trips


def test_time_is_asked_every_second_and_the_round_trip_told(met: Board) -> None:
    met.now_us += 3 * MS
    assert met.says(TimeReply(START, 555, 0, 0)) == [RoundTrip(3 * MS, 555)]
    assert met.says(TimeReply(START, 556, 0, 0)) == [], "an answer counts once"
    met.lives(2000)
    asked = [message for message in messages(met.hears()) if isinstance(message, Time)]
    assert asked == [Time(START + 1_000 * MS), Time(START + 2_000 * MS)]


def test_an_answer_to_another_question_is_no_round_trip(met: Board) -> None:
    assert met.says(TimeReply(START - 1, 555, 0, 0)) == []


def test_an_overdue_answer_is_told_at_100_ms_and_once(met: Board) -> None:
    told = met.lives(80)
    assert told == []
    told = met.lives(900)
    assert told == [RoundTrip(100 * MS, None)]


def test_a_late_answer_still_says_how_late_it_was(met: Board) -> None:
    met.lives(400)
    assert met.says(TimeReply(START, 555, 0, 0)) == [RoundTrip(400 * MS, 555)]


def test_an_answer_that_never_comes_is_overdue_every_second(met: Board) -> None:
    assert met.lives(3400) == [RoundTrip(100 * MS, None)] * 4


def test_a_status_at_the_rate_of_the_contract_keeps_the_session_for_ten_minutes(met: Board) -> None:
    assert all(isinstance(news, RoundTrip) for news in met.lives(600 * 1000))
    assert met.host.open


def test_every_status_field_reaches_the_owner(met: Board) -> None:
    (news,) = met.reports()
    assert isinstance(news, Received)
    assert isinstance(news.message, Status)
