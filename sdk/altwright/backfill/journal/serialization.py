"""Rows, answers and outcomes as the journal keeps them: JSON, what is empty left out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult


def row_to_json(row: Row) -> str:
    """For the column `row`."""
    return _written(_kept(row))


def row_from_json(text: str) -> Row:
    """What `row_to_text` wrote."""
    data = json.loads(text)
    # What is empty was not kept: a row without a picture has to fail, not the run.
    needed = {"key": "", "image": ""}
    return Row(**{**needed, **data, "tags": tuple(data.get("tags", ()))})


def result_to_json(answer: RequestResult) -> str:
    """For the column `answer`."""
    return _written({**_kept(answer), "texts": [_kept(text) for text in answer.texts]})


def result_from_json(text: str) -> RequestResult:
    """What `answer_to_text` wrote."""
    data = json.loads(text)
    return RequestResult(**{**data, "texts": tuple(_text(each) for each in data["texts"])})


def outcome_to_json(outcome: Outcome) -> str:
    """For the column `outcome`; its answer stands in a table of its own."""
    data = _kept(outcome)
    data.pop("answer", None)
    return _written({**data, "alt_source": outcome.alt_source.value})


def outcome_from_json(text: str) -> Outcome:
    """What `outcome_to_text` wrote, with an empty answer."""
    data = json.loads(text)
    data["alt_source"] = AltSource(data["alt_source"])
    for name in ("reasons", "warnings"):
        data[name] = tuple(data.get(name, ()))
    data["edits"] = tuple(tuple(each) for each in data.get("edits", ()))
    return Outcome(**data, answer=RequestResult())


def _text(data: dict[str, Any]) -> TextResult:
    for name in ("warnings", "reasons"):
        data[name] = tuple(data.get(name, ()))
    return TextResult(**data)


def _kept(value: Row | RequestResult | Outcome | TextResult) -> dict[str, Any]:
    """The fields that say something; of most rows most are empty."""
    found = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return {name: each for name, each in found.items() if each not in ("", (), {}, 0, None, False)}


def _written(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=list)
