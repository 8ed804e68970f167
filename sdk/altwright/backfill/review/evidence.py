"""What the server saw in a picture, beside the texts that it was asked about.

The claims of a row's texts, grouped by the evidence that they were judged by. A colour of the
picture becomes a swatch only if it is exactly a name, a hex code and a share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from altwright.backfill.types import TextResult

_SWATCH = re.compile(r"([a-z]+(?:[ -][a-z]+)?) (#[0-9a-f]{6}) (\d{1,3}) %")
_VERDICTS = ("contradicted", "unknown", "confirmed")
"""In the order of the page."""


@dataclass(frozen=True, slots=True)
class EvidenceGroup:
    """Claims that were judged by the same evidence. The page's scripts read these field names."""

    of: str
    """`seo, en` if they are claims of a further text; empty for the alt text."""
    kind: str
    """`text`, `colour` or `subject`."""
    claims: tuple[tuple[str, str], ...]
    """Claim and verdict, the contradicted ones first."""
    seen: str
    """What was read or recognised; empty if nothing was, and for colours."""
    swatches: tuple[tuple[str, str, int], ...]
    """Colours of the picture: name, hex code, and percent of it."""


def group_evidence(texts: Sequence[TextResult]) -> tuple[EvidenceGroup, ...]:
    """The evidence about a row's texts, groups with a contradicted claim first."""
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for index, text in enumerate(texts):
        of = f"{text.style}, {text.locale}" if index else ""
        for check in text.checks:
            claims = found.setdefault((of, check.kind, check.seen or ""), [])
            claims.append((check.claim, check.verdict))
    groups = [_make_group(*key, claims) for key, claims in found.items()]
    return tuple(sorted(groups, key=lambda group: _rank(group.claims[0][1])))


def _make_group(of: str, kind: str, seen: str, claims: list[tuple[str, str]]) -> EvidenceGroup:
    ordered = tuple(sorted(dict.fromkeys(claims), key=lambda claim: _rank(claim[1])))
    is_colour = kind == "colour"
    swatches = [(m[1], m[2], min(int(m[3]), 100)) for m in _SWATCH.finditer(seen)]
    return EvidenceGroup(
        of, kind, ordered, "" if is_colour else seen, tuple(swatches if is_colour else ())
    )


def _rank(verdict: str) -> int:
    return _VERDICTS.index(verdict) if verdict in _VERDICTS else len(_VERDICTS)
