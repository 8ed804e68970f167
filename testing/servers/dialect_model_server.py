"""A fake model server that fails in the words of one provider, on some requests."""

import base64
import io
import time
from typing import Any

from PIL import Image

from app.captioning.providers.provider import Example
from testing.images import jpeg
from testing.servers.chat_completions_server import ChatCompletionsServer, chat_completion

CAPTION = "A round blue disc lies in the middle of a plain white ground."
_LARGE_PX = 700
_FEW_TOKENS = 512


class DialectModelServer(ChatCompletionsServer):
    """Sends `example` where its `when` applies, and a caption otherwise.

    The image of a request is bad where its corner is red (`bad_image`); `always` means: on each bad
    image, so that the same server can caption a good one.
    """

    def __init__(self, example: Example | None = None) -> None:
        super().__init__()
        self.example = example
        self.calls: list[dict[str, Any]] = []

    def _respond(self, body: dict[str, Any]) -> tuple[int, bytes]:
        self.calls.append(body)
        example = self.example
        if example is None or not _applies(example.when, body):
            return super()._respond(body)
        reset_ms = round((time.time() + 40) * 1000)
        text = example.body.replace("<now + 40 s in ms>", str(reset_ms))
        return example.status, text.encode()

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return chat_completion(CAPTION)


def bad_image(number: int = 0, size: tuple[int, int] = (320, 240)) -> bytes:
    """One of many different images that the server fails on."""
    return jpeg(size, colour=f"#c810{10 + 6 * number:02x}")


def _applies(when: str, body: dict[str, Any]) -> bool:
    if when == "few_tokens":
        return bool(body["max_tokens"] < _FEW_TOKENS)
    if when == "not_streamed":
        return not body["stream"]
    image = _image_of(body)
    red, green = (band.getpixel((0, 0)) for band in image.convert("RGB").split()[:2])
    is_bad = int(str(red)) > 150 and int(str(green)) < 80
    return is_bad and (when != "large_image" or max(image.size) > _LARGE_PX)


def _image_of(body: dict[str, Any]) -> Image.Image:
    [url] = [
        part["image_url"]["url"]
        for part in body["messages"][-1]["content"]
        if part["type"] == "image_url"
    ]
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
