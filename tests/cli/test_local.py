"""Commands that need no daemon: journal, config, and what the doctor looks at by itself."""

import asyncio
import json
import os
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from droptable.api import pages
from droptable.api.pages import Page
from droptable.cli.doctor import broker_check, link_check, page_check, state_check
from droptable.cli.exits import ExitCode
from droptable.cli.run import options
from droptable.daemon.config import load
from droptable.journal.event import Draft
from droptable.journal.journal import Journal
from tests.cli.conftest import Command
from tests.cli.scripted import RunningDaemon, ScriptedTable


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a journal of five events."""
    directory = tmp_path / "state"
    directory.mkdir()

    async def write() -> None:
        noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
        journal = await Journal.open(directory, table="t", utc=lambda: noon)
        for _ in range(5):
            await journal.append(Draft("lease_taken", None, "anna", {}))
        await journal.close()

    asyncio.run(write())
    return directory


def test_the_doctor_looks_whether_there_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_check().ok
    bare = Page(files={}, script_hashes=(), missing=("/modules/preact.mjs",))
    monkeypatch.setattr(pages, "read_page", lambda: bare)
    check = page_check()
    assert not check.ok
    assert "preact.mjs" in check.finding
    assert "tools/page-modules" in check.remedy


# journal


def test_a_whole_journal_verifies(droptable: Command, state: Path) -> None:
    told = droptable("journal", "verify", "--state-dir", str(state), "--json")
    assert told.code == ExitCode.DONE
    assert told.document["ok"] is True
    assert told.document["events"] == 5
    assert "5 events, gapless" in droptable("journal", "verify", str(state)).out


def test_a_backup_is_a_journal_of_its_own(droptable: Command, state: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    told = droptable("journal", "backup", str(copy), str(state), "--json")
    assert told.code == ExitCode.DONE
    assert (told.document["ok"], told.document["seq"]) == (True, 5)
    assert "5 events, gapless" in droptable("journal", "verify", str(copy)).out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.sqlite3", "state"]


def test_a_backup_replaces_nothing(droptable: Command, state: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    copy.write_bytes(b"mine")
    told = droptable("journal", "backup", str(copy), str(state))
    assert (told.code, copy.read_bytes()) == (ExitCode.USAGE, b"mine")
    assert "exists already" in told.err


def test_a_backup_of_nothing_or_to_nowhere_says_so(
    droptable: Command, state: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite3"
    none = droptable("journal", "backup", str(copy), str(tmp_path / "elsewhere"))
    assert none.code == ExitCode.USAGE
    assert "no journal at" in none.err
    nowhere = droptable("journal", "backup", str(tmp_path / "no" / "copy"), str(state))
    assert nowhere.code == ExitCode.USAGE
    assert "cannot be written" in nowhere.err
    assert not copy.exists()


def test_a_backup_of_a_broken_journal_is_taken_and_called_broken(
    droptable: Command, state: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(state / "journal.sqlite3")) as journal:
        journal.execute("DROP TRIGGER events_never_change")
        journal.execute("UPDATE events SET event = replace(event, 'anna', 'anno') WHERE seq = 3")
        journal.commit()
    told = droptable("journal", "backup", str(tmp_path / "copy"), str(state), "--json")
    assert told.code == ExitCode.FOUND_PROBLEM
    assert told.document["ok"] is False
    assert (tmp_path / "copy").exists()


def test_a_changed_event_is_named_and_code_8(droptable: Command, state: Path) -> None:
    with closing(sqlite3.connect(state / "journal.sqlite3")) as journal:
        journal.execute("DROP TRIGGER events_never_change")
        journal.execute("UPDATE events SET event = replace(event, 'anna', 'anno') WHERE seq = 3")
        journal.commit()
    told = droptable("journal", "verify", "--json")
    assert told.code == ExitCode.FOUND_PROBLEM
    assert told.document["first_bad_seq"] == 3
    assert "at event 3" in told.err


def test_a_head_kept_elsewhere_shows_that_the_end_was_cut_off(
    droptable: Command, state: Path, tmp_path: Path
) -> None:
    known = tmp_path / "head.json"
    known.write_text(droptable("journal", "head", "--json").out)
    assert droptable("journal", "verify", "--known", str(known)).code == ExitCode.DONE
    with closing(sqlite3.connect(state / "journal.sqlite3")) as journal:
        journal.execute("DROP TRIGGER events_never_vanish")
        journal.execute("DELETE FROM events WHERE seq = 5")
        journal.commit()
    assert droptable("journal", "verify").code == ExitCode.DONE
    told = droptable("journal", "verify", "--known", str(known))
    assert told.code == ExitCode.FOUND_PROBLEM
    assert "cut off" in told.err


def test_the_head_is_number_and_hash(droptable: Command, state: Path) -> None:
    document = droptable("journal", "head", "--json").document
    assert (document["schema"], document["seq"], len(document["hash"])) == ("head/1", 5, 64)
    assert droptable("journal", "head").out.split("\t")[1] == "5"


def test_what_is_no_journal_is_told(droptable: Command, tmp_path: Path) -> None:
    told = droptable("journal", "verify")
    assert told.code == ExitCode.USAGE
    assert "no journal" in told.err
    other = tmp_path / "other"
    other.write_text("not a database, not a database, not a database")
    assert droptable("journal", "head", str(other)).code == ExitCode.FOUND_PROBLEM


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"epoch": "e", "seq": "x", "hash": "h"}'])
def test_what_is_no_head_is_usage(
    droptable: Command, state: Path, tmp_path: Path, text: str
) -> None:
    known = tmp_path / "head.json"
    known.write_text(text)
    told = droptable("journal", "verify", "--known", str(known))
    assert told.code == ExitCode.USAGE
    assert "no JSON object" in told.err


# config


def test_config_check_tells_what_is_wrong(droptable: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[board]\nlink = "sim"\n')
    assert droptable("config", "check", str(file)).code == ExitCode.DONE
    assert droptable("config", "check", str(file), "--json").document["valid"] is True
    file.write_text('[board]\nlink = "usb"\n')
    assert droptable("config", "check", str(file)).code == ExitCode.USAGE
    told = droptable("config", "check", str(file), "--json")
    assert told.code == ExitCode.USAGE
    assert told.document["valid"] is False
    assert len(told.document["findings"]) == 1


def test_what_config_show_prints_gives_the_same_configuration(
    droptable: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(
        'allow_cli_motion = true\n[board]\nlink = "unix:/a \\"b\\""\n'
        "[sections]\nload_zero_raw = -5\n[sections.pelvic]\ntension_min_n = 99.5\n"
    )
    second.write_text(droptable("config", "show", str(first)).out)
    assert load(second, {}) == load(first, {})


def test_config_show_keeps_the_secret(droptable: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPTABLE__BOARD__LINK", "sim")
    monkeypatch.setenv("DROPTABLE__MQTT__PASSWORD", "hunter2")
    for arguments in (("config", "show"), ("config", "show", "--json")):
        told = droptable(*arguments)
        assert told.code == ExitCode.DONE
        assert "hunter2" not in told.out


def test_config_schema_is_json_schema(droptable: Command) -> None:
    schema = json.loads(droptable("config", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert droptable("config", "schema", "--json").document["json_schema"] == schema


def test_options_of_run_are_keys_of_the_configuration() -> None:
    given = options(http="127.0.0.1:0", mqtt="[::1]:1884", link="tcp:127.0.0.1:7")
    config = load(None, {"DROPTABLE__MQTT__ENABLED": "false"}, given)
    assert config.http.listen == "127.0.0.1:0"
    assert (config.mqtt.enabled, config.mqtt.host, config.mqtt.port) == (True, "::1", 1884)
    assert config.board.link == "tcp:127.0.0.1:7"
    assert options(http=None, mqtt=None, link=None) == {}


# doctor


def test_a_doctor_who_finds_nothing_is_code_0(
    droptable: Command, daemon: RunningDaemon, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        file = tmp_path / "x.toml"
        file.write_text(f'[board]\nlink = "sim"\n[mqtt]\nport = {broker.getsockname()[1]}\n')
        told = droptable("doctor", "--config", str(file), "--json")
    assert told.code == ExitCode.DONE, told.out
    assert told.document["ok"] is True
    names = [check["name"] for check in told.document["checks"]]
    assert names == [
        *("configuration", "link", "broker", "state directory", "black box"),
        *("page", "daemon", "table"),
    ]


def test_a_doctor_who_finds_something_is_code_8_and_tells_the_remedy(
    droptable: Command, daemon: RunningDaemon, table: ScriptedTable
) -> None:
    table.wrong = ["the cable is out"]
    told = droptable("doctor")
    assert told.code == ExitCode.FOUND_PROBLEM
    assert "the cable is out" in told.out


def test_a_daemon_that_does_not_run_is_a_finding(droptable: Command) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        told = droptable("doctor", "--url", url, "--json")
    assert told.code == ExitCode.FOUND_PROBLEM
    found = {check["name"]: check for check in told.document["checks"]}
    assert found["state directory"]["ok"] is True
    assert found["daemon"]["ok"] is False
    assert "droptable run" in found["daemon"]["remedy"]


def test_an_invalid_configuration_is_a_finding(
    droptable: Command, daemon: RunningDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[board]\n")
    told = droptable("doctor", "--config", str(file), "--json")
    assert told.code == ExitCode.FOUND_PROBLEM
    assert "board.link is missing" in told.document["checks"][0]["finding"]


def test_a_link_is_looked_at_and_not_opened(tmp_path: Path) -> None:
    missing, plain, path = tmp_path / "missing", tmp_path / "plain", tmp_path / "socket"
    plain.touch()
    assert not link_check(f"serial:{missing}").ok
    assert not link_check(f"serial:{plain}").ok
    assert not link_check(f"unix:{plain}").ok
    assert link_check("sim").ok
    ours, board = os.openpty()
    assert link_check(f"serial:{os.ttyname(board)}").ok
    os.close(ours)
    os.close(board)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.setblocking(False)
        assert link_check(f"unix:{path}").ok
        with pytest.raises(BlockingIOError):
            listening.accept()
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        tcp.setblocking(False)
        assert link_check(f"tcp:127.0.0.1:{tcp.getsockname()[1]}").ok
        with pytest.raises(BlockingIOError):
            tcp.accept()


def test_a_broker_that_nobody_wants_is_no_problem() -> None:
    config = load(None, {}, {"board.link": "sim", "mqtt.enabled": False})
    assert broker_check(config).ok


def test_a_broker_that_does_not_answer_is_one() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        check = broker_check(load(None, {}, {"board.link": "sim", "mqtt.port": port}))
    assert not check.ok
    assert check.remedy


def test_a_state_directory_that_cannot_be_is_a_problem(tmp_path: Path) -> None:
    assert state_check(tmp_path).ok
    assert state_check(tmp_path / "not" / "yet").ok
    assert not (tmp_path / "not").exists()
    file = tmp_path / "file"
    file.touch()
    assert not state_check(file / "below").ok
    assert not state_check(Path("/proc/droptable")).ok
