"""The variables with prefix ALTWRIGHT_, of the environment and of a .env file."""

import os
from collections.abc import Mapping

from dotenv import dotenv_values

PREFIX = "ALTWRIGHT_"


def environment_variables() -> Mapping[str, str]:
    """Every ALTWRIGHT_ variable of the environment and of the .env file."""
    merged = {**dotenv_values(".env"), **os.environ}
    return {
        name.upper(): value or ""
        for name, value in merged.items()
        if name.upper().startswith(PREFIX)
    }
