"""The served board: it follows the clock, talks to the newest host and keeps its parameters."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from droptable.board.endpoint import Endpoint
from droptable.link.frames import Decoder, encode
from droptable.link.messages import FROM_BOARD, Beat, Boot, Hello, ParamSet, Status, Welcome
from firmware_sim.deeds import Reset, carry_out
from firmware_sim.mechanics import Mechanics
from firmware_sim.serve import Announce, ParamFile, ServedBoard, serve
from firmware_sim.simulated_board import SimulatedBoard
from firmware_sim.virtual import VirtualClock, run_virtual
from tests.brokers import LOOPBACK, free_port


class Host:
    """A stream that keeps what the board sends."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def write(self, frames: list[bytes]) -> None:
        self.heard += b"".join(frames)

    def of(self, kind: type) -> list[object]:
        return [f.message for f in Decoder(FROM_BOARD).feed(bytes(self.heard))
                if isinstance(f.message, kind)]  # fmt: skip


def left_in(directory: Path) -> list[Path]:
    """What lies there."""
    return list(directory.iterdir())


def served(store: ParamFile | None = None) -> ServedBoard:
    params = None if store is None else store.read()
    board = SimulatedBoard(Mechanics(seed=1), boot_id=5, params=params)
    return ServedBoard(board, VirtualClock(), store)


def test_the_board_lives_by_the_clock_and_ends_with_it() -> None:
    async def scene() -> int:
        running, host = served(), Host()
        running.connected(host)
        running.heard(encode(0, 7, Hello()))
        for number in range(1, 21):
            running.heard(encode(number, 7, Beat(0, 50 * number)))
            await VirtualClock().sleep_until_us(50_000 * number)
        running.close()
        heard = len(host.of(Status))
        await VirtualClock().sleep_until_us(60_000_000)
        assert len(host.of(Status)) == heard
        return heard

    # A STATUS every 20 ms, and some more for what changed.
    assert 50 <= run_virtual(scene()) <= 60


def test_only_the_newest_host_hears_the_board() -> None:
    async def scene() -> None:
        running, first, second = served(), Host(), Host()
        running.connected(first)
        running.heard(encode(0, 7, Hello()))
        running.connected(second)
        before = len(first.heard)
        running.heard(encode(0, 8, Hello()))
        assert len(first.heard) == before
        assert len(second.of(Welcome)) == 1
        running.lost("gone")
        running.heard(b"")
        running.close()

    run_virtual(scene())


def test_a_reset_from_outside_is_told_at_once_and_the_clock_begins_anew() -> None:
    async def scene() -> None:
        running, host = served(), Host()
        running.connected(host)
        running.heard(encode(0, 7, Hello()))
        await VirtualClock().sleep_until_us(30_000)
        reset = Reset(do="reset", cause="watchdog")
        told = running.touch(partial(carry_out, reset, board=running.board))
        assert told == {"now_us": 30_000}
        boots = [boot for boot in host.of(Boot) if isinstance(boot, Boot)]
        assert (boots[-1].boot_id, boots[-1].reset_cause) == (6, 3)
        running.heard(encode(0, 8, Hello()))
        await VirtualClock().sleep_until_us(60_000)
        statuses = [status for status in host.of(Status) if isinstance(status, Status)]
        assert statuses[-1].board_us == 20_000
        running.close()

    run_virtual(scene())


def test_parameters_outlive_the_simulator(tmp_path: Path) -> None:
    async def scene() -> None:
        store = ParamFile(tmp_path / "params.json")
        running = served(store)
        running.connected(Host())
        running.heard(encode(0, 7, Hello()))
        running.heard(encode(1, 7, ParamSet(1, 2, 15, 21_000)))
        running.close()
        again = served(store)
        assert dict(again.board.params) == {(2, 15): 21_000}
        again.close()

    run_virtual(scene())


@pytest.mark.parametrize("content", ["", "{}", "[[1, 2]]", '[["a", 1, 2]]', "[1]", "\x00\xff"])
async def test_a_file_that_holds_no_parameters_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"params\.json does not hold a board's parameters"):
        ParamFile(path).read()


# On real links


async def serve_at(
    link: str, *, control: str | None = None, hw_id: str = "SIM00001"
) -> tuple[str, str | None]:
    """Serve until it was announced; what was."""
    told: list[tuple[str, str | None]] = []
    ended = asyncio.Event()

    def announce(at: str, control_at: str | None) -> None:
        told.append((at, control_at))
        ended.set()

    async with asyncio.timeout(10):
        await serve(
            link,
            control=control,
            seed=0,
            hw_id=hw_id,
            params_file=None,
            announce=announce,
            ended=ended,
        )
    return told[0]


async def test_it_announces_where_it_is_and_leaves_nothing(tmp_path: Path) -> None:
    assert await serve_at(f"unix:{tmp_path}/board") == (f"unix:{tmp_path}/board", None)
    link, control = await serve_at(f"tcp:{LOOPBACK}:0", control=f"{LOOPBACK}:0")
    assert link.startswith(f"tcp:{LOOPBACK}:")
    assert not link.endswith(":0")
    assert control is not None
    assert not control.endswith(":0")
    assert await serve_at(f"pty:{tmp_path}/tty") == (f"pty:{tmp_path}/tty", None)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("link", "control", "hw_id", "says"),
    [
        ("serial:/dev/ttyS0", None, "SIM00001", "cannot be served on"),
        ("unix:", None, "SIM00001", "not the path"),
        ("tcp:nowhere", None, "SIM00001", "is not HOST:PORT"),
        ("unix:board", "9000", "SIM00001", "'9000' is not HOST:PORT"),
        ("unix:board", f"{LOOPBACK}:70000", "SIM00001", "is not HOST:PORT"),
        ("unix:board", None, "SIM", "eight ASCII characters"),
        ("unix:board", None, "SIMÄ0001", "eight ASCII characters"),
    ],
)
async def test_what_cannot_be_served_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    link: str,
    control: str | None,
    hw_id: str,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=says):
        await serve_at(link, control=control, hw_id=hw_id)
    assert left_in(tmp_path) == []


async def test_a_taken_control_port_ends_it_and_frees_the_link(tmp_path: Path) -> None:
    port = free_port()
    other = await asyncio.start_server(lambda *_: None, LOOPBACK, port)
    async with other:
        with pytest.raises(OSError, match="address already in use"):
            await serve_at(f"unix:{tmp_path}/board", control=f"{LOOPBACK}:{port}")
    assert left_in(tmp_path) == []


async def test_a_board_whose_law_breaks_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LawBrokenError(Exception):
        pass

    def broken(*_: object) -> None:
        raise LawBrokenError

    def announce(*_: object) -> None:
        monkeypatch.setattr(Endpoint, "advance", broken)

    async with asyncio.timeout(10):
        with pytest.raises(LawBrokenError):
            await serve(
                f"unix:{tmp_path}/board",
                control=None,
                seed=0,
                hw_id="SIM00001",
                params_file=None,
                announce=announce,  # type: ignore[arg-type]
                ended=asyncio.Event(),
            )
    assert left_in(tmp_path) == []


def test_the_announcement_is_for_people_or_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    Announce(as_json=False)("unix:/b", None)
    Announce(as_json=False)("unix:/b", "127.0.0.1:9")
    Announce(as_json=True)("unix:/b", "127.0.0.1:9")
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["unix:/b", "unix:/b", "control 127.0.0.1:9"]
    assert json.loads(told[3]) == {
        "schema": "sim-serve/1",
        "link": "unix:/b",
        "control": "127.0.0.1:9",
    }
