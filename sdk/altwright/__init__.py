"""Altwright's Python SDK: captions for pictures, checked and ready to store.

from altwright import Altwright

print(Altwright().caption("https://images.example.com/mug.jpg").html_alt())
"""

from typing import TYPE_CHECKING

from altwright._version import __version__
from altwright.client import Altwright
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
    RateLimited,
    Reason,
    RequestProblem,
    RequestTimeout,
    RequestTooLarge,
    ServerProblem,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    UnreadablePicture,
    UnsupportedMediaType,
    WrongUse,
)
from altwright.many import Job
from altwright.models import (
    Caption,
    FailedCaption,
    ImageFacts,
    Style,
    StyleLimits,
    StyleRule,
    Usage,
    Verdict,
)
from altwright.pictures import Picture
from altwright.wire import Role

if TYPE_CHECKING:
    from altwright.aio import AsyncAltwright

__all__ = [
    "Altwright",
    "AltwrightError",
    "AsyncAltwright",
    "Caption",
    "CaptionProblem",
    "CaptionRefused",
    "CaptionRejected",
    "CaptionUncertain",
    "ConnectionFailed",
    "FailedCaption",
    "FieldError",
    "ImageCorrupt",
    "ImageDenied",
    "ImageFacts",
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
    "Picture",
    "Problem",
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
    "UnexpectedAnswer",
    "UnreadablePicture",
    "UnsupportedMediaType",
    "Usage",
    "Verdict",
    "WrongUse",
    "__version__",
]


def __getattr__(name: str) -> object:
    # asyncio takes as long to import as all of this package: who does not await need not pay.
    if name == "AsyncAltwright":
        from altwright.aio import AsyncAltwright

        return AsyncAltwright
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
