"""Runs the history of a seed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testing.histories.caption_stub import CaptionStub
from testing.histories.history import History
from testing.histories.queue_history import QueueHistory
from testing.histories.world import World


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """What became of a history."""

    seed: int
    kind: str
    steps: tuple[str, ...]
    faults: tuple[str, ...]
    refusals: tuple[str, ...]
    paid: int
    """Texts that were paid for."""
    needed: int
    """Distinct texts among them."""
    kills: int


def history_folder() -> Path:
    """A new folder in memory, where there is such a file system: a history syncs often."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="history-", dir=memory if memory.is_dir() else None))


def run_history(
    seed: int, kind: str, stub: CaptionStub, url: str = "", broker: str = ""
) -> HistoryResult:
    """Run the history of a seed.

    `url`: an empty database for tables of a server. `broker`: Redis, for the kind `queue`.
    """
    stub.reset()
    folder = history_folder()
    (folder / "work").mkdir()
    world = World(seed, kind, folder / "work", url)
    history = QueueHistory(world, stub, broker) if kind == "queue" else History(world, stub)
    try:
        history.run()
    finally:
        history.close()
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    texts = {(p.image, p.context, p.tags, p.style, p.locale) for p in stub.paid}
    return HistoryResult(
        seed, kind, tuple(world.steps), tuple(world.oracle.faults),
        tuple(world.oracle.refusals), len(stub.paid), len(texts), history.kills,
    )  # fmt: skip
