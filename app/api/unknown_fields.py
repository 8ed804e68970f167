"""What is said of a field that a request body does not have: most are misspelt."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

_START = "There is no such field; "
_SHOWN = 3
"""Misspelt fields in one `detail`."""
_NAME_MAX_CHARS = 100
_OTHER_NAMES = {
    "alt": "caption", "image": "image_url", "img": "image_url", "keyword": "keywords",
    "lang": "locale", "language": "locale", "src": "image_url", "text": "caption",
    "tokens": "max_tokens", "uri": "image_url", "url": "image_url",
}  # fmt: skip
"""What others call a field, in lower case."""


def describe_unknown_field(name: str, known: Iterable[str]) -> str:
    """The sentence about it, with the field that was most likely meant."""
    names = list(known)
    usual = name[:_NAME_MAX_CHARS].lower().replace("-", "_")
    other = _OTHER_NAMES.get(usual)
    similar = [other] if other in names else difflib.get_close_matches(usual, names, n=1)
    return _START + (f"did you mean `{similar[0]}`?" if similar else "check its spelling")


def choose_detail(items: Sequence[Mapping[str, str]]) -> str:
    """The first error, and misspelt fields, which often explain it: "image_url: Field required"."""
    misspelt = [item for item in items[1:] if item["message"].startswith(_START)][:_SHOWN]
    return ". ".join(
        f"{item['field']}: {item['message']}" if item["field"] else item["message"]
        for item in (items[0], *misspelt)
    )
