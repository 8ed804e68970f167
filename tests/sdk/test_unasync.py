"""The synchronous client is generated from the asynchronous one."""

import runpy
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "sdk/unasync.py"


def test_the_generated_files_are_up_to_date() -> None:
    check = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


def test_the_generated_files_say_where_they_come_from() -> None:
    for path in (SCRIPT.parent / "altwright/_sync").glob("*.py"):
        first_line = path.read_text(encoding="utf-8").partition("\n")[0]
        is_generated = path.name in ("client.py", "caption_many.py")
        assert first_line.startswith("# Generated from altwright/_async/") == is_generated


def test_async_and_await_are_removed() -> None:
    convert = runpy.run_path(str(SCRIPT))["convert"]
    code = "async def close() -> None:\n    await self._http.aclose()\n"
    assert convert(code, set()) == "def close() -> None:\n    self._http.close()\n"
