"""One server for all templates."""

from collections.abc import Iterator

import pytest

from testing.servers.altwright import Altwright


@pytest.fixture(scope="package")
def altwright() -> Iterator[Altwright]:
    """With the embedded captioner; it may fetch from loopback."""
    with Altwright() as server:
        yield server
