"""The SDK and openapi/openapi.json say the same, read in either direction."""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any, get_args

import altwright as sdk
import pytest
from altwright import errors, wire
from altwright.many import Job

from testing.servers.altwright import Altwright

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "openapi/openapi.json").read_text(encoding="utf-8")
)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
FROM_HEADERS = {"request_id": "X-Request-ID", "cached": "X-Cache"}
"""Fields of Caption that the answer carries in its head."""
OF_THE_SDK = {"url"}
"""Fields of Caption that only the SDK knows."""


def fields(model: type) -> set[str]:
    return {each.name for each in dataclasses.fields(model)}


def parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self", "image", "text", "default"}


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        (sdk.Usage, "Usage"),
        (sdk.ImageFacts, "ImageFacts"),
        (sdk.Verdict, "CheckResponse"),
        (sdk.FailedCaption, "FailedResult"),
    ],
)
def test_an_answer_has_the_same_fields(model: type, schema: str) -> None:
    assert fields(model) == set(SCHEMAS[schema]["properties"])
    assert fields(model) == set(SCHEMAS[schema]["required"])


def test_a_caption_has_the_same_fields_and_those_of_its_head() -> None:
    assert fields(sdk.Caption) - set(FROM_HEADERS) - OF_THE_SDK == set(
        SCHEMAS["CaptionResponse"]["properties"]
    )
    headers = DOCUMENT["paths"]["/v1/image/caption"]["post"]["responses"]["200"]["headers"]
    assert set(FROM_HEADERS.values()) <= set(headers)


def test_each_field_has_the_type_that_the_contract_gives_it() -> None:
    words = {"string": "str", "integer": "int", "boolean": "bool", "array": "tuple[str, ...]"}
    for model, schema in (
        (sdk.Caption, "CaptionResponse"),
        (sdk.ImageFacts, "ImageFacts"),
        (sdk.Usage, "Usage"),
        (sdk.Verdict, "CheckResponse"),
    ):
        types = {each.name: str(each.type) for each in dataclasses.fields(model)}
        for name, told in SCHEMAS[schema]["properties"].items():
            if "anyOf" in told:
                assert types[name] == "int | None"
            elif told.get("type") in words:
                assert types[name] == words[told["type"]], f"{schema}.{name}"


@pytest.mark.parametrize("client", [sdk.Altwright, sdk.AsyncAltwright])
def test_every_method_takes_what_the_contract_takes(client: type) -> None:
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
    check = set(SCHEMAS["CheckBody"]["properties"]) - {"caption"}
    assert parameters(client.check) == check  # type: ignore[attr-defined]


def test_the_roles_are_those_of_the_contract() -> None:
    [told, _null] = SCHEMAS["CaptionBody"]["properties"]["role"]["anyOf"]
    assert list(get_args(wire.Role)) == told["enum"]


def test_every_path_of_the_contract_has_its_method() -> None:
    made = [
        wire.caption(wire.PreparedImage("https://example.com/a.jpg")),
        wire.captions(wire.PreparedImage("https://example.com/a.jpg"), styles=["seo"]),
        wire.check("a"),
        wire.styles(),
    ]
    told = {
        (method.upper(), path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    }
    assert {(call.method, call.path) for call in made} == told


def test_every_code_has_its_class_and_every_class_its_code() -> None:
    codes = SCHEMAS["Problem"]["properties"]["code"]["enum"]
    assert sorted(errors.BY_CODE) == sorted(codes)
    assert len(list(errors.error_classes())) == len(codes)
    for leaf in errors.error_classes():
        assert getattr(sdk, leaf.__name__) is leaf
        assert leaf.__name__ in sdk.__all__


def test_every_class_has_the_status_of_its_code() -> None:
    statuses: dict[str, int] = {}
    responses = [
        (status, answer)
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
    ]
    responses += [("", answer) for answer in DOCUMENT["components"]["responses"].values()]
    for _, answer in responses:
        examples = answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
        for code, example in examples.items():
            statuses[code] = example["value"]["status"]
    assert statuses == {leaf.code: leaf.expected_status for leaf in errors.error_classes()}


def test_an_error_has_every_member_of_a_problem() -> None:
    error = sdk.Problem("no", status=500)
    for name in SCHEMAS["Problem"]["properties"]:
        assert hasattr(error, name), name
    assert {each.name for each in dataclasses.fields(sdk.FieldError)} == set(
        SCHEMAS["Problem"]["properties"]["errors"]["items"]["properties"]
    )
    assert {each.name for each in dataclasses.fields(sdk.Reason)} == set(
        SCHEMAS["Problem"]["properties"]["reasons"]["items"]["properties"]
    )


def test_a_style_has_the_fields_that_the_server_sends(altwright: Altwright) -> None:
    for told in altwright.get("/v1/styles").json()["styles"]:
        assert set(told) == fields(sdk.Style)
        assert set(told["limits"]) == fields(sdk.StyleLimits)
        assert {name for rule in told["rules"] for name in rule} == fields(sdk.StyleRule)


def test_the_documents_own_examples_are_read() -> None:
    [example] = SCHEMAS["CaptionResponse"]["examples"]
    answer = wire.Answer(200, {}, json.dumps(example).encode(), 0.0)
    caption = wire.judge(wire.caption(wire.PreparedImage("https://example.com/a.jpg")), answer)
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
