"""Starts the daemon's parts in the order in which they need each other, and ends them in the other.

A part that cannot start ends the start with its problem's sentence. A part that breaks later is
restarted where the table does not depend on it, and ends the daemon where it does: the board makes
itself safe when its host is gone, and a service manager starts the daemon again.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from pydantic import SecretStr

from droptable import __version__
from droptable.api.app import create_app
from droptable.api.server import bind, serve
from droptable.blackbox.recorder import Recorder
from droptable.blackbox.recording import Codecs
from droptable.blackbox.ring import FOLDER, Ring
from droptable.core.limits import Bounds, Preset, SectionLimits, Settings
from droptable.daemon import gpio_board
from droptable.daemon.calibrations import calibrations_of
from droptable.daemon.child import end, start
from droptable.daemon.clock import Clock, SystemClock
from droptable.daemon.config import Config, mqtt_password
from droptable.daemon.config_model import PresetKeys
from droptable.daemon.gateway import Gateway
from droptable.daemon.logs import configure_logs
from droptable.daemon.runner import Runner
from droptable.daemon.senses import Senses, free_mb_at
from droptable.daemon.time_quality import kernel_time_quality
from droptable.daemon.tokens import local_token
from droptable.daemon.watchdog import Watchdog
from droptable.errors import DroptableError
from droptable.journal.cursor import Cursor
from droptable.journal.journal import Journal
from droptable.journal.retention import Retention
from droptable.link.params import params_crc
from droptable.link.transport import Address, UnixAddress, open_stream, parse_link
from droptable.mqtt.publisher import Publisher
from droptable.mqtt.settings import MqttSettings
from droptable.sections import Section, section_named

SAFE_WAIT_S = 0.8
"""How long an ending daemon waits to see the table at rest: a STOP is sent after 0.3 s and confirmed
within a few STATUS. All of the end takes less than 2 s."""

RESTART_PAUSE_US = 1_000_000

PROGRAM_END_MAX_S = 0.5
"""What is left of these 2 s for a board's program that does not end by itself."""

BLACK_BOX_END_MAX_S = 0.3
"""What a disk gets to take the end of the recording; a daemon does not wait for one that hangs."""

CURSOR_FILE = "broker-cursor.json"
SIMULATOR_PARAMS_FILE = "simulator-params.json"

log = structlog.get_logger(__name__)


def run_daemon(config: Config, state_dir: Path) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Raises DroptableError when it cannot start."""
    configure_logs(config.log.level)
    return asyncio.run(_run(config, state_dir))


def settings_of(config: Config) -> Settings:
    """The configuration as far as the core's decisions depend on it."""
    thoracic, lumbar, pelvic = (_limits_of(config, section) for section in Section)
    return Settings(
        window_ms=config.arming.window_ms,
        sections=(thoracic, lumbar, pelvic),
        board_params=config.board_params(),
        params_crc=params_crc,
        hw_id=config.board.hw_id,
        allow_cli_motion=config.allow_cli_motion,
        bounds=Bounds(
            tension_over_load_max_dn=round(config.arming.tension_over_load_max_n * 10),
            unloaded_below_dn=round(config.arming.unloaded_below_n * 10),
            patient_timeout_us=config.arming.patient_timeout_s * 1_000_000,
            arms_per_minute_max=config.arming.arms_per_minute_max,
            coil_duty_max_percent=config.arming.coil_duty_max_percent,
            disk_free_min_mb=config.journal.disk_free_min_mb,
        ),
        presets={name: _preset_of(keys) for name, keys in config.presets.items()},
    )


def _preset_of(keys: PresetKeys) -> Preset:
    return Preset(
        section_named(keys.section),
        keys.drops,
        keys.window_s * 1_000_000,
        round(keys.tension_offset_n * 10),
        keys.text,
    )


def _limits_of(config: Config, section: Section) -> SectionLimits:
    keys = config.sections.of(section)
    return SectionLimits(
        keys.cock_timeout_ms,
        keys.lower_timeout_ms,
        round(keys.tension_min_n * 10),
        round(keys.tension_max_n * 10),
    )


async def _run(config: Config, state_dir: Path) -> int:
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_end.set)
    board = _board_of(config, state_dir)
    async with contextlib.AsyncExitStack() as parts:
        sock = parts.enter_context(bind(config.http.host, config.http.port))
        host, port = sock.getsockname()[:2]
        clock, watchdog = SystemClock(), Watchdog(SystemClock())
        journal = await Journal.open(
            state_dir, table=config.table.name, utc=clock.utc, time_quality=kernel_time_quality
        )
        parts.push_async_callback(journal.close)
        address = (
            await parts.enter_async_context(_started(board, clock))
            if isinstance(board, tuple)
            else board
        )
        runner = Runner(
            settings_of(config),
            open_stream=partial(open_stream, address),
            journal=journal,
            clock=clock,
            witness=parts.enter_context(_black_box(config, state_dir, clock)).saw,
        )
        runner.record(
            "daemon_started", {"version": __version__, "config_sha256": config.fingerprint()}
        )
        senses = await _senses(config, state_dir, runner, clock)
        gateway = Gateway(runner, journal, clock, table=config.table.name)
        loop.add_signal_handler(signal.SIGUSR1, gateway.stop, "signal")
        app = create_app(gateway, tokens={"operator": local_token(state_dir)}, hosts=[host])
        cursor = Cursor.load(state_dir / CURSOR_FILE, journal.epoch)
        parts.push_async_callback(_let_go, cursor)
        serving = asyncio.Event()
        vital = [
            asyncio.create_task(runner.run(), name="board link"),
            asyncio.create_task(serve(app, sock, serving), name="http"),
        ]
        others = [
            asyncio.create_task(watchdog.run(runner.healthy), name="watchdog"),
            asyncio.create_task(_kept_running("senses", senses.run, clock), name="senses"),
        ]
        if config.mqtt.enabled:
            publisher = _publisher(config, journal, clock, gateway, cursor)
            others.append(asyncio.create_task(_kept_running("mqtt", publisher.run, clock)))
        if config.journal.keep_days is not None:
            retention = Retention(
                journal,
                clock,
                keep=timedelta(days=config.journal.keep_days),
                taken_over=lambda: cursor.seq if config.mqtt.enabled else journal.head_seq,
            )
            others.append(asyncio.create_task(_kept_running("retention", retention.run, clock)))
        ending = asyncio.create_task(asked_to_end.wait(), name="signals")
        await _first_of(asyncio.create_task(serving.wait(), name="start"), *vital)
        if serving.is_set():
            _announce(watchdog, host, port)
        await _first_of(ending, *vital, keep=True)
        watchdog.stopping()
        # Whoever still reads or writes over HTTP has as long as the table takes to come to rest.
        gateway.close()
        vital[1].cancel()
        at_rest = await runner.close(SAFE_WAIT_S)
        runner.record("daemon_stopped", {"at_rest": at_rest})
        broken = await _end(*vital, *others, ending)
    log.info("ended", at_rest=at_rest)
    return 1 if broken else 0


async def _senses(config: Config, state_dir: Path, runner: Runner, clock: Clock) -> Senses:
    """What tells the core of the machine beneath; it has looked once."""
    senses = Senses(
        runner,
        clock,
        free_mb=partial(free_mb_at, state_dir),
        calibrations=lambda: calibrations_of(config, clock.monotonic_us(), clock.utc()),
    )
    await senses.look()
    return senses


def _announce(watchdog: Watchdog, host: str, port: int) -> None:
    """Tell the service manager and the log that the page can be opened."""
    page = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    watchdog.status(f"Serving {page}")
    watchdog.ready()
    log.info("ready", page=page)


async def _let_go(cursor: Cursor) -> None:
    """Have the cursor written, and say it if that, or reading it at the start, could not be done."""
    await cursor.flush()
    if cursor.finding is not None:
        log.warning("the broker is told again what it has", finding=cursor.finding)


async def _first_of(*tasks: "asyncio.Task[object]", keep: bool = False) -> None:
    """Wait until one of `tasks` is done; the first of them was made for this, unless kept."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if not keep:
        tasks[0].cancel()


async def _end(*tasks: "asyncio.Task[object]") -> bool:
    """Cancel `tasks` and wait for them; whether one of them had broken, which is logged."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [
        (task.get_name(), result)
        for task, result in zip(tasks, results, strict=True)
        if isinstance(result, Exception)
    ]
    for name, error in broken:
        log.error("a part of the daemon broke", part=name, exc_info=error)
    return bool(broken)


async def _kept_running(name: str, run: Callable[[], Awaitable[object]], clock: Clock) -> None:
    """Run a part that the table does not depend on, again after it broke."""
    while True:
        try:
            await run()
        except DroptableError as error:
            log.error(str(error))  # noqa: TRY400 - the sentence says it all
        except Exception:
            log.exception("a part of the daemon broke and is started again", part=name)
        await clock.sleep_until_us(clock.monotonic_us() + RESTART_PAUSE_US)


def _board_of(config: Config, state_dir: Path) -> Address | tuple[str, ...]:
    """Where the board is; or the Python module that stands for one, with its options but the link.

    DroptableError when there can be none at all.
    """
    match config.board.link:
        case "sim":
            return ("firmware_sim", "serve", "--params", str(state_dir / SIMULATOR_PARAMS_FILE))
        case "gpio":
            return gpio_board.program(config, state_dir)
        case link:
            try:
                return parse_link(link, config.board.baud)
            except ValueError as error:
                raise DroptableError("CONFIG_INVALID", f"[board] link: {error}") from None


@contextlib.asynccontextmanager
async def _started(program: tuple[str, ...], clock: Clock) -> AsyncIterator[Address]:
    """A board that is a program of its own, run again when it ends; ended when this is left."""
    # The paths of sockets are short by nature, those of state directories need not be.
    with TemporaryDirectory(prefix="droptable-") as sockets:
        address = UnixAddress(f"{sockets}/board")
        command = (sys.executable, "-m", *program, "--link", str(address))
        running = asyncio.create_task(
            _kept_running("board", partial(_run_program, command, sockets), clock), name="board"
        )
        try:
            yield address
        finally:
            await _end(running)


async def _run_program(command: tuple[str, ...], folder: str) -> None:
    """Run a program to its end; DroptableError when it ends by itself. `folder` is for its pipes."""
    # lgpio makes one as soon as it is imported, and the daemon's own folder may be read-only.
    environment = {"LG_WD": folder}
    process = await start(command, stdout=asyncio.subprocess.DEVNULL, environment=environment)
    try:
        code = await process.wait()
    finally:
        await end(process, PROGRAM_END_MAX_S)
    raise DroptableError("BOARD_PROGRAM", f"{command[2]} ended with {code}")


@contextlib.contextmanager
def _black_box(config: Config, state_dir: Path, clock: Clock) -> Iterator[Recorder]:
    """What records the steps of this run."""
    ring = Ring(state_dir / FOLDER, config.black_box.size_mib * 2**20)
    codecs = Codecs({"params_crc": params_crc})
    recorder = Recorder(ring, codecs, run=f"{clock.random_u32():08x}", utc=clock.utc)
    try:
        yield recorder
    finally:
        recorder.close(BLACK_BOX_END_MAX_S)


def _publisher(
    config: Config, journal: Journal, clock: Clock, gateway: Gateway, cursor: Cursor
) -> Publisher:
    keys = config.mqtt
    password = mqtt_password(config)
    settings = MqttSettings(
        site=config.table.site,
        table=config.table.name,
        host=keys.host,
        port=keys.port,
        username=keys.username,
        password=None if password is None else SecretStr(password),
        protocol=keys.protocol,
        sink=keys.sink,
        home_assistant=keys.home_assistant,
    )
    return Publisher(journal, settings, clock, gateway, stop=gateway.stop, cursor=cursor)
