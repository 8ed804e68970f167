"""A server's list of models: their names, and the day on which one ends where the list dates it."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from app.captioning.openai_compat.bounded_json import load_json
from app.captioning.openai_compat.bounded_transport import HttpResponse

_MAX_MODELS = 1_000
_SHOWN_CHARS = 100
_SHOWN_MODELS = 8


@dataclass(frozen=True, slots=True)
class ModelList:
    """What a server says of its models. Nothing where it lists none."""

    entries: tuple[Mapping[str, Any], ...] = ()
    """Each with a name in `id`."""

    @classmethod
    def read(cls, response: HttpResponse, may_show: Callable[[str], bool]) -> Self:
        """The list in a response. A name that may not be shown is left out."""
        if response.status != 200:
            return cls()
        try:
            value: Any = load_json(response.body.decode())
        except ValueError:
            return cls()
        models = value.get("data") if isinstance(value, Mapping) else value
        if not isinstance(models, list):
            return cls()
        return cls(
            tuple(
                model
                for model in models[:_MAX_MODELS]
                if isinstance(model, Mapping)
                and isinstance(name := model.get("id"), str)
                and may_show(name)
            )
        )

    def has(self, model: str) -> bool:
        """Whether it lists the model."""
        return self._entry(model) is not None

    def ends(self, model: str, member: str) -> dt.date | None:
        """The day on which the model ends, in `member` of its entry; None where there is none."""
        text = (self._entry(model) or {}).get(member)
        try:
            # A day, or a moment (Mistral), of which the day is enough.
            return dt.date.fromisoformat(text[:10]) if isinstance(text, str) else None
        except ValueError:
            return None

    def describe(self) -> str:
        """The first names."""
        names = [str(entry["id"])[:_SHOWN_CHARS] for entry in self.entries[:_SHOWN_MODELS]]
        printable = ["".join(c if c.isprintable() else "?" for c in name) for name in names]
        return ", ".join(printable) + (", …" if len(self.entries) > _SHOWN_MODELS else "")

    def _entry(self, model: str) -> Mapping[str, Any] | None:
        own = bare_name(model)
        return next((entry for entry in self.entries if bare_name(entry["id"]) == own), None)


def bare_name(name: str) -> str:
    """Gemini lists `models/NAME`, Ollama `NAME:latest`."""
    return name.removeprefix("models/").removesuffix(":latest")
