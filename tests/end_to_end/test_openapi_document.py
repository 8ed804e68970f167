"""The document and the server agree, as seen by schemathesis, which nobody here wrote."""

import subprocess
import sys
from pathlib import Path

from testing.images import jpeg
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin

ROOT = Path(__file__).parents[2]
EXAMPLE = "https://images.example.com/mug.jpg"


def test_nothing_that_is_sent_gets_a_5xx_or_an_undocumented_answer(
    altwright: Altwright, origin: Origin, tmp_path: Path
) -> None:
    """The examples' picture is one that exists here; all else is as it is committed."""
    document = (ROOT / "openapi/openapi.json").read_text(encoding="utf-8")
    assert EXAMPLE in document
    there = origin.serve("/mug.jpg", jpeg())
    (tmp_path / "openapi.json").write_text(document.replace(EXAMPLE, there), encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            "openapi.json",
            f"--url={altwright.url}",
            "--generation-deterministic",
            "--max-examples=15",
            "--max-time=40",
            "--no-color",
            # No schema can say which URL leads to a picture or which style an operator has, so a
            # form that is right may still be refused. Every other check is on.
            "--exclude-checks=positive_data_acceptance",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: 7" in done.stdout
