"""How commands speak: data on stdout, messages on stderr, colours on a terminal only.

It lays out what it is given and knows nothing of the table.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from droptable.cli.exits import CommandError, ExitCode, RefusedError


def say(text: str) -> None:
    """A message for a person, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def put(text: str) -> None:
    """One line of data on stdout, at once: whoever reads a pipe sees it when it happens."""
    with unless_closed():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@contextmanager
def unless_closed() -> Iterator[None]:
    """Whoever reads stdout may have enough of it: the command then ends as done."""
    try:
        yield
    except BrokenPipeError:
        # What is still buffered would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CommandError(ExitCode.DONE, "") from None


def put_document(document: Mapping[str, Any]) -> None:
    """One JSON document on one line of stdout; it carries its `schema`."""
    if "schema" not in document:
        raise ValueError("a document without its schema")
    put(json.dumps(document, ensure_ascii=False))


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """With `--json` a refusal within the block is a document too; it goes on either way."""
    try:
        yield
    except RefusedError as refused:
        if as_json:
            shown = [asdict(reason) for reason in refused.reasons]
            put_document({"schema": "refused/1", "refused": shown})
        raise


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows for a person on a terminal; values between tabs, under their names, for a program."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            put("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
