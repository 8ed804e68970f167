"""Processor time to validate a megabyte of one sign, and of patterns of marks.

    .venv/bin/python -m benchmarks.long_drafts

Prints the slowest drafts and, for comparison, an ordinary caption.
"""

import sys

from app.captioning.styles.loader import load_styles
from testing.long_drafts import CAPTION, PATTERNS, SIGNS, judging_took_s, megabyte_of

_LIMIT_MS = 50
_SHOWN = 10


def main() -> int:
    """Measure and print. Returns 1 where a draft takes 50 ms or more."""
    style = load_styles()["concise"]
    slowest_ms = 0.0
    print(f"an ordinary caption: {judging_took_s(CAPTION, style) * 1000:.1f} ms")
    for name, texts in (("sign", SIGNS), ("pattern", PATTERNS)):
        took_ms = {text: judging_took_s(megabyte_of(text), style) * 1000 for text in texts}
        ranked = sorted(took_ms, key=lambda text: took_ms[text], reverse=True)
        slowest_ms = max(slowest_ms, took_ms[ranked[0]])
        print(f"a megabyte of one {name}, the slowest of {len(texts)}:")
        for text in ranked[:_SHOWN]:
            print(f"  {took_ms[text]:6.1f} ms {text!r}")
    return 0 if slowest_ms < _LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
