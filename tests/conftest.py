"""Fixtures that every test may use."""

import os
import signal
from pathlib import Path

import pytest

from testing.corpora.draw import write_corpora

pytest_plugins = [
    "testing.servers.aimock_model_server",
    "testing.servers.altwright",
    "testing.servers.browser",
    "testing.servers.fault_proxy",
    "testing.servers.databases",
    "testing.servers.llmock_model_server",
    "testing.servers.origin",
    "testing.servers.pgbouncer",
    "testing.servers.rabbitmq",
    "testing.servers.redis",
    "tests.virtual_time",
]


_LOWEST_PRIORITY = 19


def pytest_xdist_auto_num_workers() -> int:
    """Two processes for each core, because slow tests wait for half of their time; at most six."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(6, (cores or 1) * 2)


def pytest_configure() -> None:
    """Where tests run side by side, give all processes that they start the same priority.

    A server lowers the priority of its child processes. Beside other tests that use all cores they
    would hardly run, and time out. Here all have the lowest one, which cannot be lowered.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.nice(_LOWEST_PRIORITY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The module that one process works on for minutes comes first, so that the others help."""
    items.sort(key=lambda item: item.path.name != "test_container_image.py")


@pytest.fixture(scope="session", autouse=True)
def _sigint_is_not_ignored() -> None:
    """A shell starts background jobs with SIGINT ignored, and child processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio alone."""
    return "asyncio"


_LARGER_CORPORA = Path(
    os.environ.get("ALTWRIGHT_TEST_CORPORA", Path(__file__).parents[2] / "shared/corpora")
)


@pytest.fixture(
    scope="session", params=["shipped", *(["larger"] if _LARGER_CORPORA.is_dir() else [])]
)
def corpora(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real images and model answers: those of testing/corpora, and a larger one."""
    if request.param == "larger":
        return _LARGER_CORPORA
    folder = tmp_path_factory.mktemp("corpora")
    write_corpora(folder)
    return folder


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """An ID that is the same in every process: compressed data contains the time of its making."""
    if isinstance(val, bytes) and not (len(val) <= 40 and val.isascii()):
        return argname
    return None
