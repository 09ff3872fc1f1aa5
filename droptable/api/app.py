"""Puts the API together: routes, page, problem documents and the guard before them all."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp

from droptable import __version__
from droptable.api.door import Gateway
from droptable.api.guard import Guard
from droptable.api.metrics import registry_of
from droptable.api.pages import Page, page_routes, read_page
from droptable.api.problems import (
    HTTP_PROBLEMS,
    ApiError,
    FieldError,
    ProblemShown,
    fault_response,
    problem_response,
)
from droptable.api.routes import operations, table
from droptable.api.stream import Audience
from droptable.errors import DroptableError

log = structlog.get_logger(__name__)

ERRORS_SHOWN_MAX = 20
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
CODES_BY_STATUS = {
    400: "REQUEST_MALFORMED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "BODY_TOO_LARGE",
}


def create_app(
    gateway: Gateway,
    *,
    tokens: Mapping[str, str] | None = None,
    hosts: Iterable[str] = (),
    page: Page | None = None,
    clients_max: int = 32,
) -> ASGIApp:
    """The whole API and page over `gateway`.

    `tokens` maps a name to its token and is looked up at every request. `hosts` are names that
    this daemon answers to besides those of the loopback. ValueError when the page is unusable.
    """
    page = page if page is not None else read_page()
    if page.missing:
        problem = HTTP_PROBLEMS["PAGE_NOT_BUILT"].problem
        log.warning(problem.code, meaning=problem.meaning, remedy=problem.remedy)
    app = FastAPI(
        title="droptable",
        version=__version__,
        summary="The daemon of a chiropractic drop table.",
        openapi_url="/openapi.json",
        # The ready-made documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.gateway = gateway
    app.state.tokens = tokens if tokens is not None else {}
    app.state.audience = Audience(clients_max=clients_max)
    app.state.metrics = registry_of(gateway, app.state.audience)
    app.include_router(table)
    app.include_router(operations, prefix="/api/v1")
    # Where orchestrators and Prometheus look when nobody told them otherwise.
    app.include_router(operations, include_in_schema=False)
    app.router.routes.extend(page_routes(page))
    _tell_problems(app)
    _describe(app)
    return Guard(app, hosts=hosts, script_hashes=page.script_hashes)


def _tell_problems(app: FastAPI) -> None:
    """Every error leaves as a problem document."""

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if error.known.status == 401 else None
        code = error.known.problem.code
        return problem_response(code, error.detail, request.url.path, headers=headers)

    @app.exception_handler(DroptableError)
    async def fault(request: Request, error: DroptableError) -> Response:
        return fault_response(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _invalid_response(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        code = CODES_BY_STATUS.get(error.status_code, "INTERNAL")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed(app.routes, request))
        detail = f"{request.method}: {error.detail}"
        return problem_response(code, detail, request.url.path, headers=headers)

    @app.exception_handler(Exception)
    async def bug(request: Request, _: Exception) -> Response:
        # The server logs it with its traceback; whoever asked learns that it happened.
        return problem_response("INTERNAL", "an unexpected error; see the log", request.url.path)


def _invalid_response(error: RequestValidationError, path: str) -> Response:
    """A request that does not fit its schema; what was sent is not repeated."""
    found = error.errors()
    if any(each["loc"][:1] == ("path",) for each in found):
        return problem_response("NOT_FOUND", "no section, verb or event of this name", path)
    if any(each["type"] == "json_invalid" for each in found):
        return problem_response("REQUEST_MALFORMED", "the body is not JSON", path)
    errors = [
        FieldError(where=".".join(str(part) for part in each["loc"]), text=each["msg"])
        for each in found[:ERRORS_SHOWN_MAX]
    ]
    detail = "; ".join(f"{each.where}: {each.text}" for each in errors)
    return problem_response("REQUEST_INVALID", detail, path, errors=errors)


def _allowed(routes: Iterable[BaseRoute], request: Request) -> Iterator[str]:
    """Every method that some route takes at this path, found by asking for each."""
    for method in METHODS:
        scope = dict(request.scope) | {"method": method}
        if any(route.matches(dict(scope))[0] is Match.FULL for route in routes):
            yield method


def _describe(app: FastAPI) -> None:
    """Complete the OpenAPI document with the shape of problems and the token."""
    document: dict[str, Any] = app.openapi()
    problem = ProblemShown.model_json_schema(ref_template="#/components/schemas/{model}")
    components = document["components"]
    components["schemas"] |= problem.pop("$defs", {})
    components["schemas"]["ProblemShown"] = problem
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"token": []}]
