"""Says at the end of a run which checks passed only when they were looked at again."""

import pytest

LOOKED_AGAIN = "looked again"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        str(words)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, words in report.user_properties
        if name == LOOKED_AGAIN
    ]
    if told:
        terminalreporter.section("conformance checks that were looked at again")
        for line in told:
            terminalreporter.line(line)
