"""Lines become blocks in reading order; what is no text is dropped."""

import dataclasses

import pytest

from app.vision.text_lines import TextLine, in_blocks, is_sure, trusted, without_labels

WIDTH, HEIGHT = 1000, 500


def line(text: str, left: int, top: int, width: int, height: int = 40, **other) -> TextLine:
    """A line by its pixels in a picture of 1000 x 500."""
    edges = (left / WIDTH, top / HEIGHT, (left + width) / WIDTH, (top + height) / HEIGHT)
    return TextLine(text, other.pop("score", 0.99), *edges, height_px=height, ink="black", **other)


def texts(*lines: TextLine) -> list[str]:
    return [block.text for block in in_blocks(lines, WIDTH, HEIGHT)]


def test_lines_below_each_other_are_one_block_from_the_top():
    """In whatever order they were found."""
    first, second = line("Fresh bread", 100, 100, 300), line("every day", 100, 150, 250)
    assert texts(second, first) == ["Fresh bread every day"]


def test_a_heading_stands_apart_from_smaller_print():
    """One block is of one size."""
    assert texts(line("SALE", 100, 50, 300, 90), line("This weekend", 100, 150, 300, 40)) == [
        "SALE",
        "This weekend",
    ]


def test_columns_are_read_one_after_the_other():
    """Not across them."""
    assert texts(
        line("left one", 50, 100, 200),
        line("right one", 600, 100, 200),
        line("left two", 50, 150, 200),
        line("right two", 600, 150, 200),
    ) == ["left one left two", "right one right two"]


def test_centred_lines_are_one_block_and_scattered_ones_are_not():
    """Flush left, flush right or centred; a label that only happens to stand below is another."""
    assert texts(line("Visitors to the site", 200, 100, 600), line("by year", 400, 145, 200)) == [
        "Visitors to the site by year"
    ]
    assert len(texts(line("Visitors", 200, 100, 300), line("label", 420, 145, 200))) == 2


def test_pieces_of_one_row_are_one_line():
    """Words that the finder took apart."""
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
    ("text", "score", "sure"),
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
def test_what_is_text_is_told_from_what_is_not(text: str, score: float, sure: bool):
    """Rims and wheels are read as single signs, texture as weak ones."""
    assert is_sure(line(text, 0, 0, 100, score=score)) is sure


def test_tilted_labels_are_left_out_beside_straight_text_only():
    """The labels of an axis go; the print on a cap that lies askew stays."""
    straight = [line("Title", 100, 10 + 60 * n, 300) for n in range(3)]
    tilted = dataclasses.replace(line("February", 100, 400, 80), is_tilted=True)
    assert without_labels((*straight, tilted)) == tuple(straight)
    assert without_labels((tilted,)) == (tilted,)


def test_entries_of_a_list_are_no_sentence():
    """A menu's words stand by themselves, however near; a paragraph's lines do not."""
    menu = [
        line(word, 100, 100 + 45 * n, 120) for n, word in enumerate(("Home", "Orders", "Sales"))
    ]
    assert texts(*menu) == ["Home", "Orders", "Sales"]
    prose = [line("some words of a longer line", 100, 100 + 45 * n, 600) for n in range(3)]
    assert len(texts(*prose)) == 1


def test_boxes_of_a_plan_are_not_joined():
    """They stand farther apart than lines do."""
    assert len(texts(line("Draft", 100, 100, 100), line("Final", 100, 155, 100))) == 2


def test_a_row_is_beside_all_of_its_pieces():
    """A tall neighbour does not pull the second line of a sign into the row of its first."""
    first, second = line("TANGENT", 20, 30, 150, 60), line("LABS", 19, 95, 115, 60)
    neighbour = line("oscar", 400, 65, 150, 55)
    assert "TANGENT LABS" in texts(first, second, neighbour)


def test_what_stands_before_a_block_is_known_though_it_was_not_read():
    """A page begins with its first line, read or not."""
    heading, unread = line("Chapter one", 100, 100, 300), line("", 100, 20, 300, score=0.0)
    assert in_blocks((heading,), WIDTH, HEIGHT)[0].is_first
    assert not in_blocks((heading,), WIDTH, HEIGHT, found=(heading, unread))[0].is_first


def test_type_that_is_strange_to_the_reader_is_not_believed():
    """Black letter is read with some confidence, and wrong; a page of ordinary print is kept."""
    strange = tuple(line("Borwort", 0, 50 * n, 200, score=0.955) for n in range(5))
    assert trusted(strange) == ()
    ordinary = tuple(line("Vorwort", 0, 50 * n, 200, score=0.99) for n in range(4))
    assert len(trusted((*ordinary, strange[0]))) == 5
