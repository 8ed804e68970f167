"""Lines of text become blocks in reading order; unreliable lines are dropped."""

import dataclasses

import pytest

from app.vision.text_lines import (
    TextLine,
    drop_tilted_labels,
    group_into_blocks,
    is_reliable,
    keep_reliable,
)

WIDTH, HEIGHT = 1000, 500


def line(text: str, left: int, top: int, width: int, height: int = 40, **other) -> TextLine:
    """A line at a position in pixels of an image of 1000 x 500."""
    edges = (left / WIDTH, top / HEIGHT, (left + width) / WIDTH, (top + height) / HEIGHT)
    return TextLine(text, other.pop("score", 0.99), *edges, height_px=height, ink="black", **other)


def texts(*lines: TextLine) -> list[str]:
    return [block.text for block in group_into_blocks(lines, WIDTH, HEIGHT)]


def test_lines_below_each_other_are_one_block_from_the_top():
    """The order of detection does not matter."""
    first, second = line("Fresh bread", 100, 100, 300), line("every day", 100, 150, 250)
    assert texts(second, first) == ["Fresh bread every day"]


def test_a_heading_and_smaller_text_are_two_blocks():
    """A block has one size of text."""
    assert texts(line("SALE", 100, 50, 300, 90), line("This weekend", 100, 150, 300, 40)) == [
        "SALE",
        "This weekend",
    ]


def test_columns_are_read_one_after_the_other():
    """Not row by row across them."""
    assert texts(
        line("left one", 50, 100, 200),
        line("right one", 600, 100, 200),
        line("left two", 50, 150, 200),
        line("right two", 600, 150, 200),
    ) == ["left one left two", "right one right two"]


def test_centred_lines_are_one_block_and_unaligned_ones_are_not():
    """A label that happens to be below another line is a block of its own."""
    assert texts(line("Visitors to the site", 200, 100, 600), line("by year", 400, 145, 200)) == [
        "Visitors to the site by year"
    ]
    assert len(texts(line("Visitors", 200, 100, 300), line("label", 420, 145, 200))) == 2


def test_pieces_of_one_row_are_one_line():
    """The detector may separate words."""
    assert texts(line("Up to", 100, 100, 100), line("50% off", 215, 102, 140)) == ["Up to 50% off"]


@pytest.mark.parametrize(
    ("one", "other", "whole"),
    [
        ("an open-", "source shop", "an open-source shop"),
        ("the E-Bike", "is new", "the E-Bike is new"),
        ("1990 -", "today", "1990 - today"),
        ("SALE -", "MORE", "SALE - MORE"),
    ],
)
def test_hyphens_are_kept_as_they_are_printed(one: str, other: str, whole: str):
    """A word broken at its hyphen gets no space behind it."""
    assert texts(line(one, 100, 100, 300), line(other, 100, 150, 300)) == [whole]


@pytest.mark.parametrize(
    ("text", "score", "reliable"),
    [
        ("saleor", 0.96, True),
        ("50", 1.0, True),
        ("W3C", 0.99, True),
        ("commmrce", 0.70, False),
        ("togethex", 0.91, False),
        ("8", 0.99, False),
        ("食", 0.95, False),
        ("IIIIII", 0.99, False),
        ("-_-=~ a", 0.99, False),
    ],
)
def test_text_is_distinguished_from_shapes(text: str, score: float, reliable: bool):
    """Rims and wheels are read as single signs, texture with low scores."""
    assert is_reliable(line(text, 0, 0, 100, score=score)) is reliable


def test_tilted_labels_are_dropped_only_beside_straight_text():
    """Axis labels are dropped; print on a cap at an angle is kept."""
    straight = [line("Title", 100, 10 + 60 * n, 300) for n in range(3)]
    tilted = dataclasses.replace(line("February", 100, 400, 80), is_tilted=True)
    assert drop_tilted_labels((*straight, tilted)) == tuple(straight)
    assert drop_tilted_labels((tilted,)) == (tilted,)


def test_the_entries_of_a_list_are_separate_blocks():
    """Unlike the lines of a paragraph, even if they are as near to each other."""
    menu = [
        line(word, 100, 100 + 45 * n, 120) for n, word in enumerate(("Home", "Orders", "Sales"))
    ]
    assert texts(*menu) == ["Home", "Orders", "Sales"]
    prose = [line("some words of a longer line", 100, 100 + 45 * n, 600) for n in range(3)]
    assert len(texts(*prose)) == 1


def test_boxes_of_a_plan_are_not_joined():
    """They are farther apart than lines of text."""
    assert len(texts(line("Draft", 100, 100, 100), line("Final", 100, 155, 100))) == 2


def test_a_line_joins_a_row_only_if_it_overlaps_all_of_its_pieces():
    """A tall neighbour does not move the second line of a sign into the row of the first."""
    first, second = line("TANGENT", 20, 30, 150, 60), line("LABS", 19, 95, 115, 60)
    neighbour = line("oscar", 400, 65, 150, 55)
    assert "TANGENT LABS" in texts(first, second, neighbour)


def test_a_block_after_an_unread_line_is_not_the_first():
    """A page begins with its first line, read or not."""
    heading, unread = line("Chapter one", 100, 100, 300), line("", 100, 20, 300, score=0.0)
    [alone] = group_into_blocks((heading,), WIDTH, HEIGHT)
    [after_unread] = group_into_blocks((heading,), WIDTH, HEIGHT, detected=(heading, unread))
    assert alone.is_first
    assert not after_unread.is_first


def test_text_in_an_unfamiliar_typeface_is_dropped():
    """Black letter is misread with rather high scores; a page of ordinary print is kept."""
    misread = tuple(line("Borwort", 0, 50 * n, 200, score=0.955) for n in range(5))
    assert keep_reliable(misread) == ()
    ordinary = tuple(line("Vorwort", 0, 50 * n, 200, score=0.99) for n in range(4))
    assert len(keep_reliable((*ordinary, misread[0]))) == 5
