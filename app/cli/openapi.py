"""`python -m app openapi`: prints, writes or checks openapi/openapi.json."""

import json
import sys
from pathlib import Path

from app.cli import exit_codes
from app.main import create_app
from app.settings.settings import Settings

_FILE = Path("openapi/openapi.json")


def print_document() -> int:
    """Print the document."""
    print(_generate(), end="")
    return exit_codes.OK


def write_document() -> int:
    """Write the document to openapi/openapi.json."""
    _FILE.parent.mkdir(exist_ok=True)
    _FILE.write_text(_generate(), encoding="utf-8")
    return exit_codes.OK


def check_document() -> int:
    """Fail unless openapi/openapi.json is the document that the code generates."""
    if not _FILE.exists() or _FILE.read_text(encoding="utf-8") != _generate():
        print(f"{_FILE} is out of date; run `make openapi`", file=sys.stderr)
        return exit_codes.FAILED
    return exit_codes.OK


def _generate() -> str:
    # The document does not depend on settings, so none are read.
    document = create_app(Settings.model_construct()).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
