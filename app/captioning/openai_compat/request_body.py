"""The JSON body of a chat completion request, encoded with little memory."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pybase64

_DATA_URL_PREFIX = b"data:image/jpeg;base64,"


class RequestBody:
    """Parameters as JSON, with the image's data URL in the place of `image_placeholder`.

    The SDK would traverse the message, escape the base64 and encode it: half a megabyte four times
    over, although base64 needs no escaping. It would also keep the body until the response comes.
    This one encodes the image when it is sent and keeps nothing: twelve captions of an image hold
    it in memory once.
    """

    def __init__(self, parameters: Mapping[str, Any], image_placeholder: str, jpeg: bytes) -> None:
        text = json.dumps(parameters, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._before, self._after = text.encode().split(image_placeholder.encode())
        self._jpeg = jpeg

    @property
    def length_bytes(self) -> int:
        """The Content-Length; without it the body would be sent in chunks."""
        base64 = (len(self._jpeg) + 2) // 3 * 4
        return len(self._before) + len(_DATA_URL_PREFIX) + base64 + len(self._after)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The whole body in one chunk."""
        image = pybase64.b64encode(self._jpeg)
        yield b"".join((self._before, _DATA_URL_PREFIX, image, self._after))
