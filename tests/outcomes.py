"""`--outcomes FILE`: what became of each test of this run, for who has to know that it was run at all.

Under xdist the workers' reports come together here; a worker itself writes nothing.
"""

import json
from pathlib import Path

import pytest

GRAVITY = ("passed", "skipped", "failed")


class Outcomes:
    """The gravest outcome of each test over its setup, call and teardown."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        gravest = max(self._of.get(report.nodeid, "passed"), report.outcome, key=GRAVITY.index)
        self._of[report.nodeid] = gravest

    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._of, indent=0, sort_keys=True))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, metavar="FILE", help="write each test's outcome")


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("--outcomes")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(path.absolute()), "outcomes")
