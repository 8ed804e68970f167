"""Libraries that only some sources need; a missing one gets one sentence that says what to install.

They are slow to import, and whoever reads a CSV file needs none of them.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from altwright.errors import UsageError
from altwright.extras import install_command


def import_pyarrow() -> ModuleType:
    """pyarrow. Raises UsageError where it is not installed."""
    return import_optional("pyarrow", "Parquet", "backfill")


def import_optional(module: str, what: str, extra: str) -> ModuleType:
    """A module of an extra. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        raise UsageError(f"{what} needs more: {install_command(extra)}") from None
