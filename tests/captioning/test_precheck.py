"""The precheck: which images reach the model."""

import pytest

from app.captioning.captioner import Captioner, DraftRequest, RejectedDraft
from app.captioning.errors import CaptionUncertain, DeadlineExceeded
from app.captioning.precheck import PrecheckingCaptioner
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage
from tests.captioning.draft_requests import draft


class ScriptedCaptioner(Captioner):
    """Gives one draft, or raises one error, each time."""

    def __init__(self, name: str, outcome: str | CaptionError | Draft) -> None:
        self.name = name
        self.outcome = outcome
        self.calls = 0

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        self.calls += 1
        if isinstance(self.outcome, CaptionError):
            raise self.outcome
        if isinstance(self.outcome, Draft):
            return self.outcome
        return Draft(self.outcome, self.name)


@pytest.mark.parametrize("text", ["DECORATIVE", "UNCERTAIN"])
async def test_an_image_that_is_not_worth_describing_does_not_reach_the_model(text: str) -> None:
    """The embedded captioner's draft is final."""
    model = ScriptedCaptioner("a-model", "A mug.")
    prechecking = PrecheckingCaptioner(model, ScriptedCaptioner("embedded", text))
    assert await draft(prechecking) == Draft(text, "embedded")
    assert model.calls == 0


@pytest.mark.parametrize("text", ["DECORATIVE", "UNCERTAIN"])
async def test_an_image_whose_text_could_not_be_read_reaches_the_model(text: str) -> None:
    """A word would make it describable."""
    embedded = ScriptedCaptioner("embedded", Draft(text, "embedded", is_complete=False))
    prechecking = PrecheckingCaptioner(ScriptedCaptioner("a-model", "A mug."), embedded)
    assert await draft(prechecking) == Draft("A mug.", "a-model")


@pytest.mark.parametrize(
    "outcome", ["A round blue object.", CaptionUncertain("no phrases"), DeadlineExceeded()]
)
async def test_the_model_describes_other_images(outcome: str | CaptionError) -> None:
    """Also where the embedded captioner fails."""
    model = ScriptedCaptioner("a-model", "A mug.")
    prechecking = PrecheckingCaptioner(model, ScriptedCaptioner("embedded", outcome))
    assert prechecking.name == "a-model"
    assert await draft(prechecking) == Draft("A mug.", "a-model")


async def test_a_second_draft_is_not_prechecked() -> None:
    """The first one passed."""
    embedded = ScriptedCaptioner("embedded", "DECORATIVE")
    prechecking = PrecheckingCaptioner(ScriptedCaptioner("a-model", "A mug."), embedded)
    rejected = RejectedDraft("A photo of a mug.", ("It begins with an opener.",))
    assert (await draft(prechecking, rejected=rejected)).text == "A mug."
    assert embedded.calls == 0
