"""Accuracy of the language check, per language.

    .venv/bin/python -m benchmarks.languages --sentences languages.jsonl

Each line is a JSON object with `lang` and `text`. A text should pass under its own locale and be
rejected under every other one, except that of a similar language.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from app.validation.language_identifier import is_wrong_language, warm_up
from app.validation.similar_languages import similar_languages


def main() -> int:
    """Prints the table. Returns 1 where a language has under 99 % passed or 98 % caught."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sentences", type=Path, required=True)
    arguments = parser.parse_args()
    lines = arguments.sentences.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    codes = sorted({str(row["lang"]) for row in rows})
    warm_up()
    started_s, checks, is_good = time.perf_counter(), 0, True
    print("| language | texts | right ones that pass | wrong ones that are caught |")
    print("|---|---:|---:|---:|")
    for code in codes:
        own = [str(row["text"]) for row in rows if row["lang"] == code]
        foreign = [str(row["text"]) for row in rows if row["lang"] not in similar_languages(code)]
        passed = sum(not is_wrong_language(text, code) for text in own)
        caught = sum(is_wrong_language(text, code) for text in foreign)
        checks += len(own) + len(foreign)
        is_good &= passed >= 0.99 * len(own) and caught >= 0.98 * len(foreign)
        print(
            f"| {code} | {len(own)} | {passed} ({passed / len(own):.1%}) "
            f"| {caught} of {len(foreign)} ({caught / len(foreign):.1%}) |"
        )
    check_us = (time.perf_counter() - started_s) / checks * 1e6
    print(f"\n{checks} checks, {check_us:.0f} microseconds each")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
