"""Texts that tell nothing of their picture are held for a person, unless told otherwise."""

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.queue.worker import hold_rules_from_settings
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult

from testing.catalogue import BackfillCommand, read_csv
from testing.servers.altwright import Altwright
from tests.vision import drawn

GENERIC = "A subject in red and white on a plain white background."
ROW = Row("1", "https://images.example.com/1.jpg")


def decide(rules: HoldRules, *texts: TextResult) -> Outcome:
    return OutcomeRules(CaptionOptions(), rules).decide(ROW, RequestResult(texts))


def test_a_generic_text_is_held_and_its_draft_kept() -> None:
    text = TextResult("concise", "en", GENERIC, warnings=("generic",))
    outcome = decide(HoldRules(), text)
    assert outcome.alt_source is AltSource.UNCERTAIN
    assert outcome.is_held
    assert outcome.draft == GENERIC
    assert "tells this picture from others" in outcome.reasons[0]


def test_one_generic_text_of_several_holds_the_row() -> None:
    good = TextResult("concise", "en", "A mug with a harbour on it.")
    generic = TextResult("concise", "de", "Ein Motiv in Rot.", warnings=("generic",))
    assert decide(HoldRules(), good, generic).is_held


def test_it_is_written_where_the_run_says_so_and_other_warnings_hold_nothing() -> None:
    generic = TextResult("concise", "en", GENERIC, warnings=("generic",))
    assert decide(HoldRules.parse(generic=False), generic).alt_source is AltSource.AI
    short = TextResult("concise", "en", "A red mug.", warnings=("short",))
    assert decide(HoldRules(), short).alt_source is AltSource.AI


@pytest.mark.parametrize("rules", [HoldRules(), HoldRules.parse(generic=False)])
def test_workers_read_the_rule_from_the_run(rules: HoldRules) -> None:
    assert hold_rules_from_settings({"rules": rules.to_settings()}) == rules


def test_the_settings_of_a_run_without_options_are_those_of_an_older_version() -> None:
    """Otherwise its journal would belong to another run."""
    assert set(HoldRules().to_settings()) == {"sets", "columns", "patterns", "locales"}


def test_the_option_writes_what_an_earlier_run_has_held_without_a_request(
    command: BackfillCommand, altwright: Altwright
) -> None:
    """With the embedded captioner, which recognises nothing in a drawn scene."""
    pictures = command.folder / "pictures"
    pictures.mkdir()
    drawn.bands().save(pictures / "bands.png")
    arguments = ("pictures", "--to", "alt.csv")
    for options, source, url in (
        ((), "uncertain", altwright.url),
        (("--write-generic",), "ai", "http://127.0.0.1:9"),  # where nothing answers
    ):
        command.run_json(*arguments, *options, ALTWRIGHT_URL=url)
        [row] = read_csv(command.folder / "alt.csv")
        assert row["alt_source"] == source
