"""Of several captions that a draft offers, the first comes out, or nothing does."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.alternatives import take_first_alternative
from app.validation.verdict import validate_text

CONCISE = load_styles()["concise"]
DOG = "A brown dog runs along a sandy beach."
OTHER = "A hound runs beside the sea."


@pytest.mark.parametrize(
    "draft",
    [
        f"Alt 1: {DOG} Alt 2: {OTHER}",
        f"Option A: {DOG} Option B: {OTHER}",
        f"**Option 1:** {DOG}\n\n**Option 2:** {OTHER}",
        f"Option 1 - {DOG}\nOption 2 - {OTHER}",
        f"Variante 1: {DOG} Variante 2: {OTHER}",
        f"Opción A: {DOG}\nOpción B: {OTHER}",
        f"Вариант 1: {DOG} Вариант 2: {OTHER}",
        f"{DOG} OR {OTHER}",
        f"{DOG}\n\nOR\n\n{OTHER}",
        f"{DOG}\n— or —\n{OTHER}",
        f"{DOG} Or: {OTHER}",
        f"{DOG} / {OTHER}",
        f"{DOG} Alternatively: {OTHER}",
        f"Option A: {DOG}\nOption B / {OTHER}",
        f"{DOG}\nAlternative / {OTHER}",
        f"Option A: {DOG}\nUseraddCriterion Option B: {OTHER}",
        f"{DOG}\nHuman Alternatively: {OTHER}",
        f"{DOG} END Option B: {OTHER}",
        f"{DOG} — 37 characters案2：{OTHER}",
        f"Version 1 – {DOG} Version 2 Looks good.",
        f"(A) {DOG}\nB) {OTHER}",
        f'{{"option_1": "{DOG}", "option_2": "{OTHER}"}}',
    ],
)
def test_the_first_alternative_comes_out(draft: str) -> None:
    """Whatever joins it to the second one."""
    verdict = validate_text(draft, style=CONCISE, locale="en")
    assert (verdict.caption, verdict.violations) == (DOG, ())


@pytest.mark.parametrize(
    "caption",
    [
        "A ballot reads “Option 1: Yes. Option 2: No.” in black letters.",
        "A sign that says “Coffee or tea? Or both?” hangs in a window.",
        "Downtown Portland, OR, seen across the river at night.",
        "Version 2 of the map has more roads.",
        "1. **Setting:** a room\n2. **Subject:** A brown dog runs along a sandy beach.",
        "Two shoes on a shelf. Version 2 of the sole is thicker.",
        "Two plots: (A) the dose. (B) the response.",
        "A bowl of water / milk stands beside a plate.",
        "Trick or treat: two children in costumes.",
    ],
)
def test_one_caption_is_left_whole(caption: str) -> None:
    """Its words for options belong to the picture."""
    assert take_first_alternative(caption) == caption
