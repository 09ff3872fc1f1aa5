"""The bytes of a capture, from a file or stdin: as they are, or as hex digits; never all at once."""

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from droptable.cli.exits import CommandError, ExitCode

STDIN = "-"

_CHUNK_BYTES = 65_536
_HEAD_BYTES = 4_096
"""Enough to tell bytes from text: on a link a 0x00 comes within 66 bytes."""

_TEXT = re.compile(rb"[\t\n\r -~]*")
_BETWEEN_DIGITS = re.compile(rb"0[xX]|[\s,:;]+")
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")


def caught(source: str) -> Iterator[bytes]:
    """The captured bytes in `source`, piece by piece. Raises CommandError when there are none."""
    try:
        if source == STDIN:
            yield from _bytes_in(sys.stdin.buffer)
        else:
            with Path(source).open("rb") as file:
                yield from _bytes_in(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        text = f"{source!r} cannot be read: {why}. Name a file of captured bytes, or - for stdin."
        raise CommandError(ExitCode.USAGE, text) from None


def _bytes_in(file: BinaryIO) -> Iterator[bytes]:
    chunks = iter(lambda: _some(file), b"")
    head = b""
    for chunk in chunks:
        head += chunk
        if b"\0" in head or len(head) >= _HEAD_BYTES:
            break
    # Without a zero there is no frame in it as it stands, so text can only be meant as hex.
    if _TEXT.fullmatch(head):
        yield from _hex_lines(_lines(chain([head], chunks)))
    else:
        yield head
        yield from chunks


def _some(file: BinaryIO) -> bytes:
    """What there is, at once: a capture may come from a port that is still being listened to."""
    read1 = getattr(file, "read1", file.read)
    found: bytes = read1(_CHUNK_BYTES)
    return found


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    begun = b""
    for chunk in chunks:
        *whole, begun = (begun + chunk).split(b"\n")
        yield from whole
    yield begun


def _hex_lines(lines: Iterator[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines, start=1):
        digits = _BETWEEN_DIGITS.sub(b"", line.partition(b"#")[0])
        if wrong := _NOT_HEX.search(digits):
            raise _no_hex(number, f"{wrong.group()!r} is no hex digit")
        if len(digits) % 2:
            raise _no_hex(number, "its last byte is half")
        yield bytes.fromhex(digits.decode())


def _no_hex(number: int, why: str) -> CommandError:
    text = (
        f"Line {number} of the capture: {why}. Give the bytes as they came, or as hex digits, two a "
        "byte, whole bytes to a line; blanks, commas, colons, 0x and # comments are passed over."
    )
    return CommandError(ExitCode.USAGE, text)
