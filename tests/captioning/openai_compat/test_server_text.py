"""A model server's text reaches the log as words from a list, whatever it repeats and however."""

import base64
import json
import urllib.parse

import pytest

from app.captioning.errors import ModelError
from app.captioning.openai_compat.server_text import loggable_codes, loggable_message
from app.errors import CaptionError
from testing.servers.raw_model_server import openai_error, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

SECRET = "Zephyr Quillfeather 7741 s3cr3t"
KEY = "sk-Zephyr0123456789"
SPELLINGS = {
    "plain": SECRET,
    "upper": SECRET.upper(),
    "reversed": SECRET[::-1],
    "percent": urllib.parse.quote(SECRET),
    "every character": "".join(f"%{ord(char):02x}" for char in SECRET),
    "plus": urllib.parse.quote_plus(SECRET),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base32": base64.b32encode(SECRET.encode()).decode(),
    "hex": SECRET.encode().hex(),
    "bytes": str(list(SECRET.encode())),
    "escapes": "".join(f"\\u{ord(char):04x}" for char in SECRET),
    "entities": "".join(f"&#{ord(char)};" for char in SECRET),
    "spaced": " ".join(SECRET),
    "wide": "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in SECRET),
    "key": KEY,
    "part of the key": f"{KEY[:8]}********{KEY[-4:]}",
    "split": "Zep-hyr_Quill.feather",
}
LEAKS = ("zephyr", "quill", "7741", "s3cr3t", "5a6570", "wmvwaH".lower(), "90, 101", "u005a", "#90")


@pytest.mark.parametrize("name", SPELLINGS)
def test_nothing_of_what_was_sent_is_logged(name: str) -> None:
    text = loggable_message(f"Invalid image in message: {SPELLINGS[name]} is not supported")
    assert text.startswith("Invalid image in message …"), text
    assert text.endswith("is not supported")
    assert not any(leak in text.lower() for leak in LEAKS), text
    assert not any(char.isdigit() for char in text), text
    assert loggable_codes([SPELLINGS[name]]) == []


@pytest.mark.parametrize("where", ["message", "type", "code", "param", "detail", "header"])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
async def test_no_part_of_an_error_body_is_logged_as_it_is(
    make_captioner: CaptionerFactory, where: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"error": {"message": "no", "type": "no", where: f"{SECRET} {KEY}"}}
    if where == "detail":
        body = {"detail": [{"loc": [SECRET], "msg": KEY, "input": SECRET}]}
    headers = {"x_error": SECRET, "server": KEY} if where == "header" else {}
    async with raw_model_server() as model:
        model.respond(json.dumps(body), status, **headers)
        with caplog.at_level("INFO"), pytest.raises(CaptionError) as caught:
            await draft(make_captioner(model.base_url, api_key=KEY), context=SECRET)
    logged = f"{caplog.text} {[vars(r) for r in caplog.records]} {caught.value.log_reason}".lower()
    assert "zephyr" not in logged
    assert "quill" not in logged


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("The model `llava` does not exist", "The model … does not exist"),
        ("Please retry after 60 seconds.", "Please retry after 60 seconds"),
        ("maximum context length is 8192 tokens", "maximum context length is 8192 tokens"),
        ("Unsupported parameter: 'max_tokens'", "Unsupported parameter max_tokens"),
        ("CUDA out of memory", "CUDA out of memory"),
        ("", ""),
        ("x" * 1_000_000, "…"),
        ("\x1b[2J\nerror\u202e", "…"),
    ],
)
def test_what_kind_of_error_it_is_can_be_read(message: str, logged: str) -> None:
    assert loggable_message(message) == logged


def test_known_codes_are_logged() -> None:
    codes = ["model_not_found", "invalid_request_error", "rate_limit_exceeded", "sk-abc", "a b"]
    assert loggable_codes(codes) == codes[1:2] + codes[:1] + codes[2:3]


async def test_the_operator_reads_code_and_kind(make_captioner: CaptionerFactory) -> None:
    async with raw_model_server() as model:
        model.respond(openai_error("The model `m` does not exist", code="model_not_found"), 404)
        with pytest.raises(ModelError) as caught:
            await draft(make_captioner(model.base_url))
    assert "server code: invalid_request_error, model_not_found" in caught.value.log_reason
    assert "server message: The model … does not exist" in caught.value.log_reason
