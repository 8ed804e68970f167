"""Texts that their picture contradicts are held for a person, with the reason."""

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.types import AltSource, RequestResult, Row, TextResult

ROW = Row("1", "https://images.example.com/1.jpg")


@pytest.mark.parametrize(
    "code", ["text_not_in_picture", "colour_not_in_picture", "subject_disputed"]
)
def test_a_contradicted_text_is_held_and_its_draft_kept(code: str) -> None:
    """Also where another text of the row is the contradicted one."""
    good = TextResult("concise", "en", "A red mug on a table.")
    lie = TextResult("concise", "de", "Ein grüner Becher.", warnings=("short", code))
    for texts in ((good, lie), (lie, good)):
        outcome = OutcomeRules(CaptionOptions(), HoldRules(generic=False)).decide(
            ROW, RequestResult(texts)
        )
        assert outcome.alt_source is AltSource.UNCERTAIN
        assert outcome.is_held
        assert outcome.draft == texts[0].text
        assert outcome.reasons[0].startswith(f"held: {code}: the picture ")
