"""The event buffer: gapless numbers, nothing kept is lost, what is lost is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.board.event_buffer import CAPACITY, DROP_PLACES, EventBuffer
from droptable.board.model import TABLE, Kind


def filled(count: int, kind: Kind = Kind.PEDAL) -> EventBuffer:
    events = EventBuffer()
    for at_us in range(count):
        events = events.add(kind, at_us, TABLE, a=at_us)
    return events


def seqs(events: EventBuffer) -> list[int]:
    return [event.event_seq for event in events.kept]


def test_numbers_start_at_one_with_each_boot() -> None:
    assert (EventBuffer().first_seq, EventBuffer().next_seq) == (1, 1)
    assert seqs(filled(3)) == [1, 2, 3]


@pytest.mark.parametrize(("count", "lost"), [(63, 0), (64, 0), (65, 1), (70, 6)])
def test_sixty_four_are_kept_and_the_rest_is_counted(count: int, lost: int) -> None:
    events = filled(count)
    assert len(events.kept) == count - lost
    assert events.lost == lost
    assert events.next_seq == count - lost + 1
    assert events.kept[0].a == 0, "a full buffer keeps what it has"
    assert events.free == CAPACITY - (count - lost)


def test_what_was_lost_is_told_in_the_next_place() -> None:
    events = filled(67).acknowledged(2).tell_lost(1_000)
    newest = events.kept[-1]
    assert (newest.kind, newest.event_seq, newest.a, newest.section, newest.board_us) == (
        Kind.EVENTS_LOST,
        65,
        3,
        TABLE,
        1_000,
    )
    assert events.lost == 0
    assert events.add(Kind.PEDAL, 0, TABLE).next_seq == 67


def test_the_loss_takes_the_last_place_and_the_event_is_counted_in_turn() -> None:
    events = filled(66).acknowledged(1).add(Kind.PEDAL, 0, TABLE)
    assert events.kept[-1].kind is Kind.EVENTS_LOST
    assert events.kept[-1].a == 2
    assert (events.free, events.lost) == (0, 1)


def test_the_loss_is_told_before_the_event_that_has_room() -> None:
    events = filled(65).acknowledged(2).add(Kind.LOCKED, 0, 1)
    assert [event.kind for event in events.kept[-2:]] == [Kind.EVENTS_LOST, Kind.LOCKED]
    assert events.lost == 0


def test_a_drop_finds_a_place_where_nothing_else_does() -> None:
    events = filled(65)
    for each in range(DROP_PLACES):
        events = events.add(Kind.DROP, each, 2)
        assert events.kept[-1].kind is Kind.DROP
        assert events.add(Kind.LOCKED, 0, 2).kept == events.kept
    assert events.lost == 1
    full = events.add(Kind.DROP, 99, 2)
    assert full.kept == events.kept
    assert full.lost == 2
    assert full.free == 0


def test_a_loss_waits_for_a_common_place_after_drops_took_theirs() -> None:
    events = filled(65).add(Kind.DROP, 0, 2)
    assert events.acknowledged(1).tell_lost(0).kept[-1].kind is Kind.DROP
    assert events.acknowledged(2).tell_lost(0).kept[-1].kind is Kind.EVENTS_LOST


def test_an_acknowledgement_is_cumulative_and_inclusive() -> None:
    assert seqs(filled(5).acknowledged(3)) == [4, 5]
    assert filled(5).acknowledged(3).first_seq == 4
    assert filled(5).acknowledged(5).kept == ()
    assert filled(5).acknowledged(5).first_seq == 6


@pytest.mark.parametrize("event_seq", [0, 6, 7, 2**32 - 1])
def test_a_number_that_was_never_given_is_ignored(event_seq: int) -> None:
    assert filled(5).acknowledged(event_seq) == filled(5)


def test_an_old_acknowledgement_is_ignored() -> None:
    events = filled(5).acknowledged(3)
    for event_seq in (0, 1, 2, 3):
        assert events.acknowledged(event_seq) == events


def test_since_tells_the_new_ones() -> None:
    before = filled(2)
    after = before.add(Kind.LOCKED, 9, 1).acknowledged(1)
    assert [event.kind for event in after.since(before)] == [Kind.LOCKED]
    assert before.since(before) == ()


@given(
    st.lists(st.one_of(st.just("add"), st.just("drop"), st.integers(-2, 80)), max_size=300),
)
def test_whatever_comes_numbers_have_no_gap_and_every_event_is_kept_told_or_counted(
    moves: list[str | int],
) -> None:
    events, added, lost_told, gone = EventBuffer(), 0, 0, 0
    for move in moves:
        before = events
        match move:
            case "add":
                events, added = events.add(Kind.PEDAL, 0, TABLE), added + 1
            case "drop":
                events, added = events.add(Kind.DROP, 0, 2), added + 1
            case int():
                acked = events.first_seq + move
                events = events.acknowledged(acked).tell_lost(0)
        lost_told += sum(e.a for e in events.since(before) if e.kind is Kind.EVENTS_LOST)
        gone += sum(
            e.kind is not Kind.EVENTS_LOST for e in before.kept if e.event_seq < events.first_seq
        )
        assert seqs(events) == list(range(events.first_seq, events.next_seq))
        assert events.next_seq >= before.next_seq
        assert len(events.kept) <= CAPACITY + DROP_PLACES
        kept = sum(e.kind is not Kind.EVENTS_LOST for e in events.kept)
        assert gone + kept + lost_told + events.lost == added
