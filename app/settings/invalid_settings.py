"""What is said of a wrong setting: one line with the variable, its value and the correction."""

import json

from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.settings.environment import PREFIX, environment_variables

_SECRET_SUFFIXES = (
    "API_KEY",
    "API_KEYS",
    "FALLBACKS",
    "RATE_LIMIT_STORE",
    "USAGE_STORE",
    "CACHE_URL",
    "BASE_URL",
    "MODEL_HEADERS",
    "CAPABILITIES_STORE",
)
"""The values of these variables are never shown: secrets, and URLs that may contain a password."""
_SECRET_WORDS = ("auth", "bearer", "credential", "header", "key", "passw", "secret", "sk-")
"""MODEL_PARAMS is shown unless one of these is in it: what was meant as a key is wrong there."""
_SHOWN_VALUE_MAX_CHARS = 200


class InvalidSettings(ValueError):
    """A setting is wrong. The message is one line: variable, value (unless secret), correction."""


def describe_invalid(error: ValidationError) -> str:
    """One line about the first wrong setting."""
    first = error.errors(include_url=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    path = [str(part) for part in first["loc"]]
    if not path:
        return _one_line(message)
    name = PREFIX + path[0].upper()
    if len(path) > 1 and not path[1].isdigit() and path[0] in ("fetch", "image"):
        name += "__" + path[1].upper()
    value = _shown_value(name, environment_variables().get(name, ""))
    has_parts = path[0] in ("fallbacks", "model_headers", "model_price")
    where = ".".join(path[1:]) if has_parts else ""
    return _one_line(f"{name}={value}: {where + ': ' if where else ''}{message}")


def describe_unparsable(error: SettingsError) -> str:
    """One line about a nested value that is no JSON; pydantic's message names only its group."""
    for name, value in sorted(environment_variables().items()):
        if "__" in name or name in (PREFIX + "FETCH", PREFIX + "IMAGE"):
            try:
                json.loads(value)
            except ValueError:
                if value[:1] in "[{" or name.endswith(("PORTS", "NETWORKS", "FETCH", "IMAGE")):
                    example = '["10.0.0.0/8"]' if name.endswith("NETWORKS") else "[80, 443]"
                    return _one_line(
                        f"{name}={_shown_value(name, value)}: must be a JSON list, "
                        f"for instance {example}"
                    )
    return _one_line(str(error))


def _shown_value(name: str, value: str) -> str:
    if any(name.endswith(suffix) for suffix in _SECRET_SUFFIXES):
        return "(not shown)"
    if name.endswith("MODEL_PARAMS") and any(word in value.lower() for word in _SECRET_WORDS):
        return "(not shown)"
    return value[:_SHOWN_VALUE_MAX_CHARS]


def _one_line(text: str) -> str:
    return " ".join(text.split())
