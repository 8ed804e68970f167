"""Errors of captioners and styles."""

from app.errors import CaptionError


class ModelUnavailable(CaptionError):
    """Every captioner is rate limited, out of quota, down or left alone for a while."""

    code, status = "model_unavailable", 503
    title = "No captioner is available"
    public = "No captioner is available right now. Try again after Retry-After, or in a minute."


class ModelError(CaptionError):
    """The model's server answered nonsense, or refused our request as wrong."""

    code, status = "model_error", 502
    title = "The model's server answered wrongly"
    public = "The model's server gave an answer that cannot be used. The operator's log says more."


class ModelTimeout(CaptionError):
    """The model gave no answer in time."""

    code, status = "model_timeout", 504
    title = "The model was too slow"
    public = "The model gave no answer in time. Try again later."


class CaptionRefused(CaptionError):
    """The model or its content filter refused to describe the picture."""

    code, status = "caption_refused", 422
    title = "The model refused"
    public = "The model refused to describe this image. A person should write this text."


class CaptionUncertain(CaptionError):
    """The captioner said that it cannot tell what the picture shows."""

    code, status = "caption_uncertain", 422
    title = "A person should write this one"
    public = "The captioner cannot tell what this image shows. A person should write this text."


class StyleFileError(ValueError):
    """A style's file is wrong. The message names the file, the key and the mend, in one line."""
