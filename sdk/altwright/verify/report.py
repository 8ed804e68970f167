"""The results of a check: as values, as a JSON file to compare with, and as text."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altwright.errors import UsageError

FORMAT_VERSION = 1
"""Of the saved file."""
_MAX_SHOWN = 20
"""Violations of one page that are printed."""


REPORT_MARKS = (b'"version"', b'"engine"', b'"by_rule"')
"""Pieces of every saved report's beginning, by which it is told from other files."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One element that breaks one rule."""

    rule: str
    target: str
    """A CSS selector of the element; frames and shadow roots are joined by ` >>> `."""
    html: str
    """The beginning of the element."""


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """The `<img>` of a page and of its frames of the same origin."""

    described: int = 0
    """With an alt text."""
    empty: int = 0
    """With `alt=""`: marked as decorative."""
    missing: int = 0
    """Without an alt attribute."""


@dataclass(frozen=True, slots=True)
class PageReport:
    """The result for one page."""

    url: str
    images: ImageCounts = field(default_factory=ImageCounts)
    violations: tuple[Violation, ...] = ()
    problem: str = ""
    """Why the page could not be checked; empty if it was."""


@dataclass(frozen=True, slots=True)
class Report:
    """The results for all pages of one run."""

    engine: str
    """The version of axe-core."""
    findings: tuple[PageReport, ...]

    @property
    def violations(self) -> int:
        """The number of violations on all pages."""
        return sum(len(page.violations) for page in self.findings)

    @property
    def problems(self) -> int:
        """The number of pages that could not be checked."""
        return sum(bool(page.problem) for page in self.findings)

    @property
    def by_rule(self) -> Mapping[str, int]:
        """The number of violations of each rule."""
        return Counter(each.rule for page in self.findings for each in page.violations)

    @property
    def images(self) -> ImageCounts:
        """The images of all pages."""
        return ImageCounts(
            described=sum(page.images.described for page in self.findings),
            empty=sum(page.images.empty for page in self.findings),
            missing=sum(page.images.missing for page in self.findings),
        )

    def to_json(self) -> dict[str, Any]:
        """The report for `--json` and `--save`."""
        return {
            "version": FORMAT_VERSION,
            "engine": self.engine,
            "pages": len(self.findings),
            "violations": self.violations,
            "problems": self.problems,
            "by_rule": dict(sorted(self.by_rule.items())),
            "images": dataclasses.asdict(self.images),
            "findings": [dataclasses.asdict(page) for page in self.findings],
        }


def read_report(path: Path) -> Report:
    """A saved report. Raises UsageError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != FORMAT_VERSION:
            raise UsageError(f"{path} was saved by another version of altwright.")
        findings = tuple(
            PageReport(
                url=str(page["url"]),
                images=ImageCounts(**page["images"]),
                violations=tuple(Violation(**each) for each in page["violations"]),
                problem=str(page["problem"]),
            )
            for page in data["findings"]
        )
        return Report(engine=str(data["engine"]), findings=findings)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is not a report of altwright verify.") from None


def parse_violations(results: Sequence[Mapping[str, Any]]) -> tuple[Violation, ...]:
    """The violations in axe-core's results, one for each element."""
    return tuple(
        Violation(
            rule=str(rule["id"]),
            target=" >>> ".join(_selector(each) for each in node["target"])[:300],
            html=" ".join(str(node["html"]).split())[:300],
        )
        for rule in results
        for node in rule["nodes"]
    )


def format_page(page: PageReport) -> Iterator[str]:
    """The lines to print for a page."""
    if page.problem:
        yield f"{page.url}: {page.problem}"
        return
    images = page.images
    total = images.described + images.empty + images.missing
    by_rule = Counter(each.rule for each in page.violations)
    violations = ", ".join(f"{rule} {count}" for rule, count in by_rule.most_common())
    yield (
        f"{page.url}: {violations or 'no violations'}; {total} img "
        f"({images.described} described, {images.empty} empty, {images.missing} without alt)"
    )
    for each in page.violations[:_MAX_SHOWN]:
        yield f"    {each.rule}  {each.target}  {each.html}"
    if (more := len(page.violations) - _MAX_SHOWN) > 0:
        yield f"    and {more} more (--save keeps all)"


def format_summary(now: Report, before: Report | None) -> Iterator[str]:
    """The lines to print at the end, with the counts of an earlier run if there is one."""
    rules = sorted({*now.by_rule, *(before.by_rule if before else ())})
    width = max((len(rule) for rule in rules), default=0)
    if before is None:
        for rule in rules:
            yield f"{rule:<{width}}  {now.by_rule[rule]:>6}"
        yield f"{_page_count(now)}: {_count(now.violations, 'violation')} (axe-core {now.engine})"
        return
    if rules:
        yield f"{'':<{width}}  before     now"
    for rule in rules:
        yield f"{rule:<{width}}  {before.by_rule.get(rule, 0):>6}  {now.by_rule.get(rule, 0):>6}"
    yield (
        f"{_page_count(now)}: {_count(now.violations, 'violation')}, before {before.violations} "
        f"({now.violations - before.violations:+d}; axe-core {now.engine})"
    )
    yield from _format_differences(now, before)


def _format_differences(now: Report, before: Report) -> Iterator[str]:
    """Reasons why the two runs cannot be compared directly."""
    ours, theirs = ({page.url for page in report.findings} for report in (now, before))
    if ours != theirs:
        yield (
            f"The pages differ: {len(ours - theirs)} are new, {len(theirs - ours)} were checked "
            "before only."
        )
    if now.engine != before.engine:
        yield f"axe-core was {before.engine} before: its rules may differ."


def _page_count(report: Report) -> str:
    checked = len(report.findings) - report.problems
    failed = f", {report.problems} could not be checked" if report.problems else ""
    return f"{_count(checked, 'page')}{failed}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _selector(target: object) -> str:
    # A list is a path through shadow roots.
    return " >>> ".join(map(str, target)) if isinstance(target, list) else str(target)
