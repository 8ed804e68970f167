"""A call to a model as it goes over the wire."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pybase64

_PREFIX = b"data:image/jpeg;base64,"


class RequestBody:
    """The call's JSON, the picture's data: URL where `place` stands.

    The SDK would walk through the message, escape the base64 and encode it: half a megabyte four
    times over, for what has nothing to escape. And it would keep it until the model has answered;
    this is made when it is sent, and then let go: twelve captions of a picture hold it once.
    """

    def __init__(self, parameters: Mapping[str, Any], place: str, jpeg: bytes) -> None:
        text = json.dumps(parameters, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._before, self._after = text.encode().split(place.encode())
        self._jpeg = jpeg

    @property
    def length_bytes(self) -> int:
        """For the header: a server should know what comes."""
        base64 = (len(self._jpeg) + 2) // 3 * 4
        return len(self._before) + len(_PREFIX) + base64 + len(self._after)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All of it, in one piece."""
        picture = pybase64.b64encode(self._jpeg)
        yield b"".join((self._before, _PREFIX, picture, self._after))
