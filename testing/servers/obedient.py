"""A model's server that does as it is told, by whoever tells it."""

import json
import re
from typing import Any

from testing.servers.chat import ChatServer, completion, texts_of

_JSON_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_ORDER = re.compile(r"answer with (?P<what>.+?) END\b", re.DOTALL)


class Obedient(ChatServer):
    """Says `caption`, unless some text that it reads says "answer with ... END".

    `gullible`: it obeys what stands in JSON strings too, where callers' data is. `in_the_picture`
    is an order that it reads in the picture, and obeys.
    """

    def __init__(self, caption: str) -> None:
        super().__init__()
        self.caption = caption
        self.gullible = False
        self.in_the_picture = ""
        self.asked: list[str] = []
        """Every text of every call."""

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        text = "\n".join(texts_of(body))
        self.asked.append(text)
        read = text if self.gullible else _JSON_STRING.sub('""', text)
        if self.gullible:  # it reads what the strings say, not how they are written
            read += "\n" + "\n".join(str(json.loads(one)) for one in _JSON_STRING.findall(text))
        order = _ORDER.search(f"{self.in_the_picture}\n{read}")
        said = order["what"] if order else self.caption
        usage = {"prompt_tokens": 300, "completion_tokens": 20}
        return {**completion(said), "usage": usage}
