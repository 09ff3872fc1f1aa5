"""Who asks: the name that a bearer token carries, or "local" for whoever brings none.

It only names. Until people can sign in, the daemon serves this machine alone.
"""

from collections.abc import Mapping
from hmac import compare_digest

from starlette.requests import HTTPConnection

from droptable.api.problems import ApiError

LOCAL = "local"
"""The actor of a request without a token."""


def actor_of(connection: HTTPConnection) -> str:
    """The name of whoever asks; ApiError TOKEN_UNKNOWN when the token given is not one of ours."""
    given = connection.headers.get("authorization")
    if given is None:
        return LOCAL
    scheme, _, token = given.partition(" ")
    name = _name_of(token.strip(), connection.app.state.tokens)
    if scheme.lower() != "bearer" or name is None:
        raise ApiError("TOKEN_UNKNOWN", "the Authorization header holds no token of this daemon")
    return name


def _name_of(token: str, tokens: Mapping[str, str]) -> str | None:
    """Looks at every token, so that the time taken says nothing about where they differ."""
    found = None
    for name, known in tokens.items():
        if known and compare_digest(token.encode(), known.encode()):
            found = name
    return found
