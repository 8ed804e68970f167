"""JSON of rows, results and outcomes, as journals store them; empty fields are left out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult
from altwright.models import Check

_STORED_ROW_NAMES = {"line_number": "place", "content_hash": "content"}
"""Fields of a row that are stored under another name."""


def row_to_json(row: Row) -> str:
    """For the column `row`."""
    fields = _non_empty_fields(row)
    return _dump({_STORED_ROW_NAMES.get(name, name): value for name, value in fields.items()})


def row_from_json(text: str) -> Row:
    """The row that `row_to_json` stored."""
    stored = json.loads(text)
    # Empty fields are not stored. A row without an image must be read: it fails later, by itself.
    fields = {"key": "", "image": "", **stored, "tags": tuple(stored.get("tags", ()))}
    for name, stored_name in _STORED_ROW_NAMES.items():
        if stored_name in fields:
            fields[name] = fields.pop(stored_name)
    return Row(**fields)


def result_to_json(result: RequestResult) -> str:
    """For the column `answer`."""
    texts = [_text_fields(text) for text in result.texts]
    return _dump({**_non_empty_fields(result), "texts": texts})


def result_from_json(text: str) -> RequestResult:
    """The result that `result_to_json` stored."""
    stored = json.loads(text)
    return RequestResult(**{**stored, "texts": tuple(_text_of(each) for each in stored["texts"])})


def outcome_to_json(outcome: Outcome) -> str:
    """For the column `outcome`. Its result has a column of its own."""
    fields = _non_empty_fields(outcome)
    fields.pop("result", None)
    return _dump({**fields, "alt_source": outcome.alt_source.value})


def outcome_from_json(text: str) -> Outcome:
    """The outcome that `outcome_to_json` stored, with an empty result."""
    fields = json.loads(text)
    # Older journals repeat the `seo` text, which is one of the result's texts.
    fields.pop("seo", None)
    fields["alt_source"] = AltSource(fields["alt_source"])
    for name in ("reasons", "warnings"):
        fields[name] = tuple(fields.get(name, ()))
    fields["edits"] = tuple(tuple(each) for each in fields.get("edits", ()))
    return Outcome(**{"key": "", **fields}, result=RequestResult())


def _text_of(stored: dict[str, Any]) -> TextResult:
    for name in ("warnings", "reasons"):
        stored[name] = tuple(stored.get(name, ()))
    checks = tuple(Check(**check) for check in stored.get("checks", ()))
    return TextResult(**{**stored, "checks": checks})


def _text_fields(text: TextResult) -> dict[str, Any]:
    fields = _non_empty_fields(text)
    if text.checks:
        fields["checks"] = [_non_empty_fields(check) for check in text.checks]
    return fields


def _non_empty_fields(value: Row | RequestResult | Outcome | TextResult | Check) -> dict[str, Any]:
    fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return {name: each for name, each in fields.items() if each not in ("", (), {}, 0, None, False)}


def _dump(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=list)
