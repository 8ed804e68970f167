"""Reads JSON from a model server, where one value may cost more than its bytes.

Two megabytes of `[],` are 700,000 lists, 100 MB and 0.2 s in one call that lets no other thread
run; of digits they take as long.
"""

import json

MAX_PARTS = 100_000
"""Brackets, commas and colons: 30 ms at most. A response with a caption has some hundred."""
_MAX_INTEGER_DIGITS = 18


def load_json(text: str) -> object:
    """The JSON value. Raises ValueError for what is none, or too deep or too large to be read.

    An integer of more than 18 digits becomes a float.
    """
    if not has_few_parts(text):
        raise ValueError("the JSON has too many parts")
    try:
        value: object = json.loads(text, parse_int=parse_int)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    return value


def has_few_parts(text: str) -> bool:
    """Whether JSON in this text can be read at once."""
    return sum(map(text.count, "[{,:")) <= MAX_PARTS


def parse_int(digits: str) -> int | float:
    """An integer of JSON: converting takes the square of the digits."""
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)
