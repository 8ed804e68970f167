"""A real server, a proxy that misbehaves in front of it, and both clients."""

from collections.abc import Callable, Iterator

import pytest
from llmock.testing import LLMockServer

from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy
from tests.sdk.both_clients import MakeClient, Shell


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALTWRIGHT_API_KEY", "ALTWRIGHT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="package")
def altwright() -> Iterator[Altwright]:
    """One server with the embedded captioner for all tests of the SDK: it keeps no state."""
    with Altwright() as server:
        yield server


@pytest.fixture(scope="module")
def modelled(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """A server whose captions come from a model's server."""
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
    """Makes a client of one kind, then of the other; all are closed at the end."""
    made: list[Shell] = []

    def make(**options: object) -> Shell:
        shell = Shell(request.param, **options)
        made.append(shell)
        return shell

    yield make
    for shell in made:
        shell.close()
