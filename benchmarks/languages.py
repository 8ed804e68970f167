"""How well the language check tells languages apart, for each language.

    .venv/bin/python -m benchmarks.languages --sentences languages.jsonl

Each line is a JSON object with `lang` and `text`. A text should pass under its own locale and be
caught under each of the others. Languages that count as one are not held against each other.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from app.validation.language_identifier import count_as_one, is_wrong_language, warm_up


def main() -> int:
    """Print the table; the exit code is 1 below 99 % passed or 98 % caught in a language."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sentences", type=Path, required=True)
    arguments = parser.parse_args()
    lines = arguments.sentences.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    codes = sorted({str(row["lang"]) for row in rows})
    warm_up()
    began, judged, is_good = time.perf_counter(), 0, True
    print("| language | texts | right ones that pass | wrong ones that are caught |")
    print("|---|---:|---:|---:|")
    for code in codes:
        own = [str(row["text"]) for row in rows if row["lang"] == code]
        foreign = [str(row["text"]) for row in rows if not count_as_one(str(row["lang"]), code)]
        passed = sum(not is_wrong_language(text, code) for text in own)
        caught = sum(is_wrong_language(text, code) for text in foreign)
        judged += len(own) + len(foreign)
        is_good &= passed >= 0.99 * len(own) and caught >= 0.98 * len(foreign)
        print(
            f"| {code} | {len(own)} | {passed} ({passed / len(own):.1%}) "
            f"| {caught} of {len(foreign)} ({caught / len(foreign):.1%}) |"
        )
    each_us = (time.perf_counter() - began) / judged * 1e6
    print(f"\n{judged} judgements, {each_us:.0f} microseconds each")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
