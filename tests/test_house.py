"""The rules of the house that no import can break, read from the source itself."""

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("run", "gpio", "dev")

# Time, sleep and dice have one place on a real machine, and one in virtual time.
CLOCKS = {"droptable/daemon/clock.py", "firmware_sim/virtual.py"}
CLOCK_ONLY = re.compile(
    r"random(\..+)?|asyncio\.sleep|datetime\.date\.today|datetime\.datetime\.(now|today|utcnow)"
    r"|time\.(sleep|(time|monotonic|perf_counter|process_time|clock_gettime)(_ns)?)"
)

# Hosts of package registries, in a form that is not itself an address.
REGISTRY = re.compile(
    r"(pypi|pythonhosted|npmjs|yarnpkg|jsdelivr|unpkg|crates|anaconda)\.(org|com|net|io)|deb\.debian\.",
    re.IGNORECASE,
)


def files(*patterns: str) -> Iterator[Path]:
    """The project's own files whose path matches one of `patterns`; what git ignores is not ours."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    folders = [ROOT]
    for folder in folders:
        for path in sorted(folder.iterdir()):
            name = path.relative_to(ROOT).as_posix()
            if path.name == ".git" or any(
                fnmatch(path.name, rule) or name == rule for rule in ignored
            ):
                continue
            if path.is_dir():
                folders.append(path)
            elif path.is_file() and any(fnmatch(name, pattern) for pattern in patterns):
                yield path


def sources(*patterns: str) -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files(*patterns)}


PROGRAM = sources("droptable/*.py", "firmware_sim/*.py")


def imports(source: str) -> dict[str, str]:
    """What each imported name stands for, in dots from the top of its module."""
    names: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    names[alias.asname or top] = alias.name if alias.asname else top
            case ast.ImportFrom(module=str(module)):
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{module}.{alias.name}"
    return names


def uses(source: str) -> Iterator[tuple[int, str]]:
    """Each use of an imported name, as its line and what it stands for."""
    names = imports(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition(".")
            if first in names:
                yield node.lineno, names[first] + dot + rest


def outside_the_clock(source: str) -> list[str]:
    # To give way for one turn of the loop is not to sleep.
    asleep = source.replace("asyncio.sleep(0)", "give_way()")
    return [f"{line}: {used}" for line, used in uses(asleep) if CLOCK_ONLY.fullmatch(used)]


@pytest.mark.parametrize("name", sorted(PROGRAM.keys() - CLOCKS))
def test_only_the_clocks_tell_time_sleep_and_roll_dice(name: str) -> None:
    found = outside_the_clock(PROGRAM[name])
    if name.startswith("firmware_sim/"):
        # Dice that whoever builds the simulator seeds are a port.
        found = [use for use in found if not use.endswith(" random.Random")]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.monotonic()",
        "import time as t\nt.sleep(1)",
        "from time import time_ns\ntime_ns()",
        "from asyncio import sleep\nasync def f(): await sleep(1)",
        "import asyncio\nasync def f(): await asyncio.sleep(0.1)",
        "import random\nrandom.random()",
        "from random import Random\nRandom(1)",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "import datetime\ndatetime.datetime.now()",
    ],
)
def test_a_second_clock_is_found(source: str) -> None:
    assert outside_the_clock(source) != []


def test_giving_way_for_one_turn_of_the_loop_is_not_sleeping() -> None:
    assert outside_the_clock("import asyncio\nasync def f(): await asyncio.sleep(0)") == []


def test_nobody_uses_wait_for_which_can_swallow_a_cancellation() -> None:
    everything = sources("*.py")
    assert everything.keys() >= PROGRAM.keys()
    found = [
        f"{name}:{line}"
        for name, source in everything.items()
        for line, used in uses(source)
        if used == "asyncio.wait_for"
    ]
    assert found == []


def test_wait_for_is_found_under_any_name() -> None:
    source = "from asyncio import wait_for as soon\nasync def f(): await soon(g(), 1)"
    assert [used for _, used in uses(source)] == ["asyncio.wait_for"]


def knows(source: str, *rooms: str) -> bool:
    """Whether it imports from each of `rooms`."""
    known = imports(source).values()
    return all(any(f"{name}.".startswith(f"{room}.") for name in known) for room in rooms)


def test_messages_and_events_meet_only_in_the_runner() -> None:
    both = {
        name
        for name, source in PROGRAM.items()
        if knows(source, "droptable.link.messages", "droptable.core.events")
        or knows(source, "droptable.link", "droptable.core.step")
    }
    assert both <= {"droptable/daemon/runner.py"}


def test_a_second_meeting_place_is_found() -> None:
    source = "from droptable.core import events\nfrom droptable.link.messages import Status"
    assert knows(source, "droptable.link.messages", "droptable.core.events")


def test_no_file_holds_the_address_of_a_package_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {held.group()}"
        for path in files("*")
        if (held := REGISTRY.search(path.read_text(errors="replace")))
    ]
    assert found == []


@pytest.mark.parametrize("host", ["pypi%org", "files.pythonhosted%org", "registry.npmjs%org"])
def test_such_an_address_is_found(host: str) -> None:
    assert REGISTRY.search("https://" + host.replace("%", ".") + "/simple")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_nothing_but_names_versions_and_hashes(lock: str) -> None:
    pinned = re.compile(r"[a-z0-9-]+==[\w.]+( ; [\w' .=<>!()*]+)?( \\)?")
    hashed = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines()
    assert [line for line in lines if not (pinned.fullmatch(line) or hashed.fullmatch(line))] == []


def locked(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_a_package_has_one_version_in_all_locks() -> None:
    everything = locked("dev")
    assert locked("run").items() <= everything.items()
    differing = {name for name, v in locked("gpio").items() if everything.get(name, v) != v}
    assert differing == set()


def test_the_locks_hold_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def named(requirements: list[str]) -> set[str]:
        return {re.split(r"[^a-z0-9-]", requirement)[0] for requirement in requirements}

    assert named(project["dependencies"] + extras["demo"]) <= locked("run").keys()
    assert named(project["dependencies"] + extras["gpio"]) <= locked("gpio").keys()
