"""What can be wrong with a request, and how it is told: problem documents as in RFC 9457.

The registry of the problems of HTTP and of the socket. Refusals of an action are no problems: they
are answers, with the gateway's reasons. No document carries a traceback or the caller's own words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from droptable.errors import DroptableError, Problem

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class HttpProblem:
    """One entry of the registry: the problem, and the status that tells it."""

    status: int
    problem: Problem


HTTP_PROBLEMS: dict[str, HttpProblem] = {}


def _register(code: str, status: int, meaning: str, remedy: str) -> None:
    HTTP_PROBLEMS[code] = HttpProblem(status, Problem(code, meaning, remedy))


_register(
    "REQUEST_MALFORMED",
    400,
    "The request could not be read; nothing was done.",
    "Send the body as JSON, with `Content-Type: application/json`.",
)
_register(
    "TOKEN_UNKNOWN",
    401,
    "The token is not known here; nothing was done.",
    "Send `Authorization: Bearer` with a token of this daemon, or none at all.",
)
_register(
    "FOREIGN_ORIGIN",
    403,
    "The request comes from a page of another site; nothing was done.",
    "Open the table's own page at the address that the daemon printed.",
)
_register(
    "NOT_FOUND",
    404,
    "There is nothing at this address.",
    "Look up the addresses, the sections and the verbs in `/openapi.json`.",
)
_register(
    "METHOD_NOT_ALLOWED",
    405,
    "This address does not take this method; nothing was done.",
    "Use a method that the `Allow` header names.",
)
_register(
    "BODY_TOO_LARGE",
    413,
    "The body is larger than any request needs; nothing was done.",
    "Send at most 16 KiB.",
)
_register(
    "FOREIGN_HOST",
    421,
    "The request names a host that this daemon is not; nothing was done.",
    "Use the address that the daemon printed.",
)
_register(
    "REQUEST_INVALID",
    422,
    "The request has the wrong content; nothing was done.",
    "Correct what `errors` names; `/openapi.json` says what is allowed.",
)
_register(
    "INTERNAL",
    500,
    "The daemon made a mistake of its own; whether the request was carried out is not known.",
    "Look at the table before anything else, then report the daemon's log.",
)
_register(
    "NOT_READY",
    503,
    "The daemon runs, but the table cannot be used.",
    "Put right what `detail` names; the daemon keeps trying.",
)
_register(
    "PAGE_NOT_BUILT",
    503,
    "The page's modules are not installed, so there is no page; the API works.",
    "Run `tools/page-modules` and start the daemon again. Use the red button to stop the table.",
)
_register(
    "TOO_MANY_CLIENTS",
    503,
    "As many pages watch this table as it serves; this one gets no updates.",
    "Close pages that nobody looks at. STOP still works from here.",
)
_register(
    "MESSAGE_MALFORMED",
    400,
    "The message is not a JSON object with a `type`; nothing was done.",
    'Send messages such as {"type": "stop"}.',
)
_register(
    "MESSAGE_UNKNOWN",
    400,
    "There is no message of this type; nothing was done.",
    "Send `stop`, `lease_take` or `lease_release`.",
)
_register(
    "LEASE_BUSY",
    503,
    "Earlier messages about the lease have not been answered yet; this one was dropped.",
    "Wait for the answers before asking again.",
)


class FieldError(BaseModel):
    """One thing that is wrong with the content of a request."""

    model_config = ConfigDict(frozen=True)

    where: str = Field(description="Where it is, such as body.newton")
    text: str = Field(description="What is wrong with it")


class ProblemShown(BaseModel):
    """A problem document, RFC 9457."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="A URN that stays the same for the same kind of problem")
    title: str = Field(description="What it means for the table")
    status: int
    detail: str = Field(description="What exactly happened")
    instance: str = Field(description="The path that was asked for")
    code: str = Field(description="Stable name, such as NOT_FOUND")
    remedy: str = Field(description="What to do about it")
    errors: tuple[FieldError, ...] = Field(default=(), description="REQUEST_INVALID only")


class ApiError(Exception):
    """A problem of the registry that happened to this request."""

    def __init__(self, code: str, detail: str) -> None:
        self.known = HTTP_PROBLEMS[code]
        self.detail = detail
        super().__init__(f"{code}: {detail}")


def problem_response(
    code: str,
    detail: str,
    path: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The problem `code` of the registry as a response; KeyError when it is not registered."""
    known = HTTP_PROBLEMS[code]
    shown = _shown(known.problem, known.status, detail, path).model_copy(
        update={"errors": tuple(errors)}
    )
    return _response(shown, headers)


def fault_response(error: DroptableError, path: str) -> JSONResponse:
    """A problem outside the request, such as a journal that cannot be written, as a response."""
    return _response(_shown(error.problem, 503, error.detail, path), None)


def _shown(problem: Problem, status: int, detail: str, path: str) -> ProblemShown:
    return ProblemShown(
        type=f"urn:droptable:problem:{problem.code.lower().replace('_', '-')}",
        title=problem.meaning,
        status=status,
        detail=detail,
        instance=path,
        code=problem.code,
        remedy=problem.remedy,
    )


def _response(shown: ProblemShown, headers: Mapping[str, str] | None) -> JSONResponse:
    content = shown.model_dump(exclude=None if shown.errors else {"errors"})
    return JSONResponse(content, shown.status, headers=headers, media_type=PROBLEM_TYPE)
