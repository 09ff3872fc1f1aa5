"""Commands that show the table and move it: status, watch, the verbs, tension, stop, reset.

They ask the daemon; nothing is decided here. What they print of a motion, the table has shown.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from droptable.cli import state_text
from droptable.cli.client import Daemon, lease, send_stop, with_daemon
from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import (
    DEFAULT_URL,
    AsJson,
    Count,
    SectionArgument,
    Timeout,
    Url,
)
from droptable.cli.output import put, put_document, put_table, refusals, say
from droptable.errors import DroptableError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MOTION_MAX_S = 15.0
"""Longer than any motion that the board lets go on, its longest time-out being 8 s."""

SILENCE_MAX_S = 5.0
"""The daemon's socket beats every 0.4 s."""

MotionTimeout = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="S", help="Give up watching after S seconds.")
]


def status(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show the table as it is now."""
    state = with_daemon(url, lambda daemon: daemon.get("/state"))
    if as_json:
        put_document(state)
        return
    for line in state_text.table_lines(state):
        put(line)
    put_table(state_text.COLUMNS, state_text.section_rows(state))
    for line in state_text.reason_lines(state):
        put(line)


# Watching


def watch(
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    count: Count = None,
    timeout_s: Timeout = None,
) -> None:
    """Show every change of the table as it happens, a line each."""
    with_daemon(url, lambda daemon: _watch(daemon, as_json, count, timeout_s))


async def _watch(daemon: Daemon, as_json: bool, count: int | None, timeout_s: float | None) -> None:
    seen = 0
    try:
        async with asyncio.timeout(timeout_s), aclosing(_states(daemon)) as states:
            async for state in states:
                if as_json:
                    put_document(state)
                else:
                    put(state_text.one_line(state))
                seen += 1
                if seen == count:
                    return
    except TimeoutError:
        if count is not None:
            text = f"{seen} of {count} states within {timeout_s:g} s."
            raise CommandError(ExitCode.TIMEOUT, text) from None


async def _states(daemon: Daemon) -> AsyncGenerator[dict[str, Any], None]:
    """The states that the daemon sends; NO_DAEMON when it ends or falls silent."""
    # The socket has errors of its own; one plain request first tells them apart for a person.
    await daemon.get("/lease")
    socket = await _socket(daemon)
    try:
        while True:
            message = json.loads(await _received(socket, daemon.socket_url))
            if message.pop("type", None) == "state":
                message.pop("you", None)
                yield message
    finally:
        await socket.close()


async def _socket(daemon: Daemon) -> "ClientConnection":
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    try:
        return await connect(
            daemon.socket_url,
            additional_headers=daemon.headers,
            proxy=None,
            open_timeout=SILENCE_MAX_S,
            close_timeout=1,
        )
    except InvalidStatus as error:
        status_code = error.response.status_code
        text = f"The daemon does not open a stream for this command (HTTP {status_code})."
        raise CommandError(ExitCode.REFUSED, text) from None
    except (OSError, TimeoutError, WebSocketException) as error:
        raise DroptableError("NO_DAEMON", f"{daemon.socket_url}: {error}") from None


async def _received(socket: "ClientConnection", url: str) -> str | bytes:
    from websockets.exceptions import ConnectionClosed

    try:
        async with asyncio.timeout(SILENCE_MAX_S):
            return await socket.recv()
    except TimeoutError:
        text = f"{url}: nothing was sent for {SILENCE_MAX_S:g} s"
        raise DroptableError("NO_DAEMON", text) from None
    except ConnectionClosed:
        raise DroptableError("NO_DAEMON", f"{url}: the daemon ended the stream") from None


# Motion


def cock(
    section: SectionArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    timeout_s: MotionTimeout = MOTION_MAX_S,
) -> None:
    """Raise a section until its pin holds it."""
    _act("cock", section, url, as_json, timeout_s)


def disarm(
    section: SectionArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    timeout_s: MotionTimeout = MOTION_MAX_S,
) -> None:
    """Let the pin of an armed section in again; needs no lease."""
    _act("disarm", section, url, as_json, timeout_s)


def lock(
    section: SectionArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    timeout_s: MotionTimeout = MOTION_MAX_S,
) -> None:
    """Lower a section slowly until its pin holds it."""
    _act("lock", section, url, as_json, timeout_s)


def home(
    section: SectionArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    timeout_s: MotionTimeout = MOTION_MAX_S,
) -> None:
    """Make an UNKNOWN section known by its switches; nothing moves."""
    _act("home", section, url, as_json, timeout_s)


def clear_fault(
    section: SectionArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    timeout_s: MotionTimeout = MOTION_MAX_S,
) -> None:
    """Clear the fault of a section whose cause is gone; nothing moves."""
    _act("clear-fault", section, url, as_json, timeout_s)


def _act(verb: str, section: str, url: str, as_json: bool, timeout_s: float) -> None:
    from droptable.cli import motion

    with refusals(as_json):
        shown = with_daemon(url, lambda daemon: motion.act(daemon, verb, section, timeout_s))
    if as_json:
        put_document({"schema": "section/1", "verb": verb, "section": section, **shown})
    else:
        put(f"{section} {shown['phase']}")


def arm(
    section: SectionArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    window_s: Annotated[
        float | None,
        typer.Option("--window", min=0.5, metavar="S", help="Disarm after S seconds already."),
    ] = None,
    tension_n: Annotated[
        float | None,
        typer.Option("--tension", min=0, metavar="NEWTON", help="Set the tension first."),
    ] = None,
) -> None:
    """Withdraw the pin, so that a thrust makes the section fall, and wait for the drop.

    The lease is held as long as the command runs: to interrupt it is to disarm. It ends with the
    drop, or with code 5 when the window is over without one.
    """
    from droptable.cli import motion

    with refusals(as_json):
        shown = with_daemon(
            url,
            lambda daemon: motion.arm(daemon, section, window_s=window_s, tension_n=tension_n),
        )
    if as_json:
        put_document({"schema": "section/1", "verb": "arm", "section": section, **shown})
    else:
        put(f"{section} {state_text.drop_text(shown['last_drop'])}")


def tension(
    section: SectionArgument,
    newton: Annotated[float, typer.Argument(min=0, max=1000, help="Newtons.")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Set the force that holds a cocked section; it is kept for as long as someone has the lease."""
    from droptable.cli import motion

    async def work(daemon: Daemon) -> tuple[dict[str, Any], bool]:
        held = (await daemon.get("/lease"))["holder"] is not None
        async with lease(daemon):
            return await motion.set_tension(daemon, section, newton), held

    with refusals(as_json):
        done, held = with_daemon(url, work)
    if not held:
        say(
            f"Nobody keeps the lease: the {section} tension falls back to the middle of its range "
            "now. Keep it with `droptable lease take`, or use `droptable arm --tension`."
        )
    if as_json:
        put_document({"schema": "tension/1", "section": section, "newton": newton, "done": done})
    else:
        put(f"{section} tension {newton:g} N")


# STOP


def stop(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Stop the table at once; needs no lease and no sign-in."""
    send_stop(url)
    say("STOP sent.")
    confirmed = with_daemon(url, _stop_confirmed)
    if as_json:
        put_document({"schema": "stop/1", "sent": True, "confirmed": confirmed})
    if not confirmed:
        raise CommandError(
            ExitCode.TIMEOUT,
            "STOP was sent, but no board confirms it. Use the e-stop of the table.",
        )
    if not as_json:
        put("stopped")


async def _stop_confirmed(daemon: Daemon) -> bool:
    """Whether the board says that it is stopped."""
    try:
        async with asyncio.timeout(2.0):
            while True:
                shown = (await daemon.get("/state"))["stop"]
                if shown["latched"] and not shown["unconfirmed"]:
                    return True
                await daemon.pause(0.02)
    except TimeoutError:
        return False


def reset(url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Take back a STOP; nothing moves by it."""

    async def work(daemon: Daemon) -> dict[str, Any]:
        async with lease(daemon):
            return await daemon.ask("POST", "/stop/reset")

    with refusals(as_json):
        answer = with_daemon(url, work)
    if as_json:
        put_document({"schema": "stop-reset/1", "done": answer["done"]})
    else:
        put("stop reset")
