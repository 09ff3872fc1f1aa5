"""How much the pins' coils are driven, as the core counts it, and how often sections are armed. Pure.

The board limits how long a coil is driven at a time; a coil that is driven again and again warms up
all the same. What is counted are phases in which a pin is withdrawn, from STATUS to STATUS.
"""

from collections.abc import Iterator
from dataclasses import replace

from droptable.core.limits import ARM_RATE_US, COIL_SPANS_MAX, COIL_WINDOW_US
from droptable.core.model import Phase, SectionState, State, Wear
from droptable.core.turn import Turn
from droptable.sections import Section

DRIVEN = frozenset({Phase.COCKING, Phase.ARMED, Phase.DROPPING, Phase.LOWERING})
"""The phases in which a pin is withdrawn."""


def follow_status(turn: Turn) -> None:
    """After a STATUS, or when the board is lost: whose coil is driven from now on."""
    before, sections = turn.state.wear, turn.state.sections
    if all(map(_as_before, before, sections)):
        return
    thoracic, lumbar, pelvic = (
        wear if _as_before(wear, section) else _turned(wear, turn.now_us)
        for wear, section in zip(before, sections, strict=True)
    )
    turn.state = replace(turn.state, wear=(thoracic, lumbar, pelvic))


def note_arm(turn: Turn) -> None:
    """An ARM goes out; how the board takes it makes no difference to the count."""
    turn.state = replace(turn.state, arms_us=(*_recent_arms(turn.state, turn.now_us), turn.now_us))


def arms_of_the_minute(state: State, now_us: int) -> int:
    """How often sections were armed within the last minute."""
    return sum(1 for _ in _recent_arms(state, now_us))


def driven_us(state: State, at: Section, now_us: int) -> int:
    """For how long the pin of a section was driven within the window up to now."""
    wear, from_us = state.wear[at], now_us - COIL_WINDOW_US
    spans = wear.spans if wear.since_us is None else (*wear.spans, (wear.since_us, now_us))
    return sum(max(0, until_us - max(since_us, from_us)) for since_us, until_us in spans)


def driven_max_us(state: State) -> int:
    """For how long it may be."""
    return COIL_WINDOW_US * state.settings.bounds.coil_duty_max_percent // 100


def _as_before(wear: Wear, section: SectionState) -> bool:
    return (wear.since_us is not None) == (section.phase in DRIVEN)


def _turned(wear: Wear, now_us: int) -> Wear:
    """The coil is switched on, or off."""
    if wear.since_us is None:
        return replace(wear, since_us=now_us)
    kept = [span for span in wear.spans if span[1] > now_us - COIL_WINDOW_US]
    kept.append((wear.since_us, now_us))
    if len(kept) > COIL_SPANS_MAX:
        kept[:2] = [(kept[0][0], kept[1][1])]
    return Wear(tuple(kept))


def _recent_arms(state: State, now_us: int) -> Iterator[int]:
    return (armed_us for armed_us in state.arms_us if armed_us > now_us - ARM_RATE_US)
