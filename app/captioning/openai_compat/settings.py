"""Settings of one model behind an OpenAI-compatible server."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from app.captioning.image_tokens import ImageDetail
from app.captioning.openai_compat.extra_headers import check_headers
from app.captioning.openai_compat.extra_params import check_params
from app.captioning.prices import Price
from app.captioning.providers.provider import Provider
from app.captioning.providers.registry import find_provider

_OPENAI_URL = "https://api.openai.com/v1"
"""The openai SDK's own default."""


class ModelSettings(
    BaseModel,
    frozen=True,
    use_attribute_docstrings=True,
    str_strip_whitespace=True,
    hide_input_in_errors=True,
):
    """One model, its server and how to call it; also the form of an element of FALLBACKS."""

    model: str = Field(min_length=1, max_length=200)
    """The model's name at its server."""
    base_url: str | None = None
    """URL of the server's API, mostly ending in /v1. None: the openai SDK's default."""
    api_key: SecretStr | None = None
    """None: the openai SDK's default where `base_url` is None, else a placeholder is sent.
    The environment's OPENAI_API_KEY is never sent to another server."""
    timeout_s: float = Field(15.0, gt=0, le=600)
    """Seconds for one call."""
    temperature: float | None = Field(0.2, ge=0, le=2)
    """None: the model's default."""
    retry_wait_max_s: float = Field(10.0, ge=0, le=600)
    """The longest wait named by the server that is waited out, in seconds."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Merged into the body of every call, for instance `{"reasoning_effort": "none"}`."""
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Further headers of every call."""
    longest_edge_px: int | None = Field(None, ge=64, le=4096)
    """The longer side of the picture that the model gets, where IMAGE__LONGEST_EDGE_PX is more."""
    detail: ImageDetail | None = None
    """How closely the model looks, where its provider has such a parameter."""
    provider: str | None = None
    """Whose documents hold for the server; None: the provider whose base URL it is."""
    price: Price | None = None
    """What the provider asks; None: no cost is told."""

    @model_validator(mode="before")
    @classmethod
    def _has_only_known_fields(cls, values: object) -> object:
        if isinstance(values, Mapping):
            unknown = sorted(str(name) for name in values if name not in cls.model_fields)
            if unknown:
                known = ", ".join(cls.model_fields)
                raise ValueError(f"unknown field {unknown[0]!r}; the fields are {known}")
        return values

    @field_validator("base_url", "api_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if isinstance(text, str) and not text.strip() else value

    @field_validator("base_url")
    @classmethod
    def _is_base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write it with scheme and host, like http://127.0.0.1:11434/v1")
        if parts.path.rstrip("/").endswith("/chat/completions"):
            raise ValueError("remove /chat/completions: it is appended to the base URL")
        return value

    @field_validator("params")
    @classmethod
    def _is_the_operators_to_set(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        check_params(value)
        return value

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        check_headers(value)
        return value

    @field_validator("api_key")
    @classmethod
    def _is_valid_in_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a key is printable ASCII without spaces; part of it may be missing")
        return SecretStr(text)

    def known_base_url(self) -> str:
        """The base URL that calls go to, also where the openai SDK chooses it."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI_URL

    @property
    def identity(self) -> str:
        """A hash of what decides what the model writes: its server, parameters and temperature.

        Of no secret, so that a key can be rotated: neither a key, nor headers, nor the password in
        a URL.
        """
        parts = urlsplit(self.known_base_url())
        server = [parts.scheme, parts.netloc.rpartition("@")[2].lower(), parts.path.rstrip("/")]
        image = [self.longest_edge_px, self.detail]
        decides = [server, parts.query, dict(self.params), self.temperature, image]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def image_edge_px(self, longest_edge_px: int) -> int:
        """The longer side of the pictures that are sent, where IMAGE__LONGEST_EDGE_PX is this."""
        return min(self.longest_edge_px or longest_edge_px, longest_edge_px)

    def find_provider(self, providers: Mapping[str, Provider]) -> Provider | None:
        """The provider that is named, else the one of the base URL; None where none is known.

        Raises ValueError where the one that is named is not known.
        """
        if self.provider is None:
            return find_provider(self.known_base_url(), providers)
        if self.provider not in providers:
            known = ", ".join(sorted(providers))
            raise ValueError(f"{self.provider!r} is no provider; there are {known}")
        return providers[self.provider]

    def header_values(self) -> dict[str, str]:
        """The further headers, to be sent and never to be logged."""
        return {name: value.get_secret_value() for name, value in self.headers.items()}

    def resolve_api_key(self) -> str | None:
        """The key to send; None for a server that may need none.

        Raises ValueError where OpenAI itself would be called without a key.
        """
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        if self.base_url is not None:
            return None
        key = os.environ.get("OPENAI_API_KEY") or None
        if key is None and not os.environ.get("OPENAI_BASE_URL"):
            raise ValueError(
                "there is no API key for OpenAI: set ALTWRIGHT_MODEL_API_KEY (or OPENAI_API_KEY), "
                "or ALTWRIGHT_MODEL_BASE_URL for a server that needs none"
            )
        return key
