"""The hand's port: every deed, every refusal in a sentence, and no client that harms another."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from droptable.sections import Section
from firmware_sim.control import (
    LINE_MAX_BYTES,
    ControlError,
    ControlPort,
    DeedRefused,
    ask,
)
from firmware_sim.deeds import Deed, carry_out
from firmware_sim.faults import FAULTS, SetFault
from firmware_sim.history import CHANGES_KEPT
from firmware_sim.mechanics import Mechanics
from tests.brokers import LOOPBACK, free_port
from tests.firmware_sim.mechanics_bench import drive, events, rest


class Hand:
    """A table at rest, its port, and what was done through it."""

    def __init__(self) -> None:
        self.mechanics = Mechanics(seed=1)
        self.done: list[str] = []
        self.board: BoardOnPaper | None = None
        self.port = ControlPort(self.act)
        self.address = ""

    def act(self, deed: Deed) -> dict[str, Any]:
        self.done.append(deed.do)
        return carry_out(deed, self.mechanics, self.board)


class BoardOnPaper:
    """A board that notes down what it is had with."""

    def __init__(self) -> None:
        self.restarts: list[int] = []
        self._set: dict[str, SetFault] = {}

    @property
    def faults(self) -> tuple[SetFault, ...]:
        return tuple(self._set.values())

    def set_fault(self, fault: SetFault) -> None:
        self._set[fault.fault.name] = fault

    def clear_fault(self, fault: SetFault) -> None:
        self._set.pop(fault.fault.name, None)

    def restart(self, cause: int) -> None:
        self.restarts.append(cause)


@pytest.fixture
async def hand() -> AsyncIterator[Hand]:
    hand = Hand()
    hand.address = await hand.port.open(LOOPBACK, 0)
    yield hand
    await hand.port.close()


async def test_each_deed_reaches_the_table(hand: Hand) -> None:
    table = hand.mechanics
    assert await ask(hand.address, {"do": "patient", "load_n": [250, 150.5, 200]}) == {"now_us": 0}
    assert table.truth(Section.LUMBAR).load_n == pytest.approx(150.5)
    await ask(hand.address, {"do": "patient", "load_n": None})
    assert table.truth(Section.LUMBAR).load_n == 0
    await ask(hand.address, {"do": "estop", "open": True})
    await ask(hand.address, {"do": "pedal", "down": True})
    await ask(hand.address, {"do": "supply", "mv": 19_000})
    await ask(hand.address, {"do": "air", "kpa": 300})
    inputs = table.inputs()
    assert (inputs.supply_mv, inputs.air_kpa) == (19_000, 300)
    await ask(hand.address, {"do": "thrust", "section": "pelvic", "peak_n": 400, "rise_ms": 100})
    assert table.next_event_us() is not None
    truth = await ask(hand.address, {"do": "truth"})
    assert truth["sections"]["pelvic"] == {
        "height_um": 0,
        "velocity_um_s": 0,
        "pin_in": True,
        "falling": False,
        "load_n": 0,
        "breakaway_n": 0,
        "drops": 0,
        "outputs": {"lift": False, "pin_withdrawn": False, "lowering": False},
    }
    assert (truth["estop_open"], truth["pedal_down"], truth["button_down"]) == (True, True, False)
    assert truth["now_us"] == table.now_us
    assert hand.done == ["patient", "patient", "estop", "pedal", "supply", "air", "thrust", "truth"]


async def test_a_thrust_is_a_preset_but_for_what_is_said(hand: Hand) -> None:
    table = hand.mechanics
    thrust = {"do": "thrust", "section": "lumbar"}

    async def peak_n(**more: Any) -> float:
        await ask(hand.address, {**thrust, **more})
        forces = []
        for us, _ in events(table, table.now_us + 1_000_000):
            forces.append((table.truth(Section.LUMBAR).load_n, us))
        return max(forces)[0]

    assert await peak_n(preset="impulse") == pytest.approx(400)
    assert await peak_n(preset="toggle-recoil") == pytest.approx(300)
    assert await peak_n(preset="impulse", peak_n=550) == pytest.approx(550)
    assert await peak_n(peak_n=250, rise_ms=100) == pytest.approx(250)


async def test_hand_and_button_reach_the_table(hand: Hand) -> None:
    table = hand.mechanics
    at = {"do": "hand", "section": "pelvic"}
    await ask(hand.address, {**at, "height_mm": 4.5})
    drive(table, Section.PELVIC, pin_withdrawn=True)
    rest(table)
    drive(table, Section.PELVIC, pin_withdrawn=True, lift=True)
    rest(table)
    truth = await ask(hand.address, {"do": "truth"})
    pelvic = truth["sections"]["pelvic"]
    assert (pelvic["height_um"], pelvic["outputs"]["lift"]) == (4_500, True)
    assert not pelvic["pin_in"]
    await ask(hand.address, {**at, "height_mm": None})
    rest(table)
    assert table.truth(Section.PELVIC).height_um == 19_000
    await ask(hand.address, {"do": "button", "down": True})
    assert table.inputs().stop_button


async def test_the_history_is_told_from_a_moment_on_at_the_tables_own_time(hand: Hand) -> None:
    table = hand.mechanics
    began = await ask(hand.address, {"do": "history"})
    assert [entry["section"] for entry in began["entries"]] == ["thoracic", "lumbar", "pelvic"]
    table.advance(500)
    drive(table, pin_withdrawn=True)
    told = await ask(hand.address, {"do": "history", "after_us": began["now_us"]})
    assert told == {
        "now_us": 500,
        "entries": [
            {
                "us": 500,
                "section": "lumbar",
                "lift": False,
                "pin_withdrawn": True,
                "lowering": False,
                "up": False,
                "down": True,
                "pin": True,
            }
        ],
    }


async def test_a_whole_history_fits_in_an_answer(hand: Hand) -> None:
    table = hand.mechanics
    for _ in range(CHANGES_KEPT):
        table.advance(table.now_us + 1)
        still = table.driven[0]
        table.drive((replace(still, lift=not still.lift), *table.driven[1:]))
    told = await ask(hand.address, {"do": "history"})
    assert len(told["entries"]) == CHANGES_KEPT


async def test_faults_are_told_set_and_mended(hand: Hand) -> None:
    board = BoardOnPaper()
    hand.board = board
    told = await ask(hand.address, {"do": "faults"})
    assert [fault["name"] for fault in told["known"]] == list(FAULTS)
    leak = next(fault for fault in told["known"] if fault["name"] == "leak")
    assert leak == {
        "name": "leak",
        "text": FAULTS["leak"].text,
        "scope": "section",
        "value": {"unit": "um/s", "low": 1, "high": 200_000, "default": 2_000},
    }
    assert told["known"][0]["value"] is None
    for deed in (
        {"name": "leak", "section": "lumbar", "value": 5_000},
        {"name": "up-stuck-open", "section": "pelvic"},
        {"name": "air-low"},
        {"name": "clock-rate", "value": -1.5},
    ):
        assert await ask(hand.address, {"do": "fault", **deed}) == {"now_us": 0}
    there = [
        {"name": "leak", "section": "lumbar", "value": 5_000},
        {"name": "up-stuck-open", "section": "pelvic", "value": None},
        {"name": "air-low", "section": None, "value": 200},
        {"name": "clock-rate", "section": None, "value": -1.5},
    ]
    assert (await ask(hand.address, {"do": "faults"}))["set"] == there
    await ask(hand.address, {"do": "fault", "name": "leak", "section": "lumbar", "on": False})
    assert (await ask(hand.address, {"do": "faults"}))["set"] == there[1:]
    await ask(hand.address, {"do": "fault_clear"})
    assert (await ask(hand.address, {"do": "faults"}))["set"] == []


async def test_a_reset_reaches_the_board_with_its_cause(hand: Hand) -> None:
    board = BoardOnPaper()
    hand.board = board
    await ask(hand.address, {"do": "reset"})
    await ask(hand.address, {"do": "reset", "cause": "brown-out"})
    assert board.restarts == [4, 2]


async def test_a_board_that_is_a_program_takes_only_what_its_table_can_have(hand: Hand) -> None:
    told = await ask(hand.address, {"do": "faults"})
    assert "leak" in {fault["name"] for fault in told["known"]}
    assert "clock-rate" not in {fault["name"] for fault in told["known"]}
    for deed in ({"do": "fault", "name": "clock-rate"}, {"do": "reset"}):
        with pytest.raises(DeedRefused, match="only a simulated board"):
            await ask(hand.address, deed)
    await ask(hand.address, {"do": "fault", "name": "supply-low"})
    await ask(hand.address, {"do": "fault_clear"})
    assert hand.mechanics.faults == ()


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ({"do": "dance"}, "dance"),
        ({"do": "thrust", "section": "pelvic"}, "say peak_n and rise_ms, or a preset: impulse, "),
        ({"do": "thrust", "section": "pelvic", "preset": "shove"}, "'impulse' or 'toggle-recoil'"),
        ({"do": "hand", "section": "pelvic", "height_mm": 0}, "height_mm"),
        ({"do": "hand", "section": "pelvic", "height_mm": 19.0}, "gap is 19 mm high"),
        ({"do": "reset", "cause": "boredom"}, "'power-on', 'brown-out', 'watchdog'"),
        ({"do": "fault", "name": "rust"}, "no fault 'rust'; the faults are up-stuck-closed"),
        ({"do": "fault", "name": "leak"}, "name it: thoracic, lumbar, pelvic"),
        ({"do": "fault", "name": "leak", "section": "cervical"}, "'thoracic', 'lumbar'"),
        ({"do": "fault", "name": "leak", "section": "pelvic", "value": 0}, "1 to 200000 um/s"),
        ({"do": "fault", "name": "air-low", "section": "pelvic"}, "name no section"),
        ({"do": "fault", "name": "pin-stuck-in", "section": "pelvic", "value": 1}, "no value"),
        ({"do": "fault", "name": "leak", "section": "pelvic", "value": float("nan")}, "value"),
        ({}, "discriminator"),
        ({"do": "thrust", "section": "cervical", "peak_n": 1, "rise_ms": 1}, "section"),
        ({"do": "thrust", "section": "pelvic", "peak_n": 0, "rise_ms": 1}, "peak_n"),
        ({"do": "thrust", "section": "pelvic", "peak_n": 3_001, "rise_ms": 1}, "peak_n"),
        ({"do": "thrust", "section": "pelvic", "peak_n": "400", "rise_ms": 1}, "peak_n"),
        # Each value is possible, both together are no thrust.
        (
            {"do": "thrust", "section": "pelvic", "peak_n": 10, "rise_ms": 9, "preload_n": 50},
            "a thrust rises from its preload",
        ),
        ({"do": "patient", "load_n": [1, 2]}, "load_n"),
        ({"do": "patient", "load_n": [1, 2, -3]}, "load_n"),
        ({"do": "patient", "load_n": [1, 2, float("nan")]}, "load_n"),
        ({"do": "pedal", "down": 1}, "down"),
        ({"do": "pedal", "down": True, "hard": True}, "hard"),
        ({"do": "supply", "mv": 65_536}, "mv"),
    ],
)
async def test_what_no_table_takes_is_refused_with_the_reason(
    hand: Hand, deed: dict[str, Any], says: str
) -> None:
    before = hand.mechanics.inputs()
    with pytest.raises(DeedRefused, match=f"the simulator refused: .*{says}"):
        await ask(hand.address, deed)
    assert hand.mechanics.inputs() == before
    assert hand.mechanics.faults == ()
    assert await ask(hand.address, {"do": "truth"})


async def lines(address: str, *sent: bytes) -> list[dict[str, Any]]:
    """What one client is answered, line by line, until it is let go."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answers = []
    try:
        for line in sent:
            writer.write(line)
            if not (answer := await reader.readline()):
                break
            answers.append(json.loads(answer))
    finally:
        writer.close()
        await writer.wait_closed()
    return answers


async def test_one_client_may_do_many_things_and_be_wrong_in_between(hand: Hand) -> None:
    pedal = b'{"do": "pedal", "down": true}\n'
    answers = await lines(hand.address, pedal, b"not json\n", b"[1]\n", b"\xff\xfe\n", pedal)
    assert [answer["ok"] for answer in answers] == [True, False, False, False, True]
    assert all(answer["error"] for answer in answers if not answer["ok"])


async def test_a_line_without_an_end_costs_only_its_client(hand: Hand) -> None:
    assert await lines(hand.address, b"x" * (4 * LINE_MAX_BYTES)) == []
    assert await ask(hand.address, {"do": "truth"})


async def test_a_client_that_stays_does_not_keep_the_port_open() -> None:
    hand = Hand()
    address = await hand.port.open(LOOPBACK, 0)
    host, _, number = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(number))
    writer.write(b'{"do": "truth"}\n')
    assert await reader.readline()
    async with asyncio.timeout(5):
        await hand.port.close()
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:99999", ":::"])
async def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(ControlError, match="no simulator answers at"):
        await ask(address, {"do": "truth"})


async def test_that_nobody_listens_is_told_with_the_remedy() -> None:
    with pytest.raises(ControlError, match="droptable-sim serve --link LINK --control HOST:PORT"):
        await ask(f"{LOOPBACK}:{free_port()}", {"do": "truth"})


@pytest.mark.parametrize(
    "answer", [b"", b"220 mail.example ESMTP\r\n", b"[1]\n", b"{}\n", b"\xff\n"]
)
async def test_another_program_at_that_port_is_told(answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(other, LOOPBACK, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ControlError, match="no simulator answers at"):
            await ask(f"{LOOPBACK}:{port}", {"do": "truth"})
