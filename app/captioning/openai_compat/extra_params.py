"""Parameters that an operator adds to every call of a model (MODEL_PARAMS): checks and merge."""

import json
import math
from collections.abc import Mapping
from typing import Any

TOKEN_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
"""The two names of the parameter that limits the tokens of a response."""

_RESERVED = {
    "messages": "the prompt and the image are Altwright's",
    "model": "set ALTWRIGHT_MODEL (or model in ALTWRIGHT_FALLBACKS)",
    "stream": "Altwright decides it, and asks for a stream where the model has no other",
}
_SECRETS = frozenset({"apikey", "key", "authorization", "bearer", "xapikey"})
_SECRETS_HINT = "set ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS)"
_SERVER = frozenset({"apibase", "baseurl"})
_SERVER_HINT = "set ALTWRIGHT_MODEL_BASE_URL (or base_url in ALTWRIGHT_FALLBACKS)"
_HEADERS = frozenset({"extraheaders", "headers"})
_HEADERS_HINT = "set ALTWRIGHT_MODEL_HEADERS (or headers in ALTWRIGHT_FALLBACKS)"
_PASSED_ON = "extra_body"
"""Gateways merge this object into what they send to the provider behind them."""
_MAX_DEPTH = 16
_MAX_BYTES = 65_536


def check_params(params: Mapping[str, Any]) -> None:
    """Raise ValueError where the parameters are no JSON, or override what is not theirs to set."""
    _check_json(params, depth=0)
    if len(json.dumps(params, ensure_ascii=False).encode()) > _MAX_BYTES:
        raise ValueError(f"has more than {_MAX_BYTES} bytes")
    _check_names(params, path="")


def merge_params(parameters: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch (RFC 7396): objects are merged, null removes, the rest replaces."""
    merged = dict(parameters)
    for name, value in params.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge_params(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _check_names(params: Mapping[str, Any], path: str) -> None:
    """Some servers (Ollama) read the names of members in any case."""
    for name, value in params.items():
        folded = name.casefold()
        bare = folded.replace("-", "").replace("_", "")
        hint = _RESERVED.get(folded)
        for names, known_hint in (
            (_SECRETS, _SECRETS_HINT), (_SERVER, _SERVER_HINT), (_HEADERS, _HEADERS_HINT),
        ):  # fmt: skip
            hint = known_hint if bare in names else hint
        if hint is not None:
            raise ValueError(f"{path}{folded} cannot be set here: {hint}")
        if folded == _PASSED_ON and isinstance(value, Mapping):
            _check_names(value, f"{path}{folded}.")


def _check_json(value: object, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("has half of a surrogate pair, which UTF-8 cannot encode") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("has a number that is not finite, which JSON has no form for")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            _check_json(name, depth)
            _check_json(member, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_json(item, depth + 1)
