"""Stands before every route: wrong host, foreign page and oversized body are turned away here.

Plain ASGI, so that it sees HTTP and the socket alike. It never looks at what is asked, with one
exception: a STOP passes whoever sends it and whatever is in it. One from a forged page is a nuisance;
one that is turned away, by a proxy's Host or an Origin that nobody thought of, is a danger.
"""

import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from droptable.api.problems import problem_response

BODY_MAX_BYTES = 16 * 1024
STOP_PATH = "/api/v1/stop"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def content_policy(script_hashes: Iterable[str]) -> str:
    """The Content-Security-Policy: our own files and the inline scripts of these hashes only."""
    scripts = " ".join(["'self'", *(f"'{digest}'" for digest in script_hashes)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Guard:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], script_hashes: Iterable[str]) -> None:
        self._app = app
        self._hosts = LOOPBACK_HOSTS | {host.lower() for host in hosts}
        self._headers = {
            **SECURITY_HEADERS,
            "Content-Security-Policy": content_policy(script_hashes),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection of any kind."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        turned_away = self._reason(scope)
        if turned_away is not None:
            await turned_away(scope, receive, send_guarded)
            return
        await self._app(scope, _limited(receive), send_guarded)

    def _reason(self, scope: Scope) -> Response | None:
        """Why this request goes no further; None when it may."""
        headers, path = Headers(scope=scope), scope["path"]
        if (scope["type"], path, scope.get("method")) == ("http", STOP_PATH, "POST"):
            return None
        named = headers.getlist("host")
        if len(named) != 1 or host_of(named[0]) not in self._hosts:
            return problem_response("FOREIGN_HOST", "the Host header names another host", path)
        if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
            origins = headers.getlist("origin")
            if any(not _same_origin(origin, named[0]) for origin in origins):
                return problem_response("FOREIGN_ORIGIN", "the Origin is another site", path)
        if _announced_bytes(headers) > BODY_MAX_BYTES:
            return problem_response("BODY_TOO_LARGE", "the body is above 16 KiB", path)
        return None


def host_of(authority: str) -> str:
    """The host in `host`, `host:port` or `[v6]:port`, lower case; "" when it is none of these."""
    found = AUTHORITY.fullmatch(authority.strip().lower())
    return (found["v6"] or found["name"]) if found else ""


def _same_origin(origin: str, authority: str) -> bool:
    # The daemon speaks plain HTTP, so an origin that says https is not this page.
    return origin.lower() == f"http://{authority.lower()}"


def _announced_bytes(headers: Headers) -> int:
    """What Content-Length says; the server has already refused one that is no number."""
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _limited(receive: Receive) -> Receive:
    """`receive` for a body that does not say how long it is."""
    seen_bytes = 0

    async def receive_limited() -> Message:
        nonlocal seen_bytes
        message = await receive()
        if message["type"] == "http.request":
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > BODY_MAX_BYTES:
                raise HTTPException(413)
        return message

    return receive_limited
