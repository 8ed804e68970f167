"""axe-core on a page of a test's browser: the violations of every rule, in one line each."""

import functools
from typing import Any

from testing.requirements import require_node_package
from testing.servers.browser import Page

WINDOWS = [(width, dark) for width in (1280, 390) for dark in (False, True)]
"""Widths in CSS pixels and colour schemes in which every page is checked."""


@functools.cache
def _axe_source() -> str:
    path = require_node_package("axe-core") / "axe.min.js"
    return path.read_text(encoding="utf-8")


def find_violations(page: Page) -> list[str]:
    """What axe-core finds in the page as it is shown now: rule, element and reason."""
    page.run(_axe_source() + ";0")
    rules: list[dict[str, Any]] = page.run(
        "axe.run({resultTypes: ['violations']}).then(result => result.violations)"
    )
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in rules
        for node in rule["nodes"]
    ]
