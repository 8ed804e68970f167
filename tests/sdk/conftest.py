"""A real server, a proxy in front of it that injects faults, and both clients."""

from collections.abc import Callable, Iterator

import pytest
from llmock.testing import LLMockServer

from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy
from tests.sdk.client_under_test import ClientUnderTest, MakeClient


@pytest.fixture(autouse=True)
def _no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALTWRIGHT_API_KEY", "ALTWRIGHT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server_with_model(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """A server whose captions come from a model server."""
    with Altwright(
        MODEL="gpt-4o-mini",
        MODEL_BASE_URL=llmock_server.base_url("openai"),
        MODEL_API_KEY="sk-test",
        MODEL_TIMEOUT_S="1",
        MODEL_RETRY_WAIT_MAX_S="0",
        REQUEST_TIMEOUT_S="8",
        FETCH__TIMEOUT_S="1",
    ) as server:
        yield server


@pytest.fixture
def proxy(altwright: Altwright, make_fault_proxy: Callable[[str], FaultProxy]) -> FaultProxy:
    """A proxy in front of the server with the embedded captioner."""
    return make_fault_proxy(altwright.url)


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Creates clients of one kind, then of the other; all are closed at the end."""
    made: list[ClientUnderTest] = []

    def make(**options: object) -> ClientUnderTest:
        client = ClientUnderTest(request.param, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
