"""The board's events until the host has them on disk: numbered, bounded, re-sent in order. Pure."""

from dataclasses import dataclass, replace

from droptable.board.model import TABLE, Event, Kind

CAPACITY = 64

DROP_PLACES = 8
"""Further places that only a DROP may take: no number of lesser events crowds one out."""

RESEND_COUNT = 8
RESEND_EVERY_US = 500_000


@dataclass(frozen=True, slots=True)
class EventBuffer:
    """Events that are not acknowledged. A full buffer keeps what it has and counts what it drops."""

    kept: tuple[Event, ...] = ()
    next_seq: int = 1
    lost: int = 0

    @property
    def first_seq(self) -> int:
        """The number of the oldest event kept; that of the next one when none is."""
        return self.kept[0].event_seq if self.kept else self.next_seq

    @property
    def free(self) -> int:
        """How many events of any kind it can still take."""
        return max(0, CAPACITY - len(self.kept))

    def add(
        self, kind: Kind, at_us: int, section: int, a: int = 0, b: int = 0, c: int = 0
    ) -> "EventBuffer":
        """With one more event; without a place for it, it takes no number and is counted."""
        told = self.tell_lost(at_us)
        places = CAPACITY + DROP_PLACES if kind is Kind.DROP else CAPACITY
        if len(told.kept) >= places:
            return replace(told, lost=told.lost + 1)
        return _with(told, Event(told.next_seq, at_us, kind, section, a, b, c))

    def tell_lost(self, now_us: int) -> "EventBuffer":
        """With an EVENTS_LOST once there is room for it, if events have been lost since the last."""
        if not self.lost or not self.free:
            return self
        event = Event(self.next_seq, now_us, Kind.EVENTS_LOST, TABLE, a=self.lost)
        return replace(_with(self, event), lost=0)

    def acknowledged(self, event_seq: int) -> "EventBuffer":
        """Without the events up to `event_seq`; a number that was never given changes nothing."""
        if not self.first_seq <= event_seq < self.next_seq:
            return self
        return replace(self, kept=self.kept[event_seq - self.first_seq + 1 :])

    def since(self, earlier: "EventBuffer") -> tuple[Event, ...]:
        """The events that are here and were not yet in `earlier`."""
        if self.next_seq == earlier.next_seq:
            return ()
        return tuple(event for event in self.kept if event.event_seq >= earlier.next_seq)


def _with(events: EventBuffer, event: Event) -> EventBuffer:
    return replace(events, kept=(*events.kept, event), next_seq=event.event_seq + 1)
