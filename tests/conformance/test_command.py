"""`droptable link conform`: what it prints, how it ends, and what it does not touch."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from droptable.cli.exits import ExitCode
from droptable.cli.main import exit_code
from droptable.conformance.run import NotCalibrated, TableWouldMove

pytestmark = pytest.mark.timeout(120)


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
    told = Told(capfd, "sim", "--only", "welcome", "--only", "command-to-result", "--only", "drop")
    assert told.code == ExitCode.DONE, told.err
    rows = [line.split("\t") for line in told.out.splitlines()]
    assert rows[0] == ["verdict", "contract", "check", "what is asked"]
    assert [row[:3] for row in rows[1:6]] == [
        ["passed", "5", "made-ready"],
        ["passed", "2.2, 3", "welcome"],
        ["passed", "6 COMMAND", "command-to-result"],
        ["passed", "4 ARMED to LOCKED", "drop"],
        ["passed", "5", "given-back"],
    ]
    assert ["contract section 6", "at most ms", "median ms", "worst ms", "samples"] in rows
    assert "5 passed of 5 checks" in told.err


def test_the_report_for_programs_has_every_check_and_every_time(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = Told(capfd, "sim", "--json", "--only", "command-to-result")
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
    assert {"section", "asks", "verdict", "told", "took_ms"} <= document["checks"][0].keys()
    (measured,) = document["times"]
    assert measured["name"] == "COMMAND received to RESULT"
    assert (measured["at_most_ms"], measured["samples"]) == (5.0, 40)


def test_what_needs_hands_is_not_passed_without_them(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with served("firmware_sim serve", "--link", f"unix:{tmp_path / 'board'}") as (link, control):
        told = Told(capfd, link, "--only", "drop", "--only", "welcome")
        assert told.code == ExitCode.FOUND_PROBLEM
        assert "needs hands\t4 ARMED to LOCKED\tdrop" in told.out
        assert "3 passed, 1 needs hands of 4 checks." in told.err
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
    assert "1 failed" in told.err


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
