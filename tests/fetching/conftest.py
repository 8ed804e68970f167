"""Fixtures of the fetching tests."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for certificates; skips where the openssl command is not installed."""
    if shutil.which("openssl") is None:
        pytest.skip("install the openssl command to run the tests over TLS")
    return tmp_path_factory.mktemp("certificates")
