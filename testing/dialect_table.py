"""The table of docs/models.md: what each provider says, and what the caller gets.

    .venv/bin/python -m testing.dialect_table

prints it from app/captioning/openai_compat/provider_dialects.toml, to be pasted into the page.
"""

import sys

from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.provider_dialects import Dialect, load_dialects

REFUSED = "`caption_refused` 422"
OUTCOMES: dict[FailureKind, tuple[str, int]] = {
    FailureKind.CONTENT_FILTERED: (REFUSED, 1),
    FailureKind.IMAGE_REFUSED: (REFUSED, 1),
    FailureKind.IMAGE_UNREADABLE: (REFUSED, 2),
    FailureKind.RUNNER_CRASHED: (REFUSED, 3),
    FailureKind.IMAGE_TOO_LARGE: ("a caption", 2),
    FailureKind.NO_IMAGE_INPUT: ("`model_error` 502", 1),
    FailureKind.QUOTA_EXHAUSTED: ("`model_unavailable` 503", 1),
    FailureKind.RATE_LIMITED: ("`model_unavailable` 503", 1),
    FailureKind.SERVER_UNAVAILABLE: ("`model_unavailable` 503", 1),
    FailureKind.MORE_TOKENS_NEEDED: ("a caption", 2),
    FailureKind.STREAM_REQUIRED: ("a caption", 2),
}
"""What the caller gets for each kind, and the calls that the first such request costs."""
_TRIES_WITHOUT_NAMED_WAIT = 3


def expected_outcome(dialect: Dialect) -> tuple[str, int]:
    """What the caller gets, and the number of calls."""
    outcome, calls = OUTCOMES[dialect.kind]
    if dialect.kind is FailureKind.SERVER_UNAVAILABLE and not dialect.example.retry_after_s:
        calls = _TRIES_WITHOUT_NAMED_WAIT
    return outcome, calls


def render_table() -> str:
    """The table in markdown."""
    rows = ["| provider | says | the caller gets | retryable | calls |", "|---|---|---|---|---:|"]
    for dialect in load_dialects():
        outcome, calls = expected_outcome(dialect)
        if dialect.example.retry_after_s:
            outcome += f", Retry-After {dialect.example.retry_after_s}"
        retryable = "" if outcome == "a caption" else "yes" if " 50" in outcome else "no"
        says = f"[{dialect.says}]({dialect.source})"
        rows.append(f"| {dialect.provider} | {says} | {outcome} | {retryable} | {calls} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(render_table() + "\n")
