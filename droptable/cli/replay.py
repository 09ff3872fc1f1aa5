"""`droptable replay`: plays a recording of the black box again and says whether it comes out the same.

It reads files and touches no table.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import AsJson
from droptable.cli.output import put, put_document, say

if TYPE_CHECKING:
    from droptable.blackbox.replay import Replayed

Place = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A segment of the black box, or the folder that holds them."
    ),
]

FOREIGN = "RECORDING_FOREIGN"


def replay(file: Place, as_json: AsJson = False) -> None:
    """Play a recording again; code 8 if something comes out otherwise, 3 if it cannot be played."""
    from droptable.blackbox.recording import Codecs
    from droptable.blackbox.replay import replay as replayed
    from droptable.link.params import params_crc

    found: list[Replayed] = []
    try:
        for each in replayed(file, Codecs({"params_crc": params_crc})):
            found.append(each)
            _tell(each, as_json=as_json)
    except OSError as error:
        raise CommandError(ExitCode.USAGE, f"{file} cannot be read: {error.strerror}.") from None
    if not found:
        raise CommandError(ExitCode.USAGE, f"There is no recording in {file}.")
    if as_json:
        shown = [_document(each) for each in found]
        same = all(each.same for each in found)
        put_document({"schema": "replay/1", "same": same, "segments": shown})
    raise typer.Exit(_code(found))


def _code(found: "list[Replayed]") -> ExitCode:
    foreign = [each.problem is not None and each.problem.problem.code == FOREIGN for each in found]
    if any(
        not each.same and not is_foreign for each, is_foreign in zip(found, foreign, strict=True)
    ):
        return ExitCode.FOUND_PROBLEM
    return ExitCode.REFUSED if any(foreign) else ExitCode.DONE


def _tell(each: "Replayed", *, as_json: bool) -> None:
    """What came of a segment, for a person: what is not well always, the rest without `--json`."""
    if each.problem is not None:
        say(f"{each.file}: {each.problem}")
    if each.lost is not None:
        why = "are torn off, as by a crash" if each.lost.torn else "are damaged"
        say(f"{each.file}: its last {each.lost.bytes} bytes {why}, and are not played.")
    if as_json:
        return
    if each.run:
        verdict = "the same effects" if each.same else "the same effects up to there"
        put(f"{each.file}\t{each.utc}\t{each.lasted_us / 1e6:.3f} s\t{each.steps} steps\t{verdict}")
    if each.difference is not None:
        for name, text in _difference(each).items():
            put(f"  {name}: {text}")


def _document(each: "Replayed") -> dict[str, Any]:
    lost = each.lost
    return {
        "file": each.file,
        "same": each.same,
        "run": each.run,
        "began": each.utc,
        "lasted_us": each.lasted_us,
        "steps": each.steps,
        "lost_bytes": 0 if lost is None else lost.bytes,
        "torn": lost is not None and lost.torn,
        "problem": None if each.problem is None else each.problem.problem.code,
        "difference": None if each.difference is None else _difference(each),
    }


def _difference(each: "Replayed") -> Mapping[str, Any]:
    """The first step that came out otherwise; its time as near as the wall clock was then right."""
    found = each.difference
    if found is None:
        return {}
    began = datetime.fromisoformat(each.utc)
    return {
        "step": found.step,
        "time": (began + timedelta(microseconds=found.now_us - each.began_us)).isoformat(),
        "now_us": found.now_us,
        "event": found.event,
        "expected": found.expected,
        "got": found.got,
    }
