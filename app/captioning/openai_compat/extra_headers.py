"""Request headers that an operator adds to every call of a model (MODEL_HEADERS): checks."""

import re
from collections.abc import Mapping

from pydantic import SecretStr

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""A field name of HTTP (RFC 9110, 5.1)."""
_KEY_HINT = "set ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS)"
_OWN_HINT = "it follows from the request"
_RESERVED = {
    "authorization": _KEY_HINT,
    **dict.fromkeys(
        (
            "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
            "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
            "trailer", "transfer-encoding", "upgrade",
        ),
        _OWN_HINT,
    ),
}  # fmt: skip
_MAX_HEADERS = 50
_MAX_VALUE_CHARS = 8_192


def check_headers(headers: Mapping[str, SecretStr]) -> None:
    """Raise ValueError where a header cannot be sent. No value is in the message."""
    if len(headers) > _MAX_HEADERS:
        raise ValueError(f"has more than {_MAX_HEADERS} headers")
    seen: set[str] = set()
    for name, secret in headers.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name[:100]!a} is no name of a header")
        folded = name.lower()
        if folded in _RESERVED:
            raise ValueError(f"{folded} cannot be set here: {_RESERVED[folded]}")
        if folded in seen:
            raise ValueError(f"{folded} is there twice")
        seen.add(folded)
        value = secret.get_secret_value()
        if not value.isascii() or not value.isprintable():
            raise ValueError(
                f"the value of {folded} has a line break or another character that a header "
                "cannot carry: write printable ASCII"
            )
        if value != value.strip() or not value:
            raise ValueError(f"the value of {folded} is empty, or begins or ends with a space")
        if len(value) > _MAX_VALUE_CHARS:
            raise ValueError(f"the value of {folded} has more than {_MAX_VALUE_CHARS} characters")
