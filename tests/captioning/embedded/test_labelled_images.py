"""A sample of the labelled images; `python -m benchmarks.embedded` evaluates all of them."""

import socket

import pytest

from app.vision.ocr_pool import is_ocr_installed
from testing.embedded_evaluation import evaluate, format_report
from testing.labelled_images import draw_labelled_images

pytestmark = pytest.mark.skipif(not is_ocr_installed(), reason="needs the extra `embedded`")

SAMPLE = {"banner de 1", "product fr 3", "word mark es", "scene hr", "layout en", "chart 2"}
SAMPLE |= {"page 3", "item navy", "noise", "checks", "blurred", "scene without text 1"}


@pytest.mark.slow
def test_words_are_found_and_none_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network: the package contains the models, and nothing is downloaded."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("OCR used the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    results = evaluate(image for image in draw_labelled_images() if image.name in SAMPLE)
    report = format_report(results)
    assert results.images == len(SAMPLE), report
    # Of a page OCR reads only a part, by design.
    missed_words = [word for word in results.missed_words if not word.startswith("page")]
    assert len(missed_words) <= 1, report
    assert not results.false_quotations, report
    assert not results.wrong_categories, report
    assert not results.wrong_colours, report
    assert not results.wrong_triages, report
    assert not results.invalid_captions, report
