"""The recording of a real daemon: played again by the command, also after a `kill -9`."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from droptable.cli.doctor import black_box_check
from tests.system.house import daemon, run, simulator, until


async def replay(directory: Path, place: Path) -> tuple[int, dict[str, Any], str]:
    """What `droptable replay --json` says: its code, its document, its messages."""
    program = await run(directory, "droptable", "replay", str(place), "--json")
    assert program.process.returncode is not None
    document = json.loads(program.stdout) if program.stdout else {}
    return program.process.returncode, document, program.said


@pytest.mark.parametrize("end", ["end", "kill"])
async def test_a_drop_of_a_real_daemon_comes_out_the_same(tmp_path: Path, end: str) -> None:
    async with simulator(tmp_path) as sim, daemon(tmp_path, sim.link) as table:
        box = table.state_dir / "black-box"
        await table.armed(sim)
        await table.dropped(sim)
        (segment,) = box.iterdir()
        sound = segment.stat().st_size
        # What was the newest a second ago is on disk now.
        await until(lambda: segment.stat().st_size > sound)
        assert black_box_check(table.state_dir).finding == f"records in {box}"
        await getattr(table, end)()
    code, document, said = await replay(tmp_path, box)
    assert code == 0, (document, said)
    (found,) = document["segments"]
    assert (document["schema"], document["same"], found["torn"]) == ("replay/1", True, False)
    text = gzip.decompress(segment.read_bytes()).decode()
    assert text.count("\n") == found["steps"] + 1
    assert "SendCommand" in text
    assert "last run is in" in black_box_check(table.state_dir).finding
