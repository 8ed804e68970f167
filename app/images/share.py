"""What one fetch holds of the budget for bytes in flight."""

from types import TracebackType
from typing import Self

from app.budget import Budget

SMALL_BYTES = 1024 * 1024
"""What each fetch may hold without asking; most pictures of the web stay below it."""


class Share:
    """What a fetch holds of the budget beyond SMALL_BYTES, given back when its block ends.

    The first SMALL_BYTES are bounded by how many requests are in work at once: a small picture
    waits for nobody, however many large ones wait for their turn. A fetch that needs more asks
    once, for all that it can come to need, so that no two can wait for each other.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    async def grow_to(self, size_bytes: int) -> None:
        """Have room for `size_bytes`; waits its turn. Never asks for more than there is at all."""
        more = self._beyond_small(size_bytes) - self.held_bytes
        if more > 0:
            await self._budget.acquire(more)
            self.held_bytes += more

    def shrink_to(self, size_bytes: int) -> None:
        """Give back what is held beyond the need for `size_bytes`."""
        spare = self.held_bytes - self._beyond_small(size_bytes)
        if spare > 0:
            self.held_bytes -= spare
            self._budget.release(spare)

    def covers(self, size_bytes: int) -> bool:
        """Whether there is room for so many bytes, or all that there is is held."""
        return self.held_bytes >= self._beyond_small(size_bytes)

    def _beyond_small(self, size_bytes: int) -> int:
        return min(max(0, size_bytes - SMALL_BYTES), self._budget.total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shrink_to(0)
