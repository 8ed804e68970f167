"""Fuzzes validation with good sentences in wrapped, nested and half-closed marks.

    .venv/bin/python -m benchmarks.draft_fuzz --drafts 100000

Of each draft the sentence must come out, or nothing. Prints how many came out, and what else did.
The attack drafts come first: wrapping that was invented without a rule for it, and that rules were
then corrected by.
"""

import argparse
import random
import sys
from collections import Counter

from app.captioning.styles.loader import load_styles
from app.types import Style
from app.validation.verdict import validate_text
from testing.attack_drafts import TOLD_FROM_PROSE_BY_AN_ARTICLE, attack_drafts
from testing.draft_fuzzer import draw_draft, find_leak, is_alternative_of, is_sentence_of

_SHOWN = 40


def _attack(style: Style) -> int:
    """How many leaks the attack drafts have, besides words that only an article would tell."""
    drafts = list(attack_drafts())
    leaks = [leak for draft in drafts if (leak := find_leak(draft, style)) is not None]
    known = [leak for leak in leaks if leak.startswith(TOLD_FROM_PROSE_BY_AN_ARTICLE)]
    print(f"{len(drafts)} attack drafts: something else came out of {len(leaks)}")
    for leak in leaks:
        print(f"    {leak!r}")
    return len(leaks) - len(known)


def main() -> int:
    """Draw and judge. Returns 1 where something else than a sentence came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drafts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=_SHOWN, help="how many leaks to print")
    arguments = parser.parse_args()
    style = load_styles()["concise"]
    attack_leaks = _attack(style)
    source = random.Random(arguments.seed)
    came_out, alternatives, leaks, rejected = 0, 0, 0, Counter[str]()
    for _ in range(arguments.drafts):
        draft = draw_draft(source)
        verdict = validate_text(draft.text, style=style, locale=draft.locale, is_final=True)
        if verdict.outcome != "caption" or verdict.violations:
            rejected.update(draft.marks)
        elif is_sentence_of(draft, verdict.caption):
            came_out += 1
        else:
            leaks += 1
            alternatives += is_alternative_of(draft, verdict.caption)
            if leaks <= arguments.show:
                print(f"{draft.locale} {'+'.join(draft.marks)}: {draft.text!r}")
                print(f"    came out: {verdict.caption!r}")
    print(
        f"{arguments.drafts} drafts: the sentence came out of {came_out}, something else of"
        f" {leaks}, of these another whole caption that the draft offers of {alternatives}"
    )
    for mark, count in rejected.most_common(12):
        print(f"  nothing came out, with {mark}: {count}")
    return 1 if leaks or attack_leaks else 0


if __name__ == "__main__":
    sys.exit(main())
