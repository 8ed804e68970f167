"""What providers of models document about their servers, as data: one TOML file for each.

Every statement has the page that says it and the day on which that was read. An operator can add
files, or replace one by a file of the same name (PROVIDERS_DIR).
"""

import datetime as dt
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from app.captioning.image_tokens import ImageDetail, ImageTokenRule, Size
from app.captioning.openai_compat.extra_params import TOKEN_LIMITS
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.prices import Price

PLAIN_STATUSES = frozenset({401, 404, 407, 429})
"""Statuses that leave no doubt: words beside them are not searched."""

Parameter = Literal[
    "max_tokens", "max_completion_tokens", "temperature", "stream", "stream_options", "system"
]


class Statement(BaseModel):
    """Something that a document says."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str = Field(pattern=r"^https://\S+$")
    """The page."""
    read: dt.date
    """The day on which it was read, or its own date."""
    says: str = ""
    """In a sentence."""


class ModelStatement(Statement):
    """Something about some models of the provider."""

    models: tuple[str, ...] = ("*",)
    """Patterns of model names, as in file names: `gpt-6*`."""

    def is_about(self, model: str) -> bool:
        """Whether it is about this model."""
        return any(fnmatch.fnmatchcase(model.lower(), pattern) for pattern in self.models)


class Refusals(ModelStatement):
    """Parameters that these models refuse."""

    refuses: frozenset[Parameter]


class Thinking(ModelStatement):
    """Whether these models think before they write, and how that is switched off."""

    by_default: bool | None = None
    """None: it differs from model to model."""
    off: Mapping[str, Any] | None = None
    """For MODEL_PARAMS; None: no way was read, or there is none."""


class ImageTokens(ModelStatement):
    """How pictures are counted."""

    count: ImageTokenRule


class ImageLimits(ModelStatement):
    """What pictures are refused."""

    max_request_bytes: int | None = Field(None, ge=1)
    max_image_bytes: int | None = Field(None, ge=1)
    max_edge_px: int | None = Field(None, ge=1)
    max_pixels: int | None = Field(None, ge=1)


class ModelEnding(Statement):
    """Where its list of models says when one ends."""

    member: str = Field(pattern=r"^[a-z_]{1,50}$")
    """Of an entry of the list: a day, or a moment, in ISO 8601."""


class ListedPrice(Statement):
    """The list price of one model on the day on which it was read."""

    model: str
    price: Price

    def input_cost(self, tokens: int) -> Decimal:
        """What so many tokens of input cost, in the currency of the price."""
        return self.price.input * tokens / 1_000_000


@dataclass(frozen=True, slots=True)
class Example:
    """One response of a provider, which a fake server plays in the tests."""

    status: int
    body: str
    when: str = "always"
    """Which requests get it: `always`, `small_image`, `large_image`, `few_tokens`, `not_streamed`.
    The others get a caption."""
    retry_after_s: int | None = None
    """The wait that it names."""


class ErrorStatement(Statement):
    """What an error of the provider means. Codes and words in lower case."""

    said_by: str | None = None
    """Who says so, where it is not the provider alone."""
    kind: FailureKind
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    """Parts of a message."""
    statuses: frozenset[int] = frozenset()
    """Empty: any, and for words any but those whose status says enough."""
    example: Example | None = None

    def is_said_by(self, status: int, codes: frozenset[str], text: str) -> bool:
        """Whether an error says this; `text` is in lower case."""
        if self.statuses and status not in self.statuses:
            return False
        if self.codes & codes:
            return True
        is_plain = not self.statuses and status in PLAIN_STATUSES
        return not is_plain and any(words in text for words in self.words)


class Usage(Statement):
    """How tokens are counted."""

    total_has_thinking: bool = False
    """Tokens of thinking are in the total and in no other count."""


class Provider(BaseModel):
    """One provider of models. Of several statements the first that is about a model counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=100)
    base_url: str | None = None
    """Its base URL, where there is one."""
    hosts: tuple[str, ...] = ()
    """Patterns of the hosts of base URLs, with `:port` where one is meant."""
    api: Statement
    """The page that describes its OpenAI-compatible API."""
    refusals: tuple[Refusals, ...] = ()
    thinking: tuple[Thinking, ...] = ()
    image_tokens: tuple[ImageTokens, ...] = ()
    image_limits: tuple[ImageLimits, ...] = ()
    prices: tuple[ListedPrice, ...] = ()
    endings: tuple[ModelEnding, ...] = ()
    usage: tuple[Usage, ...] = ()
    errors: tuple[ErrorStatement, ...] = ()
    """What its errors mean, besides what most servers' do."""
    waits: tuple[Statement, ...] = ()
    """How it names the time after which a call may be made."""

    def serves(self, base_url: str) -> bool:
        """Whether this base URL is the provider's."""
        try:
            parts = urlsplit(base_url.lower())
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        names = (host, f"{host}:{port}") if port else (host,)
        return any(fnmatch.fnmatchcase(name, host) for host in self.hosts for name in names)

    def refused_by(self, model: str) -> frozenset[str]:
        """The parameters that a model refuses."""
        return frozenset[str]().union(
            *(each.refuses for each in self.refusals if each.is_about(model))
        )

    @property
    def total_has_thinking(self) -> bool:
        """Whether thinking is counted in the total alone."""
        return any(each.total_has_thinking for each in self.usage)

    def thinking_of(self, model: str) -> Thinking | None:
        """Whether a model thinks; None where no document was read."""
        return next((each for each in self.thinking if each.is_about(model)), None)

    def thinks(self, model: str, params: Mapping[str, Any]) -> bool:
        """Whether a model thinks with these parameters of the operator."""
        thinking = self.thinking_of(model)
        if thinking is None or not thinking.by_default or TOKEN_LIMITS & params.keys():
            return False
        return not self.switches_thinking_off(model, params)

    def switches_thinking_off(self, model: str, params: Mapping[str, Any]) -> bool:
        """Whether these parameters have what the provider documents for that."""
        thinking = self.thinking_of(model)
        return thinking is not None and thinking.off is not None and _contains(params, thinking.off)

    def count_image_tokens(
        self, model: str, size: Size, detail: ImageDetail | None = None
    ) -> int | None:
        """The tokens of a picture; None where no formula was read."""
        found = next((each for each in self.image_tokens if each.is_about(model)), None)
        if found is None:
            return None
        return found.count.count_low_detail(size) if detail == "low" else found.count.count(size)

    def price_of(self, model: str) -> ListedPrice | None:
        """The list price of a model; None where none was read."""
        return next((each for each in self.prices if each.model == model), None)


def _contains(params: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Whether the parameters have all members of `part`."""
    return all(
        isinstance(params.get(name), Mapping) and _contains(params[name], value)
        if isinstance(value, Mapping)
        else name in params and params[name] == value
        for name, value in part.items()
    )
