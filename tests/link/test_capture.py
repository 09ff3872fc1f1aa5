"""A capture shows what a decoder counts: the same frames, the same reasons, each in its place."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from droptable.link.capture import Capture, Piece
from droptable.link.frames import Decoder, Discard, encode
from droptable.link.messages import EVERY_MESSAGE, Beat, Hello, Message, Stop, Time
from tests.link.samples import ANY_MESSAGE, SEQS, SESSIONS, boot, raw_frame, status, welcome

SESSION = 0x1D0C5A7E

FRAMES = st.builds(encode, SEQS, SESSIONS, ANY_MESSAGE)
JUNK = st.one_of(st.binary(max_size=150), st.binary(max_size=90).map(lambda junk: junk + b"\0"))
TORN = st.tuples(FRAMES, st.integers(0, 70), st.integers(0, 255)).map(
    lambda parts: parts[0][: parts[1]] + bytes([parts[2]]) + parts[0][parts[1] :]
)
STREAMS = st.lists(st.one_of(FRAMES, JUNK, TORN), max_size=12).map(b"".join)


def pieces_of(*frames: bytes) -> list[Piece]:
    return Capture().feed(b"".join(frames))


def said(seq: int, message: Message, session: int = SESSION) -> bytes:
    return encode(seq, session, message)


@given(STREAMS, st.lists(st.integers(1, 40), max_size=30))
def test_it_finds_what_a_decoder_finds_and_loses_no_byte(stream: bytes, cuts: list[int]) -> None:
    decoder, capture = Decoder(EVERY_MESSAGE), Capture()
    decoded, pieces, rest = [], [], stream
    for cut in [*cuts, len(stream)]:
        part, rest = rest[:cut], rest[cut:]
        decoded += decoder.feed(part)
        pieces += capture.feed(part)
    assert [piece.frame for piece in pieces if piece.frame] == decoded
    own = Counter(piece.discard for piece in pieces if piece.discard not in (None, "sequence"))
    tail = capture.unended > 65  # a decoder counts at once what a capture shows at its end
    assert own.total() + tail == decoder.discards.total()
    for piece in pieces:
        wire = stream[piece.offset : piece.offset + piece.size]
        assert wire[:-1].startswith(piece.encoded)
        assert wire.index(0) == piece.size - 1
    between = stream.replace(b"\0", b"")
    assert sum(piece.size - 1 for piece in pieces) + capture.unended == len(between)


@given(st.binary(max_size=3000))
def test_it_never_holds_more_than_a_frame(junk: bytes) -> None:
    capture = Capture()
    pieces = capture.feed(junk)
    assert all(len(piece.encoded) <= 65 for piece in pieces)
    assert len(capture._partial) <= 65


def test_each_reason_is_named_with_its_place() -> None:
    good = said(0, Hello())
    wrong_crc = bytearray(said(1, Beat(1, 5)))
    wrong_crc[-2] ^= 0x40
    pieces = pieces_of(
        good,
        b"\x09\x01\0",
        b"\x02\x41\0",
        bytes(wrong_crc),
        raw_frame(0x55, b""),
        raw_frame(0x01, b"\x01"),
        b"\x01" * 66 + b"\0",
        said(2, Beat(1, 5)),
    )
    assert [piece.discard for piece in pieces] == [
        None,
        Discard.COBS,
        Discard.LENGTH,
        Discard.CRC,
        Discard.TYPE,
        Discard.LENGTH,
        Discard.LENGTH,
        None,
    ]
    assert [piece.offset for piece in pieces[:3]] == [0, len(good), len(good) + 3]
    assert pieces[6].size == 67
    assert len(pieces[6].encoded) == 65


def test_what_lies_behind_the_last_zero_is_counted() -> None:
    capture = Capture()
    capture.feed(said(0, Hello()) + b"abc")
    assert capture.unended == 3
    (piece,) = capture.feed(b"d\0")
    assert (piece.offset, piece.size, piece.discard) == (15, 5, Discard.COBS)
    assert capture.unended == 0


def test_a_capture_may_begin_anywhere_and_then_counts_what_is_missing() -> None:
    first, second, repeated, late = pieces_of(
        said(65_534, Beat(1, 5)), said(2, Beat(1, 9)), said(2, Beat(1, 9)), said(1, Beat(1, 8))
    )
    assert (first.discard, first.lost) == (None, 0)
    assert (second.discard, second.lost) == (None, 3)
    assert (repeated.discard, late.discard) == (Discard.SEQUENCE, Discard.SEQUENCE)
    assert repeated.frame is not None


def test_each_sender_and_session_has_a_sequence_of_its_own() -> None:
    pieces = pieces_of(
        said(0, Hello()),
        said(0, welcome()),
        said(1, Time(5)),
        said(1, status(7)),
        said(0, Hello(), session=3),
        said(0, welcome(), session=3),
        said(2, status(9)),
    )
    assert [(piece.discard, piece.lost) for piece in pieces] == [(None, 0)] * 7


def test_boot_and_stop_are_never_out_of_sequence_and_hello_begins_one_only_once() -> None:
    pieces = pieces_of(
        encode(9, 0, boot()),
        encode(4, 0, boot()),
        said(5, Hello()),
        encode(0, 0, Stop(1)),
        said(6, Stop(1)),
        said(6, Stop(1)),
        said(7, Beat(1, 5)),
        said(5, Hello()),
        said(8, Beat(1, 9)),
    )
    assert [(piece.discard, piece.lost) for piece in pieces] == [(None, 0)] * 9


def test_more_sessions_than_it_keeps_do_no_harm() -> None:
    capture = Capture()
    for session in range(1, 100):
        (piece,) = capture.feed(said(0, welcome(), session=session))
        assert (piece.discard, piece.lost) == (None, 0)
    assert len(capture._windows) <= 8
