"""What client generators need of the OpenAPI document."""

import json
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from app.api.example_image import EXAMPLE_DATA_URL
from app.api.openapi_bodies import without_null

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "openapi/openapi.json").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OF_REQUESTS = ("ImageRole", "Body", "Form")


def objects(value: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in `value`, with its path."""
    if isinstance(value, dict):
        yield path, value
    for name, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from objects(inner, f"{path}/{name}")


def test_no_field_has_a_default_which_generated_clients_would_send() -> None:
    """With `locale` beside `locales` every request for several locales was refused."""
    with_default = [path for path, each in objects(SCHEMAS) if "default" in each]
    assert with_default == []
    locale = SCHEMAS["CaptionsBody"]["properties"]["locale"]
    assert locale["description"].endswith('Default: `"en"`.')
    assert "Default: `64`." in SCHEMAS["CaptionForm"]["properties"]["max_tokens"]["description"]


def test_no_field_of_a_form_and_no_parameter_may_be_null() -> None:
    of_texts = [schema for name, schema in SCHEMAS.items() if name.endswith("Form")]
    parameters = [
        parameter
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    assert len(of_texts) == 3
    assert parameters
    assert "null" not in str([*of_texts, *parameters]).replace("null where", "")
    nullable = {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Month"}
    assert without_null(nullable) == {"type": "string", "title": "Month"}
    several = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
    assert without_null(several) == several


def test_enumerations_of_responses_are_open_where_later_versions_may_add_values() -> None:
    """A generated client with a closed one fails at a value that it does not know."""
    closed = {
        path: each["enum"]
        for name, schema in SCHEMAS.items()
        if not name.endswith(OF_REQUESTS)
        for path, each in objects(schema, name)
        if "enum" in each
    }
    assert closed == {
        "CheckResult/properties/verdict": ["confirmed", "contradicted", "unknown"],
        "StyleRule/properties/severity": ["hard", "soft"],
    }
    assert "overloaded" in SCHEMAS["Problem"]["properties"]["code"]["x-extensible-enum"]


def test_every_object_of_a_response_has_a_name() -> None:
    """Without one, generators call it `styles_response_styles_item`, or leave it untyped."""
    nameless = [
        path
        for name, schema in SCHEMAS.items()
        for path, each in objects(schema, name)
        if "/" in path and each.get("type") == "object" and "additionalProperties" not in each
    ]
    assert nameless == []


def test_probes_need_no_key() -> None:
    for path, operations in DOCUMENT["paths"].items():
        [operation] = operations.values()
        assert operation["security"] == ([{"bearer": []}, {}] if path.startswith("/v1/") else [])


def test_the_picture_of_the_examples_is_a_small_image() -> None:
    head, _, data = EXAMPLE_DATA_URL.partition(",")
    assert head == "data:image/webp;base64"
    assert len(data) < 1_500
    with Image.open(BytesIO(b64decode(data, validate=True))) as image:
        assert (image.format, image.size) == ("WEBP", (200, 200))
