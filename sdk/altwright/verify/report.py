"""What was found, as values, as a file to compare with, and as lines for people."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altwright.errors import UsageError

VERSION = 1
"""Of the saved file."""
_SHOWN = 20
"""Violations of one page that are told one by one."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One element that breaks one rule."""

    rule: str
    target: str
    """A CSS selector that finds it; frames and shadow roots are joined by ` >>> `."""
    html: str
    """The beginning of the element."""


@dataclass(frozen=True, slots=True)
class Images:
    """The `<img>` of a page and of its frames of the same origin."""

    described: int = 0
    """With an alt text."""
    empty: int = 0
    """`alt=""`: passed by, as decorative."""
    missing: int = 0
    """No alt attribute at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One page."""

    url: str
    images: Images = field(default_factory=Images)
    violations: tuple[Violation, ...] = ()
    problem: str = ""
    """Why it could not be looked at; empty where it was."""


@dataclass(frozen=True, slots=True)
class Report:
    """All pages of one run."""

    engine: str
    """axe-core's version."""
    findings: tuple[Finding, ...]

    @property
    def violations(self) -> int:
        """Of all pages and rules."""
        return sum(len(each.violations) for each in self.findings)

    @property
    def problems(self) -> int:
        """Pages that could not be looked at."""
        return sum(bool(each.problem) for each in self.findings)

    @property
    def by_rule(self) -> Mapping[str, int]:
        """How many elements break which rule."""
        return Counter(each.rule for page in self.findings for each in page.violations)

    @property
    def images(self) -> Images:
        """Of all pages together."""
        return Images(
            described=sum(each.images.described for each in self.findings),
            empty=sum(each.images.empty for each in self.findings),
            missing=sum(each.images.missing for each in self.findings),
        )

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "version": VERSION,
            "engine": self.engine,
            "pages": len(self.findings),
            "violations": self.violations,
            "problems": self.problems,
            "by_rule": dict(sorted(self.by_rule.items())),
            "images": dataclasses.asdict(self.images),
            "findings": [dataclasses.asdict(each) for each in self.findings],
        }


def read(path: Path) -> Report:
    """A report that was saved. Raises UsageError with one sentence."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise UsageError(f"{path} was saved by another version of altwright.")
        findings = tuple(
            Finding(
                url=str(each["url"]),
                images=Images(**each["images"]),
                violations=tuple(Violation(**one) for one in each["violations"]),
                problem=str(each["problem"]),
            )
            for each in data["findings"]
        )
        return Report(engine=str(data["engine"]), findings=findings)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is no report of altwright verify.") from None


def page_lines(finding: Finding) -> Iterator[str]:
    """What to say of a page when it has been looked at."""
    if finding.problem:
        yield f"{finding.url}: {finding.problem}"
        return
    images = finding.images
    total = images.described + images.empty + images.missing
    broken = ", ".join(
        f"{rule} {count}"
        for rule, count in Counter(each.rule for each in finding.violations).most_common()
    )
    yield (
        f"{finding.url}: {broken or 'nothing to mend'}; {total} img "
        f"({images.described} described, {images.empty} empty, {images.missing} without alt)"
    )
    for each in finding.violations[:_SHOWN]:
        yield f"    {each.rule}  {each.target}  {each.html}"
    if (more := len(finding.violations) - _SHOWN) > 0:
        yield f"    and {more} more (--save keeps all)"


def summary_lines(now: Report, before: Report | None) -> Iterator[str]:
    """The counts at the end; beside those of an earlier run, where there is one."""
    rules = sorted({*now.by_rule, *(before.by_rule if before else ())})
    width = max((len(rule) for rule in rules), default=0)
    if before is None:
        for rule in rules:
            yield f"{rule:<{width}}  {now.by_rule[rule]:>6}"
        yield f"{_pages(now)}: {_counted(now.violations, 'violation')} (axe-core {now.engine})"
        return
    if rules:
        yield f"{'':<{width}}  before     now"
    for rule in rules:
        yield f"{rule:<{width}}  {before.by_rule.get(rule, 0):>6}  {now.by_rule.get(rule, 0):>6}"
    yield (
        f"{_pages(now)}: {_counted(now.violations, 'violation')}, before {before.violations} "
        f"({now.violations - before.violations:+d}; axe-core {now.engine})"
    )
    yield from _differences(now, before)


def _differences(now: Report, before: Report) -> Iterator[str]:
    """What makes the comparison a poor one."""
    ours, theirs = ({each.url for each in report.findings} for report in (now, before))
    if ours != theirs:
        yield (
            f"The pages differ: {len(ours - theirs)} are new, {len(theirs - ours)} were looked at "
            "before only."
        )
    if now.engine != before.engine:
        yield f"axe-core was {before.engine} before: its rules may differ."


def _pages(report: Report) -> str:
    looked_at = len(report.findings) - report.problems
    failed = f", {report.problems} could not be looked at" if report.problems else ""
    return f"{_counted(looked_at, 'page')}{failed}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def violations_of(found: Sequence[Mapping[str, Any]]) -> tuple[Violation, ...]:
    """axe-core's own violations, one for each element."""
    return tuple(
        Violation(
            rule=str(rule["id"]),
            target=" >>> ".join(_selector(each) for each in node["target"])[:300],
            html=" ".join(str(node["html"]).split())[:300],
        )
        for rule in found
        for node in rule["nodes"]
    )


def _selector(target: object) -> str:
    # A list is a way through shadow roots.
    return " >>> ".join(map(str, target)) if isinstance(target, list) else str(target)
