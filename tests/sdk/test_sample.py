"""The sample program runs, and type checkers have nothing to say of it: mypy in `make check`."""

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


def test_the_sample_program_uses_everything_and_runs(altwright: Altwright) -> None:
    """In a process of its own, as a user would."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sdk.sample", altwright.url, "demo/pictures/mug.jpg"],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = ran.stdout
    assert 'alt="' in told
    assert "og:image:alt" in told
    assert '"@type":' in told
    assert "detailed de: " in told
    assert "\nno caption\n2\n" in told


def test_pyright_finds_nothing_in_the_sample_and_every_mistake_beside_it(tmp_path: Path) -> None:
    """Strict, for the oldest Python that the SDK takes."""
    node = require_program("node", "nodejs")
    pyright = require_node_package("pyright") / "index.js"
    shutil.copy(TOP / "tests/sdk/sample.py", tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    strict = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(strict))
    ran = subprocess.run(
        [node, str(pyright), "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = json.loads(ran.stdout)
    assert told["summary"]["filesAnalyzed"] == 2
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in told["generalDiagnostics"]
    ]
    assert sorted(set(found)) == [("wrong.py", line) for line in (3, 4, 5, 6)], ran.stdout
