"""The OpenAPI document: FastAPI's, with our bodies, problems and headers."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.api.errors import MethodNotAllowed, NotFound
from app.api.problems import documented, problem_schema

_REF = "#/components/schemas/{model}"
_ABOUT = """One POST takes an image URL and a style; the answer is one caption that has been
checked, ready to store.

Failures are `application/problem+json` (RFC 9457). Programs switch on `code`; the status class
tells the truth about retrying: 408, 429 and 5xx may succeed later, other 4xx will not."""


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its own body: what the body must be."""
    examples = model.model_json_schema().get("examples", [])
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    if examples:
        content["examples"] = {
            ("least", "everything")[index]: {"value": value} for index, value in enumerate(examples)
        }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def document(app: FastAPI, bodies: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """The whole document, the same on every machine."""
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for body in bodies:
        own = body.model_json_schema(ref_template=_REF)
        schemas.update(own.pop("$defs", {}))
        schemas[body.__name__] = own
    schemas["Problem"] = problem_schema()
    schemas["FailedResult"]["properties"]["problem"] = {"$ref": _REF.format(model="Problem")}
    # No route answers these two; any path or method that does not exist does.
    components["responses"] = {
        error.code: next(iter(documented(error).values())) for error in (NotFound, MethodNotAllowed)
    }
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "Needed where the operator has configured keys.",
        }
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                operation["security"] = [{"bearer": []}, {}]
            _add_headers(operation, path)
            # FastAPI documents its own 422; ours is the problem with code invalid_request.
            for status, answer in operation["responses"].items():
                if status == "422" and "problem+json" not in str(answer):
                    operation["responses"].pop("422")
                    break
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return schema


def _add_headers(operation: dict[str, Any], path: str) -> None:
    is_limited = path.startswith("/v1/") and path != "/v1/styles"
    for status, answer in operation["responses"].items():
        headers = answer.setdefault("headers", {})
        headers["X-Request-ID"] = {
            "description": "The caller's own, if it sent a sane one.",
            "schema": {"type": "string"},
        }
        if path.startswith("/v1/image/") and status == "200":
            headers["X-Cache"] = {
                "description": "`hit` or `miss`, where the operator has configured a cache.",
                "schema": {"type": "string", "enum": ["hit", "miss"]},
            }
        if is_limited and status in ("200", "429"):
            for name, meaning in (
                ("Limit", "Requests that the tightest limit allows."),
                ("Remaining", "Requests that are left of it now."),
                ("Reset", "Seconds until one more is allowed, rounded up."),
            ):
                headers[f"X-RateLimit-{name}"] = {
                    "description": meaning,
                    "schema": {"type": "integer", "minimum": 0},
                }
