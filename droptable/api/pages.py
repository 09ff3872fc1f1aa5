"""The tablet page's files, read once at start: serving them touches no disk and no other path."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from droptable.api.problems import problem_response

PAGE = Path(__file__).parent / "page"
FILE_MAX_BYTES = 512 * 1024

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

IMPORT_MAP = re.compile(r'<script type="importmap">(?P<map>.*?)</script>', re.DOTALL)
MAPPED = re.compile(r'"(?P<path>/modules/[^"]+)"')


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it goes out."""

    body: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Page:
    """All files of the page by path, and the hash of the one inline script that they need."""

    files: dict[str, PageFile]
    script_hashes: tuple[str, ...]
    missing: tuple[str, ...]
    """Modules that the import map names and nobody has fetched."""


def read_page(folder: Path = PAGE) -> Page:
    """Read the page. ValueError when a file is larger than a page's file has reason to be."""
    files = {
        f"/{path.relative_to(folder).as_posix()}": _page_file(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and path.is_file()
    }
    index = files["/index.html"].body.decode()
    maps = [found["map"] for found in IMPORT_MAP.finditer(index)]
    wanted = [found["path"] for text in maps for found in MAPPED.finditer(text)]
    return Page(
        files={"/": files["/index.html"], **files},
        script_hashes=tuple(_script_hash(text) for text in maps),
        missing=tuple(path for path in wanted if path not in files),
    )


def page_routes(page: Page) -> list[Route]:
    """One route for each file; without its modules the page is only a problem document."""
    if page.missing:
        return [Route("/", _not_built)]
    return [Route(path, _serving(file)) for path, file in page.files.items()]


def _page_file(path: Path) -> PageFile:
    body = path.read_bytes()
    if len(body) > FILE_MAX_BYTES:
        raise ValueError(f"{path.name} is larger than {FILE_MAX_BYTES} bytes")
    return PageFile(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _script_hash(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _serving(file: PageFile) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for one file; a browser that has it already is told so."""
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}

    async def serve_file(request: Request) -> Response:
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)

    return serve_file


async def _not_built(request: Request) -> Response:
    return problem_response("PAGE_NOT_BUILT", "modules are missing", request.url.path)
