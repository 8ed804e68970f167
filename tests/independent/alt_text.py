"""The checks of @double-great/alt-text (npm), which nobody here wrote, run in Node."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).with_suffix(".mjs")
PACKAGE = Path(__file__).parents[1] / "servers/node_modules/@double-great/alt-text"

# Its advice on length and full stops is softer than ours: concise warns over 125 characters, seo
# and detailed are longer by nature.
ADVICE = frozenset({"character-length", "end-with-punctuation"})
# It looks for "photograph of" anywhere, also in "a man taking a photograph of something"; the rule
# is about how a text begins.
_BEGINNING_CHARS = 40
_CONTAINS = "contains-unhelpful-word"


def clues(node: str, captions: Sequence[str]) -> list[list[str]]:
    """For each caption the ids of the clues that it gives."""
    ran = subprocess.run(
        [node, str(SCRIPT)],
        input=json.dumps(list(captions)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[list[str]] = json.loads(ran.stdout)
    return found


def broken(node: str, captions: Sequence[str]) -> list[list[str]]:
    """The same without what is only advice."""
    whole = clues(node, captions)
    beginnings = clues(node, [caption[:_BEGINNING_CHARS] for caption in captions])
    return [
        [one for one in found if one not in ADVICE and (one != _CONTAINS or one in beginning)]
        for found, beginning in zip(whole, beginnings, strict=True)
    ]
