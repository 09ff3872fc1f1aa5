"""The page of every reason and every fault, written from their registries."""

from collections.abc import Iterable, Iterator

from droptable.core.faults import FAULTS, FINDINGS, Fault, fault_of
from droptable.core.reasons import ENTRIES

HEAD = """# Why not: every reason, every fault

This page is written from the code by `make docs`; a test keeps it equal.

A refusal names every reason at once, the gravest first, each by a code that has its place here:
`docs/reasons.md#` and the code in small letters. No check has a switch; the configuration moves some
limits, within ranges. A {} is filled in with what is particular.
"""

FAULTS_HEAD = """## Faults

The board puts a section in FAULT by its own law and makes it safe. What stands here is what the
daemon does about the rest of the table, and who may clear it. The first cause is kept and shown
first; what was found after it is listed behind. A code that this program does not know came from a
newer board, and is treated like the gravest.
"""


def page() -> str:
    """The whole page."""
    return "\n".join((HEAD, *_reasons(), FAULTS_HEAD, *_faults()))


def _reasons() -> Iterator[str]:
    yield "## Reasons\n"
    for code, entry in ENTRIES.items():
        yield f"### {code}\n"
        yield f"> {entry.text}\n"
        yield f"{entry.why} **What to do:** {entry.remedy}\n"


def _faults() -> Iterator[str]:
    for number, fault in FAULTS.items():
        yield from _fault(fault, f", fault {number} of the board")
    for fault in FINDINGS.values():
        yield from _fault(fault, ", found by the daemon")
    yield from _fault(fault_of(0), ", and every other number", code="A code of a newer board")


def _fault(fault: Fault, origin: str, code: str | None = None) -> Iterable[str]:
    return (
        f"### {code or fault.code}{origin}\n",
        f"> {fault.text}\n",
        f"{fault.why} **What to do:** {fault.remedy}\n",
        f"- Action: {fault.action.label}.\n- Cleared {fault.clearing.label}.\n",
    )
