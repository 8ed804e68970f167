"""The base class of every error that a caller can see.

Each error is defined in the package that raises it, with its wire code, HTTP status and public
sentence as class attributes. One handler (app/api/problems.py) renders them. The OpenAPI document
is made from these classes, so that a new error is documented automatically.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from app.token_use import TokenUse


class CaptionError(Exception):
    """A failure that is part of the wire contract.

    `detail` is for the caller: it says what to do and reveals nothing internal.
    `log_reason` is for the operator's log only.
    `retry_after_s` becomes `Retry-After`, in whole seconds rounded up.
    `extra` are further members of the problem body (for instance `draft` and `reasons`).
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    public: ClassVar[str]
    """The `detail` where no better one is known."""

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
        self.token_uses: tuple[TokenUse, ...] | None = None
        """Of the drafts that led to it; None where nobody has counted them, or they were taken."""
        super().__init__(log_reason or self.detail)

    def take_token_uses(self) -> tuple[TokenUse, ...]:
        """The tokens that it cost, once: requests that share work share its error."""
        uses, self.token_uses = self.token_uses, None
        return uses or ()

    @classmethod
    def retryable(cls) -> bool:
        """Whether the same request may succeed later: the status alone decides."""
        return cls.status in (408, 429) or cls.status >= 500


def public_error_classes(root: type[CaptionError] = CaptionError) -> Iterator[type[CaptionError]]:
    """Every error class that has a code, in order of definition."""
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from public_error_classes(child)


class Overloaded(CaptionError):
    """The queue is full, the wait was too long, or the server is draining."""

    code, status = "overloaded", 503
    title = "The server is full"
    public = "The server is full. Try again after the time in Retry-After."


class InternalError(CaptionError):
    """A bug in the server. The detail reveals nothing internal; the log has the rest."""

    code, status = "internal", 500
    title = "Internal error"
    public = "An internal error occurred. It is logged under the request_id of this response."
