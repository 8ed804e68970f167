"""A long data: URL is cut out of a JSON body before it is parsed, and nobody can tell."""

import json
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from app.api import json_body
from app.api.errors import InvalidRequest
from app.api.json_body import parse_json
from app.api.request_schemas import CaptionBody

LONG = "data:image/png;base64," + "QUJD" * 20_000


def whole(raw: bytes) -> CaptionBody | str:
    """What the body is when it is parsed in one piece: its fields, or its errors."""
    return outcome(lambda: CaptionBody.model_validate_json(raw))


def parsed(raw: bytes) -> CaptionBody | str:
    return outcome(lambda: parse_json(bytearray(raw), CaptionBody))


def outcome(parse: Callable[[], CaptionBody]) -> CaptionBody | str:
    try:
        return parse()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return str([(item["type"], item["loc"], item["msg"]) for item in found])


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    "raw",
    [
        body(image_url=LONG, style="seo"),
        body(style="seo", image_url=LONG, context='A "mug"'),
        body(image_url=LONG + "  ", max_tokens=64),
        body(image_url=LONG, style="shouted"),
        body(image_url=LONG, unknown=1),
        body(image_url="https://a.example/x.png", context=f'see "{LONG}" here'),
        body(image_url="https://a.example/x.png", metadata={"source": LONG}),
        body(image_url="https://a.example/x.png", context=LONG),
        body(**{LONG: 1}),
        body(image_url=[LONG]),
        body(image_url={"url": LONG}),
        body(image_url=LONG)[:-1],
        body(image_url=LONG) + b"x",
        body(image_url=LONG).replace(b"QUJDQUJD", b"QUJD\\nUJD", 1),
        body(image_url=LONG).replace(b"QUJDQUJD", b"QUJD\nQUJD", 1),
        body(image_url=LONG).replace(b"QUJDQUJD", "QUJDäUJD".encode(), 1),
        body(image_url=LONG).replace(b"QUJDQUJD", b"QUJD\xffUJD", 1),
        b'{"image_url": "' + LONG.encode() + b'", "image_url": "https://a.example/x.png"}',
        b'{"image_url": "https://a.example/x.png", "image_url": "' + LONG.encode() + b'"}',
        b'"' + LONG.encode() + b'"',
        b'{"image_url": "' + LONG.encode(),
        b'"data:' + b"x" * 100_000,
    ],
    ids=lambda raw: raw[:30].decode("latin-1"),
)
def test_a_body_is_what_it_is_when_it_is_parsed_in_one_piece(raw: bytes) -> None:
    assert parsed(raw) == whole(raw)


def test_the_parser_does_not_see_a_long_data_url(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    parse_whole = json_body._parse_whole

    def noted(raw: bytearray, model: type[CaptionBody]) -> CaptionBody:
        sizes.append(len(raw))
        return parse_whole(raw, model)

    monkeypatch.setattr(json_body, "_parse_whole", noted)
    made = parse_json(bytearray(body(image_url=LONG, style="seo")), CaptionBody)
    assert made.image_url == LONG
    assert sizes
    assert max(sizes) < 200


def test_commas_in_a_data_url_make_no_lists() -> None:
    commas = "data:image/png;base64," + "," * 200_000
    assert parse_json(bytearray(body(image_url=commas)), CaptionBody).image_url == commas
    with pytest.raises(InvalidRequest):
        parse_json(bytearray(b'{"image_url": [' + b"[]," * 50_000 + b"[]]}"), CaptionBody)
