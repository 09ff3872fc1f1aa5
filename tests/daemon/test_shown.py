"""The snapshot shows what is known and null for the rest; only what is past outlives the link."""

import pytest

from droptable.core.limits import SectionLimits, Settings
from droptable.core.model import (
    Board,
    Drop,
    Health,
    Lease,
    Link,
    Phase,
    SectionState,
    State,
    StopWanted,
    Table,
)
from droptable.daemon.shown import snapshot_of
from droptable.daemon.snapshot import SectionShown, Snapshot

NOW_US = 10_000_000
LIMITS = SectionLimits(2_000, 4_000, 1_000, 7_000)
SETTINGS = Settings(
    window_ms=5_000, sections=(LIMITS, LIMITS, LIMITS), board_params={}, params_crc=len
)
BOARD = Board("SIM00001", "1.2.3", boot_id=7, simulator=True, first_event_seq=1, params_crc=0)
LIVE = Link(Health.LIVE, board=BOARD, status_us=NOW_US - 20_000, round_us=1_500)
TABLE = Table(
    stopped=False,
    estop_open=False,
    supply_low=False,
    air_low=False,
    maintenance=False,
    lease_live=False,
    hold_pressed=False,
    params_incomplete=False,
)
DROP = Drop(
    seq=12, time="2026-01-02T03:04:05.000000Z", fall_us=48_999, peak_dn=5_201, release_dn=3_211
)


def shown(section: SectionState, link: Link = LIVE, table: Table | None = TABLE) -> Snapshot:
    state = State(SETTINGS, link=link, table=table, sections=(section, section, section))
    return snapshot_of(state, NOW_US, table="t", boot="b", state_seq=3)


def pelvic(section: SectionState, link: Link = LIVE) -> SectionShown:
    return shown(section, link).sections.pelvic


def test_a_live_section_is_shown_in_newtons_and_milliseconds() -> None:
    section = SectionState(
        Phase.ARMED, up=True, load_dn=2_005, tension_dn=3_200, armed_until_us=NOW_US + 4_999_900
    )
    seen = pelvic(section)
    assert (seen.phase, seen.height, seen.load_n) == ("ARMED", "up", 200.5)
    assert seen.tension.measured_n == 320.0
    assert seen.armed_until_ms == 4_999
    assert shown(section).age_ms == 20
    assert shown(section).link.round_trip_ms == 1.5


def test_a_window_that_is_over_is_never_shown_as_a_negative_time() -> None:
    assert pelvic(SectionState(Phase.ARMED, armed_until_us=NOW_US - 5_000)).armed_until_ms == 0


@pytest.mark.parametrize("health", [Health.DOWN, Health.OPENING, Health.STALE, Health.REFUSED])
def test_without_a_live_link_nothing_is_said_of_stop_and_tension(health: Health) -> None:
    seen = shown(SectionState(last_drop=DROP), Link(health), table=None)
    assert (seen.stop.latched, seen.stop.estop_open) == (None, None)
    assert seen.sections.lumbar.phase == "UNKNOWN"
    assert seen.sections.lumbar.height == "unknown"
    assert seen.sections.lumbar.load_n is None
    assert seen.sections.lumbar.tension.set_n is None
    assert seen.age_ms is None
    assert seen.sections.lumbar.ready.arm
    assert seen.sections.lumbar.last_drop is not None


@pytest.mark.parametrize(
    ("up", "down", "height"),
    [
        (True, False, "up"),
        (False, True, "down"),
        (False, False, "between"),
        (True, True, "unknown"),
    ],
)
def test_the_height_is_what_the_switches_say(up: bool, down: bool, height: str) -> None:
    assert pelvic(SectionState(Phase.HALTED, up=up, down=down)).height == height


def test_a_drop_without_an_up_edge_has_no_fall_time() -> None:
    with_edge = pelvic(SectionState(Phase.LOCKED, last_drop=DROP)).last_drop
    assert with_edge is not None
    assert (with_edge.fall_ms, with_edge.peak_n, with_edge.release_n) == (48.999, 520.1, 321.1)
    without = pelvic(SectionState(Phase.FAULT, last_drop=Drop(13, DROP.time, 0, 900, 0))).last_drop
    assert without is not None
    assert without.fall_ms is None


@pytest.mark.parametrize(("number", "code"), [(4, "PIN_STUCK_IN"), (99, "FAULT_99")])
def test_a_fault_is_shown_with_its_remedy_one_of_a_newer_board_too(number: int, code: str) -> None:
    fault = pelvic(SectionState(Phase.FAULT, fault=number)).fault
    assert fault is not None
    assert fault.code == code
    assert fault.text
    assert fault.remedy


def test_a_fault_number_outside_of_fault_is_not_shown() -> None:
    assert pelvic(SectionState(Phase.LOCKED, fault=4)).fault is None


def test_a_trouble_of_the_link_is_told_with_its_remedy_until_the_link_lives() -> None:
    trouble = Link(Health.DOWN, trouble="LINK_SILENT", trouble_detail="no answer to HELLO")
    told = shown(SectionState(), trouble, table=None).link.problem
    assert told is not None
    assert told.startswith("LINK_SILENT: no answer to HELLO. ")
    assert shown(SectionState()).link.problem is None


def test_an_unconfirmed_stop_and_the_lease_are_shown() -> None:
    state = State(
        SETTINGS,
        link=LIVE,
        table=TABLE,
        lease=Lease("dr", NOW_US - 1_000_000),
        stop_wanted=StopWanted(cmd_id=5, sent_us=NOW_US),
    )
    seen = snapshot_of(state, NOW_US, table="t", boot="b", state_seq=3)
    assert seen.stop.unconfirmed
    assert (seen.lease.holder, seen.lease.expires_ms) == ("dr", 4_000)
