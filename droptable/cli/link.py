"""Commands about the board link itself, for whoever builds or wires a board; they need no daemon."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from droptable.cli.conform import conform
from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import AsJson, Count, Timeout
from droptable.cli.output import put, put_document, say

if TYPE_CHECKING:
    from droptable.link.capture import Piece

app = typer.Typer(
    help="The board link, byte by byte: look at it, prove a board.", no_args_is_help=True
)

app.command("conform")(conform)

LinkArgument = Annotated[
    str,
    typer.Argument(
        metavar="LINK", help="serial:DEVICE, pty:PATH, tcp:HOST:PORT or unix:PATH of a board."
    ),
]
Baud = Annotated[
    int, typer.Option("--baud", metavar="N", help="The speed of a serial port.", show_default=True)
]


@app.command()
def decode(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Captured bytes, raw or as hex digits; - is stdin."),
    ] = "-",
    as_json: AsJson = False,
) -> None:
    """Take captured bytes apart: each frame, or why it is none (then code 8).

    Both directions may lie in one capture. What only a receiver can tell, a
    foreign session or a frame that came too late, is not judged.
    """
    from droptable.cli.capture_file import caught
    from droptable.link.capture import Capture

    capture = Capture()
    frames, discards = 0, Counter[str]()
    for chunk in caught(source):
        for piece in capture.feed(chunk):
            _show(piece, None, as_json)
            if piece.discard is None:
                frames += 1
            else:
                discards[piece.discard.value] += 1
    _sum_up(frames, discards, capture.unended)


def _sum_up(frames: int, discards: Counter[str], unended: int) -> None:
    told = [f"{frames} frames"]
    if discards:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(discards.items()))
        told.append(f"{discards.total()} discarded ({reasons})")
    if unended:
        told.append(f"{unended} bytes at the end without a 0x00 behind them")
    text = "; ".join(told) + "."
    if discards or not frames:
        raise CommandError(ExitCode.FOUND_PROBLEM, text)
    say(text)


@app.command()
def monitor(
    link: LinkArgument,
    as_json: AsJson = False,
    count: Count = None,
    timeout_s: Timeout = None,
    session: Annotated[
        bool,
        typer.Option(
            "--session",
            help="Open a session, without a lease: STATUS and kept events are shown as well.",
        ),
    ] = False,
    baud: Baud = 500_000,
) -> None:
    """Show every frame that a board sends, a line each, until Ctrl-C.

    A board serves one host, and the newest connection wins: never point this
    at a table that is in use. A daemon loses its board to it, the board makes
    the table safe, and the daemon takes the board back, which ends this.

    By itself it sends nothing: a board without a session sends BOOT, and STATUS
    and EVENT under the session that died last. With --session it opens one of
    its own, by which whatever was armed is disarmed. It takes no lease, so
    nothing can move, and it acknowledges no event.
    """
    from datetime import UTC

    from droptable.cli.monitor import listen
    from droptable.daemon.clock import SystemClock
    from droptable.errors import DroptableError
    from droptable.link.transport import parse_link

    try:
        address = parse_link(link, baud)
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"{error}.") from None
    clock = SystemClock()

    def show(piece: "Piece") -> None:
        at = clock.utc().astimezone(UTC).isoformat(timespec="microseconds")
        _show(piece, at.replace("+00:00", "Z"), as_json)

    say(f"Connecting to {address}. No daemon has this board meanwhile; Ctrl-C ends it.")
    try:
        asyncio.run(
            listen(address, show, clock=clock, session=session, count=count, timeout_s=timeout_s)
        )
    except DroptableError as error:
        text = f"{error.problem.code}: {error.detail}. Check the cable, the power and the link."
        raise CommandError(ExitCode.REFUSED, text) from None


# How a piece is shown


def _show(piece: "Piece", at: str | None, as_json: bool) -> None:
    if as_json:
        put_document(_document(piece, at))
    else:
        put(" ".join(_words(piece, at)))


def _words(piece: "Piece", at: str | None) -> Iterator[str]:
    from droptable.cli.frame_text import fields_of, frame_name, sender

    yield at or f"{piece.offset:8d}"
    if piece.discard is not None:
        yield f"DISCARDED {piece.discard.value} bytes={piece.size}"
    if piece.lost:
        yield f"({piece.lost} lost)"
    if piece.frame is None:
        yield piece.encoded.hex(" ")
        return
    message = piece.frame.message
    yield f"{sender(message)} {frame_name(type(message))}"
    yield f"seq={piece.frame.seq} session={piece.frame.session:#010x}"
    yield from map(str, fields_of(message))


def _document(piece: "Piece", at: str | None) -> dict[str, Any]:
    from droptable.cli.frame_text import fields_of, frame_name, sender

    document: dict[str, Any] = {
        "schema": "link-frame/1",
        "at": at,
        "offset": piece.offset,
        "bytes": piece.size,
        "encoded": piece.encoded.hex(),
        "discard": None if piece.discard is None else piece.discard.value,
        "lost": piece.lost,
    }
    if piece.frame is None:
        return document
    message = piece.frame.message
    fields = tuple(fields_of(message))
    return document | {
        "from": sender(message),
        "name": frame_name(type(message)),
        "type": message.TYPE,
        "seq": piece.frame.seq,
        "session": piece.frame.session,
        "fields": {field.name: field.value for field in fields},
        "words": {field.name: field.word for field in fields if field.word is not None},
    }
