"""Reads settings that are written as JSON."""

import json
from typing import Any

from pydantic import BeforeValidator


def json_variable(kind: type[list[Any] | dict[str, Any]], example: str) -> BeforeValidator:
    """Reads a variable that must be a JSON list or object; `example` is shown where it is not."""
    name = "list" if kind is list else "object"

    def parse(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            parsed = json.loads(value, object_pairs_hook=_object_without_repetition)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, kind):
            # pydantic reports a ValueError, and no TypeError, as an error of this field.
            raise ValueError(f"must be a JSON {name}, for instance {example}")  # noqa: TRY004
        return parsed

    return BeforeValidator(parse)


def _object_without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name the first would be lost without a word."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members
