"""`droptable doctor`: looks for what keeps a table from working, and says what to do about it.

It only looks: it opens no port of a board (a board obeys its newest connection, so that would take
the table away from the daemon), writes nothing that stays, and asks the daemon nothing but whether
it is ready.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from droptable.blackbox.ring import FOLDER, segments_in
from droptable.cli.client import Daemon, with_daemon
from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import DEFAULT_URL, AsJson, ConfigFile, StateDir, Url
from droptable.cli.output import put_document, put_table
from droptable.daemon.places import state_dir
from droptable.errors import PROBLEMS, DroptableError
from droptable.journal.lock import LOCK_NAME

if TYPE_CHECKING:
    from droptable.daemon.config import Config

FREE_MIN_BYTES = 100_000_000
"""Some hundred thousand drops; less, and the journal may fill the disk before anyone looks."""

CONNECT_MAX_S = 2.0

SILENT_MAX_S = 30.0
"""A daemon writes its black box every second or two, and tries again 10 s after a gap."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and if it is not well, what to do."""

    name: str
    ok: bool
    finding: str
    remedy: str = ""


def doctor(
    config_file: ConfigFile = None,
    state_directory: StateDir = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Check this machine and the daemon on it; code 8 if something is not well."""
    checks = [
        *_configured_checks(config_file),
        state_check(state_dir(state_directory, os.environ)),
        black_box_check(state_dir(state_directory, os.environ)),
        page_check(),
        *_daemon_checks(url),
    ]
    well = all(check.ok for check in checks)
    if as_json:
        shown = [asdict(check) for check in checks]
        put_document({"schema": "doctor/1", "ok": well, "checks": shown})
    else:
        rows = [
            (check.name, "ok" if check.ok else "PROBLEM", check.finding, check.remedy)
            for check in checks
        ]
        put_table(("check", "result", "finding", "remedy"), rows)
    if not well:
        raise typer.Exit(ExitCode.FOUND_PROBLEM)


# The configuration, and what it names


def _configured_checks(file: Path | None) -> Iterator[Check]:
    from droptable.daemon.config import ConfigInvalidError, load, mqtt_password

    if file is None and "DROPTABLE__BOARD__LINK" not in os.environ:
        # Nobody said which daemon is meant; what runs is asked below.
        return
    try:
        config = load(file, os.environ)
        mqtt_password(config)
    except ConfigInvalidError as error:
        remedy = error.problem.remedy
        for finding in error.findings:
            yield Check("configuration", False, str(finding), remedy)
        return
    yield Check("configuration", True, f"{file or 'the environment'} is valid")
    yield gpio_check(config) if config.board.link == "gpio" else link_check(config.board.link)
    yield broker_check(config)


def page_check() -> Check:
    """Whether the tablet page has the modules that it is made of."""
    from droptable.api.pages import read_page
    from droptable.api.problems import HTTP_PROBLEMS

    missing = read_page().missing
    if not missing:
        return Check("page", True, "the tablet page is complete")
    remedy = HTTP_PROBLEMS["PAGE_NOT_BUILT"].problem.remedy
    return Check("page", False, f"the tablet page lacks {', '.join(missing)}", remedy)


def link_check(link: str) -> Check:
    """Whether what the link names is there; it is not opened."""
    kind, _, place = link.partition(":")
    remedy = PROBLEMS["LINK_UNREACHABLE"].remedy
    match kind:
        case "serial":
            return _serial_check(Path(place))
        case "unix":
            there = Path(place).is_socket()
            found = f"{place} is a socket" if there else f"there is no socket at {place}"
            return Check("link", there, found, "" if there else remedy)
        case "tcp":
            return _name_check(place.rpartition(":")[0].strip("[]"), remedy)
        case _:
            return Check("link", True, f"{link!r} needs nothing beforehand")


def gpio_check(config: "Config") -> Check:
    """Whether this machine has the pins and the libraries; no pin is touched."""
    from droptable.daemon.gpio_board import missing

    lacking = None if config.gpio is None else missing(config.gpio)
    if lacking is not None:
        return Check("link", False, lacking, PROBLEMS["BOARD_NO_GPIO"].remedy)
    return Check("link", True, "the GPIO chip is there and may be opened")


def _serial_check(port: Path) -> Check:
    if not port.exists():
        return Check("link", False, f"there is no {port}", PROBLEMS["LINK_UNREACHABLE"].remedy)
    if not port.is_char_device():
        return Check("link", False, f"{port} is not a port", "Correct `[board] link`.")
    if not os.access(port, os.R_OK | os.W_OK):
        group = port.group()
        remedy = f"Add the user to the group {group}: `sudo usermod -aG {group} $USER`."
        return Check("link", False, f"{port} may not be opened by this user", remedy)
    return Check("link", True, f"{port} is there and may be opened")


def _name_check(host: str, remedy: str) -> Check:
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        return Check("link", False, f"the host {host} is not known: {error.strerror}", remedy)
    return Check("link", True, f"the host {host} is known")


def broker_check(config: "Config") -> Check:
    """Whether the broker accepts a connection."""
    mqtt = config.mqtt
    if not mqtt.enabled:
        return Check("broker", True, "none is configured; the journal keeps everything")
    try:
        socket.create_connection((mqtt.host, mqtt.port), CONNECT_MAX_S).close()
    except OSError as error:
        finding = f"{mqtt.host}:{mqtt.port}: {error.strerror or 'no answer'}"
        return Check("broker", False, finding, PROBLEMS["BROKER_UNREACHABLE"].remedy)
    return Check("broker", True, f"{mqtt.host}:{mqtt.port} accepts connections")


# The state directory


def state_check(directory: Path) -> Check:
    """Whether the journal can be written there, or the directory be made."""
    unwritable = PROBLEMS["STATE_UNWRITABLE"].remedy
    existing = next(each for each in (directory, *directory.parents) if each.exists())
    try:
        # The permission bits do not know of read-only mounts and full disks.
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"\0")
    except OSError as error:
        finding = f"{existing} cannot be written: {error.strerror}"
        return Check("state directory", False, finding, unwritable)
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < FREE_MIN_BYTES:
        finding = f"only {free_bytes // 1_000_000} MB are free at {existing}"
        return Check("state directory", False, finding, "Free some space, or move the directory.")
    made = "can be written" if existing == directory else "does not exist yet and can be made"
    return Check("state directory", True, f"{directory} {made}")


def black_box_check(directory: Path) -> Check:
    """Whether the daemon of this state directory, if one runs, still records what it is told."""
    from droptable.daemon.clock import SystemClock

    folder = directory / FOLDER
    try:
        newest_s = max((path.stat().st_mtime for path in segments_in(folder)), default=None)
    except FileNotFoundError:
        newest_s = None
    except OSError as error:
        finding = f"{folder} cannot be read: {error.strerror}"
        return Check("black box", False, finding, PROBLEMS["BLACK_BOX_GAP"].remedy)
    if not _in_use(directory):
        found = "nothing is recorded yet" if newest_s is None else f"the last run is in {folder}"
        return Check("black box", True, found)
    age_s = inf if newest_s is None else SystemClock().utc().timestamp() - newest_s
    if age_s > SILENT_MAX_S:
        finding = f"a daemon runs and has not recorded for {age_s:.0f} s"
        return Check("black box", False, finding, PROBLEMS["BLACK_BOX_GAP"].remedy)
    return Check("black box", True, f"records in {folder}")


def _in_use(directory: Path) -> bool:
    """Whether a daemon has the state directory's lock; asking for it could be in its way."""
    try:
        lock = (directory / LOCK_NAME).stat()
        held = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    device = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    return any("FLOCK" in line and device in line.split() for line in held)


# The daemon


def _daemon_checks(url: str) -> Iterator[Check]:
    async def ask(daemon: Daemon) -> Check:
        await daemon.get("/healthz")
        try:
            await daemon.get("/readyz")
        except CommandError as error:
            return Check("table", False, str(error), "Put that right; the daemon keeps trying.")
        return Check("table", True, "the link is up and the journal can be written")

    try:
        check = with_daemon(url, ask)
    except DroptableError as error:
        yield Check("daemon", False, error.detail, error.problem.remedy)
    except CommandError as error:
        if error.code is ExitCode.USAGE:
            raise
        yield Check("daemon", False, str(error), "See the daemon's log.")
    else:
        yield Check("daemon", True, f"answers at {url}")
        yield check
