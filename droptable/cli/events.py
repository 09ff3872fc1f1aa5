"""Commands that read the journal through the daemon; they change nothing in it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from droptable.cli.client import Daemon, with_daemon
from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import (
    DEFAULT_URL,
    AsJson,
    Count,
    SectionLabel,
    Timeout,
    Url,
)
from droptable.cli.output import put, put_document, put_table, say, unless_closed

app = typer.Typer(help="The journal's events, read through the daemon.", no_args_is_help=True)

PAGE_EVENTS = 1000
"""As many as the daemon gives at a time."""

POLL_S = 0.3

COLUMNS = ("seq", "time", "kind", "section", "actor", "data")

After = Annotated[
    int | None, typer.Option("--after", min=0, metavar="SEQ", help="Only those above SEQ.")
]
Kind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind.")]
OfSection = Annotated[SectionLabel | None, typer.Option("--section", help="Only of this section.")]


@app.command("list")
def list_events(
    *,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    after: After = None,
    kind: Kind = None,
    section: OfSection = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, metavar="N", help="At most so many.")
    ] = 20,
) -> None:
    """List the newest events, or the first ones above --after."""

    async def work(daemon: Daemon) -> list[dict[str, Any]]:
        if after is None:
            return await _newest(daemon, limit, kind, section)
        found: list[dict[str, Any]] = []
        async for event in _above(daemon, after, kind, section):
            found.append(event)
            if len(found) == limit:
                break
        return found

    events = with_daemon(url, work)
    if as_json:
        put_document({"schema": "events/1", "events": events})
    else:
        put_table(COLUMNS, (_cells(event) for event in events))


@app.command()
def show(
    seq: Annotated[int, typer.Argument(min=1, help="The event's number.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show one event with all its fields."""
    event = with_daemon(url, lambda daemon: daemon.get(f"/events/{seq}"))
    if as_json:
        put_document({"schema": "event/1", "event": event})
        return
    for name, value in event.items():
        put(f"{name}\t{value if isinstance(value, str) else json.dumps(value)}")


@app.command()
def follow(
    *,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    after: After = None,
    kind: Kind = None,
    section: OfSection = None,
    count: Count = None,
    timeout_s: Timeout = None,
) -> None:
    """Print each event as it is recorded, from now on or above --after; JSON: one a line."""

    async def work(daemon: Daemon) -> None:
        seen = 0
        try:
            async with asyncio.timeout(timeout_s):
                start = await _head_seq(daemon) if after is None else after
                async for event in _following(daemon, start, kind, section):
                    _put_line(event, as_json)
                    seen += 1
                    if seen == count:
                        return
        except TimeoutError:
            if count is not None:
                text = f"{seen} of {count} events within {timeout_s:g} s."
                raise CommandError(ExitCode.TIMEOUT, text) from None

    with_daemon(url, work)


@app.command()
def export(
    *,
    url: Url = DEFAULT_URL,
    form: Annotated[
        Literal["csv", "jsonl"], typer.Option("--format", help="CSV, or the exact JSON Lines.")
    ] = "jsonl",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of stdout.")
    ] = None,
    after: After = None,
    kind: Kind = None,
    section: OfSection = None,
) -> None:
    """Write all events, or those above --after, as CSV or JSON Lines."""

    async def work(daemon: Daemon) -> int:
        written = 0
        with _destination(output) as stream:
            async for page in _pages(daemon, after or 0, kind, section):
                stream.writelines(_exported(page, form, header=written == 0))
                written += len(page)
            if not written:
                stream.writelines(_exported([], form, header=True))
        return written

    say(f"{with_daemon(url, work)} events.")


def _exported(
    page: list[dict[str, Any]], form: Literal["csv", "jsonl"], *, header: bool
) -> Iterator[str]:
    from droptable.journal.event import event_from
    from droptable.journal.export import export as as_text

    return as_text((event_from(json.dumps(event)) for event in page), form, header=header)


@contextmanager
def _destination(output: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that appears under its name when it is complete."""
    if output is None:
        with unless_closed():
            yield sys.stdout
            sys.stdout.flush()
        return
    partial = output.with_name(f"{output.name}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        partial.replace(output)
    except OSError as error:
        text = f"{output} cannot be written: {error.strerror}."
        raise CommandError(ExitCode.USAGE, text) from None
    finally:
        partial.unlink(missing_ok=True)


# Reading the journal in pages


async def _pages(
    daemon: Daemon, after: int, kind: str | None, section: str | None
) -> AsyncIterator[list[dict[str, Any]]]:
    """All events above `after` that there are now."""
    while True:
        answer = await daemon.get(
            "/events", after=after, kind=kind, section=section, limit=PAGE_EVENTS
        )
        page: list[dict[str, Any]] = answer["events"]
        if page:
            after = page[-1]["seq"]
            yield page
        if len(page) < PAGE_EVENTS:
            return


async def _above(
    daemon: Daemon, after: int, kind: str | None, section: str | None
) -> AsyncIterator[dict[str, Any]]:
    async for page in _pages(daemon, after, kind, section):
        for event in page:
            yield event


async def _following(
    daemon: Daemon, after: int, kind: str | None, section: str | None
) -> AsyncIterator[dict[str, Any]]:
    """Events above `after`, those that are still to come included."""
    while True:
        async for event in _above(daemon, after, kind, section):
            after = event["seq"]
            yield event
        await daemon.pause(POLL_S)


async def _newest(
    daemon: Daemon, limit: int, kind: str | None, section: str | None
) -> list[dict[str, Any]]:
    """The last `limit` events that match, looked for ever further back."""
    head, window = await _head_seq(daemon), limit
    while True:
        after = max(0, head - window)
        found = [event async for event in _above(daemon, after, kind, section)]
        if len(found) >= limit or after == 0:
            return found[-limit:]
        window *= 8


async def _head_seq(daemon: Daemon) -> int:
    """The newest number; because numbers have no gaps, some twenty questions find it."""
    low, high = 0, 1
    while await _exists(daemon, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if await _exists(daemon, middle) else (low, middle)
    return low


async def _exists(daemon: Daemon, seq: int) -> bool:
    answer = await daemon.get("/events", after=seq - 1, limit=1)
    return bool(answer["events"])


# Text


def _put_line(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        put_document({"schema": "event/1", "event": event})
    else:
        put("\t".join(_cells(event)))


def _cells(event: dict[str, Any]) -> tuple[str, ...]:
    data = " ".join(f"{name}={value}" for name, value in event["data"].items())
    return (
        str(event["seq"]),
        event["time"],
        event["kind"],
        event["section"] or "table",
        event["actor"],
        data,
    )
