"""MODEL_PARAMS: what an operator may add to the body of a call, and how it is merged."""

from typing import Any

import pytest

from app.captioning.openai_compat.extra_params import check_params, merge_params
from app.errors import CaptionError
from testing.servers.raw_model_server import completion, openai_error, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft, failed_draft


@pytest.mark.parametrize(
    ("parameters", "params", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"a": [1]}, {"a": {"b": [2]}}, {"a": {"b": [2]}}),
        ({"a": {"b": 1}}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_objects_are_merged_null_removes_and_the_rest_replaces(
    parameters: dict[str, Any], params: dict[str, Any], merged: dict[str, Any]
) -> None:
    """Examples of RFC 7396, appendix A."""
    assert merge_params(parameters, params) == merged


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"messages": []}, "messages cannot be set here"),
        ({"model": "m"}, "set ALTWRIGHT_MODEL "),
        ({"Model": "m"}, "set ALTWRIGHT_MODEL "),
        ({"stream": True}, "stream cannot be set here"),
        ({"api_key": "sk-secret"}, "set ALTWRIGHT_MODEL_API_KEY"),
        ({"API-KEY": "sk-secret"}, "set ALTWRIGHT_MODEL_API_KEY"),
        ({"Authorization": "Bearer sk-secret"}, "set ALTWRIGHT_MODEL_API_KEY"),
        ({"api_base": "http://h"}, "set ALTWRIGHT_MODEL_BASE_URL"),
        ({"extra_headers": {"Authorization": "sk-secret"}}, "set ALTWRIGHT_MODEL_HEADERS"),
        ({"extra_body": {"model": "m"}}, r"extra_body\.model cannot be set here"),
        ({"extra_body": {"extra_body": {"messages": []}}}, "messages cannot be set here"),
        ({"top_p": float("nan")}, "not finite"),
        ({"stop": ["\ud800"]}, "surrogate"),
        ({"user": "x" * 70_000}, "65536 bytes"),
    ],
)
def test_what_is_not_the_operators_to_set_is_refused(params: dict[str, Any], message: str) -> None:
    """In any case, because Ollama reads names so; the value is not in the message."""
    with pytest.raises(ValueError, match=message) as caught:
        check_params(params)
    assert "sk-secret" not in str(caught.value)


def test_deep_params_are_refused() -> None:
    """Encoding them would fail in each call."""
    params: dict[str, Any] = {}
    for _ in range(500):
        params = {"a": params}
    with pytest.raises(ValueError, match="nested"):
        check_params(params)


async def test_params_are_part_of_every_call(make_captioner: CaptionerFactory) -> None:
    """Also of those that are repeated, and of the probe."""
    async with raw_model_server() as model:
        model.respond(openai_error("System role not supported"), 400)
        model.complete("A blue disc.")
        captioner = make_captioner(
            model.base_url,
            params={"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}},
        )
        await draft(captioner, 30)
        assert await captioner.probe() is True
        assert len(model.requests) == 3
        for request in model.requests:
            assert request["reasoning_effort"] == "none"
            assert request["chat_template_kwargs"] == {"enable_thinking": False}
            assert request["model"] == "a-model"


async def test_a_token_limit_of_the_operator_replaces_ours(
    make_captioner: CaptionerFactory,
) -> None:
    """It is the only one, is never changed, and may be more than the caption's."""
    async with raw_model_server() as model:
        usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 9}}
        model.respond({**completion("A blue disc", finish_reason="length"), "usage": usage})
        captioner = make_captioner(model.base_url, params={"max_completion_tokens": 3000})
        for _ in range(2):
            assert (await draft(captioner, 30)).had_headroom
        for request in model.requests:
            assert (request["max_completion_tokens"], "max_tokens" in request) == (3000, False)
        assert len(model.requests) == 2


@pytest.mark.parametrize("name", ["temperature", "max_tokens"])
async def test_a_parameter_of_the_operator_that_is_refused_is_not_learned_away(
    make_captioner: CaptionerFactory, name: str
) -> None:
    """The log says where it was set, after one call."""
    async with raw_model_server() as model:
        model.respond(openai_error(f"Unsupported parameter: '{name}'", param=name), 400)
        error = await failed_draft(make_captioner(model.base_url, params={name: 1}))
        assert isinstance(error, CaptionError)
        assert "ALTWRIGHT_MODEL_PARAMS" in error.log_reason
        assert len(model.requests) == 1


async def test_null_removes_a_parameter(make_captioner: CaptionerFactory) -> None:
    """For a model that wants none of ours."""
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        await draft(make_captioner(model.base_url, params={"temperature": None}), 30)
        assert "temperature" not in model.requests[0]
