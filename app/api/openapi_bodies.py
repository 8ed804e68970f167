"""Schemas of request bodies as client generators need them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from app.api.form_fields import FILE_FIELD

SCHEMA_REF = "#/components/schemas/{model}"
_EXAMPLE_NAMES = ("minimal", "full")


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its body itself: JSON, or a form with a file."""
    schema = model.model_json_schema()
    examples = schema["examples"]
    as_json = {
        "schema": {"$ref": SCHEMA_REF.format(model=model.__name__)},
        "examples": {
            name: {"value": value} for name, value in zip(_EXAMPLE_NAMES, examples, strict=False)
        },
    }
    fields = {name: value for name, value in examples[-1].items() if name != "image_url"}
    as_form: dict[str, Any] = {
        "schema": {"$ref": SCHEMA_REF.format(model=_form_name(model))},
        "examples": {"file": {"value": {FILE_FIELD: "(the bytes of the file)", **fields}}},
        "encoding": {FILE_FIELD: {"contentType": "image/*"}},
    }
    if "metadata" in schema["properties"]:
        as_form["encoding"]["metadata"] = {"contentType": "application/json"}
    content = {"application/json": as_json, "multipart/form-data": as_form}
    return {"requestBody": {"required": True, "content": content}}


def body_schemas(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """For `components`: each body as JSON and as a form, and what they refer to."""
    schemas: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template=SCHEMA_REF)
        schemas.update(schema.pop("$defs", {}))
        properties = schema["properties"]
        schema["properties"] = {
            name: _default_in_words(field) for name, field in properties.items()
        }
        schemas[model.__name__] = schema
        schemas[_form_name(model)] = _form_schema(model, schema)
    return schemas


def without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of what is text, as in a form or a query: it is absent and never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return dict(schema)
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}


def _default_in_words(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The default in the description instead of in `default`.

    Generated clients send a `default` themselves, so `locale` would stand beside `locales`, which
    exclude each other; and those in TypeScript require such a field.
    """
    told = {name: value for name, value in schema.items() if name != "default"}
    if schema.get("default") is None:
        return told
    sentence = f"Default: `{json.dumps(schema['default'])}`."
    return {**told, "description": f"{told.get('description', '')} {sentence}".strip()}


def _form_name(model: type[BaseModel]) -> str:
    """`CaptionForm` for `CaptionBody`."""
    return model.__name__.removesuffix("Body") + "Form"


def _form_schema(model: type[BaseModel], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body as those of a form, with the file, which may replace `image_url`."""
    file = {
        "type": "string",
        "format": "binary",
        "description": "The image file, instead of `image_url`: up to 64 MiB by default. With "
        "curl: `-F image=@mug.jpg`.",
    }
    fields = {name: without_null(field) for name, field in schema["properties"].items()}
    required = [name for name in schema.get("required", []) if name != "image_url"]
    return {
        **{name: value for name, value in schema.items() if name not in ("examples", "required")},
        "title": _form_name(model),
        "description": f"{schema['description']} As a form: lists are repeated fields, `metadata` "
        "is JSON. An empty field counts as not sent.",
        "properties": {FILE_FIELD: file, **fields},
        **({"required": required} if required else {}),
    }
