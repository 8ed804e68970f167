"""Quotations are recognised by their marks, and unclosed marks cost nothing."""

import pytest

from app.validation.quoted_text import strip_quoted_text


@pytest.mark.parametrize(
    ("text", "unquoted"),
    [
        ('A sign says "Stop here" in red.', "A sign says   in red."),
        ("Ein Schild „Halt“ und »Los«.", "Ein Schild   und  ."),
        ("Un panneau «Arrêt» rouge.", "Un panneau   rouge."),
        ("「出口」と『入口』の看板", " と の看板"),
        ("A sign says 'Open'.", "A sign says  ."),
        ("The dogs' bowl and the cat's bed.", "The dogs' bowl and the cat's bed."),
        ("'Tis the cat's bed.", "'Tis the cat's bed."),
        ('A board of 5" by 3" of pine.', "A board of 5  of pine."),
        ('An empty "" pair.', 'An empty "" pair.'),
        (f'"{"a" * 300}" b', "  b"),
        (f'"{"a" * 301}" b', f'"{"a" * 301}" b'),
        ("“ “a” b", "  b"),
        ("“" * 5_000, "“" * 5_000),
    ],
)
def test_quotations_are_replaced_by_a_space(text: str, unquoted: str) -> None:
    assert strip_quoted_text(text) == unquoted
