"""The base of every error that a caller can see.

Each leaf lives beside the code that raises it and carries its wire code, HTTP status and public
sentence as class attributes. One handler (app/api/problems.py) renders them, and the OpenAPI
document lists them from these classes, so a new leaf is documented by being written.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar


class CaptionError(Exception):
    """A failure with a place in the wire contract.

    `detail` is what the caller reads: it says what to do and names nothing of the inside.
    `log_reason` is what the operator reads; it never reaches a caller.
    `retry_after_s` becomes `Retry-After`, in whole seconds rounded up.
    `extra` are further members of the problem body (for instance `draft` and `reasons`).
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    public: ClassVar[str]
    """The sentence a caller reads where no better `detail` is known."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        log_reason: str = "",
        retry_after_s: float | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.detail = detail or self.public
        self.log_reason = log_reason
        self.retry_after_s = retry_after_s
        self.extra: Mapping[str, object] = extra or {}
        super().__init__(log_reason or self.detail)

    @classmethod
    def retryable(cls) -> bool:
        """Whether the same request may succeed later: said by the status class alone."""
        return cls.status in (408, 429) or cls.status >= 500


def leaves(root: type[CaptionError] = CaptionError) -> Iterator[type[CaptionError]]:
    """Every error class that has a code, in order of definition."""
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from leaves(child)


class Overloaded(CaptionError):
    """No room: the queue is full, the wait was too long, or the server is draining."""

    code, status = "overloaded", 503
    title = "No room right now"
    public = "The server is full. Try again after the time in Retry-After."


class InternalError(CaptionError):
    """A bug. Its detail says nothing of the inside; the log has the rest."""

    code, status = "internal", 500
    title = "Internal error"
    public = "Something went wrong here. It has been logged under the request_id of this answer."
