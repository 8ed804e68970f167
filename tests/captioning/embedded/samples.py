"""Styles and images for tests of the embedded captioner."""

from app.types import NormalisedImage, SourceFacts, Style


def make_style(
    name: str, chars: tuple[int, int, int], sentences: tuple[int, int], *, is_seo: bool = False
) -> Style:
    """`chars`: minimum, aim and maximum."""
    return Style(
        name=name,
        purpose="",
        prompt="",
        min_chars=chars[0],
        aim_chars=chars[1],
        max_chars=chars[2],
        warn_over_chars=None,
        min_sentences=sentences[0],
        max_sentences=sentences[1],
        max_word_repeats=2 if is_seo else None,
        uses_keywords=is_seo,
        banned=(),
        version="0",
        instructions=(),
    )


CONCISE = make_style("concise", (8, 125, 160), (1, 2))
SEO = make_style("seo", (50, 140, 160), (1, 2), is_seo=True)
DETAILED = make_style("detailed", (120, 400, 1000), (2, 6))


def normalised_image(jpeg: bytes) -> NormalisedImage:
    return NormalisedImage(jpeg, 0, 0, SourceFacts(0, 0, "jpeg", len(jpeg), ""))
