"""The tokens of a picture, held against what providers and others have published."""

import re
from pathlib import Path

import pytest

from app.captioning.image_tokens import (
    BoundedPatchTokens,
    CropTokens,
    FixedTokens,
    GridTokens,
    MergedPatchTokens,
    PatchTokens,
    TileTokens,
)
from app.captioning.providers.registry import load_providers
from testing.image_token_table import render_provider_table, render_table

STANDARD = BoundedPatchTokens(rule="bounded_patches", max_patches=1_568, max_edge_px=1_568)
HIGH_RESOLUTION = BoundedPatchTokens(rule="bounded_patches", max_patches=4_784, max_edge_px=2_576)


@pytest.mark.parametrize(
    ("size", "standard", "high_resolution"),
    [
        ((200, 200), 64, 64),
        ((1000, 1000), 1_296, 1_296),
        ((1092, 1092), 1_521, 1_521),
        ((1920, 1080), 1_560, 2_691),
        ((2000, 1500), 1_564, 3_888),
        ((3840, 2160), 1_560, 4_784),
    ],
)
def test_claude_counts_squares_of_28_pixels(
    size: tuple[int, int], standard: int, high_resolution: int
) -> None:
    """The table of https://platform.claude.com/docs/en/build-with-claude/vision"""
    assert STANDARD.count(size) == standard
    assert HIGH_RESOLUTION.count(size) == high_resolution


def test_claude_sees_the_largest_picture_within_its_limits() -> None:
    """1920 x 1080 becomes 1456 x 819 (.../build-with-claude/vision-coordinates)."""
    assert STANDARD.sent_size((1920, 1080)) == (1456, 819)


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((256, 256), 77), ((512, 512), 308), ((768, 768), 692), ((1024, 1024), 1_229),
        ((1280, 720), 1_104), ((1920, 1080), 2_448), ((2560, 1440), 2_931), ((3840, 2160), 2_931),
        ((4032, 3024), 2_942),
    ],
)  # fmt: skip
def test_openai_counts_squares_of_32_pixels_times_a_factor(
    size: tuple[int, int], tokens: int
) -> None:
    """As it was measured: https://huggingface.co/datasets/JOHNISKING/image-token-cost"""
    assert PatchTokens(rule="patches", multiplier=1.2, max_patches=2_500).count(size) == tokens


@pytest.mark.parametrize(("size", "tokens"), [((1024, 1024), 1_229), ((2048, 2048), 3_000)])
def test_gpt_5_4_counts_as_in_the_examples_of_its_guide(size: tuple[int, int], tokens: int) -> None:
    """https://developers.openai.com/api/docs/guides/images-vision"""
    assert load_providers()["openai"].count_image_tokens("gpt-5.4-mini", size) == tokens


@pytest.mark.parametrize(("size", "patches"), [((1024, 1024), 1_024), ((1800, 2400), 1_452)])
def test_openai_shrinks_a_picture_with_too_many_squares(
    size: tuple[int, int], patches: int
) -> None:
    """The two examples of an earlier version of that guide."""
    assert PatchTokens(rule="patches", max_patches=1_536).count(size) == patches


@pytest.mark.parametrize(("size", "tokens"), [((1024, 1024), 765), ((2048, 4096), 1_105)])
def test_gpt_4o_counts_tiles_of_512_pixels(size: tuple[int, int], tokens: int) -> None:
    """The two examples of the same guide."""
    assert TileTokens(rule="tiles", base=85, per_tile=170).count(size) == tokens


def test_gemini_before_3_counts_crops() -> None:
    """960 x 540 has six (https://ai.google.dev/gemini-api/docs/image-understanding)."""
    rule = CropTokens(rule="crops")
    assert rule.count((960, 540)) == 6 * 258
    assert rule.count((384, 384)) == 258


def test_gemini_3_takes_as_many_tokens_whatever_the_size() -> None:
    assert FixedTokens(rule="at_most", tokens=1_120).count((10, 4_000)) == 1_120


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((559, 559), 1_601), ((600, 559), 3_202), ((559, 600), 3_202), ((561, 561), 6_404),
        ((4000, 3000), 6_404),
    ],
)  # fmt: skip
def test_together_counts_a_grid_of_at_most_four_tiles(size: tuple[int, int], tokens: int) -> None:
    """The table of https://docs.together.ai/docs/vision-overview"""
    assert GridTokens(rule="grid").count(size) == tokens


@pytest.mark.parametrize(
    ("size", "squares"), [((28, 28), 4), ((1024, 1024), 37 * 37), ((1200, 900), 43 * 32)]
)
def test_qwen_counts_whole_squares_within_bounds(size: tuple[int, int], squares: int) -> None:
    """At least 56 x 56 pixels; sides are rounded to squares of 28."""
    assert MergedPatchTokens(rule="merged_patches").count(size) == squares + 2


def test_qwen_shrinks_what_has_too_many_pixels() -> None:
    rule = MergedPatchTokens(rule="merged_patches", max_pixels=1_280 * 28 * 28)
    assert 1_200 < rule.count((4_000, 3_000)) <= 1_280 + 2


@pytest.mark.parametrize("size", [(1, 1), (1, 4_096), (4_096, 1), (4_096, 4_096)])
def test_every_rule_counts_every_size(size: tuple[int, int]) -> None:
    """No picture has no tokens, and none takes the counting long."""
    for provider in load_providers().values():
        for statement in provider.image_tokens:
            assert statement.count.count(size) > 0


def test_the_tables_in_the_documentation_are_made_from_the_files() -> None:
    """python -m testing.image_token_table"""
    page = (Path(__file__).parents[2] / "docs/models.md").read_text(encoding="utf-8")
    for name, table in (("providers", render_provider_table()), ("image tokens", render_table())):
        found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
        assert found is not None
        assert found[1] == table


def test_low_detail_is_the_base_of_tiles_and_512_pixels_of_patches_where_that_is_documented() -> (
    None
):
    """https://developers.openai.com/api/docs/guides/images-vision: 85 tokens for GPT-4o."""
    openai = load_providers()["openai"]
    assert openai.count_image_tokens("gpt-4o", (1200, 900)) == 765
    assert openai.count_image_tokens("gpt-4o", (1200, 900), "low") == 85
    assert openai.count_image_tokens("gpt-5.6-luna", (1200, 900), "low") == 231  # 16 x 12 squares
    assert openai.count_image_tokens("gpt-5.6-luna", (320, 240), "low") == 96
    assert openai.count_image_tokens("gpt-5.4", (1200, 900), "low") is None
