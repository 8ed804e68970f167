"""Schemas of response bodies. The contract made from them is openapi/openapi.json."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.config import JsonDict

from app.api.problems import problem_body
from app.drafting import SMALL_SOURCE
from app.errors import CaptionError
from app.pipeline import KEYWORDS_UNUSED
from app.types import Caption, CaptionRequest, Check, CheckKind, CheckVerdict
from app.usage.report import UsageReport
from app.validation.rules import RULES
from app.validation.verdict import Verdict
from app.verification.verifier import VERIFICATION_CODES

_SOFT_CODES = [rule.code for rule in RULES if rule.severity == "soft"]
_VERIFICATION_CODES = list(VERIFICATION_CODES.values())
UsageStoreState = Literal["memory", "up", "down"]


def _open_enum(values: Iterable[str]) -> WithJsonSchema:
    """A string with the values that there are now. Later versions may add some.

    A generated client with a closed enumeration fails at the first value that it does not know.
    """
    return WithJsonSchema({"type": "string", "x-extensible-enum": list(values)})


SoftCode = Annotated[str, _open_enum([*_SOFT_CODES, *_VERIFICATION_CODES])]
WarningCode = Annotated[
    str, _open_enum([*_SOFT_CODES, SMALL_SOURCE, KEYWORDS_UNUSED, *_VERIFICATION_CODES])
]
_EXAMPLE_RESPONSE: JsonDict = {
    "caption": "White ceramic mug with a blue rim on a plain white background.",
    "style": "concise",
    "locale": "en",
    "decorative": False,
    "truncated": False,
    "warnings": [],
    "checks": [
        {"kind": "colour", "claim": "white", "verdict": "confirmed", "seen": "white #f6f5f2 71 %"}
    ],
    "model": "qwen3-vl:8b",
    "usage": {"input_tokens": 1134, "output_tokens": 15},
    "image": {
        "width": 4000,
        "height": 3000,
        "format": "jpeg",
        "bytes": 2914402,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sent_width": 1000,
        "sent_height": 750,
    },
    "metadata": {"row": "17000"},
}


class CheckResult(BaseModel):
    """What the picture says to one claim of a caption."""

    kind: Annotated[CheckKind, _open_enum(get_args(CheckKind))]
    claim: str = Field(description="The words of the caption; of a quotation its text.")
    verdict: CheckVerdict = Field(
        description="`unknown` where the picture neither confirms nor surely denies it."
    )
    seen: str | None = Field(
        description="What was surely seen of this kind: the text that was read; the largest "
        "colours, each as `name #rrggbb share %`; English names of things. Null where nothing was."
    )

    @classmethod
    def from_checks(cls, checks: Sequence[Check] | None) -> list[Self] | None:
        """The results in the order of the caption; None where nothing was verified."""
        if checks is None:
            return None
        return [cls(kind=c.kind, claim=c.claim, verdict=c.verdict, seen=c.seen) for c in checks]


_CHECKS_DESCRIPTION = "The claims of the text, each held against the picture; null where none was."


class Usage(BaseModel):
    """Tokens as the model server counted them; null where unknown."""

    input_tokens: int | None
    output_tokens: int | None


class ImageFacts(BaseModel):
    """The source image, upright, and the size of what the model saw of it."""

    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    format: str
    bytes: int
    sha256: str
    sent_width: int = Field(description="Pixels.")
    sent_height: int = Field(description="Pixels.")


class CaptionResponse(BaseModel):
    """One caption that obeys every hard rule of its style."""

    caption: str = Field(description='The caption; `""` only where `decorative` is true.')
    style: str
    locale: str
    decorative: bool = Field(description='The image carries no information: write `alt=""`.')
    truncated: bool = Field(
        description="`max_tokens` cut the caption off. It ends at a whole sentence or word."
    )
    warnings: list[WarningCode] = Field(
        description="Codes of soft rules that the caption breaks; `generic` where it is a "
        "placeholder that tells this image from no other, `small_source` where the image was too "
        "small, too narrow or too tall to be seen well, `keywords_unused` where keywords were sent "
        "and no style of the request uses them, and the codes of what the picture "
        "contradicts."
    )
    checks: list[CheckResult] | None = Field(description=_CHECKS_DESCRIPTION)
    model: str = Field(
        description="The model that its server says has answered (an alias is resolved), else "
        "the configured name; `embedded` for the embedded captioner."
    )
    usage: Usage
    image: ImageFacts
    metadata: dict[str, str]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE_RESPONSE]})

    @classmethod
    def from_caption(cls, caption: Caption, metadata: dict[str, str]) -> Self:
        """The response for a caption."""
        return cls(
            caption=caption.text,
            style=caption.style,
            locale=caption.locale,
            decorative=caption.decorative,
            truncated=caption.truncated,
            warnings=list(caption.warnings),
            checks=CheckResult.from_checks(caption.checks),
            model=caption.answering_model,
            usage=Usage(input_tokens=caption.input_tokens, output_tokens=caption.output_tokens),
            image=ImageFacts(
                width=caption.source.width_px,
                height=caption.source.height_px,
                format=caption.source.format,
                bytes=caption.source.bytes,
                sha256=caption.source.sha256,
                sent_width=caption.sent_width_px,
                sent_height=caption.sent_height_px,
            ),
            metadata=metadata,
        )


class FailedResult(BaseModel):
    """One of several captions that failed. The others are not lost."""

    style: str
    locale: str
    problem: dict[str, Any]

    @classmethod
    def from_error(
        cls, request: CaptionRequest, error: CaptionError, request_id: str, root_path: str
    ) -> Self:
        """The result for a caption that failed."""
        problem = problem_body(error, request_id, root_path)
        return cls(style=request.style, locale=request.locale, problem=problem)


class CaptionsResponse(BaseModel):
    """The results in the order of the request: styles outer, locales inner."""

    results: list[CaptionResponse | FailedResult]

    @classmethod
    def from_results(
        cls,
        requests: Sequence[CaptionRequest],
        results: Sequence[Caption | CaptionError],
        metadata: dict[str, str],
        request_id: str,
        root_path: str = "",
    ) -> Self:
        """The response for the results of these requests."""
        return cls(
            results=[
                CaptionResponse.from_caption(result, metadata)
                if isinstance(result, Caption)
                else FailedResult.from_error(request, result, request_id, root_path)
                for request, result in zip(requests, results, strict=True)
            ]
        )


class CheckResponse(BaseModel):
    """The rules that a text breaks."""

    ok: bool = Field(description="No hard rule is broken.")
    caption: str = Field(description="The text after cleaning.")
    hard: list[str] = Field(description="Codes of the hard rules that it breaks.")
    soft: list[SoftCode] = Field(description="Codes of the soft rules that it breaks.")
    checks: list[CheckResult] | None = Field(description=_CHECKS_DESCRIPTION)

    @classmethod
    def from_verdict(cls, verdict: Verdict, checks: Sequence[Check] | None) -> Self:
        """The response for the verdict on a text."""
        return cls(
            ok=verdict.is_valid,
            caption=verdict.caption,
            hard=[violation.code for violation in verdict.violations],
            soft=list(verdict.warnings),
            checks=CheckResult.from_checks(checks),
        )


class UsagePeriod(BaseModel):
    """A calendar month in UTC."""

    start: datetime
    end: datetime = Field(description="The first moment of the next month.")


class Cost(BaseModel):
    """What tokens cost by the prices that the operator named."""

    currency: str = Field(examples=["USD"])
    amount: float


class Quota(BaseModel):
    """How many captions the key may get in this month."""

    limit: int
    remaining: int
    resets_at: datetime


class UnknownUsage(BaseModel):
    """Captions with a draft of which something is not known, and so in no sum."""

    tokens: int = Field(description="The model's server did not tell its tokens.")
    cost: int = Field(description="Its tokens are not known, or the operator named no price.")


class UsageResponse(BaseModel):
    """What one key used in one month. No number is an estimate."""

    key: str = Field(description="The name of the key; `anonymous` for callers without one.")
    period: UsagePeriod
    requests: int = Field(description="To the caption routes, refused ones included.")
    captions: dict[str, int] = Field(
        description="By outcome: `caption`, `decorative`, each code of a problem, and "
        "`client_gone`.",
        examples=[{"caption": 8904, "decorative": 120, "image_not_found": 31}],
    )
    input_tokens: int
    output_tokens: int
    cost: Cost | None = Field(
        description="null where no tokens with a price were used, or prices have several "
        "currencies."
    )
    quota: Quota | None = Field(
        description="null where the key has none, and for other months than the current one. "
        "Delivered captions count, decorative ones included."
    )
    unknown: UnknownUsage

    @classmethod
    def from_report(cls, report: UsageReport, quota: int | None) -> Self:
        """The response for a report. `quota` is that of the current month, if it has one."""
        costs = [Cost(currency=name, amount=float(n)) for name, n in report.costs.items()]
        return cls(
            key=report.key_name,
            period=UsagePeriod(start=report.month.start, end=report.month.end),
            requests=report.requests,
            captions=dict(report.captions),
            input_tokens=report.input_tokens,
            output_tokens=report.output_tokens,
            cost=costs[0] if len(costs) == 1 else None,
            quota=None
            if quota is None
            else Quota(
                limit=quota,
                remaining=max(0, quota - report.delivered),
                resets_at=report.month.end,
            ),
            unknown=UnknownUsage(tokens=report.unknown_tokens, cost=report.unknown_cost),
        )


class StyleLimits(BaseModel):
    """Lengths of a style's captions; null where there is no limit."""

    min_chars: int
    aim_chars: int = Field(description="The length that the model is asked for.")
    max_chars: int
    warn_over_chars: int | None = Field(description="Longer: `long_for_screen_readers`.")
    min_sentences: int
    max_sentences: int
    max_word_repeats: int | None = Field(description="How often a content word may occur.")


class StyleRule(BaseModel):
    """A rule that a style's captions keep."""

    name: str = Field(description="The code in `hard`, `soft`, `warnings` and `reasons`.")
    severity: Literal["hard", "soft"]
    says: str
    source: str = Field(description="Where the rule comes from.")


class StyleDescription(BaseModel):
    """A style, and what its captions keep to."""

    name: str
    purpose: str = Field(description="Who reads the text, and where.")
    limits: StyleLimits
    uses_keywords: bool
    rules: list[StyleRule]


class PriceOfTokens(BaseModel):
    """What a million tokens of a model cost, by the operator's setting."""

    input: float
    output: float
    currency: str = Field(examples=["USD"])


class ExpectedTokens(BaseModel):
    """What a picture is expected to take of the first model. An estimate, not a count."""

    model: str = Field(description="As it is configured; `embedded` for the built-in one.")
    image_width: int = Field(description="Of a picture of 4:3 in the size that the model gets.")
    image_height: int
    image_tokens: int | None = Field(
        description="By the formula of the model's provider, without the instructions (some 250). "
        "null where no formula is known."
    )
    thinks: bool = Field(
        description="Its provider documents that it thinks before it writes, and the operator has "
        "not switched that off: each token of it is paid as output."
    )
    price: PriceOfTokens | None


class StylesResponse(BaseModel):
    """Every style that this server accepts, and what a picture is expected to take."""

    styles: list[StyleDescription]
    expected: ExpectedTokens


class Readiness(BaseModel):
    """Whether this server should get new captions."""

    status: str
    captioners: dict[str, str] = Field(description="The state of each captioner's circuit breaker.")
    usage_store: Annotated[UsageStoreState, _open_enum(get_args(UsageStoreState))] = Field(
        description="`down`: it does not respond, and keys with a quota are refused meanwhile. "
        "`status` does not depend on it."
    )


class Liveness(BaseModel):
    """The process responds."""

    status: Literal["ok"]
