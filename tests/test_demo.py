"""`make demo`: its pictures are the ones that its script draws, and its run ends as it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from demo import draw

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted(draw.DRAWINGS))
def test_a_shipped_picture_is_the_one_that_the_script_draws(name: str, tmp_path: Path) -> None:
    """Nobody has to trust a picture; another JPEG library may round a little differently."""
    draw.save(draw.DRAWINGS[name](), tmp_path / name)
    with Image.open(tmp_path / name) as drawn, Image.open(draw.PICTURES / name) as shipped:
        assert drawn.size == shipped.size
        difference = ImageChops.difference(drawn.convert("RGB"), shipped.convert("RGB"))
    assert max(ImageStat.Stat(difference).mean) < 1


def test_the_pictures_are_three_and_small() -> None:
    """A clone stays quick."""
    sizes = [path.stat().st_size for path in draw.PICTURES.iterdir()]
    assert len(sizes) == len(draw.DRAWINGS) == 3
    assert max(sizes) < 60_000


def test_the_demo_captions_every_picture_in_every_style_and_exits_with_0() -> None:
    """Whatever the caller's own variables say: here a port that nobody may use."""
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
    for name in draw.DRAWINGS:
        [heading] = [number for number, line in enumerate(lines) if line.startswith(name)]
        assert " ms)" in lines[heading]
        block = "\n".join(lines[heading : heading + 20]).split("\n\n")[0]
        for style in ("concise", "seo", "detailed"):
            assert f"\n  {style} " in block
