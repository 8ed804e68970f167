"""Errors of the HTTP interface itself: authentication, routing, bodies, rate limits."""

from collections.abc import Iterable

from app.api.unknown_fields import choose_detail
from app.errors import CaptionError


class Unauthorized(CaptionError):
    """No key, or a wrong, expired or revoked one: the same response for each."""

    code, status = "unauthorized", 401
    title = "A valid API key is needed"
    public = "Send a valid API key in the header `Authorization: Bearer KEY`."


class RequestTooLarge(CaptionError):
    """The body is over the limit."""

    code, status = "request_too_large", 413
    title = "The request body is too large"
    public = (
        "The request body is over the limit of 8 MiB. Send the image's URL, or its file in a form "
        "(`multipart/form-data`, part `image`)."
    )


class NotFound(CaptionError):
    """No such path."""

    code, status = "not_found", 404
    title = "No such path"
    public = "There is nothing at this path. GET /docs lists all paths."


class MethodNotAllowed(CaptionError):
    """The path exists, the method does not."""

    code, status = "method_not_allowed", 405
    title = "No such method here"
    public = "This path does not take this method. GET /docs lists all paths and methods."


class UnsupportedMediaType(CaptionError):
    """The body is neither declared as JSON nor as a form with a file, or is compressed."""

    code, status = "unsupported_media_type", 415
    title = "The body must be JSON or a form"
    public = (
        "Send JSON with `Content-Type: application/json`, or a form with the image file "
        "(`multipart/form-data`; with curl: `-F image=@FILE`)."
    )

    @classmethod
    def for_media_type(cls, media_type: str) -> "UnsupportedMediaType":
        """The error that says what the sender of another media type may have meant."""
        if media_type == "application/x-www-form-urlencoded":
            return cls(
                "This is what `curl -d` sends by default. Add `-H 'Content-Type: "
                "application/json'` for JSON, or send a form with `-F image=@FILE` or "
                "`-F image_url=URL`."
            )
        if media_type.startswith(("image/", "application/octet-stream", "video/")):
            return cls(
                "Send the image file in a form (`multipart/form-data`, part `image`; with curl: "
                "`-F image=@FILE`), or its URL as JSON."
            )
        return cls()


class InvalidRequest(CaptionError):
    """The body is not valid JSON, or a field is wrong; `errors` says which and why."""

    code, status = "invalid_request", 422
    title = "The request is not valid"
    public = "The request is not valid. `errors` says for each wrong field what to correct."

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        """`errors` are pairs of a field name (empty for the whole body) and a sentence."""
        items = [{"field": field, "message": message} for field, message in errors]
        super().__init__(choose_detail(items), extra={"errors": items})


class RequestTimeout(CaptionError):
    """The caller did not send the body in time."""

    code, status = "request_timeout", 408
    title = "The request body arrived too slowly"
    public = "The request body did not arrive in time. Send it again."


class RateLimited(CaptionError):
    """The caller's rate limit is used up."""

    code, status = "rate_limited", 429
    title = "Rate limit reached"
    public = "This key's rate limit is used up. Try again after the time in Retry-After."
