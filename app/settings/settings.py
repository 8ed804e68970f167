"""The server's settings: environment variables with prefix ALTWRIGHT_, or a .env file.

The settings of a part stand beside its code (`FetchSettings`, `ImageSettings`, `ModelSettings`).
This module joins them and checks them against each other.
"""

import difflib
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from app.captioning.image_tokens import ImageDetail
from app.captioning.openai_compat.extra_headers import check_headers
from app.captioning.openai_compat.extra_params import check_params
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.prices import Price
from app.captioning.providers.registry import load_providers
from app.captioning.styles.loader import load_styles
from app.fetching.settings import FetchSettings
from app.imaging.normaliser import ImageSettings
from app.settings.environment import PREFIX, environment_variables
from app.settings.invalid_settings import (
    InvalidSettings,
    describe_invalid,
    describe_unparsable,
)
from app.settings.json_variable import json_variable
from app.settings.keys_file import KeysFileError, read_keys_file
from app.settings.locations import RedisUrl, RedisUrlOrFile, StoreUrl, WritableFolder
from app.settings.rate_limit import DEFAULT_LIMIT, NO_LIMIT, parse_rate_limits
from app.settings.web_paths import check_origin, check_root_path
from app.telemetry.logging import LogFormat, LogLevel
from app.types import VerifyMode

_OTHER_PROGRAMS_VARIABLES = {"ALTWRIGHT_URL", "ALTWRIGHT_API_KEY", "ALTWRIGHT_TEST_REQUIRE"}
"""Variables of the SDK and of the tests, which may be set in the same environment."""


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """An ALTWRIGHT_ variable that is no setting, most likely a typing error."""

    name: str
    suggestion: str | None
    """The setting with the most similar name, if any is similar."""

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.name} is not a setting and has no effect{hint}"


_InAnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


class Settings(BaseSettings):
    """All settings. Only `Settings.read()` reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    host: str = "127.0.0.1"
    """The address to listen on. One that is not loopback needs keys, or ALLOW_ANONYMOUS."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on. With 0 the system chooses a free port, and it is printed."""
    workers: int = Field(1, ge=1, le=64)
    """Number of server processes that share the port."""
    api_keys: Annotated[
        tuple[SecretStr, ...], NoDecode, json_variable(list, '["a-long-secret"]')
    ] = ()
    """API keys as a JSON list, for small installations."""
    keys_file: Path | None = None
    """A file of hashed keys with name, rate limit and expiry (`python -m app keys`), reread when it
    changes."""
    allow_anonymous: bool = False
    """Serve callers without a key on an address that is not loopback."""
    rate_limit: str | None = None
    """Requests per key, over all caption routes together. Several limits are joined by `;`; `none`
    is no limit. Unset: `60/minute`, and no limit on loopback without keys."""
    rate_limit_store: StoreUrl = "memory://"
    """`memory://` counts in each process, `redis://host:6379/0` over all replicas together."""
    usage_store: StoreUrl | None = None
    """Where the usage of each key is counted, in the form of RATE_LIMIT_STORE. Unset: there."""
    usage_spool_dir: WritableFolder | None = None
    """A folder where counts wait for Redis as well, so that a server that is killed loses none.
    Unset: they wait in memory alone."""
    model: str | None = None
    """The model's name at its server. Unset: the embedded captioner."""
    model_base_url: str | None = None
    """The base URL of an OpenAI-compatible server. Unset: the openai SDK's default."""
    model_api_key: SecretStr | None = None
    """The API key for the model server. Unset: the openai SDK's default."""
    model_timeout_s: float = Field(15.0, gt=0, le=300)
    """Seconds for one call of the model."""
    model_temperature: float = Field(0.2, ge=0, le=2)
    """Low by default, so that equal requests get nearly equal captions."""
    model_retry_wait_max_s: float = Field(10.0, ge=0, le=120)
    """The longest wait in seconds, named by the model server, before a retry is not attempted."""
    model_params: Annotated[
        dict[str, Any], NoDecode, json_variable(dict, '{"reasoning_effort": "none"}')
    ] = Field(default_factory=dict)
    """A JSON object merged into the body of every call of the model."""
    model_headers: Annotated[
        dict[str, SecretStr], NoDecode, json_variable(dict, '{"X-Team": "shop"}')
    ] = Field(default_factory=dict)
    """A JSON object of further headers of every call of the model. The values are secrets."""
    model_provider: str | None = None
    """Whose documents hold for MODEL_BASE_URL, for instance `vllm`. Unset: the URL tells it."""
    capabilities_store: RedisUrlOrFile | None = None
    """A file or `redis://...`, where what is learned about models outlives a restart. Unset:
    RATE_LIMIT_STORE where that is Redis, else nothing is kept."""
    providers_dir: Path | None = None
    """A folder with files of further providers, or of other facts about a known one."""
    model_longest_edge_px: int | None = Field(None, ge=64, le=4096)
    """The longer side of the picture that the model gets, where IMAGE__LONGEST_EDGE_PX is more."""
    model_detail: ImageDetail | None = None
    """How closely the model looks: `low`, `high`, `auto` or `original`, where its provider has
    that. Unset: not sent."""
    model_price: Annotated[
        Price | None,
        NoDecode,
        json_variable(dict, '{"input": 0.15, "output": 0.60, "currency": "USD"}'),
    ] = None
    """What the provider asks for a million tokens."""
    fallbacks: Annotated[
        tuple[ModelSettings, ...],
        NoDecode,
        json_variable(list, '[{"model": "llava", "base_url": "http://127.0.0.1:11434/v1"}]'),
    ] = ()
    """Further models as a JSON list of objects with model, base_url and api_key, in order."""
    embedded_fallback: bool = False
    """Use the embedded captioner where every model failed."""
    verify: VerifyMode = "off"
    """Hold captions against their picture: `off`, `warn` (warnings), or `enforce` (what the picture
    contradicts is a hard rule: the model is asked once more, then `caption_rejected`)."""
    precheck: bool = False
    """Recognise decorative and hopeless images before a model is called."""
    request_timeout_s: float = Field(30.0, gt=0, le=600)
    """Seconds for a whole request."""
    drain_notice_s: float = Field(5.0, ge=0, le=10)
    """Seconds after SIGTERM in which /readyz is 503 and captions are still made, so that a load
    balancer can notice. The process ends within 20 s in all."""
    concurrency: int = Field(64, ge=1, le=4096)
    """Caption requests in work at the same time."""
    queue: int = Field(128, ge=0, le=65536)
    """Caption requests that may wait for a place to work."""
    styles_dir: Path | None = None
    """A folder with further styles, one TOML file each."""
    cache_url: RedisUrl | None = None
    """`redis://...`: equal requests for equal image bytes share one caption."""
    log_format: Annotated[LogFormat, _InAnyCase] = "text"
    """`text`, or `json` for collectors: one object a line."""
    log_level: Annotated[LogLevel, _InAnyCase] = "info"
    """The least severe events that are logged: `debug`, `info`, `warning` or `error`."""
    cors_origins: Annotated[
        tuple[str, ...], NoDecode, json_variable(list, '["https://www.example.com"]')
    ] = ()
    """Origins of web pages that may call the API from a browser, as a JSON list."""
    root_path: str = ""
    """The path under which a proxy serves the API, for instance `/altwright`."""
    fetch: FetchSettings = FetchSettings()
    image: ImageSettings = ImageSettings()

    @field_validator("api_keys")
    @classmethod
    def _validate_api_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, start=1):
            text = key.get_secret_value()
            if not text.strip():
                raise ValueError("has an empty key; make one with `python -m app keys create`")
            if not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError(
                    f"key {number} can never match, because a header cannot carry it: a key is "
                    "printable ASCII without spaces; make one with `python -m app keys create`"
                )
        return keys

    @field_validator("model_params")
    @classmethod
    def _validate_model_params(cls, params: dict[str, Any]) -> dict[str, Any]:
        check_params(params)
        return params

    @field_validator("model_headers")
    @classmethod
    def _validate_model_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        check_headers(headers)
        return headers

    @field_validator("rate_limit")
    @classmethod
    def _validate_rate_limit(cls, value: str | None) -> str | None:
        if value is not None and value != NO_LIMIT:
            parse_rate_limits(value)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _validate_cors_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            check_origin(origin)
        return origins

    @field_validator("root_path")
    @classmethod
    def _validate_root_path(cls, value: str) -> str:
        check_root_path(value)
        return value

    @field_validator("styles_dir")
    @classmethod
    def _validate_styles_dir(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("is not a folder; create it, or unset the variable")
        load_styles(value)  # a StyleFileError names the file and the key
        return value

    @field_validator("providers_dir")
    @classmethod
    def _validate_providers_dir(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("is not a folder; create it, or unset the variable")
        load_providers(value)  # a ProviderFileError names the file and the member
        return value

    @field_validator("keys_file")
    @classmethod
    def _validate_keys_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                read_keys_file(value)
            except KeysFileError as error:
                msg = f"cannot be used: {error}; create it with `python -m app keys create`"
                raise ValueError(msg) from None
        return value

    @model_validator(mode="after")
    def _validate_combinations(self) -> Self:
        if not self.has_keys and not self.allow_anonymous and not _is_loopback(self.host):
            msg = (
                f"{PREFIX}HOST={self.host} can be reached by others and no key is configured: "
                f"set {PREFIX}API_KEYS or {PREFIX}KEYS_FILE, or {PREFIX}ALLOW_ANONYMOUS=true"
            )
            raise ValueError(msg)
        if self.usage_spool_dir is not None and self.usage_store_url().startswith("memory:"):
            msg = (
                f"{PREFIX}USAGE_SPOOL_DIR is set, but usage is counted in memory: set "
                f"{PREFIX}USAGE_STORE to a redis:// URL too"
            )
            raise ValueError(msg)
        if self.model is None:
            needs_model = (
                "fallbacks", "model_base_url", "model_params", "model_headers", "model_price",
                "model_provider", "model_longest_edge_px", "model_detail",
            )  # fmt: skip
            for name in needs_model:
                if getattr(self, name):
                    msg = f"{PREFIX}{name.upper()} is set, but {PREFIX}MODEL is not: set it too"
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _validate_models(self) -> Self:
        try:
            providers = load_providers(self.providers_dir)
            for number, model in enumerate(self.configured_models()):
                model.resolve_api_key()
                try:
                    model.find_provider(providers)
                except ValueError as error:
                    name = "MODEL_PROVIDER" if not number else "FALLBACKS: provider"
                    raise ValueError(f"{PREFIX}{name}: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            name = f"{PREFIX}MODEL_{first['loc'][0]}".upper() if first["loc"] else PREFIX + "MODEL"
            raise ValueError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
        return self

    @model_validator(mode="after")
    def _validate_edges(self) -> Self:
        most_px = self.image.longest_edge_px
        for number, model in enumerate(self.configured_models()):
            if (model.longest_edge_px or 0) > most_px:
                name = "MODEL_LONGEST_EDGE_PX" if not number else "FALLBACKS: longest_edge_px"
                msg = (
                    f"{PREFIX}{name} is more than {PREFIX}IMAGE__LONGEST_EDGE_PX={most_px}, to "
                    "which every picture is scaled down first: raise that one too"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _validate_currencies(self) -> Self:
        prices = [model.price for model in self.configured_models() if model.price is not None]
        if len({price.currency for price in prices}) > 1:
            msg = (
                f"{PREFIX}FALLBACKS: the prices of the models are in different currencies, which "
                "cannot be added up: write them in one"
            )
            raise ValueError(msg)
        return self

    @classmethod
    def read(cls) -> Self:
        """The settings of this environment. Raises InvalidSettings."""
        try:
            return cls()
        except ValidationError as error:
            raise InvalidSettings(describe_invalid(error)) from None
        except SettingsError as error:
            raise InvalidSettings(describe_unparsable(error)) from None

    @staticmethod
    def keys_file_path() -> Path | None:
        """The value of KEYS_FILE. The file may not exist yet: `keys create` creates it."""
        value = environment_variables().get(PREFIX + "KEYS_FILE")
        return Path(value) if value else None

    def usage_store_url(self) -> str:
        """USAGE_STORE, or RATE_LIMIT_STORE where it is unset."""
        return self.usage_store or self.rate_limit_store

    @property
    def has_keys(self) -> bool:
        """Whether callers need a key."""
        return bool(self.api_keys) or self.keys_file is not None

    def default_rate_limit(self) -> str | None:
        """The limit of callers without their own; None: no limit."""
        if self.rate_limit is None:
            return DEFAULT_LIMIT if self.has_keys or not _is_loopback(self.host) else None
        return None if self.rate_limit == NO_LIMIT else self.rate_limit

    def capabilities_store_location(self) -> str | None:
        """The file or URL where what is learned about models is kept."""
        if self.capabilities_store is None and self.rate_limit_store.startswith("memory:"):
            return None
        return self.capabilities_store or self.rate_limit_store

    def configured_models(self) -> tuple[ModelSettings, ...]:
        """MODEL and its FALLBACKS, in the order in which they are called."""
        if self.model is None:
            return ()
        first = ModelSettings(
            model=self.model,
            base_url=self.model_base_url,
            api_key=self.model_api_key,
            timeout_s=self.model_timeout_s,
            temperature=self.model_temperature,
            retry_wait_max_s=self.model_retry_wait_max_s,
            params=self.model_params,
            headers=self.model_headers,
            price=self.model_price,
            provider=self.model_provider,
            longest_edge_px=self.model_longest_edge_px,
            detail=self.model_detail,
        )
        defaults: dict[str, Any] = {
            "timeout_s": self.model_timeout_s,
            "temperature": self.model_temperature,
            "retry_wait_max_s": self.model_retry_wait_max_s,
        }
        # A fallback takes from the first model what it does not set itself.
        fallbacks = tuple(
            fallback.model_copy(
                update={k: v for k, v in defaults.items() if k not in fallback.model_fields_set}
            )
            for fallback in self.fallbacks
        )
        return (first, *fallbacks)


def unknown_variables() -> list[UnknownVariable]:
    """The ALTWRIGHT_ variables of this environment that are no settings."""
    known = set(_OTHER_PROGRAMS_VARIABLES)
    for name, field in Settings.model_fields.items():
        known.add(PREFIX + name.upper())
        nested_fields = getattr(field.annotation, "model_fields", {})
        known |= {f"{PREFIX}{name.upper()}__{nested.upper()}" for nested in nested_fields}
    unknown = []
    for name in sorted(environment_variables()):
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            unknown.append(UnknownVariable(name, similar[0] if similar else None))
    return unknown


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
