"""Each provider, played by a fake: a caption, thinking off, and each of its errors."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.captioning.fallback import FallbackCaptioner
from app.captioning.providers.registry import load_providers
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import ModelImage
from testing.dialect_table import OUTCOMES
from testing.images import jpeg
from testing.provider_table import render_table
from testing.servers.provider_fakes import (
    CAPTION,
    FAKES,
    THINKING_TOKENS,
    ErrorReply,
    ProviderFake,
    ProviderServer,
)
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft, draft_request, normalised_image

PROVIDERS = load_providers()
THINKING = [fake for fake in FAKES if fake.thinks]
ERRORS = [(fake, error) for fake in FAKES for error in fake.errors]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ProviderServer]]:
    """The fakes by the name of the provider."""
    found = {fake.provider: ProviderServer(fake) for fake in FAKES}
    for server in found.values():
        server.__enter__()
    yield found
    for server in found.values():
        server.__exit__(None, None, None)


@pytest.fixture
def server_of(servers: dict[str, ProviderServer], request: pytest.FixtureRequest) -> ProviderServer:
    """The server of the test's fake, as at its start."""
    server = servers[request.getfixturevalue("fake").provider]
    server.error = None
    server.calls.clear()
    return server


async def smaller(_jpeg: bytes) -> ModelImage:
    """Another image for a model that refused the first."""
    return ModelImage(jpeg((288, 216)), 288, 216)


def test_there_is_a_fake_of_each_provider() -> None:
    assert {fake.provider for fake in FAKES} == set(PROVIDERS)
    assert all(fake.source.startswith("https://") for fake in FAKES)


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.provider)
async def test_a_provider_captions(
    fake: ProviderFake, server_of: ProviderServer, make_captioner: CaptionerFactory
) -> None:
    """With one call where its documents say what the model takes. All tokens are counted."""
    captioner = make_captioner(
        server_of.base_url, model=fake.model, provider=PROVIDERS[fake.provider]
    )
    found = await draft(captioner, 30)
    assert (found.text, found.served_model) == (CAPTION, f"{fake.model}-2026")
    documented = PROVIDERS[fake.provider].thinking_of(fake.model)
    is_known = not fake.thinks or (documented is not None and documented.by_default is True)
    assert len(server_of.calls) == (1 if is_known else 2)
    thinking = THINKING_TOKENS if fake.thinks else 0
    if is_known:
        assert (found.input_tokens, found.output_tokens) == (900, 14 + thinking)


@pytest.mark.parametrize("fake", THINKING, ids=lambda fake: fake.provider)
async def test_thinking_is_switched_off_by_the_documented_parameters(
    fake: ProviderFake, server_of: ProviderServer, make_captioner: CaptionerFactory
) -> None:
    """Then no thinking is paid, and no room for it is asked for."""
    thinking = PROVIDERS[fake.provider].thinking_of(fake.model)
    assert thinking is not None
    assert thinking.off == fake.off
    captioner = make_captioner(
        server_of.base_url,
        model=fake.model,
        provider=PROVIDERS[fake.provider],
        params=thinking.off,
    )
    found = await draft(captioner, 30)
    assert (found.text, found.output_tokens, found.had_headroom) == (CAPTION, 14, False)
    assert len(server_of.calls) == 1


OTHERS = {
    "misconfigured": "`model_error` 502",
    "rate_limited": "`model_unavailable` 503",
    "image_too_large": "`caption_refused` 422",
}


@pytest.mark.parametrize(
    ("fake", "error"),
    ERRORS,
    ids=[f"{fake.provider}-{error.kind}-{error.status}" for fake, error in ERRORS],
)
async def test_an_error_of_a_provider_is_understood(
    fake: ProviderFake,
    error: ErrorReply,
    server_of: ProviderServer,
    make_captioner: CaptionerFactory,
) -> None:
    """What the caller gets, and its wait; then the provider captions again."""
    provider = PROVIDERS[fake.provider]
    captioner = FallbackCaptioner([
        make_captioner(
            server_of.base_url, model=fake.model, provider=provider, shrink=smaller,
            reencode=smaller, retry_wait_max_s=5.0,
        )
    ])  # fmt: skip
    server_of.error = error
    with pytest.raises(CaptionError) as caught:
        await captioner.draft(normalised_image(), draft_request(), Deadline.after(30))
    expected = OTHERS.get(error.kind) or OUTCOMES[error.kind][0]
    assert f"`{caught.value.code}` {caught.value.status}" == expected
    wait_s = error.retry_after_s
    assert caught.value.retry_after_s == (None if wait_s is None else pytest.approx(wait_s, abs=1))


def test_the_table_in_the_documentation_is_what_the_fakes_answer() -> None:
    """python -m testing.provider_table"""
    page = (Path(__file__).parents[3] / "docs/models.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- fakes -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found[1] == render_table()
