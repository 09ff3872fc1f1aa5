"""The page's files come from memory, complete or not at all, and name no other site."""

import re
from pathlib import Path

import httpx
import pytest

from droptable.api.app import create_app
from droptable.api.pages import FILE_MAX_BYTES, PAGE, read_page
from tests.api.fake import FakeGateway

OWN_FILES = sorted(
    path for path in PAGE.iterdir() if path.suffix in {".html", ".js", ".css", ".svg"}
)
NAMED = [
    (path.name, name)
    for path in OWN_FILES
    for name in re.findall(r'(?:from|src=|href=) ?"\.?(/[^"]+)"', path.read_text())
]


@pytest.mark.parametrize("path", ["/", "/index.html"])
async def test_the_page_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'id="stop"' in answer.text


@pytest.mark.parametrize(("by", "name"), NAMED)
async def test_every_module_that_a_file_names_is_served(
    client: httpx.AsyncClient, by: str, name: str
) -> None:
    assert (await client.get(name)).status_code == 200


@pytest.mark.parametrize("own", OWN_FILES, ids=lambda path: path.name)
def test_no_file_of_ours_names_another_site(own: Path) -> None:
    found = set(re.findall(r"(?:https?:)?//[a-z0-9][^\s\"']*\.[a-z]+", own.read_text()))
    assert found <= {"http://www.w3.org"}, found


async def test_a_browser_that_has_a_file_is_not_sent_it_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/app.js")
    again = await client.get("/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/app.js", headers={"If-None-Match": '"another"'})
    assert other.content == first.content


def test_the_inline_import_map_is_the_only_script_that_the_policy_knows() -> None:
    page = read_page()
    index = page.files["/"].body.decode()
    assert len(page.script_hashes) == 1
    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", index)
    assert inline == ['<script type="importmap">']
    assert not re.search(r"\son[a-z]+=|style=", index)


async def test_without_its_modules_there_is_no_page_but_an_api(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    for path in OWN_FILES:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    page = read_page(tmp_path)
    assert "/modules/preact.mjs" in page.missing
    transport = httpx.ASGITransport(app=create_app(gateway, page=page))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.json()["code"]) == (503, "PAGE_NOT_BUILT")
        assert (await client.post("/api/v1/stop")).status_code == 200


def test_a_file_too_large_for_a_page_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b" " * (FILE_MAX_BYTES + 1))
    with pytest.raises(ValueError, match="larger"):
        read_page(tmp_path)
