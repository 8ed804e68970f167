"""Servers for the tests of all templates."""

from collections.abc import Iterator

import pytest

from testing.servers.altwright import Altwright
from testing.servers.databases import empty_postgresql
from testing.servers.fault_proxy import FaultProxy
from tests.templates.payload_server import PayloadSite, describe, install


@pytest.fixture(scope="package")
def altwright() -> Iterator[Altwright]:
    """A server with the embedded captioner, which may fetch from loopback."""
    with Altwright() as server:
        yield server


@pytest.fixture(scope="package")
def payload_captions(altwright: Altwright) -> Iterator[FaultProxy]:
    """What the sites take for the server: a proxy in front of it."""
    with FaultProxy(altwright.url) as proxy:
        yield proxy


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def running_site(
    request: pytest.FixtureRequest,
    payload_captions: FaultProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PayloadSite]:
    """Payload with each database, started once for all tests."""
    folder = install(tmp_path_factory.mktemp("payload") / "site")
    if request.param == "sqlite":
        with PayloadSite(folder, f"file:{folder}/site.db", payload_captions.url) as site:
            yield site
        return
    with empty_postgresql(request.getfixturevalue("postgresql_port")) as sqlalchemy_url:
        url = sqlalchemy_url.replace("+psycopg", "")
        with PayloadSite(folder, url, payload_captions.url) as site:
            yield site


@pytest.fixture
def site(running_site: PayloadSite, payload_captions: FaultProxy) -> PayloadSite:
    """The site without jobs, and with a server that answers at once."""
    payload_captions.reset()
    payload_captions.always(describe)
    running_site.local("clear")
    return running_site
