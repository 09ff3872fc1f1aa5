"""The real programs for a test: daemons, simulators and other boards, each ended by its own pid.

Every wait is for a condition and has an end; every program's messages are kept for the assertion.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "demo.toml"
LOOPBACK = "127.0.0.1"
WAIT_MAX_S = 20.0
LOOK_S = 0.005
PATIENT_N = [250.0, 150.0, 200.0]
TENSION_N = 320.0
THRUST = {"peak_n": 400.0, "rise_ms": 120.0, "preload_n": 60.0}


async def until(holds: Callable[[], Any], within_s: float = WAIT_MAX_S) -> None:
    """Wait for what other programs bring about; they set no event of ours."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(LOOK_S)


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


class Program:
    """One program of ours in a process of its own."""

    def __init__(self, log: Path, *command: str, **environment: str) -> None:
        self.log = log
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self.stdout = b""

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *self._command),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment},
            )

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def said(self) -> str:
        """All that it said on stderr so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def warnings(self) -> list[str]:
        """The sentences of its log that are warnings or graver."""
        lines = [json.loads(line) for line in self.said.splitlines() if line.startswith("{")]
        return [line["event"] for line in lines if line["level"] in ("warning", "error")]

    async def line(self) -> str:
        """The next line of its stdout."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_MAX_S):
            return (await self.process.stdout.readline()).decode()

    async def ended(self, within_s: float = WAIT_MAX_S) -> int:
        """Wait until it has ended; its exit code."""
        async with asyncio.timeout(within_s):
            self.stdout, _ = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    async def end(self) -> int:
        """SIGTERM, and what became of it."""
        self.process.terminate()
        return await self.ended()

    async def kill(self) -> None:
        """As `kill -9` does."""
        if self.running:
            self.process.kill()
        if self._process is not None:
            await self.process.communicate()


class Simulator(Program):
    """`droptable-sim serve`, and the hand around its table."""

    def __init__(self, directory: Path, link: str, **more: str) -> None:
        options = [text for name, value in more.items() for text in (f"--{name}", value)]
        super().__init__(
            directory / "simulator.log",
            *("firmware_sim", "serve", "--json", "--control", f"{LOOPBACK}:0", "--link", link),
            *options,
        )
        self.link = link
        self.control = ""

    async def start(self) -> None:
        await super().start()
        told = json.loads(await self.line())
        self.link, self.control = told["link"], told["control"]

    @property
    def host_link(self) -> str:
        """What a daemon writes to reach it."""
        return self.link.replace("pty:", "serial:")

    async def hand(self, **deed: Any) -> dict[str, Any]:
        """Do something to the table."""
        host, _, port = self.control.rpartition(":")
        async with asyncio.timeout(WAIT_MAX_S):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(json.dumps(deed).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
            writer.close()
            await writer.wait_closed()
        assert answer.pop("ok"), answer
        return answer

    async def truth(self, section: str = "pelvic") -> dict[str, Any]:
        """What the section really does, and the simulator's time."""
        told = await self.hand(do="truth")
        return {"now_us": told["now_us"], **told["sections"][section]}

    async def thrust(self, section: str = "pelvic", **shape: float) -> None:
        await self.hand(do="thrust", section=section, **{**THRUST, **shape})

    async def passes(self, us: int) -> dict[str, Any]:
        """Let this much of the simulator's time pass; the truth after it."""
        began_us = (await self.truth())["now_us"]
        while (truth := await self.truth())["now_us"] < began_us + us:
            await asyncio.sleep(LOOK_S)
        return truth


class Daemon(Program):
    """`droptable run` on any free port, and its API. `start` returns when it is ready."""

    def __init__(
        self,
        directory: Path,
        link: str,
        *options: str,
        mqtt: int | None = None,
        http: str = f"{LOOPBACK}:0",
        state: Path | None = None,
        **environment: str,
    ) -> None:
        self.state_dir = directory / "state" if state is None else state
        broker = () if mqtt is None else ("--mqtt", f"{LOOPBACK}:{mqtt}")
        self._notify = directory / "notify"
        super().__init__(
            directory / "daemon.log",
            *("droptable", "run", "--config", str(CONFIG), "--state-dir", str(self.state_dir)),
            *("--link", link, "--http", http, *broker, *options),
            NOTIFY_SOCKET=str(self._notify),
            **{"DROPTABLE__MQTT__ENABLED": "true" if mqtt is not None else "false", **environment},
        )
        self.notices: list[str] = []
        self.api = httpx.AsyncClient()
        self._renewing: asyncio.Task[None] | None = None
        self._manager: socket.socket | None = None

    async def launch(self) -> None:
        """Start it without waiting for it to be ready."""
        self._listen()
        await super().start()

    async def start(self) -> None:
        await self.launch()
        async with asyncio.timeout(WAIT_MAX_S):
            while "READY=1" not in self.notices:
                assert self.running, self.said
                await self.hear()
        page = next(n for n in self.notices if n.startswith("STATUS=Serving"))
        await self.api.aclose()
        self.api = httpx.AsyncClient(
            base_url=f"{page.removeprefix('STATUS=Serving ')}api/v1", trust_env=False
        )

    async def hear(self) -> None:
        """Hear one more notice, or that it has ended."""
        assert self._manager is not None
        heard = asyncio.get_running_loop().sock_recv(self._manager, 4096)
        telling = asyncio.ensure_future(heard)
        ending = asyncio.ensure_future(self.process.wait())
        await asyncio.wait((telling, ending), return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            self.notices.append(telling.result().decode())
        telling.cancel()
        ending.cancel()
        await asyncio.gather(telling, ending, return_exceptions=True)

    async def leave(self) -> None:
        """Kill it if it still runs, and close what is ours."""
        await self.let_go()
        await self.kill()
        await self.api.aclose()
        if self._manager is not None:
            self._manager.close()

    # As a client of its API

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self.api.get("/state")).json()
        return state

    async def section(self, section: str = "pelvic") -> dict[str, Any]:
        shown: dict[str, Any] = (await self.state())["sections"][section]
        return shown

    async def until(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the state is as it should be; the state."""
        state: dict[str, Any] = {}
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                while not holds(state := await self.state()):
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(json.dumps(state, indent=1) + self.said) from None
        return state

    async def until_phase(self, phase: str, section: str = "pelvic") -> None:
        await self.until(lambda state: state["sections"][section]["phase"] == phase)

    async def until_problem(self, code: str) -> str:
        """Wait for a problem of the link; its whole sentence."""
        state = await self.until(lambda s: (s["link"]["problem"] or "").startswith(code))
        return str(state["link"]["problem"])

    async def live(self) -> None:
        """The board is heard and proven."""
        waits = {"PARAMS_DIFFER", "PARAMS_INCOMPLETE", "SESSION_NEW", "LINK_STALE", "LINK_DOWN"}
        await self.until(
            lambda s: not waits & {r["code"] for r in s["sections"]["pelvic"]["ready"]["cock"]}
        )

    async def do(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = await self.api.request(method, path, json=body)
        assert answer.is_success, answer.text

    async def refused(self, verb: str, section: str = "pelvic") -> list[dict[str, str]]:
        """Ask for what is refused; every reason."""
        answer = await self.api.post(f"/sections/{section}/{verb}")
        assert answer.status_code == 409, answer.text
        reasons: list[dict[str, str]] = answer.json()["refused"]
        return reasons

    async def events(self, kind: str) -> list[dict[str, Any]]:
        told: dict[str, Any] = (await self.api.get("/events", params={"kind": kind})).json()
        events: list[dict[str, Any]] = told["events"]
        return events

    async def take_control(self) -> None:
        """Take the lease and keep it."""
        await self.do("POST", "/lease")
        self._renewing = asyncio.create_task(self._renew())

    async def let_go(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None

    async def homed(self, simulator: Simulator) -> None:
        """Live, a patient on the table, the control ours, the pelvic section LOCKED and tense."""
        await simulator.hand(do="patient", load_n=PATIENT_N)
        await self.live()
        await self.take_control()
        if (await self.section())["phase"] == "UNKNOWN":
            await self.do("POST", "/sections/pelvic/home")
            await self.until(lambda s: s["sections"]["pelvic"]["phase"] in ("LOCKED", "COCKED"))
        await self.do("PUT", "/sections/pelvic/tension", {"newton": TENSION_N})
        await self.until(
            lambda s: abs((s["sections"]["pelvic"]["tension"]["measured_n"] or 0) - TENSION_N) < 10
        )

    async def cocking(self, simulator: Simulator) -> None:
        """On its way up."""
        await self.homed(simulator)
        await self.until(lambda s: not s["sections"]["pelvic"]["ready"]["cock"])
        await self.do("POST", "/sections/pelvic/cock")
        while (await simulator.truth())["height_um"] < 2_000:
            await asyncio.sleep(LOOK_S)

    async def cocked(self, simulator: Simulator) -> None:
        await self.homed(simulator)
        if (await self.section())["phase"] != "COCKED":
            await self.until(lambda s: not s["sections"]["pelvic"]["ready"]["cock"])
            await self.do("POST", "/sections/pelvic/cock")
        await self.until_phase("COCKED")
        await self.until(lambda s: not s["sections"]["pelvic"]["ready"]["arm"])

    async def armed(self, simulator: Simulator) -> None:
        await self.cocked(simulator)
        await self.do("POST", "/sections/pelvic/arm")
        await self.until_phase("ARMED")
        while (await simulator.truth())["pin_in"]:
            await asyncio.sleep(LOOK_S)

    async def dropped(self, simulator: Simulator) -> dict[str, Any]:
        """Thrust at the armed section; the drop as the journal has it."""
        before = len(await self.events("drop"))
        await simulator.thrust()
        await self.until(lambda s: s["sections"]["pelvic"]["phase"] == "LOCKED")
        await self.until(lambda s: s["sections"]["pelvic"]["last_drop"] is not None)
        drops = await self.events("drop")
        assert len(drops) == before + 1
        return drops[-1]

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            await self.api.post("/lease")

    def _listen(self) -> None:
        if self._manager is not None:
            self._manager.close()
        self._notify.unlink(missing_ok=True)
        self.notices.clear()
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(self._notify))
        self._manager.setblocking(False)


@asynccontextmanager
async def simulator(directory: Path, link: str = "", **more: str) -> AsyncIterator[Simulator]:
    """A simulator that serves; gone when this is left."""
    running = Simulator(directory, link or f"unix:{directory / 'board'}", **more)
    try:
        await running.start()
        yield running
    finally:
        await running.kill()


@asynccontextmanager
async def daemon(directory: Path, link: str, *options: str, **more: Any) -> AsyncIterator[Daemon]:
    """A daemon that is ready; gone when this is left."""
    running = Daemon(directory, link, *options, **more)
    try:
        await running.start()
        yield running
    finally:
        await running.leave()


async def run(directory: Path, *command: str, **environment: str) -> Program:
    """Run a program to its end."""
    program = Program(directory / f"{command[1]}.log", *command, **environment)
    try:
        await program.start()
        await program.ended(40)
    finally:
        await program.kill()
    return program
