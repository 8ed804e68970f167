"""Styles come from files; a wrong file is told in one line."""

from pathlib import Path

import pytest

from app.captioning.errors import StyleFileError
from app.captioning.styles.describe import describe
from app.captioning.styles.loader import StyleRegistry

GOOD = """
purpose = "Chat."
prompt = "You write one line for a chat."
min_chars = 10
aim_chars = 40
max_chars = 80
max_sentences = 1
"""


def test_our_three_registers_keep_the_lengths_of_the_contract() -> None:
    """Characters: concise to 160, seo 50 to 160, detailed 120 to 1,000."""
    styles = StyleRegistry.load()
    assert set(styles.names()) == {"concise", "seo", "detailed"}
    assert (styles["concise"].min_chars, styles["concise"].max_chars) == (8, 160)
    assert styles["concise"].warn_over_chars == 125
    assert (styles["seo"].min_chars, styles["seo"].max_chars) == (50, 160)
    assert styles["seo"].max_word_repeats == 2
    assert (styles["detailed"].min_chars, styles["detailed"].max_chars) == (120, 1000)
    assert "poem" not in styles


def test_adding_a_style_is_adding_a_file(tmp_path: Path) -> None:
    """The file's name is the style's name; its version is made of its bytes."""
    (tmp_path / "chat.toml").write_text(GOOD + 'banned = ["cheap"]\n')
    first = StyleRegistry.load(tmp_path)["chat"]
    (tmp_path / "chat.toml").write_text(GOOD)
    second = StyleRegistry.load(tmp_path)["chat"]
    assert first.banned == ("cheap",)
    assert len(first.version) == 12
    assert first.version != second.version


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "colour = 3\n", ["key colour", "no such key"]),
        (GOOD.replace("max_chars = 80\n", ""), ["key max_chars", "missing"]),
        (GOOD.replace("80", '"80"'), ["key max_chars"]),
        (GOOD.replace("aim_chars = 40", "aim_chars = 400"), ["aim_chars must lie between"]),
        (GOOD + "= 3", ["is not TOML"]),
    ],
)
def test_a_wrong_file_is_one_sentence_with_file_and_key(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    """The operator reads which file, which key, and what to do."""
    (tmp_path / "chat.toml").write_text(text)
    with pytest.raises(StyleFileError) as caught:
        StyleRegistry.load(tmp_path)
    message = str(caught.value)
    assert "chat.toml" in message
    assert "\n" not in message
    assert all(word in message for word in words)


def test_bytes_that_are_not_utf_8_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    """Nothing else than StyleFileError comes out of loading."""
    (tmp_path / "chat.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(StyleFileError, match="UTF-8"):
        StyleRegistry.load(tmp_path)
    with pytest.raises(StyleFileError, match="not a folder"):
        StyleRegistry.load(tmp_path / "nowhere")


def test_a_built_in_name_is_taken_over_only_on_purpose(tmp_path: Path) -> None:
    """A slip must not change what `concise` means for every caller."""
    (tmp_path / "concise.toml").write_text(GOOD)
    with pytest.raises(StyleFileError, match="replaces_built_in"):
        StyleRegistry.load(tmp_path)
    (tmp_path / "concise.toml").write_text(GOOD + "replaces_built_in = true\n")
    assert StyleRegistry.load(tmp_path)["concise"].max_chars == 80


def test_a_name_that_cannot_stand_in_a_url_is_refused(tmp_path: Path) -> None:
    """Names stand in JSON, URLs and metrics."""
    (tmp_path / "My Style.toml").write_text(GOOD)
    with pytest.raises(StyleFileError, match="small letters"):
        StyleRegistry.load(tmp_path)


def test_a_description_lists_limits_and_rules() -> None:
    """GET /v1/styles shows each rule's name, severity and sentence."""
    styles = StyleRegistry.load()
    told = describe(styles["seo"])
    rules = told["rules"]
    assert isinstance(rules, list)
    by_name = {rule["name"]: rule for rule in rules}
    assert by_name["repeated_words"]["severity"] == "hard"
    assert by_name["unverified_name"]["severity"] == "soft"
    assert all(rule["says"].endswith(".") for rule in rules)
    assert "repeated_words" not in str(describe(styles["concise"])["rules"])
