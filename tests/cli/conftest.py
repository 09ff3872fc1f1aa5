"""What the tests of the command line share: a scripted daemon, and a way to run a command."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from droptable.cli.main import exit_code
from tests.cli.scripted import RunningDaemon, ScriptedTable, running

TOKENS = {"ci": "kT3-ci"}


@dataclass(frozen=True)
class Told:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        assert "/" in found["schema"]
        return found


Command = Callable[..., Told]


@pytest.fixture(autouse=True)
def _nobody_s_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests; a narrow terminal breaks no sentence."""
    for name in ("DROPTABLE_URL", "DROPTABLE_TOKEN", "DROPTABLE__BOARD__LINK"):
        # Set first: a command that sets one must not leave it to the next test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def droptable(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run one command in this process."""

    def run(*arguments: str) -> Told:
        code = exit_code(arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Told(code, out, err)

    return run


@pytest.fixture
def table() -> ScriptedTable:
    return ScriptedTable()


@pytest.fixture
def daemon(table: ScriptedTable, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningDaemon]:
    """The daemon that $DROPTABLE_URL names."""
    with running(table, tokens=TOKENS) as started:
        monkeypatch.setenv("DROPTABLE_URL", started.url)
        yield started
