"""The board's process as a program: it drops, it ends safely however it is ended, it says why."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from droptable.board.model import Phase, Verb
from droptable.board.process import Setup, hw_id_of, parse_place, parse_setup
from droptable.board.realtime import RealTime
from droptable.link.messages import Boot, Command, Status, Welcome
from firmware_sim.gpio_rig import ORDINARY
from firmware_sim.mock_pi import REFERENCE
from tests.gpio.rigs import Rig, broken_rig, host, leashed, rig
from tests.system.house import THRUST, alive, run, until

NO_COILS = {"thoracic": [], "lumbar": [], "pelvic": []}


def setup_text(**changes: Any) -> str:
    return json.dumps({**asdict(Setup(REFERENCE, ORDINARY)), **changes})


def coils_left(rig: Rig) -> object:
    """What the program found on the pins at its very end."""
    told = [json.loads(line) for line in rig.said.splitlines() if "the bench ended" in line]
    return json.loads(told[-1]["coils"])


async def test_one_drop_from_home_to_locked(tmp_path: Path) -> None:
    async with rig(tmp_path) as board, host(board.link) as h:
        await h.provide()
        await board.hand(do="patient", load_n=[250.0, 150.0, 200.0])
        await h.home()
        await h.armed()
        assert not (await board.truth())["pin_in"]
        await board.thrust(**THRUST)
        await until(lambda: h.events(8))
        (drop,) = h.events(7)
        assert 40_000 < drop.a < 60_000
        assert 4_000 < drop.b < 7_000
        truth = await board.truth()
        assert truth["drops"] == 1
        assert truth["pin_in"]
        # LOCK goes the other way, without a drop.
        await h.command(Verb.COCK)
        await h.phase(3)
        await h.command(Verb.LOCK)
        await h.phase(1)
        assert (await board.truth())["drops"] == 1
        assert h.last(Welcome).features == 0b1101_0001 | 1 << 5 | 1 << 6  # type: ignore[union-attr]


async def test_sigterm_takes_the_coils_off_and_ends_well(tmp_path: Path) -> None:
    async with rig(tmp_path) as board, host(board.link) as h:
        await h.provide()
        await h.home()
        await h.armed()
        assert (await board.hand(do="truth"))["sections"]["pelvic"]["outputs"]["pin_withdrawn"]
        assert await board.end() == 0
        assert coils_left(board) == NO_COILS


async def test_its_starters_death_takes_the_coils_off_and_ends_it(tmp_path: Path) -> None:
    """As the daemon starts it, on a leash; and then the daemon is killed outright."""
    async with leashed(tmp_path) as (starter, board), host(board.link) as h:
        await h.provide()
        await h.home()
        await h.armed()
        pid = int((tmp_path / "pid").read_text())
        starter.kill()
        await starter.wait()
        await until(lambda: not alive(pid))
        assert coils_left(board) == NO_COILS
        assert "the board's program ended" in board.said


async def test_a_bug_takes_the_coils_off_and_is_told(tmp_path: Path) -> None:
    async with broken_rig(tmp_path) as board, host(board.link) as h:
        await h.provide()
        await h.home()
        await h.command(Verb.COCK)
        await h.phase(3)
        # From here on it breaks as soon as it would withdraw a pin for the window.
        h._cmd_id += 1
        now_ms = h.now_us() // 1_000 % 2**32
        h.send(Command(h._cmd_id, Verb.ARM, 2, 0xFF, 500, now_ms, 5_000))
        assert await board.ended() == 1
        assert coils_left(board) == NO_COILS
        assert "the law broke" in board.said
        assert "Traceback" in board.said


async def test_parameters_outlive_it_and_a_damaged_store_is_a_fault(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with rig(tmp_path, "--store", str(store)) as board, host(board.link) as h:
        first = h.last(Welcome)
        assert first is not None
        await h.provide()
        assert await board.end() == 0
    async with rig(tmp_path, "--store", str(store)) as board, host(board.link) as h:
        again = h.last(Welcome)
        assert again is not None
        assert again.params_crc != first.params_crc
        await until(lambda: (s := h.last(Status)) and not s.flags & 1 << 9)
        assert again.boot_id != first.boot_id
        assert (first.reset_cause, again.reset_cause) == (1, 5)
        assert await board.end() == 0
    store.write_bytes(store.read_bytes().replace(b"2000", b"2001", 1))
    async with rig(tmp_path, "--store", str(store)) as board, host(board.link) as h:
        await until(lambda: h.last(Status))
        status = h.last(Status)
        assert status is not None
        assert [s.fault for s in (status.thoracic, status.lumbar, status.pelvic)] == [16] * 3


async def test_a_new_host_replaces_the_old_and_nothing_moves_by_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as board, host(board.link) as first:
        await first.provide()
        await first.home()
        await first.armed()
        async with host(board.link) as second:
            assert [e.a for e in second.events(6)] == [4]
            assert (await board.truth())["pin_in"]
            assert first._stream.closed


async def test_it_says_boot_to_whoever_comes(tmp_path: Path) -> None:
    async with rig(tmp_path) as board, host(board.link) as h:
        h.beating = False
        await until(lambda: h.last(Boot))
        boot = h.last(Boot)
        assert boot is not None
        assert boot.boot_id == h.last(Welcome).boot_id  # type: ignore[union-attr]


async def test_what_the_machine_refuses_is_told_to_the_host(tmp_path: Path) -> None:
    wishes = asdict(RealTime(0, 255, lock_memory=False, freeze_collector=False))
    async with rig(tmp_path, "--setup", setup_text(real_time=wishes)) as board:
        async with host(board.link) as h:
            assert h.said == "not on core 255: invalid argument"
        assert "not on core 255" in board.said


# What does not start


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pins": asdict(replace(REFERENCE, watchdog=16))}, "watchdog = 16: already taken by"),
        ({"pins": asdict(replace(REFERENCE, watchdog=3))}, "GPIO 2 to 8 power up high"),
        ({"pins": {"chip": 0}}, "pins.thoracic"),
        ({"real_time": {"priority": "high"}}, "real_time.priority"),
    ],
)
async def test_a_setup_that_is_wrong_touches_no_pin(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    where = ("--link", f"unix:{tmp_path / 'b'}", "--store", str(tmp_path / "p"))
    module = "firmware_sim.gpio_rig"
    program = await run(tmp_path, module, *where, "--setup", setup_text(**change))
    assert program.process.returncode in (1, 2)
    assert sentence in program.said
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "p.boot").exists()


async def test_a_machine_without_pins_is_told_in_a_sentence(tmp_path: Path) -> None:
    where = ("--link", f"unix:{tmp_path / 'b'}", "--store", str(tmp_path / "p"))
    chipless = asdict(replace(REFERENCE, chip=13))
    program = await run(
        tmp_path,
        "droptable.board.process",
        *(*where, "--setup", setup_text(pins=chipless)),
        LG_WD=str(tmp_path),
    )
    assert program.process.returncode == 1
    line = json.loads(program.said.splitlines()[-1])
    assert line["level"] == "error"
    assert "the board's program broke" in line["event"]


async def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    async with rig(tmp_path) as board:
        second = await run(tmp_path, "firmware_sim.gpio_rig", "--link", board.link)
        assert second.process.returncode == 1
        assert "another program serves there" in second.said


@pytest.mark.parametrize("link", ["tcp:127.0.0.1:1", "serial:/dev/null", "unix:", "x"])
def test_only_a_unix_socket_is_a_place(link: str) -> None:
    with pytest.raises(ValueError, match=r"unix:PATH|path"):
        parse_place(link, "store")


def test_a_setup_is_taken_as_it_was_sent() -> None:
    assert parse_setup(setup_text()) == Setup(REFERENCE, ORDINARY)
    with pytest.raises(ValueError, match="extra"):
        parse_setup(setup_text(extra=1))


def test_the_name_of_the_board_is_the_machines(tmp_path: Path) -> None:
    serial = tmp_path / "serial-number"
    serial.write_bytes(b"100000003d1f84a6\0")
    assert hw_id_of(serial) == "PI1f84a6"
    assert hw_id_of(tmp_path / "none") == "PI000000"


async def test_a_reset_ends_one_life_of_the_board_and_begins_the_next(tmp_path: Path) -> None:
    async with rig(tmp_path) as board, host(board.link) as h:
        first = h.last(Welcome)
        assert first is not None
        await h.provide()
        await h.home()
        await h.armed()
        asked_us = h.now_us()
        reset_us = (await board.hand(do="reset", cause="brown-out"))["now_us"]
        assert await board.off_after(reset_us) < 100_000
        # It knows nothing of the session, and says so on the line that is still open.
        await until(lambda: h.last(Boot))
        boot = h.last(Boot)
        assert boot is not None
        assert boot.boot_id != first.boot_id
        assert boot.reset_cause == 2
        await h.reopen()
        again = h.last(Welcome)
        assert again is not None
        assert (again.boot_id, again.reset_cause) == (boot.boot_id, 2)
        assert again.params_crc != first.params_crc, "the parameters are kept"
        assert not h.status.flags & 1 << 9
        assert h.status.pelvic.phase == Phase.UNKNOWN
        assert h.status.board_us <= h.now_us() - asked_us
        # It is as alive as before, and ends as it did.
        await h.command(Verb.HOME)
        await h.phase(3)
        assert await board.end() == 0
        assert coils_left(board) == NO_COILS
