"""Commands that move the table: the lease around them, the outcome they wait for, every refusal."""

import json

import pytest

from droptable.cli.exits import ExitCode
from droptable.daemon.outcome import Refused
from droptable.daemon.snapshot import LinkShown
from tests.api.fake import NOT_CONFIRMED, OTHER_LEASE, drop, refusing, section
from tests.cli.conftest import Command
from tests.cli.scripted import LATCHED, RunningDaemon, ScriptedTable

pytestmark = pytest.mark.usefixtures("daemon")

LINK_DOWN = LinkShown(
    state="down",
    problem="The cable is out. Plug it in.",
    board=None,
    firmware=None,
    simulator=False,
    round_trip_ms=None,
)


@pytest.mark.parametrize(
    ("verb", "phases"),
    [
        ("cock", ["LOCKED", "COCKING", "SECURING", "COCKED"]),
        ("cock", ["HALTED", "COCKING", "COCKED"]),
        ("lock", ["COCKED", "LOWERING", "SECURING", "LOCKED"]),
        ("disarm", ["ARMED", "SECURING", "COCKED"]),
        ("home", ["UNKNOWN", "LOCKED"]),
        ("home", ["UNKNOWN", "HALTED"]),
        ("clear-fault", ["FAULT", "UNKNOWN"]),
    ],
)
def test_a_verb_is_done_when_the_table_shows_it(
    droptable: Command, table: ScriptedTable, verb: str, phases: list[str]
) -> None:
    table.put(pelvic=section(phases[0]))
    table.will(verb, *(section(phase) for phase in phases))
    told = droptable(verb, "pelvic")
    assert (told.code, told.out) == (ExitCode.DONE, f"pelvic {phases[-1]}\n")
    assert table.verbs() == [verb]


def test_json_is_one_document_with_the_section(droptable: Command, table: ScriptedTable) -> None:
    table.will("cock", section("COCKED"))
    document = droptable("cock", "pelvic", "--json").document
    assert document["schema"] == "section/1"
    assert (document["section"], document["verb"]) == ("pelvic", "cock")
    assert document["phase"] == "COCKED"


def test_a_motion_takes_the_lease_and_gives_it_back(
    droptable: Command, table: ScriptedTable
) -> None:
    table.will("cock", section("COCKING"), section("COCKED"))
    assert droptable("cock", "pelvic").code == ExitCode.DONE
    asked = [each[0] for each in table.asked]
    assert asked[:2] == ["take_lease", "act"]
    assert asked[-1] == "release_lease"


def test_a_lease_that_was_ours_before_stays_ours(droptable: Command, table: ScriptedTable) -> None:
    table.hold_lease("local")
    table.will("cock", section("COCKED"))
    assert droptable("cock", "pelvic").code == ExitCode.DONE
    assert "release_lease" not in [each[0] for each in table.asked]


def test_someone_else_s_lease_is_code_6_and_moves_nothing(
    droptable: Command, table: ScriptedTable
) -> None:
    table.hold_lease("anna")
    table.answers["take_lease"] = refusing(OTHER_LEASE)
    told = droptable("cock", "pelvic")
    assert told.code == ExitCode.LEASE_HELD
    assert OTHER_LEASE.text in told.err
    assert OTHER_LEASE.remedy in told.err
    assert table.verbs() == []
    assert "release_lease" not in [each[0] for each in table.asked]


def test_a_lease_lost_on_the_way_ends_the_command(droptable: Command, table: ScriptedTable) -> None:
    table.lease_renewals_until_lost = 1
    table.answers["lost"] = refusing(OTHER_LEASE)
    table.will("cock", *[section("COCKING")] * 1000)
    assert droptable("cock", "pelvic").code == ExitCode.LEASE_HELD


@pytest.mark.parametrize(("verb", "phase"), [("disarm", "ARMED"), ("home", "UNKNOWN")])
def test_what_moves_nothing_needs_no_lease(
    droptable: Command, table: ScriptedTable, verb: str, phase: str
) -> None:
    table.hold_lease("anna")
    table.answers["take_lease"] = refusing(OTHER_LEASE)
    table.put(pelvic=section(phase))
    table.will(verb, section("COCKED"))
    assert droptable(verb, "pelvic").code == ExitCode.DONE


def test_a_refusal_tells_every_reason_with_its_remedy(
    droptable: Command, table: ScriptedTable
) -> None:
    other = NOT_CONFIRMED.model_copy(update={"code": "SUPPLY_LOW", "text": "The supply is low."})
    table.answers["arm"] = Refused((NOT_CONFIRMED, other))
    told = droptable("arm", "pelvic", "--json")
    assert told.code == ExitCode.REFUSED
    for reason in (NOT_CONFIRMED, other):
        assert f"{reason.code}: {reason.text} {reason.remedy}" in told.err
    assert told.document == {
        "schema": "refused/1",
        "refused": [NOT_CONFIRMED.model_dump(), other.model_dump()],
    }
    assert ("release_lease", "local") in table.asked


def test_a_fault_on_the_way_is_told_with_its_remedy(
    droptable: Command, table: ScriptedTable
) -> None:
    table.will("cock", section("COCKING"), section("FAULT"))
    told = droptable("cock", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert "PIN_STUCK_IN" in told.err
    assert "Check air and the pin coil" in told.err


@pytest.mark.parametrize("phase", ["HALTED", "LOCKED", "UNKNOWN"])
def test_a_motion_that_ends_elsewhere_is_not_done(
    droptable: Command, table: ScriptedTable, phase: str
) -> None:
    table.will("cock", section("COCKING"), section(phase))
    told = droptable("cock", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert f"the pelvic section is {phase}" in told.err


def test_a_stop_before_the_motion_showed_ends_the_command(
    droptable: Command, table: ScriptedTable
) -> None:
    table.will("cock", section("LOCKED"), {"stop": LATCHED})
    told = droptable("cock", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert "STOPPED" in told.err


def test_a_link_that_breaks_ends_the_command(droptable: Command, table: ScriptedTable) -> None:
    table.will("cock", section("COCKING"), {"link": LINK_DOWN})
    told = droptable("cock", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert LINK_DOWN.problem is not None
    assert LINK_DOWN.problem in told.err


def test_no_outcome_in_time_is_code_5(droptable: Command, table: ScriptedTable) -> None:
    told = droptable("cock", "pelvic", "--timeout", "0.1")
    assert told.code == ExitCode.TIMEOUT
    assert "Look at the table" in told.err
    assert table.verbs() == ["cock"]


# Arming


def test_arm_waits_for_the_drop_and_tells_it(droptable: Command, table: ScriptedTable) -> None:
    table.put(pelvic=section("COCKED", last_drop=drop(40)))
    table.will(
        "arm",
        section("ARMED", last_drop=drop(40)),
        section("ARMED", last_drop=drop(40)),
        section("DROPPING", last_drop=drop(40)),
        section("LOCKED", last_drop=drop(40)),
        section("LOCKED", last_drop=drop(41)),
    )
    told = droptable("arm", "pelvic")
    assert told.code == ExitCode.DONE
    assert told.out.startswith("pelvic drop 41: fell 62.4 ms, peak 418 N")
    assert table.asked[-1] == ("release_lease", "local")


def test_a_window_without_a_thrust_is_code_5(droptable: Command, table: ScriptedTable) -> None:
    table.will("arm", section("ARMED", armed_until_ms=100), section("SECURING"), section("COCKED"))
    told = droptable("arm", "pelvic")
    assert told.code == ExitCode.TIMEOUT
    assert "without a thrust" in told.err


def test_being_disarmed_before_the_window_ends_is_no_time_out(
    droptable: Command, table: ScriptedTable
) -> None:
    table.will("arm", section("ARMED"), section("SECURING"), section("COCKED"))
    told = droptable("arm", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert "DISARMED" in told.err


def test_a_stop_while_armed_is_told_as_such(droptable: Command, table: ScriptedTable) -> None:
    table.will("arm", section("ARMED"), section("ARMED"), {"stop": LATCHED})
    told = droptable("arm", "pelvic")
    assert told.code == ExitCode.REFUSED
    assert "STOPPED" in told.err


def test_a_shorter_window_disarms(droptable: Command, table: ScriptedTable) -> None:
    table.will("arm", section("ARMED"))
    table.answers["disarm"] = refusing(NOT_CONFIRMED)
    # What follows shows once it was asked to disarm, whatever it answered.
    told_later = section("COCKED")

    def disarm_seen() -> None:
        table.put(pelvic=told_later)

    note = table._note

    def noting(*what: object) -> None:
        note(*what)
        if "disarm" in what:
            disarm_seen()

    table._note = noting  # type: ignore[method-assign]
    told = droptable("arm", "pelvic", "--window", "0.5")
    assert told.code == ExitCode.TIMEOUT
    assert table.verbs() == ["arm", "disarm"]


def test_arm_can_set_the_tension_within_the_same_lease(
    droptable: Command, table: ScriptedTable
) -> None:
    table.put(pelvic=section("COCKED"))
    table.will("arm", section("ARMED"), section("LOCKED", last_drop=drop(42)))
    assert droptable("arm", "pelvic", "--tension", "310").code == ExitCode.DONE
    asked = [each[0] for each in table.asked]
    assert asked.index("set_tension") < asked.index("act")
    assert asked.count("release_lease") == 1


# Tension, STOP


def test_tension_is_set_in_newton(
    droptable: Command, table: ScriptedTable, daemon: RunningDaemon
) -> None:
    told = droptable("tension", "lumbar", "310.5", "--json")
    assert told.document["newton"] == 310.5
    assert "falls back" in told.err
    assert next(each for each in table.asked if each[0] == "set_tension")[2] == 310.5


def test_a_tension_that_a_held_lease_keeps_is_not_said_to_fall_back(
    droptable: Command, table: ScriptedTable
) -> None:
    table.hold_lease("local")
    told = droptable("tension", "lumbar", "310.5")
    assert (told.code, told.out) == (ExitCode.DONE, "lumbar tension 310.5 N\n")
    assert "falls back" not in told.err


@pytest.mark.parametrize("newton", ["-1", "1001", "much"])
def test_a_tension_that_no_table_has_is_usage(
    droptable: Command, table: ScriptedTable, newton: str
) -> None:
    assert droptable("tension", "lumbar", "--", newton).code == ExitCode.USAGE
    assert table.asked == []


def test_stop_is_the_first_thing_that_is_asked(droptable: Command, table: ScriptedTable) -> None:
    told = droptable("stop", "--json")
    assert told.code == ExitCode.DONE
    assert told.document == {"schema": "stop/1", "sent": True, "confirmed": True}
    assert table.asked[0] == ("stop", "http")


def test_stop_needs_neither_lease_nor_a_token_that_is_known(
    droptable: Command, table: ScriptedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPTABLE_TOKEN", "unknown")
    table.hold_lease("anna")
    droptable("stop")
    assert ("stop", "http") in table.asked


def test_a_stop_that_nobody_confirms_is_code_5_and_names_the_e_stop(
    droptable: Command, table: ScriptedTable
) -> None:
    table.answers["stop"] = RuntimeError("no board")
    told = droptable("stop")
    assert told.code == ExitCode.TIMEOUT
    assert "e-stop" in told.err


def test_reset_takes_back_a_stop(droptable: Command, table: ScriptedTable) -> None:
    told = droptable("reset", "--json")
    assert told.code == ExitCode.DONE
    assert ("reset_stop", "local") in table.asked
    assert json.loads(told.out)["schema"] == "stop-reset/1"
