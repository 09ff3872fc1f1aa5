"""The GPIO board's process over mock pins, as a program, and a host that speaks the link to it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from droptable.board.model import Verb
from droptable.daemon.clock import SystemClock
from droptable.daemon.config import load
from droptable.link.frames import Decoder, encode
from droptable.link.messages import (
    FROM_BOARD,
    Beat,
    BoardMessage,
    Command,
    Event,
    Hello,
    Message,
    ParamSet,
    Result,
    Status,
    Stop,
    Text,
    Time,
    TimeReply,
    Welcome,
)
from droptable.link.transport import open_stream, parse_link
from tests.system.house import CONFIG, LOOPBACK, ROOT, Program, Simulator, alive, until

PELVIC = 2
BEAT_EVERY_US = 50_000
Heard = TypeVar("Heard", bound=Message)


class Rig(Simulator):
    """`python -m firmware_sim.gpio_rig`, and the hand around its table."""

    def __init__(
        self, directory: Path, *options: str, module: str = "firmware_sim.gpio_rig"
    ) -> None:
        self.link = f"unix:{directory / 'pins'}"
        self.control = ""
        where = ("--json", "--control", f"{LOOPBACK}:0", "--link", self.link)
        Program.__init__(self, directory / "rig.log", module, *where, *options)

    async def changes(self, after_us: int) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self.hand(do="history", after_us=after_us))[
            "entries"
        ]
        return [entry for entry in entries if entry["section"] == "pelvic"]

    async def off_after(self, since_us: int) -> int:
        """How long after that moment the last coil of the section was off, on the table's clock."""
        found: list[int] = []

        async def look() -> bool:
            off = [e["us"] for e in await self.changes(since_us) if not driven(e)]
            found.extend(off)
            return bool(off)

        clock = SystemClock()
        while not await look():
            await clock.sleep_until_us(clock.monotonic_us() + 2_000)
        return found[0] - since_us


def driven(entry: dict[str, Any]) -> bool:
    return bool(entry["lift"] or entry["pin_withdrawn"] or entry["lowering"])


@asynccontextmanager
async def rig(directory: Path, *options: str) -> AsyncIterator[Rig]:
    running = Rig(directory, *options)
    try:
        await running.start()
        yield running
    finally:
        await running.kill()


class Host:
    """One host on the rig's link, whose BEATs go out as the test says."""

    def __init__(self, link: str) -> None:
        self._link = link
        self._clock = SystemClock()
        self._decoder = Decoder(FROM_BOARD)
        self._seq = 0
        self._cmd_id = 0
        self.session = self._clock.random_u32()
        self.heard: list[tuple[int, BoardMessage]] = []
        self.beating = True
        self.lease = self.hold = True
        self.beat_us = 0

    async def open(self) -> None:
        self._stream = await open_stream(
            parse_link(self._link), on_bytes=self._on_bytes, on_closed=lambda _: None
        )
        self.send(Hello())
        await self.until(lambda: self.last(Welcome))
        self._beat()
        await self.pass_ms(170)

    def close(self) -> None:
        self.beating = False
        self._timer.cancel()
        self._stream.close()

    def now_us(self) -> int:
        return self._clock.monotonic_us()

    def send(self, message: Message) -> int:
        now_us = self.now_us()
        self._stream.write([encode(self._seq, self.session, message)])
        self._seq += 1
        return now_us

    def beat(self) -> None:
        flags = Beat.LEASE * self.lease | Beat.HOLD * self.hold
        self.beat_us = self.send(Beat(flags, self.now_us() // 1_000 % 2**32))

    async def command(self, verb: Verb, arg: int = 0, *, section: int = PELVIC) -> tuple[int, int]:
        """Sent and answered at; refused is a failure."""
        self._cmd_id += 1
        cmd_id = self._cmd_id
        host_ms = self.now_us() // 1_000 % 2**32
        sent_us = self.send(Command(cmd_id, verb, section, 0xFF, 500, host_ms, arg))
        await self.until(lambda: self._result(cmd_id))
        at_us, result = next(self._results(cmd_id))
        assert result.code == 0, result
        return sent_us, at_us

    def stop(self) -> int:
        return self.send(Stop(0))

    async def reopen(self) -> None:
        """A new session after the one that died."""
        self.session, self._seq = self._clock.random_u32(), 0
        known = len(self.all(Welcome))
        self.send(Hello())
        await self.until(lambda: len(self.all(Welcome)) > known)
        self.beating = True
        await self.pass_ms(200)

    async def board_began_us(self) -> int:
        """When the board's clock was 0, on this host's; from the quickest of some round trips."""
        quickest = (1_000_000, 0)
        for _ in range(20):
            known = len(self.all(TimeReply))
            asked_us = self.send(Time(self.now_us()))
            await self.until(lambda known=known: len(self.all(TimeReply)) > known)
            at_us, reply = next(
                (at, m) for at, m in reversed(self.heard) if isinstance(m, TimeReply)
            )
            middle_us = (asked_us + at_us) // 2
            quickest = min(quickest, (at_us - asked_us, middle_us - reply.board_us))
        return quickest[1]

    def told_after_us(self, began_us: int) -> list[int]:
        """Of each STATUS with another phase, how long it took from the board's moment to this host."""
        statuses = [(at_us, m) for at_us, m in self.heard if isinstance(m, Status)]
        return [
            at_us - began_us - status.board_us
            for (_, before), (at_us, status) in pairwise(statuses)
            if before.pelvic.phase != status.pelvic.phase
        ]

    async def provide(self) -> None:
        """Every parameter that this board takes."""
        for (section, key), value in load(CONFIG, {}).board_params().items():
            self._cmd_id += 1
            self.send(ParamSet(self._cmd_id, section, key, value))
            await self.pass_ms(1)
        await self.until(lambda: (s := self.last(Status)) and not s.flags & 1 << 9)

    async def phase(self, number: int) -> None:
        await self.until(lambda: (s := self.last(Status)) and s.pelvic.phase == number)

    async def home(self) -> None:
        await self.pass_ms(120)
        await self.command(Verb.HOME)
        await self.phase(1)

    async def cocking(self) -> None:
        """Up, and half the way there."""
        await self.command(Verb.COCK)
        await self.until(lambda: (s := self.last(Status)) and s.pelvic.outputs == 0b011)

    async def armed(self, window_ms: int = 5_000) -> None:
        await self.command(Verb.COCK)
        await self.phase(3)
        await self.command(Verb.ARM, window_ms)
        await self.until(lambda: (s := self.last(Status)) and not s.pelvic.inputs & 0b100)

    # What came

    def all(self, kind: type[Heard]) -> list[Heard]:
        return [message for _, message in self.heard if isinstance(message, kind)]

    def last(self, kind: type[Heard]) -> Heard | None:
        return next((m for _, m in reversed(self.heard) if isinstance(m, kind)), None)

    def events(self, number: int) -> list[Event]:
        found = {event.event_seq: event for event in self.all(Event) if event.kind == number}
        return list(found.values())

    @property
    def status(self) -> Status:
        """The newest; there is one soon after a session was opened."""
        status = self.last(Status)
        assert status is not None
        return status

    @property
    def said(self) -> str:
        return " ".join(text.text for text in self.all(Text))

    def _results(self, cmd_id: int) -> Iterator[tuple[int, Result]]:
        return ((at, m) for at, m in self.heard if isinstance(m, Result) and m.cmd_id == cmd_id)

    def _result(self, cmd_id: int) -> bool:
        return any(True for _ in self._results(cmd_id))

    def _on_bytes(self, received: bytes) -> None:
        now_us = self.now_us()
        for frame in self._decoder.feed(received):
            assert not isinstance(frame.message, Hello)
            self.heard.append((now_us, frame.message))  # type: ignore[arg-type]

    async def until(self, holds: Callable[[], Any]) -> None:
        await until(holds)

    async def pass_ms(self, ms: int) -> None:
        await self._clock.sleep_until_us(self.now_us() + ms * 1_000)

    def _beat(self) -> None:
        if self.beating:
            self.beat()
        self._timer = self._clock.call_at_us(self.now_us() + BEAT_EVERY_US, self._beat)


@asynccontextmanager
async def host(link: str) -> AsyncIterator[Host]:
    """A host with a session and the control of the table."""
    made = Host(link)
    await made.open()
    try:
        yield made
    finally:
        made.close()


# Programs around the rig

LEASHED = """
import asyncio, sys
from pathlib import Path
from droptable.daemon.child import start

async def main():
    log = open(sys.argv[1], "ab")
    board = await start((sys.executable, "-m", *sys.argv[3:]), stdout=None, stderr=log)
    Path(sys.argv[2]).write_text(str(board.pid))
    await board.wait()

asyncio.run(main())
"""

BROKEN = """
import sys
from droptable.board import controller, endpoint
from droptable.board.model import Phase
from firmware_sim.gpio_rig import main

step = controller.step
def broken(state, *rest):
    done = step(state, *rest)
    if any(section.phase is Phase.ARMED for section in done.state.sections):
        raise RuntimeError("the law broke")
    return done
controller.step = broken
sys.exit(main(sys.argv[1:]))
"""


class Scripted(Rig):
    """A rig that another Python program starts or is."""

    def __init__(self, directory: Path, script: str, *before: str) -> None:
        super().__init__(directory)
        self._script = (script, *before)

    async def start(self) -> None:
        script, *before = self._script
        module = [] if not before else ["firmware_sim.gpio_rig"]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", script, *before, *module, *self._command[1:]),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        told = json.loads(await self.line())
        self.link, self.control = told["link"], told["control"]


@asynccontextmanager
async def broken_rig(directory: Path) -> AsyncIterator[Rig]:
    running = Scripted(directory, BROKEN)
    try:
        await running.start()
        yield running
    finally:
        await running.kill()


@asynccontextmanager
async def leashed(directory: Path) -> AsyncIterator[tuple[Any, Rig]]:
    log, pid = directory / "rig.log", directory / "pid"
    running = Scripted(directory, LEASHED, str(log), str(pid))
    try:
        await running.start()
        yield running.process, running
    finally:
        await running.kill()
        if pid.exists() and alive(int(pid.read_text())):
            os.kill(int(pid.read_text()), signal.SIGKILL)
