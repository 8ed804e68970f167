"""What an operator can set: the environment with prefix ALTWRIGHT_, or a .env file.

Each group's fields live beside the code that they steer; here they are put together, checked
against each other, and a wrong one is told in one line.
"""

import difflib
import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from app.api.keys import KeysFileError, read_keys_file
from app.api.rate_limits import parse_limits
from app.captioning.openai_compat.captioner import ModelSettings
from app.captioning.openai_compat.endpoint import key_for
from app.captioning.styles.loader import StyleRegistry
from app.fetching.fetcher import FetchSettings
from app.imaging.normaliser import ImageSettings

_PREFIX = "ALTWRIGHT_"
_SECRET = ("API_KEY", "API_KEYS", "FALLBACKS", "RATE_LIMIT_STORE", "CACHE_URL", "BASE_URL")
"""A value of these is never shown: it is a secret, or a URL that may carry one."""
_OTHERS = {"ALTWRIGHT_URL", "ALTWRIGHT_API_KEY", "ALTWRIGHT_TEST_REQUIRE"}
"""Names of the SDK and of the tests, which may stand in the same environment."""


class SettingsProblem(ValueError):
    """A setting is wrong. Its text is one line: the variable, the value (no secret's), the mend."""


def _json_list(example: str) -> BeforeValidator:
    def parsed(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, list):
            # pydantic turns ValueError alone into a problem of this field
            raise ValueError(f"must be a JSON list, for instance {example}")  # noqa: TRY004
        return found

    return BeforeValidator(parsed)


class Settings(BaseSettings):
    """All settings. `Settings.read()` makes them; nothing else reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    host: str = "127.0.0.1"
    """The address to listen on. Other than loopback it needs keys, or ALLOW_ANONYMOUS."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one and prints it."""
    workers: int = Field(1, ge=1, le=64)
    """Server processes behind the one port."""
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, _json_list('["a-long-secret"]')] = ()
    """Keys as a JSON list of secrets, for small set-ups."""
    keys_file: Path | None = None
    """Hashed keys with name, limit and expiry (`python -m app keys`), reread on change."""
    allow_anonymous: bool = False
    """Serve callers without a key on an address that others can reach."""
    rate_limit: str = "60/minute"
    """Requests per key, one budget over all caption routes; several limits joined by `;`."""
    rate_limit_store: str = "memory://"
    """`memory://` counts in each process; `redis://host:6379/0` counts over all replicas."""
    model: str | None = None
    """The model's name at its server; unset: the embedded captioner."""
    model_base_url: str | None = None
    """An OpenAI-compatible server; unset: the openai SDK's own default."""
    model_api_key: SecretStr | None = None
    """The key for the model's server; unset: the openai SDK's own default."""
    model_timeout_s: float = Field(15.0, gt=0, le=300)
    """Seconds for one call of the model."""
    model_temperature: float = Field(0.2, ge=0, le=2)
    """Low, so that equal jobs get nearly equal answers."""
    model_retry_wait_max_s: float = Field(10.0, ge=0, le=120)
    """Seconds that a model's server may ask us to wait before the next captioner is asked."""
    fallbacks: Annotated[
        tuple[ModelSettings, ...],
        NoDecode,
        _json_list('[{"model": "llava", "base_url": "http://127.0.0.1:11434/v1"}]'),
    ] = ()
    """Further models as a JSON list of objects with model, base_url and api_key, in order."""
    embedded_fallback: bool = False
    """The embedded captioner as the last of the chain."""
    precheck: bool = False
    """Recognise decorative and hopeless pictures before a model is paid."""
    request_timeout_s: float = Field(30.0, gt=0, le=600)
    """Seconds for a whole request."""
    concurrency: int = Field(64, ge=1, le=4096)
    """Caption requests in work at once."""
    queue: int = Field(128, ge=0, le=65536)
    """Caption requests that may wait for a place."""
    styles_dir: Path | None = None
    """A folder of further styles, one TOML file each."""
    cache_url: str | None = None
    """`redis://...`: equal requests for equal image bytes are answered once."""
    fetch: FetchSettings = FetchSettings()
    image: ImageSettings = ImageSettings()

    @field_validator("api_keys")
    @classmethod
    def _are_long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(not key.get_secret_value().strip() for key in keys):
            raise ValueError("has an empty key; make one with `python -m app keys create`")
        return keys

    @field_validator("rate_limit")
    @classmethod
    def _is_a_limit(cls, value: str) -> str:
        parse_limits(value)
        return value

    @field_validator("rate_limit_store")
    @classmethod
    def _is_a_store(cls, value: str) -> str:
        if not value.startswith(("memory://", "redis://", "rediss://", "unix://")):
            raise ValueError("must be memory:// or redis://host:port/db")
        return value

    @field_validator("cache_url")
    @classmethod
    def _is_a_cache(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must be redis://host:port/db")
        return value

    @field_validator("styles_dir")
    @classmethod
    def _is_a_folder_of_styles(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("is not a folder; make it, or unset the variable")
        StyleRegistry.load(value)  # StyleFileError says which file and key
        return value

    @field_validator("keys_file")
    @classmethod
    def _is_a_keys_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                read_keys_file(value)
            except KeysFileError as error:
                msg = f"cannot be used: {error}; make it with `python -m app keys create`"
                raise ValueError(msg) from None
        return value

    @model_validator(mode="after")
    def _is_safe_to_serve(self) -> Self:
        has_keys = bool(self.api_keys) or self.keys_file is not None
        if not has_keys and not self.allow_anonymous and not _is_loopback(self.host):
            msg = (
                f"{_PREFIX}HOST={self.host} can be reached by others and no key is configured: "
                f"set {_PREFIX}API_KEYS or {_PREFIX}KEYS_FILE, or {_PREFIX}ALLOW_ANONYMOUS=true"
            )
            raise ValueError(msg)
        if self.model is None:
            for name in ("fallbacks", "model_base_url"):
                if getattr(self, name):
                    msg = f"{_PREFIX}{name.upper()} is set, but {_PREFIX}MODEL is not: set it too"
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _has_models_that_can_be_asked(self) -> Self:
        try:
            for remote in self.remotes():
                key_for(remote.base_url, remote.api_key)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            name = (
                f"{_PREFIX}MODEL_{first['loc'][0]}".upper() if first["loc"] else _PREFIX + "MODEL"
            )
            raise ValueError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
        return self

    @classmethod
    def read(cls) -> Self:
        """The settings of this environment. Raises SettingsProblem."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsProblem(_line_of(error)) from None
        except SettingsError as error:
            raise SettingsProblem(_unparsable_line(error)) from None

    @staticmethod
    def keys_path() -> Path | None:
        """The file of keys, which need not exist yet (`keys create` makes it)."""
        value = _variables().get(_PREFIX + "KEYS_FILE")
        return Path(value) if value else None

    def remotes(self) -> tuple[ModelSettings, ...]:
        """The configured models in the order in which they are asked."""
        if self.model is None:
            return ()
        first = ModelSettings(
            model=self.model,
            base_url=self.model_base_url,
            api_key=self.model_api_key,
            timeout_s=self.model_timeout_s,
            temperature=self.model_temperature,
            retry_wait_max_s=self.model_retry_wait_max_s,
        )
        shared: dict[str, Any] = {
            "timeout_s": self.model_timeout_s,
            "temperature": self.model_temperature,
            "retry_wait_max_s": self.model_retry_wait_max_s,
        }
        # What a fallback does not say for itself is as the first model's.
        others = tuple(
            one.model_copy(
                update={k: v for k, v in shared.items() if k not in one.model_fields_set}
            )
            for one in self.fallbacks
        )
        return (first, *others)


def unknown_variables() -> list[str]:
    """One sentence for each ALTWRIGHT_ variable that is no setting: most are typos."""
    known = set(_OTHERS)
    for name, field in Settings.model_fields.items():
        known.add(_PREFIX + name.upper())
        inner = getattr(field.annotation, "model_fields", {})
        known |= {f"{_PREFIX}{name.upper()}__{part.upper()}" for part in inner}
    sentences = []
    for name in sorted(_variables()):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            sentences.append(f"{name} is not a setting and has no effect{hint}")
    return sentences


def _variables() -> Mapping[str, str]:
    """Every ALTWRIGHT_ variable of the environment and the .env file."""
    both = {**dotenv_values(".env"), **os.environ}
    return {
        name.upper(): value or ""
        for name, value in both.items()
        if name.upper().startswith(_PREFIX)
    }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _line_of(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    path = [str(part) for part in first["loc"]]
    if not path:
        return _one_line(message)
    name = _PREFIX + path[0].upper()
    if len(path) > 1 and not path[1].isdigit() and path[0] in ("fetch", "image"):
        name += "__" + path[1].upper()
    shown = _shown(name, _variables().get(name, ""))
    where = ".".join(path[1:]) if path[0] == "fallbacks" else ""
    return _one_line(f"{name}={shown}: {where + ': ' if where else ''}{message}")


def _unparsable_line(error: SettingsError) -> str:
    """The variable behind an unreadable nested value: the SDK's own text names only the group."""
    for name, value in sorted(_variables().items()):
        if "__" in name or name in (_PREFIX + "FETCH", _PREFIX + "IMAGE"):
            try:
                json.loads(value)
            except ValueError:
                if value[:1] in "[{" or name.endswith(("PORTS", "NETWORKS", "FETCH", "IMAGE")):
                    example = '["10.0.0.0/8"]' if name.endswith("NETWORKS") else "[80, 443]"
                    return _one_line(
                        f"{name}={_shown(name, value)}: must be a JSON list, for instance {example}"
                    )
    return _one_line(str(error))


def _shown(name: str, value: str) -> str:
    if any(name.endswith(secret) for secret in _SECRET):
        return "(not shown)"
    return value[:200]


def _one_line(text: str) -> str:
    return " ".join(text.split())
