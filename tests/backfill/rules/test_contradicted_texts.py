"""Texts that their picture contradicts are held for a person, with the reason."""

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.request_item import RequestedTexts, RequestItem
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.caption_request import build_caption_request
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.types import AltSource, RequestResult, Row, TextResult
from altwright.errors import CaptionRejected, Reason
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


def test_a_draft_that_was_rejected_for_its_picture_keeps_what_was_seen() -> None:
    """By a server with VERIFY=enforce: the draft and the reason wait for a person."""
    problem = CaptionRejected(
        "Two drafts broke the rules.",
        status=422,
        code="caption_rejected",
        draft="A red sign.",
        reasons=[
            Reason(
                "colour_not_in_picture", 'The picture does not show "red": its colours are blue.'
            ),
            Reason("opener", "It begins with an opener."),
        ],
    )
    item = RequestItem(PendingRequest("k", ROW, 1, None), CaptionOptions())
    item.add_problem(RequestedTexts(("concise",), ("en",)), problem)
    outcome = OutcomeRules(CaptionOptions()).decide(ROW, item.to_result())
    assert (outcome.alt_source, outcome.draft) == (AltSource.REJECTED, "A red sign.")
    assert outcome.reasons == (
        "caption_rejected",
        'colour_not_in_picture: The picture does not show "red": its colours are blue.',
        "opener",
    )


@pytest.mark.parametrize("verify", [True, False, None])
def test_the_choice_is_sent_with_each_request(verify: bool | None) -> None:
    """None leaves it to the server."""
    options = CaptionOptions(("concise", "seo"), verify=verify)
    for styles in (("concise",), ("concise", "seo")):
        _, sent = build_caption_request(ROW, RequestedTexts(styles, ("en",)), options)
        assert sent["verify"] is verify
