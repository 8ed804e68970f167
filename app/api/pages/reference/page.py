"""The API reference, as one HTML page from the OpenAPI document. It works without scripts."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.api.pages.reference.html import Html, element, inline, join, paragraphs
from app.api.pages.reference.samples import Sample, render_samples
from app.api.pages.reference.schemas import (
    find_references,
    inline_plain_schemas,
    referenced_name,
    render_fields,
    render_parameters,
    schema_anchor,
)
from app.errors import CaptionError, public_error_classes

Document = Mapping[str, Any]
Operation = Mapping[str, Any]

_KEY_NOTE = (
    "This server needs an API key: send the header `Authorization: Bearer KEY`. The samples read "
    "it from the variable `ALTWRIGHT_API_KEY`."
)
_NO_KEY_NOTE = (
    "This server needs no API key. Where an operator has configured keys, send the header "
    "`Authorization: Bearer KEY`."
)


def render_reference(document: Document, *, needs_key: bool) -> tuple[Html, Html]:
    """The contents, and what follows them: introduction, operations, schemas and problems."""
    document = inline_plain_schemas(document)
    operations = list(_list_operations(document))
    schemas = document["components"]["schemas"]
    shown = _shown_schemas(document, operations)
    main = join(
        element("h1", "API reference", id="introduction"),
        paragraphs(document["info"]["description"]),
        element("p", inline(_KEY_NOTE if needs_key else _NO_KEY_NOTE)),
        *(
            _render_operation(path, method, operation, schemas, needs_key)
            for path, method, operation in operations
        ),
        element("h2", "Schemas", id="schemas"),
        *(_render_schema(name, schemas[name]) for name in shown),
        element("h2", "Problems", id="problems"),
        paragraphs("The `code` of a problem tells programs what happened; its `type` leads here."),
        *(_render_problem(leaf) for leaf in _sorted_problems()),
    )
    return _render_contents(operations), main


def _list_operations(document: Document) -> Iterator[tuple[str, str, Operation]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _shown_schemas(document: Document, operations: list[tuple[str, str, Operation]]) -> list[str]:
    """The names of the schemas in responses, and those that they refer to, in order of need."""
    schemas = document["components"]["schemas"]
    waiting = [name for *_, each in operations for name in find_references(each["responses"])]
    shown: list[str] = []
    while waiting:
        name = waiting.pop(0)
        if name not in shown:
            shown.append(name)
            waiting += find_references(schemas[name])
    return shown


def _render_contents(operations: list[tuple[str, str, Operation]]) -> Html:
    links = [
        ("introduction", "Introduction"),
        *((operation["operationId"], operation["summary"]) for *_, operation in operations),
        ("schemas", "Schemas"),
        ("problems", "Problems"),
    ]
    items = (element("li", element("a", text, href=f"#{anchor}")) for anchor, text in links)
    return element("ul", *items)


def _render_operation(
    path: str, method: str, operation: Operation, schemas: Document, needs_key: bool
) -> Html:
    summary = operation["summary"]
    samples = render_samples(path, method, operation, needs_key=needs_key)
    return element(
        "section",
        element("h2", summary, id=operation["operationId"]),
        element(
            "p",
            element("span", method.upper(), class_="tag"),
            " ",
            element("code", path, class_="path"),
            *([" ", element("a", "Try it", href="./")] if path.startswith("/v1/image/") else []),
            class_="endpoint",
        ),
        element(
            "div",
            element(
                "div",
                paragraphs(operation.get("description", "")),
                *_render_request(operation, schemas),
                *_render_responses(operation, schemas),
            ),
            element("div", *(_render_code(sample, summary) for sample in samples)),
            class_="columns",
        ),
        class_="operation card",
    )


def _render_request(operation: Operation, schemas: Document) -> Iterator[Html]:
    if operation.get("parameters"):
        yield element("h3", "Parameters")
        yield render_parameters(operation["parameters"])
    content = operation.get("requestBody", {}).get("content", {})
    for media in ("multipart/form-data", "application/json"):
        name = referenced_name(content.get(media, {}).get("schema", {}))
        if name is not None:
            yield element("h3", "Body")
            yield element("p", inline(" or ".join(f"`{each}`" for each in content)))
            yield render_fields(schemas[name])
            return


def _render_responses(operation: Operation, schemas: Document) -> Iterator[Html]:
    yield element("h3", "Responses")
    rows = []
    for status, response in operation["responses"].items():
        media = response.get("content", {})
        problems = media.get("application/problem+json", {}).get("examples", {})
        if problems:
            links = [element("a", element("code", c), href=f"#problem-{c}") for c in problems]
            meaning = Html(", ".join(links))
        else:
            names = [*find_references(media)]
            link = (element("a", name, href=f"#{schema_anchor(name)}") for name in names)
            text = response["description"] if status != "200" else ""
            meaning = join(text, " " if text and names else "", *link) or Html("text")
        rows.append(join(element("dt", status), element("dd", meaning)))
    yield element("dl", *rows, class_="statuses")
    success = next(iter(operation["responses"].values()))
    for name in find_references(success.get("content", {})):
        for example in schemas[name].get("examples", [])[:1]:
            shown = json.dumps(example, indent=2, ensure_ascii=False)
            yield _render_code(Sample("Example", "json", shown), operation["summary"])


def _render_code(sample: Sample, about: str) -> Html:
    """A block that can be scrolled with the keyboard, and so needs a name of its own."""
    code = element("code", sample.code, class_=f"language-{sample.language}")
    label = f"{sample.title}: {about}"
    block = element("pre", code, tabindex="0", role="region", aria_label=label)
    return element("div", element("p", sample.title, class_="code-title"), block, class_="sample")


def _render_schema(name: str, schema: Document) -> Html:
    return element(
        "section",
        element("h3", name, id=schema_anchor(name)),
        paragraphs(schema.get("description", "")),
        render_fields(schema, is_response=True),
        class_="card",
    )


def _sorted_problems() -> list[type[CaptionError]]:
    return sorted(public_error_classes(), key=lambda leaf: (leaf.status, leaf.code))


def _render_problem(error: type[CaptionError]) -> Html:
    when = re.split(r"\n\s*\n", error.__doc__ or error.title)[0]
    return element(
        "section",
        element(
            "h3", element("code", error.code), f" ({error.status})", id=f"problem-{error.code}"
        ),
        paragraphs(when),
        element("p", inline(error.public)),
        element(
            "p",
            "The same request may succeed later."
            if error.retryable()
            else "The same request will fail again unless it is changed.",
            class_="detail",
        ),
        class_="card",
    )
