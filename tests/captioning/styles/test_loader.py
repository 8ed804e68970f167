"""Styles are loaded from files; an invalid file is an error of one line."""

import os
from pathlib import Path

import pytest

from app.captioning.errors import StyleFileError
from app.captioning.styles.loader import load_styles

GOOD = """
purpose = "Chat."
prompt = "You write one line for a chat."
min_chars = 10
aim_chars = 40
max_chars = 80
max_sentences = 1
"""


def test_the_built_in_styles_have_the_lengths_of_the_contract() -> None:
    """Characters: concise to 160, seo 50 to 160, detailed 120 to 1,000."""
    styles = load_styles()
    assert set(styles) == {"concise", "seo", "detailed"}
    assert (styles["concise"].min_chars, styles["concise"].max_chars) == (8, 160)
    assert styles["concise"].warn_over_chars == 125
    assert (styles["seo"].min_chars, styles["seo"].max_chars) == (50, 160)
    assert styles["seo"].max_word_repeats == 2
    assert (styles["detailed"].min_chars, styles["detailed"].max_chars) == (120, 1000)
    assert "poem" not in styles


def test_adding_a_style_is_adding_a_file(tmp_path: Path) -> None:
    """The file name is the style's name. The version is a hash of the file."""
    (tmp_path / "chat.toml").write_text(GOOD + 'banned = ["cheap"]\n')
    first = load_styles(tmp_path)["chat"]
    (tmp_path / "chat.toml").write_text(GOOD)
    second = load_styles(tmp_path)["chat"]
    assert first.banned == ("cheap",)
    assert len(first.version) == 12
    assert first.version != second.version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD + "colour = 3\n", ["key colour", "unknown"]),
        (GOOD.replace("max_chars = 80\n", ""), ["key max_chars", "missing"]),
        (GOOD.replace("80", '"80"'), ["key max_chars"]),
        (GOOD.replace("aim_chars = 40", "aim_chars = 400"), ["aim_chars must be between"]),
        (GOOD + "= 3", ["is not valid TOML"]),
    ],
)
def test_an_invalid_file_is_one_sentence_with_file_and_key(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    """The operator reads which file, which key, and what to do."""
    (tmp_path / "chat.toml").write_text(text)
    with pytest.raises(StyleFileError) as caught:
        load_styles(tmp_path)
    message = str(caught.value)
    assert "chat.toml" in message
    assert "\n" not in message
    assert all(words in message for words in expected)


def test_a_file_that_is_not_utf8_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    """Loading raises only StyleFileError."""
    (tmp_path / "chat.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(StyleFileError, match="UTF-8"):
        load_styles(tmp_path)
    with pytest.raises(StyleFileError, match="not a folder"):
        load_styles(tmp_path / "nowhere")


def test_a_built_in_style_is_replaced_only_where_the_file_says_so(tmp_path: Path) -> None:
    """A mistake must not change `concise` for every caller."""
    (tmp_path / "concise.toml").write_text(GOOD)
    with pytest.raises(StyleFileError, match="replaces_built_in"):
        load_styles(tmp_path)
    (tmp_path / "concise.toml").write_text(GOOD + "replaces_built_in = true\n")
    assert load_styles(tmp_path)["concise"].max_chars == 80


def test_a_name_that_is_not_valid_in_a_url_is_an_error(tmp_path: Path) -> None:
    """Names are used in JSON, URLs and metric labels."""
    (tmp_path / "My Style.toml").write_text(GOOD)
    with pytest.raises(StyleFileError, match="lower-case letters"):
        load_styles(tmp_path)


def test_a_pipe_a_large_file_and_a_deep_one_are_refused_at_once(tmp_path: Path) -> None:
    """Reading a pipe would wait for its writer."""
    path = tmp_path / "chat.toml"
    os.mkfifo(path)
    with pytest.raises(StyleFileError, match="not a regular file"):
        load_styles(tmp_path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(StyleFileError, match="larger than"):
        load_styles(tmp_path)
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(StyleFileError, match="nested too deeply"):
        load_styles(tmp_path)
