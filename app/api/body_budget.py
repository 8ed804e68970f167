"""Body budget: the memory that large request bodies hold, for all callers and for each of them."""

from app.errors import Overloaded

ALL_BODIES_MAX_BYTES = 40 * 1024 * 1024
"""All large bodies together. Raw, parsed and decoded they take about three times this."""
CALLER_BODIES_MAX_BYTES = 24 * 1024 * 1024
"""One caller's large bodies, so that they cannot keep out those of all other callers."""
SMALL_BODY_BYTES = 64 * 1024
"""A body without an inline image is far below this. It is not counted."""
_LEASE_STEP_BYTES = 256 * 1024


class BodyBudget:
    """Counts the bytes of large bodies."""

    def __init__(self) -> None:
        self._free_bytes = ALL_BODIES_MAX_BYTES
        self._held_bytes: dict[str, int] = {}
        """By caller."""

    def acquire(self, caller: str, amount: int) -> bool:
        """Count `amount` bytes as held by the caller. False where that would be too many."""
        held = self._held_bytes.get(caller, 0)
        if amount > self._free_bytes or held + amount > CALLER_BODIES_MAX_BYTES:
            return False
        self._free_bytes -= amount
        self._held_bytes[caller] = held + amount
        return True

    def release(self, caller: str, amount: int) -> None:
        """Undo `acquire`."""
        self._free_bytes += amount
        left = self._held_bytes.pop(caller, 0) - amount
        if left > 0:
            self._held_bytes[caller] = left


class BodyLease:
    """The bytes that one body holds: they grow with what has arrived, not with Content-Length.

    So a body that arrives slowly holds next to nothing.
    """

    def __init__(self, budget: BodyBudget, caller: str, max_bytes: int) -> None:
        """`max_bytes` is the most that the body may have."""
        self._budget = budget
        self._caller = caller
        self._max_bytes = max_bytes
        self._held = 0

    def extend_to(self, length: int) -> None:
        """Hold at least `length` bytes. Raises Overloaded where there are not enough."""
        if length <= SMALL_BODY_BYTES or length <= self._held:
            return
        more = min(self._max_bytes, length + _LEASE_STEP_BYTES) - self._held
        if not self._budget.acquire(self._caller, more):
            raise Overloaded(log_reason="too many bytes of large bodies", retry_after_s=1)
        self._held += more

    def release(self) -> None:
        """Hold nothing any more."""
        if self._held:
            self._budget.release(self._caller, self._held)
            self._held = 0
