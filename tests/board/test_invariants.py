"""Each state of the board that must not be is named, and the endpoint does not go on with one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.board import endpoint, invariants
from droptable.board.event_buffer import EventBuffer
from droptable.board.invariants import CLAIMS, InvariantBrokenError, broken
from droptable.board.model import Event, Fault, Kind, Phase, SectionOutputs
from droptable.board.state import Line, SectionState, State
from tests.board.bench import BOOT_ID, COMPLETE, EVERYTHING, MS, PELVIC, Bench, S

Change = Callable[[State], State]


def section(**fields: object) -> Change:
    """The pelvic section, changed."""

    def change(board: State) -> State:
        first, second, third = board.sections
        return replace(board, sections=(first, second, replace(third, **fields)))

    return change


def driving(lift: bool = False, pin: bool = True, valve: bool = False) -> Change:
    return section(outputs=SectionOutputs(lift, pin, valve))


def opened(name: str) -> Change:
    """A contact of the pelvic section that has been open for long."""

    def change(board: State) -> State:
        switch = getattr(board.sections[PELVIC], name)
        return section(**{name: replace(switch, raw=False)})(board)

    return change


def other_withdrawn(board: State) -> State:
    first, second, third = board.sections
    return replace(board, sections=(replace(first, outputs=third.outputs), second, third))


def both_ends(board: State) -> State:
    up = replace(board.sections[PELVIC].up, raw=True)
    down = replace(board.sections[PELVIC].down, raw=True)
    return section(up=up, down=down)(board)


def with_a_gap(board: State) -> State:
    return replace(board, events=EventBuffer((Event(3, 0, Kind.BOOTED, 0),), next_seq=9))


CASES: list[tuple[str, Phase, Change]] = [
    ("two sections have their pin withdrawn", Phase.ARMED, other_withdrawn),
    ("no stop is latched", Phase.LOCKED, lambda b: replace(b, estop=Line(active=True))),
    ("no stop is latched", Phase.LOCKED, lambda b: replace(b, button=Line(active=True))),
    ("outlives its host", Phase.LOCKED, lambda b: replace(b, host_live=False)),
    ("have a gap", Phase.LOCKED, with_a_gap),
    ("driven together", Phase.COCKING, driving(lift=True, valve=True)),
    ("and the pin is not", Phase.COCKING, driving(lift=True, pin=False)),
    ("against the pin", Phase.COCKING, driving(lift=True)),
    ("no use for", Phase.ARMED, driving(lift=True)),
    ("no use for", Phase.COCKING, driving(valve=True)),
    ("under stop or without lease", Phase.ARMED, lambda b: replace(b, stopped=True)),
    ("under stop or without lease", Phase.ARMED, lambda b: replace(b, lease=False)),
    ("outlives coil_on_max_ms", Phase.ARMED, section(entered_us=-40 * S)),
    *[
        ("an output is driven", phase, driving())
        for phase in (Phase.UNKNOWN, Phase.LOCKED, Phase.COCKED, Phase.SECURING, Phase.DROPPED)
    ],
    ("it has a fault", Phase.LOCKED, section(fault=Fault.AIR)),
    ("it has no cause", Phase.FAULT, section(fault=Fault.NONE)),
    ("it is at both ends", Phase.COCKED, both_ends),
    ("it has left the bottom", Phase.LOCKED, opened("down")),
    ("its pin is out", Phase.LOCKED, opened("pin")),
    ("it has left the top", Phase.COCKED, opened("up")),
    ("its pin is out", Phase.COCKED, opened("pin")),
    ("nobody holds it", Phase.COCKING, lambda b: replace(b, beat_hold=False)),
    ("nobody holds it", Phase.LOWERING, lambda b: replace(b, beat_hold=False)),
    ("outlives cock_timeout_ms", Phase.COCKING, section(entered_us=-S)),
    ("outlives lower_timeout_ms", Phase.LOWERING, section(entered_us=-2 * S)),
    ("outlives drop_timeout_ms", Phase.DROPPING, section(entered_us=0)),
    ("outlives pin_timeout_ms and", Phase.SECURING, section(entered_us=0)),
    ("outlives pin_timeout_ms and", Phase.DROPPED, section(entered_us=0)),
    ("its window is over", Phase.ARMED, section(window_us=1)),
    ("without an arming", Phase.DROPPING, section(came_from=Phase.SECURING)),
]


@pytest.mark.parametrize(
    ("sentence", "phase", "change"), CASES, ids=[f"{c[1].name}: {c[0]}" for c in CASES]
)
def test_a_state_that_must_not_be_is_named(sentence: str, phase: Phase, change: Change) -> None:
    bench = Bench().to(phase).wait(15 * MS)
    assert bench.phase() is phase
    assert broken(bench.state, bench.now_us) == ()
    assert any(sentence in found for found in broken(change(bench.state), bench.now_us))


@pytest.mark.parametrize("phase", [Phase.COCKING, Phase.LOWERING, Phase.ARMED])
def test_a_section_that_is_where_its_phase_ends_is_named(phase: Phase) -> None:
    bench = Bench().to(phase).wait(15 * MS)
    at: SectionState = bench.section()
    changes = {
        Phase.COCKING: {"up": replace(at.up, level=True)},
        Phase.LOWERING: {"down": replace(at.down, level=True)},
        Phase.ARMED: {"up": replace(at.up, level=False)},
    }
    found = broken(section(**changes[phase])(bench.state), bench.now_us + 60 * MS)
    assert any("it is at the" in one or "it has left the top" in one for one in found)


def test_each_phase_has_its_claims() -> None:
    assert CLAIMS.keys() == set(Phase)


def test_an_endpoint_does_not_go_on_with_a_state_that_must_not_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    who = endpoint.Identity("BENCH001", (1, 0, 0), EVERYTHING, BOOT_ID, 1)
    board = endpoint.Endpoint(
        who, params=COMPLETE, inputs=bench.inputs(), loads=bench.loads, now_us=bench.now_us
    )
    before = board.state
    wrong = invariants.Claim("it is unknown", lambda _seen: True)
    monkeypatch.setitem(invariants.CLAIMS, Phase.UNKNOWN, (wrong,))
    with pytest.raises(InvariantBrokenError, match="section 0, UNKNOWN: it is unknown"):
        board.advance(bench.now_us + MS, bench.inputs())
    assert board.state is before
