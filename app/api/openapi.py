"""The OpenAPI document: what FastAPI generates, with our request bodies, problems and headers."""

import functools
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.errors import MethodNotAllowed, NotFound
from app.api.openapi_bodies import SCHEMA_REF, body_schemas, without_null
from app.api.problems import documented_responses, problem_schemas
from app.api.request_schemas import CaptionBody, CaptionsBody, CheckBody

_BODIES: tuple[type[BaseModel], ...] = (CaptionBody, CaptionsBody, CheckBody)
_DESCRIPTION = """One POST takes an image, by URL or as a file, and a style. The response is one
caption that has been checked and can be stored.

Errors are `application/problem+json` (RFC 9457). `code` is for programs. The status says whether to
retry: 408, 429 and 5xx may succeed later, other 4xx will not.

A list of codes is open: later versions may add some, so accept any string."""
_TAGS = [
    {"name": "captions", "description": "Captions of images, and checks of texts."},
    {"name": "service", "description": "Probes and metrics, which need no key."},
]
_SERVER = {"url": "http://127.0.0.1:8000", "description": "A server on this machine"}
"""In the file. A server names itself in the document that it serves."""
_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "Your own name for this request, which its response and the log have too: up "
    "to 128 letters, digits and `._~:/+=@-`. Another one is replaced.",
    "schema": {"type": "string"},
}


def cached_document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """For `app.openapi`: generates the document at the first call."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _generate_document(app)
        return app.openapi_schema

    return openapi


def add_document_route(app: FastAPI, root_path: str = "") -> None:
    """GET /openapi.json. Encoding the document takes milliseconds, and is done once."""

    @functools.cache
    def encoded() -> bytes:
        document = {**app.openapi(), "servers": [{"url": root_path or "/"}]}
        return bytes(JSONResponse(document).body)

    async def openapi(_request: Request) -> Response:
        return Response(encoded(), media_type="application/json")

    app.add_route("/openapi.json", openapi, include_in_schema=False)


def _generate_document(app: FastAPI) -> dict[str, Any]:
    """The whole document. It is the same on every machine, whatever the settings."""
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        servers=[_SERVER],
        tags=_TAGS,
        contact={"name": "Altwright maintainers"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(body_schemas(_BODIES))
    schemas.update(problem_schemas())
    schemas["FailedResult"]["properties"]["problem"] = {"$ref": SCHEMA_REF.format(model="Problem")}
    # Responses of no route: of paths and methods that do not exist.
    components["responses"] = {
        error.code: next(iter(documented_responses(error).values()))
        for error in (NotFound, MethodNotAllowed)
    }
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "Required where the operator has configured keys.",
        }
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            for parameter in parameters:
                parameter["schema"] = without_null(parameter["schema"])
            if path.startswith("/v1/"):
                operation["security"] = [{"bearer": []}, {}]
                operation["parameters"] = [*parameters, _REQUEST_ID]
            else:
                operation["security"] = []
            _add_headers(operation, path)
            # FastAPI adds its own 422. Ours is the problem with code invalid_request.
            for status, response in operation["responses"].items():
                if status == "422" and "problem+json" not in str(response):
                    operation["responses"].pop("422")
                    break
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return schema


def _add_headers(operation: dict[str, Any], path: str) -> None:
    is_limited = path.startswith("/v1/") and path not in ("/v1/styles", "/v1/usage")
    for status, response in operation["responses"].items():
        headers = response.setdefault("headers", {})
        headers["X-Request-ID"] = {
            "description": "The caller's own where it sent a valid one, otherwise a new one.",
            "schema": {"type": "string"},
        }
        if path.startswith("/v1/image/") and status == "200":
            headers["X-Cache"] = {
                "description": "`hit` or `miss`, where the operator has configured a cache.",
                "schema": {"type": "string", "enum": ["hit", "miss"]},
            }
        if is_limited and status in ("200", "429"):
            for name, meaning in (
                (
                    "Limit",
                    "Requests that the tightest limit allows; without a limit there is no header.",
                ),
                ("Remaining", "Requests that are left of this limit now."),
                ("Reset", "Seconds until one more is allowed, rounded up."),
            ):
                headers[f"X-RateLimit-{name}"] = {
                    "description": meaning,
                    "schema": {"type": "integer", "minimum": 0},
                }
