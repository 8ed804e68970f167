"""Texts that their picture contradicts are held for a person, with the reason."""

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.types import AltSource, RequestResult, Row, TextResult
from altwright.models import Check

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


def test_the_reason_names_the_contradicted_claims() -> None:
    """Those of this kind, shortened; a rejected draft's reason says what was seen."""
    checks = (
        Check("text", "CLOSED", "contradicted", "OPEN"),
        Check("text", "OPEN", "confirmed", "OPEN"),
        Check("colour", "red", "contradicted"),
    )
    lie = TextResult("concise", "en", "A sign.", warnings=("text_not_in_picture",), checks=checks)
    outcome = OutcomeRules(CaptionOptions()).decide(ROW, RequestResult((lie,)))
    assert outcome.reasons == (
        "held: text_not_in_picture: the picture has other text than it quotes (“CLOSED”)",
    )
