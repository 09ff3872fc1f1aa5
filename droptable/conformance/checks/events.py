"""Section 4: events are numbered without gaps, kept, sent again, and only dropped when told."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    EVENTS_KEPT,
    RESEND_EVERY_US,
    RESENT_AT_ONCE,
    Flag,
    Kind,
)
from droptable.conformance.model import check, expect
from droptable.link.messages import Event, EventAck


async def _sent_again(bench: Bench, mark: int, first: int) -> list[int]:
    """The numbers of the next lot that is sent again, from its first event on."""
    heard = await bench.hear(
        Event,
        lambda e: e.event_seq == first,
        f"event {first} again within 500 ms",
        within_us=RESEND_EVERY_US + 20_000,
        since=mark,
    )
    await bench.fresh_status()
    at = bench.host.heard.index(heard, mark)
    return [h.message.event_seq for h in bench.host.heard[at:] if isinstance(h.message, Event)]


@check("4 Events")
async def events_as_they_happen(bench: Bench) -> None:
    """Each event is sent as it happens, numbered without a gap, with this boot_id."""
    await bench.make_events(6)
    events = bench.events(Kind.MAINTENANCE)
    seqs = [event.event_seq for event in events]
    expect(len(seqs) == 6, "six MAINTENANCE events", seqs)
    expect(seqs == list(range(seqs[0], seqs[0] + 6)), "numbers without a gap", seqs)
    foreign = [event for event in events if event.boot_id != bench.welcome.boot_id]
    expect(not foreign, "the board's boot_id in each", foreign)
    times = [event.board_us for event in events]
    expect(times == sorted(times), "times that do not go back", times)


@check("4 Events")
async def sent_again(bench: Bench) -> None:
    """Every 500 ms the oldest 8 that are not acknowledged are sent again, in order."""
    await bench.make_events(12)
    first = bench.events()[0].event_seq
    mark = bench.mark()
    wanted = list(range(first, first + RESENT_AT_ONCE))
    again = await _sent_again(bench, mark, first)
    expect(again == wanted, f"events {wanted[0]} to {wanted[-1]}", again)
    bench.host.send(EventAck(bench.welcome.boot_id, first + 4))
    await bench.time()
    mark = bench.mark()
    again = await _sent_again(bench, mark, first + 5)
    wanted = list(range(first + 5, first + 12))
    expect(again == wanted, f"events {wanted[0]} to {wanted[-1]} after a cumulative ack", again)


@check("4 Events")
async def foreign_acknowledgement(bench: Bench) -> None:
    """An EVENT_ACK with a foreign boot_id or a future number is ignored."""
    await bench.make_events(2)
    first = bench.events()[0].event_seq
    boot_id = bench.welcome.boot_id
    for ack in (
        EventAck(boot_id ^ 1, first + 1),
        EventAck(boot_id, first + 2),
        EventAck(boot_id, 2**32 - 1),
        EventAck(boot_id, first - 1),
        EventAck(boot_id, 0),
    ):
        bench.host.send(ack)
    await bench.time()
    told = await bench.open()
    expect(told.first_event_seq == first, f"first_event_seq {first} as before", told)


@check("4 Events, 2.4")
async def events_outlive_the_session(bench: Bench) -> None:
    """Events outlive the session, and are sent again to the next one."""
    await bench.make_events(3)
    kept = bench.events(Kind.MAINTENANCE)
    await bench.fall_silent()
    lost = await bench.event(Kind.LINK_LOST)
    mark = bench.mark()
    told = await bench.open()
    first = kept[0].event_seq
    expect(told.first_event_seq == first, f"first_event_seq {first}", told.first_event_seq)
    again = await _sent_again(bench, mark, first)
    wanted = list(range(first, lost.event_seq + 1))
    expect(again[: len(wanted)] == wanted, f"events {wanted} in order", again)
    expect(told.next_event_seq > lost.event_seq, "next_event_seq above all", told.next_event_seq)


@check("4 Events")
async def events_lost(bench: Bench) -> None:
    """64 events are kept; one that must be dropped is counted in EVENTS_LOST."""
    dropped = await bench.fill_events()
    kept = bench.events()
    expect(len(kept) >= EVENTS_KEPT, f"at least {EVENTS_KEPT} events kept", len(kept))
    await bench.flag(Flag.EVENTS_HALF_FULL, on=True)
    last = kept[-1].event_seq
    expect(not bench.events(Kind.EVENTS_LOST), "no EVENTS_LOST while there is no place for it")
    bench.host.send(EventAck(bench.welcome.boot_id, last))
    lost = await bench.event(Kind.EVENTS_LOST)
    expect(lost.event_seq == last + 1, "no number for what was dropped", lost.event_seq)
    expect(lost.a == dropped, f"EVENTS_LOST with a = {dropped}", lost.a)
    await bench.flag(Flag.EVENTS_HALF_FULL, on=False)


@check("4 Events")
async def a_full_buffer_keeps_what_it_has(bench: Bench) -> None:
    """Old events are kept, and all of them are there for a new session."""
    await bench.make_events(2 * EVENTS_KEPT)
    kept = [event.event_seq for event in bench.events()]
    expect(kept == list(range(kept[0], kept[0] + len(kept))), "numbers without a gap", kept)
    told = await bench.open()
    expect(told.first_event_seq == kept[0], f"first_event_seq {kept[0]}", told.first_event_seq)
    mark = bench.mark()
    again = await _sent_again(bench, mark, kept[0])
    wanted = kept[:RESENT_AT_ONCE]
    expect(again[:RESENT_AT_ONCE] == wanted, f"events {wanted}", again)
