"""Frames: the golden vectors both ways, in any pieces, among any junk, and nothing but them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.link.frames import DELIMITER, MAX_ENCODED_BYTES, Decoder, Discard, Frame, encode
from droptable.link.messages import (
    EVERY_MESSAGE,
    FROM_BOARD,
    FROM_HOST,
    Beat,
    Hello,
    Stop,
    Text,
)
from tests.link.samples import (
    ANY_MESSAGE,
    EVERY_KIND,
    GOLDEN,
    SEQS,
    SESSIONS,
    VECTORS,
    Golden,
    any_of,
    chunks_of,
    raw_frame,
)

golden = pytest.mark.parametrize("vector", GOLDEN, ids=lambda vector: f"{vector.name}-{vector.seq}")

BEAT = encode(3, 9, Beat(flags=1, host_ms=1000))
FRAMES_OF = {
    direction: [vector for vector in GOLDEN if vector.types is types]
    for direction, types in (("host", FROM_HOST), ("board", FROM_BOARD))
}


def expected(vector: Golden) -> Frame:
    return Frame(vector.seq, vector.session, vector.message)


def test_every_message_but_text_and_trace_has_a_golden_vector() -> None:
    with_vector = {type(vector.message).__name__ for vector in GOLDEN}
    assert {kind.__name__ for kind in EVERY_KIND} - with_vector == {"Text", "Trace"}


@golden
def test_a_golden_frame_is_written_byte_for_byte(vector: Golden) -> None:
    assert encode(vector.seq, vector.session, vector.message) == vector.wire


@golden
def test_a_golden_frame_is_read_whole(vector: Golden) -> None:
    decoder = Decoder(vector.types)
    assert decoder.feed(vector.wire) == [expected(vector)]
    assert not decoder.discards


@golden
def test_a_golden_frame_is_read_byte_by_byte_and_only_at_its_end(vector: Golden) -> None:
    decoder = Decoder(vector.types)
    for byte in vector.wire[:-1]:
        assert decoder.feed(bytes((byte,))) == []
    assert decoder.feed(vector.wire[-1:]) == [expected(vector)]
    assert not decoder.discards


@given(st.sampled_from(["host", "board"]), st.data())
def test_golden_frames_survive_any_cuts(direction: str, data: st.DataObject) -> None:
    vectors = data.draw(st.permutations(FRAMES_OF[direction]))
    decoder = Decoder(vectors[0].types)
    pieces = chunks_of(data, b"".join(vector.wire for vector in vectors))
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    assert frames == [expected(vector) for vector in vectors]
    assert not decoder.discards


@golden
def test_a_frame_with_any_bit_flipped_is_discarded(vector: Golden) -> None:
    for bit in range(8 * len(vector.wire)):
        flipped = bytearray(vector.wire)
        flipped[bit // 8] ^= 1 << bit % 8
        decoder = Decoder(EVERY_MESSAGE)
        assert decoder.feed(bytes(flipped) + DELIMITER) == [], f"bit {bit}"
        assert decoder.discards.total() >= 1, f"bit {bit}"
        assert decoder.feed(BEAT) == [Frame(3, 9, Beat(1, 1000))], f"after bit {bit}"


@pytest.mark.parametrize("bad", VECTORS["bad"], ids=lambda bad: f"{bad['why']}-{bad['wire'][:6]}")
def test_a_bad_golden_frame_is_counted_once_under_its_reason(bad: dict[str, str]) -> None:
    decoder = Decoder(FROM_HOST)
    assert decoder.feed(bytes.fromhex(bad["wire"])) == []
    assert decoder.discards == Counter({Discard(bad["why"]): 1})


# Among junk

_JUNK = st.binary(max_size=200).map(lambda junk: junk + DELIMITER)


@given(st.lists(st.tuples(_JUNK, ANY_MESSAGE, SEQS, SESSIONS), max_size=6), _JUNK, st.data())
def test_junk_before_between_and_after_costs_no_frame(
    parts: list[tuple[bytes, Beat, int, int]], last: bytes, data: st.DataObject
) -> None:
    stream = b"".join(junk + encode(seq, session, m) for junk, m, seq, session in parts) + last
    decoder = Decoder(EVERY_MESSAGE)
    frames = [frame for piece in chunks_of(data, stream) for frame in decoder.feed(piece)]
    assert frames == [Frame(seq, session, message) for _, message, seq, session in parts]


def test_junk_without_an_end_spoils_one_frame_and_no_more() -> None:
    decoder = Decoder(FROM_HOST)
    assert decoder.feed(b"\x17\x2a" + BEAT + BEAT) == [Frame(3, 9, Beat(1, 1000))]
    assert decoder.discards.total() == 1


def test_empty_frames_are_dropped_in_silence() -> None:
    decoder = Decoder(FROM_HOST)
    assert decoder.feed(DELIMITER * 1000 + BEAT + DELIMITER * 3) == [Frame(3, 9, Beat(1, 1000))]
    assert not decoder.discards


@pytest.mark.parametrize("piece_bytes", [1, 64, 65, 66, 4096, 1 << 21])
def test_megabytes_of_garbage_are_counted_once_and_never_kept(piece_bytes: int) -> None:
    garbage = bytes(1 + at % 255 for at in range(piece_bytes))
    decoder = Decoder(FROM_HOST)
    for _ in range(max(1, (1 << 21) // piece_bytes) if piece_bytes > 1 else 100_000):
        assert decoder.feed(garbage) == []
        assert len(decoder._partial) <= MAX_ENCODED_BYTES
    assert decoder.discards == Counter({Discard.LENGTH: 1})
    assert decoder.feed(DELIMITER + BEAT) == [Frame(3, 9, Beat(1, 1000))]
    assert decoder.discards == Counter({Discard.LENGTH: 1})


def test_each_overlong_frame_is_counted_by_itself() -> None:
    decoder = Decoder(FROM_HOST)
    decoder.feed((b"\x05" * 200 + DELIMITER) * 7)
    assert decoder.discards == Counter({Discard.LENGTH: 7})


def test_the_longest_frame_is_accepted_and_a_byte_more_is_overlong() -> None:
    longest = encode(1, 9, Text(2, "x" * 52))
    assert len(longest) == MAX_ENCODED_BYTES + 1
    decoder = Decoder(FROM_BOARD)
    assert decoder.feed(longest) == [Frame(1, 9, Text(2, "x" * 52))]
    assert decoder.feed(raw_frame(Text.TYPE, b"\2" + b"x" * 53)) == []
    assert decoder.discards == Counter({Discard.LENGTH: 1})


# The order of the reasons


def spoil_crc(wire: bytes) -> bytes:
    """`wire` with another last byte of its CRC, still good COBS."""
    return wire[:-2] + bytes((wire[-2] % 255 + 1,)) + DELIMITER


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x20\x01\x02\0", Discard.COBS),
        (b"\x30" + b"\x01" * 20 + DELIMITER, Discard.COBS),
        (b"\x0b" + b"\x07" * 10 + DELIMITER, Discard.LENGTH),
        (spoil_crc(raw_frame(0x3F, b"\1\1")), Discard.CRC),
        (spoil_crc(raw_frame(Stop.TYPE, b"\1\1\1")), Discard.CRC),
        (raw_frame(0x3F, b""), Discard.TYPE),
        (raw_frame(0x00, b"\1\1\1\1"), Discard.TYPE),
        (raw_frame(Stop.TYPE, b"\1"), Discard.LENGTH),
    ],
    ids=["cobs", "cobs-of-any-length", "ten-bytes", "crc-type", "crc-payload", "type", "0", "pay"],
)
def test_the_first_reason_that_applies_is_counted(wire: bytes, reason: Discard) -> None:
    decoder = Decoder(FROM_HOST)
    assert decoder.feed(wire) == []
    assert decoder.discards == Counter({reason: 1})


def test_the_reasons_stand_in_the_order_of_the_contract() -> None:
    order = ["cobs", "length", "crc", "type", "session", "sequence", "stale"]
    assert [reason.value for reason in Discard] == order


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_message_of_the_wrong_direction_is_an_unknown_type(
    kind: type[Beat], data: st.DataObject
) -> None:
    others = FROM_BOARD if kind in FROM_HOST.values() else FROM_HOST
    decoder = Decoder(others)
    assert decoder.feed(encode(0, 9, data.draw(any_of(kind)))) == []
    assert decoder.discards == Counter({Discard.TYPE: 1})


FIXED = [kind for kind in EVERY_KIND if kind.__name__ not in ("Text", "Trace")]


@pytest.mark.parametrize("kind", FIXED, ids=lambda kind: kind.__name__)
def test_a_payload_is_exactly_as_long_as_its_type_says(kind: type[Beat]) -> None:
    for length in range(54):
        decoder = Decoder({kind.TYPE: kind})
        frames = decoder.feed(raw_frame(kind.TYPE, b"\1" * length))
        if length == kind.LAYOUT.size:
            assert len(frames) == 1
        else:
            assert frames == []
            assert decoder.discards == Counter({Discard.LENGTH: 1})


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_message_comes_back_as_it_was(kind: type[Beat], data: st.DataObject) -> None:
    frame = Frame(data.draw(SEQS), data.draw(SESSIONS), data.draw(any_of(kind)))
    wire = encode(frame.seq, frame.session, frame.message)
    assert len(wire) <= MAX_ENCODED_BYTES + 1
    assert wire.count(DELIMITER) == 1
    assert Decoder(EVERY_MESSAGE).feed(wire) == [frame]


@given(st.binary(max_size=400))
def test_no_bytes_make_the_decoder_raise(noise: bytes) -> None:
    decoder = Decoder(EVERY_MESSAGE)
    decoder.feed(noise)
    decoder.feed(DELIMITER)
    assert decoder.feed(encode(0, 0, Hello())) == [Frame(0, 0, Hello())]
