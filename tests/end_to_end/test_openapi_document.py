"""The server behaves as its OpenAPI document says, tested by schemathesis."""

import subprocess
import sys
from pathlib import Path

import pytest

from testing.images import jpeg
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin

ROOT = Path(__file__).parents[2]
EXAMPLE_IMAGE_URL = "https://images.example.com/mug.jpg"


@pytest.mark.slow
def test_no_generated_request_gets_a_5xx_or_an_undocumented_response(
    altwright: Altwright, origin: Origin, tmp_path: Path
) -> None:
    """Only the URL of the examples' image is replaced, by one that exists here."""
    document = (ROOT / "openapi/openapi.json").read_text(encoding="utf-8")
    assert EXAMPLE_IMAGE_URL in document
    image_url = origin.serve("/mug.jpg", jpeg())
    (tmp_path / "openapi.json").write_text(
        document.replace(EXAMPLE_IMAGE_URL, image_url), encoding="utf-8"
    )
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
            # A schema cannot say which URL leads to an image or which styles an operator has, so a
            # request that fits the schema may be refused. Every other check is on.
            "--exclude-checks=positive_data_acceptance",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: 8" in done.stdout
