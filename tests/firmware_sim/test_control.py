"""The hand's port: every deed, every refusal in a sentence, and no client that harms another."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from droptable.sections import Section
from firmware_sim.control import (
    LINE_MAX_BYTES,
    ControlError,
    ControlPort,
    Deed,
    DeedRefused,
    ask,
    carry_out,
)
from firmware_sim.mechanics import Mechanics
from tests.brokers import LOOPBACK, free_port


class Hand:
    """A table at rest, its port, and what was done through it."""

    def __init__(self) -> None:
        self.mechanics = Mechanics(seed=1)
        self.done: list[str] = []
        self.port = ControlPort(self.act)
        self.address = ""

    def act(self, deed: Deed) -> dict[str, Any]:
        self.done.append(deed.do)
        return carry_out(deed, self.mechanics)


@pytest.fixture
async def hand() -> AsyncIterator[Hand]:
    hand = Hand()
    hand.address = await hand.port.open(LOOPBACK, 0)
    yield hand
    await hand.port.close()


async def test_each_deed_reaches_the_table(hand: Hand) -> None:
    table = hand.mechanics
    assert await ask(hand.address, {"do": "patient", "load_n": [250, 150.5, 200]}) == {}
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
        "pin_in": True,
        "falling": False,
        "drops": 0,
    }
    assert truth["now_us"] == table.now_us
    assert hand.done == ["patient", "patient", "estop", "pedal", "supply", "air", "thrust", "truth"]


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ({"do": "dance"}, "dance"),
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
