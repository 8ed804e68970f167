"""Fixtures that every test may use."""

from pathlib import Path

import pytest

pytest_plugins = [
    "testing.servers.aimock_model_server",
    "testing.servers.altwright",
    "testing.servers.browser",
    "testing.servers.fault_proxy",
    "testing.servers.databases",
    "testing.servers.llmock_model_server",
    "testing.servers.origin",
    "testing.servers.rabbitmq",
    "testing.servers.redis",
    "tests.virtual_time",
]


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """A folder of real pictures and model answers that lies beside the project on some machines."""
    folder = Path(__file__).parents[2] / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip("put the corpora of real material into ../shared/corpora to run this test")
    return folder
