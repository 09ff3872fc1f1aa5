"""A turn of the loop: contacts in at their own times, coils out, and the watchdog only after both."""

import select
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockPin

from droptable.board import params as p
from droptable.board.loop import LATE_US, READ_BACK_EVERY_US, TURN_EVERY_US
from droptable.board.model import Fault, Phase, Verb
from droptable.board.notices import Notices
from droptable.board.params import Params
from droptable.board.pins import EDGES_A_READ, EVENT_BUFFER, OutputPins
from droptable.link.frames import encode
from droptable.link.messages import (
    Beat,
    Command,
    Event,
    Hello,
    ParamSet,
    Status,
    Stop,
    Text,
    TextLevel,
    Welcome,
)
from firmware_sim.mock_pi import REFERENCE
from tests.gpio.pieces import SESSION, Bench, bench

PELVIC = 2
PINS = REFERENCE.pelvic
COILS = [pin for pins in REFERENCE.sections for pin in (pins.lift, pins.pin, pins.lowering)]
SET = Params(
    {
        (at, key): value
        for at in range(3)
        for key, value in (
            (p.COCK_TIMEOUT_MS, 2_000),
            (p.LOWER_TIMEOUT_MS, 4_000),
            (p.DROP_TIMEOUT_MS, 300),
            (p.PIN_TIMEOUT_MS, 150),
            (p.SETTLE_MS, 50),
            (p.DEBOUNCE_US, 2_000),
            (p.ARM_WINDOW_MAX_MS, 20_000),
            (p.DROP_HEIGHT_UM, 20_000),
        )
    }
    | {(255, p.COIL_ON_MAX_MS): 30_000}
)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path, SET) as made:
        yield made


class Host:
    """A host that holds the control, on a clock that the test moves."""

    def __init__(self, table: Bench) -> None:
        self._table = table
        self._seq = 0
        table.open()

    def pass_ms(self, ms: int, *, lease: bool = True, hold: bool = True) -> None:
        """Time passes, with a BEAT every 50 ms and a turn every 5."""
        for step in range(0, ms, 5):
            if step % 50 == 0:
                self.beat(lease=lease, hold=hold)
            self._table.turn(5_000)

    def beat(self, *, lease: bool = True, hold: bool = True) -> None:
        flags = Beat.LEASE * lease | Beat.HOLD * hold
        self.send(Beat(flags, self.now_ms))

    def command(self, verb: Verb, arg: int = 0) -> None:
        cmd_id = self._seq + 1
        self.send(Command(cmd_id, verb, PELVIC, 0xFF, 500, self.now_ms, arg))
        self._table.turn()

    def send(self, message: Beat | Command | ParamSet) -> None:
        self._seq += 1
        self._table.send(message, self._seq)

    @property
    def now_ms(self) -> int:
        return self._table.clock() // 1_000 % 2**32

    def cocking(self) -> None:
        """On its way up: pin out, lift driven, the bottom left."""
        self.pass_ms(200)
        self.command(Verb.HOME)
        self.pass_ms(100)
        self.command(Verb.COCK)
        self._table.chip.edge(PINS.pin_engaged, False)
        self.pass_ms(10)
        self._table.chip.edge(PINS.down, False)
        self.pass_ms(100)

    def armed(self) -> None:
        self.cocking()
        self._table.chip.edge(PINS.up, True)
        self.pass_ms(60)
        self._table.chip.edge(PINS.pin_engaged, True)
        self.pass_ms(100)
        assert phase(self._table) is Phase.COCKED
        self.command(Verb.ARM, 5_000)
        self._table.chip.edge(PINS.pin_engaged, False)
        self.pass_ms(20)
        assert phase(self._table) is Phase.ARMED


def phase(table: Bench) -> Phase:
    return table.loop.endpoint.state.sections[PELVIC].phase


def driven(table: Bench) -> list[int]:
    return [pin for pin in COILS if table.level(pin)]


def board_us(table: Bench) -> int:
    return table.clock() - table.loop._began_us


def test_the_coils_follow_the_law(table: Bench) -> None:
    host = Host(table)
    assert driven(table) == []
    host.cocking()
    assert phase(table) is Phase.COCKING
    assert driven(table) == [PINS.lift, PINS.pin]


def test_nothing_is_driven_before_a_host_has_said_so(table: Bench) -> None:
    for _ in range(200):
        table.turn(5_000)
    assert {len(table.factory.pin(pin).states) for pin in COILS} == {1}
    assert driven(table) == []


def test_the_e_stop_a_broken_wire_and_the_button_take_the_coils_off_in_one_turn(
    table: Bench,
) -> None:
    host = Host(table)
    host.cocking()
    assert driven(table)
    table.chip.edge(REFERENCE.estop, False)
    table.turn()
    assert driven(table) == []


def test_the_stop_button_takes_the_coils_off_in_one_turn(table: Bench) -> None:
    host = Host(table)
    host.cocking()
    assert REFERENCE.stop_button is not None
    table.chip.edge(REFERENCE.stop_button, False)
    table.turn()
    assert driven(table) == []


def test_the_pedal_counts_as_hold(table: Bench) -> None:
    host = Host(table)
    assert REFERENCE.pedal is not None
    table.chip.edge(REFERENCE.pedal, True)
    host.cocking()
    host.pass_ms(60, hold=False)
    assert driven(table) == [PINS.lift, PINS.pin]
    table.chip.edge(REFERENCE.pedal, False)
    table.turn()
    assert driven(table) == []


def test_a_host_that_falls_silent_loses_the_coils(table: Bench) -> None:
    host = Host(table)
    host.cocking()
    host.beat()
    table.turn()
    table.turn(149_000)
    assert driven(table)
    table.turn(2_000)
    assert driven(table) == []


# Times


def test_an_edge_has_the_time_that_the_kernel_saw_however_late_it_is_looked_at(
    table: Bench,
) -> None:
    host = Host(table)
    host.armed()
    fell_us = board_us(table) + 1_000
    table.clock.now_us += 45_000
    table.chip.edge(PINS.up, False, ago_us=44_000)
    # It bounces, lands, and bounces there: all of it seen in one late turn.
    table.chip.edge(PINS.up, True, ago_us=43_500)
    table.chip.edge(PINS.up, False, ago_us=43_200)
    table.chip.edge(PINS.down, True, ago_us=1_234)
    table.heard()
    host.pass_ms(150)
    drops = [m for m in table.heard() if isinstance(m, Event) and m.kind == 7]
    assert [(drop.board_us, drop.a) for drop in drops[:1]] == [(fell_us, 44_000 - 1_234)]


def test_time_never_goes_back_for_an_edge_that_comes_late(table: Bench) -> None:
    Host(table)
    table.turn(5_000)
    before = board_us(table)
    # Stamped before the last turn, as when its interrupt's thread had to wait.
    table.chip.edge(PINS.up, True, ago_us=3_000)
    table.turn()
    assert table.loop.endpoint.state.sections[PELVIC].up.raw_since_us == before


def test_no_edge_lies_in_the_future(table: Bench) -> None:
    Host(table)
    table.chip.edge(PINS.up, True, ago_us=-60_000_000)
    table.turn()
    assert table.loop.endpoint.state.sections[PELVIC].up.raw_since_us == board_us(table)
    table.turn(1_000)


def test_a_lost_edge_is_told_to_the_host_and_the_contact_is_believed_as_it_is(
    table: Bench,
) -> None:
    Host(table)
    table.heard()
    for ago_us in (900, 800, 700):
        table.chip.edge(PINS.up, ago_us != 800, ago_us)
    table.chip.lose(2)
    table.turn()
    assert table.loop.endpoint.state.sections[PELVIC].up.raw
    said = " ".join(m.text for m in table.heard() if isinstance(m, Text))
    assert said == "2 edges lost, 2 since boot; contacts read anew"


# More than one turn takes

THOUSAND = 1_000


@pytest.mark.parametrize("what", ["estop", "stop_button", "pedal"])
def test_what_stops_the_table_waits_for_no_edge_of_a_section(table: Bench, what: str) -> None:
    host = Host(table)
    assert REFERENCE.pedal is not None
    table.chip.edge(REFERENCE.pedal, True)
    host.cocking()
    host.pass_ms(60, hold=what != "pedal")
    assert driven(table) == [PINS.lift, PINS.pin]
    table.chip.howl(REFERENCE.thoracic.up, THOUSAND, from_us=20_000, to_us=500)
    table.chip.edge(getattr(REFERENCE, what), False, ago_us=100)
    table.turn()
    assert driven(table) == []


def test_what_stops_the_table_is_acted_on_before_the_other_edges_are(
    table: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(table)
    host.cocking()
    table.chip.howl(REFERENCE.thoracic.up, THOUSAND, from_us=20_000, to_us=500)
    table.chip.edge(REFERENCE.estop, False, ago_us=100)
    advance, seen = table.loop.endpoint.advance, []

    def watched(*what: Any) -> object:
        seen.append(driven(table))
        return advance(*what)

    monkeypatch.setattr(table.loop.endpoint, "advance", watched)
    table.turn()
    assert seen[:2] == [[PINS.lift, PINS.pin], []]


def test_a_table_line_that_howls_is_heard_too(table: Bench) -> None:
    host = Host(table)
    host.cocking()
    table.chip.howl(REFERENCE.estop, THOUSAND, from_us=20_000, to_us=500)
    table.turn()
    assert driven(table) == []


def test_a_fall_among_a_thousand_edges_has_its_time(table: Bench) -> None:
    """Both of its edges lie behind more than one turn takes, in front of as many."""
    host = Host(table)
    host.armed()
    fell_us = board_us(table) + 20_000
    table.clock.now_us += 40_000
    howl = REFERENCE.thoracic.up
    table.chip.howl(howl, THOUSAND // 2, from_us=39_000, to_us=21_000)
    table.chip.edge(PINS.up, False, ago_us=20_000)
    table.chip.howl(howl, THOUSAND // 4, from_us=19_000, to_us=11_000)
    table.chip.edge(PINS.down, True, ago_us=10_000)
    table.chip.howl(howl, THOUSAND // 4, from_us=9_000, to_us=500)
    table.heard()
    host.pass_ms(150)
    drops = [m for m in table.heard() if isinstance(m, Event) and m.kind == 7]
    assert [(drop.board_us, drop.a) for drop in drops[:1]] == [(fell_us, 10_000)]


def test_the_coils_follow_the_newest_contact_in_a_few_short_turns(
    table: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(table)
    host.armed()
    table.clock.now_us += 40_000
    table.chip.edge(PINS.up, False, ago_us=39_000)
    table.chip.howl(REFERENCE.thoracic.up, THOUSAND, from_us=38_000, to_us=5_000)
    # Debounced by now.
    table.chip.edge(PINS.down, True, ago_us=4_000)
    advance, asked = table.loop.endpoint.advance, []

    def watched(*what: Any) -> object:
        asked.append(what)
        return advance(*what)

    monkeypatch.setattr(table.loop.endpoint, "advance", watched)
    turns = 0
    while driven(table) and turns < 10:
        table.turn()
        turns += 1
    assert turns <= EVENT_BUFFER // EDGES_A_READ
    assert len(asked) <= 6 * turns


def test_a_queue_that_overflowed_is_told(table: Bench) -> None:
    Host(table)
    table.heard()
    table.clock.now_us += 40_000
    table.chip.howl(REFERENCE.thoracic.up, EVENT_BUFFER + 100, from_us=39_000, to_us=500)
    table.turn()
    said = " ".join(m.text for m in table.heard() if isinstance(m, Text))
    assert said == "100 edges lost, 100 since boot; contacts read anew"


def test_a_stop_behind_a_flood_takes_the_coils_off_in_one_turn_and_stays(table: Bench) -> None:
    """A RESET_STOP that the flood holds was sent before it, and has not the last word."""
    host = Host(table)
    host.cocking()
    assert driven(table) == [PINS.lift, PINS.pin]
    assert table.host is not None
    released = Beat(Beat.LEASE, host.now_ms)
    flood = [
        encode(1_000 + at, SESSION, Beat(Beat.LEASE | Beat.HOLD, host.now_ms))
        for at in range(3_000)
    ]
    table.host.sendall(
        b"".join(flood)
        + encode(4_000, SESSION, released)
        + encode(4_001, SESSION, Command(9_000, Verb.RESET_STOP, 255, 0xFF, 500, host.now_ms, 0))
        + encode(0, SESSION, Stop(9_001))
    )
    table.turn()
    assert driven(table) == []
    while table.loop._parts.door.waiting:
        table.turn()
        assert driven(table) == []
    assert table.loop.endpoint.state.stopped


def test_what_waits_at_the_door_is_not_waited_with(
    table: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(table)
    kernel = Kernel(table)
    monkeypatch.setattr(select, "select", kernel.select)
    for _ in range(20):
        host.beat()
    table.turn()
    assert table.loop._parts.door.waiting
    table.loop._wait()
    assert kernel.waited_us == [0]


# The watchdog


def test_the_watchdog_turns_over_with_every_turn_that_was_done(table: Bench) -> None:
    pin: MockPin = table.factory.pin(REFERENCE.watchdog)
    before = len(pin.states)
    for _ in range(10):
        table.turn(1_000)
    assert len(pin.states) - before == 10


@pytest.mark.parametrize("what", ["contacts", "law", "coils"])
def test_a_turn_that_breaks_does_not_turn_the_watchdog_over(
    table: Bench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError(what)

    parts = table.loop._parts
    match what:
        case "contacts":
            monkeypatch.setattr(parts.lines, "read", broken)
        case "law":
            monkeypatch.setattr(table.loop.endpoint, "advance", broken)
        case _:
            monkeypatch.setattr(parts.outputs, "drive", broken)
    pin: MockPin = table.factory.pin(REFERENCE.watchdog)
    before = len(pin.states)
    with pytest.raises(RuntimeError, match=what):
        table.turn(1_000)
    assert len(pin.states) == before


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), MemoryError()])
def test_whatever_breaks_the_loop_the_coils_are_off_before_anyone_hears_of_it(
    table: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    host = Host(table)
    host.cocking()
    assert driven(table)

    def broken(*_: object) -> object:
        raise error

    monkeypatch.setattr(table.loop.endpoint, "advance", broken)
    monkeypatch.setattr(table.loop, "_wait", lambda: False)
    with pytest.raises(type(error)):
        table.loop.run()
    assert driven(table) == []


def test_the_loop_ends_with_the_coils_off(table: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(table)
    host.cocking()
    monkeypatch.setattr(table.loop, "_wait", lambda: True)
    table.loop.run()
    assert driven(table) == []


# Waiting


class Kernel:
    """A `select` that lets the clock run instead of waiting."""

    def __init__(self, table: Bench, *, late_us: int = 0) -> None:
        self._clock = table.clock
        self.late_us = late_us
        self.waited_us: list[int] = []

    def select(self, readers: object, writers: object, _: object, wait_s: float) -> object:
        self.waited_us.append(round(wait_s * 1e6))
        self._clock.now_us += round(wait_s * 1e6) + self.late_us
        return [], [], []


def test_a_turn_comes_at_least_every_5_ms(table: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(table)
    monkeypatch.setattr(select, "select", kernel.select)
    table.turn()
    for _ in range(5):
        before = table.clock()
        assert not table.loop._wait()
        assert table.clock() - before <= TURN_EVERY_US
        table.turn()
    assert sum(kernel.waited_us) == 5 * TURN_EVERY_US


def test_the_law_is_asked_when_it_wanted_to_be(
    table: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    Host(table)
    monkeypatch.setattr(select, "select", Kernel(table).select)
    # The turns that come anyway are not when it wants to be asked.
    table.turn(700)
    while board_us(table) < 100_000:
        wanted_us = table.loop._wake_us
        table.loop._wait()
        assert board_us(table) <= wanted_us
        table.turn()
    statuses = [m.board_us for m in table.heard() if isinstance(m, Status)]
    gaps = {later - earlier for earlier, later in pairwise(statuses)}
    assert gaps == {20_000}


def test_a_loop_that_came_late_says_so(table: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Host(table)
    table.heard()
    for late_us, lines in ((LATE_US, 0), (LATE_US + 5_000, 1)):
        monkeypatch.setattr(select, "select", Kernel(table, late_us=late_us).select)
        table.loop._wait()
        table.turn()
        said = [m for m in table.heard() if isinstance(m, Text)]
        assert len(said) == lines
    assert said[0].text == "the board's loop was 30 ms late"


# What it was told to keep, and what it found at boot


def test_parameters_are_kept_when_they_change_and_not_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path) as table:
        kept: list[object] = []
        monkeypatch.setattr(table.writer, "keep", kept.append)
        host = Host(table)
        host.pass_ms(100)
        assert kept == []
        host.send(ParamSet(1, PELVIC, p.SETTLE_MS, 60))
        table.turn()
        host.pass_ms(20)
        assert kept == [{(PELVIC, p.SETTLE_MS): 60}]


def test_parameters_that_cannot_be_stored_are_told(
    table: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    Host(table)
    table.heard()
    problems = iter(["no space", None])
    monkeypatch.setattr(table.writer, "problem", lambda: next(problems))
    table.turn()
    assert [m.text for m in table.heard() if isinstance(m, Text)] == [
        "parameters are not stored: no space"
    ]


def test_a_damaged_store_is_a_fault(tmp_path: Path) -> None:
    with bench(tmp_path, damaged=True) as table:
        table.turn()
        assert {s.fault for s in table.loop.endpoint.state.sections} == {Fault.PARAMS}


def test_a_coil_that_reads_back_high_fails_the_self_test_until_it_no_longer_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_back = [(False, False, True)]
    monkeypatch.setattr(OutputPins, "wrongly_driven", lambda _: read_back[0])
    with bench(tmp_path, SET) as table:
        host = Host(table)
        assert [s.fault for s in table.loop.endpoint.state.sections] == [
            Fault.NONE,
            Fault.NONE,
            Fault.SELF_TEST,
        ]
        host.pass_ms(200)
        host.command(Verb.CLEAR_FAULT)
        assert phase(table) is Phase.FAULT
        read_back[0] = (False, False, False)
        table.turn(READ_BACK_EVERY_US)
        host.command(Verb.CLEAR_FAULT)
        assert phase(table) is Phase.UNKNOWN


def test_a_board_without_cells_says_what_it_has(table: Bench) -> None:
    Host(table)
    welcome = next(m for m in table.heard() if isinstance(m, Welcome))
    assert welcome.features == 1 << 4
    assert welcome.hw_id == "PI000001"
    assert SESSION


def test_who_connects_hears_what_the_machine_granted(tmp_path: Path) -> None:
    long = "memory not locked: " + "because of very many reasons " * 3
    with bench(tmp_path, SET) as table:
        object.__setattr__(table.loop._parts, "notices", Notices(((TextLevel.WARNING, long),)))
        Host(table)
        heard = table.heard()
        texts = [m for m in heard if isinstance(m, Text)]
        assert isinstance(heard[1], Welcome)
        assert " ".join(m.text for m in texts) == long.strip()
        assert len(texts) > 1
        assert {m.level for m in texts} == {TextLevel.WARNING}


def test_what_is_to_be_told_waits_for_a_host_who_hears_it(table: Bench) -> None:
    table.loop._say(TextLevel.WARNING, "before anyone came")
    table.host = socket.socket(socket.AF_UNIX)
    table.host.connect(table.path)
    for _ in range(3):
        table.turn(5_000)
    assert not [m for m in table.heard() if isinstance(m, Text)]
    table.send(Hello())
    table.turn()
    assert [m.text for m in table.heard() if isinstance(m, Text)] == ["before anyone came"]
    table.turn(200_000)
    table.loop._say(TextLevel.WARNING, "after the host fell silent")
    table.turn(5_000)
    assert not [m for m in table.heard() if isinstance(m, Text)]
