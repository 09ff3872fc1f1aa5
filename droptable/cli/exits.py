"""How a command ends: the exit codes, and the exceptions that carry them to `main`.

Nothing here prints; `main.py` shows what went wrong and returns the code.
"""

from dataclasses import dataclass
from enum import IntEnum

from droptable.errors import DroptableError


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    BUG = 1
    USAGE = 2
    REFUSED = 3
    NO_DAEMON = 4
    TIMEOUT = 5
    LEASE_HELD = 6
    CALIBRATION = 7
    FOUND_PROBLEM = 8
    INTERRUPTED = 130


LEASE_HELD_CODE = "LEASE_HELD"
"""The refusal that says: someone else moves the table."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why not, as the daemon gives it."""

    code: str
    text: str
    remedy: str
    doc: str | None = None
    """Where it is documented; None: it is this program's own."""

    def __str__(self) -> str:
        return f"{self.code}: {self.text} {self.remedy}".rstrip()


class CommandError(Exception):
    """The command ends with `code`; `text` says why and what to do."""

    def __init__(self, code: ExitCode, text: str) -> None:
        self.code = code
        super().__init__(text)


class RefusedError(CommandError):
    """The table did not do it; every reason, gravest first."""

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        self.reasons = reasons
        held = any(reason.code == LEASE_HELD_CODE for reason in reasons)
        super().__init__(
            ExitCode.LEASE_HELD if held else ExitCode.REFUSED,
            "\n".join(["Refused:", *(f"  {reason}" for reason in reasons)]),
        )


_CODES = {
    "NO_DAEMON": ExitCode.NO_DAEMON,
    "CONFIG_INVALID": ExitCode.USAGE,
    "JOURNAL_BROKEN": ExitCode.FOUND_PROBLEM,
}


def exit_code_of(error: DroptableError) -> ExitCode:
    """The code for a problem of the registry; what has none of its own counts as refused."""
    return _CODES.get(error.problem.code, ExitCode.REFUSED)
