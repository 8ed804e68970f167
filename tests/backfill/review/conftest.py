"""Fixtures for tests of the review: the command line, and a table that a run has filled."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from altwright.cli.main import run

from tests.backfill.review.filled_table import FilledTable

RunCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[FilledTable]:
    """A filled table in SQLite."""
    table = FilledTable(f"sqlite:///{tmp_path}/shop.db", tmp_path)
    yield table
    table.engine.dispose()


@pytest.fixture
def run_command(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RunCommand:
    """Runs `altwright` in the test's folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALTWRIGHT_DATABASE_URL", raising=False)

    def run_in_folder(*arguments: str | Path) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        printed = capfdbinary.readouterr()
        return code, printed.out.decode(), printed.err.decode()

    return run_in_folder
