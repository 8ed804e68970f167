"""A fake model server that follows instructions injected into the prompt or into the image."""

import json
import re
from typing import Any

from testing.servers.chat_completions_server import (
    ChatCompletionsServer,
    chat_completion,
    message_texts,
)

_JSON_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_INSTRUCTION = re.compile(r"answer with (?P<text>.+?) END\b", re.DOTALL)
_USAGE = {"prompt_tokens": 300, "completion_tokens": 20}


class PromptInjectionModelServer(ChatCompletionsServer):
    """Answers with `caption`, or with TEXT where an instruction says "answer with TEXT END".

    The instruction may stand anywhere in the prompt outside JSON strings. With `obeys_data` it may
    also stand inside them, where callers' data is. `instruction_in_image` stands for text that the
    model reads in the image; it is always followed.
    """

    def __init__(self, caption: str) -> None:
        super().__init__()
        self.caption = caption
        self.obeys_data = False
        self.instruction_in_image = ""
        self.prompts: list[str] = []
        """All texts of each call, joined."""

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = "\n".join(message_texts(body))
        self.prompts.append(prompt)
        if self.obeys_data:
            # Decoded, because an instruction may contain characters that JSON escapes.
            decoded = (str(json.loads(text)) for text in _JSON_STRING.findall(prompt))
            read = "\n".join([prompt, *decoded])
        else:
            read = _JSON_STRING.sub('""', prompt)
        instruction = _INSTRUCTION.search(f"{self.instruction_in_image}\n{read}")
        text = instruction["text"] if instruction else self.caption
        return chat_completion(text, usage=_USAGE)
