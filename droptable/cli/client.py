"""Speaks HTTP with the daemon: finds it, signs in, and turns its answers into results or errors.

One request is one request: a motion is never sent twice. What the answers mean for a command is
the command's business.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from droptable.cli.exits import CommandError, ExitCode, Reason, RefusedError
from droptable.daemon.clock import Clock, SystemClock
from droptable.daemon.places import TOKEN_FILE, state_dir
from droptable.errors import DroptableError

if TYPE_CHECKING:
    import httpx

API = "/api/v1"

TOKEN_VARIABLE = "DROPTABLE_TOKEN"  # noqa: S105  the name of the variable, not a token

ANSWER_MAX_S = 5.0
"""A daemon that runs answers within milliseconds; this leaves room for a busy machine."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

Result = TypeVar("Result")


class Daemon:
    """A daemon at one address, for the time of one command."""

    def __init__(
        self, http: "httpx.AsyncClient", *, token: str | None, token_is_local: bool
    ) -> None:
        self._http = http
        self._token = token
        self._token_is_local = token_is_local
        self._clock: Clock = SystemClock()

    def now_s(self) -> float:
        """Seconds since some moment, for how long a command waits."""
        return self._clock.monotonic_us() / 1e6

    async def pause(self, seconds: float) -> None:
        """Wait before the daemon is asked again."""
        await self._clock.sleep_until_us(self._clock.monotonic_us() + round(seconds * 1e6))

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries to say who asks."""
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    @property
    def socket_url(self) -> str:
        """The address of the state's stream."""
        return str(self._http.base_url.join(f"{API}/ws").copy_with(scheme=self._socket_scheme))

    @property
    def _socket_scheme(self) -> str:
        return "wss" if self._http.base_url.scheme == "https" else "ws"

    async def get(self, path: str, **query: object) -> dict[str, Any]:
        """The document at `path`; leaves out what is None in the query."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return await self.ask("GET", path, query=given)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> dict[str, Any]:
        """One request and its document.

        Raises RefusedError for a refusal, CommandError for every other answer that is none, and
        DroptableError NO_DAEMON when nobody answers.
        """
        answer = await self._send(method, path, query, body)
        if answer.status_code == 401 and self._token_is_local:
            # The file is of another daemon of this machine; nothing was carried out so far.
            self._token, self._token_is_local = None, False
            answer = await self._send(method, path, query, body)
        return _document(answer)

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: object
    ) -> "httpx.Response":
        import httpx

        try:
            return await self._http.request(
                method, f"{API}{path}", params=query, json=body, headers=self.headers
            )
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            raise CommandError(
                ExitCode.TIMEOUT,
                f"The daemon at {self._http.base_url} did not answer {method} {path} within "
                f"{ANSWER_MAX_S:g} s. Whether it was carried out is not known: look at the table.",
            ) from None
        except httpx.HTTPError as error:
            text = str(error) or type(error).__name__
            raise DroptableError("NO_DAEMON", f"{self._http.base_url}: {text}") from None


def _document(answer: "httpx.Response") -> dict[str, Any]:
    """The answer's document; the errors of `Daemon.ask` when it is none."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise DroptableError("NO_DAEMON", f"what answers at {answer.url} is not droptable")
    if answer.is_success:
        return document
    if answer.status_code == 409 and "refused" in document:
        raise RefusedError(reasons_in(document["refused"]))
    raise CommandError(_code_of(answer.status_code), _problem_text(document, answer.status_code))


def reasons_in(shown: list[dict[str, str]]) -> tuple[Reason, ...]:
    """The daemon's reasons."""
    return tuple(
        Reason(each["code"], each["text"], each["remedy"], each.get("doc")) for each in shown
    )


def _code_of(status: int) -> ExitCode:
    match status:
        case 400 | 404 | 405 | 413 | 422:
            return ExitCode.USAGE
        case 500:
            return ExitCode.BUG
        case _:
            return ExitCode.REFUSED


def _problem_text(document: dict[str, Any], status: int) -> str:
    """A problem document (RFC 9457) as a sentence."""
    code = document.get("code", f"HTTP {status}")
    sentences = (document.get("detail"), document.get("title"), document.get("remedy"))
    return f"{code}: {' '.join(f'{text}'.rstrip('.') + '.' for text in sentences if text)}"


# Finding the daemon, signing in


def address_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of the daemon's address; CommandError when it is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise CommandError(
            ExitCode.USAGE, f"--url {url!r} is not an address such as http://127.0.0.1:8080"
        )
    return parts.scheme, parts.hostname, port


def token_for(host: str, environment: Mapping[str, str]) -> tuple[str | None, bool]:
    """The token to sign in with, and whether it is this machine's, which goes nowhere else."""
    token = environment.get(TOKEN_VARIABLE, "").strip()
    local = False
    if not token and host in LOOPBACK_HOSTS:
        try:
            token = (state_dir(None, environment) / TOKEN_FILE).read_text(errors="replace").strip()
            local = True
        except OSError:
            # No daemon of this user: whoever brings no token is "local" or is told to bring one.
            return None, False
    if token and not (token.isascii() and token.isprintable()):
        raise CommandError(ExitCode.USAGE, "The token is not printable ASCII; it cannot be sent.")
    return token or None, local


def with_daemon(url: str, work: Callable[[Daemon], Awaitable[Result]]) -> Result:
    """Run `work` with the daemon at `url`; SIGTERM interrupts it as Ctrl-C does."""
    return asyncio.run(_interruptible(_connected(url, work)))


async def _connected(url: str, work: Callable[[Daemon], Awaitable[Result]]) -> Result:
    import httpx

    _, host, _ = address_of(url)
    token, token_is_local = token_for(host, os.environ)
    # The table is no place for a proxy that the environment happens to name.
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_MAX_S, trust_env=False) as http:
        return await work(Daemon(http, token=token, token_is_local=token_is_local))


async def _interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """SIGTERM cancels `work`, so that what it holds is given back."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


# The lease

RENEW_S = 0.5
"""The lease lasts 2 s while something moves; three renewals may be late before it ends."""


@asynccontextmanager
async def lease(daemon: Daemon) -> AsyncIterator[None]:
    """Hold the lease within the block, and give it back unless we had it before.

    Raises RefusedError when it is someone else's, also in the midst of the block.
    """
    before = await daemon.get("/lease")
    await daemon.ask("POST", "/lease")
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(_renew(daemon))
            yield
            renewing.cancel()
    except BaseExceptionGroup as failed:
        # Of the renewal and the block, what failed first; the other was cancelled.
        raise failed.exceptions[0] from None
    finally:
        if before["holder"] is None:
            await _give_back(daemon)


async def _renew(daemon: Daemon) -> None:
    while True:
        await daemon.pause(RENEW_S)
        await daemon.ask("POST", "/lease")


async def _give_back(daemon: Daemon) -> None:
    try:
        await daemon.ask("DELETE", "/lease")
    except (CommandError, DroptableError):
        # It ends by itself within seconds; what went wrong before is what matters.
        return


# STOP


def send_stop(url: str) -> None:
    """STOP, with nothing loaded, read or asked before it; tried twice, for it may be repeated.

    Raises DroptableError NO_DAEMON when it could not be delivered.
    """
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    scheme, host, port = address_of(url)
    connect = HTTPSConnection if scheme == "https" else HTTPConnection
    failure = ""
    for _ in range(2):
        connection = connect(host, port, timeout=2.0)
        try:
            connection.request("POST", f"{API}/stop")
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            failure = str(error) or type(error).__name__
        else:
            if status == 200:
                return
            failure = f"it answered {status}"
        finally:
            connection.close()
    raise DroptableError(
        "NO_DAEMON", f"{url}: {failure}. STOP WAS NOT DELIVERED, use the e-stop of the table"
    )
