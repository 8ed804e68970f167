"""A fake model server that replays recorded answers: the one whose row the prompt names.

It ignores the rest of the prompt. A second request for the same row gets the same answer, which is
the hardest case for a retry with reasons.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from testing.servers.chat_completions_server import (
    ChatCompletionsServer,
    chat_completion,
    message_texts,
)

_ROW = re.compile(r'"row-(\d{1,9})"')
_RETRY_SENTENCE = "Your last answer could not be used"


def context_of(row: int) -> str:
    """The `context` of a caption request that is answered with this row."""
    return f"row-{row}"


class ReplayModelServer(ChatCompletionsServer):
    """Answers with `answers[N]` where the prompt contains `"row-N"`."""

    def __init__(self, answers: Sequence[str], finish_reason: str = "stop") -> None:
        super().__init__()
        self.retries: Counter[int] = Counter()
        """By row: requests that quoted a rejected draft."""
        self._answers = answers
        self._finish_reason = finish_reason

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = "\n".join(message_texts(body))
        found = _ROW.search(prompt)
        row = int(found.group(1)) if found else 0
        if _RETRY_SENTENCE in prompt:
            self.retries[row] += 1
        return chat_completion(self._answers[row], finish_reason=self._finish_reason)
