"""`model` in a response is the model that the server says has answered."""

import pytest

from app.captioning.providers.registry import load_providers
from testing.servers.raw_model_server import completion, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

KEY = "sk-test-0123456789abcdef"


async def test_an_alias_is_resolved_by_the_server(make_captioner: CaptionerFactory) -> None:
    """Also in a stream."""
    async with raw_model_server() as model:
        model.respond({**completion("A blue disc."), "model": "a-model-2026-09-22"})
        chunk = '{"model": "a-model-9", "choices": [{"delta": {"content": "A blue disc."}}]}'
        model.respond(f"data: {chunk}\n\ndata: [DONE]\n\n")
        captioner = make_captioner(model.base_url)
        found = await draft(captioner, 30)
        assert (found.model, found.served_model) == ("a-model", "a-model-2026-09-22")
        assert (await draft(captioner, 30)).served_model == "a-model-9"


@pytest.mark.parametrize(
    "name", [None, "", " ", 7, ["m"], {"m": 1}, "x" * 201, "a\nb", "a\x1b[31m", "\u202egpt", KEY]
)
async def test_a_name_that_cannot_be_shown_is_not_used(
    make_captioner: CaptionerFactory, name: object
) -> None:
    """Nor cut: a cut name would be another model's. The key is no name."""
    async with raw_model_server() as model:
        model.respond({**completion("A blue disc."), "model": name})
        found = await draft(make_captioner(model.base_url, api_key=KEY), 30)
        assert (found.model, found.served_model) == ("a-model", None)


async def test_another_model_than_the_configured_one_is_logged_once(
    make_captioner: CaptionerFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A dated version of the same is none. The name is in the answer, not in the log."""
    async with raw_model_server() as model:
        model.respond({**completion("A blue disc."), "model": "models/a-model-2026-09-22"})
        model.respond({**completion("A blue disc."), "model": "b-model"})
        captioner = make_captioner(model.base_url)
        await draft(captioner, 30)
        assert "model.another_answers" not in caplog.text
        for _ in range(2):
            assert (await draft(captioner, 30)).served_model == "b-model"
        assert caplog.text.count("model.another_answers") == 1
        assert not any("b-model" in str(vars(record)) for record in caplog.records)


async def test_the_check_says_which_model_has_answered(make_captioner: CaptionerFactory) -> None:
    """An alias that has moved is seen there."""
    caption = "A red house with a blue door stands on green grass under a yellow sun."
    async with raw_model_server() as model:
        model.respond({**completion(caption), "model": "another-model"})
        shown = await make_captioner(model.base_url).check()
        assert shown.startswith("a-model (served as another-model) at http")


@pytest.mark.parametrize(
    ("listed", "is_missing"),
    [
        (["a-model", "b"], False),
        (["models/a-model"], False),
        (["a-model:latest"], False),
        (["a-model-2", "b"], True),
        ([], False),
    ],
)
async def test_a_model_that_its_server_does_not_list_is_told(
    make_captioner: CaptionerFactory,
    caplog: pytest.LogCaptureFixture,
    listed: list[str],
    is_missing: bool,
) -> None:
    """By the check, and by the start as a warning. A server without a list says nothing."""
    models = {"object": "list", "data": [{"id": name} for name in listed]}
    async with raw_model_server() as model:
        model.respond(models)
        captioner = make_captioner(model.base_url)
        found = [problem.said for problem in await captioner.find_listing_problems()]
        shown = f"its server does not list it, but: {', '.join(listed)}"
        assert found == ([shown] if is_missing else [])
        await captioner.warn_of_listing()
        assert ("model.not_listed" in caplog.text) == is_missing


async def test_a_server_without_a_list_of_models_is_no_warning(
    make_captioner: CaptionerFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """An error, a page, or no answer."""
    async with raw_model_server() as model:
        model.respond("<html>", 404).respond("[1, 2]").reset_connection()
        captioner = make_captioner(model.base_url)
        for _ in range(3):
            await captioner.warn_of_listing()
        assert "model.not_listed" not in caplog.text


@pytest.mark.parametrize(
    ("provider", "member", "value", "day"),
    [
        ("openai", "shutdown_date", "2027-01-05", "2027-01-05"),
        ("openrouter", "expiration_date", "2026-12-31", "2026-12-31"),
        ("mistral", "deprecation", "2027-08-31T12:00:00Z", "2027-08-31"),
        ("openai", "shutdown_date", None, None),
        ("openai", "shutdown_date", "soon", None),
        ("openai", "shutdown_date", 20270105, None),
        ("groq", "shutdown_date", "2027-01-05", None),
    ],
)
async def test_a_model_whose_end_its_provider_dates_is_told(
    make_captioner: CaptionerFactory,
    caplog: pytest.LogCaptureFixture,
    provider: str,
    member: str,
    value: object,
    day: str | None,
) -> None:
    entries = [{"id": "another", member: "2020-01-01"}, {"id": "a-model", member: value}]
    async with raw_model_server() as model:
        model.respond({"object": "list", "data": entries})
        captioner = make_captioner(model.base_url, provider=load_providers()[provider])
        found = [problem.said for problem in await captioner.find_listing_problems()]
        said = f"its provider shuts it down on {day}: choose another"
        assert found == ([] if day is None else [said])
        await captioner.warn_of_listing()
        assert ("model.ends" in caplog.text) == (day is not None)
