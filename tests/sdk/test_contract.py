"""The SDK matches openapi/openapi.json: fields, types, parameters, endpoints, errors."""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any, get_args

import altwright as sdk
import pytest
from altwright import errors, models
from altwright.caption_many import Job
from altwright.image_input import PreparedImage
from altwright.request_builder import (
    build_caption,
    build_captions,
    build_check,
    build_styles,
    build_usage,
)
from altwright.response_parser import Response, parse_response

from testing.servers.altwright import Altwright

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "openapi/openapi.json").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
FROM_HEADERS = {"request_id": "X-Request-ID", "cached": "X-Cache"}
"""Fields of Caption that come from response headers."""
ADDED_BY_SDK = {"url"}
"""Fields of Caption that the server does not send."""


def fields(model: type) -> set[str]:
    return {each.name for each in dataclasses.fields(model)}


def parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self", "image", "text", "default"}


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        (sdk.Usage, "Usage"),
        (sdk.ImageFacts, "ImageFacts"),
        (sdk.Check, "CheckResult"),
        (sdk.Verdict, "CheckResponse"),
        (sdk.FailedCaption, "FailedResult"),
        (sdk.UsageReport, "UsageResponse"),
        (sdk.UsagePeriod, "UsagePeriod"),
        (sdk.Cost, "Cost"),
        (sdk.ExpectedTokens, "ExpectedTokens"),
        (sdk.PriceOfTokens, "PriceOfTokens"),
        (sdk.Quota, "Quota"),
        (sdk.UnknownUsage, "UnknownUsage"),
        (sdk.Style, "StyleDescription"),
        (sdk.StyleLimits, "StyleLimits"),
        (sdk.StyleRule, "StyleRule"),
    ],
)
def test_a_model_has_the_fields_of_its_schema(model: type, schema: str) -> None:
    assert fields(model) == set(SCHEMAS[schema]["properties"])
    assert fields(model) == set(SCHEMAS[schema]["required"])


def test_a_caption_has_the_fields_of_its_schema_and_of_the_headers() -> None:
    assert fields(sdk.Caption) - set(FROM_HEADERS) - ADDED_BY_SDK == set(
        SCHEMAS["CaptionResponse"]["properties"]
    )
    headers = DOCUMENT["paths"]["/v1/image/caption"]["post"]["responses"]["200"]["headers"]
    assert set(FROM_HEADERS.values()) <= set(headers)


def test_each_field_has_the_type_of_its_schema() -> None:
    types_by_schema = {
        "string": "str",
        "integer": "int",
        "boolean": "bool",
        "array": "tuple[str, ...]",
    }
    for model, schema in (
        (sdk.Caption, "CaptionResponse"),
        (sdk.ImageFacts, "ImageFacts"),
        (sdk.Usage, "Usage"),
        (sdk.Verdict, "CheckResponse"),
    ):
        types = {each.name: str(each.type) for each in dataclasses.fields(model)}
        for name, documented in SCHEMAS[schema]["properties"].items():
            if name == "checks":
                assert types[name] == "tuple[Check, ...] | None"
            elif "anyOf" in documented:
                assert types[name] == "int | None"
            elif documented.get("type") in types_by_schema:
                assert types[name] == types_by_schema[documented["type"]], f"{schema}.{name}"


@pytest.mark.parametrize("client", [sdk.Altwright, sdk.AsyncAltwright])
def test_every_method_takes_the_fields_of_its_request_body(client: type) -> None:
    one = set(SCHEMAS["CaptionBody"]["properties"]) - {"image_url"}
    assert parameters(client.caption) == one  # type: ignore[attr-defined]
    assert parameters(client.caption_or) == one  # type: ignore[attr-defined]
    assert parameters(client.caption_many) - one == {  # type: ignore[attr-defined]
        "items", "concurrency", "per_second", "patience",
    }  # fmt: skip
    assert one <= parameters(client.caption_many)  # type: ignore[attr-defined]
    assert fields(Job) - {"image", "ref"} == one
    several = set(SCHEMAS["CaptionsBody"]["properties"]) - {"image_url"}
    assert parameters(client.captions) == several  # type: ignore[attr-defined]
    check = set(SCHEMAS["CheckBody"]["properties"]) - {"caption", "image_url"}
    assert parameters(client.check) == check  # type: ignore[attr-defined]


def test_the_roles_are_those_of_the_schema() -> None:
    assert list(get_args(models.Role)) == SCHEMAS["ImageRole"]["enum"]


def test_every_endpoint_has_a_request_builder() -> None:
    made = [
        build_caption(PreparedImage("https://example.com/a.jpg")),
        build_captions(PreparedImage("https://example.com/a.jpg"), styles=["seo"]),
        build_check("a"),
        build_styles(),
        build_usage(),
    ]
    documented = {
        (method.upper(), path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    }
    assert {(call.method, call.path) for call in made} == documented


def test_every_error_code_has_a_class_and_every_class_a_code() -> None:
    codes = SCHEMAS["Problem"]["properties"]["code"]["x-extensible-enum"]
    assert sorted(errors.BY_CODE) == sorted(codes)
    assert len(list(errors.error_classes())) == len(codes)
    for error in errors.error_classes():
        assert getattr(sdk, error.__name__) is error
        assert error.__name__ in sdk.__all__


def test_every_error_class_has_the_status_of_its_code() -> None:
    statuses: dict[str, int] = {}
    responses = [
        (status, response)
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
    ]
    responses += [("", response) for response in DOCUMENT["components"]["responses"].values()]
    for _, response in responses:
        examples = (
            response.get("content", {}).get("application/problem+json", {}).get("examples", {})
        )
        for code, example in examples.items():
            statuses[code] = example["value"]["status"]
    assert statuses == {error.code: error.expected_status for error in errors.error_classes()}


def test_an_error_has_every_field_of_an_error_body() -> None:
    error = sdk.Problem("no", status=500)
    for name in SCHEMAS["Problem"]["properties"]:
        assert hasattr(error, name), name
    assert {each.name for each in dataclasses.fields(sdk.FieldError)} == set(
        SCHEMAS["FieldError"]["properties"]
    )
    assert {each.name for each in dataclasses.fields(sdk.Reason)} == set(
        SCHEMAS["Reason"]["properties"]
    )


def test_a_style_has_the_fields_that_the_server_sends(altwright: Altwright) -> None:
    for documented in altwright.get("/v1/styles").json()["styles"]:
        assert set(documented) == fields(sdk.Style)
        assert set(documented["limits"]) == fields(sdk.StyleLimits)
        assert {name for rule in documented["rules"] for name in rule} == fields(sdk.StyleRule)


def test_the_examples_of_the_document_are_parsed() -> None:
    [example] = SCHEMAS["CaptionResponse"]["examples"]
    response = Response(200, {}, json.dumps(example).encode(), 0.0)
    request = build_caption(PreparedImage("https://example.com/a.jpg"))
    caption = parse_response(response, request.parse_body)
    assert json.loads(json.dumps(dataclasses.asdict(caption))).items() >= example.items()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Picture", "ImageInput"),
        ("UnexpectedAnswer", "UnexpectedResponse"),
        ("UnreadablePicture", "UnreadableImage"),
        ("WrongUse", "UsageError"),
    ],
)
def test_a_renamed_class_is_still_there_under_its_old_name(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"altwright.{old} is now altwright.{new}"):
        assert getattr(sdk, old) is getattr(sdk, new)
