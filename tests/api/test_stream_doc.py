"""The page about the socket names what there is, and nothing else."""

import re
from pathlib import Path
from typing import get_args

from droptable.api import schemas, stream
from droptable.core.overs import Over

TEXT = (Path(__file__).parents[2] / "docs" / "stream.md").read_text()


def first_cells(section: str) -> set[str]:
    """The names in the first column of the tables under a heading."""
    part = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z_-]+)`", row)}


def test_it_names_every_message_of_the_page() -> None:
    names = {
        name
        for message in get_args(schemas.AnyMessage)
        for name in get_args(message.model_fields["type"].annotation)
    }
    assert first_cells("From the page") == names


def test_it_names_every_message_of_the_daemon() -> None:
    source = Path(stream.__file__).read_text()
    plain = set(re.findall(r'"type": ?"([a-z_]+)"', source))
    assert first_cells("From the daemon") == plain | {"pressed", "begun"}


def test_it_names_every_way_in_which_a_gesture_ends() -> None:
    assert first_cells("A gesture") - {"why", "over"} == set(Over)
