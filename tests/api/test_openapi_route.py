"""GET /openapi.json serves the generated document, and encodes it once."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse

from app.api import openapi


async def test_the_document_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 clients that asked for it 200 times each, and read nothing, took seconds of the loop."""
    encoded: list[Any] = []

    class CountedResponse(JSONResponse):
        def render(self, content: Any) -> bytes:
            encoded.append(content)
            return super().render(content)

    monkeypatch.setattr(openapi, "JSONResponse", CountedResponse)
    app = FastAPI(openapi_url=None)
    openapi.add_document_route(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        responses = [await client.get("/openapi.json") for _ in range(3)]
    served = {**app.openapi(), "servers": [{"url": "/"}]}
    assert encoded == [served]
    assert {response.headers["content-type"] for response in responses} == {"application/json"}
    assert [response.json() for response in responses] == [served] * 3
