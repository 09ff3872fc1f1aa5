"""Commands that show: status, watch, lease, events; text for people, JSON for programs."""

import csv
import json
import socket
from pathlib import Path

import pytest

from droptable.cli.client import token_for
from droptable.cli.exits import ExitCode
from tests.api.fake import NOT_COCKED, OTHER_LEASE, drop, refusing, section
from tests.cli.conftest import Command
from tests.cli.scripted import RunningDaemon, ScriptedTable, recorded

pytestmark = pytest.mark.usefixtures("daemon")


def test_status_as_json_is_the_state_itself(droptable: Command, table: ScriptedTable) -> None:
    told = droptable("status", "--json")
    assert told.code == ExitCode.DONE
    assert told.document == table.snapshot().model_dump(mode="json", by_alias=True)


def test_status_shows_phases_faults_drops_and_reasons(
    droptable: Command, table: ScriptedTable
) -> None:
    table.put(lumbar=section("FAULT"), pelvic=section("ARMED", last_drop=drop()))
    out = droptable("status").out
    assert "a simulator" in out
    assert "FAULT PIN_STUCK_IN" in out
    assert "drop 41: fell 62.4 ms" in out
    assert f"{NOT_COCKED.code} (" in out
    assert "Check air and the pin coil" in out


def test_a_table_without_a_terminal_is_separated_by_tabs(droptable: Command) -> None:
    rows = [line.split("\t") for line in droptable("status").out.splitlines() if "\t" in line]
    assert [row[0] for row in rows] == ["section", "thoracic", "lumbar", "pelvic"]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_watch_gives_a_document_for_each_change(droptable: Command) -> None:
    told = droptable("watch", "--json", "--count", "2", "--timeout", "10")
    assert told.code == ExitCode.DONE
    first, second = (json.loads(line) for line in told.out.splitlines())
    assert first["schema"] == second["schema"] == "state/1"
    assert second["state_seq"] > first["state_seq"]
    assert second["stop"]["latched"] is True
    assert "you" not in first


def test_watch_shows_a_line_for_each_change(droptable: Command) -> None:
    out = droptable("watch", "--count", "2", "--timeout", "10").out
    assert "pelvic LOCKED" in out.splitlines()[0]
    assert "stop STOPPED" in out.splitlines()[1]


def test_too_few_changes_in_time_are_code_5(droptable: Command) -> None:
    told = droptable("watch", "--count", "9", "--timeout", "0.3")
    assert told.code == ExitCode.TIMEOUT
    assert "of 9 states" in told.err


def test_watching_for_some_time_is_done(droptable: Command) -> None:
    told = droptable("watch", "--timeout", "0.3")
    assert told.code == ExitCode.DONE
    assert told.out != ""


# The lease


def test_lease_show_names_the_holder(droptable: Command, table: ScriptedTable) -> None:
    assert droptable("lease", "show").out == "free\n"
    table.hold_lease("anna")
    assert droptable("lease", "show").out == "anna\n"
    assert droptable("lease", "show", "--json").document["holder"] == "anna"


def test_lease_take_renews_it_and_gives_it_back(droptable: Command, table: ScriptedTable) -> None:
    assert droptable("lease", "take", "--for", "1.2").code == ExitCode.DONE
    asked = [each[0] for each in table.asked]
    assert asked.count("take_lease") >= 2
    assert asked[-1] == "release_lease"


def test_a_lease_of_someone_else_is_code_6(droptable: Command, table: ScriptedTable) -> None:
    table.hold_lease("anna")
    table.answers["take_lease"] = table.answers["release_lease"] = refusing(OTHER_LEASE)
    assert droptable("lease", "take").code == ExitCode.LEASE_HELD
    assert droptable("lease", "release").code == ExitCode.LEASE_HELD


def test_lease_release_gives_it_back(droptable: Command, table: ScriptedTable) -> None:
    assert droptable("lease", "release").out == "released\n"
    assert table.asked == [("release_lease", "local")]


# Signing in


def test_a_token_of_the_environment_names_who_asks(
    droptable: Command, table: ScriptedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPTABLE_TOKEN", "kT3-ci")
    droptable("lease", "release")
    assert table.asked == [("release_lease", "ci")]


def test_without_one_the_token_file_of_this_machine_does(
    droptable: Command, table: ScriptedTable, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "token").write_text("kT3-ci\n")
    droptable("lease", "release")
    assert table.asked == [("release_lease", "ci")]


def test_a_token_file_of_another_daemon_does_no_harm(
    droptable: Command, table: ScriptedTable, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "token").write_text("of yesterday")
    assert droptable("lease", "release").code == ExitCode.DONE
    assert table.asked == [("release_lease", "local")]


def test_a_token_that_is_given_and_not_known_is_refused(
    droptable: Command, table: ScriptedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPTABLE_TOKEN", "wrong")
    told = droptable("cock", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert "TOKEN_UNKNOWN" in told.err
    assert table.asked == []


# Events


def test_events_list_shows_the_newest(droptable: Command, table: ScriptedTable) -> None:
    table.journal = recorded(*["lease_taken"] * 40, "drop", "lease_ended")
    told = droptable("events", "list", "--limit", "3", "--json")
    assert [event["seq"] for event in told.document["events"]] == [40, 41, 42]
    rows = droptable("events", "list").out.splitlines()
    assert len(rows) == 21
    assert rows[-2].split("\t")[2:4] == ["drop", "pelvic"]


@pytest.mark.parametrize("length", range(9))
def test_the_newest_are_found_in_a_journal_of_any_length(
    droptable: Command, table: ScriptedTable, length: int
) -> None:
    table.journal = recorded(*["lease_taken"] * length)
    events = droptable("events", "list", "--limit", "2", "--json").document["events"]
    assert [event["seq"] for event in events] == list(range(1, length + 1))[-2:]


def test_the_newest_of_a_kind_are_looked_for_to_the_start(
    droptable: Command, table: ScriptedTable
) -> None:
    table.journal = recorded("drop", *["lease_taken"] * 50)
    told = droptable("events", "list", "--kind", "drop", "--section", "pelvic", "--json")
    assert [event["seq"] for event in told.document["events"]] == [1]


def test_events_above_a_number_come_in_order(droptable: Command, table: ScriptedTable) -> None:
    table.journal = recorded(*["lease_taken"] * 9)
    told = droptable("events", "list", "--after", "4", "--limit", "2", "--json")
    assert [event["seq"] for event in told.document["events"]] == [5, 6]


def test_an_event_is_shown_exactly_as_it_is_in_the_journal(
    droptable: Command, table: ScriptedTable
) -> None:
    table.journal = recorded("drop")
    assert droptable("events", "show", "1", "--json").document == {
        "schema": "event/1",
        "event": table.journal[0],
    }
    assert "kind\tdrop\n" in droptable("events", "show", "1").out


def test_an_event_that_does_not_exist_is_usage(droptable: Command) -> None:
    told = droptable("events", "show", "7")
    assert told.code == ExitCode.USAGE
    assert "the journal has no event 7" in told.err


def test_follow_starts_behind_what_there_is(droptable: Command, table: ScriptedTable) -> None:
    table.journal = recorded("lease_taken", "drop")
    told = droptable("events", "follow", "--count", "1", "--timeout", "0.3")
    assert told.code == ExitCode.TIMEOUT
    assert told.out == ""


def test_follow_gives_a_document_for_each_event(droptable: Command, table: ScriptedTable) -> None:
    table.journal = recorded("lease_taken", "drop")
    told = droptable("events", "follow", "--after", "0", "--count", "2", "--json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["event"] for line in lines] == table.journal
    assert {line["schema"] for line in lines} == {"event/1"}


def test_export_writes_each_event_byte_for_byte(
    droptable: Command, table: ScriptedTable, tmp_path: Path
) -> None:
    table.journal = recorded(*["lease_taken"] * 1500)
    file = tmp_path / "out.jsonl"
    told = droptable("events", "export", "--output", str(file))
    assert (told.code, told.out) == (ExitCode.DONE, "")
    assert [json.loads(line) for line in file.read_text().splitlines()] == table.journal
    assert list(tmp_path.glob("*.part")) == []


def test_export_as_csv_has_one_header(droptable: Command, table: ScriptedTable) -> None:
    table.journal = recorded(*["lease_taken"] * 1001)
    out = droptable("events", "export", "--format", "csv").out
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["seq"] for row in rows] == [str(seq) for seq in range(1, 1002)]


def test_an_empty_journal_is_a_csv_of_a_header(droptable: Command) -> None:
    out = droptable("events", "export", "--format", "csv").out
    assert out.startswith("seq,time,")
    assert len(out.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_told(droptable: Command, tmp_path: Path) -> None:
    told = droptable("events", "export", "--output", str(tmp_path / "none" / "x"))
    assert told.code == ExitCode.USAGE
    assert "cannot be written" in told.err


def test_the_address_may_stand_before_the_command(
    droptable: Command, daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPTABLE_URL", "http://127.0.0.1:1")
    assert droptable("--url", daemon.url, "lease", "show").code == ExitCode.DONE
    assert droptable("lease", "show", "--url", daemon.url).code == ExitCode.DONE


def test_the_token_of_this_machine_goes_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("kT3-ci\n")
    here = {"STATE_DIRECTORY": str(tmp_path)}
    assert token_for("127.0.0.1", here) == ("kT3-ci", True)
    assert token_for("table.example", here) == (None, False)
    assert token_for("table.example", here | {"DROPTABLE_TOKEN": "given"}) == ("given", False)


def test_a_proxy_of_the_environment_is_not_asked(
    droptable: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert droptable("lease", "show").code == ExitCode.DONE
        assert droptable("watch", "--count", "1").code == ExitCode.DONE
