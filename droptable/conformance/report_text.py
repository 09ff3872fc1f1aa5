"""What came of a conformance run, for a person and for a program. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from droptable.conformance.model import Outcome, Report, Timing, Verdict

CONTRACT = {
    "1": "Bytes",
    "2": "Session",
    "3": "Frames",
    "4": "Sections",
    "5": "Parameters",
    "6": "Times that every board keeps",
}
"""The sections of the contract, and what they are about."""

TO_BE_SEEN_TO = (Verdict.FAILED, Verdict.NEEDS_HANDS)

SLACK_MEANS = (
    "Slack is what the way there and a late host may add (median / worst); none where both ends are "
    "stamped at the table."
)
SPREAD_MEANS = "± is how closely two clocks could be compared; a time that has slack is judged at its late end."

TIME_COLUMNS = (
    *("at most ms", "median ms", "worst ms", "± ms", "slack ms", "samples"),
    *("verdict", "what is timed"),
)

_TH = {2: "nd", 3: "rd"}


def verdict_in_words(outcome: Outcome) -> str:
    """The verdict, and at which look: whoever looks long enough might see any board pass."""
    verdict, look = outcome.verdict.value, outcome.looks
    return verdict if look == 1 else f"{verdict} at the {look}{_TH.get(look, 'th')} look"


def document(report: Report) -> dict[str, Any]:
    """The report for a program."""
    return {
        "schema": "conform/1",
        "board": report.board,
        "conforms": report.conforms,
        "checks": [
            {
                "name": outcome.check.name,
                "section": outcome.check.section,
                "asks": outcome.check.asks,
                "verdict": outcome.verdict.value,
                "looks": outcome.looks,
                "told": list(outcome.told),
                "told_before": [list(told) for told in outcome.earlier],
                "took_ms": round(outcome.took_us / 1_000),
            }
            for outcome in report.outcomes
        ],
        "times": [_timing_document(report, timing) for timing in report.timings],
        "slack": SLACK_MEANS,
        "spread": SPREAD_MEANS,
    }


def _timing_document(report: Report, timing: Timing) -> dict[str, Any]:
    median_slack_us, worst_slack_us = timing.allowed(report.slack)
    return {
        "name": timing.limit.name,
        "at_most_ms": timing.limit.at_most_us / 1_000,
        "median_ms": timing.median_us / 1_000,
        "worst_ms": timing.worst_us / 1_000,
        "spread_ms": timing.spread_us / 1_000,
        "slack_median_ms": median_slack_us / 1_000,
        "slack_worst_ms": worst_slack_us / 1_000,
        "samples": len(timing.samples),
        "verdict": timing.kept(report.slack).value,
    }


def lines(report: Report) -> Iterator[str]:
    """For a person: the checks by sections of the contract, the times, then what went wrong and how."""
    numbers = [outcome.check.section[0] for outcome in report.outcomes]
    rows = _padded([_row(outcome) for outcome in report.outcomes])
    for number in sorted(set(numbers)):
        yield f"{number}. {CONTRACT[number]}"
        yield from (f"  {row}" for at, row in zip(numbers, rows, strict=True) if at == number)
        yield ""
    if report.timings:
        yield "The times of section 6 as measured"
        times = [_timing_row(report, timing) for timing in report.timings]
        yield from (f"  {line}" for line in _padded([TIME_COLUMNS, *times], right=6))
        yield f"  {SLACK_MEANS}"
        yield f"  {SPREAD_MEANS}"
        yield ""
    yield from _stories(report)


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    check = outcome.check
    why = "; ".join(outcome.told) if outcome.verdict is Verdict.DOES_NOT_APPLY else check.asks
    return verdict_in_words(outcome), check.section, check.name, why


def _timing_row(report: Report, timing: Timing) -> tuple[str, ...]:
    median_slack_us, worst_slack_us = timing.allowed(report.slack)
    slack = (
        f"{median_slack_us / 1_000:g} / {worst_slack_us / 1_000:g}" if worst_slack_us else "none"
    )
    return (
        f"{timing.limit.at_most_us / 1_000:g}",
        *(f"{us / 1_000:.3f}" for us in (timing.median_us, timing.worst_us, timing.spread_us)),
        slack,
        str(len(timing.samples)),
        timing.kept(report.slack).value,
        timing.limit.name,
    )


def _padded(rows: Sequence[Sequence[str]], *, right: int = 0) -> list[str]:
    """Rows whose columns stand below each other; the first `right` of them end below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if at < right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _stories(report: Report) -> Iterator[str]:
    """What each look saw that did not pass; at the very end the names of what failed."""
    for outcome in report.outcomes:
        for look, told in enumerate(outcome.earlier, start=1):
            yield f"{outcome.check.name}: failed at look {look}, {verdict_in_words(outcome)}"
            yield from (f"  {line}" for line in (*told, ""))
        if outcome.verdict in TO_BE_SEEN_TO:
            yield f"{outcome.check.name}: {verdict_in_words(outcome)}"
            yield from (f"  {line}" for line in (*outcome.told, ""))
    failed = [outcome for outcome in report.outcomes if outcome.verdict is Verdict.FAILED]
    if failed:
        yield "Failed:"
        yield from (f"  {line}" for line in _padded([_row(outcome) for outcome in failed]))


def summary(report: Report) -> str:
    """What came of it, in a sentence."""
    apply = [o for o in report.outcomes if o.verdict is not Verdict.DOES_NOT_APPLY]
    again = sum(outcome.looks > 1 and outcome.verdict is Verdict.PASSED for outcome in apply)
    later = f" ({again} only at a later look)" if again else ""
    passed = report.count(Verdict.PASSED)
    if report.conforms:
        told = f"all {passed} checks that apply passed{later}"
    else:
        missed = [
            f"{n} {verdict.value}" for verdict in TO_BE_SEEN_TO if (n := report.count(verdict))
        ]
        told = f"{', '.join(missed)}, {passed} passed{later} of {len(apply)} checks that apply"
    left = len(report.outcomes) - len(apply)
    others = f"; {left} {'does' if left == 1 else 'do'} not apply" if left else ""
    return f"{report.board}: {told}{others}."
