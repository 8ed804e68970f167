"""The notation of rate limits in RATE_LIMIT and in the keys file: `60/minute;5000/day`."""

from limits import RateLimitItem, parse_many

NO_LIMIT = "none"
DEFAULT_LIMIT = "60/minute"
"""Where RATE_LIMIT is not set and callers are not only on this machine."""


def parse_rate_limits(text: str) -> list[RateLimitItem]:
    """The limits that `text` names. Raises ValueError with a sentence for the operator."""
    try:
        rate_limits = parse_many(text)
    except ValueError:
        rate_limits = []
    if not rate_limits or any(rate_limit.amount < 1 for rate_limit in rate_limits):
        msg = f"{text!r} is not a rate limit; write for instance 60/minute or 10/second;5000/day"
        raise ValueError(msg)
    return rate_limits
