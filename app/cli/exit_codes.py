"""Exit codes of `python -m app`."""

OK = 0
FAILED = 1
INVALID_USAGE = 2
"""Wrong settings or arguments: starting again without a change does not help."""
INTERRUPTED = 130
