"""The watch over leaks sees each kind of leak by its name, and blames nobody else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

IMPORTS = """
import asyncio, os, subprocess, sys, threading, time
import pytest, pytest_asyncio
kept = []
"""


def outcome(folder: Path, test: str) -> str:
    """What pytest prints about a file with `test` in it."""
    (folder / "test_one.py").write_text(IMPORTS + test)
    (folder / "pytest.ini").write_text(INI)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_asyncio.plugin", "-p", "tests.leaks"],
        cwd=folder,
        # The project's other plugins take a second to load and change nothing here.
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


LEAKS = {
    "a task of an async test": (
        """
async def test_it():
    kept.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))
""",
        "task forgotten",
    ),
    "a task of an async fixture": (
        """
@pytest.fixture
async def served():
    yield asyncio.create_task(asyncio.Event().wait(), name="forgotten")

async def test_it(served):
    pass
""",
        "task forgotten",
    ),
    "a task that asyncio.run cancels": (
        """
async def main():
    kept.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))

def test_it():
    asyncio.run(main())
""",
        "task forgotten",
    ),
    "a task on a loop that outlives the test": (
        """
@pytest.mark.asyncio(loop_scope="module")
async def test_it():
    kept.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))
""",
        "task forgotten",
    ),
    "a thread": (
        """
def test_it():
    threading.Thread(target=threading.Event().wait, args=(9,), name="forgotten", daemon=True).start()
""",
        "thread forgotten",
    ),
    "a child that runs": (
        """
def test_it():
    kept.append(subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1))
""",
        "child process",
    ),
    "a child that nobody waited for": (
        """
def test_it():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
""",
        "child process",
    ),
    "a file": (
        """
def test_it(tmp_path):
    kept.append(os.open(tmp_path / "forgotten", os.O_CREAT))
""",
        "/forgotten",
    ),
    "a socket": (
        """
import socket
async def test_it():
    kept.append(socket.socket())
""",
        "file descriptor to socket:",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_test_that_leaks_fails_and_the_leak_is_named(tmp_path: Path, leak: str) -> None:
    test, told = LEAKS[leak]
    shown = outcome(tmp_path, test)
    assert "the test left behind:" in shown
    assert told in shown
    assert "1 passed, 1 error" in shown


CLEAN = '''
@pytest.fixture
async def served():
    task = asyncio.create_task(asyncio.Event().wait())
    yield task
    task.cancel()

async def test_tasks_of_a_fixture_end_with_it(served):
    await asyncio.to_thread(int)

@pytest.fixture(scope="module")
def wider():
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1) as child:
        yield child

PARENT = """
import subprocess, sys
sys.stdin.readline()
with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1):
    print("born", flush=True)
    sys.stdin.read()
"""

@pytest.fixture(scope="module")
def parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=-1, stdout=-1, text=True) as process:
        yield process
        process.communicate()

def test_what_a_process_of_a_wider_fixture_starts_is_its_own(parent):
    parent.stdin.write("go\\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "born\\n"

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wider_task():
    task = asyncio.create_task(asyncio.Event().wait())
    yield task
    task.cancel()

def test_a_wider_fixture_may_stay(wider):
    pass

@pytest.mark.asyncio(loop_scope="module")
async def test_its_tasks_too(wider_task):
    pass

def test_threads_that_end(tmp_path):
    threading.Thread(target=time.sleep, args=(0.05,)).start()
    (tmp_path / "file").write_text("closed")
    subprocess.run([sys.executable, "-c", ""], check=True)
'''


def test_a_test_that_cleans_up_passes(tmp_path: Path) -> None:
    assert "5 passed" in outcome(tmp_path, CLEAN)


def test_a_failed_test_is_told_by_its_own_failure_alone(tmp_path: Path) -> None:
    shown = outcome(
        tmp_path, "def test_it():\n    held = os.open('.', os.O_RDONLY)\n    assert 0\n"
    )
    assert "1 failed" in shown
    assert "left behind" not in shown
