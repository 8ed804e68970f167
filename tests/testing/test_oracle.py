"""The independent checkers find the violations that they are meant to find."""

import pytest

from testing.oracle import npm_alt_text, plain_caption
from testing.oracle.caption_rules import find_violations
from testing.requirements import require_node_package, require_program

GOOD = "Two tabby cats sleep on a pink blanket beside two remote controls."


@pytest.fixture(scope="module")
def node() -> str:
    """The path of Node, with the npm package."""
    require_node_package(npm_alt_text.PACKAGE)
    return require_program("node", "nodejs")


@pytest.mark.parametrize(
    ("caption", "style", "locale", "rule"),
    [
        (GOOD[:5], "concise", "en", "too_short"),
        (GOOD * 3, "concise", "en", "too_long"),
        (GOOD, "detailed", "en", "too_short"),
        ("A photo of two cats.", "concise", "en", "opener"),
        ("Slika prikazuje dvije mačke.", "concise", "hr", "opener"),
        ("Alt text: two cats.", "concise", "en", "label"),
        ("Sure, two cats on a sofa.", "concise", "en", "preamble"),
        ("- Two cats on a sofa.", "concise", "en", "bullet"),
        ("Two cats<|im_end|> on a sofa.", "concise", "en", "token"),
        ("Two cats, © Getty.", "concise", "en", "credit"),
        ("Two cats at https://example.com.", "concise", "en", "address"),
        ("I cannot see two cats.", "concise", "en", "self_reference"),
        ("Two cats 🐈 on a sofa.", "concise", "en", "emoji"),
        ("IMG_1.jpg", "concise", "en", "placeholder"),
        ("A cat on a cat on a cat on a sofa.", "concise", "en", "loop"),
        ("Two cats on a\u200b sofa.", "concise", "en", "control"),
        (
            "Cats, sofa, pink, blanket, remote, tabby, sleeping, indoor room",
            "seo",
            "en",
            "keyword_stuffing",
        ),
        ("One. Two. Three. Four cats.", "concise", "en", "sentences"),
        (
            "Zwei Katzen schlafen auf der Decke neben einem Sofa und einer Lampe mit dem Schirm.",
            "concise",
            "en",
            "language_de",
        ),
    ],
)
def test_each_rule_finds_its_violation(caption: str, style: str, locale: str, rule: str) -> None:
    assert rule in find_violations(caption, style, locale)


def test_a_good_caption_breaks_no_rule() -> None:
    assert find_violations(GOOD, "concise") == set()
    assert find_violations(GOOD, "seo") == set()


def test_the_npm_package_finds_obvious_violations(node: str) -> None:
    captions = [
        GOOD,
        "A photo of two cats.",
        "Two cats 🐈.",
        "spacer",
        "A man taking a photo of it.",
    ]
    assert npm_alt_text.find_violations(node, captions) == [
        [],
        ["contains-unhelpful-word"],
        ["avoid-emoji"],
        ["is-unhelpful", "should-not-start-with"],
        ["contains-unhelpful-word"],
    ]
    long = "A man in a dark blue coat who stands on a bridge is taking a photograph of it."
    assert npm_alt_text.find_violations(node, [long]) == [[]]


@pytest.mark.parametrize(
    ("caption", "fault"),
    [
        ("", "empty"),
        (GOOD[:6], "too_short"),
        (GOOD * 3, "too_long"),
        ("Two cats  sleep on a red sofa.", "invisible"),
        ("Two cats \u2728 sleep on a red sofa.", "emoji_or_sign"),
        ("- Two cats sleep on a red sofa.", "wrapping"),
        ("Two cats sleep on a red sofa. 2.", "wrapping"),
        ('"Two cats sleep on a red sofa near a window."', "wrapping"),
        ("Alt text: two cats sleep.", "wrapping"),
        ("Two cats sleep on a red sofa. assistant", "chat_role"),
        ("user Two cats sleep on a red sofa.", "chat_role"),
        ("addCriterion two cats sleep.", "code"),
        ("Two cats sleep.\\n On a sofa.", "code"),
        ("Two cats (100,200),(300,400) sleep.", "coordinates"),
        ("Two cats sleep, see example.com.", "address"),
        ("Two cats sleep, photo by Ana.", "credit"),
        ("cats.jpg", "file_name"),
        ("untitled", "placeholder"),
        ("A photo of two cats.", "opener"),
        ("Two cats, but nothing is visible to me.", "about_itself"),
        ("The red cat on the red cat on the red cat on the red cat.", "loop"),
        ("Zwei Katzen schlafen auf der Decke neben dem Fenster im Zimmer.", "language"),
        ("Two cats sleep on a sofa with", "unfinished"),
        ("Two cats. They sleep here. On a sofa.", "sentence_count"),
    ],
)
def test_the_judge_of_plain_captions_finds_each_fault(caption: str, fault: str) -> None:
    assert fault in plain_caption.find_faults(caption, "concise")


def test_the_judge_of_plain_captions_accepts_good_ones() -> None:
    for caption in (
        GOOD,
        "STOP",
        "Accuracy (in %) of a user's model over 3.5 years, 24-inch screen.",
    ):
        assert plain_caption.find_faults(caption, "concise") == []
    assert plain_caption.find_faults(GOOD, "concise", visible_text=GOOD.upper()) == [
        "repeats_visible_text"
    ]
