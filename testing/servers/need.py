"""What a test needs besides Python: skipped with a sentence where it is missing, failed in CI."""

import os
import shutil

import pytest


def need(program: str, package: str, what: str | None = None) -> str:
    """The path of `program`; without it the test is skipped, or fails where CI requires it.

    ALTWRIGHT_TEST_REQUIRE is a comma list of what must be there (`redis,chromium,node`); `what` is
    the name in that list, by default the program's.
    """
    path = shutil.which(program)
    if path is not None:
        return path
    sentence = f"install {program} (apt-get install {package}) to run this test"
    if (what or program) in os.environ.get("ALTWRIGHT_TEST_REQUIRE", "").split(","):
        pytest.fail(f"ALTWRIGHT_TEST_REQUIRE names {what or program}: {sentence}", pytrace=False)
    pytest.skip(sentence)
