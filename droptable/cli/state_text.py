"""The table's state as text for a person; it lays out a snapshot and judges nothing."""

from collections.abc import Iterator
from typing import Any

COLUMNS = ("section", "phase", "height", "load N", "tension N", "armed s", "last drop")

ACTIONS = ("cock", "arm", "lock")

PHASE_CODE = "PHASE"


def table_lines(state: dict[str, Any]) -> Iterator[str]:
    """What concerns the whole table."""
    link = state["link"]
    board = f", board {link['board']}" if link["board"] else ""
    simulator = ", a simulator" if link["simulator"] else ""
    yield f"{state['table']}: link {link['state']}{board}{simulator}"
    if link["problem"]:
        yield f"  {link['problem']}"
    yield (
        f"stop: {_stop_text(state['stop'])}   e-stop: {_estop_text(state['stop'])}   "
        f"lease: {state['lease']['holder'] or 'free'}   journal: {state['journal']}"
    )


def section_rows(state: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row of COLUMNS for each section."""
    for name, shown in state["sections"].items():
        fault = f" {shown['fault']['code']}" if shown["fault"] else ""
        yield (
            name,
            shown["phase"] + fault,
            shown["height"],
            _number(shown["load_n"]),
            _tension_text(shown["tension"]),
            _number(_seconds(shown["armed_until_ms"])),
            drop_text(shown["last_drop"]),
        )


def reason_lines(state: dict[str, Any]) -> Iterator[str]:
    """Each reason why something is refused now, once, with what it concerns.

    Without the reasons that only say which phase it is: that stands in its row.
    """
    concerned: dict[tuple[str, str, str], list[str]] = {}
    for name, shown in state["sections"].items():
        for action in ACTIONS:
            for reason in shown["ready"][action]:
                if reason["code"] == PHASE_CODE:
                    continue
                key = (reason["code"], reason["text"], reason["remedy"])
                concerned.setdefault(key, []).append(f"{action} {name}")
        if fault := shown["fault"]:
            concerned.setdefault((fault["code"], fault["text"], fault["remedy"]), []).append(name)
    for (code, text, remedy), what in concerned.items():
        yield f"{code} ({', '.join(what)}): {text} {remedy}"


def one_line(state: dict[str, Any]) -> str:
    """The state as `watch` shows it."""
    sections = "  ".join(
        f"{name} {shown['phase']}{_fault_or_window(shown)}"
        for name, shown in state["sections"].items()
    )
    return (
        f"{state['state_seq']}  link {state['link']['state']}  {sections}  "
        f"stop {_stop_text(state['stop'])}  lease {state['lease']['holder'] or 'free'}"
    )


def drop_text(drop: dict[str, Any] | None) -> str:
    """The figures of a drop."""
    if drop is None:
        return "-"
    fall = "in an unknown time" if drop["fall_ms"] is None else f"{drop['fall_ms']:.1f} ms"
    return (
        f"drop {drop['seq']}: fell {fall}, peak {drop['peak_n']:.0f} N, "
        f"released at {drop['release_n']:.0f} N, {drop['time']}"
    )


def _fault_or_window(shown: dict[str, Any]) -> str:
    if shown["fault"]:
        return f" {shown['fault']['code']}"
    left_s = _seconds(shown["armed_until_ms"])
    return "" if left_s is None else f" {left_s:.1f} s"


def _stop_text(stop: dict[str, Any]) -> str:
    if stop["unconfirmed"]:
        return "sent, not confirmed"
    return {True: "STOPPED", False: "no", None: "unknown"}[stop["latched"]]


def _estop_text(stop: dict[str, Any]) -> str:
    return {True: "OPEN", False: "closed", None: "unknown"}[stop["estop_open"]]


def _tension_text(tension: dict[str, Any]) -> str:
    confirmed = "" if tension["confirmed"] else " (not confirmed)"
    return f"{_number(tension['set_n'])}, measured {_number(tension['measured_n'])}{confirmed}"


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
