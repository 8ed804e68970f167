"""MODEL_HEADERS: which headers an operator may add, and that their values stay secret."""

import logging

import pytest
from pydantic import SecretStr

from app.captioning.openai_compat.extra_headers import check_headers
from app.captioning.openai_compat.settings import ModelSettings
from testing.servers.raw_model_server import openai_error, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft, failed_draft

VALUE = "hunter2-0123456789"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": VALUE}, "authorization cannot be set here: set ALTWRIGHT_MODEL_API_KEY"),
        ({"AUTHORIZATION": VALUE}, "authorization cannot be set here"),
        ({"Host": VALUE}, "host cannot be set here"),
        ({"Content-Length": "3"}, "content-length cannot be set here"),
        ({"X-A": f"{VALUE}\r\nX-B: 1"}, "the value of x-a has a line break"),
        ({"X-A": f"{VALUE}\n"}, "the value of x-a has a line break"),
        ({"X-A": f"{VALUE}é"}, "printable ASCII"),
        ({"X-A": f"{VALUE}\x00"}, "printable ASCII"),
        ({"X-A": f" {VALUE}"}, "begins or ends with a space"),
        ({"X-A": ""}, "is empty"),
        ({"X A": VALUE}, "'X A' is no name of a header"),
        ({"X-A\n": VALUE}, "is no name of a header"),
        ({"Ünicode": VALUE}, "is no name of a header"),
        ({"": VALUE}, "is no name of a header"),
        ({"X-A": VALUE, "x-a": VALUE}, "x-a is there twice"),
        ({"X-A": "x" * 9_000}, "8192 characters"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str], message: str) -> None:
    """The message has one line, without the value."""
    with pytest.raises(ValueError, match=message) as caught:
        check_headers({name: SecretStr(value) for name, value in headers.items()})
    assert VALUE not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_headers_are_sent_with_every_call(make_captioner: CaptionerFactory) -> None:
    """Beside the key. The operator's own value replaces the SDK's."""
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        headers = {"X-Team": "shop", "User-Agent": "altwright-test", "OpenAI-Organization": "o"}
        captioner = make_captioner(model.base_url, api_key="sk-own", headers=headers)
        await draft(captioner, 30)
        await captioner.probe()
        for head in model.request_heads:
            lines = head.lower().splitlines()
            assert {"x-team: shop", "user-agent: altwright-test"} <= set(lines)
            assert {"openai-organization: o", "authorization: bearer sk-own"} <= set(lines)


async def test_header_values_are_not_logged(
    make_captioner: CaptionerFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by us nor by the openai SDK, also where the server repeats them."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("openai").setLevel(logging.WARNING)
    async with raw_model_server() as model:
        model.respond(openai_error(f"bad header {VALUE}"), 400)
        captioner = make_captioner(model.base_url, headers={"X-Secret": VALUE})
        error = await failed_draft(captioner)
        assert VALUE not in caplog.text + error.log_reason
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
            await captioner.check()
        assert VALUE not in str(caught.value)


async def test_a_check_does_not_print_a_header_that_the_model_repeats(
    make_captioner: CaptionerFactory,
) -> None:
    """The text of a draft that is no caption is shown."""
    async with raw_model_server() as model:
        model.complete(f"UNCERTAIN {VALUE} " * 3)
        captioner = make_captioner(model.base_url, headers={"X-Secret": VALUE})
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
            await captioner.check()
        assert VALUE not in str(caught.value)


def test_the_settings_do_not_show_header_values() -> None:
    """In a repr or in a dump."""
    settings = ModelSettings.model_validate({"model": "m", "headers": {"X-Secret": VALUE}})
    assert VALUE not in repr(settings) + str(settings.model_dump())
    assert settings.header_values() == {"X-Secret": VALUE}
