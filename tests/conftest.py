"""Fixtures that every test may use."""

from pathlib import Path

import pytest

pytest_plugins = [
    "tests.servers.aimock",
    "tests.servers.altwright",
    "tests.servers.browser",
    "tests.servers.chaos",
    "tests.servers.databases",
    "tests.servers.model",
    "tests.servers.origin",
    "tests.servers.rabbitmq",
    "tests.servers.redis",
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
