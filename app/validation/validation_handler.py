"""Validation in a child process: the handler `validate_job` of `validation_pool`.

The child has no language identifier, which would take 70 MB: the server process checks the language
of what comes back (`verdict.check_language`).
"""

import io
import json
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from app.types import Draft, Style
from app.validation.languages import load_languages
from app.validation.outcome import Outcome
from app.validation.verdict import Verdict, Violation, validate_draft
from app.validation.warm_up import compile_patterns
from app.workers.handler import JsonValue, Reserve

HANDLER = "validate"
_STRICT_STYLE = Style(
    name="warm-up",
    purpose="",
    prompt="",
    min_chars=8,
    aim_chars=100,
    max_chars=160,
    warn_over_chars=125,
    min_sentences=1,
    max_sentences=2,
    max_word_repeats=2,
    uses_keywords=True,
    banned=("chalk",),
    version="",
    instructions=("Answer with the caption alone.",),
)
"""With every rule that a style may ask for."""
_WARM_UP_TEXTS = (
    "A brown dog runs along a beach of chalk. Behind it a cliff rises into a cloudless sky. " * 9,
    "**Alt text:** &quot;Image of a dog&quot; <b>by Ana</b> https://a.example/x.jpg #dog 1. 2.",
    '<think>So</think> {"alt_text": "Ein Hund \\u00e4"}',
    "I'm sorry, I can't help with that. UNCERTAIN",
    "DECORATIVE",
    "[img-0] user Describe it. assistant “A red disc”\\n(100,200),(300,400) \\u00e9 2.",
    "A red disc \\ud83d\\ude00 \\ud83d on a table. assistant",
    "| A | B |\n|---|---|\n| `a` | {'caption': 'A disc'} |\n```json\naddCriterion\n```",
)
_OUTCOMES: dict[str, Outcome] = {
    "caption": "caption",
    "decorative": "decorative",
    "uncertain": "uncertain",
    "refused": "refused",
}


def encode_job(draft: Draft, style: Style, options: dict[str, JsonValue]) -> bytes:
    """The input of one job. `options` are further arguments of `validate_draft`."""
    job = {
        "draft": asdict(replace(draft, price=None, earlier_uses=())),
        "style": asdict(style),
        "options": options,
    }
    # A draft may have lone surrogates, which JSON can escape and UTF-8 cannot encode.
    return json.dumps(job).encode("ascii")


def validate_job(
    data: BinaryIO, _args: dict[str, Any], _reserve: Reserve
) -> tuple[dict[str, Any], bytes]:
    """The handler of the child process: what `encode_job` made in, the verdict out."""
    job = json.loads(data.read())
    style: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in job["style"].items()
    }
    verdict = validate_draft(
        Draft(**job["draft"]), style=Style(**style), identifies_language=False, **job["options"]
    )
    # As bytes: a caption in JSON may be longer than the facts of a job.
    return {}, json.dumps(asdict(verdict)).encode("ascii")


def decode_verdict(result: bytes) -> Verdict:
    """The verdict that a child process sent. Raises ValueError, KeyError or TypeError."""
    fields = json.loads(result)
    return Verdict(
        _OUTCOMES[fields["outcome"]],
        str(fields["caption"]),
        tuple(Violation(str(one["code"]), str(one["reason"])) for one in fields["violations"]),
        tuple(str(code) for code in fields["warnings"]),
        truncated=bool(fields["truncated"]),
        is_search_query=bool(fields["is_search_query"]),
    )


def warm_up() -> None:
    """Load every language and run every rule: a confined child process cannot open a file later."""
    compile_patterns(load_languages())
    for locale in ("en", "de", "ja", "xx"):
        for text in _WARM_UP_TEXTS:
            job = encode_job(
                Draft(text, "m"),
                _STRICT_STYLE,
                {"locale": locale, "max_tokens": 16, "visible_text": "A dog"},
            )
            validate_job(io.BytesIO(job), {}, lambda *_: None)
