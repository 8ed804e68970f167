"""The sample program runs, and pyright accepts its types (mypy does in `make check`)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from testing.requirements import require_node_package, require_program
from testing.servers.altwright import Altwright

TOP = Path(__file__).parents[2]
WRONG = """from altwright import Altwright

caption = Altwright().caption(7)
caption = Altwright().caption("https://images.example.com/mug.jpg", role="banner")
length: int = caption.caption
caption.caption = "A mug."
"""


def test_the_sample_program_runs(altwright: Altwright) -> None:
    """In a separate process, as a user would run it."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.sdk.sample", altwright.url, "demo/pictures/mug.jpg"],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    output = result.stdout
    assert 'alt="' in output
    assert "og:image:alt" in output
    assert '"@type":' in output
    assert "detailed de: " in output
    assert "\nno caption\n2\n" in output


def test_pyright_accepts_the_sample_and_finds_every_mistake_in_another_program(
    tmp_path: Path,
) -> None:
    """Strict, for the oldest Python that the SDK supports."""
    node = require_program("node", "nodejs")
    pyright = require_node_package("pyright") / "index.js"
    shutil.copy(TOP / "tests/sdk/sample.py", tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    strict = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(strict))
    result = subprocess.run(
        [node, str(pyright), "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = json.loads(result.stdout)
    assert output["summary"]["filesAnalyzed"] == 2
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in output["generalDiagnostics"]
    ]
    assert sorted(set(found)) == [("wrong.py", line) for line in (3, 4, 5, 6)], result.stdout
