"""Imports of optional dependencies, with an error that says what to install.

They are imported where they are used: they are slow, and a run over a CSV file needs none of them.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from altwright.errors import UsageError
from altwright.extras import install_command


def import_optional(module: str, purpose: str, extra: str) -> ModuleType:
    """Import a module of an extra. Raises UsageError if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        raise UsageError(f"{purpose} needs more: {install_command(extra)}") from None


def import_pyarrow() -> ModuleType:
    """pyarrow. Raises UsageError if it is not installed."""
    return import_optional("pyarrow", "Parquet", "backfill")
