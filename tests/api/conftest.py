"""The app without a server, over a gateway without a table."""

from collections.abc import AsyncIterator

import httpx
import pytest

from droptable.api.app import create_app
from tests.api.fake import FakeGateway

TOKENS = {"anna": "kT3-anna", "ci": "kT3-ci"}


@pytest.fixture
async def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(gateway, tokens=TOKENS)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client
