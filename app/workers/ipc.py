"""Messages between the server and a child process: a JSON object and raw bytes, never pickle.

A hostile file may have taken over the child, which can then send anything. All lengths are checked,
so that the server runs no code of the child's and holds no more bytes than the limits below.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

HEADER = struct.Struct("!II")
"""Length of the JSON text, length of the body."""

MESSAGE_MAX_BYTES = 65_536
BODY_MAX_BYTES = 16_777_216
"""A normalised image has under 1 MB; other handlers may return more."""


class InvalidMessage(Exception):
    """The other process sent bytes that are not a message."""


def encode_message(message: Mapping[str, Any], body: bytes = b"") -> bytes:
    """One message with its header, ready to be sent."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(len(text), len(body)) + text + body


def parse_header(header: bytes) -> tuple[int, int]:
    """The lengths of JSON text and body that follow. Raises InvalidMessage over a limit."""
    text_bytes, body_bytes = HEADER.unpack(header)
    if text_bytes > MESSAGE_MAX_BYTES or body_bytes > BODY_MAX_BYTES:
        raise InvalidMessage(f"a message of {text_bytes} + {body_bytes} bytes is over the limit")
    return text_bytes, body_bytes


def decode_message(text: bytes) -> dict[str, Any]:
    """The JSON object of a message. Raises InvalidMessage where it is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage("not JSON") from error
    if not isinstance(message, dict):
        raise InvalidMessage("not a JSON object")
    return message
