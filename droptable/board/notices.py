"""What the board tells a person by TEXT: short lines, kept until a host is there to hear them. Pure."""

from collections import deque
from collections.abc import Iterator

from droptable.link.board_session import BoardSession
from droptable.link.messages import Text, TextLevel

LINE_MAX_BYTES = 52
"""What one TEXT holds beside its level."""

KEPT = 16
"""The newest lines; more than that nobody reads."""


class Notices:
    """Lines for the log of the host. `standing` ones are told to each host anew."""

    def __init__(self, standing: tuple[tuple[TextLevel, str], ...]) -> None:
        self._standing = standing
        self._waiting: deque[tuple[TextLevel, str]] = deque(maxlen=KEPT)
        self._told_session = 0

    def say(self, level: TextLevel, sentence: str) -> None:
        self._waiting.append((level, sentence))

    def frames(self, session: BoardSession) -> bytes:
        """The frames of what is still to be told, if a host is there."""
        if not session.live:
            return b""
        if session.id != self._told_session:
            self._told_session = session.id
            self._waiting.extendleft(reversed(self._standing))
        told = list(self._waiting)
        self._waiting.clear()
        return b"".join(
            session.send(Text(level, line)) for level, text in told for line in _lines(text)
        )


def _lines(sentence: str) -> Iterator[str]:
    """`sentence` in pieces that a TEXT holds, broken between words."""
    line = ""
    for word in sentence.split():
        longer = f"{line} {word}".strip()
        if len(longer.encode()) > LINE_MAX_BYTES and line:
            yield line
            longer = word
        line = longer
    yield line
