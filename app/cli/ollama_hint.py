"""The line at the start that says how to use an Ollama that answers on this machine."""

import http.client
import json

_ADDRESS = ("127.0.0.1", 11434)
"""Ollama's own default."""
_TIMEOUT_S = 0.3
_MAX_BYTES = 262_144
_SEES = ("vl", "vision", "llava", "gemma3", "gemma4", "moondream", "minicpm-v", "pixtral", "mllama")
"""Parts of the names of models that take pictures."""
_EXAMPLE = "qwen2.5vl:7b"


def find_ollama_hint(address: tuple[str, int] = _ADDRESS) -> str | None:
    """The line; None where no Ollama answers at once. Never raises."""
    host, port = address
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/api/tags")
        response = connection.getresponse()
        body = response.read(_MAX_BYTES)
        models = json.loads(body)["models"] if response.status == http.HTTPStatus.OK else None
        names = [str(model["name"]) for model in models or () if str(model["name"]).isprintable()]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError):
        return None
    finally:
        connection.close()
    if models is None:
        return None
    seeing = next((name for name in names if any(part in name.lower() for part in _SEES)), None)
    pull = "" if seeing else f"`ollama pull {_EXAMPLE}` and "
    return (
        f"altwright: Ollama answers on this machine: {pull}ALTWRIGHT_MODEL="
        f"{(seeing or _EXAMPLE)[:100]} ALTWRIGHT_MODEL_BASE_URL=http://{host}:{port}/v1 use it"
    )
