"""`droptable link conform`: what it prints, how it ends, and what it does not touch."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from droptable.cli.exits import ExitCode
from droptable.cli.main import exit_code
from droptable.cli.proving import Wanted
from droptable.conformance.model import Report
from droptable.conformance.run import NotCalibrated, TableWouldMove

pytestmark = pytest.mark.timeout(120)

PATIENT = ("--slack-ms", "10")
"""These tests run beside others, which may keep host and board waiting."""


class Told:
    """How the command ended and what it said."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = exit_code(("link", "conform", *arguments))
        self.out, self.err = capfd.readouterr()
        assert "Traceback" not in self.err


@contextmanager
def served(module: str, *arguments: str) -> Iterator[tuple[str, str]]:
    """The link and the control port of a board that is a program."""
    command = (sys.executable, "-m", *module.split(), *arguments)
    with subprocess.Popen(
        [*command, "--control", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            announced = json.loads(process.stdout.readline())
            yield announced["link"], announced["control"]
        finally:
            process.terminate()


def test_sim_starts_a_simulator_and_prints_what_passed(capfd: pytest.CaptureFixture[str]) -> None:
    checks = ("welcome", "command-to-result", "drop", "tare-without-the-feature")
    told = Told(capfd, "sim", *PATIENT, *(part for name in checks for part in ("--only", name)))
    assert told.code == ExitCode.DONE, told.err
    rows = [line.rstrip() for line in told.out.splitlines() if line]
    assert [rows[at] for at in (0, 2, 4, 6, 9, 11)] == [
        "2. Session",
        "3. Frames",
        "4. Sections",
        "5. Parameters",
        "6. Times that every board keeps",
        "The times of section 6 as measured",
    ]
    assert rows[3].startswith("  does not apply  ")
    assert rows[3].endswith("  the board can tare")
    assert re.search(r" 10 / 100 +40  kept.*  COMMAND received to RESULT$", rows[13])
    assert len(rows) == 16, "and two lines that say what slack and spread are"
    assert "all 5 checks that apply passed; 1 does not apply." in told.err
    assert told.err.splitlines()[-1].startswith("SIM00001")


def test_the_slack_is_strict_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[Wanted] = []

    def proven(wish: Wanted, *, quiet: bool) -> Report:
        wanted.append(wish)
        return Report(f"quiet {quiet}", (), (), wish.slack)

    monkeypatch.setattr("droptable.cli.proving.proven", proven)
    assert exit_code(("link", "conform", "sim")) == ExitCode.DONE
    assert exit_code(("link", "conform", "sim", "--slack-ms", "7")) == ExitCode.DONE
    slacks = [(wish.slack.median_us, wish.slack.worst_us) for wish in wanted]
    assert slacks == [(2_000, 20_000), (7_000, 70_000)]


def test_the_report_for_programs_has_every_check_and_every_time(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = Told(capfd, "sim", *PATIENT, "--json", "--only", "command-to-result")
    assert told.code == ExitCode.DONE, told.err
    (line,) = told.out.splitlines()
    document = json.loads(line)
    assert document["schema"] == "conform/1"
    assert document["conforms"] is True
    assert [check["name"] for check in document["checks"]] == [
        "made-ready",
        "command-to-result",
        "given-back",
    ]
    fields = {"section", "asks", "verdict", "looks", "told", "told_before", "took_ms"}
    assert fields <= document["checks"][0].keys()
    (measured,) = document["times"]
    assert measured["name"] == "COMMAND received to RESULT"
    assert (measured["at_most_ms"], measured["samples"]) == (5.0, 40)
    assert (measured["slack_median_ms"], measured["slack_worst_ms"]) == (10.0, 100.0)
    assert measured["spread_ms"] == 0
    assert measured["verdict"] in ("kept", "kept within slack")
    assert "a late host may add" in document["slack"]


def test_what_needs_hands_is_not_passed_without_them(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with served("firmware_sim serve", "--link", f"unix:{tmp_path / 'board'}") as (link, control):
        told = Told(capfd, link, "--only", "drop", "--only", "welcome")
        assert told.code == ExitCode.FOUND_PROBLEM
        assert "needs hands  4 ARMED to LOCKED  drop" in told.out
        assert "1 needs hands, 3 passed of 4 checks that apply." in told.err
        assert "--control" in told.err
        told = Told(capfd, link, "--control", control, "--only", "drop")
        assert told.code == ExitCode.DONE, told.err


def test_a_check_that_fails_tells_the_whole_story(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another contract than the simulator's: a board with four sections.
    monkeypatch.setattr("droptable.conformance.checks.sessions.SECTIONS_OF_A_TABLE", 4)
    told = Told(capfd, "sim", "--only", "welcome")
    assert told.code == ExitCode.FOUND_PROBLEM
    story = told.out[told.out.index("welcome: failed") :]
    assert "contract 2.2, 3: HELLO is answered with a WELCOME" in story
    assert "expected: sections 4" in story
    assert "came: 3" in story
    assert "host   Hello proto_major=1" in story
    assert "board  Welcome proto_major=1" in story
    assert "1 failed, 2 passed of 3 checks that apply." in told.err
    assert told.out.splitlines()[-2:] == [
        "Failed:",
        "  failed  2.2, 3  welcome  HELLO is answered with a WELCOME, seq 0, that says who the board is.",
    ]


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (TableWouldMove(), "--the-table-is-empty"),
        (NotCalibrated("load_span_un, tension_zero"), "set load_span_un, tension_zero"),
    ],
)
def test_why_a_real_table_is_left_alone_is_said(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refused: Exception,
    said: str,
) -> None:
    # Every board that can be had here is a simulator; that others are refused is tested beside.
    async def refuses(*_: object, **__: object) -> None:
        raise refused

    monkeypatch.setattr("droptable.cli.proving.prove", refuses)
    told = Told(capfd, "sim")
    assert told.code == ExitCode.REFUSED
    assert said in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("carrier-pigeon:9",), ExitCode.USAGE, "or sim"),
        (("sim", "--only", "miracle"), ExitCode.USAGE, "No check miracle"),
        (("unix:/nowhere/board",), ExitCode.REFUSED, "LINK_UNREACHABLE"),
        (("tcp:127.0.0.1:9", "--control", "nonsense"), ExitCode.NO_DAEMON, "is not HOST:PORT"),
        (("tcp:127.0.0.1:9", "--control", "127.0.0.1:9"), ExitCode.NO_DAEMON, "no control port"),
        (("sim", "--slack-ms", "-1"), ExitCode.USAGE, "--slack-ms"),
    ],
)
def test_what_cannot_be_done_is_said(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: ExitCode, said: str
) -> None:
    told = Told(capfd, *arguments)
    assert told.code == code, told.err
    assert said in told.err


def test_a_port_where_no_board_answers_is_told_as_that(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        told = Told(capfd, f"unix:{tmp_path / 'mute'}")
    assert told.code == ExitCode.REFUSED
    assert "LINK_SILENT" in told.err
