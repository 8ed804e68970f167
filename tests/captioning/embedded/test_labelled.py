"""A part of the labelled set, judged as `python -m benchmarks.embedded` judges the whole."""

import socket

import pytest

from app.vision.text_reader import is_installed
from benchmarks.embedded import judge_all, report
from testing.labelled_pictures import labelled_set

pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the extra `embedded`")

SAMPLE = {"banner de 1", "product fr 3", "word mark es", "scene hr", "layout en", "chart 2"}
SAMPLE |= {"page 3", "item navy", "noise", "checks", "blurred", "scene without text 1"}


def test_words_are_found_and_none_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no network: the models come inside the package and nothing is ever fetched."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the reader reached for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    tally = judge_all(one for one in labelled_set() if one.name in SAMPLE)
    said = report(tally)
    assert tally.pictures == len(SAMPLE), said
    missed = [one for one in tally.missed if not one.startswith("page")]  # read in part by design
    assert len(missed) <= 1, said
    assert not tally.false_quotes, said
    assert not tally.wrong_kinds, said
    assert not tally.wrong_colours, said
    assert not tally.wrong_verdicts, said
    assert not tally.broken, said
