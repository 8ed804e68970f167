"""Bodies become requests for the pipeline; results become responses."""

from app.api.request_schemas import CaptionsBody
from app.api.response_schemas import CaptionResponse, CaptionsResponse, FailedResult
from app.captioning.errors import CaptionUncertain
from app.types import Caption, SourceFacts

SOURCE = SourceFacts(width_px=40, height_px=30, format="jpeg", bytes=9, sha256="0" * 64)


def create_caption(style: str, locale: str) -> Caption:
    return Caption(
        text="Two cats sleep on a red sofa.",
        style=style,
        locale=locale,
        decorative=False,
        truncated=False,
        warnings=(),
        model="m",
        input_tokens=None,
        output_tokens=None,
        source=SOURCE,
        sent_width_px=40,
        sent_height_px=30,
    )


def test_styles_and_locales_become_requests_styles_outer_locales_inner() -> None:
    body = CaptionsBody(image_url="https://a.example/b.jpg", styles=["seo", "concise"],
                        locales=["en", "de"])  # fmt: skip
    requests = body.caption_requests("shop")
    assert [(request.style, request.locale) for request in requests] == [
        ("seo", "en"), ("seo", "de"), ("concise", "en"), ("concise", "de"),
    ]  # fmt: skip
    assert {request.caller for request in requests} == {"shop"}


def test_a_caption_that_failed_is_a_problem_beside_the_others() -> None:
    body = CaptionsBody(image_url="https://a.example/b.jpg", styles=["seo", "concise"])
    requests = body.caption_requests("shop")
    response = CaptionsResponse.from_results(
        requests, [create_caption("seo", "en"), CaptionUncertain()], {"row": "7"}, "r-1"
    )
    caption, failed = response.results
    assert isinstance(caption, CaptionResponse)
    assert (caption.style, caption.metadata) == ("seo", {"row": "7"})
    assert isinstance(failed, FailedResult)
    assert (failed.style, failed.problem["code"]) == ("concise", "caption_uncertain")
    assert failed.problem["request_id"] == "r-1"
