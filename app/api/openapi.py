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
from app.api.form_fields import FILE_FIELD
from app.api.problems import documented_responses, problem_schema
from app.api.request_schemas import CaptionBody, CaptionsBody, CheckBody

_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (CaptionBody, CaptionsBody, CheckBody)
_DESCRIPTION = """One POST takes an image, by URL or as a file, and a style. The response is one
caption that has been checked and can be stored.

Errors are `application/problem+json` (RFC 9457). `code` is for programs. The status says whether to
retry: 408, 429 and 5xx may succeed later, other 4xx will not."""


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its body itself: JSON, or a form with a file."""
    schema = model.model_json_schema()
    examples = schema.get("examples", [])
    as_json: dict[str, Any] = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    if examples:
        as_json["examples"] = {
            ("minimal", "full")[index]: {"value": value} for index, value in enumerate(examples)
        }
    fields = dict((examples or [{"caption": "A white mug on a plain white background."}])[-1])
    fields.pop("image_url", None)
    as_form: dict[str, Any] = {
        "schema": {"$ref": _REF.format(model=_form_name(model))},
        "examples": {"file": {"value": {FILE_FIELD: "(the bytes of the file)", **fields}}},
        "encoding": {FILE_FIELD: {"contentType": "image/*"}},
    }
    if "metadata" in schema["properties"]:
        as_form["encoding"]["metadata"] = {"contentType": "application/json"}
    content = {"application/json": as_json, "multipart/form-data": as_form}
    return {"requestBody": {"required": True, "content": content}}


def _form_name(model: type[BaseModel]) -> str:
    """`CaptionForm` for `CaptionBody`."""
    return model.__name__.removesuffix("Body") + "Form"


def _form_schema(model: type[BaseModel], schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of a body as those of a form, with the file, which may replace `image_url`."""
    file = {
        "type": "string",
        "format": "binary",
        "description": "The image file, instead of `image_url`: up to 64 MiB by default. With "
        "curl: `-F image=@mug.jpg`.",
    }
    required = [name for name in schema.get("required", []) if name != "image_url"]
    return {
        **{name: value for name, value in schema.items() if name not in ("examples", "required")},
        "title": _form_name(model),
        "description": f"{schema['description']} As a form: lists are repeated fields, `metadata` "
        "is JSON. An empty field counts as not sent.",
        "properties": {FILE_FIELD: file, **schema["properties"]},
        **({"required": required} if required else {}),
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
        document = app.openapi()
        if root_path:
            document = {**document, "servers": [{"url": root_path}]}
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
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for body in _BODIES:
        body_schema = body.model_json_schema(ref_template=_REF)
        schemas.update(body_schema.pop("$defs", {}))
        schemas[body.__name__] = body_schema
        schemas[_form_name(body)] = _form_schema(body, body_schema)
    schemas["Problem"] = problem_schema()
    schemas["FailedResult"]["properties"]["problem"] = {"$ref": _REF.format(model="Problem")}
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
            if path.startswith("/v1/"):
                operation["security"] = [{"bearer": []}, {}]
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
