"""What one fetch holds of the budget for bytes in flight."""

from types import TracebackType
from typing import Self

from app.budget import Budget

SMALL_BYTES = 2 * 1024 * 1024
"""What each fetch takes first; most pictures of the web stay below it."""


class Share:
    """A fetch's part of the budget, given back when its block ends.

    A fetch takes SMALL_BYTES first, and once more, all that it can come to need, before it grows
    past that. Waiting for the second while holding the first cannot lock up as long as the
    budget's total covers every small share and one whole image:

        total >= fetches at once * SMALL_BYTES + max_bytes

    since then the first in line gets its room as soon as those who have theirs are done, and
    they wait for nothing. With a smaller total fetches may wait for each other until a deadline
    ends one of them.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    async def grow_to(self, size_bytes: int) -> None:
        """Hold at least `size_bytes`; waits its turn. Never asks for more than there is at all."""
        more = min(size_bytes, self._budget.total) - self.held_bytes
        if more > 0:
            await self._budget.acquire(more)
            self.held_bytes += more

    def shrink_to(self, size_bytes: int) -> None:
        """Give back what is held beyond `size_bytes`."""
        spare = self.held_bytes - size_bytes
        if spare > 0:
            self.held_bytes -= spare
            self._budget.release(spare)

    def covers(self, size_bytes: int) -> bool:
        """Whether so many bytes are held, or all that there are."""
        return self.held_bytes >= min(size_bytes, self._budget.total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shrink_to(0)
