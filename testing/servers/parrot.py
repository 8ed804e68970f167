"""A model's server that answers with the line of a file that the request's context names.

It follows nothing else: asked a second time it says the same again, which is the hardest case.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from testing.servers.chat import ChatServer, completion, texts_of

_ROW = re.compile(r'"row-(\d{1,9})"')
_AGAIN = "Your last answer could not be used"


def context_of(row: int) -> str:
    """What a request's `context` must be to be answered with this row."""
    return f"row-{row}"


class Parrot(ChatServer):
    """Says the answers of a file, each to the request that names its row."""

    def __init__(self, answers: Sequence[str], finish_reason: str = "stop") -> None:
        super().__init__()
        self.asked_again: Counter[int] = Counter()
        """Second asks, by row."""
        self._answers = answers
        self._finish_reason = finish_reason

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = "\n".join(texts_of(body))
        found = _ROW.search(asked)
        row = int(found.group(1)) if found else 0
        if _AGAIN in asked:
            self.asked_again[row] += 1
        return completion(self._answers[row], self._finish_reason)
