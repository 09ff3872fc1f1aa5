"""Coils are off unless told otherwise; no edge is lost without anyone knowing."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product
from typing import Any

import gpiod
import pytest
from gpiod.line import Bias, Clock, Direction, Edge
from gpiozero.pins.mock import MockFactory, MockPin

from droptable.board.model import SectionOutputs
from droptable.board.pins import (
    EDGES_A_READ,
    EDGES_WHOLE,
    EVENT_BUFFER,
    InputLines,
    LineEdge,
    OutputPins,
    Seen,
    thinned,
)
from firmware_sim.mock_pi import REFERENCE, RELAY_HOLDS_US, MockPi
from tests.gpio.pieces import Chip, Times

COILS = [pin for pins in REFERENCE.sections for pin in (pins.lift, pins.pin, pins.lowering)]
OFF = SectionOutputs()
UP = REFERENCE.pelvic.up
NAMES = {"up": 0, "down": 1, "pin_engaged": 2}


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    with closing(MockFactory()) as made:
        yield made


@pytest.fixture
def outputs(factory: MockFactory) -> Iterator[OutputPins]:
    with closing(OutputPins(REFERENCE, factory)) as made:
        yield made


def driven(factory: MockFactory) -> list[int]:
    return [pin for pin in COILS if factory.pin(pin).state]


def test_every_coil_is_an_output_and_off_from_the_first_moment(
    factory: MockFactory, outputs: OutputPins
) -> None:
    assert {factory.pin(pin).function for pin in (*COILS, REFERENCE.watchdog)} == {"output"}
    assert driven(factory) == []
    for pin in COILS:
        assert [state.state for state in factory.pin(pin).states] == [False]


@pytest.mark.parametrize(("section", "coil"), [*product(range(3), range(3))])
def test_each_coil_has_its_own_pin(
    factory: MockFactory, outputs: OutputPins, section: int, coil: int
) -> None:
    wanted = [OFF, OFF, OFF]
    wanted[section] = SectionOutputs(*(at == coil for at in range(3)))
    outputs.drive((wanted[0], wanted[1], wanted[2]))
    assert driven(factory) == [COILS[section * 3 + coil]]
    outputs.drive((OFF, OFF, OFF))
    assert driven(factory) == []


def test_a_coil_that_cannot_be_written_keeps_no_other_from_being_safe() -> None:
    class Stuck(MockPin):  # type: ignore[misc]
        def _set_state(self, value: bool) -> None:
            if self.info.name == f"GPIO{COILS[0]}" and self.states[-1].state:
                raise OSError("the line is gone")
            super()._set_state(value)

    with closing(MockFactory(pin_class=Stuck)) as factory:
        outputs = OutputPins(REFERENCE, factory)
        everything = SectionOutputs(True, True, True)
        outputs.drive((everything, everything, everything))
        assert len(driven(factory)) == 9
        outputs.safe()
        assert driven(factory) == [COILS[0]]
        # Nothing of it is left for whoever collects the devices to write again.
        factory.pin(COILS[0])._function = "input"
        outputs.close()


def test_what_is_let_go_is_an_input_again(factory: MockFactory) -> None:
    outputs = OutputPins(REFERENCE, factory)
    outputs.drive((SectionOutputs(lift=True), OFF, OFF))
    outputs.close()
    assert {factory.pin(pin).function for pin in COILS} == {"input"}


def test_the_watchdog_changes_with_every_beat_and_no_coil_does(
    factory: MockFactory, outputs: OutputPins
) -> None:
    levels = []
    for _ in range(6):
        outputs.beat()
        levels.append(bool(factory.pin(REFERENCE.watchdog).state))
    assert levels == [True, False] * 3
    assert driven(factory) == []


def test_a_coil_that_reads_back_high_is_seen_at_its_section_only_while_it_should_be_off(
    factory: MockFactory, outputs: OutputPins
) -> None:
    assert outputs.wrongly_driven() == (False, False, False)
    factory.pin(REFERENCE.lumbar.pin)._state = True
    assert outputs.wrongly_driven() == (False, True, False)
    outputs.drive((OFF, SectionOutputs(pin_withdrawn=True), OFF))
    assert outputs.wrongly_driven() == (False, False, False)


# Contacts


@pytest.fixture
def clock() -> Times:
    return Times()


@pytest.fixture
def chip(clock: Times) -> Chip:
    return Chip(clock)


@pytest.fixture
def lines(chip: Chip) -> Iterator[InputLines]:
    with closing(InputLines(REFERENCE, chip.request_lines)) as made:
        yield made


def test_the_kernel_is_asked_for_every_edge_with_a_monotonic_stamp(clock: Times) -> None:
    asked: list[dict[str, Any]] = []
    chip = Chip(clock)

    def request(path: str, **how: Any) -> object:
        asked.append({**how, "path": path})
        return chip.request_lines(path, **how)

    with closing(InputLines(REFERENCE, request)):
        pass
    for each in asked:
        assert each["path"] == "/dev/gpiochip0"
        assert each["event_buffer_size"] == EVENT_BUFFER
        (settings,) = each["config"].values()
        assert settings == gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            bias=Bias.PULL_UP,
            active_low=True,
            event_clock=Clock.MONOTONIC,
        )
        # The kernel must not debounce: the first edge is the time of the event.
        assert settings.debounce_period.total_seconds() == 0
    sections, table = (next(iter(each["config"])) for each in asked)
    assert len({*sections, *table}) == 12
    assert table == (REFERENCE.estop, REFERENCE.stop_button, REFERENCE.pedal)


def test_a_chip_that_is_not_there_is_named(clock: Times) -> None:
    with pytest.raises(OSError, match="gpiochip"):
        InputLines(REFERENCE, gpiod.request_lines)


def test_edges_come_in_the_order_of_their_times_whatever_their_lines(
    chip: Chip, lines: InputLines, clock: Times
) -> None:
    chip.edge(REFERENCE.thoracic.up, True, ago_us=100)
    chip.edge(REFERENCE.pelvic.up, True, ago_us=300)
    chip.edge(REFERENCE.pelvic.up, False, ago_us=50)
    pelvic, thoracic = 6, 0
    now = clock()
    assert lines.read().edges == [
        LineEdge(pelvic, True, now - 300),
        LineEdge(thoracic, True, now - 100),
        LineEdge(pelvic, False, now - 50),
    ]
    assert lines.read() == Seen([], [], None)
    assert lines.lost == 0


def test_a_bounce_that_ended_where_it_began_is_an_edge_away_and_back(
    chip: Chip, lines: InputLines, clock: Times
) -> None:
    chip.show_again(REFERENCE.thoracic.down, ago_us=80)
    at = clock() - 80
    assert lines.read().edges == [LineEdge(1, False, at), LineEdge(1, True, at)]


def test_a_lost_edge_is_counted_and_the_contacts_are_read_anew(
    chip: Chip, lines: InputLines, clock: Times
) -> None:
    # up: open, closed, open; down: open. The first three are lost, of down nothing is left.
    chip.edge(UP, True, ago_us=400)
    chip.edge(REFERENCE.lumbar.down, False, ago_us=350)
    chip.edge(UP, False, ago_us=300)
    chip.edge(UP, True, ago_us=200)
    chip.lose(3)
    edges = lines.read().edges
    assert edges[0] == LineEdge(6, True, clock() - 200)
    assert edges[1:] == [LineEdge(4, False, None)]
    assert lines.lost == 2
    # The line that was read anew has a gap of its own to show when it changes again.
    chip.edge(REFERENCE.lumbar.down, True)
    assert [edge.active for edge in lines.read().edges] == [True]
    assert lines.lost == 3


def test_the_tables_lines_take_their_place_among_the_others(
    chip: Chip, lines: InputLines, clock: Times
) -> None:
    chip.edge(UP, True, ago_us=300)
    chip.edge(REFERENCE.estop, False, ago_us=200)
    chip.edge(UP, False, ago_us=100)
    now = clock()
    assert lines.read() == Seen(
        [],
        [
            LineEdge(6, True, now - 300),
            LineEdge(9, False, now - 200),
            LineEdge(6, False, now - 100),
        ],
        None,
    )


def test_one_read_is_bounded_and_says_up_to_when_it_knows(
    chip: Chip, lines: InputLines, clock: Times
) -> None:
    for count in range(EDGES_A_READ + 10):
        chip.edge(UP, count % 2 == 0, ago_us=1_000 - count)
    assert lines.read().until_us == clock() - 1_000 + EDGES_A_READ - 1
    rest = lines.read()
    assert len(rest.edges) == 10
    assert rest.until_us is None
    assert lines.lost == 0


def test_while_contacts_wait_the_tables_lines_come_first(
    chip: Chip, lines: InputLines, clock: Times
) -> None:
    chip.howl(UP, EVENT_BUFFER, from_us=9_000, to_us=1_000)
    chip.edge(REFERENCE.estop, False, ago_us=500)
    seen = lines.read()
    assert seen.urgent == [LineEdge(9, False, clock() - 500)]
    assert {edge.line for edge in seen.edges} == {6}
    assert lines.lost == 0


@pytest.mark.parametrize("pin", [REFERENCE.estop, REFERENCE.stop_button, REFERENCE.pedal])
def test_a_line_of_the_table_that_howls_itself_is_believed_as_it_is_now(
    chip: Chip, lines: InputLines, pin: int
) -> None:
    line = {REFERENCE.estop: 9, REFERENCE.stop_button: 10, REFERENCE.pedal: 11}[pin]
    at_first = lines.active[line]
    chip.howl(pin, EVENT_BUFFER - 2, from_us=9_000, to_us=1_000)
    chip.edge(pin, not at_first, ago_us=1)
    assert lines.read().edges[-1].active is not at_first
    assert lines.lost == 0


def test_few_edges_are_all_shown() -> None:
    few = [LineEdge(0, at % 2 == 0, at) for at in range(EDGES_WHOLE)]
    assert thinned(few) == few


def test_of_a_line_that_howls_the_first_edge_and_the_last_two_are_shown() -> None:
    howl = [LineEdge(3, at % 2 == 0, at) for at in range(0, 200, 2)]
    others = [LineEdge(4, True, 51), LineEdge(5, False, 61), LineEdge(4, False, 71)]
    shown = thinned(sorted(howl + others, key=lambda edge: edge.at_us or 0))
    assert shown == [howl[0], *others, *howl[-2:]]


def test_a_table_without_pedal_and_button_has_ten_lines(clock: Times) -> None:
    plan = replace(REFERENCE, pedal=None, stop_button=None)
    with closing(InputLines(plan, Chip(clock).request_lines)) as lines:
        assert lines.names[-1] == "estop"
        assert len(lines.names) == len(lines.active) == 10


# The relay of the bench


def test_without_the_watchdog_no_coil_has_power_whatever_its_pin_says() -> None:
    clock = Times()
    pi = MockPi(REFERENCE, seed=0)
    pi._now_us, pi._began_us = clock, clock()
    with closing(OutputPins(REFERENCE, pi.pin_factory())) as outputs:
        outputs.drive((OFF, OFF, SectionOutputs(pin_withdrawn=True)))
        pelvic = pi.mechanics.driven[2]
        assert not pelvic.driven
        outputs.beat()
        assert pi.mechanics.driven[2].pin_withdrawn
        clock.now_us += RELAY_HOLDS_US - 1
        pi.catch_up()
        assert pi.mechanics.driven[2].pin_withdrawn
        clock.now_us += 1
        pi.catch_up()
        assert not pi.mechanics.driven[2].driven
        assert pi.coils["pelvic"] == ["pin"]
        outputs.beat()
        assert pi.mechanics.driven[2].pin_withdrawn
    pi.close()
