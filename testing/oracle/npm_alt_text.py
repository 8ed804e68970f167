"""Runs the checks of @double-great/alt-text, a package from npm, in Node."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testing.requirements import NODE_MODULES

PACKAGE = "@double-great/alt-text"
_SCRIPT = Path(__file__).with_suffix(".mjs")

# Ignored: concise warns about its length itself, and seo and detailed are longer by design.
_IGNORED = frozenset({"character-length", "end-with-punctuation"})
# The package finds "photograph of" anywhere, also in "a man taking a photograph of something". Our
# rule is about the start of a text.
_START_CHARS = 40
_CONTAINS_UNHELPFUL = "contains-unhelpful-word"


def is_installed() -> bool:
    """Whether `npm ci --prefix testing` was run."""
    return (NODE_MODULES / PACKAGE).is_dir()


def run_clues(node: str, captions: Sequence[str]) -> list[list[str]]:
    """For each caption the ids of the clues that it violates."""
    ran = subprocess.run(
        [node, str(_SCRIPT)],
        input=json.dumps(list(captions)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[list[str]] = json.loads(ran.stdout)
    return found


def find_violations(node: str, captions: Sequence[str]) -> list[list[str]]:
    """For each caption the violated clues that correspond to one of our hard rules."""
    of_captions = run_clues(node, captions)
    of_starts = run_clues(node, [caption[:_START_CHARS] for caption in captions])
    return [
        [
            clue
            for clue in clues
            if clue not in _IGNORED and (clue != _CONTAINS_UNHELPFUL or clue in start_clues)
        ]
        for clues, start_clues in zip(of_captions, of_starts, strict=True)
    ]
