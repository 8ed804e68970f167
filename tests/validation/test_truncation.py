"""`max_tokens` is a ceiling for every draft, in every style."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from app.captioning.styles.loader import load_styles
from app.types import Draft
from app.validation.verdict import validate_draft

STYLES = load_styles()
_WORDS_TEXT = """
cat dog sofa lamp river stone window garden bridge morning yellow small quiet wooden sleeps stands
under beside with the a of and near two over runs old street light tree
"""
_WORDS = _WORDS_TEXT.split()
_CZECH_TEXT = """
kočka spí na červené pohovce vedle dvou ovladačů a staré žluté lampy u okna v pokoji
"""
_CZECH = _CZECH_TEXT.split()
_WIDE = list("赤い自転車が壁のそばに立って公園の木々と空見える人")


@st.composite
def prose(draw: st.DrawFn) -> str:
    """Sentences of words that end with a full stop or in the middle of a word."""
    words, joint, mark = draw(
        st.sampled_from([(_WORDS, " ", ". "), (_CZECH, " ", ". "), (_WIDE, "", "。")])
    )
    sentences = draw(
        st.lists(
            st.lists(st.sampled_from(words), min_size=3, max_size=22).map(joint.join),
            min_size=1,
            max_size=14,
        )
    )
    text = mark.join(one.capitalize() for one in sentences)
    return draw(st.sampled_from([text, text + mark.strip(), text[: max(1, len(text) * 2 // 3)]]))


@settings(max_examples=250, deadline=None)
@given(
    draft=prose(),
    name=st.sampled_from(tuple(STYLES)),
    max_tokens=st.integers(32, 256),
    cut=st.booleans(),
    had_headroom=st.booleans(),
    output_tokens=st.none() | st.integers(1, 2_000),
)
def test_no_caption_exceeds_its_token_ceiling(
    draft: str,
    name: str,
    max_tokens: int,
    cut: bool,
    had_headroom: bool,
    output_tokens: int | None,
) -> None:
    """At most 4 characters a token where it is enforced, whole words, and a true `truncated`."""
    style = STYLES[name]
    verdict = validate_draft(
        Draft(draft, "model", cut=cut, had_headroom=had_headroom, output_tokens=output_tokens),
        style=style,
        locale="und",
        max_tokens=max_tokens,
    )
    text = verdict.caption
    trusts_count = output_tokens is not None and output_tokens <= max_tokens and not had_headroom
    assert len(text) <= max_tokens * (8 if trusts_count else 4)
    if verdict.is_valid:
        assert len(text) <= style.max_chars
    if len(draft.strip()) > 8 * max_tokens or (
        not trusts_count and len(draft.strip()) > 4 * max_tokens
    ):
        assert verdict.truncated
    if verdict.truncated:
        assert_ends_at_sentence_or_word(text, draft)


def assert_ends_at_sentence_or_word(text: str, draft: str) -> None:
    whole = " ".join(draft.split())
    if not text or re.search(r"[぀-ヿ一-鿿]", text) or text[-1] in ".!?":
        return
    assert whole.casefold().startswith(text.casefold()), (text, draft)
    following = whole[len(text) : len(text) + 1]
    assert not following.isalnum(), (text, draft)


def test_the_ceiling_does_not_change_the_words_of_a_caption() -> None:
    """A truncated caption is the beginning of the whole one."""
    draft = (
        "A tabby cat sleeps on a pink blanket. A second one lies beside it with a paw in the air. "
        "Two remote controls lie between them. The sofa is red, and the light falls from the left. "
        "A lamp stands behind it."
    )
    style = STYLES["detailed"]
    written = Draft(draft, "model", output_tokens=60)
    whole = validate_draft(written, style=style, locale="en", max_tokens=256)
    assert (whole.caption, whole.truncated, whole.violations) == (draft, False, ())
    for max_tokens in range(32, 60, 4):
        written = Draft(draft, "model", had_headroom=True)
        short = validate_draft(written, style=style, locale="en", max_tokens=max_tokens)
        assert short.is_valid
        assert draft.startswith(short.caption)
        assert short.caption.endswith(".")
        assert short.truncated == (len(draft) > 4 * max_tokens)
