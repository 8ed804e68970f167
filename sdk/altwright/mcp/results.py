"""What the tools answer: the fields of the SDK's models that an agent has a use for."""

from __future__ import annotations

from pydantic import BaseModel, Field

from altwright.models import Caption, Check, Verdict


class Claim(BaseModel):
    """A claim of a text, held against the picture."""

    kind: str
    claim: str
    verdict: str = Field(description="confirmed, contradicted or unknown")
    seen: str | None = Field(description="What was surely seen of this kind.")


class CaptionAnswer(BaseModel):
    """A caption that obeys every hard rule of its style, ready to store."""

    caption: str = Field(description="Empty where `decorative` is true.")
    decorative: bool = Field(description='The picture carries no information: write alt="".')
    style: str
    locale: str
    truncated: bool
    warnings: list[str] = Field(
        description="Codes of soft rules that it breaks; `generic` is a placeholder."
    )
    checks: list[Claim] | None = Field(description="Null where nothing was verified.")
    model: str

    @classmethod
    def from_caption(cls, caption: Caption) -> CaptionAnswer:
        """The answer for a caption."""
        return cls(
            caption=caption.caption,
            decorative=caption.decorative,
            style=caption.style,
            locale=caption.locale,
            truncated=caption.truncated,
            warnings=list(caption.warnings),
            checks=_claims(caption.checks),
            model=caption.model,
        )


class CheckAnswer(BaseModel):
    """The rules that a text breaks."""

    ok: bool = Field(description="No hard rule is broken.")
    caption: str = Field(description="The text after cleaning.")
    hard: list[str]
    soft: list[str]
    checks: list[Claim] | None = Field(description="Null where there was no picture.")

    @classmethod
    def from_verdict(cls, verdict: Verdict) -> CheckAnswer:
        """The answer for a verdict."""
        return cls(
            ok=verdict.ok,
            caption=verdict.caption,
            hard=list(verdict.hard),
            soft=list(verdict.soft),
            checks=_claims(verdict.checks),
        )


def _claims(checks: tuple[Check, ...] | None) -> list[Claim] | None:
    if checks is None:
        return None
    return [Claim(kind=c.kind, claim=c.claim, verdict=c.verdict, seen=c.seen) for c in checks]
