"""The board's events: in order, once, acknowledged when on disk, never past a gap."""

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.board_events import KINDS
from droptable.core.model import Drop, Phase
from tests.core.bench import LUMBAR, PELVIC, THORACIC, Bench, S, board

ARMED, DISARMED, DROP = 5, 6, 7


def session(first: int = 1, boot_id: int = 1) -> Bench:
    bench = Bench()
    bench.open(board(first_event_seq=first, boot_id=boot_id))
    return bench


def commit(bench: Bench, heard: ev.BoardEventHeard, seq: int = 100) -> list[int]:
    """Tell that an event is on disk; what is acknowledged by it."""
    bench.take(ev.Committed(heard, seq, "2024-05-06T07:08:09.000000Z"))
    return acks(bench)


def acks(bench: Bench) -> list[int]:
    return [ack.event_seq for ack in bench.found(do.SendEventAck)]


def fail(bench: Bench, heard: ev.BoardEventHeard) -> None:
    bench.take(ev.CommitFailed(heard.boot_id, heard.event_seq))


def test_an_event_is_acknowledged_when_it_is_on_disk_and_not_before() -> None:
    bench = session()
    first = bench.event(1, 10)
    assert bench.one(do.Record).heard == first
    assert acks(bench) == []
    assert commit(bench, first) == [1]


def test_events_are_recorded_in_order_and_one_too_early_waits_to_be_sent_again() -> None:
    bench = session()
    bench.event(2, 10)
    assert bench.did == ()
    first = bench.event(1, 10)
    second = bench.event(2, 10)
    assert len(bench.ever(do.Record)) == 3  # link_up and the two
    assert commit(bench, first) == [1]
    assert commit(bench, second) == [2]


def test_an_event_that_is_on_its_way_to_the_disk_is_not_recorded_again() -> None:
    bench = session()
    first = bench.event(1, 10)
    bench.event(1, 10)
    assert bench.did == ()
    commit(bench, first)
    bench.event(1, 10)
    assert bench.found(do.Record) == []
    assert acks(bench) == [1], "the board did not hear the acknowledgement"


def test_an_event_of_another_boot_is_ignored() -> None:
    bench = session()
    bench.event(1, 10, boot_id=2)
    assert bench.did == ()


def test_a_commit_of_the_boot_before_acknowledges_nothing() -> None:
    bench = session()
    first = bench.event(1, DROP, a=50_000)
    bench.open(board(boot_id=2), restarted=True)
    assert commit(bench, first) == []
    assert bench.state.sections[THORACIC].last_drop is not None


def test_what_could_not_be_recorded_is_expected_again_and_blocks_what_follows() -> None:
    bench = session()
    first, second, third = (bench.event(seq, 10) for seq in (1, 2, 3))
    assert commit(bench, first) == [1]
    fail(bench, second)
    assert bench.state.journal_failed
    # The disk is back before the third is written: it is durable, and still past a gap.
    assert commit(bench, third) == []
    assert not bench.state.journal_failed
    bench.event(3, 10)
    assert bench.did == ()
    again = bench.event(2, 10)
    assert bench.one(do.Record).heard == again
    assert commit(bench, again) == [2]
    third = bench.event(3, 10)
    assert bench.one(do.Record).heard == third
    assert commit(bench, third) == [3]


def test_of_several_failures_the_first_is_what_is_expected_again() -> None:
    bench = session()
    first, second = bench.event(1, 10), bench.event(2, 10)
    fail(bench, first)
    fail(bench, second)
    assert bench.state.events.next_seq == 1


def test_what_was_recorded_by_another_try_is_not_expected_again() -> None:
    bench = session()
    first = bench.event(1, 10)
    fail(bench, first)
    assert commit(bench, first) == [1]
    assert bench.state.events.next_seq == 2
    assert bench.event(2, 10) is not None


def test_a_failure_of_what_is_durable_or_of_another_boot_changes_no_number() -> None:
    bench = session()
    first = bench.event(1, 10)
    commit(bench, first)
    log = bench.state.events
    fail(bench, first)
    bench.take(ev.CommitFailed(9, 1))
    bench.take(ev.CommitFailed(1, 7))
    assert bench.state.events == log


@pytest.mark.parametrize("first", [1, 5])
def test_after_a_restart_of_the_daemon_the_oldest_that_is_kept_comes_first(first: int) -> None:
    bench = session(first)
    assert bench.recorded() == ["link_up"]
    assert commit(bench, bench.event(first, 10)) == [first]


def test_events_that_the_board_lost_are_told() -> None:
    bench = session()
    commit(bench, bench.event(1, 10))
    bench.open(board(first_event_seq=5))
    record = bench.found(do.Record)[-1]
    assert (record.kind, record.data) == ("events_lost", {"count": 3, "boot_id": 1})
    assert commit(bench, bench.event(5, 10)) == [5]


def test_a_new_session_of_the_same_boot_goes_on_where_it_was() -> None:
    bench = session()
    first = bench.event(1, 10)
    bench.open(board(first_event_seq=1))
    assert commit(bench, first) == [1]
    assert commit(bench, bench.event(2, 10)) == [2]


def test_a_board_that_counts_no_event_yet_begins_with_1() -> None:
    bench = session(first=0)
    assert commit(bench, bench.event(1, 1, 0xFF)) == [1]


def test_any_commit_shows_that_the_journal_can_be_written() -> None:
    bench = session()
    first = bench.event(1, 10)
    bench.take(ev.JournalHealth(failed=True))
    commit(bench, first)
    assert not bench.state.journal_failed


# What they mean


@pytest.mark.parametrize("number", sorted(KINDS))
def test_each_kind_has_its_name_its_section_and_the_board_s_time(number: int) -> None:
    bench = session()
    bench.event(1, number, PELVIC, board_us=123, a=2)
    record = bench.one(do.Record)
    assert (record.kind, record.section) == (KINDS[number].name, PELVIC)
    assert record.actor == "board"
    assert record.data["board_us"] == 123


@pytest.mark.parametrize(
    ("number", "at"), [(0, 0), (19, 0), (255, 0xFF), (5, 3), (11, 254), (DROP, 0xFF), (DROP, 3)]
)
def test_what_a_newer_board_tells_is_recorded_as_it_came(number: int, at: int) -> None:
    bench = session()
    heard = bench.event(1, number, at, a=1, b=-2, c=3)
    record = bench.one(do.Record)
    assert record.kind == "unknown_event"
    raw = {"number": number, "section_number": at, "a": 1, "b": -2, "c": 3, "board_us": 5 * S}
    assert record.data == raw
    assert commit(bench, heard) == [1]


@pytest.mark.parametrize("number", [1, 6, 9, 11])
def test_a_number_that_has_no_name_is_told_as_a_number(number: int) -> None:
    bench = session()
    bench.event(1, number, a=4711)
    assert any("4711" in str(value) for value in bench.one(do.Record).data.values())


def armed_and_dropped(*between: tuple[int, int], a: int = 48_000) -> do.Record:
    """ARMED at 10 s, what lies between, and a DROP at 12.5 s."""
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    bench.event(1, ARMED, board_us=10 * S, a=15_000)
    for seq, (kind, at) in enumerate(between, start=2):
        bench.event(seq, kind, at, board_us=11 * S)
    seq = len(between) + 2
    drop = bench.event(seq, DROP, board_us=12_500_000, a=a, b=4321, c=3210)
    record = bench.one(do.Record)
    commit(bench, drop, 42)
    kept = bench.state.sections[THORACIC]
    assert kept.last_drop == Drop(42, "2024-05-06T07:08:09.000000Z", a, 4321, 3210)
    assert kept.armed_board_us is None, "one arming is one drop's"
    return record


def test_a_drop_tells_how_it_was() -> None:
    record = armed_and_dropped((DISARMED, LUMBAR), (ARMED, LUMBAR))
    assert record.kind == "drop"
    assert record.data == {
        "fall_ms": 48.0,
        "peak_n": 432.1,
        "release_n": 321.0,
        "tension_n": 150.0,
        "armed_ms": 2500.0,
        "calibration_id": "bench",
        "board_us": 12_500_000,
    }


def test_a_section_that_falls_after_it_was_disarmed_was_not_armed() -> None:
    assert armed_and_dropped((DISARMED, THORACIC)).data["armed_ms"] is None


def test_a_fall_without_an_up_edge_has_no_time() -> None:
    assert armed_and_dropped(a=0).data["fall_ms"] is None


def test_a_drop_whose_arming_and_tension_were_not_heard_invents_neither() -> None:
    bench = session()
    bench.event(1, DROP, a=48_000)
    data = bench.one(do.Record).data
    assert (data["armed_ms"], data["tension_n"]) == (None, None)
