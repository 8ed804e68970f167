"""The API reference is made from the OpenAPI document, and escapes what stands in it."""

from html.parser import HTMLParser
from typing import Any

import pytest

from app.api.pages.reference.html import element, inline, paragraphs
from app.api.pages.reference.page import render_reference
from app.api.pages.reference.samples import render_samples
from app.api.pages.reference.schemas import render_fields
from app.errors import public_error_classes
from app.main import create_app
from app.settings.settings import Settings


class Outline(HTMLParser):
    """The anchors of a page, and the links that lead to anchors."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record `id` and `href`."""
        for name, value in attrs:
            if name == "id":
                self.anchors.append(value or "")
            if name == "href" and value and value.startswith("#"):
                self.links.append(value[1:])


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_every_operation_schema_and_problem_has_an_anchor(document: dict[str, Any]) -> None:
    """And every link leads to one."""
    contents, main = render_reference(document, needs_key=False)
    outline = Outline(contents + main)
    assert len(outline.anchors) == len(set(outline.anchors))
    assert set(outline.links) <= set(outline.anchors)
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert {operation["operationId"] for operation in operations} <= set(outline.anchors)
    assert {f"problem-{leaf.code}" for leaf in public_error_classes()} <= set(outline.anchors)
    assert {"schema-CaptionResponse", "schema-ImageFacts", "schema-Problem"} <= set(outline.anchors)


def test_every_operation_has_curl_python_and_javascript(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            samples = list(render_samples(path, method, operation, needs_key=False))
            assert {"curl", "Python", "JavaScript"} <= {sample.title for sample in samples}
            assert all(path in sample.code for sample in samples)
            assert not any("ALTWRIGHT_API_KEY" in sample.code for sample in samples)


def test_samples_have_a_key_where_the_server_and_the_operation_need_one(
    document: dict[str, Any],
) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for sample in render_samples(path, method, operation, needs_key=True):
                assert ("ALTWRIGHT_API_KEY" in sample.code) == path.startswith("/v1/")


def test_text_is_escaped_and_backticks_are_code() -> None:
    hostile = "<img src=x> & `<b>` and\n``x`y``"
    assert inline(hostile) == (
        "&lt;img src=x&gt; &amp; <code>&lt;b&gt;</code> and <code>x`y</code>"
    )
    assert paragraphs("One.\n\nTwo\nlines.") == "<p>One.</p><p>Two lines.</p>"
    assert element("a", "<", href='"><script>', aria_label="&") == (
        '<a href="&quot;&gt;&lt;script&gt;" aria-label="&amp;">&lt;</a>'
    )


@pytest.mark.parametrize(
    ("field", "described"),
    [
        ({"type": "integer", "minimum": 32, "maximum": 256, "default": 64},
         "integer, 32 to 256</span> <span class=\"detail\">· default <code>64</code>"),
        ({"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 100}},
         "list of string, up to 100 characters; up to 10 items"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
         "one of <code>a</code>, <code>b</code> or null"),
        ({"$ref": "#/components/schemas/Usage"}, '<a href="#schema-Usage">Usage</a>'),
        ({"type": "object", "maxProperties": 30, "additionalProperties": {"type": "string"}},
         "object with values string; up to 30 names"),
        ({"type": "string", "format": "binary"}, "file"),
        ({"type": "string", "x-extensible-enum": ["generic"]}, "<code>generic</code>"),
    ],
)  # fmt: skip
def test_types_and_limits_are_described(field: dict[str, Any], described: str) -> None:
    assert described in render_fields({"properties": {"name": field}})
