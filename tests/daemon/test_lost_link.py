"""The link breaks, falls silent, lies or comes back: nothing is believed, resumed or repeated."""

import itertools

from droptable.core.model import Phase
from droptable.daemon.connection import RETRY_FIRST_US, RETRY_MOST_US
from droptable.daemon.outcome import Done
from droptable.link.frames import encode
from droptable.link.messages import Command, Hello, Stop, Welcome
from firmware_sim.mechanics import Mechanics
from firmware_sim.simulated_board import SimulatedBoard
from tests.daemon.practice import PELVIC, Practice, codes, in_virtual_time

SECOND_US = 1_000_000

OUTPUTS_OFF_US = 160_000
"""From the last BEAT that reached the board to the last output off: 150 ms, and a scan of the board."""

PIN_SPRING_US = 25_000
"""What the simulated pin's spring takes from then on: no board can make it quicker; decision 35."""

LOOKING_US = 1_000


def all_unknown(practice: Practice) -> bool:
    sections = practice.shown.sections
    each = (sections.thoracic, sections.lumbar, sections.pelvic)
    return all((s.phase, s.height, s.load_n) == ("UNKNOWN", "unknown", None) for s in each)


async def becomes_safe(practice: Practice) -> None:
    """By the mechanics, on its own clock, and not by what is shown or when it is looked at."""
    last_beat_us = practice.wire.last_beat_us
    await practice.until(lambda: practice.truth().pin_in, within_s=0.3)
    ahead_us = practice.now_us - practice.board.mechanics.now_us
    changes = list(practice.board.mechanics.history(last_beat_us - ahead_us))
    off_us = next(
        change.us
        for change in changes
        if change.section is PELVIC and not change.signals.pin_withdrawn
    )
    assert off_us + ahead_us - last_beat_us <= OUTPUTS_OFF_US
    assert practice.now_us - LOOKING_US - (off_us + ahead_us) <= PIN_SPRING_US


@in_virtual_time
async def test_a_link_that_is_pulled_while_armed(practice: Practice) -> None:
    await practice.armed()
    practice.wire.pull()
    assert await practice.until(lambda: all_unknown(practice)) <= 200_000
    await becomes_safe(practice)
    assert practice.shown.link.state == "down"
    await practice.until(lambda: "link_down" in practice.journal.kinds())
    practice.thrust(600.0)
    await practice.thrust_is_over()
    assert practice.board.mechanics.drops == ()


@in_virtual_time
async def test_a_board_that_falls_silent_is_unknown_in_time(practice: Practice) -> None:
    await practice.armed()
    practice.wire.deaf = True
    assert await practice.until(lambda: all_unknown(practice)) <= 200_000
    assert practice.shown.link.state in ("stale", "opening")
    assert practice.shown.stop.latched is None
    assert practice.shown.sections.pelvic.tension.set_n is None


@in_virtual_time
async def test_a_daemon_that_freezes_while_armed_costs_the_arming(practice: Practice) -> None:
    await practice.armed()
    practice.wire.muted = True
    await becomes_safe(practice)


@in_virtual_time
async def test_a_daemon_that_freezes_while_lowering_stops_the_motion(practice: Practice) -> None:
    await practice.cocked()
    await practice.act("lock")
    await practice.until(lambda: practice.truth().height_um < 15_000)
    practice.wire.muted = True
    last_beat_us = practice.wire.last_beat_us
    await practice.until(lambda: not practice.driven(), within_s=0.2)
    assert practice.now_us - last_beat_us <= 160_000 + LOOKING_US
    height_um = practice.truth().height_um
    assert 0 < height_um < 15_000
    practice.wire.muted = False
    await practice.in_phase(Phase.HALTED)
    await practice.passes(3 * SECOND_US)
    assert practice.truth().height_um == height_um
    assert len([m for _, m in practice.wire.messages(Command) if m.verb == 4]) == 1


@in_virtual_time
async def test_a_board_that_restarts_while_armed_resumes_nothing(practice: Practice) -> None:
    await practice.armed()
    old = practice.shown.link
    commands = len(practice.wire.messages(Command))
    practice.wire.catch_up()
    practice.wire.send(practice.board.reset(3, boot_id=77))
    assert not practice.driven()
    await practice.until(lambda: "board_restarted" in practice.journal.kinds())
    await practice.live()
    assert practice.shown.link.board == old.board
    assert practice.section().phase == "UNKNOWN"
    await practice.passes(3 * SECOND_US)
    assert practice.section().phase == "UNKNOWN"
    assert practice.truth().pin_in
    assert len(practice.wire.messages(Command)) == commands
    (restarted,) = practice.journal.of("board_restarted")
    assert restarted.data["boot_id"] == 77
    assert practice.journal.of("board_booted")[-1].data["reset_cause"] == "watchdog"


@in_virtual_time
async def test_a_stream_that_returns_is_live_again_and_resumes_nothing(practice: Practice) -> None:
    await practice.armed()
    commands = len(practice.wire.messages(Command))
    practice.wire.pull()
    await practice.until(lambda: practice.shown.link.problem is not None)
    assert practice.shown.link.problem.startswith("LINK_VANISHED: the board closed the link.")
    await practice.until(lambda: (practice.shown.link.problem or "").startswith("LINK_UNREACHABLE"))
    await practice.passes(5 * SECOND_US)
    practice.wire.unplugged = False
    await practice.until(lambda: practice.shown.link.state == "live", within_s=5)
    await practice.live()
    assert practice.shown.link.problem is None
    assert practice.section().phase == "COCKED"
    assert len(practice.wire.messages(Command)) == commands
    assert "board_restarted" not in practice.journal.kinds()
    assert len(practice.journal.of("disarmed")) == 1
    assert practice.journal.of("disarmed")[0].data["cause"] in ("lease lost", "session lost")


@in_virtual_time
async def test_whoever_waits_for_a_pulled_board_is_answered(practice: Practice) -> None:
    await practice.cocked()
    practice.wire.muted = True
    asked_us = practice.now_us
    assert codes(await practice.gateway.act("arm", PELVIC, "dr")) == ["BOARD_SILENT"]
    assert practice.now_us - asked_us <= 400_000
    practice.wire.muted = False
    await practice.live()
    await practice.passes(2 * SECOND_US)
    assert practice.section().phase == "COCKED"
    assert practice.truth().pin_in


@in_virtual_time
async def test_a_board_that_is_not_there_is_tried_for_ever_with_growing_pauses(
    practice: Practice,
) -> None:
    practice.wire.unplugged = True
    await practice.passes(600 * SECOND_US)
    tries = practice.wire.opened_us
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert RETRY_FIRST_US <= pauses[0] <= 1.5 * RETRY_FIRST_US
    assert pauses[1] > pauses[0]
    assert max(pauses) <= 1.5 * RETRY_MOST_US
    assert all(pause >= RETRY_MOST_US for pause in pauses[5:])
    assert tries[-1] > 590 * SECOND_US
    # Spread, so that two daemons at one port do not stay in step.
    assert len(set(pauses[5:])) > 10
    # One trouble is told once.
    assert practice.shown.link.problem.startswith("LINK_UNREACHABLE: serial:/dev/test: no such")


@in_virtual_time
async def test_a_link_that_lasted_is_tried_again_at_once(practice: Practice) -> None:
    practice.wire.unplugged = True
    await practice.passes(60 * SECOND_US)
    practice.wire.unplugged = False
    await practice.live()
    await practice.passes(10 * SECOND_US)
    practice.wire.pull()
    practice.wire.unplugged = False
    assert await practice.until(lambda: len(practice.wire.opened_us) > 1) < SECOND_US
    assert await practice.until(lambda: practice.shown.link.state == "live") <= SECOND_US


@in_virtual_time
async def test_a_stop_that_nobody_heard_is_delivered_when_the_board_is_back(
    practice: Practice,
) -> None:
    await practice.armed()
    practice.wire.pull()
    await practice.passes(300_000)
    practice.gateway.stop("page")
    assert practice.shown.stop.unconfirmed
    practice.wire.unplugged = False
    await practice.until(lambda: practice.shown.stop.latched is True)
    assert practice.wire.messages(Stop)
    await practice.until(lambda: not practice.shown.stop.unconfirmed)


# What is no board, or one too many


@in_virtual_time
async def test_garbage_on_the_link_is_named(practice: Practice) -> None:
    practice.wire.garble = lambda _: b"\x55\xaa\x00" * 4
    await practice.until(lambda: practice.shown.link.problem is not None)
    problem = practice.shown.link.problem
    assert problem.startswith("LINK_GARBAGE: ")
    assert "nothing moves" in problem
    assert "speed" in problem
    assert all_unknown(practice)
    practice.wire.garble = bytes
    await practice.live()
    assert practice.shown.link.problem is None


@in_virtual_time
async def test_garbage_between_frames_is_discarded_and_the_link_lives(practice: Practice) -> None:
    await practice.armed()
    before = practice.runner.connection.traffic.discarded
    for _ in range(50):
        practice.wire.inject(b"\x00\x55\xaa\x13\x37\x00")
        await practice.passes(20_000)
    assert practice.runner.connection.traffic.discarded >= before + 50
    assert practice.shown.link.state == "live"
    assert practice.section().phase == "ARMED"


@in_virtual_time
async def test_nothing_on_the_port_is_named(practice: Practice) -> None:
    practice.wire.deaf = True
    await practice.until(lambda: practice.shown.link.problem is not None)
    assert practice.shown.link.problem.startswith("LINK_SILENT: no answer to HELLO.")


def answer_of(practice: Practice, **other: object) -> bytes:
    """A WELCOME to the newest HELLO, as another board would send it."""
    _, frame = [each for each in practice.wire.heard if isinstance(each[1].message, Hello)][-1]
    values = {
        "proto_major": 1,
        "proto_minor": 0,
        "fw_major": 1,
        "fw_minor": 0,
        "fw_patch": 0,
        "hw_id": "OTHER001",
        "features": 0,
        "boot_id": 4711,
        "reset_cause": 1,
        "sections": 3,
        "params_crc": 0,
        "first_event_seq": 1,
        "next_event_seq": 1,
    }
    return b"\x00" + encode(1, frame.session, Welcome(**{**values, **other}))


@in_virtual_time
async def test_a_second_board_on_the_link_ends_all_motion(practice: Practice) -> None:
    await practice.armed()
    practice.wire.inject(answer_of(practice))
    await practice.until(lambda: practice.shown.link.state == "refused", within_s=0.1)
    problem = practice.shown.link.problem
    assert problem.startswith("LINK_SECOND_BOARD: SIM00001 and OTHER001 both answered.")
    assert "Disconnect one of them" in problem
    assert all_unknown(practice)
    await becomes_safe(practice)
    assert codes(await practice.gateway.act("arm", PELVIC, "dr"))[0] == "LINK_DOWN"


@in_virtual_time
async def test_a_board_of_another_version_is_refused_by_name(practice: Practice) -> None:
    practice.wire.deaf = True
    await practice.until(lambda: bool(practice.wire.messages(Hello)))
    practice.wire.inject(answer_of(practice, proto_major=2))
    await practice.until(lambda: practice.shown.link.state == "refused")
    problem = practice.shown.link.problem
    assert problem.startswith("LINK_VERSION: the board speaks version 2, this daemon version 1.")
    assert "same release" in problem
    # It is looked at again: a board that was replaced is found.
    practice.wire.deaf = False
    await practice.live()
    assert practice.shown.link.problem is None


@in_virtual_time
async def test_a_board_that_is_replaced_is_another_board(practice: Practice) -> None:
    await practice.homed()
    practice.wire.pull()
    await practice.passes(SECOND_US)
    practice.wire.close()
    practice.wire.board = SimulatedBoard(
        Mechanics(seed=9, start_us=practice.now_us), boot_id=99, hw_id="SIM00002"
    )
    practice.wire.unplugged = False
    practice.wire.catch_up()
    await practice.until(lambda: practice.shown.link.board == "SIM00002")
    await practice.live()
    assert practice.section().phase == "UNKNOWN"
    assert await practice.gateway.act("home", PELVIC, "dr") == Done()
