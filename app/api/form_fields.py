"""Form fields: the texts of a form as the values that the same fields have in JSON."""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import from_json

from app.api.errors import InvalidRequest

FILE_FIELD = "image"
"""The part of a form that is the image file."""
_KEPT_IF_EMPTY = frozenset({"caption"})
"""A form in a browser sends the fields that nobody filled in. An empty caption may be checked."""
_JSON_MAX_CHARS = 512 * 1024
"""Thirty values of 2,000 characters with every character escaped are shorter."""


def parse_fields(model: type[BaseModel], texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The fields of `model` from their texts, each of which may be there several times.

    Names that the model does not have stay, so that it refuses them. Raises InvalidRequest.
    """
    values: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for name, given in texts.items():
        field = model.model_fields.get(name)
        kind = str if field is None else _kind_of(field.annotation)
        kept = [text for text in given if text or name in _KEPT_IF_EMPTY or field is None]
        if not kept:
            continue
        try:
            values[name] = kept if kind is list else _parse(kind, kept)
        except ValueError as error:
            errors.append((name, str(error)))
    if errors:
        raise InvalidRequest(errors)
    return values


def _parse(kind: type, texts: Sequence[str]) -> object:
    if len(texts) > 1:
        raise ValueError(f"is there {len(texts)} times; send it once")
    text = texts[0]
    if kind is bool:
        if text.strip().lower() not in ("true", "false"):
            raise ValueError("is true or false")
        return text.strip().lower() == "true"
    if kind is int:
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            raise ValueError("is a whole number, for instance 64")
        return int(digits)
    return _parse_json(text) if kind is dict else text


def _parse_json(text: str) -> object:
    hint = 'is an object of strings as JSON, for instance {"row": "17000"}'
    if len(text) > _JSON_MAX_CHARS:
        raise ValueError(f"{hint}; this is too long")
    try:
        return from_json(text)
    except ValueError:
        raise ValueError(hint) from None


def _kind_of(annotation: Any) -> type:  # noqa: ANN401 - what a field is annotated with
    """str, int, bool, list or dict: what stands in JSON for a field that may be None."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return _kind_of(next(each for each in get_args(annotation) if each is not NoneType))
    if origin in (list, dict):
        return list if origin is list else dict
    return annotation if annotation in (int, bool) else str
