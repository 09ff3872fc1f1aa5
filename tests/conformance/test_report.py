"""What is said of a run: which times are kept and how closely, and what a reader sees of it."""

import re

import pytest

from droptable.conformance.bench import Bench
from droptable.conformance.contract import COMMAND_TO_RESULT, ESTOP_TO_OFF, STOP_TO_OFF, TimeLimit
from droptable.conformance.model import (
    STRICT,
    Check,
    Kept,
    Outcome,
    Report,
    Sample,
    Timing,
    Verdict,
    expect,
    real_time,
)
from droptable.conformance.report_text import document, lines, summary
from firmware_sim.mechanics import Mechanics
from tests.conformance.boards import NAMED, proven, sound
from tests.conformance.broken import KeepsDriving

SLACK = real_time(2)


def timing(limit: TimeLimit, *samples_us: int, spread_us: int = 0) -> Timing:
    return Timing(limit, [Sample(us, spread_us) for us in samples_us])


@pytest.mark.parametrize(
    ("took_us", "spread_us", "kept"),
    [
        ((5_000, 5_000, 5_000), 0, Kept.KEPT),
        ((1_000, 1_000, 5_001), 0, Kept.WITHIN_SLACK),
        ((7_000, 7_000, 25_000), 0, Kept.WITHIN_SLACK),
        ((7_001, 7_001, 7_001), 0, Kept.NOT_KEPT),
        ((1_000, 1_000, 25_001), 0, Kept.NOT_KEPT),
        ((4_900, 4_900, 4_900), 100, Kept.KEPT),
        ((4_900, 4_900, 4_900), 101, Kept.WITHIN_SLACK),
        ((6_900, 6_900, 6_900), 101, Kept.NOT_KEPT),
    ],
)
def test_a_time_is_judged_at_its_late_end(
    took_us: tuple[int, ...], spread_us: int, kept: Kept
) -> None:
    assert timing(STOP_TO_OFF, *took_us, spread_us=spread_us).kept(SLACK) is kept


@pytest.mark.parametrize(
    ("took_us", "kept"), [((0, 5_000), Kept.KEPT), ((0, 5_001), Kept.NOT_KEPT)]
)
def test_what_is_stamped_at_the_table_has_no_slack(took_us: tuple[int, ...], kept: Kept) -> None:
    assert timing(ESTOP_TO_OFF, *took_us).kept(real_time(100)) is kept


def test_all_that_is_timed_at_the_table_alone_is_named() -> None:
    names = [name for name, check in NAMED.items() if check.section.startswith("6 ")]
    report = proven([NAMED[name] for name in names], slack=SLACK)
    without = {t.limit.name for t in report.timings if t.allowed(SLACK) == (0, 0)}
    assert without == {"e-stop open to outputs off", "error of the up edge's time stamp"}


@pytest.mark.parametrize(("told_after_us", "passes"), [(0, True), (3_000, False)])
def test_what_is_not_known_of_the_clocks_never_speaks_for_the_board(
    told_after_us: int, *, passes: bool
) -> None:
    """A board that takes 4 of its 5 ms, and hands whose answers take 3 ms to come."""

    class Slow(KeepsDriving):
        longer_us = 4_000

    report = proven(
        [NAMED["stop-to-off"]],
        made=lambda: Slow(Mechanics(seed=7), boot_id=1),
        told_after_us=told_after_us,
    )
    (measured,) = report.timings
    assert {sample.late_us for sample in measured.samples} == {4_000 + told_after_us}
    assert {sample.us for sample in measured.samples} == {4_000 + told_after_us // 2}
    assert report.conforms is passes


# Looked at again


def unsteady(*, fails: int, late_us: int) -> Check:
    """A check that fails so often, beside BEATs that are so late; each time it measures something."""
    looks: list[int] = []

    async def run(bench: Bench) -> None:
        looks.append(len(looks))
        bench.host.late_us = late_us
        bench.measured(COMMAND_TO_RESULT, Sample(len(looks)))
        expect(len(looks) > fails, "what came later", f"nothing at look {len(looks)}")

    return Check("unsteady", "6 COMMAND", "It holds.", run)


def outcome_of(report: Report) -> Outcome:
    (found,) = (o for o in report.outcomes if o.check.name == "unsteady")
    return found


def test_a_second_look_is_told_with_what_the_first_saw() -> None:
    report = proven([unsteady(fails=1, late_us=25_000)], slack=SLACK)
    assert report.conforms
    text = "\n".join(lines(report))
    assert re.search(r"passed at the 2nd look +6 COMMAND +unsteady", text)
    assert "unsteady: failed at look 1, passed at the 2nd look\n  looked again, for" in text
    assert "25 ms late" in text
    assert "came: nothing at look 1" in text
    assert "all 3 checks that apply passed (1 only at a later look)." in summary(report)
    (told,) = (c for c in document(report)["checks"] if c["name"] == "unsteady")
    assert (told["looks"], told["verdict"], len(told["told_before"])) == (2, "passed", 1)
    assert [t.samples for t in report.timings] == [[Sample(2)]], "the first look's times are gone"


@pytest.mark.parametrize(
    ("fails", "late_us", "looks"), [(1, 20_000, 1), (2, 20_001, 3), (3, 20_001, 3)]
)
def test_only_a_late_host_is_a_reason_to_look_again_and_twice_at_most(
    fails: int, late_us: int, looks: int
) -> None:
    outcome = outcome_of(report := proven([unsteady(fails=fails, late_us=late_us)], slack=SLACK))
    assert outcome.looks == looks
    assert outcome.verdict is (Verdict.PASSED if fails < looks else Verdict.FAILED)
    assert report.conforms is (fails < looks)


def test_in_virtual_time_nothing_is_looked_at_again() -> None:
    assert outcome_of(proven([unsteady(fails=1, late_us=10**6)], slack=STRICT)).looks == 1


# What is shown


def shown() -> Report:
    names = ("welcome", "pedal", "stop-to-off", "tare-without-the-feature", "no-trace")
    return proven([NAMED[name] for name in names], made=sound, slack=SLACK)


def test_the_checks_stand_below_the_section_of_the_contract_that_asks_them() -> None:
    told = list(lines(shown()))
    headings = [line for line in told if re.match(r"\d\. ", line)]
    assert headings == sorted(headings)
    assert headings[-1] == "6. Times that every board keeps"
    under: dict[str, list[str]] = {}
    for line in told[: told.index("The times of section 6 as measured")]:
        if line in headings:
            under[line] = []
        elif line:
            under[headings[len(under) - 1]].append(line)
    places = {line[line.index(" 5") :] for line in under["5. Parameters"]}
    assert len(places) == 2
    assert any("no-trace" in line for line in under["4. Sections"])
    columns = {line.index(c) for c in ("welcome", "no-trace") for line in told if f" {c} " in line}
    assert len(columns) == 1, "the columns stand below each other"


def test_what_does_not_apply_says_why_and_is_no_problem() -> None:
    report = shown()
    told = "\n".join(lines(report))
    assert re.search(
        r"does not apply +3 RESULT +tare-without-the-feature +the board can tare", told
    )
    assert told.count("tare-without-the-feature") == 1
    assert "all 6 checks that apply passed; 1 does not apply." in summary(report)


def test_each_time_is_shown_with_its_slack_and_whether_it_was_kept() -> None:
    took = (
        timing(STOP_TO_OFF, 5_500, spread_us=120),
        timing(COMMAND_TO_RESULT, 8_000),
        timing(ESTOP_TO_OFF, 4_000),
    )
    told = list(lines(Report("a board", (), took, SLACK)))
    row = r"{} +{} +{} +{} +{} +1  {} +{}"
    for wanted in (
        row.format("5", r"5\.500", r"5\.500", r"0\.120", "2 / 20", "kept within slack", "STOP"),
        row.format("5", r"8\.000", r"8\.000", r"0\.000", "2 / 20", "not kept", "COMMAND"),
        row.format("5", r"4\.000", r"4\.000", r"0\.000", "none", "kept", "e-stop"),
    ):
        assert [line for line in told if re.search(wanted, line)], (wanted, told)
    assert "Slack is what the way there and a late host may add" in told[5]
