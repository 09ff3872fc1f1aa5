"""A switch as the board sees it: every raw edge timed, and a level that a bounce cannot fool. Pure.

Contacts bounce for milliseconds (1.6 ms is typical, 6.2 ms has been measured) and wires pick up
spikes. So the *level* changes only once the raw contact has been quiet for the debounce time, while
the *edge* that is reported for the change is the first raw one of the burst: the moment at which
the section really moved.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch; True is closed."""

    raw: bool
    raw_since_us: int
    level: bool
    """What counts: `raw`, debounced."""
    level_since_us: int
    """When `level` became certain; settle times count from here."""
    edge_us: int
    """The first raw edge of the burst that made `level` what it is."""
    burst_us: int | None = None
    """The first raw edge away from `level` that is not yet decided."""

    @classmethod
    def at_boot(cls, raw: bool, now_us: int) -> "Switch":
        """A switch that was never seen before: believed as it is, but not yet settled."""
        return cls(raw, now_us, raw, now_us, edge_us=now_us)

    def sensed(self, raw: bool, now_us: int, debounce_us: int) -> "Switch":
        """The switch after its contact was seen to be `raw` at `now_us`."""
        decided = _decided(self, now_us, debounce_us)
        if raw == decided.raw:
            return decided
        burst_us = now_us if decided.burst_us is None else decided.burst_us
        edge = replace(decided, raw=raw, raw_since_us=now_us, burst_us=burst_us)
        return _decided(edge, now_us, debounce_us)

    def believed(self, now_us: int) -> "Switch":
        """The switch as its contact is, because something else has borne it out."""
        edge_us = self.edge_us if self.raw == self.level else self.raw_since_us
        return replace(self, level=self.raw, level_since_us=now_us, edge_us=edge_us, burst_us=None)

    def closed_for(self, settle_us: int, now_us: int) -> bool:
        """Whether it has been closed, after debouncing and without an edge since, for so long."""
        return self.level and self.steady_for(settle_us, now_us)

    def steady_for(self, settle_us: int, now_us: int) -> bool:
        """Whether its level has been certain, without an edge since, for so long."""
        return self.burst_us is None and now_us - self.level_since_us >= settle_us


def _decided(switch: Switch, now_us: int, debounce_us: int) -> Switch:
    """The switch after its burst, if it has one and has been quiet for long enough."""
    if switch.burst_us is None or now_us - switch.raw_since_us < debounce_us:
        return switch
    if switch.raw == switch.level:
        return replace(switch, burst_us=None)
    return replace(
        switch,
        level=switch.raw,
        level_since_us=switch.raw_since_us + debounce_us,
        edge_us=switch.burst_us,
        burst_us=None,
    )
