"""Logs: lines for people on a terminal, JSON for programs, the libraries' messages in the same."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from droptable.daemon.logs import configure_logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    for chatty in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def test_without_a_terminal_each_message_is_one_json_object() -> None:
    stream = io.StringIO()
    configure_logs("info", stream)
    structlog.get_logger("link").warning("link silent", age_ms=160)
    logging.getLogger("some.library").error("lost %s", "it")
    own, foreign = (json.loads(line) for line in stream.getvalue().splitlines())
    assert own["event"] == "link silent"
    assert (own["level"], own["age_ms"], own["logger"]) == ("warning", 160, "link")
    assert own["timestamp"].endswith("Z")
    assert (foreign["event"], foreign["level"]) == ("lost it", "error")


def test_on_a_terminal_a_message_is_a_line_for_a_person() -> None:
    stream = Terminal()
    configure_logs("info", stream)
    structlog.get_logger("link").info("link live", board="SIM00001")
    assert "link live" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_what_is_less_grave_than_the_level_is_not_shown() -> None:
    stream = io.StringIO()
    configure_logs("warning", stream)
    structlog.get_logger("link").info("no")
    logging.getLogger("some.library").info("no")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_a_line_for_each_connection_is_for_debugging(level: str, shown: bool) -> None:
    stream = io.StringIO()
    configure_logs(level, stream)
    logging.getLogger("uvicorn.error").info("connection open")
    assert bool(stream.getvalue()) is shown


def test_an_exception_stays_on_the_line_of_its_message() -> None:
    stream = io.StringIO()
    configure_logs("info", stream)
    try:
        raise OSError("unplugged")
    except OSError:
        structlog.get_logger("link").exception("link lost")
    (line,) = stream.getvalue().splitlines()
    assert "OSError: unplugged" in json.loads(line)["exception"]


def test_configuring_twice_does_not_say_everything_twice() -> None:
    stream = io.StringIO()
    configure_logs("info", io.StringIO())
    configure_logs("info", stream)
    structlog.get_logger("link").info("once")
    assert len(stream.getvalue().splitlines()) == 1
