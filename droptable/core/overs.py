"""The registry of the ways in which a gesture ends: each code with its sentence. Values only.

The sentences are for whoever has, or had, the finger on the control.
"""

from enum import StrEnum


class Over(StrEnum):
    """By what a gesture ended."""

    DONE = "done"
    RELEASED = "released"
    GAP = "gap"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    PHASE = "phase"
    HALTED = "halted"
    REFUSED = "refused"
    LEASE = "lease"
    TAKE_OVER = "take-over"
    STOP = "stop"
    LINK = "link"
    SERIES = "series"
    UNSAFE = "unsafe"
    UNKNOWN = "unknown"


TEXTS: dict[Over, str] = {
    Over.DONE: "It is done.",
    Over.RELEASED: "The control was let go.",
    Over.GAP: "The finger was not heard of for 250 ms. Press again.",
    Over.TOO_SHORT: "The finger was on the control for less than 900 ms. Press again.",
    Over.TOO_LONG: "The control was held for longer than it may be. Press again.",
    Over.PHASE: "The section changed while the control was held. Look at it.",
    Over.HALTED: "The motion ended before its goal. Look at the section.",
    Over.REFUSED: "It was refused; the reasons are with it.",
    Over.LEASE: "The control of the table is not with this page any more.",
    Over.TAKE_OVER: "Someone asks for the control of the table.",
    Over.STOP: "The table is stopped.",
    Over.LINK: "The board cannot be relied on. Look at the table.",
    Over.SERIES: "The series has ended.",
    Over.UNSAFE: "Something is wrong with the table or the daemon. Look at the state.",
    Over.UNKNOWN: "There is no such gesture any more. Press again.",
}
