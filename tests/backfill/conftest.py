"""A flaky model server, the real server in front of it, and the command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.catalogue import BackfillCommand
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import Behaviour, CallLog, FlakyModelServer

KEY = "a-key-for-tests"


@pytest.fixture(scope="session")
def _flaky_model_and_server() -> Iterator[tuple[FlakyModelServer, Altwright]]:
    with (
        FlakyModelServer() as model,
        Altwright(**model.altwright_settings(API_KEYS=f'["{KEY}"]')) as server,
    ):
        yield model, server


@pytest.fixture
def flaky_model(_flaky_model_and_server: tuple[FlakyModelServer, Altwright]) -> FlakyModelServer:
    """The model server without failures and recorded calls."""
    model, _ = _flaky_model_and_server
    model.behaviour, model.log = Behaviour(), CallLog()
    return model


@pytest.fixture
def own_server(flaky_model: FlakyModelServer, command: BackfillCommand) -> Iterator[None]:
    """A server for one test, which remembers failures of its model server."""
    with Altwright(**flaky_model.altwright_settings(API_KEYS=f'["{KEY}"]')) as server:
        command.env["ALTWRIGHT_URL"] = server.url
        yield


@pytest.fixture
def command(
    _flaky_model_and_server: tuple[FlakyModelServer, Altwright],
    flaky_model: FlakyModelServer,
    tmp_path: Path,
) -> BackfillCommand:
    """The command, with the server's URL and key, in a folder of its own."""
    command = BackfillCommand(_flaky_model_and_server[1].url, tmp_path)
    command.env["ALTWRIGHT_API_KEY"] = KEY
    return command
