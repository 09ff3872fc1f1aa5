"""`link decode` and `link monitor`: every byte is explained, junk included, and no board is moved."""

import asyncio
import io
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from droptable.board.model import Kind
from droptable.cli.capture_file import _bytes_in
from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.frame_text import EVENT_NUMBERS, fields_of, frame_name
from droptable.cli.main import exit_code
from droptable.link.frames import Decoder, encode
from droptable.link.messages import (
    EVERY_MESSAGE,
    FROM_HOST,
    Beat,
    Command,
    Event,
    Hello,
    Message,
    Param,
    ParamSet,
    Text,
    Time,
)
from firmware_sim.serve import serve
from tests.cli.conftest import Command as Run
from tests.link.samples import ANY_MESSAGE, GOLDEN, SEQS, SESSIONS, boot, raw_frame, status, welcome

GOLDEN_HEX = "\n".join(golden.wire.hex(" ") for golden in GOLDEN)


# decode


def stdin_is(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_every_kind_is_told_by_name_field_by_field(droptable: Run, tmp_path: Path) -> None:
    (tmp_path / "capture").write_bytes(b"".join(golden.wire for golden in GOLDEN))
    told = droptable("link", "decode", str(tmp_path / "capture"), "--json")
    documents = [json.loads(line) for line in told.out.splitlines()]
    assert len(documents) == len(GOLDEN)
    offset = 0
    for golden, document in zip(GOLDEN, documents, strict=True):
        assert document["schema"] == "link-frame/1"
        assert document["name"] == golden.name
        assert (document["offset"], document["bytes"]) == (offset, len(golden.wire))
        assert (document["seq"], document["session"]) == (golden.seq, golden.session)
        assert document["from"] == ("host" if type(golden.message).TYPE in FROM_HOST else "board")
        assert bytes.fromhex(document["encoded"]) + b"\0" == golden.wire
        names = [name.partition(".")[0] for name in document["fields"]]
        assert list(dict.fromkeys(names)) == [field.name for field in fields(golden.message)]
        offset += len(golden.wire)


def test_hex_digits_are_taken_as_well_as_bytes(
    droptable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin_is(monkeypatch, b"".join(golden.wire for golden in GOLDEN))
    from_bytes = droptable("link", "decode")
    stdin_is(monkeypatch, GOLDEN_HEX.encode())
    assert droptable("link", "decode", "-").out == from_bytes.out
    listed = ", ".join(f"0x{byte:02X}" for golden in GOLDEN for byte in golden.wire)
    stdin_is(monkeypatch, f"# a note\n{listed}  # and the end\r\n".encode())
    assert droptable("link", "decode", "-").out == from_bytes.out


def test_units_and_words_stand_beside_the_numbers(
    droptable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [
        encode(0, 7, Hello()),
        encode(1, 7, Beat(3, 10)),
        encode(2, 7, Command(1, 2, 2, 0xFF, 250, 10, 5000)),
        encode(3, 7, Command(2, 8, 0xFF, 0xFF, 250, 10, 1)),
        encode(4, 7, ParamSet(3, 0, 15, 19_000)),
        encode(5, 7, Param(3, 0, 9, -120)),
        encode(6, 7, status(2_500_000)),
        encode(7, 7, Event(1, 2, 3, 7, 2, 49_000, 5201, 3211)),
        encode(8, 7, Event(1, 3, 3, 6, 2, 2, 0, 0)),
        encode(9, 7, Event(1, 4, 3, 15, 255, 1, 0, 0)),
    ]
    stdin_is(monkeypatch, b"".join(frames))
    lines = droptable("link", "decode").out.splitlines()
    for line, words in zip(
        lines,
        [
            ["0 host HELLO seq=0 session=0x00000007 proto_major=1"],
            ["flags=3 (lease live, hold pressed)", "host_ms=10 (10 ms)"],
            ["verb=2 (ARM)", "section=2 (pelvic)", "expect=255 (any)", "arg=5000 (window 5000 ms)"],
            ["verb=8 (MAINTENANCE)", "section=255 (table)", "arg=1 (enter)"],
            ["key=15 (DROP_HEIGHT_UM)", "value=19000 (19.000 mm)"],
            ["key=9 (LOAD_SPAN_UN)", "value=-120 (-120 µN a count or step)"],
            [
                "board_us=2500000 (2.500000 s)",
                "flags=4 (session alive)",
                "supply_mv=24000 (24.000 V)",
                "air_kpa=600 (600 kPa)",
                "lumbar.phase=1 (LOCKED)",
                "lumbar.fault=0 (NONE)",
                "lumbar.inputs=14 (down, pin, load cell valid)",
                "lumbar.outputs=0 (none)",
                "lumbar.tension_dn=2500 (250.0 N)",
            ],
            ["a=49000 (fall_us 49.000 ms)", "b=5201 (peak_load_dn 520.1 N)", "c=3211 (load_dn 321"],
            ["kind=6 (DISARMED)", "a=2 (reason WINDOW_OVER)", "b=0 c=0"],
            ["kind=15 (PEDAL)", "a=1 (down down)"],
        ],
        strict=True,
    ):
        for word in words:
            assert word in line


def test_what_no_word_is_for_stays_a_number() -> None:
    strange = [
        *fields_of(Command(1, 77, 9, 55, 250, 10)),
        *fields_of(Event(1, 2, 3, 99, 9, 1, 2, 3)),
    ]
    words = {field.name: field.word for field in strange}
    assert [words[name] for name in ("verb", "section", "expect", "kind", "a")] == [None] * 5
    (flags, *_) = fields_of(Beat(0x85, 0))
    assert str(flags) == "flags=133 (lease live, unknown 0x84)"


def test_every_event_kind_says_what_its_numbers_are() -> None:
    assert EVENT_NUMBERS.keys() == set(Kind)


def test_names_are_those_of_the_golden_frames() -> None:
    known = {frame_name(kind) for kind in EVERY_MESSAGE.values()}
    assert known >= {golden.name for golden in GOLDEN}
    assert len(known) == len(EVERY_MESSAGE)


def test_text_of_a_board_cannot_move_the_cursor(
    droptable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin_is(monkeypatch, encode(0, 7, Text(2, "\x1b[2Jgone\r\n\x07")))
    out = droptable("link", "decode").out
    assert out.count("\n") == 1
    assert "text='\\x1b[2Jgone\\r\\n\\x07'" in out


def test_what_is_no_frame_is_shown_with_its_reason_and_code_8(
    droptable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_crc = bytearray(encode(1, 7, Beat(1, 5)))
    bad_crc[-2] ^= 0x10
    stdin_is(
        monkeypatch,
        encode(0, 7, Hello()) + b"\x09\x01\0" + bytes(bad_crc) + raw_frame(0x44, b"") + b"tail",
    )
    told = droptable("link", "decode")
    assert told.code == ExitCode.FOUND_PROBLEM
    assert [line.split()[:3] for line in told.out.splitlines()] == [
        ["0", "host", "HELLO"],
        ["15", "DISCARDED", "cobs"],
        ["18", "DISCARDED", "crc"],
        [str(18 + len(bad_crc)), "DISCARDED", "type"],
    ]
    assert "DISCARDED cobs bytes=3 09 01" in told.out
    assert told.err.strip() == (
        "1 frames; 3 discarded (cobs 1, crc 1, type 1); 4 bytes at the end without a 0x00 "
        "behind them."
    )


def test_a_repeated_frame_and_a_gap_are_shown(
    droptable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, five = encode(1, 7, Beat(1, 5)), encode(5, 7, Beat(1, 50))
    stdin_is(monkeypatch, one + one + five)
    told = droptable("link", "decode")
    first, second, third = told.out.splitlines()
    assert "DISCARDED" not in first
    assert "DISCARDED sequence bytes=18 host BEAT" in second
    assert "(3 lost) host BEAT" in third


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"05 0", "Line 1 of the capture: its last byte is half"),
        (b"05\nzz", "Line 2 of the capture: b'z' is no hex digit"),
        (b"0x5x", "b'x' is no hex digit"),
    ],
)
def test_text_that_is_no_hex_is_a_usage_error(
    droptable: Run, monkeypatch: pytest.MonkeyPatch, data: bytes, said: str
) -> None:
    stdin_is(monkeypatch, data)
    told = droptable("link", "decode")
    assert told.code == ExitCode.USAGE
    assert said in told.err
    assert "two a byte" in told.err


def test_a_capture_that_cannot_be_read_is_a_usage_error(droptable: Run, tmp_path: Path) -> None:
    for source in (tmp_path / "none", tmp_path):
        told = droptable("link", "decode", str(source))
        assert told.code == ExitCode.USAGE
        assert "cannot be read" in told.err
    assert droptable("link", "decode", "a\0b").code == ExitCode.USAGE


def test_an_empty_capture_is_a_finding(droptable: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_is(monkeypatch, b"")
    told = droptable("link", "decode")
    assert (told.code, told.err.strip()) == (ExitCode.FOUND_PROBLEM, "0 frames.")


def test_a_long_capture_is_read_in_pieces(
    droptable: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beats = [encode(n % 65_536, 7, Beat(1, n)) for n in range(3000)]
    (tmp_path / "raw").write_bytes(b"".join(beats))
    (tmp_path / "hex").write_text("\n".join(beat.hex() for beat in beats))
    monkeypatch.setattr("droptable.cli.capture_file._CHUNK_BYTES", 999)
    raw, hexed = (droptable("link", "decode", str(tmp_path / form)) for form in ("raw", "hex"))
    assert raw.code == ExitCode.DONE
    assert raw.err == "3000 frames.\n"
    assert raw.out == hexed.out


def test_a_capture_that_still_grows_is_told_as_it_comes() -> None:
    class Port(io.BytesIO):
        reads = 0

        def read1(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return encode(self.reads, 7, Beat(1, 5))

    port = Port()
    assert next(_bytes_in(port)) == encode(1, 7, Beat(1, 5))
    assert port.reads == 1


@given(
    st.one_of(
        st.binary(max_size=400),
        st.text("0123456789abcdef x,#\n", max_size=200).map(str.encode),
        st.lists(st.builds(encode, SEQS, SESSIONS, ANY_MESSAGE), max_size=5).map(b"".join),
        st.lists(st.builds(raw_frame, st.integers(0, 255), st.binary(max_size=53))).map(b"".join),
    ),
    st.booleans(),
)
@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_bytes_break_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: bytes, as_json: bool
) -> None:
    stdin_is(monkeypatch, data)
    code = exit_code(["link", "decode", *(["--json"] if as_json else [])])
    out, err = capfd.readouterr()
    assert code in (ExitCode.DONE, ExitCode.USAGE, ExitCode.FOUND_PROBLEM)
    assert "Traceback" not in err
    if as_json:
        lines = out.split("\n")[:-1]
        assert all(json.loads(line)["schema"] == "link-frame/1" for line in lines)
    else:
        assert all(character == "\n" or character.isprintable() for character in out)


@given(ANY_MESSAGE)
def test_every_message_has_words(message: Message) -> None:
    for field in fields_of(message):
        assert re.match(r"[a-z_.]+=", str(field))
        assert str(field).isprintable()


# monitor


@contextmanager
def in_a_thread(play: Callable[[asyncio.Event], object]) -> Iterator[None]:
    """`play` in a loop of its own until this is left; its event is set then."""
    ended: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def main() -> None:
        event = asyncio.Event()
        ended.put((asyncio.get_running_loop(), event))
        await play(event)  # type: ignore[misc]

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    loop, event = ended.get(timeout=10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(event.set)
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[str]:
    """The link to a simulated board that has just started."""
    link = f"unix:{tmp_path}/board"
    there = threading.Event()

    def announce(_link: str, _control: str | None) -> None:
        there.set()

    def play(ended: asyncio.Event) -> object:
        return serve(
            link,
            control=None,
            seed=1,
            hw_id="SIM00001",
            params_file=None,
            announce=announce,  # type: ignore[arg-type]
            ended=ended,
        )

    with in_a_thread(play):
        assert there.wait(10)
        yield link


@contextmanager
def scripted_board(
    path: Path,
    *sends: bytes,
    heard: list[bytes] | None = None,
    answer: Callable[[bytes], bytes] | None = None,
) -> Iterator[str]:
    """A board that says what it is told to, answers the first that it hears, and keeps the rest.

    Without a place to keep it, it hangs up.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen(1)

        def play() -> None:
            host, _ = sock.accept()
            with host:
                for send in sends:
                    host.sendall(send)
                host.settimeout(5)
                while heard is not None and (received := host.recv(4096)):
                    if answer is not None and not heard:
                        host.sendall(answer(received))
                    heard.append(received)

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield f"unix:{path}"
        finally:
            thread.join(timeout=10)
            assert not thread.is_alive()


def test_it_shows_what_the_board_says_and_sends_nothing(droptable: Run, tmp_path: Path) -> None:
    heard: list[bytes] = []
    says = encode(0, 0, boot()) + encode(5, 9, status(1000))
    with scripted_board(tmp_path / "b", says, heard=heard) as link:
        told = droptable("link", "monitor", link, "--count", "2", "--json")
    assert told.code == ExitCode.DONE
    first, second = (json.loads(line) for line in told.out.splitlines())
    assert (first["name"], second["name"]) == ("BOOT", "STATUS")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["at"])
    assert second["words"]["pelvic.phase"] == "LOCKED"
    assert heard == []
    assert "No daemon has this board meanwhile" in told.err


def test_it_shows_as_many_frames_as_it_was_asked_for(droptable: Run, tmp_path: Path) -> None:
    with scripted_board(tmp_path / "b", encode(0, 0, boot()) * 5, heard=[]) as link:
        told = droptable("link", "monitor", link, "--count", "3")
    assert told.out.count("BOOT") == told.out.count("\n") == 3


def test_a_simulated_board_is_heard_without_a_session(droptable: Run, simulator: str) -> None:
    told = droptable("link", "monitor", simulator, "--count", "1", "--timeout", "20")
    assert told.code == ExitCode.DONE
    assert "board BOOT seq=" in told.out
    assert "reset_cause=1 (power-on)" in told.out


def test_with_a_session_it_shows_what_the_board_keeps_again_and_again(
    droptable: Run, simulator: str
) -> None:
    for _ in range(2):
        told = droptable("link", "monitor", simulator, "--session", "--count", "14", "--json")
        assert told.code == ExitCode.DONE
        documents = [json.loads(line) for line in told.out.splitlines()]
        assert {"WELCOME", "STATUS", "EVENT"} <= {document["name"] for document in documents}
        # Not one event was acknowledged, the second time either.
        welcome = next(d for d in documents if d["name"] == "WELCOME")
        assert welcome["fields"]["first_event_seq"] == 1
        alive = [d["words"]["flags"] for d in documents if d["name"] == "STATUS"]
        assert "session alive, params incomplete" in alive


def test_its_session_has_no_lease_and_asks_for_nothing(droptable: Run, tmp_path: Path) -> None:
    heard: list[bytes] = []

    def answer(received: bytes) -> bytes:
        """A board that welcomes its host and has an event to be acknowledged."""
        (hello,) = Decoder(FROM_HOST).feed(received)
        event = Event(77, 1, 5, Kind.BOOTED, 255, 1, 0, 0)
        said = enumerate((welcome(), event, status(5)))
        return b"".join(encode(seq, hello.session, message) for seq, message in said)

    with scripted_board(tmp_path / "b", heard=heard, answer=answer) as link:
        told = droptable("link", "monitor", link, "--session", "--timeout", "0.4")
    assert told.code == ExitCode.DONE
    assert "EVENT" in told.out
    said = [frame.message for frame in Decoder(FROM_HOST).feed(b"".join(heard))]
    assert {type(message) for message in said} == {Hello, Beat, Time}
    assert {message.flags for message in said if isinstance(message, Beat)} == {0}


def test_silence_and_garbage_are_told_apart_and_end_with_code_5(
    droptable: Run, tmp_path: Path
) -> None:
    with scripted_board(tmp_path / "b", heard=[]) as link:
        told = droptable("link", "monitor", link, "--timeout", "0.2")
    assert (told.code, told.out) == (ExitCode.TIMEOUT, "")
    assert "LINK_SILENT: no frame came in 0.2 s" in told.err
    with scripted_board(tmp_path / "c", b"\xff" * 90 + b"\0\x05\0", heard=[]) as link:
        told = droptable("link", "monitor", link, "--timeout", "0.2")
    assert told.code == ExitCode.TIMEOUT
    assert "DISCARDED length" in told.out
    assert "LINK_GARBAGE" in told.err


def test_too_few_frames_end_with_code_5_and_enough_time_with_0(
    droptable: Run, tmp_path: Path
) -> None:
    with scripted_board(tmp_path / "b", encode(0, 0, boot()), heard=[]) as link:
        told = droptable("link", "monitor", link, "--count", "2", "--timeout", "0.2")
    assert told.code == ExitCode.TIMEOUT
    assert "1 of 2 frames within 0.2 s." in told.err
    with scripted_board(tmp_path / "c", encode(0, 0, boot()), heard=[]) as link:
        assert droptable("link", "monitor", link, "--timeout", "0.2").code == ExitCode.DONE


def test_silence_is_told_while_it_goes_on(
    droptable: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("droptable.cli.monitor.DIAGNOSE_AFTER_US", 50_000)
    with scripted_board(tmp_path / "b", heard=[]) as link:
        told = droptable("link", "monitor", link, "--timeout", "0.3")
    assert told.err.count("LINK_SILENT") == 2


def test_a_board_of_another_version_is_named(droptable: Run, tmp_path: Path) -> None:
    frame = encode(0, 0, boot(proto_major=2))
    with scripted_board(tmp_path / "b", frame, heard=[]) as link:
        told = droptable("link", "monitor", link, "--session", "--timeout", "0.3")
    assert "LINK_VERSION: the board speaks version 2" in told.err
    assert "proto_major=2" in told.out


def test_a_board_that_is_lost_or_not_there_is_told_with_what_to_check(
    droptable: Run, tmp_path: Path
) -> None:
    with scripted_board(tmp_path / "b", encode(0, 0, boot())) as link:
        told = droptable("link", "monitor", link)
    assert told.code == ExitCode.REFUSED
    assert "LINK_VANISHED: the board closed the link. Check" in told.err
    assert "BOOT" in told.out
    told = droptable("link", "monitor", f"unix:{tmp_path}/none")
    assert told.code == ExitCode.REFUSED
    assert "LINK_UNREACHABLE" in told.err


@pytest.mark.parametrize("link", ["nonsense", "tcp:1.2.3.4", "unix:", "sim"])
def test_a_link_that_is_none_is_a_usage_error(droptable: Run, link: str) -> None:
    told = droptable("link", "monitor", link)
    assert told.code == ExitCode.USAGE
    assert told.err.strip().endswith(".")


def test_a_reader_that_leaves_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, droptable: Run
) -> None:
    def gone(_text: str) -> None:
        raise CommandError(ExitCode.DONE, "")

    monkeypatch.setattr("droptable.cli.link.put", gone)
    with scripted_board(tmp_path / "b", encode(0, 0, boot()) * 3, heard=[]) as link:
        began = time.monotonic()
        assert droptable("link", "monitor", link, "--timeout", "20").code == ExitCode.DONE
        assert time.monotonic() - began < 10
