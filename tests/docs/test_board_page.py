"""`docs/board.md` as a stranger reads it: its examples, its algorithms and its links hold."""

import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cobs import cobs
from google_crc32c import value as crc32c
from hypothesis import given
from hypothesis import strategies as st

from droptable.link.capture import Capture
from droptable.link.frames import encode
from droptable.link.messages import EVERY_MESSAGE, Event
from droptable.link.params import params_crc
from tests.link.samples import VECTORS, status
from tools.board_examples import BOOT_ID, EXAMPLES, SESSION

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/board.md").read_text()
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CODE = [block for language, block in FENCED if language == "python"]
GOOD, BAD = (block for language, block in FENCED if not language)


def algorithms() -> dict[str, Any]:
    """The functions that the page gives, as they stand there."""
    names: dict[str, Any] = {}
    for source in CODE:
        exec(source, names)
    return names


CRC32C = algorithms()["crc32c"]
COBS_DECODE = algorithms()["cobs_decode"]


def wire_of(block: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in block.splitlines() if line and line[0] != "#"]


# What it teaches


def test_its_crc_is_the_one_of_the_link() -> None:
    assert CRC32C(b"123456789") == 0xE3069283
    assert "0xE3069283" in PAGE


@given(st.binary(max_size=64))
def test_its_crc_is_right_for_any_bytes(content: bytes) -> None:
    assert CRC32C(content) == crc32c(content)


@given(st.one_of(st.binary(max_size=70), st.binary(max_size=64).map(cobs.encode)))
def test_its_cobs_takes_and_refuses_what_a_board_has_to(coded: bytes) -> None:
    if b"\0" in coded:
        return  # ended before
    try:
        plain = cobs.decode(coded)
    except cobs.DecodeError:
        plain = None
    assert COBS_DECODE(coded) == plain


# What it shows


def test_every_type_has_an_example_that_decodes_to_what_it_says() -> None:
    pieces = Capture().feed(b"".join(wire_of(GOOD)))
    assert len(pieces) == len(EXAMPLES)
    for piece, example in zip(pieces, EXAMPLES, strict=True):
        assert piece.frame is not None
        assert piece.frame.message == example.message
        assert (piece.frame.seq, piece.frame.session) == (example.seq, example.session)
        assert piece.discard is None
    assert {type(example.message) for example in EXAMPLES} == set(EVERY_MESSAGE.values())


def test_a_reader_of_the_page_alone_gets_the_same_bytes() -> None:
    notes = [line for line in GOOD.splitlines() if line.startswith("#   ")]
    for wire, note in zip(wire_of(GOOD), notes, strict=True):
        body, crc = (bytes.fromhex(part) for part in note.removeprefix("#   ").split("  crc "))
        assert COBS_DECODE(wire[:-1]) == body + crc
        assert struct.unpack("<I", crc) == (CRC32C(body),)
        _, _, session = struct.unpack_from("<BHI", body)
        assert session in (0, SESSION)


def test_each_bad_example_is_discarded_for_the_reason_that_stands_above_it() -> None:
    reasons = re.findall(r"^# (\w+): ", BAD, re.MULTILINE)
    pieces = Capture().feed(b"".join(wire_of(BAD)))
    assert [piece.discard for piece in pieces] == reasons
    assert Counter(reasons) == {"cobs": 1, "length": 3, "crc": 1, "type": 1}


def test_the_examples_are_its_own() -> None:
    golden = {bytes.fromhex(vector["wire"]) for vector in VECTORS["good"]}
    assert golden.isdisjoint(wire_of(GOOD))


def test_the_parameters_crc_can_be_worked_out_by_hand() -> None:
    (shown,) = re.findall(r"params_crc is 0x([0-9A-F]{8})\.", PAGE)
    entries = re.findall(r"section (\d+), key (\d+): (-?\d+)", PAGE)
    assert len(entries) == 3
    packed = b"".join(struct.pack("<BBi", *map(int, entry)) for entry in entries)
    assert CRC32C(packed) == int(shown, 16)
    values = {(int(section), int(key)): int(value) for section, key, value in entries}
    assert params_crc(values) == int(shown, 16)


# What it counts


def test_the_sizes_in_its_prose_are_those_of_the_frames() -> None:
    event = encode(0, SESSION, Event(BOOT_ID, 1, 1, 1, 0, 1, 1, 1))
    assert f"A STATUS has {len(encode(0, SESSION, status(1)))} bytes on the wire" in PAGE
    assert f"An EVENT has {len(event)}." in PAGE


def test_the_memory_adds_up() -> None:
    rows = re.findall(r"^\| (.+?) \| (\d+) \|$", PAGE.partition("## 13. Memory")[2], re.MULTILINE)
    *parts, (name, total) = rows
    assert name == "together"
    assert sum(int(size) for _, size in parts) == int(total) < 8192 - 2048


# Where it leads


def anchor(title: str) -> str:
    """The anchor of a title, as common renderers make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize(
    "document",
    sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")]),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_no_link_of_a_page_leads_nowhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        there = document.parent / name if name else document
        assert there.exists(), target
        if fragment:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert fragment in {anchor(title) for title in titles}, target
