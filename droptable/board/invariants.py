"""What must be true of the board after every step, whatever happened before it. Pure.

Checked in production too. The sentences are a second telling of the law, made from the state alone
and not from the tables that `controller.py` follows: a mistake in a row, a rule or a guard shows up
here as a phase that outlives its time, claims what its switches deny, or drives what it must not.
Whoever runs the board lets go of every output when one of them is broken.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from droptable.board import params as p
from droptable.board.event_buffer import CAPACITY, DROP_PLACES
from droptable.board.model import TABLE, Fault, Phase
from droptable.board.state import SectionState, State
from droptable.board.switches import Switch

DENIED_US = 10_000
"""For so long a contact may deny what a phase claims: the contract's "for 10 ms"."""


class InvariantBrokenError(Exception):
    """The board reached a state that must not exist."""


class Seen:
    """One section of a board at a moment, as the claims look at it."""

    __slots__ = ("at", "board", "now_us", "section")

    def __init__(self, board: State, at: int, now_us: int) -> None:
        self.board = board
        self.at = at
        self.section: SectionState = board.sections[at]
        self.now_us = now_us

    def outlives(self, *keys_ms: int) -> bool:
        """Whether it has been in its phase for as long as these parameters allow together."""
        longest_us = sum(self.board.params.get(self.at, key) for key in keys_ms) * 1000
        return self.now_us - self.section.entered_us >= longest_us

    @property
    def outlives_the_coil(self) -> bool:
        """Whether a phase that drives from its beginning has lasted as long as a coil may."""
        longest_us = self.board.params.get(TABLE, p.COIL_ON_MAX_MS) * 1000
        return self.now_us - self.section.entered_us >= longest_us

    def open_for_long(self, switch: Switch) -> bool:
        """Whether a contact has been open, without a break, in this phase for 10 ms."""
        since_us = max(switch.raw_since_us, self.section.entered_us)
        return not switch.raw and self.now_us - since_us >= DENIED_US

    def settled(self, switch: Switch) -> bool:
        """Whether a switch is closed, debounced, and has been for settle_ms."""
        settle_us = self.board.params.get(self.at, p.SETTLE_MS) * 1000
        since_us = self.now_us - switch.level_since_us
        return switch.level and switch.burst_us is None and since_us >= settle_us

    @property
    def at_both_ends(self) -> bool:
        """Whether up and down have been closed together, without a break, in this phase for 10 ms."""
        up, down = self.section.up, self.section.down
        since_us = max(up.raw_since_us, down.raw_since_us, self.section.entered_us)
        return up.raw and down.raw and self.now_us - since_us >= DENIED_US

    @property
    def licensed(self) -> bool:
        """Whether a host that lives says that its operator may move the table, and nothing stops it."""
        board = self.board
        return board.host_live and board.lease and not board.stopped


@dataclass(frozen=True, slots=True)
class Claim:
    """`sentence` tells what is wrong when `broken` holds."""

    sentence: str
    broken: Callable[[Seen], bool]


def broken(board: State, now_us: int) -> tuple[str, ...]:
    """A sentence for each invariant that the board breaks at `now_us`, after a step; mostly none."""
    return (*_of_board(board), *_of_sections(board, now_us))


def _of_board(board: State) -> Iterator[str]:
    first, second, third = (section.outputs.pin_withdrawn for section in board.sections)
    if first + second + third > 1:
        yield "two sections have their pin withdrawn"
    if (board.estop.active or board.button.active) and not board.stopped:
        yield "the e-stop or the button is active and no stop is latched"
    if not board.host_live and (board.lease or board.beat_hold or board.maintenance):
        yield "a lease, a hold or maintenance outlives its host"
    events = board.events
    first_seq = events.next_seq - len(events.kept)
    if events.first_seq != first_seq or len(events.kept) > CAPACITY + DROP_PLACES:
        yield "the numbers of the events have a gap, or more are kept than there are places"


def _of_sections(board: State, now_us: int) -> Iterator[str]:
    for at, section in enumerate(board.sections):
        seen = Seen(board, at, now_us)
        claims = CLAIMS[section.phase]
        if section.outputs.driven:
            claims += OF_DRIVEN
        for claim in claims:
            if claim.broken(seen):
                yield f"section {at}, {section.phase.name}: {claim.sentence}"


def _pin_in(section: SectionState) -> bool:
    return section.pin.raw or section.pin.level


def _lifts_or_lowers(section: SectionState) -> bool:
    return section.outputs.lift or section.outputs.lowering


OF_DRIVEN: tuple[Claim, ...] = (
    Claim(
        "lift and lowering valve are driven together",
        lambda seen: seen.section.outputs.lift and seen.section.outputs.lowering,
    ),
    Claim(
        "lift or lowering valve is driven, and the pin is not",
        lambda seen: _lifts_or_lowers(seen.section) and not seen.section.outputs.pin_withdrawn,
    ),
    Claim(
        "lift or lowering valve is driven against the pin",
        lambda seen: _lifts_or_lowers(seen.section) and _pin_in(seen.section),
    ),
    Claim(
        "a phase drives what it has no use for",
        lambda seen: (
            (seen.section.outputs.lift and seen.section.phase is not Phase.COCKING)
            or (seen.section.outputs.lowering and seen.section.phase is not Phase.LOWERING)
        ),
    ),
    Claim("an output is driven under stop or without lease", lambda seen: not seen.licensed),
    Claim("a coil outlives coil_on_max_ms", lambda seen: seen.outlives_the_coil),
)
"""What no section may do that drives anything."""

NOTHING_DRIVEN = Claim("an output is driven", lambda seen: seen.section.outputs.driven)

NOT_HELD = Claim("it moves and nobody holds it", lambda seen: not seen.board.hold)

_AT_BOTH_ENDS = Claim("it is at both ends", lambda seen: seen.at_both_ends)

_NO_FAULT = Claim("it has a fault", lambda seen: seen.section.fault is not Fault.NONE)

CLAIMS: dict[Phase, tuple[Claim, ...]] = {
    Phase.UNKNOWN: (NOTHING_DRIVEN, _NO_FAULT, _AT_BOTH_ENDS),
    Phase.LOCKED: (
        NOTHING_DRIVEN,
        _NO_FAULT,
        _AT_BOTH_ENDS,
        Claim("it has left the bottom", lambda seen: seen.open_for_long(seen.section.down)),
        Claim("its pin is out", lambda seen: seen.open_for_long(seen.section.pin)),
    ),
    Phase.COCKING: (
        _NO_FAULT,
        _AT_BOTH_ENDS,
        NOT_HELD,
        Claim("it outlives cock_timeout_ms", lambda seen: seen.outlives(p.COCK_TIMEOUT_MS)),
        Claim("it is at the top", lambda seen: seen.settled(seen.section.up)),
    ),
    Phase.COCKED: (
        NOTHING_DRIVEN,
        _NO_FAULT,
        _AT_BOTH_ENDS,
        Claim("it has left the top", lambda seen: seen.open_for_long(seen.section.up)),
        Claim("its pin is out", lambda seen: seen.open_for_long(seen.section.pin)),
    ),
    Phase.ARMED: (
        _NO_FAULT,
        _AT_BOTH_ENDS,
        Claim("it has left the top", lambda seen: not seen.section.up.level),
        Claim(
            "its window is over",
            lambda seen: seen.now_us - seen.section.began_us >= seen.section.window_us,
        ),
    ),
    Phase.DROPPING: (
        _NO_FAULT,
        _AT_BOTH_ENDS,
        Claim("it outlives drop_timeout_ms", lambda seen: seen.outlives(p.DROP_TIMEOUT_MS)),
        Claim(
            "its pin is withdrawn without an arming",
            lambda seen: (
                seen.section.outputs.pin_withdrawn and seen.section.came_from is not Phase.ARMED
            ),
        ),
    ),
    Phase.DROPPED: (
        NOTHING_DRIVEN,
        _NO_FAULT,
        _AT_BOTH_ENDS,
        Claim(
            "it outlives pin_timeout_ms and settle_ms",
            lambda seen: seen.outlives(p.PIN_TIMEOUT_MS, p.SETTLE_MS),
        ),
    ),
    Phase.LOWERING: (
        _NO_FAULT,
        _AT_BOTH_ENDS,
        NOT_HELD,
        Claim("it outlives lower_timeout_ms", lambda seen: seen.outlives(p.LOWER_TIMEOUT_MS)),
        Claim("it is at the bottom", lambda seen: seen.settled(seen.section.down)),
    ),
    Phase.HALTED: (NOTHING_DRIVEN, _NO_FAULT, _AT_BOTH_ENDS),
    Phase.FAULT: (
        NOTHING_DRIVEN,
        Claim("it has no cause", lambda seen: seen.section.fault is Fault.NONE),
    ),
    Phase.SECURING: (
        NOTHING_DRIVEN,
        _NO_FAULT,
        _AT_BOTH_ENDS,
        Claim(
            "it outlives pin_timeout_ms and settle_ms",
            lambda seen: seen.outlives(p.PIN_TIMEOUT_MS, p.SETTLE_MS),
        ),
    ),
}
"""What each phase claims, as the sentence that tells that it is wrong."""
