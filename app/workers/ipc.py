"""How parent and child talk: a length-checked JSON object and raw bytes, never pickle.

A child that a hostile file has taken over can say what it likes; it must not be able to make the
parent run or hold anything by it.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

HEAD = struct.Struct("!II")
"""Bytes of JSON, bytes of body."""

MESSAGE_MAX_BYTES = 65_536
BODY_MAX_BYTES = 16_777_216
"""A normalised picture has under 1 MB; the rest is room for other handlers."""


class WireError(Exception):
    """The other side said something that is no message."""


def pack(message: Mapping[str, Any], body: bytes = b"") -> bytes:
    """One message, ready to be sent."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return HEAD.pack(len(text), len(body)) + text + body


def lengths(head: bytes) -> tuple[int, int]:
    """Bytes of JSON and of body that follow `head`. Raises WireError where a limit is passed."""
    text_bytes, body_bytes = HEAD.unpack(head)
    if text_bytes > MESSAGE_MAX_BYTES or body_bytes > BODY_MAX_BYTES:
        raise WireError(f"a message of {text_bytes} + {body_bytes} bytes")
    return text_bytes, body_bytes


def unpack(text: bytes) -> dict[str, Any]:
    """The JSON object of a message. Raises WireError where it is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError("not JSON") from error
    if not isinstance(message, dict):
        raise WireError("not an object")
    return message
