"""What `python -m app check` says about child processes that decode images."""

import asyncio
from types import SimpleNamespace

import pytest

from app.cli.check import _check_decoding


@pytest.mark.usefixtures("virtual_time")
async def test_child_processes_that_start_slowly_are_no_failure() -> None:
    """On a busy machine they need longer than the 20 s that this check once gave them."""

    async def start() -> None:
        await asyncio.sleep(60)

    async def normalise(*_arguments: object) -> None:
        """It is decoded."""

    parts = SimpleNamespace(
        worker_pool=SimpleNamespace(start=start), normaliser=SimpleNamespace(normalise=normalise)
    )
    assert await _check_decoding(parts) == "a child process decoded an image"  # type: ignore[arg-type]
