"""Every exception of the SDK.

    AltwrightError                  base class
    ├── UsageError                  wrong arguments (also a ValueError); nothing was sent
    ├── UnreadableImage             a local image that cannot be sent; nothing was sent
    ├── ConnectionFailed            no response, or an incomplete one
    │   └── TimedOut                the whole call took longer than `timeout`
    ├── UnexpectedResponse          not a response of Altwright: a proxy's page, another program
    └── Problem                     an error body of the server; also codes unknown to this version
        ├── RequestProblem          the request is wrong and has to be changed
        │   ├── Unauthorized, NotFound, MethodNotAllowed, RequestTimeout, RequestTooLarge,
        │   └── UnsupportedMediaType, InvalidRequest
        ├── ImageProblem            the image could not be downloaded or decoded
        │   ├── ImageUrlForbidden, ImageNotFound, ImageDenied, ImageTooLarge,
        │   └── ImageUnsupported, ImageCorrupt, ImageUnreachable, ImageTimeout
        ├── CaptionProblem          there is an image but no caption: a person should write it
        │   └── CaptionUncertain, CaptionRefused, CaptionRejected
        └── ServerProblem           a failure of the server or its model, not of the request
            ├── RateLimited, QuotaExceeded, Overloaded, ModelUnavailable, ModelError,
            └── ModelTimeout, Internal

Each has `retryable`, which follows the HTTP status: 408, 429 and 5xx may succeed later, other 4xx
will not. No message contains an API key or the query of a URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request; `field` is empty if the whole body is wrong."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A hard rule that the rejected draft breaks."""

    code: str
    reason: str


class AltwrightError(Exception):
    """Base class of every error that this package raises or yields."""

    status: int | None = None
    """HTTP status, if there was a response."""
    code: str | None = None
    """The error code of the API, if the response has an error body."""
    request_id: str | None = None
    """Identifies the request in the server's log."""
    retryable: bool = False
    """Whether the same call may succeed later."""
    retry_after: float | None = None
    """Seconds to wait before the next try, as the server asked for with Retry-After."""
    draft: str | None = None
    """The text that was rejected; only of CaptionRejected."""
    reasons: Sequence[Reason] = ()
    """Hard rules that the draft breaks; only of CaptionRejected."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One sentence: what is wrong and, if known, what to do about it."""
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Process pools and task queues pickle errors; the default would lose keyword arguments.
        return (_unpickle, (type(self), self.message), self.__dict__)


def _unpickle(kind: type[AltwrightError], message: str) -> AltwrightError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class UsageError(AltwrightError, ValueError):
    """The arguments or settings are wrong; nothing was sent."""


class UnreadableImage(AltwrightError):
    """A local image that is missing, too large or cannot be read; nothing was sent."""


class ConnectionFailed(AltwrightError):
    """The server was not reached, or the connection broke before the response was complete."""

    retryable = True
    reached: bool = True
    """False if no connection could be opened."""


class TimedOut(ConnectionFailed):
    """The call, including retries and the waits between them, took longer than `timeout`."""


class UnexpectedResponse(AltwrightError):
    """The response is not Altwright's: a proxy's page, or another program at that address."""

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
    """The server responded with an error body (RFC 9457). `str()` begins with its `detail`."""

    expected_status: ClassVar[int | None] = None
    """The HTTP status that the API documents for the code of this class."""
    advice: ClassVar[str] = ""
    """What a Python program can do, in addition to what the server says."""

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
        super().__init__(f"{detail} {self.advice}".strip(), request_id=request_id)
        self.detail = detail
        self.status = status
        self.code = code or self.code
        self.title = title
        self.type = type
        # A newer server may declare a 5xx final. A 4xx never becomes retryable.
        self.retryable = may_succeed_later(status) and retryable is not False
        self.retry_after = retry_after
        self.errors = tuple(errors)
        """One entry for each wrong field; only of InvalidRequest."""
        self.draft = draft
        self.reasons = tuple(reasons)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.detail!r}, status={self.status}, code={self.code!r}, "
            f"request_id={self.request_id!r})"
        )


def may_succeed_later(status: int) -> bool:
    """Whether the same request may succeed later, judged by the HTTP status alone."""
    return status in (408, 429) or status >= 500


class RequestProblem(Problem):
    """The request is wrong and fails again unless it is changed (except `request_timeout`)."""


class Unauthorized(RequestProblem):
    """The API key is missing, wrong, expired or revoked: every other call will fail too."""

    code, expected_status = "unauthorized", 401


class NotFound(RequestProblem):
    """There is no such path: `base_url` points to another program or to an older server."""

    code, expected_status = "not_found", 404


class MethodNotAllowed(RequestProblem):
    """The path does not support this HTTP method."""

    code, expected_status = "method_not_allowed", 405


class RequestTimeout(RequestProblem):
    """The request body arrived too slowly. May succeed later."""

    code, expected_status = "request_timeout", 408


class RequestTooLarge(RequestProblem):
    """The request body is over the server's limit: send an image URL or a smaller image."""

    code, expected_status = "request_too_large", 413


class UnsupportedMediaType(RequestProblem):
    """The server received neither JSON nor a form: a proxy may have changed the request."""

    code, expected_status = "unsupported_media_type", 415


class InvalidRequest(RequestProblem):
    """A field of the request is wrong; `errors` names each of them."""

    code, expected_status = "invalid_request", 422


class ImageProblem(Problem):
    """The image could not be downloaded or decoded."""


class ImageUrlForbidden(ImageProblem):
    """The URL leads to a private address, or its scheme, port or user part is not allowed."""

    code, expected_status = "image_url_forbidden", 422
    advice = "From Python, send the file itself: pathlib.Path(...), bytes or an open file."


class ImageNotFound(ImageProblem):
    """The origin responded with 404 or 410."""

    code, expected_status = "image_not_found", 422


class ImageDenied(ImageProblem):
    """The origin requires a login or a browser check, or redirects too often."""

    code, expected_status = "image_denied", 422


class ImageTooLarge(ImageProblem):
    """The image is over the limit of bytes or pixels."""

    code, expected_status = "image_too_large", 422


class ImageUnsupported(ImageProblem):
    """Not an image, or a format that is not supported (SVG, video)."""

    code, expected_status = "image_unsupported", 422


class ImageCorrupt(ImageProblem):
    """The image cannot be decoded."""

    code, expected_status = "image_corrupt", 422


class ImageUnreachable(ImageProblem):
    """The origin could not be reached, failed (5xx), or asked to wait. May succeed later."""

    code, expected_status = "image_unreachable", 502


class ImageTimeout(ImageProblem):
    """The origin was too slow. May succeed later."""

    code, expected_status = "image_timeout", 504


class CaptionProblem(Problem):
    """There is an image but no caption: a person should write this one."""


class CaptionUncertain(CaptionProblem):
    """The model could not tell what the image shows."""

    code, expected_status = "caption_uncertain", 422


class CaptionRefused(CaptionProblem):
    """The model or its content filter refused."""

    code, expected_status = "caption_refused", 422


class CaptionRejected(CaptionProblem):
    """Two drafts broke hard rules: `draft` and `reasons` help the person who reviews it."""

    code, expected_status = "caption_rejected", 422


class ServerProblem(Problem):
    """A failure of the server or its model, not of the request. May succeed later."""


class RateLimited(ServerProblem):
    """Your own rate limit is used up; wait for `retry_after` seconds."""

    code, expected_status = "rate_limited", 429


class QuotaExceeded(ServerProblem):
    """The key's captions of this month are used up; `retry_after` says when they start anew."""

    code, expected_status = "quota_exceeded", 429


class Overloaded(ServerProblem):
    """The server is at capacity, or is restarting."""

    code, expected_status = "overloaded", 503


class ModelUnavailable(ServerProblem):
    """Every captioner is rate limited, down, or paused after failures."""

    code, expected_status = "model_unavailable", 503


class ModelError(ServerProblem):
    """The model server sent an invalid response, or refused the request as wrong."""

    code, expected_status = "model_error", 502


class ModelTimeout(ServerProblem):
    """The model server did not respond in time."""

    code, expected_status = "model_timeout", 504


class Internal(ServerProblem):
    """A bug in the server; its log has the details under `request_id`."""

    code, expected_status = "internal", 500


def error_classes(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Every class that stands for one error code of the API."""
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from error_classes(child)


BY_CODE: Mapping[str, type[Problem]] = {each.code: each for each in error_classes() if each.code}
