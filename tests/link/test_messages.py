"""Messages: their numbers, their lengths, and what happens at the edges of text and traces."""

import struct

import pytest

from droptable.link.messages import (
    FROM_BOARD,
    FROM_HOST,
    MAX_PAYLOAD_BYTES,
    MAX_TRACE_SAMPLES,
    NO_SAMPLE,
    Beat,
    Command,
    Event,
    PayloadLengthError,
    Text,
    TextLevel,
    Trace,
    Welcome,
)
from tests.link.samples import EVERY_KIND, status, welcome

CONTRACT = {
    "Hello": (0x01, 2),
    "Beat": (0x02, 5),
    "Command": (0x03, 15),
    "ParamSet": (0x04, 8),
    "ParamGet": (0x05, 4),
    "EventAck": (0x06, 8),
    "Stop": (0x07, 2),
    "Time": (0x08, 8),
    "TraceGet": (0x09, 10),
    "Boot": (0x80, 7),
    "Welcome": (0x81, 33),
    "Status": (0x82, 38),
    "Result": (0x83, 4),
    "Param": (0x84, 8),
    "Event": (0x85, 30),
    "TimeReply": (0x86, 20),
    "Text": (0x87, None),
    "Trace": (0x88, 15),
}
"""Type and payload bytes (of TRACE: its head), counted by hand from the contract's table."""


def test_types_and_lengths_are_those_of_the_contract() -> None:
    ours = {
        kind.__name__: (kind.TYPE, kind.LAYOUT.size if hasattr(kind, "LAYOUT") else None)
        for kind in EVERY_KIND
    }
    assert ours == CONTRACT


def test_host_and_board_share_no_type() -> None:
    assert not FROM_HOST.keys() & FROM_BOARD.keys()
    assert all(kind < 0x80 for kind in FROM_HOST)
    assert all(kind >= 0x80 for kind in FROM_BOARD)


@pytest.mark.parametrize(
    "message",
    [
        Beat(flags=256, host_ms=0),
        Beat(flags=0, host_ms=1 << 32),
        Beat(flags=-1, host_ms=0),
        Command(1 << 16, 1, 0, 0, 100, 0),
        Command(1, 1, 0, 0, 100, 0, arg=1 << 31),
        Event(1, 1, 1 << 64, 1, 0, 0, 0, 0),
        status(-1),
        Trace(1, 1, 1000, 512, 0, (1 << 15,)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_value_that_its_field_cannot_hold_is_refused_and_never_wrapped(message: Beat) -> None:
    with pytest.raises(struct.error):
        message.payload()


@pytest.mark.parametrize("text", ["", "a", "x" * 52, "ä" * 26])
def test_a_text_that_fits_is_kept(text: str) -> None:
    line = Text(TextLevel.INFO, text)
    assert len(line.payload()) <= MAX_PAYLOAD_BYTES
    assert Text.parse(line.payload()) == line


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 53, "x" * 52),
        ("x" + "ä" * 26, "x" + "ä" * 25),
        ("💡" * 14, "💡" * 13),
        ("x" * 51 + "💡", "x" * 51),
    ],
)
def test_a_longer_text_is_cut_at_a_character(text: str, kept: str) -> None:
    assert Text.parse(Text(TextLevel.WARNING, text).payload()).text == kept


def test_a_text_that_is_not_utf8_is_shown_and_not_refused() -> None:
    assert Text.parse(b"\4pin \xff\xfe") == Text(TextLevel.ERROR, "pin \ufffd\ufffd")


def test_a_text_without_a_level_is_too_short() -> None:
    with pytest.raises(PayloadLengthError):
        Text.parse(b"")


@pytest.mark.parametrize("count", [0, 1, MAX_TRACE_SAMPLES])
def test_a_trace_holds_up_to_eighteen_samples(count: int) -> None:
    piece = Trace(1, 2, 1000, 512, 7, (NO_SAMPLE,) * count)
    assert len(piece.payload()) == 15 + 2 * count
    assert Trace.parse(piece.payload()) == piece


def test_a_trace_of_nineteen_samples_is_neither_written_nor_read() -> None:
    too_many = Trace(1, 2, 1000, 512, 0, (5,) * 19)
    with pytest.raises(PayloadLengthError):
        too_many.payload()
    head = Trace.LAYOUT.pack(1, 2, 1000, 512, 0, 19)
    assert len(head) + 38 == MAX_PAYLOAD_BYTES
    with pytest.raises(PayloadLengthError):
        Trace.parse(head + bytes(38))


@pytest.mark.parametrize("samples_bytes", [0, 2, 3, 5, 6])
def test_a_trace_whose_count_is_not_its_length_is_refused(samples_bytes: int) -> None:
    head = Trace.LAYOUT.pack(1, 2, 1000, 512, 0, 2)
    with pytest.raises(PayloadLengthError):
        Trace.parse(head + bytes(samples_bytes))
    with pytest.raises(PayloadLengthError):
        Trace.parse(head[:14])


def test_a_hardware_id_is_padded_cut_and_ascii() -> None:
    assert Welcome.parse(welcome(hw_id="TAB").payload()).hw_id == "TAB"
    assert Welcome.parse(welcome(hw_id="TABLE000123").payload()).hw_id == "TABLE000"
    assert Welcome.parse(welcome(hw_id="Käthe").payload()).hw_id == "K?the"
    foreign = bytearray(welcome(hw_id="SIM00001").payload())
    foreign[5] = 0xE4
    assert Welcome.parse(bytes(foreign)).hw_id == "?IM00001"


def test_a_status_names_its_sections_in_the_order_of_the_table() -> None:
    report = status(5)
    assert report.sections == (report.thoracic, report.lumbar, report.pelvic)
