"""Python SDK of Altwright: validated captions for images.

from altwright import Altwright

print(Altwright().caption("https://images.example.com/mug.jpg").html_alt())
"""

from typing import TYPE_CHECKING

from altwright._sync.client import Altwright
from altwright._version import __version__
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

if TYPE_CHECKING:
    from altwright._async.client import AsyncAltwright

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


def __getattr__(name: str) -> object:
    # asyncio takes as long to import as the rest of this package: only those who use it pay.
    if name == "AsyncAltwright":
        from altwright._async.client import AsyncAltwright

        return AsyncAltwright
    if name in _RENAMED:
        import warnings

        new = _RENAMED[name]
        warnings.warn(f"altwright.{name} is now altwright.{new}", DeprecationWarning, stacklevel=2)
        return globals()[new]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
