"""Every error of the SDK.

    AltwrightError                  whatever went wrong here or there
    ├── UsageError                    the call itself (also a ValueError): nothing was sent
    ├── UnreadableImage           a local picture that cannot be sent: nothing was sent
    ├── ConnectionFailed            no answer, or half of one
    │   └── TimedOut                the whole call took longer than `timeout`
    ├── UnexpectedResponse            not Altwright's answer: a proxy's page, another program
    └── Problem                     the server's own problem; a code that this version does not know
        ├── RequestProblem          the request must be mended
        │   ├── Unauthorized, NotFound, MethodNotAllowed, RequestTimeout, RequestTooLarge,
        │   └── UnsupportedMediaType, InvalidRequest
        ├── ImageProblem            the picture could not be had or read
        │   ├── ImageUrlForbidden, ImageNotFound, ImageDenied, ImageTooLarge,
        │   └── ImageUnsupported, ImageCorrupt, ImageUnreachable, ImageTimeout
        ├── CaptionProblem          there is a picture and no caption: a person should write it
        │   └── CaptionUncertain, CaptionRefused, CaptionRejected
        └── ServerProblem           the server or its model, not the request: try again later
            └── RateLimited, Overloaded, ModelUnavailable, ModelError, ModelTimeout, Internal

Each has `retryable`; the status class tells the truth about it: 408, 429 and 5xx may succeed later,
other 4xx will not. No message holds a key or the query of a URL that the SDK put there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request; `field` is empty where the whole body is meant."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A hard rule that the last draft of a rejected caption breaks."""

    code: str
    reason: str


class AltwrightError(Exception):
    """The base of every error that this package raises or yields."""

    status: int | None = None
    """HTTP status, where there was an answer."""
    code: str | None = None
    """The contract's code, where the answer was a problem."""
    request_id: str | None = None
    """What the server's log calls the request."""
    retryable: bool = False
    """Whether the same call may succeed later."""
    retry_after: float | None = None
    """Seconds that the server asked to be left alone for, counted from its answer."""
    draft: str | None = None
    reasons: Sequence[Reason] = ()

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One sentence: what is wrong and, where that is known, what to do."""
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Results of process pools and task queues are pickled; keyword arguments would be lost.
        return (_restored, (type(self), self.message), self.__dict__)


def _restored(kind: type[AltwrightError], message: str) -> AltwrightError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class UsageError(AltwrightError, ValueError):
    """The call cannot be made as it is; nothing was sent."""


class UnreadableImage(AltwrightError):
    """A local picture that is missing, no file, too large or cannot be read; nothing was sent."""


class ConnectionFailed(AltwrightError):
    """The server was not reached, or hung up before its answer was whole."""

    retryable = True
    reached: bool = True
    """False where not even a connection came about."""


class TimedOut(ConnectionFailed):
    """The call, with its retries and the waits between them, took longer than `timeout`."""


class UnexpectedResponse(AltwrightError):
    """The answer is not Altwright's: a proxy's page, another program at that address."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status
        self.retryable = may_succeed_later(status)
        self.retry_after = retry_after


class Problem(AltwrightError):
    """The server's own answer that there is no caption. `str()` is its `detail`."""

    expected_status: ClassVar[int | None] = None
    """The status that the contract gives to the code of this class."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str | None = None,
        title: str = "",
        type: str = "",  # noqa: A002 - RFC 9457's name
        retryable: bool | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        errors: Sequence[FieldError] = (),
        draft: str | None = None,
        reasons: Sequence[Reason] = (),
    ) -> None:
        super().__init__(detail, request_id=request_id)
        self.detail = detail
        self.status = status
        self.code = code or self.code
        self.title = title
        self.type = type
        # A server that is newer than this package may know better for a 5xx; never for a 4xx.
        self.retryable = may_succeed_later(status) and retryable is not False
        self.retry_after = retry_after
        self.errors = tuple(errors)
        """`invalid_request` only: one entry for each wrong field."""
        self.draft = draft
        self.reasons = tuple(reasons)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.detail!r}, status={self.status}, code={self.code!r}, "
            f"request_id={self.request_id!r})"
        )


def may_succeed_later(status: int) -> bool:
    """Whether the same request may succeed later, from the status class alone."""
    return status in (408, 429) or status >= 500


class RequestProblem(Problem):
    """The request must be mended; sent again as it is, it fails again (`request_timeout` aside)."""


class Unauthorized(RequestProblem):
    """No key, or a wrong, expired or revoked one: stop, every other call will fail, too."""

    code, expected_status = "unauthorized", 401


class NotFound(RequestProblem):
    """There is no such path: `base_url` leads somewhere else, or to an older server."""

    code, expected_status = "not_found", 404


class MethodNotAllowed(RequestProblem):
    """The path does not take this method."""

    code, expected_status = "method_not_allowed", 405


class RequestTimeout(RequestProblem):
    """The body reached the server too slowly. May succeed later."""

    code, expected_status = "request_timeout", 408


class RequestTooLarge(RequestProblem):
    """The body is over the server's limit: send the picture's URL, or a smaller picture."""

    code, expected_status = "request_too_large", 413


class UnsupportedMediaType(RequestProblem):
    """The body did not arrive as JSON: something between here and the server changed it."""

    code, expected_status = "unsupported_media_type", 415


class InvalidRequest(RequestProblem):
    """A field is wrong; `errors` names each."""

    code, expected_status = "invalid_request", 422


class ImageProblem(Problem):
    """The picture could not be had or read."""


class ImageUrlForbidden(ImageProblem):
    """The URL leads to a private address, or has a scheme, port or user that is not allowed."""

    code, expected_status = "image_url_forbidden", 422


class ImageNotFound(ImageProblem):
    """Its server answered 404 or 410."""

    code, expected_status = "image_not_found", 422


class ImageDenied(ImageProblem):
    """Its server wants a login, or redirects in circles."""

    code, expected_status = "image_denied", 422


class ImageTooLarge(ImageProblem):
    """Over the limit of bytes or pixels."""

    code, expected_status = "image_too_large", 422


class ImageUnsupported(ImageProblem):
    """Not a picture, or of a format that is not read (SVG, video)."""

    code, expected_status = "image_unsupported", 422


class ImageCorrupt(ImageProblem):
    """A picture that cannot be decoded."""

    code, expected_status = "image_corrupt", 422


class ImageUnreachable(ImageProblem):
    """Its server could not be reached, or answered 5xx or 429. May succeed later."""

    code, expected_status = "image_unreachable", 502


class ImageTimeout(ImageProblem):
    """Its server was too slow. May succeed later."""

    code, expected_status = "image_timeout", 504


class CaptionProblem(Problem):
    """The picture is there and no caption is: a person should write this one."""


class CaptionUncertain(CaptionProblem):
    """The model said that it cannot tell what the picture shows."""

    code, expected_status = "caption_uncertain", 422


class CaptionRefused(CaptionProblem):
    """The model, or its content filter, refused."""

    code, expected_status = "caption_refused", 422


class CaptionRejected(CaptionProblem):
    """Two drafts broke hard rules: `draft` and `reasons` are for whoever reviews it."""

    code, expected_status = "caption_rejected", 422


class ServerProblem(Problem):
    """The server or its model, not the request. May succeed later."""


class RateLimited(ServerProblem):
    """Your own limit is used up until `retry_after`."""

    code, expected_status = "rate_limited", 429


class Overloaded(ServerProblem):
    """The server has no room, or is restarting."""

    code, expected_status = "overloaded", 503


class ModelUnavailable(ServerProblem):
    """Every captioner is rate limited, down or cooling."""

    code, expected_status = "model_unavailable", 503


class ModelError(ServerProblem):
    """The model's server answered nonsense."""

    code, expected_status = "model_error", 502


class ModelTimeout(ServerProblem):
    """The model did not answer in time."""

    code, expected_status = "model_timeout", 504


class Internal(ServerProblem):
    """A bug of the server's; its log has the rest under `request_id`."""

    code, expected_status = "internal", 500


def leaves(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Every class that stands for one code of the contract."""
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from leaves(child)


BY_CODE: Mapping[str, type[Problem]] = {leaf.code: leaf for leaf in leaves() if leaf.code}
