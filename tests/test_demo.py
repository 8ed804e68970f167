"""`make demo`: its images are those that its script draws, and it prints every caption."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from demo import draw

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted(draw.DRAWINGS))
def test_a_bundled_image_is_the_one_that_the_script_draws(name: str, tmp_path: Path) -> None:
    """Nearly: another JPEG library may round differently."""
    draw.save(draw.DRAWINGS[name](), tmp_path / name)
    with Image.open(tmp_path / name) as drawn, Image.open(draw.FOLDER / name) as bundled:
        assert drawn.size == bundled.size
        difference = ImageChops.difference(drawn.convert("RGB"), bundled.convert("RGB"))
    assert max(ImageStat.Stat(difference).mean) < 1


PHOTOGRAPHS = ("cat.jpg", "coffee.jpg")


def test_there_are_six_small_images_of_known_origin() -> None:
    """They are part of every clone. The photographs are those of the tests, which are CC0."""
    sizes = {path.name: path.stat().st_size for path in draw.FOLDER.iterdir()}
    assert set(sizes) == {*draw.DRAWINGS, *PHOTOGRAPHS}
    assert len(sizes) == 6
    assert max(sizes.values()) < 60_000
    origins = (ROOT / "demo/README.md").read_text(encoding="utf-8")
    for name in sizes:
        assert f"`{name}`" in origins
    for name in PHOTOGRAPHS:
        original = ROOT / "testing/corpora/photographs" / name
        assert (draw.FOLDER / name).read_bytes() == original.read_bytes()


@pytest.mark.slow
def test_the_demo_captions_every_image_in_every_style_and_exits_with_0() -> None:
    """It ignores the caller's own variables, here a port that only root may use."""
    environment = {**os.environ, "ALTWRIGHT_PORT": "1", "ALTWRIGHT_MODEL": "a-paid-model"}
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for name in (*draw.DRAWINGS, *PHOTOGRAPHS):
        [heading] = [number for number, line in enumerate(lines) if line.startswith(name)]
        assert " ms)" in lines[heading]
        block = "\n".join(lines[heading : heading + 20]).split("\n\n")[0]
        for style in ("concise", "seo", "detailed"):
            assert f"\n  {style} " in block
