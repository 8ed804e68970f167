"""Errors of counting usage."""

from app.errors import CaptionError


class QuotaExceeded(CaptionError):
    """The key's quota of captions for this month is used up."""

    code, status = "quota_exceeded", 429
    title = "Quota used up"
    public = "This key's quota is used up. It starts anew after the time in Retry-After."


class UsageUnavailable(Exception):
    """The usage store does not respond. What was counted meanwhile is added later."""
