"""Serves one simulated board in real time, on a pty, a TCP port or a unix socket.

The board's clock is the machine's; whatever the simulator is late with happens at its right time
on the board, only its bytes leave late. A shell around `simulated_board.py`, without decisions.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from droptable.daemon.clock import Clock, SystemClock
from droptable.link.transport import parse_tcp
from droptable.link.transport_listen import listen, parse_listen
from firmware_sim.control import ControlPort
from firmware_sim.deeds import carry_out
from firmware_sim.mechanics import Mechanics
from firmware_sim.simulated_board import SimulatedBoard

T = TypeVar("T")


class Stream(Protocol):
    """Where the board's bytes go."""

    def write(self, frames: list[bytes]) -> None:
        """Send whole frames."""


HW_ID_CHARACTERS = 8


class ServedBoard:
    """A simulated board that follows `clock` and talks over whatever stream it is given."""

    def __init__(self, board: SimulatedBoard, clock: Clock, store: "ParamFile | None") -> None:
        self.board = board
        self._clock = clock
        self._store = store
        self._began_us = clock.monotonic_us() - board.mechanics.now_us
        self._stored = board.params_version
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._advance(b"")

    def connected(self, stream: Stream) -> None:
        """A host is there; it replaces the one before."""
        self._stream = stream

    def heard(self, received: bytes) -> None:
        """The host has sent bytes."""
        self._advance(received)

    def lost(self, _detail: str) -> None:
        """The host is gone; the board notices by itself, in its own time."""
        self._stream = None

    def touch(self, hand: Callable[[Mechanics], T]) -> T:
        """Have `hand` do something to the table now; the board sees it at once."""
        self._advance(b"")
        answer = hand(self.board.mechanics)
        self._send(self.board.touched())
        self._arm()
        return answer

    def close(self) -> None:
        """Let time stand still."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self, received: bytes) -> None:
        self._send(self.board.advance(self._clock.monotonic_us() - self._began_us, received))
        if self._store is not None and self.board.params_version is not self._stored:
            self._stored = self.board.params_version
            self._store.write(self.board.params)
        self._arm()

    def _send(self, sent: bytes) -> None:
        if sent and self._stream is not None:
            self._stream.write([sent])

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at_us = self.board.wake_us + self._began_us
        self._timer = self._clock.call_at_us(at_us, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._advance(b"")


_ROWS = TypeAdapter(list[tuple[int, int, int]])
"""Section, 255 for the table, key and value."""


class ParamFile:
    """Where a simulated board keeps its parameters while it has no power."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[tuple[int, int], int]:
        """What is stored; nothing for a board that never was told any. ValueError for anything else."""
        if not self._path.exists():
            return {}
        try:
            rows = _ROWS.validate_json(self._path.read_bytes())
        except ValidationError:
            raise ValueError(f"{self._path} does not hold a board's parameters") from None
        return {(section, key): value for section, key, value in rows}

    def write(self, params: Mapping[tuple[int, int], int]) -> None:
        """Replace what is stored."""
        beside = self._path.with_name(self._path.name + ".new")
        rows = [[section, key, value] for (section, key), value in sorted(params.items())]
        beside.write_text(json.dumps(rows))
        beside.replace(self._path)


async def serve(
    link: str,
    *,
    control: str | None,
    seed: int,
    hw_id: str,
    params_file: Path | None,
    announce: "Announce",
    ended: asyncio.Event,
) -> None:
    """Serve until `ended` is set. `announce(link, control)` is called once both can be reached.

    Raises ValueError for a link, an address or a name that is none, and OSError for a place that
    cannot be had; and what the board raised, if its own law was broken: all its outputs are off then.
    """
    if not (len(hw_id) == HW_ID_CHARACTERS and hw_id.isascii() and hw_id.isprintable()):
        raise ValueError(f"{hw_id!r} is not a board's name; it has eight ASCII characters")
    control_at = None if control is None else parse_tcp(control)
    loop = asyncio.get_running_loop()
    broke: list[Exception] = []

    def on_broken(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        broke.append(context.get("exception") or RuntimeError(context["message"]))
        ended.set()

    clock = SystemClock()
    store = None if params_file is None else ParamFile(params_file)
    board = SimulatedBoard(
        Mechanics(seed=seed),
        boot_id=clock.random_u32(),
        hw_id=hw_id,
        params=None if store is None else store.read(),
    )
    served = ServedBoard(board, clock, store)
    port = ControlPort(lambda deed: served.touch(partial(carry_out, deed, board=board)))
    listener = await listen(
        parse_listen(link),
        on_bytes=served.heard,
        on_connected=served.connected,
        on_closed=served.lost,
    )
    try:
        opened = None if control_at is None else await port.open(control_at.host, control_at.port)
        loop.set_exception_handler(on_broken)
        announce(str(listener.address), opened)
        await ended.wait()
    finally:
        loop.set_exception_handler(None)
        await port.close()
        listener.close()
        served.close()
    if broke:
        raise broke[0]


class Announce:
    """Says on stdout where the board is reached, for people or for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, link: str, control: str | None) -> None:
        if self._as_json:
            said = json.dumps({"schema": "sim-serve/1", "link": link, "control": control})
        else:
            said = link if control is None else f"{link}\ncontrol {control}"
        print(said, flush=True)  # noqa: T201 - its output is its purpose
