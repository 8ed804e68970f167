"""Each row of the table of provider dialects, played by a fake server."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.provider_dialects import Dialect, kind_of_codes, load_dialects
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import ModelImage, NormalisedImage
from testing.dialect_table import OUTCOMES, expected_outcome, render_table
from testing.servers.dialect_model_server import CAPTION, DialectModelServer, bad_image
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft_request, normalised_image

DIALECTS = load_dialects()
LARGE_PX, SMALL_PX = (1000, 750), (600, 450)


@pytest.fixture(scope="module")
def server() -> Iterator[DialectModelServer]:
    """One fake model server; a test sets its example."""
    with DialectModelServer() as server:
        yield server


def image_for(dialect: Dialect) -> NormalisedImage:
    """A bad image, as large as the row wants it."""
    is_large = dialect.example.when == "large_image"
    data = bad_image(size=LARGE_PX if is_large else SMALL_PX)
    return replace(normalised_image(), jpeg=data)


async def shrink(_jpeg: bytes) -> ModelImage:
    """The same bad image with fewer pixels."""
    return ModelImage(bad_image(size=SMALL_PX), *SMALL_PX)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda row: f"{row.provider}: {row.says}")
async def test_what_a_provider_says_is_understood(
    dialect: Dialect, server: DialectModelServer, make_captioner: CaptionerFactory
) -> None:
    """What the caller gets, its wait, and the number of calls; then a good image is captioned."""
    server.example = dialect.example
    server.calls.clear()
    captioner = FallbackCaptioner([make_captioner(server.base_url, shrink=shrink, reencode=shrink)])
    expected, calls = expected_outcome(dialect)
    outcome, retry_after_s = "a caption", None
    try:
        await captioner.draft(image_for(dialect), draft_request(), Deadline.after(30))
    except CaptionError as error:
        outcome, retry_after_s = f"`{error.code}` {error.status}", error.retry_after_s
    assert (outcome, len(server.calls)) == (expected, calls)
    wait_s = dialect.example.retry_after_s
    assert retry_after_s == (None if wait_s is None else pytest.approx(wait_s, abs=1))
    if dialect.example.retry_after_s is None:
        found = await captioner.draft(normalised_image(), draft_request(), Deadline.after(30))
        assert found.text == CAPTION


def test_each_row_says_where_it_was_seen() -> None:
    """With a URL and a date."""
    for row in DIALECTS:
        assert row.source.startswith("https://"), row
        assert row.kind in OUTCOMES, row


def test_codes_and_words_are_in_lower_case_and_in_one_row() -> None:
    """They are compared so, and the first row that matches wins."""
    for texts in (
        [code for row in DIALECTS for code in row.codes],
        [words for row in DIALECTS for words in row.words],
    ):
        assert [text for text in texts if text != text.lower()] == []
        assert len(texts) == len(set(texts))


def test_a_code_counts_for_the_statuses_of_its_row_only() -> None:
    """A code like `refusal` is too common without its status."""
    assert kind_of_codes(403, {"refusal"}) is FailureKind.CONTENT_FILTERED
    assert kind_of_codes(400, {"refusal"}) is None


def test_the_table_in_the_documentation_is_made_from_the_rows() -> None:
    """python -m testing.dialect_table"""
    page = (Path(__file__).parents[3] / "docs/models.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- dialects -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found[1] == render_table()
