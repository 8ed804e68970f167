"""Errors of captioners and style files.

The leaves with a `code` are part of the wire contract. Their subclasses have the same code; they
tell the circuit breaker how to count a failure.
"""

from app.errors import CaptionError


class ModelUnavailable(CaptionError):
    """No captioner can answer now: each is rate limited, out of quota, down or paused."""

    code, status = "model_unavailable", 503
    title = "No captioner is available"
    public = "No captioner is available right now. Try again after Retry-After, or in a minute."


class RetryAfterTooLong(ModelUnavailable):
    """The model server named a wait that is too long for this request to wait out.

    Opens the circuit breaker at once, for that time.
    """


class LimitOfRequest(ModelUnavailable):
    """The model server named a very long wait to this request, and captioned a known good image.

    Its limit may be that of one caller, or the wait nonsense. Not counted by the circuit breaker.
    """


class ServerFailed(ModelUnavailable):
    """A 5xx or a broken connection that does not say why: the image may be the cause.

    The circuit breaker counts each image once, and before it opens, a known good image is sent.
    """


class ModelCrashed(ServerFailed):
    """The process that runs the model died during the call, which is mostly the image's doing.

    A known good image is sent at once.
    """


class ImageNotTried(ModelUnavailable):
    """An image failed without an explanation while others were tried: nothing is known of it.

    Not counted by the circuit breaker.
    """


class ModelError(CaptionError):
    """The model server sent an unusable response, or rejected the request as invalid."""

    code, status = "model_error", 502
    title = "The model server's response cannot be used"
    public = "The model server's response cannot be used. The operator's log says why."


class RequestRejected(ModelError):
    """A 4xx of unknown meaning: the image may be the cause. Counted as ServerFailed is."""


class RequestSpecificError(ModelError):
    """Only this response cannot be used; the next one may be valid.

    Not counted by the circuit breaker.
    """


class ModelTimeout(CaptionError):
    """The model sent no response in time."""

    code, status = "model_timeout", 504
    title = "The model was too slow"
    public = "The model sent no response in time. Try again later."


class DeadlineExceeded(ModelTimeout):
    """The request's deadline passed before the captioner had a fair time to answer.

    Not counted by the circuit breaker.
    """


class CaptionRefused(CaptionError):
    """The model or its content filter refused to describe the image."""

    code, status = "caption_refused", 422
    title = "The model refused"
    public = "The model refused to describe this image. A person should write this text."


class ImageNotAccepted(CaptionRefused):
    """This model cannot take this image: its size, its shape, or something that makes it crash.

    Final for this captioner; another one may take it. Not counted by the circuit breaker.
    """

    public = "The model cannot take this image. A person should write this text."


class CaptionUncertain(CaptionError):
    """The captioner reported that it cannot tell what the image shows."""

    code, status = "caption_uncertain", 422
    title = "A person should write this text"
    public = "The captioner cannot tell what this image shows. A person should write this text."


class StyleFileError(ValueError):
    """A style file is invalid. The message is one line: file, key, and how to correct it."""
