"""HTML for pages is safe for any caption."""

import dataclasses
import html.parser
import json
import re

import pytest
from altwright import Caption, ImageFacts, Usage, UsageError
from hypothesis import given
from hypothesis import strategies as st

FACTS = ImageFacts(4000, 3000, "jpeg", 5, "ab", 1200, 900)
MUG = Caption(
    "White mug", "concise", "en", False, False, (), "m", Usage(None, None), FACTS, {},
    url="https://images.example.com/mug.jpg?w=5&h=6",
)  # fmt: skip


class Tags(html.parser.HTMLParser):
    """Every start tag with its attributes, and the text inside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.script = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.script += data


def with_text(text: str) -> Caption:
    return dataclasses.replace(MUG, caption=text)


def test_the_alt_attribute_is_escaped() -> None:
    assert MUG.html_alt() == 'alt="White mug"'
    assert with_text("5\" <b> & 'it'").html_alt() == 'alt="5&quot; &lt;b&gt; &amp; &#x27;it&#x27;"'


def test_a_decorative_image_has_an_empty_alt_and_no_caption_elsewhere() -> None:
    plain = dataclasses.replace(MUG, caption="", decorative=True)
    assert plain.html_alt() == 'alt=""'
    assert "og:image:alt" not in plain.og_image()
    assert "caption" not in plain.structured_data()


@given(st.text())
def test_any_text_is_parsed_back_from_the_attribute(text: str) -> None:
    # HTML itself changes carriage returns and NUL; captions have neither.
    text = re.sub(r"[\r\0\ud800-\udfff]", "", text)
    [(tag, attributes)] = Tags(f"<img {with_text(text).html_alt()}>").tags
    assert (tag, attributes) == ("img", {"alt": text})


@given(st.text())
def test_any_text_stays_inside_the_script(text: str) -> None:
    parsed = Tags(with_text(text).structured_data())
    assert [tag for tag, _ in parsed.tags] == ["script"]
    assert json.loads(parsed.script).get("caption", "") == text


def test_a_caption_cannot_end_the_script() -> None:
    script = with_text("a</script><script>alert(1)</script><!--\u2028").structured_data()
    assert script.count("<") == 2
    assert "\u2028" not in script


def test_open_graph_tags_have_the_image_its_size_and_its_alt() -> None:
    parsed = Tags(MUG.og_image()).tags
    assert [(a["property"], a["content"]) for _, a in parsed] == [
        ("og:image", "https://images.example.com/mug.jpg?w=5&h=6"),
        ("og:image:width", "4000"),
        ("og:image:height", "3000"),
        ("og:image:alt", "White mug"),
    ]


def test_structured_data_is_an_image_object() -> None:
    data = json.loads(Tags(MUG.structured_data("https://cdn.example.com/a.jpg")).script)
    assert data["@context"] == "https://schema.org"
    assert data["@type"] == "ImageObject"
    assert data["contentUrl"] == "https://cdn.example.com/a.jpg"
    assert (data["caption"], data["inLanguage"]) == ("White mug", "en")
    assert (data["width"]["value"], data["height"]["value"]) == (4000, 3000)
    assert data["encodingFormat"] == "image/jpeg"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=abc",
        "https://storage.googleapis.com/b/a.jpg?X-Goog-Signature=abc",
        "https://d1.cloudfront.net/a.jpg?Expires=1&Signature=abc&Key-Pair-Id=K",
        "https://x.blob.core.windows.net/a.jpg?sv=1&sig=abc",
    ],
)
def test_a_local_or_signed_image_needs_its_public_url(url: str | None) -> None:
    caption = dataclasses.replace(MUG, url=url)
    for method in (caption.og_image, caption.structured_data):
        with pytest.raises(UsageError) as caught:
            method()
        assert "abc" not in str(caught.value)
        assert "https://example.com/a.jpg" in method("https://example.com/a.jpg")
    assert "abc" not in repr(caption)
