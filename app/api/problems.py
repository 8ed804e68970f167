"""Problem bodies and responses (RFC 9457), made from the error classes in this module only."""

import json
import math
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from app.api.errors import InvalidRequest, Unauthorized, UnsupportedMediaType
from app.errors import CaptionError, public_error_classes

MEDIA_TYPE = "application/problem+json"
ACCEPTED_MEDIA_TYPES = "application/json, multipart/form-data"
"""Of request bodies."""
_TYPE_BASE = "/docs#problem-"


def problem_body(error: CaptionError, request_id: str, root_path: str = "") -> dict[str, Any]:
    """The problem as a JSON object. `root_path` is that of the request."""
    return {
        "type": root_path + _TYPE_BASE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "retryable": error.retryable(),
        "request_id": request_id,
        **error.extra,
    }


def problem_response(error: CaptionError, request_id: str, root_path: str = "") -> Response:
    """The problem as a response, with Retry-After and WWW-Authenticate where they apply."""
    response = Response(
        json.dumps(problem_body(error, request_id, root_path), ensure_ascii=False).encode(
            "utf-8", "replace"
        ),
        status_code=error.status,
        media_type=MEDIA_TYPE,
    )
    headers = MutableHeaders(raw=response.raw_headers)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="altwright"'
    if isinstance(error, UnsupportedMediaType):
        headers["Accept"] = ACCEPTED_MEDIA_TYPES  # RFC 9110, 15.5.16
    return response


def malformed_request_response(request_id: str) -> Response:
    """`invalid_request` with status 400, which tells proxies to close the connection."""
    sentence = (
        "This is not a valid HTTP/1.1 request, or its head is over 64 KiB, or its body comes in "
        "chunks of a few bytes. Correct the client, or send a Content-Length."
    )
    body = problem_body(InvalidRequest([("", sentence)]), request_id) | {"status": 400}
    return Response(json.dumps(body), status_code=400, media_type=MEDIA_TYPE)


def documented_responses(*errors: type[CaptionError]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: each status with an example for each of its codes."""
    by_status: dict[int | str, list[type[CaptionError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "; ".join(f"`{e.code}`: {_first_line(e)}" for e in classes),
            "headers": _header_schemas(classes),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {e.code: {"value": _example_body(e)} for e in classes},
                }
            },
        }
        for status, classes in by_status.items()
    }


def _example_body(error: type[CaptionError]) -> dict[str, Any]:
    """The problem body with the error's standard sentence as its detail."""
    example = {
        "type": _TYPE_BASE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.public,
        "code": error.code,
        "retryable": error.retryable(),
        "request_id": "01JD4W5Q8M3ZK7",
    }
    if error is InvalidRequest:
        message = "Input should be less than or equal to 256"
        example["errors"] = [{"field": "max_tokens", "message": message}]
    return example


def problem_schemas() -> dict[str, Any]:
    """For `components`: the problem and what it lists. Its codes come from the error classes."""
    codes = sorted({leaf.code for leaf in public_error_classes()})
    text = {"type": "string"}
    return {
        "Problem": {
            "type": "object",
            "title": "Problem",
            "description": "An RFC 9457 problem. `code` is for programs; `retryable` says whether "
            "the same request may succeed later.",
            "required": ["type", "title", "status", "detail", "code", "retryable", "request_id"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": text,
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "What is wrong and what to do."},
                "code": {"type": "string", "x-extensible-enum": codes},
                "retryable": {"type": "boolean"},
                "request_id": text,
                "errors": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/FieldError"},
                    "description": "invalid_request only: one entry for each wrong field.",
                },
                "draft": {
                    "type": "string",
                    "description": "caption_rejected only: the last draft, for a reviewer.",
                },
                "reasons": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Reason"},
                    "description": "caption_rejected only: the hard rules that the draft breaks.",
                },
            },
        },
        "FieldError": {
            "type": "object",
            "title": "FieldError",
            "description": "A wrong field of a request.",
            "required": ["field", "message"],
            "properties": {"field": text, "message": text},
        },
        "Reason": {
            "type": "object",
            "title": "Reason",
            "description": "A hard rule that a draft breaks.",
            "required": ["code", "reason"],
            "properties": {"code": text, "reason": text},
        },
    }


def _first_line(error: type[CaptionError]) -> str:
    return (error.__doc__ or error.title).split("\n", 1)[0]


def _header_schemas(classes: Iterable[type[CaptionError]]) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": {"schema": {"type": "string"}}}
    for error in classes:
        if error.status in (429, 502, 503):
            headers["Retry-After"] = {
                "description": "Whole seconds, rounded up, where a time is known.",
                "schema": {"type": "integer", "minimum": 1},
            }
        if error is Unauthorized:
            headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
        if error is UnsupportedMediaType:
            headers["Accept"] = {"schema": {"type": "string", "const": ACCEPTED_MEDIA_TYPES}}
    return headers
