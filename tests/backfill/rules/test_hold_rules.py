"""Hold rules: what is held for review, and what is not."""

import json
from pathlib import Path

import pytest
from altwright import UsageError
from altwright.backfill.rules.hold_rules import HOLD_SETS, HoldRules, find_hold_reasons
from altwright.backfill.rules.hold_words import KNOWN_LANGUAGES
from altwright.backfill.types import Row

LOCALES = Path(__file__).parents[3] / "app/validation/locales"
MUG = {("concise", "en"): "A white mug on a wooden table."}


def row(context: str = "", **more: object) -> Row:
    """A row with a context and other fields."""
    return Row("1", "https://images.example.com/1.jpg", context, **more)  # type: ignore[arg-type]


def test_without_rules_nothing_is_held() -> None:
    assert find_hold_reasons(row("Dr. Ana Kovač examines an X-ray"), MUG, HoldRules()) == ()


@pytest.mark.parametrize(
    ("name", "context", "found"),
    [
        ("medical", "Chest X-ray of a smoker", "X-ray"),
        ("medical", "Wundheilung nach der Operation", "Wundheilung"),
        ("medical", "Ecografía de la semana 12", "Ecografía"),
        ("medical", "CT-scan before treatment", "CT-scan"),
        ("legal", "Signed contract, page 3", "contract"),
        ("legal", "Copy of a passport", "passport"),
        ("legal", "Presuda Vrhovnog suda", "Presuda"),
        ("people", "Mayor Jovanović opens the bridge", "Mayor Jovanović"),
        ("people", "The winner, Maria van der Berg, on stage", "Maria van der Berg"),
        ("people", "From left: Okafor and Lindqvist", "From left: Okafor"),
        ("people", "Interview with Zendaya", "Interview with Zendaya"),
    ],
)
def test_a_hold_set_holds_its_subject(name: str, context: str, found: str) -> None:
    [reason] = find_hold_reasons(row(context), MUG, HoldRules.parse([name]))
    assert reason.startswith(f"{name}: ")
    assert found[:30] in reason


@pytest.mark.parametrize(
    "context",
    [
        "Mug, 350 ml, dishwasher safe",
        "Patent leather pump in black, size 38",
        "Harbour in the morning, Rovinj",
        "Wooden chair by a window, Oak Street collection",
        "Miss you card with an envelope",
        "Operational costs fell in April",
        "New York skyline, print on canvas",
        "Hospitality trade fair, hall 4",
    ],
)
def test_no_set_holds_ordinary_goods(context: str) -> None:
    """A set that holds most rows would not be used."""
    assert find_hold_reasons(row(context), MUG, HoldRules.parse(HOLD_SETS)) == ()


def test_a_medical_caption_is_held() -> None:
    captions = {("concise", "en"): "An ultrasound image on a monitor."}
    assert find_hold_reasons(row("Product 4711"), captions, HoldRules.parse(["medical"])) == (
        "medical: ultrasound",
    )


def test_file_names_and_tags_are_searched() -> None:
    rules = HoldRules.parse(["medical"])
    assert find_hold_reasons(row(file_name="IMG_mri_scan_2.jpg"), MUG, rules) == (
        "medical: mri_scan",
    )
    assert find_hold_reasons(row(tags=("melanoma",)), MUG, rules) == ("medical: melanoma",)


def test_a_filled_column_for_people_is_held() -> None:
    rules = HoldRules.parse(["people"])
    assert find_hold_reasons(row(values={"Person": "minister, unnamed"}), MUG, rules)
    assert not find_hold_reasons(row(values={"person": "  "}), MUG, rules)


def test_a_column_holds_by_value_or_by_being_filled() -> None:
    rules = HoldRules.parse(columns=["category=Medical, legal", "embargo"])
    assert find_hold_reasons(row(values={"category": "shoes, MEDICAL"}), MUG, rules) == (
        "column category: shoes, MEDICAL",
    )
    assert find_hold_reasons(row(values={"category": "shoes", "embargo": "2027"}), MUG, rules) == (
        "column embargo: 2027",
    )
    assert find_hold_reasons(row(values={"category": "medical devices"}), MUG, rules) == ()
    assert rules.missing_columns(["category", "alt"]) == ("embargo",)


def test_a_pattern_ignores_case() -> None:
    rules = HoldRules.parse(patterns=[r"\bminors?\b"])
    assert find_hold_reasons(row("Two Minors at school"), MUG, rules) == (
        r"pattern \bminors?\b: Minors",
    )
    assert find_hold_reasons(row("A minority shareholder"), MUG, rules) == ()


def test_locales_are_held_by_language_or_exact_tag() -> None:
    captions = {("concise", "en"): "A mug.", ("concise", "pt-BR"): "Uma caneca."}
    assert find_hold_reasons(row(), captions, HoldRules.parse(locales=["pt"])) == (
        "language pt-BR",
    )
    assert find_hold_reasons(row(), captions, HoldRules.parse(locales=["pt-PT"])) == ()
    assert find_hold_reasons(
        row(), {("seo", "is"): "Hvítur bolli."}, HoldRules.parse(["locales"])
    ) == ("locales: is",)


def test_the_known_languages_are_those_that_the_server_has_rules_for() -> None:
    have = {path.stem for path in LOCALES.glob("*.toml")}
    assert have <= KNOWN_LANGUAGES
    assert KNOWN_LANGUAGES - have == {"no"}  # written nb


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sets": ["dental"]}, "no hold set 'dental'"),
        ({"patterns": ["("]}, "not a regular expression"),
        ({"patterns": ["x*"]}, "matches everything"),
        ({"columns": ["=medical"]}, "names no column"),
    ],
)
def test_an_invalid_rule_is_refused(wrong: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        HoldRules.parse(**wrong)


def test_rules_are_stored_as_json() -> None:
    rules = HoldRules.parse(["people"], ["category=medical"], ["x+"], ["sl"])
    written = json.loads(json.dumps(rules.to_settings()))
    assert written == {
        "sets": ["people"],
        "columns": [["category", ["medical"]]],
        "patterns": ["x+"],
        "locales": ["sl"],
    }
