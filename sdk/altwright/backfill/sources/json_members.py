"""JSON members: the names and values of a JSON object's text, and where each value stands.

Numbers stay as they are written: a float of Python would change their last digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = re.compile(r"[ \t\r\n]*+")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


@dataclass(frozen=True, slots=True)
class Member:
    """One name of an object, its value, and the value's place in the text."""

    name: str
    value: object
    begin: int
    end: int
    colon: str
    """What stands between name and value: `:` with or without spaces."""


@dataclass(frozen=True, slots=True)
class ObjectText:
    """The members of one object in their order."""

    members: tuple[Member, ...]
    end: int
    """Place behind the last member's value, or behind the opening brace."""

    @property
    def values(self) -> Mapping[str, object]:
        """Name to value. Raises ValueError if a name has two values."""
        values: dict[str, object] = {}
        for member in self.members:
            if member.name in values and values[member.name] != member.value:
                raise ValueError(f"it has two values of {member.name!r}")
            values[member.name] = member.value
        return values


def read_members(text: str) -> ObjectText | None:
    """The members of the object that a text is; None if it is valid JSON and no object.

    Raises ValueError, or RecursionError for one that is nested too deeply.
    """
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        json.loads(text)
        return None
    members: list[Member] = []
    at += 1
    last_end = at
    at = _skip(text, at)
    while text[at : at + 1] != "}" or members:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("a name in double quotes is expected", text, at)
        name, after_name = scanstring(text, at + 1, True)
        at = _skip(text, after_name)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("a colon is expected", text, at)
        begin = _skip(text, at + 1)
        try:
            value, last_end = _DECODER.raw_decode(text, begin)
        except StopIteration as error:
            raise json.JSONDecodeError("a value is expected", text, begin) from error
        members.append(Member(name, value, begin, last_end, text[after_name:begin]))
        at = _skip(text, last_end)
        if text[at : at + 1] == "}":
            break
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("a comma is expected", text, at)
        at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise json.JSONDecodeError("something stands behind the object", text, at + 1)
    return ObjectText(tuple(members), last_end)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()
