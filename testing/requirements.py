"""Programs and packages outside Python that a test needs.

Without them the test is skipped with a sentence that says what to install. In CI it fails instead:
ALTWRIGHT_TEST_REQUIRE lists what must be there, separated by commas (`redis,chromium,node`).
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

NODE_MODULES = Path(__file__).parent / "node_modules"


def require_program(program: str, package: str, name: str | None = None) -> str:
    """The path of `program`, which the Debian package `package` installs.

    `name` is what ALTWRIGHT_TEST_REQUIRE calls it; by default the program's name.
    """
    path = shutil.which(program)
    if path is None:
        skip_or_fail(name or program, f"install {program} (apt-get install {package})")
    return path


def require_node_package(package: str) -> Path:
    """The folder of a package of testing/package.json."""
    require_program("node", "nodejs")
    folder = NODE_MODULES / package
    if not folder.is_dir():
        skip_or_fail("node", "run `npm ci --prefix testing`")
    return folder


def skip_or_fail(name: str, instruction: str) -> NoReturn:
    """Skip the test, or fail it where ALTWRIGHT_TEST_REQUIRE lists `name`."""
    sentence = f"{instruction} to run this test"
    if name in os.environ.get("ALTWRIGHT_TEST_REQUIRE", "").split(","):
        pytest.fail(f"ALTWRIGHT_TEST_REQUIRE lists {name}: {sentence}", pytrace=False)
    pytest.skip(sentence)
