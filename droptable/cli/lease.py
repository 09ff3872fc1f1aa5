"""Commands about the lease, which one person or program at a time holds to move the table."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer

from droptable.cli.client import Daemon, lease, with_daemon
from droptable.cli.options import DEFAULT_URL, AsJson, Url
from droptable.cli.output import put, put_document, refusals, say

app = typer.Typer(help="The lease: who moves the table.", no_args_is_help=True)


@app.command()
def show(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show who holds the lease."""
    shown = with_daemon(url, lambda daemon: daemon.get("/lease"))
    if as_json:
        put_document({"schema": "lease/1", **shown})
    elif shown["holder"] is None:
        put("free")
    else:
        put(shown["holder"])


@app.command()
def take(
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    hold_s: Annotated[
        float | None, typer.Option("--for", min=0.0, metavar="S", help="Give it back after S s.")
    ] = None,
) -> None:
    """Take the lease and hold it until interrupted; commands beside this one share it."""

    async def work(daemon: Daemon) -> None:
        async with lease(daemon):
            shown = await daemon.get("/lease")
            if as_json:
                put_document({"schema": "lease/1", **shown})
            else:
                put(str(shown["holder"]))
            say("Holding the lease; interrupt to give it back.")
            with suppress(TimeoutError):
                async with asyncio.timeout(hold_s):
                    # Nobody sets it: the renewals beside this end it when the lease is lost.
                    await asyncio.Event().wait()

    with refusals(as_json):
        with_daemon(url, work)


@app.command()
def release(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Give the lease back; an armed section is disarmed by it."""
    with refusals(as_json):
        answer = with_daemon(url, lambda daemon: daemon.ask("DELETE", "/lease"))
    if as_json:
        put_document({"schema": "lease-released/1", "done": answer["done"]})
    else:
        put("released")
