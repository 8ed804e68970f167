"""The entries of GET /v1/styles."""

from app.captioning.styles.listing import describe_style
from app.captioning.styles.loader import load_styles


def test_a_style_is_listed_with_the_rules_that_apply_to_it() -> None:
    """Each with its name, severity and sentence."""
    styles = load_styles()
    rules = describe_style(styles["seo"])["rules"]
    assert isinstance(rules, list)
    by_name = {rule["name"]: rule for rule in rules}
    assert by_name["repeated_words"]["severity"] == "hard"
    assert by_name["unverified_name"]["severity"] == "soft"
    assert all(rule["says"].endswith(".") for rule in rules)
    assert "repeated_words" not in str(describe_style(styles["concise"])["rules"])
