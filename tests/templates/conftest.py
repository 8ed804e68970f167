"""A server for the tests of all templates."""

from collections.abc import Iterator

import pytest

from testing.servers.altwright import Altwright


@pytest.fixture(scope="package")
def altwright() -> Iterator[Altwright]:
    """A server with the embedded captioner, which may fetch from loopback."""
    with Altwright() as server:
        yield server
