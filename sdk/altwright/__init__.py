"""Python SDK of Altwright: validated captions for images.

from altwright import Altwright

print(Altwright().caption("https://images.example.com/mug.jpg").html_alt())
"""

from altwright._version import __version__

TYPE_CHECKING = False
"""As that of `typing`, which is not imported for it: see `__getattr__`."""
if TYPE_CHECKING:
    from altwright._async.client import AsyncAltwright
    from altwright._sync.client import Altwright
    from altwright.caption_many import Job
    from altwright.errors import (
        AltwrightError,
        CaptionProblem,
        CaptionRefused,
        CaptionRejected,
        CaptionUncertain,
        ConnectionFailed,
        FieldError,
        ImageCorrupt,
        ImageDenied,
        ImageNotFound,
        ImageProblem,
        ImageTimeout,
        ImageTooLarge,
        ImageUnreachable,
        ImageUnsupported,
        ImageUrlForbidden,
        Internal,
        InvalidRequest,
        MethodNotAllowed,
        ModelError,
        ModelTimeout,
        ModelUnavailable,
        NotFound,
        Overloaded,
        Problem,
        QuotaExceeded,
        RateLimited,
        Reason,
        RequestProblem,
        RequestTimeout,
        RequestTooLarge,
        ServerProblem,
        TimedOut,
        Unauthorized,
        UnexpectedResponse,
        UnreadableImage,
        UnsupportedMediaType,
        UsageError,
    )
    from altwright.image_input import ImageInput
    from altwright.models import (
        Caption,
        Check,
        Cost,
        ExpectedTokens,
        FailedCaption,
        ImageFacts,
        PriceOfTokens,
        Quota,
        Role,
        Style,
        StyleLimits,
        StyleRule,
        UnknownUsage,
        Usage,
        UsagePeriod,
        UsageReport,
        Verdict,
    )

    Picture = ImageInput
    UnexpectedAnswer = UnexpectedResponse
    UnreadablePicture = UnreadableImage
    WrongUse = UsageError

__all__ = [
    "Altwright",
    "AltwrightError",
    "AsyncAltwright",
    "Caption",
    "CaptionProblem",
    "CaptionRefused",
    "CaptionRejected",
    "CaptionUncertain",
    "Check",
    "ConnectionFailed",
    "Cost",
    "ExpectedTokens",
    "FailedCaption",
    "FieldError",
    "ImageCorrupt",
    "ImageDenied",
    "ImageFacts",
    "ImageInput",
    "ImageNotFound",
    "ImageProblem",
    "ImageTimeout",
    "ImageTooLarge",
    "ImageUnreachable",
    "ImageUnsupported",
    "ImageUrlForbidden",
    "Internal",
    "InvalidRequest",
    "Job",
    "MethodNotAllowed",
    "ModelError",
    "ModelTimeout",
    "ModelUnavailable",
    "NotFound",
    "Overloaded",
    "PriceOfTokens",
    "Problem",
    "Quota",
    "QuotaExceeded",
    "RateLimited",
    "Reason",
    "RequestProblem",
    "RequestTimeout",
    "RequestTooLarge",
    "Role",
    "ServerProblem",
    "Style",
    "StyleLimits",
    "StyleRule",
    "TimedOut",
    "Unauthorized",
    "UnexpectedResponse",
    "UnknownUsage",
    "UnreadableImage",
    "UnsupportedMediaType",
    "Usage",
    "UsageError",
    "UsagePeriod",
    "UsageReport",
    "Verdict",
    "__version__",
]


_RENAMED = {
    "Picture": "ImageInput",
    "UnexpectedAnswer": "UnexpectedResponse",
    "UnreadablePicture": "UnreadableImage",
    "WrongUse": "UsageError",
}
"""Deprecated names of 0.1 and what they are called now."""


_MODULES = {
    "Altwright": "_sync.client",
    "AsyncAltwright": "_async.client",
    "ImageInput": "image_input",
    "Job": "caption_many",
}
"""Modules of public names; the others are in `errors` or `models`."""


def __getattr__(name: str) -> object:
    # Nothing is loaded before it is used: the command hears Ctrl+C from its first moment, and who
    # does not use asyncio, which takes as long to import as the rest, does not pay for it.
    import importlib

    if name in _RENAMED:
        import warnings

        new = _RENAMED[name]
        warnings.warn(f"altwright.{name} is now altwright.{new}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module("altwright"), new)
    if name in __all__:
        modules = (_MODULES[name],) if name in _MODULES else ("errors", "models")
        for module in modules:
            found = importlib.import_module(f"altwright.{module}")
            if hasattr(found, name):
                globals()[name] = getattr(found, name)
                return globals()[name]
    if name in ("errors", "models"):  # could be used without an import before
        return importlib.import_module(f"altwright.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
