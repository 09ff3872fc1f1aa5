"""The simulated board: the law over the mechanics, in the order of its own times, however late."""

from collections.abc import Iterator

import pytest

from droptable.board.model import Feature
from droptable.link.frames import encode
from droptable.link.messages import Boot, Hello, ParamSet, Status, Welcome
from droptable.sections import Section
from firmware_sim.mechanics import Mechanics
from firmware_sim.simulated_board import ALL_FEATURES, SimulatedBoard
from tests.firmware_sim.board_bench import ARM, COCK, HOME, PARAMS, SESSION, Host


@pytest.fixture
def board() -> SimulatedBoard:
    return SimulatedBoard(Mechanics(seed=1), boot_id=5, params=PARAMS)


@pytest.fixture
def host(board: SimulatedBoard) -> Iterator[Host]:
    """A host with a session, a homed pelvic section, a lease and a hold."""
    host = Host(board)
    host.say(0, Hello())
    host.beat_until(1_500_000)
    host.command(HOME)
    host.beat_until(1_600_000)
    assert host.status.sections[2].phase == 1
    return host


def test_it_boots_by_itself_and_says_so_every_half_second(board: SimulatedBoard) -> None:
    host = Host(board)
    host.hear(board.advance(2_200_000))
    boots = host.of(Boot)
    assert len(boots) == 5
    assert boots[0] == Boot(1, 0, 5, 1)


def test_it_says_what_it_is(board: SimulatedBoard) -> None:
    host = Host(board)
    host.say(1_000, Hello())
    (welcome,) = host.of(Welcome)
    assert isinstance(welcome, Welcome)
    assert (welcome.hw_id, welcome.boot_id) == ("SIM00001", 5)
    assert welcome.features == ALL_FEATURES
    assert Feature.SIMULATOR in ALL_FEATURES


def test_whoever_is_late_changes_nothing_but_when_the_bytes_leave() -> None:
    def lives(step_us: int) -> tuple[bytes, object]:
        board = SimulatedBoard(Mechanics(seed=3), boot_id=5, params=PARAMS)
        sent = board.advance(1_000, encode(0, SESSION, Hello()))
        for at_us in range(step_us, 700_001, step_us):
            sent += board.advance(at_us)
        return sent, board.mechanics.truth(Section.PELVIC)

    assert lives(700_000) == lives(1_000) == lives(70_000)


def test_time_does_not_go_back(board: SimulatedBoard) -> None:
    board.advance(10_000)
    with pytest.raises(ValueError, match="time does not go back"):
        board.advance(9_999, b"\0")


def test_its_next_moment_always_lies_ahead(board: SimulatedBoard, host: Host) -> None:
    host.command(COCK)
    for _ in range(200):
        before_us = board.mechanics.now_us
        assert board.wake_us > before_us
        host.hear(board.advance(board.wake_us))


def test_it_cocks_arms_and_drops_only_by_a_thrust(board: SimulatedBoard, host: Host) -> None:
    host.command(COCK)
    host.beat_until(2_400_000)
    assert host.status.sections[2].phase == 3
    host.command(ARM, arg=15_000)
    host.beat_until(3_400_000)
    assert host.status.sections[2].phase == 4
    assert board.outputs[2].pin_withdrawn
    assert board.mechanics.drops == ()
    board.mechanics.thrust(Section.PELVIC, peak_n=500.0, rise_ms=120.0)
    host.hear(board.touched())
    host.beat_until(4_200_000)
    assert len(board.mechanics.drops) == 1
    assert host.status.sections[2].phase == 1


def test_what_a_hand_does_is_seen_at_once(board: SimulatedBoard, host: Host) -> None:
    seen = len(host.of(Status))
    board.mechanics.estop(True)
    host.hear(board.touched())
    host.hear(board.advance(board.mechanics.now_us + 1_000))
    assert len(host.of(Status)) > seen
    assert host.status.flags & 0b11 == 0b11


def test_a_reset_switches_all_outputs_off_and_keeps_only_the_parameters(
    board: SimulatedBoard, host: Host
) -> None:
    host.command(COCK)
    host.beat_until(1_800_000)
    assert board.outputs[2].lift
    height_um = board.mechanics.truth(Section.PELVIC).height_um
    assert 0 < height_um < 19_000
    host.frames.clear()
    host.hear(board.reset(3, boot_id=6))
    assert not any(section.driven for section in board.outputs)
    assert host.of(Boot) == [Boot(1, 0, 6, 3)]
    assert dict(board.params) == PARAMS
    # The session is gone with it: what the host says in it moves nothing.
    host.beat_until(2_500_000)
    assert board.mechanics.truth(Section.PELVIC).height_um == height_um
    assert host.of(Status) == []


def test_a_host_that_falls_silent_stops_the_motion(board: SimulatedBoard, host: Host) -> None:
    host.command(COCK)
    host.beat_until(1_800_000)
    assert board.outputs[2].lift
    last_beat_us = 1_750_000
    host.hear(board.advance(last_beat_us + 160_000))
    assert not any(section.driven for section in board.outputs)


def test_a_parameter_that_is_set_is_kept_and_is_another_version(
    board: SimulatedBoard, host: Host
) -> None:
    before = board.params_version
    host.say(board.mechanics.now_us, ParamSet(900, 2, 11, 2_500))
    assert board.params[2, 11] == 2_500
    assert board.params_version is not before


def test_a_board_whose_law_breaks_drops_all_outputs(
    board: SimulatedBoard, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.command(COCK)
    host.beat_until(1_800_000)
    assert board.mechanics.driven[2].lift

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(board._endpoint, "advance", broken)
    with pytest.raises(ZeroDivisionError):
        board.touched()
    assert not any(section.driven for section in (*board.outputs, *board.mechanics.driven))
