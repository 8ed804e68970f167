"""A moody model, the real server in front of it, and the command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.catalogue import Command
from testing.servers.altwright import Altwright
from testing.servers.moody import Log, Moods, Moody

KEY = "a-key-for-tests"


@pytest.fixture(scope="session")
def _moody_and_server() -> Iterator[tuple[Moody, Altwright]]:
    with Moody() as model, Altwright(**model.settings(API_KEYS=f'["{KEY}"]')) as server:
        yield model, server


@pytest.fixture
def moody(_moody_and_server: tuple[Moody, Altwright]) -> Moody:
    """A model in its best mood, without a memory."""
    model, _ = _moody_and_server
    model.moods, model.log = Moods(), Log()
    return model


@pytest.fixture
def own_server(moody: Moody, command: Command) -> Iterator[None]:
    """A server of the test's own behind the command: what its model did to it is not forgotten."""
    with Altwright(**moody.settings(API_KEYS=f'["{KEY}"]')) as server:
        command.env["ALTWRIGHT_URL"] = server.url
        yield


@pytest.fixture
def command(_moody_and_server: tuple[Moody, Altwright], moody: Moody, tmp_path: Path) -> Command:
    """The command, with the server's address and key, in a folder of the test's own."""
    command = Command(_moody_and_server[1].url, tmp_path)
    command.env["ALTWRIGHT_API_KEY"] = KEY
    return command
